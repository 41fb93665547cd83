//! One client thread: its connections, its epoll instance, its clock.

mod http2;
mod link;
mod tls;
mod websocket;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor_proto::client::HeadCache;
use reactor_proto::ws::{Deflater, Inflater};
use reactor_sys::{Events, Poller, Timer, Waker, thread_cpu_time};
use reactor_tls::client::BUFFER;

use crate::conn::{Conn, Link};
use crate::run::Shared;
use crate::source::{Nanos, Source, nanos};
use crate::tally::{ErrorClass, Tally};
use crate::times::Times;
use crate::websocket::WebSocket;

/// Bytes of one read.
const SCRATCH: usize = 64 * 1024;
/// Reads from one connection before the next connection has its turn.
const READS: usize = 8;
const EVENTS: usize = 1024;
/// The waker's token; larger than any connection's.
const WAKER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// The longest time between two checks of the deadlines.
const SWEEP: Duration = Duration::from_millis(100);

/// A thread's part of a run.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    poller: Poller,
    timer: Timer,
    /// The time that the timer is set to; 0 if it is not set.
    timer_at: Nanos,
    conns: Vec<Conn>,
    /// Open loop: connections that can take a request, the longest idle first.
    free: VecDeque<usize>,
    /// Connections with more to read, for which no further event comes.
    again: Vec<usize>,
    source: Source,
    cache: HeadCache,
    /// WebSockets that compress share these.
    inflater: Option<Inflater>,
    deflater: Option<Deflater>,
    inflated: Vec<u8>,
    tally: Tally,
    /// When the last request that counts went out.
    sent_at: Nanos,
    /// Requests that had their outcome before the last request went out.
    settled: u64,
    /// Requests without an answer, over all connections.
    in_flight: usize,
    epoch: Instant,
    now: Nanos,
    is_running: bool,
}

/// How a thread's part ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) times: Times,
    /// Share of a core that the thread used, 0 to 1.
    pub(crate) load: f64,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, waker: &Waker) -> io::Result<Self> {
        let plan = &shared.plan;
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
            source: Source::new(plan, index),
            cache: HeadCache::new(plan.request.is_head()),
            inflater: plan.websocket.as_ref().filter(|ws| ws.compress).map(|_| Inflater::shared()),
            deflater: plan.websocket.as_ref().and_then(WebSocket::deflater),
            inflated: Vec::new(),
            tally: Tally::new(plan.rate.is_some()),
            sent_at: 0,
            settled: 0,
            in_flight: 0,
            epoch: Instant::now(),
            now: 0,
            is_running: false,
            shared,
            index,
        })
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS);
        let size = if self.shared.plan.tls.is_some() { BUFFER } else { SCRATCH };
        let mut scratch = vec![0; size].into_boxed_slice();
        self.open_all(&mut events, &mut scratch)?;
        let cpu = thread_cpu_time();
        let sweep = nanos((self.shared.plan.timeout / 20).clamp(Duration::from_millis(1), SWEEP));
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
        self.count_undelivered();
        self.leave();
        self.shared.tally(self.index).take(&mut self.tally);
        let used = thread_cpu_time().saturating_sub(cpu).as_secs_f64();
        let wall = self.epoch.elapsed().as_secs_f64();
        Ok(Ended { times: self.times(), load: (used / wall.max(1e-9)).min(1.0) })
    }

    fn times(&self) -> Times {
        let since = |time: Nanos| time.saturating_sub(self.source.counts_from());
        let mut covered = self.source.covered();
        if self.shared.is_stopped() {
            // The schedule reaches no further than the run did.
            covered = covered.min(self.now);
        }
        let sent_until = if self.shared.plan.rate.is_some() {
            covered.max(self.sent_at)
        } else if self.source.is_spent() {
            self.sent_at
        } else {
            self.source.until().min(self.now)
        };
        Times {
            measured: since(self.now.max(covered)),
            sending: since(sent_until),
            settled: self.settled,
            planned: since(covered),
        }
    }

    /// Opens the connections before the clock starts, and waits until the other threads have
    /// opened theirs. A connection that does not open in time is opened with its next request.
    /// Without keep-alive each connection opens with its request.
    fn open_all(&mut self, events: &mut Events, scratch: &mut [u8]) -> io::Result<()> {
        let soon = Some(Duration::from_millis(1));
        let deadline = nanos(self.shared.plan.timeout);
        if self.shared.plan.request.keeps_alive() {
            for slot in 0..self.conns.len() {
                self.connect(slot);
            }
            let is_connecting = |conn: &Conn| {
                matches!(conn.link, Link::Connecting(_) | Link::Handshaking(..))
                    || conn.is_upgrading()
            };
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
                // Nothing has been counted, so the times do not matter.
                return Ok(());
            }
            self.turn(events, scratch, soon)?;
        }
    }

    fn start(&mut self) {
        self.is_running = true;
        for slot in 0..self.conns.len() {
            if matches!(self.conns[slot].link, Link::Resting | Link::Queueing) {
                self.conns[slot].link = Link::Closed;
            }
            if self.shared.plan.rate.is_some() {
                self.list(slot);
            } else {
                self.assign(slot, usize::MAX);
            }
        }
    }

    /// Counts the requests that were due and did not go out, with the time they have waited.
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
        self.shared.is_stopped()
            || self.in_flight == 0 && self.source.is_exhausted(self.now) && self.is_delivered()
    }

    /// How long to sleep: at most until the next sweep or the end. If a request is due before
    /// that, the timer is set, which is more exact than epoll_wait(2).
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

    /// Open loop: gives the requests that are due to free connections.
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
            // The event belongs to a connection that was closed earlier in this turn.
            if self.conns.get(slot).is_none_or(|conn| conn.token(slot) != event.token()) {
                continue;
            }
            match &self.conns[slot].link {
                Link::Connecting(stream) => match stream.connect_error() {
                    Ok(None) if event.failed() => {
                        self.connect_failed(slot, &"the connection was closed while it was opened");
                    }
                    Ok(None) if event.writable() => {
                        self.greet(slot);
                        // A server of HTTP/2 may speak first, and no further event tells of that.
                        if event.readable() && self.conns[slot].token(slot) == event.token() {
                            self.read(slot, scratch, event.read_closed());
                        }
                    }
                    Ok(None) => {}
                    Ok(Some(error)) | Err(error) => self.connect_failed(slot, &error),
                },
                Link::Open(..) | Link::Handshaking(..) => {
                    if event.writable() {
                        self.write(slot);
                        if self.shared.broadcast.is_some() {
                            self.list(slot);
                        }
                    }
                    if event.readable() {
                        self.read(slot, scratch, event.read_closed());
                    }
                }
                Link::Closed | Link::Resting | Link::Queueing => {}
            }
        }
        Ok(())
    }

    /// Checks the deadlines, lets failed connections open again and reports the counters.
    fn sweep(&mut self) {
        let timeout = nanos(self.shared.plan.timeout);
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
                Link::Connecting(_) | Link::Queueing if is_late => {
                    let limit = self.shared.plan.timeout;
                    self.connect_failed(slot, &format_args!("no connection within {limit:?}"));
                }
                Link::Handshaking(..) if is_late => {
                    let limit = self.shared.plan.timeout;
                    self.connect_failed(slot, &format_args!("no TLS handshake within {limit:?}"));
                }
                Link::Queueing => self.connect(slot),
                Link::Open(..) if is_late && conn.is_upgrading() => {
                    let limit = self.shared.plan.timeout;
                    let what = if conn.http2.is_some() { "SETTINGS frame" } else { "WebSocket" };
                    self.connect_failed(slot, &format_args!("no {what} within {limit:?}"));
                }
                Link::Open(..) if is_late => {
                    if self.gives_up_late(slot) {
                        continue;
                    }
                    let limit = self.shared.plan.timeout;
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
