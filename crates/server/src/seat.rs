//! Who drives a loop: its own thread, or the thread of the one lane it serves.
//!
//! Where there are hardly more cores than threads that want one, a request
//! that goes from the loop's thread to the lane's and back costs more in wakes
//! than in work. There the lane's thread may take the loop's seat: between its
//! handlers it runs turns of the loop itself, and nobody is woken. Its own
//! event loop watches the loop's epoll instance while it rests.
//!
//! The loop's own thread then stands guard. It looks at the clock every few
//! milliseconds, and takes the seat back when something is ready that the
//! lane's thread does not come to, because a handler keeps it. So health checks
//! and static routes are answered also while JavaScript is stuck.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use reactor_sys::{Poller, block_signals, yield_now};

use crate::event_loop::{EventLoop, Wait};
use crate::inbox::Inbox;
use crate::lane::Lane;

/// How long after the lane's last turn the guard looks whether something waits,
/// and so how long what is ready may wait for a handler that keeps the thread.
/// Each look interrupts a core that has other work to do.
const TICK: Duration = Duration::from_millis(4);

/// Looks that find nothing before the guard sleeps until something comes.
const QUIET_TICKS: u32 = 8;

/// After the lane's thread lost the seat it may ask again after this long.
/// Handlers that are always slow then cost ten changes a second, not hundreds.
const PAUSE: Duration = Duration::from_millis(100);

/// The driver's seat of one loop.
pub struct Seat {
    /// None once the loop has ended. Whoever drives holds the lock; while the
    /// lane drives, it is free between two turns.
    event_loop: Mutex<Option<EventLoop>>,
    poller: Arc<Poller>,
    inbox: Arc<Inbox>,
    /// The lane drives.
    by_lane: AtomicBool,
    /// The lane asks for the seat.
    wanted: AtomicBool,
    /// The lane does not get the seat any more.
    barred: AtomicBool,
    /// When the lane last looked what is ready, in microseconds since `epoch`.
    last_turn: AtomicU64,
    lane: OnceLock<Arc<Lane>>,
    /// When the lane may ask again, in microseconds since `epoch`.
    ask_from: AtomicU64,
    epoch: Instant,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("by_lane", &self.by_lane).finish_non_exhaustive()
    }
}

impl Seat {
    pub(crate) fn new(event_loop: EventLoop) -> Self {
        Self {
            poller: Arc::clone(&event_loop.poller),
            inbox: Arc::clone(&event_loop.inbox),
            event_loop: Mutex::new(Some(event_loop)),
            by_lane: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            barred: AtomicBool::new(false),
            last_turn: AtomicU64::new(0),
            lane: OnceLock::new(),
            ask_from: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    /// The loop's own thread.
    pub(crate) fn run(&self) {
        block_signals();
        if let Some(event_loop) = self.lock().as_ref() {
            event_loop.counters.loops[event_loop.index].thread.set_to_this_thread();
        }
        while self.drive_until_wanted() {
            self.guard();
        }
    }

    /// Drives until the lane has the seat; false once the loop has ended.
    fn drive_until_wanted(&self) -> bool {
        let mut slot = self.lock();
        while let Some(event_loop) = slot.as_mut() {
            if !event_loop.turn(Wait::Asleep) {
                *slot = None;
            } else if self.wanted.load(Ordering::Relaxed) && !event_loop.is_draining() {
                self.wanted.store(false, Ordering::Relaxed);
                if self.barred.load(Ordering::Acquire) {
                    continue;
                }
                // From here on whoever has something for the loop must say so
                // through its epoll instance: nobody else looks.
                event_loop.inbox.gate().about_to_sleep();
                self.by_lane.store(true, Ordering::SeqCst);
                drop(slot);
                if let Some(lane) = self.lane.get() {
                    lane.notify();
                }
                return true;
            }
        }
        false
    }

    /// Stands guard while the lane drives; returns when it does not any more.
    fn guard(&self) {
        let mut quiet = 0;
        let mut wait = TICK;
        loop {
            std::thread::sleep(wait);
            if !self.by_lane.load(Ordering::Acquire) {
                return;
            }
            let last_turn = self.last_turn.load(Ordering::Relaxed);
            let since = Duration::from_micros(self.now().saturating_sub(last_turn));
            wait = TICK.saturating_sub(since);
            if !wait.is_zero() {
                quiet = 0;
                continue;
            }
            wait = TICK;
            if self.poller.is_ready(Some(Duration::ZERO)) {
                // It may have become so in this moment; the lane gets the seat
                // back soon enough.
                self.ask_from.store(self.now() + micros(PAUSE), Ordering::Relaxed);
                self.by_lane.store(false, Ordering::Release);
                return;
            }
            let Some(timeout) = self.look_after_timers() else { continue };
            quiet += 1;
            if quiet > QUIET_TICKS {
                quiet = 0;
                let _ = self.poller.is_ready(timeout);
            }
        }
    }

    /// Does what is due, and says how long nothing will be; None if the lane is
    /// driving, or there is more to do already.
    fn look_after_timers(&self) -> Option<Option<Duration>> {
        let mut slot = self.try_lock()?;
        let event_loop = slot.as_mut()?;
        if !event_loop.turn(Wait::No) {
            *slot = None;
            self.by_lane.store(false, Ordering::Release);
            return None;
        }
        let timeout = event_loop.sleep_timeout();
        (timeout != Some(Duration::ZERO)).then_some(timeout)
    }

    /// The epoll instance that the lane's thread must watch for reading while
    /// it has the seat and rests. It is open as long as the seat is there.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// Names the lane whose thread may drive. Only the first counts.
    pub fn offer(&self, lane: &Arc<Lane>) {
        let _ = self.lane.set(Arc::clone(lane));
    }

    /// Asks for the seat, for the lane's thread. It may have it soon, and is
    /// woken then.
    pub fn ask(&self) {
        if self.barred.load(Ordering::Relaxed)
            || self.wanted.load(Ordering::Relaxed)
            || self.now() < self.ask_from.load(Ordering::Relaxed)
        {
            return;
        }
        self.wanted.store(true, Ordering::Relaxed);
        self.inbox.notify();
    }

    /// Whether the lane has the seat.
    #[must_use]
    pub fn is_lanes(&self) -> bool {
        self.by_lane.load(Ordering::SeqCst)
    }

    /// Runs one turn of the loop without waiting, for the lane's thread. False
    /// if it does not have the seat.
    pub fn drive(&self) -> bool {
        let mut slot = loop {
            if !self.by_lane.load(Ordering::Acquire) {
                return false;
            }
            match self.try_lock() {
                Some(slot) => break slot,
                // The guard looks after timers.
                None => yield_now(),
            }
        };
        // The guard may have taken the seat, but cannot drive before it has
        // the lock.
        if !self.by_lane.load(Ordering::Acquire) {
            return false;
        }
        let Some(event_loop) = slot.as_mut() else { return false };
        // What the lane has answered leaves first: while it does, more comes in.
        event_loop.replies();
        let goes_on = event_loop.turn(Wait::No);
        let now = event_loop.reactor.clock.now().saturating_duration_since(self.epoch);
        self.last_turn.store(micros(now), Ordering::Relaxed);
        event_loop.inbox.gate().about_to_sleep();
        if goes_on && !event_loop.is_draining() {
            return true;
        }
        // How a loop comes to its end is its own thread's business.
        if !goes_on {
            *slot = None;
        }
        drop(slot);
        self.leave();
        true
    }

    /// Whether there is nothing to do, for the lane's thread when it has the
    /// seat and wants to rest: from here on [`fd`](Self::fd) tells it of more.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        let Some(mut slot) = self.try_lock() else { return false };
        let Some(event_loop) = slot.as_mut() else { return true };
        event_loop.sleep_timeout() != Some(Duration::ZERO)
    }

    /// Gives the seat back for good.
    pub fn leave(&self) {
        self.barred.store(true, Ordering::Release);
        if self.by_lane.swap(false, Ordering::AcqRel) {
            // The guard may be asleep until something is ready.
            self.inbox.waker().wake();
        }
    }

    fn now(&self) -> u64 {
        micros(self.epoch.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Option<EventLoop>> {
        self.event_loop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<EventLoop>>> {
        match self.event_loop.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
