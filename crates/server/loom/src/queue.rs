use loom::sync::atomic::{AtomicUsize, Ordering};

/// A queue that is only the number of its items. It orders as little as a queue may, so that the
/// protocols cannot rely on what a real queue does beyond that.
#[derive(Default)]
pub(crate) struct Queue {
    items: AtomicUsize,
}

impl Queue {
    pub(crate) fn push(&self) {
        self.items.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn pop(&self) -> bool {
        let mut items = self.items.load(Ordering::Relaxed);
        while items > 0 {
            match self.items.compare_exchange(
                items,
                items - 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => items = now,
            }
        }
        false
    }
}
