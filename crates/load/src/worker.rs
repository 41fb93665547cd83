//! One client thread: its connections, its epoll instance, its clock.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor_proto::client::{HeadCache, ResponseHead};
use reactor_sys::{Address, Events, Poller, Stream, Timer, Waker, thread_cpu_time};

use crate::Plan;
use crate::conn::{Batch, Conn, InFlight, Link};
use crate::run::Shared;
use crate::source::{Nanos, Source, nanos};
use crate::tally::{ErrorClass, Tally};

/// Bytes of one read.
const SCRATCH: usize = 64 * 1024;
/// Reads from one connection before the others have their turn.
const READS: usize = 8;
const EVENTS: usize = 1024;
/// Above all slots.
const WAKER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Between two looks at the deadlines.
const SWEEP: Duration = Duration::from_millis(100);

/// A thread's part of a run.
pub(crate) struct Worker {
    plan: Arc<Plan>,
    address: Arc<Address>,
    shared: Arc<Shared>,
    index: usize,
    poller: Poller,
    timer: Timer,
    /// What the timer is set to; 0 when it is not.
    timer_at: Nanos,
    conns: Vec<Conn>,
    /// Open loop: connections that can take a request, the longest idle first.
    free: VecDeque<usize>,
    /// Connections that have to be read from without an event.
    again: Vec<usize>,
    source: Source,
    batch: Batch,
    cache: HeadCache,
    tally: Tally,
    /// Requests without an answer, over all connections.
    in_flight: usize,
    epoch: Instant,
    now: Nanos,
    is_running: bool,
}

/// How a thread's part ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// From the end of the warm-up.
    pub(crate) measured: Duration,
    /// Share of a core that the thread used, 0 to 1.
    pub(crate) load: f64,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<Plan>,
        address: Arc<Address>,
        shared: Arc<Shared>,
        index: usize,
        waker: &Waker,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add_edge(waker, WAKER)?;
        let timer = Timer::new()?;
        poller.add_edge(&timer, TIMER)?;
        let share =
            plan.connections / plan.threads + usize::from(index < plan.connections % plan.threads);
        Ok(Self {
            poller,
            timer,
            timer_at: 0,
            conns: (0..share).map(|_| Conn::default()).collect(),
            free: VecDeque::new(),
            again: Vec::new(),
            source: Source::new(&plan, index),
            batch: Batch::new(plan.request.bytes(), plan.pipeline),
            cache: HeadCache::new(plan.request.is_head()),
            tally: Tally::new(plan.rate.is_some()),
            in_flight: 0,
            epoch: Instant::now(),
            now: 0,
            is_running: false,
            plan,
            address,
            shared,
            index,
        })
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS);
        let mut scratch = vec![0; SCRATCH].into_boxed_slice();
        self.open_all(&mut events, &mut scratch)?;
        let cpu = thread_cpu_time();
        let sweep = nanos((self.plan.timeout / 20).clamp(Duration::from_millis(1), SWEEP));
        let mut sweep_at = sweep;
        if !self.shared.is_stopped() {
            self.start();
        }
        while !self.is_over() {
            self.dispatch();
            let limit = self.limit(sweep_at)?;
            self.turn(&mut events, &mut scratch, limit)?;
            if self.now >= sweep_at {
                sweep_at = self.now + sweep;
                self.sweep();
            }
        }
        self.count_missed();
        self.shared.tally(self.index).take(&mut self.tally);
        let measured = Duration::from_nanos(self.now.saturating_sub(self.source.counts_from()));
        let used = thread_cpu_time().saturating_sub(cpu).as_secs_f64();
        let wall = self.epoch.elapsed().as_secs_f64();
        Ok(Ended { measured, load: (used / wall.max(1e-9)).min(1.0) })
    }

    /// Opens the connections before the clock starts, and waits until the other
    /// threads have opened theirs. What does not open in time is opened when a
    /// request is there for it. Connections for one request open with it.
    fn open_all(&mut self, events: &mut Events, scratch: &mut [u8]) -> io::Result<()> {
        let soon = Some(Duration::from_millis(1));
        let deadline = nanos(self.plan.timeout);
        if self.plan.request.keeps_alive() {
            for slot in 0..self.conns.len() {
                self.connect(slot);
            }
            let is_connecting = |conn: &Conn| matches!(conn.link, Link::Connecting(_));
            while self.now < deadline
                && !self.shared.is_stopped()
                && self.conns.iter().any(is_connecting)
            {
                self.turn(events, scratch, soon)?;
            }
        }
        self.shared.arrive();
        loop {
            if let Some(epoch) = self.shared.epoch() {
                self.epoch = epoch;
                self.now = self.clock();
                return Ok(());
            }
            if self.shared.is_stopped() {
                // Nothing was counted, so the time does not matter.
                return Ok(());
            }
            self.turn(events, scratch, soon)?;
        }
    }

    fn start(&mut self) {
        self.is_running = true;
        for slot in 0..self.conns.len() {
            if matches!(self.conns[slot].link, Link::Resting) {
                self.conns[slot].link = Link::Closed;
            }
            if self.plan.rate.is_some() {
                self.list(slot);
            } else {
                self.assign(slot, usize::MAX);
            }
        }
    }

    /// What was due and never went out has waited all the same.
    fn count_missed(&mut self) {
        while self.is_running
            && let Some(from) = self.source.next_missed(self.now)
        {
            if self.source.is_counted(from) {
                self.tally.unsent += 1;
                self.tally.latency.saturating_record(self.now.saturating_sub(from));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopped() || self.in_flight == 0 && self.source.is_exhausted(self.now)
    }

    /// How long to sleep: at most until the next sweep or the end. What is due
    /// before that sets the timer, which is exact where epoll_wait(2) is not.
    fn limit(&mut self, sweep_at: Nanos) -> io::Result<Option<Duration>> {
        if !self.again.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        let mut wake_at = sweep_at;
        if self.now < self.source.until() {
            wake_at = wake_at.min(self.source.until());
        }
        if !self.free.is_empty()
            && let Some(due) = self.source.next_due()
        {
            let now = self.clock();
            if due <= now {
                wake_at = 0;
            } else if due != self.timer_at {
                self.timer.set(Duration::from_nanos(due - now))?;
                self.timer_at = due;
            }
        }
        Ok(Some(Duration::from_nanos(wake_at.saturating_sub(self.now))))
    }

    /// Open loop: gives the requests that are due to connections that are free.
    fn dispatch(&mut self) {
        while !self.source.is_exhausted(self.now)
            && self.source.next_due().is_some_and(|due| due <= self.now)
            && let Some(slot) = self.free.pop_front()
        {
            self.conns[slot].listed = false;
            self.assign(slot, 1);
        }
    }

    /// Waits for events and handles them.
    fn turn(
        &mut self,
        events: &mut Events,
        scratch: &mut [u8],
        limit: Option<Duration>,
    ) -> io::Result<()> {
        self.poller.wait(events, limit)?;
        self.now = self.clock();
        for slot in std::mem::take(&mut self.again) {
            self.read(slot, scratch, false);
        }
        for i in 0..events.len() {
            let event = events.get(i);
            match event.token() {
                WAKER => continue,
                TIMER => {
                    self.timer_at = 0;
                    continue;
                }
                _ => {}
            }
            #[expect(clippy::cast_possible_truncation, reason = "the slot is in the lower half")]
            let slot = event.token() as u32 as usize;
            // An event of a connection that was closed earlier in this turn.
            if self.conns.get(slot).is_none_or(|conn| conn.token(slot) != event.token()) {
                continue;
            }
            match &self.conns[slot].link {
                Link::Connecting(stream) => match stream.connect_error() {
                    Ok(None) if event.failed() => {
                        self.connect_failed(slot, &"the connection was closed while it was opened");
                    }
                    Ok(None) if event.writable() => self.opened(slot),
                    Ok(None) => {}
                    Ok(Some(error)) | Err(error) => self.connect_failed(slot, &error),
                },
                Link::Open(_) => {
                    if event.writable() {
                        self.write(slot);
                    }
                    if event.readable() {
                        self.read(slot, scratch, event.read_closed());
                    }
                }
                Link::Closed | Link::Resting => {}
            }
        }
        Ok(())
    }

    /// Gives a connection at most `most` requests, as many as it has room for and
    /// as are due, and sends them; opens it first where there is none.
    fn assign(&mut self, slot: usize, most: usize) {
        let conn = &mut self.conns[slot];
        let room = match conn.link {
            Link::Open(_) => self.plan.pipeline,
            // The first one opens the connection, the others follow when it is.
            Link::Closed | Link::Connecting(_) => 1,
            Link::Resting => 0,
        };
        let room = room.saturating_sub(conn.in_flight.len()).min(most);
        let mut taken = 0;
        while taken < room
            && let Some(from) = self.source.take(self.now)
        {
            conn.in_flight.push_back(InFlight { from, sent: self.now });
            taken += 1;
            if let Some(delay) = &mut self.tally.delay
                && self.source.is_counted(from)
            {
                delay.saturating_record(self.now.saturating_sub(from));
            }
        }
        self.in_flight += taken;
        if taken > 0 {
            match conn.link {
                Link::Open(_) => {
                    conn.unwritten += taken * self.batch.one();
                    self.write(slot);
                }
                Link::Closed => self.connect(slot),
                Link::Connecting(_) | Link::Resting => {}
            }
        }
        self.list(slot);
    }

    /// Open loop: remembers a connection that can take a request.
    fn list(&mut self, slot: usize) {
        if self.plan.rate.is_none() {
            return;
        }
        let conn = &mut self.conns[slot];
        let has_room = match conn.link {
            Link::Open(_) => conn.in_flight.len() < self.plan.pipeline,
            Link::Closed => conn.in_flight.is_empty(),
            Link::Connecting(_) | Link::Resting => false,
        };
        if has_room && !conn.listed {
            conn.listed = true;
            self.free.push_back(slot);
        }
    }

    fn connect(&mut self, slot: usize) {
        let started = Stream::connect(&self.address).and_then(|(stream, is_open)| {
            self.poller.add_edge(&stream, self.conns[slot].token(slot))?;
            Ok((stream, is_open))
        });
        match started {
            Ok((stream, is_open)) => {
                self.conns[slot].link = Link::Connecting(stream);
                if is_open {
                    self.opened(slot);
                }
            }
            Err(error) => self.connect_failed(slot, &error),
        }
    }

    fn opened(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        conn.link = match std::mem::take(&mut conn.link) {
            Link::Connecting(stream) => Link::Open(stream),
            other => other,
        };
        self.tally.opened += 1;
        conn.unwritten = conn.in_flight.len() * self.batch.one();
        if self.is_running {
            self.write(slot);
            self.assign(slot, usize::MAX);
        }
    }

    /// Not tried again before the next sweep: a server that is gone must not keep
    /// us busy.
    fn connect_failed(&mut self, slot: usize, why: &dyn Display) {
        self.tally.refused += 1;
        self.settle(slot, ErrorClass::Connect, why);
        self.conns[slot].close(Link::Resting);
    }

    /// Sends what is to be sent, as far as the socket takes it.
    fn write(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        let Link::Open(stream) = &conn.link else { return };
        while conn.unwritten > 0 {
            let next = self.batch.next(conn.unwritten);
            match stream.write(next) {
                Ok(n) => {
                    conn.unwritten -= n;
                    if self.source.is_counted(self.now) {
                        self.tally.bytes_sent += n as u64;
                    }
                    // The rest goes when the poller says that there is room.
                    if n < next.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server may have answered before it hung up.
                    conn.unwritten = 0;
                    conn.send_error = Some(error);
                    self.again.push(slot);
                    return;
                }
            }
        }
    }

    /// Reads what is there. `to_the_end` says that the peer has closed: then a
    /// read that comes up short is not the last one.
    fn read(&mut self, slot: usize, scratch: &mut [u8], to_the_end: bool) {
        for _ in 0..READS {
            let Link::Open(stream) = &self.conns[slot].link else { return };
            match stream.read(scratch) {
                Ok(0) => return self.ended(slot),
                Ok(n) => {
                    self.now = self.clock();
                    if self.source.is_counted(self.now) {
                        self.tally.bytes_received += n as u64;
                    }
                    if !self.consume(slot, &scratch[..n]) {
                        return;
                    }
                    // A read that comes up short has emptied the socket (epoll(7)).
                    if n < scratch.len() && !to_the_end {
                        return self.assign(slot, usize::MAX);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return match self.conns[slot].send_error.take() {
                        Some(error) => self.lost(slot, ErrorClass::Send, &error),
                        None => self.assign(slot, usize::MAX),
                    };
                }
                Err(error) => return self.broken(slot, &error),
            }
        }
        self.again.push(slot);
    }

    /// Takes bytes of answers. Returns whether the connection is still the same.
    fn consume(&mut self, slot: usize, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let conn = &mut self.conns[slot];
            if conn.in_flight.is_empty() {
                // No request's fault: a 408 before the server closes an idle
                // connection, or a body longer than its Content-Length.
                self.tally.unasked += 1;
                self.lost(slot, ErrorClass::Receive, &"bytes came that answer no request");
                return false;
            }
            match conn.decoder.decode(rest, &mut self.cache) {
                Err(error) => {
                    self.lost(slot, ErrorClass::Receive, &error);
                    return false;
                }
                Ok(step) => {
                    if let Some(expected) = &self.plan.expect_body {
                        conn.body.add(expected, &rest[step.body]);
                    }
                    rest = &rest[step.used..];
                    if let Some(head) = step.end
                        && !self.answered(slot, head)
                    {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// The answer to a connection's first request is whole. Returns whether the
    /// connection is still the same.
    fn answered(&mut self, slot: usize, head: ResponseHead) -> bool {
        let conn = &mut self.conns[slot];
        let Some(request) = conn.in_flight.pop_front() else { return true };
        self.in_flight -= 1;
        let right_body =
            self.plan.expect_body.as_ref().is_none_or(|expected| conn.body.finish(expected));
        if self.source.is_counted(request.from) {
            self.tally.response(head.status, self.now.saturating_sub(request.from));
            let right_status = match self.plan.expect_status {
                Some(status) => head.status == status,
                None => (200..400).contains(&head.status),
            };
            match (right_status, right_body) {
                (true, true) => self.tally.succeeded += 1,
                (false, _) => {
                    self.tally.error(ErrorClass::Status, &format_args!("status {}", head.status));
                }
                (true, false) => {
                    self.tally.error(ErrorClass::Body, &"the body is not the expected one");
                }
            }
        }
        if head.keep_alive && self.plan.request.keeps_alive() {
            return true;
        }
        // The server answers nothing that follows (RFC 9112 §9.6).
        self.in_flight -= conn.in_flight.len();
        for request in conn.in_flight.drain(..) {
            self.source.give_back(request.from);
        }
        conn.close(Link::Closed);
        self.assign(slot, usize::MAX);
        false
    }

    /// The peer has closed the connection.
    fn ended(&mut self, slot: usize) {
        match self.conns[slot].decoder.finish() {
            Ok(Some(head)) => {
                self.answered(slot, head);
            }
            // Between two requests it may.
            Ok(None) => self.broken(slot, &"the connection was closed before an answer came"),
            Err(error) => self.broken(slot, &error),
        }
    }

    fn broken(&mut self, slot: usize, why: &dyn Display) {
        match self.conns[slot].send_error.take() {
            Some(error) => self.lost(slot, ErrorClass::Send, &error),
            None => self.lost(slot, ErrorClass::Receive, why),
        }
    }

    /// The connection is of no use any more. Another takes its place when a
    /// request is there for it.
    fn lost(&mut self, slot: usize, class: ErrorClass, why: &dyn Display) {
        self.settle(slot, class, why);
        self.conns[slot].close(Link::Closed);
        if self.is_running {
            self.assign(slot, usize::MAX);
        }
    }

    /// Everything that a connection had out has failed.
    fn settle(&mut self, slot: usize, class: ErrorClass, why: &dyn Display) {
        let conn = &mut self.conns[slot];
        self.in_flight -= conn.in_flight.len();
        for request in conn.in_flight.drain(..) {
            if self.source.is_counted(request.from) {
                self.tally.error(class, why);
                // Whoever leaves these out makes a server that hangs look quick.
                if class == ErrorClass::Timeout {
                    self.tally.latency.saturating_record(self.now.saturating_sub(request.from));
                }
            }
        }
    }

    /// Looks at the deadlines, opens what has rested and reports what was counted.
    fn sweep(&mut self) {
        let timeout = nanos(self.plan.timeout);
        for slot in 0..self.conns.len() {
            let conn = &mut self.conns[slot];
            let is_late = conn
                .in_flight
                .front()
                .is_some_and(|request| self.now.saturating_sub(request.sent) >= timeout);
            match conn.link {
                Link::Resting => {
                    conn.link = Link::Closed;
                    self.assign(slot, usize::MAX);
                }
                Link::Connecting(_) if is_late => {
                    let limit = self.plan.timeout;
                    self.connect_failed(slot, &format_args!("no connection within {limit:?}"));
                }
                Link::Open(_) if is_late => {
                    let limit = self.plan.timeout;
                    let why = format_args!("no whole answer within {limit:?}");
                    self.lost(slot, ErrorClass::Timeout, &why);
                }
                _ => {}
            }
        }
        self.shared.tally(self.index).take(&mut self.tally);
    }

    fn clock(&self) -> Nanos {
        nanos(self.epoch.elapsed())
    }
}
