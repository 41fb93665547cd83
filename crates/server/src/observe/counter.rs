//! A number that one thread writes and other threads read.

use std::sync::atomic::{AtomicU64, Ordering};

use reactor_sys::thread_id;

/// A number that one thread writes and any thread reads. Adding is a load and a store, without a
/// locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Stores the number of the calling thread.
    pub(crate) fn set_to_this_thread(&self) {
        self.raise_to(u64::try_from(thread_id()).unwrap_or(0));
    }

    pub(crate) fn raise_to(&self, n: u64) {
        if n > self.0.load(Ordering::Relaxed) {
            self.0.store(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
