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
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::dispatch::lane::lag::LagMonitor;
use crate::event_loop::inbox::Inbox;
use crate::event_loop::wake_flag::WakeFlag;
use crate::exchange::task::{ReplyAddress, Task};
use crate::observe::access_log::RequestId;
use crate::observe::stats::{LaneSnapshot, LaneState, LatencyStats};

/// Bytes of a body, in either direction, that may be under way between a loop
/// and a lane before the sender must wait for credit.
pub const WINDOW: usize = 256 * 1024;

/// What a loop tells a lane.
pub enum LaneEvent {
    /// A request. Its body is complete, unless [`LaneTask::body_streams`].
    Request(LaneTask),
    /// The next bytes of a request's body.
    Body(Exchange, Vec<u8>),
    /// The request's body is complete.
    BodyEnd(Exchange),
    /// The client has sent its last byte; it may still read the response.
    HalfClosed(Exchange),
    /// The client has gone, or its body broke off. The exchange is over.
    Gone(Exchange),
    /// The rest of the body is refused, and the request has been answered with this
    /// status. The exchange is over.
    Refused(Exchange, u16),
    /// The request has been answered with 503, because its response did not come
    /// in time. The exchange is over.
    TimedOut(Exchange),
    /// This many bytes of the streaming response have left.
    Ack(Exchange, usize),
    /// Something about a connection, where the server was told to say it.
    Connection(Box<ConnectionEvent>),
}

/// What has become of a connection; see [`Announce`](crate::Announce).
pub struct ConnectionEvent {
    /// What it is.
    pub change: ConnectionChange,
    /// The connection, by any exchange of its own. Of a refused one it says nothing.
    pub connection: Exchange,
    /// The client's address; none on a unix socket.
    pub peer: Option<SocketAddr>,
}

/// Kinds of [`ConnectionEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It was accepted.
    Opened,
    /// It is no more. Nothing further is said of it.
    Closed,
    /// Nothing has happened on it for a while.
    Inactive,
    /// It was refused.
    Refused,
}

impl LaneEvent {
    /// Which exchange it is of.
    pub(crate) fn exchange(&self) -> Exchange {
        match self {
            Self::Request(task) => task.exchange(),
            Self::Body(exchange, _)
            | Self::BodyEnd(exchange)
            | Self::HalfClosed(exchange)
            | Self::Gone(exchange)
            | Self::Refused(exchange, _)
            | Self::TimedOut(exchange)
            | Self::Ack(exchange, _) => *exchange,
            Self::Connection(event) => event.connection,
        }
    }
}

/// What a lane tells a loop.
pub enum LaneReply {
    /// The whole response, or with [`Response::streams`](crate::Response) its
    /// beginning.
    Response(LaneTask),
    /// A request that [`LaneTask::is_late`], given back for a 503.
    Late(LaneTask),
    /// The next bytes of a streaming response.
    Chunk(Exchange, Vec<u8>),
    /// The streaming response is complete.
    End(Exchange),
    /// The streaming response cannot be completed. What came of it is sent, and then
    /// the connection is broken off, so that the client does not take a part for the
    /// whole.
    Abort(Exchange),
    /// A request given back without an answer: the connection is broken off behind the
    /// answers before it.
    Dropped(LaneTask),
    /// The handler has taken this many bytes of the request's body.
    Pull(Exchange, usize),
    /// The connection shall end, now; without the answers that are under way.
    Cut(Exchange),
    /// The connection shall end behind the answers that are under way.
    Finish(Exchange),
}

impl LaneReply {
    /// Which exchange it belongs to.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        match self {
            Self::Response(task) | Self::Late(task) | Self::Dropped(task) => task.exchange(),
            Self::Chunk(exchange, _)
            | Self::End(exchange)
            | Self::Abort(exchange)
            | Self::Pull(exchange, _)
            | Self::Cut(exchange)
            | Self::Finish(exchange) => *exchange,
        }
    }
}

/// Names one request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange(pub(crate) ReplyAddress);

impl Exchange {
    /// Its connection's I/O thread, and the place it has there: a number below the
    /// most connections that were open at once. Another connection may have had the
    /// place before.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        (self.0.io_thread, self.0.slot as usize)
    }

    /// Its connection's number among all that its loop has had.
    #[must_use]
    pub fn connection(&self) -> u32 {
        self.0.generation
    }

    /// Names a connection, by what [`place`](Self::place) and
    /// [`connection`](Self::connection) say of it.
    #[must_use]
    pub fn of_connection(io_thread: usize, slot: u32, generation: u32) -> Self {
        Self(ReplyAddress { io_thread, slot, generation, sequence: u32::MAX })
    }
}

/// A request with room for its response.
pub struct LaneTask(pub(crate) Box<Task>);

impl LaneTask {
    /// Which exchange this is.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        Exchange(self.0.address)
    }

    /// What the access log calls it.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        let ReplyAddress { io_thread, generation, sequence, .. } = self.0.address;
        RequestId {
            io_thread: u32::try_from(io_thread).unwrap_or(u32::MAX),
            connection: generation,
            request: sequence,
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &crate::Request {
        &self.0.request
    }

    /// The response to fill in.
    pub fn response(&mut self) -> &mut crate::Response {
        &mut self.0.response
    }

    /// The route that led here: the number given to [`Target::Lane`](crate::Target).
    #[must_use]
    pub fn route(&self) -> u32 {
        self.0.route
    }

    /// More of the body follows in events.
    #[must_use]
    pub fn body_streams(&self) -> bool {
        self.0.body_streams
    }

    /// Its time was over before its handler was called; nobody waits for the
    /// response.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        self.0.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Whether its time is limited.
    #[must_use]
    pub fn has_deadline(&self) -> bool {
        self.0.deadline.is_some()
    }

    /// Answers with 500 instead.
    pub fn fail(&mut self) {
        self.0.failed = true;
    }

    /// Answers with 503 instead: nobody takes it.
    pub fn refuse(&mut self) {
        self.0.failed = true;
        self.0.refused = true;
    }

    /// Makes the response's head. Called once, before it is sent.
    pub fn seal(&mut self) {
        let version = self.0.request.version();
        self.0.response.seal(version, self.0.meta.head_only);
    }

    /// Closes the connection after the response.
    pub fn close(&mut self) {
        self.0.meta.close = true;
    }

    /// Asks the client to close the connection after the response, and keeps it.
    pub fn ask_to_close(&mut self) {
        self.0.meta.asks_to_close = true;
    }
}

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
    inboxes: Mutex<Option<Vec<Arc<Inbox>>>>,
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
            inboxes: Mutex::new(None),
            lag: LagMonitor::new(),
        };
        lane.wake_flag.about_to_sleep();
        Arc::new(lane)
    }

    /// The loops that its requests come from; a lane belongs to one server.
    /// A server that did not come to start leaves it to the next.
    pub(crate) fn belongs_to(&self, inboxes: &[Arc<Inbox>]) {
        *self.inboxes() = Some(inboxes.to_vec());
    }

    /// The server has stopped: nobody takes replies.
    pub(crate) fn belongs_to_none(&self) {
        *self.inboxes() = None;
    }

    fn inboxes(&self) -> MutexGuard<'_, Option<Vec<Arc<Inbox>>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its replies go; None until a server has it.
    #[must_use]
    pub fn replies(&self) -> Option<LaneReplies> {
        self.inboxes().as_deref().map(LaneReplies::new)
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
        replies.flush(self);
    }
}

/// How long the requests of one turn waited in their lane. Those that came together
/// are counted together.
pub struct QueueWait<'a> {
    lane: &'a Lane,
    now: Instant,
    since: Instant,
    requests: u64,
}

impl<'a> QueueWait<'a> {
    /// For the turn that began at `now`.
    #[must_use]
    pub fn new(lane: &'a Lane, now: Instant) -> Self {
        Self { lane, now, since: now, requests: 0 }
    }

    /// A request is begun.
    pub fn add(&mut self, task: &LaneTask) {
        if task.0.queued_at != self.since {
            self.count();
            self.since = task.0.queued_at;
        }
        self.requests += 1;
    }

    fn count(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        if requests > 0 {
            let wait = self.now.saturating_duration_since(self.since);
            self.lane.lag.queue_wait.record_many(wait, requests);
        }
    }
}

impl Drop for QueueWait<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

/// Where a lane's thread puts its replies.
pub struct LaneReplies {
    inboxes: Vec<Arc<Inbox>>,
    /// What has not been handed over, for each loop.
    batches: Vec<Vec<LaneReply>>,
    /// The loops of which `batches` has something.
    filled: u32,
    /// The loops that have been handed something, and not been told.
    touched: u32,
}

impl LaneReplies {
    pub(crate) fn new(inboxes: &[Arc<Inbox>]) -> Self {
        let batches = inboxes.iter().map(|_| Vec::new()).collect();
        Self { inboxes: inboxes.to_vec(), batches, filled: 0, touched: 0 }
    }

    /// How many loops there are.
    #[must_use]
    pub fn io_threads(&self) -> usize {
        self.batches.len()
    }

    /// Takes a reply for the loop that it belongs to.
    pub fn push(&mut self, reply: LaneReply) {
        let io_thread = reply.exchange().0.io_thread;
        self.filled |= 1 << io_thread;
        self.batches[io_thread].push(reply);
    }

    /// Puts what has been pushed into the inboxes of its loops, which find it
    /// when they look.
    pub fn hand_over(&mut self) {
        self.touched |= self.filled;
        for io_thread in bits(std::mem::take(&mut self.filled)) {
            self.inboxes[io_thread].give_lane(&mut self.batches[io_thread]);
        }
    }

    /// The loops that have been handed something need not be woken: they are about
    /// to look.
    pub fn forget(&mut self) {
        self.touched = 0;
    }

    /// Hands over what is left, wakes the loops that have been handed something,
    /// and those that wait for room in `lane`. Called once after a batch.
    pub fn flush(&mut self, lane: &Lane) {
        self.hand_over();
        for io_thread in bits(std::mem::take(&mut self.touched) | lane.take_waiting()) {
            self.inboxes[io_thread].notify();
        }
    }
}

/// The places of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        place
    })
}
