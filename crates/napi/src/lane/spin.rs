//! The spin policy: whether a thread polls once more before it rests.
//!
//! A rest ends with a wake-up, which costs this thread and the sender more than a request
//! does. Under full load the next request comes soon, so polling a moment longer is cheaper.
//! Under less load polling gains nothing: it burns a core, and on few cores it takes time
//! from the client. So only a busy thread spins, and for about as long as a rest costs.

use std::time::{Duration, Instant};

/// A thread is busy after this many turns that found work, without a rest between them.
const BUSY: u32 = 4;

/// How often a busy thread polls again before it rests.
const POLLS: u32 = 2;

/// How long it spins before each of these polls.
const SPIN: Duration = Duration::from_micros(10);

/// What the policy remembers of one thread.
#[derive(Default)]
pub(super) struct SpinPolicy {
    /// Turns since the last rest that found work.
    turns: u32,
    /// Polls since the last turn that found work.
    polls: u32,
}

impl SpinPolicy {
    /// Returns true after a short spin: the thread polls again. Returns false at once where
    /// the thread should rest.
    pub(super) fn spin(&mut self) -> bool {
        if self.turns < BUSY || self.polls == POLLS {
            *self = Self::default();
            return false;
        }
        self.polls += 1;
        let since = Instant::now();
        // Another thread may want this core more.
        std::thread::yield_now();
        while since.elapsed() < SPIN {
            std::hint::spin_loop();
        }
        true
    }

    /// The turn has found work.
    pub(super) fn found_work(&mut self) {
        self.polls = 0;
        self.turns = self.turns.saturating_add(1);
    }
}
