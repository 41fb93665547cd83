//! A lane to a handler thread that the engine did not start, such as a JavaScript thread.
//!
//! Loops put events in, and wake the thread at most once until it has looked. The thread takes
//! events when it likes, and puts replies into the loops' inboxes. Either way a whole batch changes
//! hands at once, under a lock that is held only to move it. So a request costs no atomic operation
//! of its own. No code of others runs under such a lock, and no thread holds two.
//!
//! What threads write once a batch has cache lines of its own. The rest is read for each request by
//! all loops and hardly ever written, so it stays in every core's cache. `bench/lines.mjs` checks
//! both.
//!
//! What waits in a lane is bounded: requests by the lane's capacity, body bytes and
//! acknowledgements by each exchange's window. Bodies that a loop collected for the lane are
//! bounded by the loop's memory for bodies.
//!
//! A lane's requests come back to their loops, whatever ends its thread. The thread's end gives
//! back what the thread has taken. The rest comes back when the last owner drops the lane, because
//! then no loop can put more in. A closed lane is chosen for nothing, so this needs no other
//! thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::dispatch::lane::event::{LaneEvent, LaneKey, LaneReply};
use crate::dispatch::lane::lag::LagMonitor;
use crate::dispatch::lane::replies::LaneReplies;
use crate::dispatch::reply_box::ReplyBox;
use crate::event_loop::wake_flag::WakeFlag;
use crate::observe::node::NodeReport;
use crate::observe::stats::{LaneSnapshot, LaneState, LatencyStats};
use crate::observe::watch::Watch;

/// One lane. Share it between the thread that serves it and the server.
pub struct Lane {
    queue: CachePadded<Queue>,
    wake_flag: CachePadded<WakeFlag>,
    capacity: usize,
    wake: Box<dyn Fn() + Send + Sync>,
    closed: AtomicBool,
    /// One bit for each loop that found the lane full.
    waiting: AtomicU32,
    /// The loops of the lane's server. They have descriptors, so this is emptied when the server
    /// has stopped.
    reply_boxes: Mutex<Option<Vec<Arc<ReplyBox>>>>,
    /// What its thread has told of itself, and who may want to know it.
    node: Mutex<Told>,
    pub(crate) lag: CachePadded<LagMonitor>,
}

/// What a thread tells of itself.
#[derive(Default)]
struct Told {
    report: Option<Box<NodeReport>>,
    watch: Option<Arc<Watch>>,
}

/// What loops and the thread write once a batch.
#[derive(Default)]
struct Queue {
    events: Mutex<VecDeque<LaneEvent>>,
    /// Requests that the lane has been given and that its thread has not begun.
    queued: AtomicUsize,
    /// Requests given and not yet answered.
    in_flight: AtomicUsize,
}

/// Lanes and their places.
pub(crate) type Lanes = Vec<(usize, Arc<Lane>)>;

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("queued", &self.queued()).finish_non_exhaustive()
    }
}

impl Lane {
    /// A lane in which `capacity` requests may wait. Loops call `wake` when the thread must look.
    /// It must not block.
    pub fn new(capacity: usize, wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let lane = Self {
            queue: CachePadded::default(),
            wake_flag: CachePadded::new(WakeFlag::new()),
            capacity,
            wake: Box::new(wake),
            closed: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            reply_boxes: Mutex::new(None),
            node: Mutex::default(),
            lag: CachePadded::new(LagMonitor::new()),
        };
        lane.wake_flag.about_to_sleep();
        Arc::new(lane)
    }

    /// Sets the loops that its requests come from. A lane belongs to one server. If that server
    /// fails to start, the lane may go to the next.
    pub(crate) fn belongs_to(&self, reply_boxes: &[Arc<ReplyBox>]) {
        *self.reply_boxes() = Some(reply_boxes.to_vec());
    }

    /// Sets through what people watch its server.
    pub(crate) fn watched_through(&self, watch: Option<&Arc<Watch>>) {
        self.told().watch = watch.cloned();
    }

    /// Takes what the lane's thread tells of itself; see `observe/node.rs`. Returns whether somebody
    /// watches, and None if nobody can.
    pub fn tell(&self, numbers: &[u8]) -> Option<bool> {
        let mut told = self.told();
        if self.is_closed() {
            return None;
        }
        let is_on = told.watch.as_ref()?.is_on(Instant::now());
        told.report = Some(Box::new(NodeReport::new(numbers)));
        Some(is_on)
    }

    pub(crate) fn node_report(&self) -> Option<NodeReport> {
        self.told().report.as_deref().cloned()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server has stopped: no loop takes replies.
    pub(crate) fn belongs_to_none(&self) {
        *self.reply_boxes() = None;
    }

    fn reply_boxes(&self) -> MutexGuard<'_, Option<Vec<Arc<ReplyBox>>>> {
        self.reply_boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The boxes that its replies go to. None until a server has the lane.
    #[must_use]
    pub fn replies(&self) -> Option<LaneReplies> {
        self.reply_boxes().as_deref().map(LaneReplies::new)
    }

    /// Hands over the thread's remaining replies. Wakes the loops that got some, and those that
    /// wait for room. Called once after a batch.
    pub fn flush(&self, replies: &mut LaneReplies) {
        replies.hand_over();
        replies.wake(self.take_waiting());
    }

    /// The lane's thread begins a turn. Returns the time, for [`QueueWait`](crate::QueueWait).
    pub fn turn(&self) -> Instant {
        self.wake_flag.awake();
        self.lag.turn()
    }

    /// The calling thread serves the lane.
    pub fn serve(&self) {
        self.lag.is_this_thread();
    }

    /// Its statistics of this moment.
    pub(crate) fn snapshot(&self, lane: usize) -> LaneSnapshot {
        let state = if self.is_closed() {
            LaneState::Stopped
        } else if self.is_stuck(Instant::now()) {
            LaneState::Blocked
        } else {
            LaneState::Running
        };
        LaneSnapshot {
            lane,
            state,
            in_flight: self.in_flight(),
            queued: self.queued(),
            queue_wait: LatencyStats::of([&self.lag.queue_wait].into_iter()),
            event_loop_lag: LatencyStats::of([&self.lag.lag].into_iter()),
        }
    }

    /// Whether its thread is held up: it has been awake for 100 ms or more without a turn. The
    /// number of requests in flight does not show that. Going by it alone, loops would give a stuck
    /// thread new requests as soon as the others have as many.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        !self.wake_flag.is_asleep() && self.lag.is_stuck(now)
    }

    /// How long its thread has been held up; zero for one that rests, or has ended.
    pub(crate) fn held_up(&self, now: Instant) -> Duration {
        if self.wake_flag.is_asleep() || self.is_closed() {
            return Duration::ZERO;
        }
        self.lag.without_turn(now)
    }

    /// Appends all events that wait to `into`, for the lane's thread. The requests among them count
    /// as waiting until [`begun`](Self::begun).
    pub fn take(&self, into: &mut VecDeque<LaneEvent>) {
        let mut events = self.events();
        if into.is_empty() {
            std::mem::swap(&mut *events, into);
        } else {
            into.append(&mut events);
        }
    }

    /// The thread has begun this many of the requests that it took.
    pub fn begun(&self, requests: usize) {
        if requests > 0 {
            self.queue.queued.fetch_sub(requests, Ordering::Relaxed);
        }
    }

    /// Takes the next event alone, for a thread that wants only one at a time. If it is a request,
    /// it has begun.
    pub fn pop(&self) -> Option<LaneEvent> {
        let event = self.events().pop_front()?;
        self.begun(usize::from(matches!(event, LaneEvent::Request(_))));
        Some(event)
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<LaneEvent>> {
        self.queue.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane's thread calls this when it has seen no event. True if it may rest: `wake` will be
    /// called. False if an event has come meanwhile.
    pub fn rest(&self) -> bool {
        self.wake_flag.about_to_sleep();
        if self.events().is_empty() {
            return true;
        }
        self.wake_flag.awake();
        false
    }

    /// The lane's thread calls this when it looks without having been woken.
    pub fn awake(&self) {
        self.wake_flag.awake();
    }

    /// Takes the loops that found the lane full and wait for room, one bit each.
    pub(crate) fn take_waiting(&self) -> u32 {
        // The thread takes from the queue, then looks here. A loop that is about to wait says so
        // here, then looks into the queue a last time. So neither misses the other.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.waiting.swap(0, Ordering::AcqRel)
    }

    /// The thread is ending, and takes no more events.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Requests that the lane has been given and that its thread has not begun.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued.load(Ordering::Relaxed)
    }

    /// Requests that the lane has been given and that are not answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.in_flight.load(Ordering::Relaxed)
    }

    /// What names it in [`LaneReply::Adopt`].
    #[must_use]
    pub fn key(&self) -> LaneKey {
        LaneKey(std::ptr::from_ref(self).addr())
    }

    /// The lane's thread has an exchange that another lane had.
    pub fn adopted(&self) {
        self.queue.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts requests as answered; for the lane's thread.
    pub fn answered(&self, requests: usize) {
        if requests > 0 {
            self.queue.in_flight.fetch_sub(requests, Ordering::Relaxed);
        }
    }

    /// How many events wait.
    pub(crate) fn backlog(&self) -> usize {
        self.events().len()
    }

    /// How many requests there is room for. If there is none, loop `io_thread` is woken when there
    /// is.
    pub(crate) fn room(&self, io_thread: usize) -> usize {
        let room = self.capacity.saturating_sub(self.queued());
        if room == 0 {
            self.waiting.fetch_or(1 << io_thread, Ordering::AcqRel);
            // The thread may have emptied it in between.
            return self.capacity.saturating_sub(self.queued());
        }
        room
    }

    /// Whether there is room for a request, or the lane is closed: then its loop must take back
    /// what waits.
    pub(crate) fn has_room(&self) -> bool {
        self.queued() < self.capacity || self.is_closed()
    }

    /// Gives the lane events from the front of `out`, up to the first request that has no `room`.
    /// Returns how many requests are among them.
    pub(crate) fn give(&self, out: &mut VecDeque<LaneEvent>, room: usize) -> usize {
        let (count, requests) = Self::fit(out, room);
        if requests > 0 {
            // Counted first, because the thread may begin them before this returns.
            self.queue.queued.fetch_add(requests, Ordering::Relaxed);
            self.queue.in_flight.fetch_add(requests, Ordering::Relaxed);
        }
        let mut events = self.events();
        if count < out.len() {
            events.extend(out.drain(..count));
        } else if events.is_empty() {
            std::mem::swap(&mut *events, out);
        } else {
            events.append(out);
        }
        requests
    }

    /// How many events [`give`](Self::give) would take.
    pub(crate) fn fitting(out: &VecDeque<LaneEvent>, room: usize) -> usize {
        Self::fit(out, room).0
    }

    /// The number of events up to the first request that has no room, and of requests among them.
    fn fit(out: &VecDeque<LaneEvent>, room: usize) -> (usize, usize) {
        let (mut count, mut requests) = (0, 0);
        for event in out {
            if matches!(event, LaneEvent::Request(_)) {
                if requests == room {
                    break;
                }
                requests += 1;
            }
            count += 1;
        }
        (count, requests)
    }

    /// Shows what waits.
    #[cfg(test)]
    pub(crate) fn look(&self, show: impl FnMut(&LaneEvent)) {
        self.events().iter().for_each(show);
    }

    /// Wakes the thread if it rests. Called once after a turn's events.
    pub(crate) fn notify(&self) {
        if self.wake_flag.must_wake() {
            self.lag.wake();
            (self.wake)();
        }
    }
}

impl Drop for Lane {
    /// Gives the requests that the thread left behind back to their loops. No loop can put more in,
    /// and no thread takes them out. Each returned request is answered with 503 here, unless the
    /// loop already answered it.
    fn drop(&mut self) {
        let Some(mut replies) = self.replies() else { return };
        let events = std::mem::take(&mut *self.events());
        for event in events {
            if let LaneEvent::Request(mut task) = event {
                task.refuse();
                replies.push(LaneReply::Response(task));
            }
        }
        self.flush(&mut replies);
    }
}
