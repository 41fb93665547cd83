//! Whether a thread looks for events once more before it rests.
//!
//! A rest ends with a wake-up, which costs this thread and the sender more than a request
//! does. Under full load the next request comes soon, so polling a moment longer is cheaper.
//! Under less load polling gains nothing: it burns a core, and on few cores it takes time
//! from the client. So only a busy thread spins, and for about as long as a rest costs.
//!
//! A turn that brought many requests is the sign of full load. A single connection makes as
//! many turns, but its client sends nothing before it has the answer. There even a look
//! without a wait is in vain, and libuv looks anyhow.

use std::time::{Duration, Instant};

/// A turn with fewer requests is a small one.
const MANY: u32 = 4;

/// A thread is busy after this many turns with many requests, without a rest between them.
const BUSY: u32 = 4;

/// How often a busy thread polls again before it rests.
const POLLS: u32 = 2;

/// How long it spins before each of these polls.
const SPIN: Duration = Duration::from_micros(10);

/// After this many looks in vain behind small turns, a thread no longer looks there.
const IN_VAIN: u32 = 8;

/// Then it looks only after this many small turns, in case that has changed.
const SKIPS: u32 = 64;

/// What the policy remembers of one thread.
#[derive(Default)]
pub(super) struct SpinPolicy {
    /// Turns with many requests since the last rest or small turn.
    turns: u32,
    /// Polls since the last turn that found work.
    polls: u32,
    /// The last turn was small, and nothing has been looked for since.
    was_small: bool,
    /// Looks behind small turns that found nothing, one after the other.
    in_vain: u32,
    /// Looks that were left out since.
    skipped: u32,
}

impl SpinPolicy {
    /// Returns true after a short spin: the thread polls again. Returns false at once where
    /// the thread should rest.
    pub(super) fn spin(&mut self) -> bool {
        if self.turns < BUSY || self.polls == POLLS {
            self.turns = 0;
            self.polls = 0;
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

    /// Whether the turn that begins should look for events. If not, the thread sends its
    /// answers and rests.
    pub(super) fn looks(&mut self) -> bool {
        if !std::mem::take(&mut self.was_small) {
            return true;
        }
        if self.in_vain >= IN_VAIN && self.skipped < SKIPS {
            self.skipped += 1;
            return false;
        }
        self.skipped = 0;
        self.in_vain = self.in_vain.saturating_add(1);
        true
    }

    /// The turn has found this many events. `followed` says that it looked right behind
    /// another turn, without a rest between them.
    pub(super) fn found_work(&mut self, events: u32, followed: bool) {
        self.polls = 0;
        self.was_small = events < MANY;
        self.turns = if self.was_small { 0 } else { self.turns.saturating_add(1) };
        if followed {
            self.in_vain = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_requests_in_each_of_several_turns_make_a_thread_spin() {
        let mut policy = SpinPolicy::default();
        for _ in 0..100 {
            policy.found_work(1, true);
        }
        assert!(!policy.spin());
        for events in [8, 8, 8, 1, 8, 8, 8] {
            policy.found_work(events, true);
        }
        assert!(!policy.spin());
        for _ in 0..BUSY {
            policy.found_work(8, true);
        }
        assert!(policy.spin() && policy.spin());
        assert!(!policy.spin(), "it rests in the end");
    }

    #[test]
    fn looks_that_are_in_vain_are_left_out_until_one_finds_something() {
        let mut policy = SpinPolicy::default();
        // Each request comes after a rest, and the look behind it finds nothing.
        let turn = |policy: &mut SpinPolicy| {
            policy.looks();
            policy.found_work(1, false);
            policy.looks()
        };
        let looks = (0..1000).filter(|_| turn(&mut policy)).count();
        assert!((8..40).contains(&looks), "{looks}");
        // Many requests are always looked behind.
        policy.found_work(9, false);
        assert!(policy.looks());
        while !turn(&mut policy) {}
        policy.found_work(1, true);
        assert!(policy.looks(), "now requests come one behind the other");
    }
}
