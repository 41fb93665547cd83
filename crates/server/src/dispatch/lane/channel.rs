//! A lane: the way to a handler on a thread that is not ours, such as a
//! JavaScript thread.
//!
//! Loops put events in and wake the thread at most once until it has looked;
//! the thread takes events when it likes and puts replies into the loops'
//! inboxes. Either way a whole batch changes hands at once, under a lock that is
//! held for as long as it takes to move it: a request costs no atomic operation of
//! its own. What waits in a lane is bounded: requests by the lane's capacity, body
//! bytes and acknowledgements by each exchange's window.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::lane::lag::LagMonitor;
use crate::dispatch::lane::replies::LaneReplies;
use crate::dispatch::reply_box::ReplyBox;
use crate::event_loop::wake_flag::WakeFlag;
use crate::observe::stats::{LaneSnapshot, LaneState, LatencyStats};

/// One lane. Share it between the thread that serves it and the server.
pub struct Lane {
    events: Mutex<VecDeque<LaneEvent>>,
    /// Requests that have been given and not begun.
    queued: AtomicUsize,
    /// Requests given and not yet answered.
    in_flight: AtomicUsize,
    capacity: usize,
    wake_flag: WakeFlag,
    wake: Box<dyn Fn() + Send + Sync>,
    closed: AtomicBool,
    /// One bit for each loop that found the lane full.
    waiting: AtomicU32,
    /// The loops of the server that it belongs to, until that has stopped: they have
    /// descriptors.
    reply_boxes: Mutex<Option<Vec<Arc<ReplyBox>>>>,
    pub(crate) lag: LagMonitor,
}

/// Lanes and their places.
pub(crate) type Lanes = Vec<(usize, Arc<Lane>)>;

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("queued", &self.queued).finish_non_exhaustive()
    }
}

impl Lane {
    /// A lane in which `capacity` requests may wait. `wake` is called from
    /// loops, when the thread must look; it must not block.
    pub fn new(capacity: usize, wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let lane = Self {
            events: Mutex::new(VecDeque::new()),
            queued: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            capacity,
            wake_flag: WakeFlag::new(),
            wake: Box::new(wake),
            closed: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            reply_boxes: Mutex::new(None),
            lag: LagMonitor::new(),
        };
        lane.wake_flag.about_to_sleep();
        Arc::new(lane)
    }

    /// The loops that its requests come from; a lane belongs to one server.
    /// A server that did not come to start leaves it to the next.
    pub(crate) fn belongs_to(&self, reply_boxes: &[Arc<ReplyBox>]) {
        *self.reply_boxes() = Some(reply_boxes.to_vec());
    }

    /// The server has stopped: nobody takes replies.
    pub(crate) fn belongs_to_none(&self) {
        *self.reply_boxes() = None;
    }

    fn reply_boxes(&self) -> MutexGuard<'_, Option<Vec<Arc<ReplyBox>>>> {
        self.reply_boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its replies go; None until a server has it.
    #[must_use]
    pub fn replies(&self) -> Option<LaneReplies> {
        self.reply_boxes().as_deref().map(LaneReplies::new)
    }

    /// Hands over what is left of the thread's replies. Wakes the loops that have been handed
    /// something, and those that wait for room. Called once after a batch.
    pub fn flush(&self, replies: &mut LaneReplies) {
        replies.hand_over();
        replies.wake(self.take_waiting());
    }

    /// The lane's thread begins a turn. Returns the time, for
    /// [`QueueWait`].
    pub fn turn(&self) -> Instant {
        self.wake_flag.awake();
        self.lag.turn()
    }

    /// The thread that calls this serves the lane.
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

    /// Whether its thread is held up: it has been awake for 100 ms or more and has
    /// not come for what waits.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        !self.wake_flag.is_asleep() && self.lag.is_stuck(now)
    }

    /// Puts all events that wait behind those in `into`, for the lane's thread. The
    /// requests among them go on to count as waiting until [`begun`](Self::begun).
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
            self.queued.fetch_sub(requests, Ordering::Relaxed);
        }
    }

    /// The next event alone, for a lane's thread that wants no more at a time. A
    /// request has begun with it.
    pub fn pop(&self) -> Option<LaneEvent> {
        let event = self.events().pop_front()?;
        self.begun(usize::from(matches!(event, LaneEvent::Request(_))));
        Some(event)
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<LaneEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called by the lane's thread when it has seen no event. False: one
    /// has come in this moment, look again. True: `wake` will be called.
    pub fn rest(&self) -> bool {
        self.wake_flag.about_to_sleep();
        if self.events().is_empty() {
            return true;
        }
        self.wake_flag.awake();
        false
    }

    /// To be called by the lane's thread when it looks without having been
    /// woken.
    pub fn awake(&self) {
        self.wake_flag.awake();
    }

    /// Loops that found the lane full and want to be told of room, one bit
    /// each; they are taken off the list.
    pub(crate) fn take_waiting(&self) -> u32 {
        // Who took from the queue before looks here after that, as who is about to
        // wait says so before it looks into the queue a last time.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.waiting.swap(0, Ordering::AcqRel)
    }

    /// No more events are wanted: the thread is going.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Requests that have been given and not begun.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Requests given and not yet answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts requests as answered; for the lane's thread.
    pub fn answered(&self, requests: usize) {
        if requests > 0 {
            self.in_flight.fetch_sub(requests, Ordering::Relaxed);
        }
    }

    /// How many events wait.
    pub(crate) fn backlog(&self) -> usize {
        self.events().len()
    }

    /// How many requests there is room for; with none, loop `io_thread` is
    /// told when there is.
    pub(crate) fn room(&self, io_thread: usize) -> usize {
        let room = self.capacity.saturating_sub(self.queued());
        if room == 0 {
            self.waiting.fetch_or(1 << io_thread, Ordering::AcqRel);
            // The thread may have emptied it in between.
            return self.capacity.saturating_sub(self.queued());
        }
        room
    }

    /// Whether there is room for a request, or a closed lane to be left.
    pub(crate) fn has_room(&self) -> bool {
        self.queued() < self.capacity || self.is_closed()
    }

    /// Gives the lane events from the front of `out`, up to the first request that
    /// there is no `room` for.
    pub(crate) fn give(&self, out: &mut VecDeque<LaneEvent>, room: usize) {
        let (count, requests) = Self::fit(out, room);
        if requests > 0 {
            // First: the thread may have begun them before this returns.
            self.queued.fetch_add(requests, Ordering::Relaxed);
            self.in_flight.fetch_add(requests, Ordering::Relaxed);
        }
        let mut events = self.events();
        if count < out.len() {
            events.extend(out.drain(..count));
        } else if events.is_empty() {
            std::mem::swap(&mut *events, out);
        } else {
            events.append(out);
        }
    }

    /// How many events [`give`](Self::give) would take.
    pub(crate) fn fitting(out: &VecDeque<LaneEvent>, room: usize) -> usize {
        Self::fit(out, room).0
    }

    /// The events up to the first request that there is no room for, and the requests
    /// among them.
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
    /// What a thread has left behind goes back to its loops: nobody can put more in,
    /// and nobody takes it out. It has been answered, or is now.
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
