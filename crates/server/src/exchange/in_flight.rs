//! How many requests may be at handlers at once, over all loops.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A count with an end. It guards nothing else, so its order against other
/// memory does not matter.
#[derive(Debug)]
pub(crate) struct InFlight {
    most: usize,
    now: AtomicUsize,
}

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, now: AtomicUsize::new(0) }
    }

    /// Counts one more; false if there are as many as may be.
    pub(crate) fn enter(&self) -> bool {
        let more = |now| (now < self.most).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts one less, for each that [`enter`](Self::enter) let in.
    pub(crate) fn leave(&self) {
        let before = self.now.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "more have left than came");
    }

    #[cfg(test)]
    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn never_more_than_may_be_and_all_places_come_back() {
        let count = InFlight::new(3);
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if count.enter() {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            count.leave();
                        }
                    }
                });
            }
        });
        assert!((0..3).all(|_| count.enter()));
        assert!(!count.enter());
    }
}
