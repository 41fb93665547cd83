//! Whether to look once more before resting.
//!
//! To rest, and to be woken by the next request, costs this thread and the one
//! that sends more than the request itself, and between two requests that come
//! close together it is soon over. So the thread waits a moment first. That
//! must not burn a core where requests come rarely: each time that nothing has
//! come, more rests go by before the next try.

use std::time::{Duration, Instant};

/// How often to look, and how long to wait before each look: long enough for a
/// few requests to come together, and together short against everything that a
/// JavaScript program could notice.
const LOOKS: u32 = 5;
const WAIT: Duration = Duration::from_micros(10);

/// The most rests without a try.
const MOST_SKIPPED: u32 = 255;

#[derive(Default)]
pub(super) struct Patience {
    /// Looks since something came.
    looks: u32,
    /// Rests that go by without a try after the next one that fails.
    skip: u32,
    /// Rests that still go by.
    skipped: u32,
}

impl Patience {
    /// Waits a moment and says true: look again. Or says false at once: rest.
    pub(super) fn wait(&mut self) -> bool {
        if self.looks == 0 && self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        if self.looks == LOOKS {
            self.looks = 0;
            self.skip = (2 * self.skip + 1).min(MOST_SKIPPED);
            self.skipped = self.skip;
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
        if self.looks > 0 {
            self.looks = 0;
            self.skip = 0;
        }
    }
}
