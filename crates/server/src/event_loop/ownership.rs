//! Who drives a loop: its own thread, or the thread of the one lane it serves.
//!
//! On a machine with hardly more cores than busy threads, the wakes of a request cost more than its
//! work: from the loop's thread to the lane's and back. There the lane's thread may take ownership
//! of the loop. Between its handlers it runs turns of the loop itself, and no thread is woken.
//! While it rests, its own event loop (libuv) watches the loop's epoll instance.
//!
//! The loop's own thread drives first. A turn of the lane that brought requests asks for ownership,
//! and the loop's thread hands it over at the end of its turn. It gets it back for good when a
//! drain begins, or when the lane closes.
//!
//! Between two turns of the lane, everything that the loop has to do makes its epoll instance
//! ready. The wake flag says "asleep", so other threads write the eventfd. A timerfd expires with
//! the next timer. If a turn left work over, the eventfd is written at once. So the threads that
//! watch the instance need to know nothing else.
//!
//! Meanwhile the loop's own thread is the guard. It looks every few milliseconds. When something is
//! ready, and a handler keeps the lane's thread from it, the guard takes the loop back. So health
//! checks and static routes are answered while JavaScript is stuck. `crates/server/loom` checks the
//! interleavings.

#[cfg(not(loom))]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, TryLockError};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::thread::sleep;
use std::time::{Duration, Instant};

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};

#[cfg(not(loom))]
use reactor_sys::cpu_time_of;
use reactor_sys::{Poller, Timer, block_signals, yield_now};

use crate::dispatch::lane::channel::Lane;
#[cfg(not(loom))]
use crate::dispatch::lane::exchange::Exchange;
use crate::event_loop::inbox::Inbox;
use crate::event_loop::token::WAKER;
use crate::event_loop::turn::{EventLoop, Wait};
#[cfg(not(loom))]
use crate::observe::usage::is_runnable;
#[cfg(loom)]
use crate::ownership_world::sleep;

/// How long after the lane's last turn the guard looks for ready work. So that work waits no longer
/// for a handler that keeps the lane's thread. Each look interrupts a core that has other work to
/// do. The models under loom have no time.
const TICK: Duration = Duration::from_millis(if cfg!(loom) { 0 } else { 4 });

/// The guard sleeps until something is ready after this many looks that found nothing.
const QUIET_TICKS: u32 = if cfg!(loom) { 0 } else { 8 };

/// How many looks in a row may find work that waits for a thread that waits for a core. The loop's
/// own thread would only take that core from it.
const PATIENT_TICKS: u32 = if cfg!(loom) { 0 } else { 4 };

/// How long the lane must wait before it asks again, after the guard took the loop back. Twice as
/// long each time, unless it has driven for long since. Handlers that are always slow then cost ten
/// changes of owner a second, not hundreds.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(loom) { 0 } else { 5 });
const LAST_PAUSE: Duration = Duration::from_millis(if cfg!(loom) { 0 } else { 100 });

/// The lane has driven for long if it did for this many pauses.
const LONG: u32 = 10;

/// Turns in a row that may each leave work over before the lane's thread does its other work.
/// Clients that send without end must not keep it.
const MOST_TURNS: u32 = 4;

/// Who drives one loop.
pub struct Ownership {
    /// `None` once the loop has ended. The thread that drives holds the lock. While the lane
    /// drives, the lock is free between two turns.
    event_loop: Mutex<Option<EventLoop>>,
    poller: Arc<Poller>,
    inbox: Arc<Inbox>,
    /// The lane drives.
    by_lane: AtomicBool,
    /// The lane asks for ownership.
    wanted: AtomicBool,
    /// The lane does not get ownership any more.
    barred: AtomicBool,
    /// When the lane's last turn was, in microseconds since `epoch`.
    last_turn: AtomicU64,
    lane: OnceLock<Arc<Lane>>,
    /// Wakes the lane's thread for the loop's timers; set once there is a lane.
    timer: OnceLock<Timer>,
    /// When the timer expires, as last set, in microseconds since `epoch`. Only the thread that
    /// drives writes it.
    timer_at: AtomicU64,
    /// The lane's turns in a row that left work over.
    unfinished: AtomicU32,
    /// When the lane may ask again, in microseconds since `epoch`.
    ask_from: AtomicU64,
    /// How long it had to wait the last time, in microseconds. Only the guard uses it.
    pause: AtomicU64,
    epoch: Instant,
}

impl std::fmt::Debug for Ownership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ownership").field("by_lane", &self.by_lane).finish_non_exhaustive()
    }
}

impl Ownership {
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
            timer: OnceLock::new(),
            timer_at: AtomicU64::new(0),
            unfinished: AtomicU32::new(0),
            ask_from: AtomicU64::new(0),
            pause: AtomicU64::new(micros(FIRST_PAUSE)),
            epoch: Instant::now(),
        }
    }

    /// What the loop's own thread runs.
    pub(crate) fn run(&self) {
        block_signals();
        if let Some(event_loop) = self.lock().as_ref() {
            event_loop.is_this_thread();
        }
        while self.drive_until_wanted() {
            self.guard();
        }
    }

    /// Runs turns until the lane has ownership. False once the loop has ended.
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
                self.leave_to_epoll(event_loop);
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

    /// Guards while the lane drives. Returns when the lane no longer does.
    fn guard(&self) {
        let mut quiet = 0;
        let mut patient = 0;
        let mut wait = TICK;
        let began = self.now();
        loop {
            let used = self.lane_time();
            sleep(wait);
            if !self.by_lane.load(Ordering::Acquire) {
                return;
            }
            let last_turn = self.last_turn.load(Ordering::Relaxed);
            let since = Duration::from_micros(self.now().saturating_sub(last_turn));
            wait = TICK.saturating_sub(since);
            if !wait.is_zero() {
                quiet = 0;
                patient = 0;
                continue;
            }
            wait = TICK;
            if self.poller.is_ready(Some(Duration::ZERO)) {
                if patient < PATIENT_TICKS && self.lane_waits_for_core(used) {
                    patient += 1;
                    continue;
                }
                // This may be early: the lane may be about to take its turn. Then it soon asks
                // again.
                self.pause(began);
                self.by_lane.store(false, Ordering::Release);
                return;
            }
            patient = 0;
            quiet += 1;
            if quiet > QUIET_TICKS {
                quiet = 0;
                let _ = self.poller.is_ready(None);
            }
        }
    }

    /// The lane must wait before it asks again. It has driven since `began`.
    fn pause(&self, began: u64) {
        let now = self.now();
        let last = Duration::from_micros(self.pause.load(Ordering::Relaxed));
        let was_long = now.saturating_sub(began) >= micros(last * LONG);
        let pause = if was_long { FIRST_PAUSE } else { (last * 2).min(LAST_PAUSE) };
        self.pause.store(micros(pause), Ordering::Relaxed);
        self.ask_from.store(now + micros(pause), Ordering::Relaxed);
    }

    /// The processor time that the lane's thread has used, if that is known.
    #[cfg(not(loom))]
    fn lane_time(&self) -> Option<Duration> {
        let thread = self.lane.get()?.lag.thread.get();
        i32::try_from(thread).ok().filter(|thread| *thread != 0).and_then(cpu_time_of)
    }

    /// Whether the lane's thread would run if it had a core. `used` is its processor time before the
    /// last tick. A thread that sleeps in a handler does not wait for a core.
    #[cfg(not(loom))]
    fn lane_waits_for_core(&self, used: Option<Duration>) -> bool {
        let ran = used.zip(self.lane_time()).map(|(before, after)| after.saturating_sub(before));
        ran.is_some_and(|ran| ran < TICK / 2)
            && self.lane.get().is_some_and(|lane| is_runnable(lane.lag.thread.get()))
    }

    #[cfg(loom)]
    fn lane_time(&self) -> Option<Duration> {
        None
    }

    #[cfg(loom)]
    fn lane_waits_for_core(&self, _used: Option<Duration>) -> bool {
        false
    }

    /// Makes the epoll instance ready for whatever the loop has to do from here on. Called before
    /// the lane's first turn and after each. True if the turn left work over.
    fn leave_to_epoll(&self, event_loop: &mut EventLoop) -> bool {
        let Some(timeout) = event_loop.sleep_timeout() else { return false };
        if timeout.is_zero() {
            // The wake flag may stay "awake": the instance is ready until a thread drives, and that
            // thread looks into the inbox.
            event_loop.inbox.waker().wake();
            return true;
        }
        let now = self.micros_at(event_loop.now());
        let at = now.saturating_add(micros(timeout));
        let timer_at = self.timer_at.load(Ordering::Relaxed);
        // A deadline that moves to later needs no system call: the timer expires once too early.
        if let Some(timer) = self.timer.get()
            && (timer_at <= now || at < timer_at)
            && timer.set(timeout).is_ok()
        {
            self.timer_at.store(at, Ordering::Relaxed);
        }
        false
    }

    /// The epoll instance. While the lane has ownership and its thread rests, the thread must watch
    /// the instance for reading. It is open as long as the `Ownership` lives.
    #[cfg(not(loom))]
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// Names the lane whose thread may drive. Only the first call counts. If the system has no
    /// timer to spare, the loop's own thread drives for good.
    pub fn offer(&self, lane: &Arc<Lane>) {
        if self.lane.set(Arc::clone(lane)).is_err() {
            return;
        }
        match Timer::new().and_then(|timer| self.poller.add_edge(&timer, WAKER).map(|()| timer)) {
            Ok(timer) => {
                let _ = self.timer.set(timer);
            }
            Err(_) => self.barred.store(true, Ordering::Release),
        }
    }

    /// The lane's thread asks for ownership. If it gets it, the lane is woken.
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

    /// Whether the lane has ownership.
    #[must_use]
    pub fn is_lanes(&self) -> bool {
        self.by_lane.load(Ordering::SeqCst)
    }

    /// The lane's thread runs one turn of the loop, without waiting. If not `looks`, the turn takes
    /// no events of sockets: they keep [`fd`](Self::fd) ready. False if the lane does not have
    /// ownership.
    pub fn drive(&self, looks: bool) -> bool {
        let Some(mut slot) = self.lock_as_lane() else { return false };
        let Some(event_loop) = slot.as_mut() else { return false };
        // The lane's answers are sent first, so that clients can send more meanwhile.
        event_loop.replies();
        let goes_on = event_loop.turn(if looks { Wait::No } else { Wait::NoLook });
        let now = self.micros_at(event_loop.now());
        self.last_turn.store(now, Ordering::Relaxed);
        if goes_on && !event_loop.is_draining() {
            let left_over = self.leave_to_epoll(event_loop);
            let turns = self.unfinished.load(Ordering::Relaxed) + 1;
            self.unfinished.store(if left_over { turns } else { 0 }, Ordering::Relaxed);
            return true;
        }
        // A drain is finished by the loop's own thread.
        if !goes_on {
            *slot = None;
        }
        drop(slot);
        self.leave();
        true
    }

    /// The lane's thread answers a request of this loop between two turns, which it must drive. So
    /// it can lend the body: what the socket takes at once is never copied. `keep` makes a copy of
    /// the rest. A turn must follow.
    ///
    /// # Errors
    /// Gives the exchange back if the lane does not have ownership.
    #[cfg(not(loom))]
    pub fn respond(
        &self,
        exchange: Exchange,
        body: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> Arc<[u8]>,
    ) -> Result<(), Exchange> {
        let Some(mut slot) = self.lock_as_lane() else { return Err(exchange) };
        let Some(event_loop) = slot.as_mut() else { return Err(exchange) };
        if event_loop.respond_lent(exchange, body, keep) {
            // The handler that runs next may keep the lane's thread from its turn.
            self.inbox.waker().wake();
        }
        Ok(())
    }

    /// The lock, if the lane has ownership.
    fn lock_as_lane(&self) -> Option<MutexGuard<'_, Option<EventLoop>>> {
        let slot = loop {
            if !self.by_lane.load(Ordering::Acquire) {
                return None;
            }
            match self.try_lock() {
                Some(slot) => break slot,
                // The loop's own thread is about to unlock it.
                None => yield_now(),
            }
        };
        // The guard may have taken ownership meanwhile. It does not drive before it has the lock.
        self.by_lane.load(Ordering::Acquire).then_some(slot)
    }

    /// Whether the lane's thread may do other work and rest, while it has ownership. It may if its
    /// last turn left nothing over, or if several turns in a row did. [`fd`](Self::fd) tells it of
    /// further work.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        match self.unfinished.load(Ordering::Relaxed) {
            0 => true,
            1..MOST_TURNS => false,
            _ => {
                self.unfinished.store(0, Ordering::Relaxed);
                true
            }
        }
    }

    /// Gives ownership back for good.
    pub fn leave(&self) {
        self.barred.store(true, Ordering::Release);
        if self.by_lane.swap(false, Ordering::AcqRel) {
            // Wakes the guard, which may sleep until something is ready.
            self.inbox.waker().wake();
        }
    }

    fn now(&self) -> u64 {
        self.micros_at(Instant::now())
    }

    fn micros_at(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.epoch))
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
    // `as_micros` divides 128 bits.
    duration.as_secs().saturating_mul(1_000_000) + u64::from(duration.subsec_micros())
}
