//! How late a lane's thread is: when its last turn began, how long after a wake its turns begin,
//! and how long requests wait for it.
//!
//! The thread reads the clock once a turn and counts for itself. Loops write only when they wake
//! it. So a request costs no clock reading, and no cache line that several threads write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::observe::counter::Counter;
use crate::observe::histogram::Histogram;

/// A thread with waiting work counts as stuck after this long without a turn. It is far longer than
/// a garbage collection or a slow handler takes.
const STUCK_AFTER: Duration = Duration::from_millis(100);

pub(crate) struct LagMonitor {
    epoch: Instant,
    /// The thread's number, once it serves the lane; 0 before.
    pub(crate) thread: Counter,
    /// When the thread last began a turn; nanoseconds since `epoch`.
    turned_at: AtomicU64,
    /// When a loop last woke the thread, until its turn; 0 is never.
    woken_at: AtomicU64,
    /// From the hand-over of a request to the turn that takes it.
    pub(crate) queue_wait: Histogram,
    /// From a wake to the turn that it leads to.
    pub(crate) lag: Histogram,
}

impl LagMonitor {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            thread: Counter::default(),
            turned_at: AtomicU64::new(0),
            woken_at: AtomicU64::new(0),
            queue_wait: Histogram::new(),
            lag: Histogram::new(),
        }
    }

    /// The calling thread is the lane's.
    pub(crate) fn is_this_thread(&self) {
        self.thread.set_to_this_thread();
    }

    /// The thread begins a turn. Returns the time.
    pub(crate) fn turn(&self) -> Instant {
        let now = Instant::now();
        let nanos = self.nanos(now);
        self.turned_at.store(nanos, Ordering::Relaxed);
        if self.woken_at.load(Ordering::Relaxed) != 0 {
            let woken = self.woken_at.swap(0, Ordering::Relaxed);
            self.lag.record(Duration::from_nanos(nanos.saturating_sub(woken)));
        }
        now
    }

    /// The calling loop wakes the thread. Of several loops only one does.
    pub(crate) fn wake(&self) {
        self.woken_at.store(self.nanos(Instant::now()).max(1), Ordering::Relaxed);
    }

    /// Whether the thread has had no turn for long, though it is awake.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        self.without_turn(now) > STUCK_AFTER
    }

    /// How long ago the thread last had a turn, or was woken for one.
    pub(crate) fn without_turn(&self, now: Instant) -> Duration {
        let turned = self.turned_at.load(Ordering::Relaxed);
        let since = turned.max(self.woken_at.load(Ordering::Relaxed));
        Duration::from_nanos(self.nanos(now).saturating_sub(since))
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Distribution;

    #[test]
    fn a_thread_is_late_from_its_wake_to_its_turn() {
        let lag_monitor = LagMonitor::new();
        lag_monitor.turn();
        assert_eq!(Distribution::of([&lag_monitor.lag].into_iter()).count, 0, "nobody woke it");
        lag_monitor.wake();
        std::thread::sleep(Duration::from_millis(5));
        lag_monitor.turn();
        lag_monitor.turn();
        let lag = Distribution::of([&lag_monitor.lag].into_iter());
        assert_eq!(lag.count, 1);
        assert!(lag.max >= 5_000_000, "{} ns", lag.max);
    }

    #[test]
    fn a_thread_is_stuck_when_it_has_neither_come_nor_just_been_woken() {
        let lag_monitor = LagMonitor::new();
        let turned = lag_monitor.turn();
        assert!(!lag_monitor.is_stuck(turned + STUCK_AFTER));
        assert!(lag_monitor.is_stuck(turned + STUCK_AFTER + Duration::from_millis(1)));
        std::thread::sleep(Duration::from_millis(2));
        lag_monitor.wake();
        assert!(!lag_monitor.is_stuck(turned + STUCK_AFTER + Duration::from_millis(1)));
    }
}
