//! Whether a producer must wake the thread that takes what it produces.
//!
//! A wake is a system call. It costs a microsecond if the other thread runs, and 50 if its core
//! sleeps. So a producer sends one only if that thread has said that it is about to sleep.
//!
//! The order of the two sides is that of Dekker's algorithm. Each side writes its own word, passes
//! a sequentially consistent fence, then reads the other's word. So either the sleeper sees the
//! item, or the producer sees the sleeper. `crates/server/loom` checks the interleavings.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

#[derive(Debug)]
pub(crate) struct WakeFlag {
    asleep: AtomicBool,
}

impl WakeFlag {
    pub(crate) fn new() -> Self {
        Self { asleep: AtomicBool::new(false) }
    }

    /// The sleeper calls this before it looks into its queue a last time. If there is an item, it
    /// calls [`awake`](Self::awake) and does not sleep.
    pub(crate) fn about_to_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The sleeper calls this after its sleep, or instead of it.
    pub(crate) fn awake(&self) {
        // A busy thread calls this each turn. A write would take the cache line from all producers.
        if self.asleep.load(Ordering::Relaxed) {
            self.asleep.store(false, Ordering::Relaxed);
        }
    }

    /// Whether the sleeper sleeps, or is about to, and no producer has claimed its wake. For
    /// threads that only look.
    #[cfg(not(loom))]
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// A producer calls this after it put an item into the queue. Of all producers that find the
    /// sleeper asleep, exactly one gets true: that one sends the wake.
    pub(crate) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.claim()
    }

    fn claim(&self) -> bool {
        self.asleep.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
