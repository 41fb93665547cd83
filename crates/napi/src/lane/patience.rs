//! Whether to look once more before resting.
//!
//! To rest, and to be woken by the next request, costs this thread and the one
//! that sends more than the request itself. Under full load the next one comes
//! soon, so the thread waits a moment first. Where it does not come soon, waiting
//! burns a core and gains nothing, and on few cores it takes them from the client. So
//! only a thread that was busy waits, and about as long as a rest costs.

use std::time::{Duration, Instant};

/// Turns without a rest, each of which brought something, that make a thread busy.
const BUSY: u32 = 4;

/// How often to look, and how long to wait before each look.
const LOOKS: u32 = 2;
const WAIT: Duration = Duration::from_micros(10);

#[derive(Default)]
pub(super) struct Patience {
    /// Turns since the last rest that brought something.
    turns: u32,
    /// Looks since something came.
    looks: u32,
}

impl Patience {
    /// Waits a moment and says true: look again. Or says false at once: rest.
    pub(super) fn wait(&mut self) -> bool {
        if self.turns < BUSY || self.looks == LOOKS {
            *self = Self::default();
            return false;
        }
        self.looks += 1;
        let since = Instant::now();
        // Whoever else wants this core has it.
        std::thread::yield_now();
        while since.elapsed() < WAIT {
            std::hint::spin_loop();
        }
        true
    }

    /// Something has come.
    pub(super) fn rewarded(&mut self) {
        self.looks = 0;
        self.turns = self.turns.saturating_add(1);
    }
}
