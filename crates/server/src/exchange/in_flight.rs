//! How many requests may be at handlers at once, over all loops.

use std::cell::Cell;
use std::sync::Arc;
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

    /// Counts so many less, of those that [`enter`](Self::enter) let in.
    pub(crate) fn leave(&self, places: usize) {
        let before = self.now.fetch_sub(places, Ordering::Relaxed);
        debug_assert!(before >= places, "more have left than came");
    }
}

/// One loop's places. Places that get free together go back to all loops together, before the
/// answers are sent that freed them. So a client that has its answer finds the place free, whichever
/// loop it asks next, and the loops write one number less often.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<InFlight>,
    free: Cell<usize>,
}

impl Places {
    pub(crate) fn new(all: Arc<InFlight>) -> Self {
        Self { all, free: Cell::new(0) }
    }

    /// Takes a place; false if there is none.
    pub(crate) fn enter(&self) -> bool {
        match self.free.get() {
            0 => self.all.enter(),
            free => {
                self.free.set(free - 1);
                true
            }
        }
    }

    /// Frees a place that [`enter`](Self::enter) took.
    pub(crate) fn leave(&self) {
        self.free.set(self.free.get() + 1);
    }

    /// Gives free places back to all loops. Called before answers are sent.
    pub(crate) fn give_back(&self) {
        let free = self.free.take();
        if free > 0 {
            self.all.leave(free);
        }
    }

    /// How many are taken, by all loops.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.all.now.load(Ordering::Relaxed) - self.free.get()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.give_back();
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
                            count.leave(1);
                        }
                    }
                });
            }
        });
        assert!((0..3).all(|_| count.enter()));
        assert!(!count.enter());
    }

    #[test]
    fn a_free_place_serves_its_own_loop_until_it_is_given_back_and_then_any() {
        let all = Arc::new(InFlight::new(2));
        let [one, other] = [Places::new(Arc::clone(&all)), Places::new(all)];
        assert!(one.enter() && one.enter() && !one.enter() && !other.enter());
        one.leave();
        assert_eq!(one.taken(), 1);
        assert!(!other.enter(), "it is not given back yet");
        assert!(one.enter() && !one.enter());
        one.leave();
        one.leave();
        one.give_back();
        assert_eq!(other.taken(), 0);
        assert!(other.enter() && other.enter() && !one.enter());
        other.leave();
        drop(other);
        assert!(one.enter() && !one.enter(), "a loop that has ended keeps no free place");
    }
}
