//! The sleeping→awake edge: whether a thread must be woken by a system call.
//!
//! A wake costs a microsecond when the other thread runs and 50 when its core
//! sleeps, so it is sent only when that thread said it is about to sleep. The
//! order of the two sides is that of Dekker's algorithm: each writes its own
//! word, passes a sequentially consistent fence, then reads the other's. So
//! either the sleeper sees the item or the producer sees the sleeper.
//! `crates/server/loom` checks the interleavings.

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

    /// The sleeper's side, before it looks into its queue a last time. If
    /// there is something, it calls [`awake`](Self::awake) and goes on.
    pub(crate) fn about_to_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The sleeper's side, after its sleep or instead of it.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the sleeper has said so and nobody has claimed its wake; for those
    /// who only look.
    #[cfg(not(loom))]
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// The producer's side, after it put something into the queue. True for
    /// exactly one of the producers that find the sleeper asleep: that one
    /// sends the wake.
    pub(crate) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.claim()
    }

    fn claim(&self) -> bool {
        self.asleep.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
