//! Which workers are parked, and whom to wake.
//!
//! The protocol is that of `wake_flag`, with one bit for each worker. A worker sets its bit, passes
//! a fence and looks into the queue. A producer pushes, passes a fence and looks at the bits. So a
//! queued task and a sleeping worker cannot miss each other. `crates/server/loom` checks the
//! interleavings.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The workers that are parked or about to be.
#[derive(Debug)]
pub(crate) struct Idle {
    workers: AtomicU64,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self { workers: AtomicU64::new(0) }
    }

    /// The worker calls this before it looks into the queue a last time.
    pub(crate) fn enter(&self, worker: usize) {
        self.workers.fetch_or(bit(worker), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Whether no producer has chosen this worker since it entered.
    pub(crate) fn contains(&self, worker: usize) -> bool {
        self.workers.load(Ordering::Relaxed) & bit(worker) != 0
    }

    /// The worker calls this after its sleep, or instead of it.
    pub(crate) fn leave(&self, worker: usize) {
        self.workers.fetch_and(!bit(worker), Ordering::AcqRel);
    }

    /// A producer calls this after it put a task into the queue. It takes an idle worker out of the
    /// set: the first from `home` on, around the end. The caller must unpark that worker; no other
    /// producer does.
    pub(crate) fn choose(&self, home: usize) -> Option<usize> {
        fence(Ordering::SeqCst);
        let mut idle = self.workers.load(Ordering::Relaxed);
        while idle != 0 {
            let shift = u32::try_from(home % 64).unwrap_or(0);
            let worker = ((idle.rotate_right(shift).trailing_zeros() + shift) % 64) as usize;
            if self.workers.fetch_and(!bit(worker), Ordering::AcqRel) & bit(worker) != 0 {
                return Some(worker);
            }
            idle = self.workers.load(Ordering::Relaxed);
        }
        None
    }
}

fn bit(worker: usize) -> u64 {
    1 << worker
}
