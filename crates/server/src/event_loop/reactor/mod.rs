//! The connections of one I/O loop and everything that happens to them.
//!
//! The reactor names no thread, no epoll and no real clock: readiness, worker
//! replies and the time come in by method calls, tasks go out through
//! [`Reactor::take_tasks`]. `event_loop` drives it with a socket per
//! connection, the simulation in `sim` with scripted ones.

pub(crate) mod deadlines;
pub(crate) mod handlers;
pub(crate) mod lanes;
pub(crate) mod read;
pub(crate) mod timers;
pub(crate) mod uploads;
pub(crate) mod write;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use reactor_proto::{Head, Limits};
use reactor_route::Params;
use slab::Slab;

use crate::conn::connection::{Answer, Conn, Limit, MAX_PIPELINED, Meta, Phase, Plain, Transport};
use crate::conn::out::{BufPool, Flushed};
use crate::dispatch::app::Table;
use crate::dispatch::lane::channel::ConnectionChange;
use crate::dispatch::secured::Secured;
use crate::event_loop::clock::{Clock, Millis};
use crate::event_loop::tuning::{Announce, Timeouts, Tuning};
use crate::event_loop::wheel::Wheel;
use crate::exchange::in_flight::InFlight;
use crate::exchange::task::Task;
use crate::observe::close_reason::CloseReason;
use crate::observe::counters::LoopCounters;
use crate::observe::observer::Observer;
use crate::observe::watch::Watch;

/// Tasks kept for further requests.
const KEEP_TASKS: usize = 1024;

/// How often in one turn a connection may fill its output and send all of it: a
/// peer that reads as fast as we write must not keep the others waiting.
const ROUNDS_PER_TURN: usize = 4;

/// How many bytes are sent before others have their turn. As long as a turn has sent
/// little, there is no one to be unfair to; a loop that has much to send goes round in
/// smaller pieces, so that whoever asks for little does not wait until all others'
/// answers are in the kernel, which takes about 0.3 ms a MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    /// What a connection may send at once,
    pub(crate) large: usize,
    /// after `busy` bytes in one turn,
    pub(crate) usual: usize,
    /// and after `full`.
    pub(crate) small: usize,
    pub(crate) busy: usize,
    pub(crate) full: usize,
    /// What connections send that are left over of the turn before, until the rest of
    /// them waits for the next.
    pub(crate) leftover: usize,
}

impl Default for Pieces {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            large: MIB,
            usual: 64 * 1024,
            small: 32 * 1024,
            busy: MIB,
            full: 4 * MIB,
            leftover: 2 * MIB,
        }
    }
}

/// What a fresh TCP connection sends without waiting for the peer: ten segments
/// (RFC 6928), and some room. A socket may be closed at once when no more than
/// this is under way; with more, a byte that the peer still sends would make the
/// kernel throw away what has not left.
const SURELY_SENT: usize = 8 * 1024;

/// What the loop works by.
pub(crate) struct Settings {
    pub(crate) io_thread: usize,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    /// This loop's share of the memory for request bodies.
    pub(crate) body_memory: usize,
    /// How long a lane's handler may take, if there is a limit.
    pub(crate) request_timeout: Option<Duration>,
    /// How many requests may be with lanes, if there is a limit.
    pub(crate) in_flight: Option<Arc<InFlight>>,
    /// How much is sent at once.
    pub(crate) pieces: Pieces,
    /// What lanes are told of connections.
    pub(crate) announce: Announce,
    /// Whether lanes get small bodies as they come too.
    pub(crate) stream_small_bodies: bool,
    /// The peers that may ask for https URLs.
    pub(crate) secured: Secured,
}

pub(crate) struct Reactor<T> {
    pub(crate) settings: Settings,
    pub(crate) counters: Arc<CachePadded<LoopCounters>>,
    pub(crate) table: Table,
    pub(crate) conns: Slab<Conn<T>>,
    pub(crate) next_generation: u32,
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel,
    /// The one buffer that everything is read into.
    pub(crate) scratch: Box<[u8]>,
    /// More has been read than the request that is being answered.
    pub(crate) input_left: bool,
    pub(crate) head: Head,
    pub(crate) params: Params,
    /// The path of `head` in its normal form, where that is another.
    pub(crate) normal_path: Option<Vec<u8>>,
    /// What ends the head of an answer after which the connection persists.
    pub(crate) persists: Vec<u8>,
    /// Scratch for an answer that says something else there.
    pub(crate) line: Vec<u8>,
    pub(crate) pool: BufPool,
    /// Requests for the workers that this turn brought.
    pub(crate) tasks: Vec<Box<Task>>,
    pub(crate) free_tasks: Vec<Box<Task>>,
    /// Tasks that are queued or being run.
    pub(crate) tasks_out: usize,
    /// Bytes of request bodies held, in tasks wherever they are.
    pub(crate) body_bytes: usize,
    /// Bytes of request bodies that lanes have been told and have not taken.
    pub(crate) stream_bytes: usize,
    /// How many requests of one connection may be at handlers, by the largest answer
    /// of late; until when that counts.
    pub(crate) deepest: u32,
    pub(crate) deepest_until: Millis,
    /// Connections with output that a reply brought.
    pub(crate) dirty: Vec<u32>,
    /// Connections that have more to read or to send than their turn allowed.
    pub(crate) listed: VecDeque<u32>,
    /// Bytes that this turn has sent.
    pub(crate) turn_bytes: usize,
    /// Scratch for expired timers.
    pub(crate) due: Vec<u32>,
    /// Where handlers have a limited time.
    pub(crate) deadlines: Option<deadlines::Deadlines>,
    /// Scratch for requests that are late.
    pub(crate) late: Vec<(u32, deadlines::Due)>,
    pub(crate) draining: bool,
    pub(crate) lanes: Vec<lanes::LaneSide>,
    /// Sees every request from its head to its end, where somebody wants to know.
    pub(crate) observer: Option<Box<Observer>>,
    /// Whether somebody wants to know, where that changes.
    pub(crate) watch: Option<Arc<Watch>>,
}

/// What a descriptor is ready for; see [`reactor_sys::Event`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent its last byte.
    pub(crate) hangup: bool,
    /// The connection was reset.
    pub(crate) failed: bool,
}

impl<T: Transport> Reactor<T> {
    pub(crate) fn new(
        settings: Settings,
        table: Table,
        counters: Arc<CachePadded<LoopCounters>>,
        clock: Clock,
    ) -> Self {
        let scratch = vec![0; read::scratch_size(&settings.limits)].into_boxed_slice();
        let deadlines = settings.request_timeout.map(deadlines::Deadlines::new);
        let persists = write::end_of_head(settings.timeouts.idle);
        Self {
            settings,
            counters,
            table,
            conns: Slab::new(),
            next_generation: 0,
            clock,
            wheel: Wheel::new(),
            scratch,
            input_left: false,
            head: Head::default(),
            params: Params::default(),
            normal_path: None,
            persists,
            line: Vec::new(),
            pool: BufPool::default(),
            tasks: Vec::new(),
            free_tasks: Vec::new(),
            tasks_out: 0,
            body_bytes: 0,
            stream_bytes: 0,
            deepest: MAX_PIPELINED,
            deepest_until: 0,
            dirty: Vec::new(),
            listed: VecDeque::new(),
            turn_bytes: 0,
            due: Vec::new(),
            deadlines,
            late: Vec::new(),
            draining: false,
            lanes: Vec::new(),
            observer: None,
            watch: None,
        }
    }

    /// From now on requests are observed.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observer = Some(Box::new(observer));
    }

    /// Observes requests while somebody watches.
    pub(crate) fn observe_while(&mut self, watch: Arc<Watch>) {
        self.watch = Some(watch);
    }

    /// Begins or ends observing. Called at the beginning of a turn.
    pub(crate) fn look_for_watchers(&mut self) {
        let Some(watch) = &self.watch else { return };
        match (watch.is_on(self.clock.now()), self.observer.is_some()) {
            (true, false) => {
                let counters = Arc::clone(&self.counters);
                self.observe(Observer::new(self.settings.io_thread, counters, None));
            }
            (false, true) => self.observer = None,
            _ => {}
        }
    }

    /// Hands over what was observed. Called before the loop sleeps.
    pub(crate) fn hand_over_observed(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.hand_over();
        }
    }

    /// Takes a connection in; returns the token that names it from now on.
    pub(crate) fn insert(&mut self, io: T, peer: Option<SocketAddr>) -> u64 {
        let generation = self.next_generation;
        self.next_generation = self.next_generation.wrapping_add(1);
        let now = self.clock.millis();
        let index = self.conns.insert(Conn::new(io, peer, generation, now));
        self.counters.accepted.add(1);
        let slot = slot_of(index);
        if self.settings.announce.connections {
            self.opened(slot);
        }
        self.rearm(slot);
        u64::from(generation) << 32 | u64::from(slot)
    }

    /// The transport behind `token`, if the connection is still there.
    pub(crate) fn io(&self, token: u64) -> Option<&T> {
        self.find(token).map(|slot| &self.conns[slot as usize].io)
    }

    /// Drops the connection behind `token`: it could not be watched.
    pub(crate) fn discard(&mut self, token: u64) {
        if let Some(slot) = self.find(token) {
            self.close(slot, CloseReason::Aborted);
        }
    }

    /// A connection is ready for something.
    pub(crate) fn ready(&mut self, token: u64, ready: Ready) {
        let Some(slot) = self.find(token) else { return };
        let conn = &mut self.conns[slot as usize];
        // A hang-up is no failure by itself: it is also what a unix client's
        // close looks like, and the end of lingering, when both directions
        // are shut. Where reading goes on it tells the two apart, and takes
        // in what came before; closing on top of unread input would turn into
        // a reset.
        if ready.failed && conn.phase != Phase::Linger && !conn.is_quiet() {
            let reason = conn.reason.unwrap_or(CloseReason::Aborted);
            self.close(slot, reason);
            return;
        }
        conn.readable |= ready.readable;
        conn.hangup |= ready.hangup;
        if ready.writable && !conn.out.is_empty() && !self.flush(slot) {
            return;
        }
        self.work(slot);
    }

    /// A worker's reply has come back.
    pub(crate) fn reply(&mut self, task: Box<Task>) {
        self.tasks_out -= 1;
        let address = task.address;
        let alive = self
            .conns
            .get(address.slot as usize)
            .is_some_and(|conn| conn.generation == address.generation);
        if !alive {
            self.counters.dropped.add(1);
            self.recycle(task);
            return;
        }
        let meta = task.meta;
        self.answer(address.slot, address.sequence, Answer::Task(task), meta);
        self.mark_dirty(address.slot);
    }

    /// A task found the queue full.
    pub(crate) fn refused(&mut self, task: Box<Task>) {
        self.counters.rejected.add(1);
        self.tasks_out -= 1;
        let (address, meta) = (task.address, task.meta);
        self.recycle(task);
        let alive = self
            .conns
            .get(address.slot as usize)
            .is_some_and(|conn| conn.generation == address.generation);
        if alive {
            let answer = Answer::Plain(Plain::Overloaded(Limit::Queue));
            self.answer(address.slot, address.sequence, answer, meta);
            self.mark_dirty(address.slot);
        }
    }

    /// Sends what replies have brought.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            // A slot may have been closed, even taken anew, since.
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            if std::mem::take(&mut conn.dirty) {
                self.work(slot);
            }
        }
        // Nothing that `work` does marks a connection dirty.
        debug_assert!(self.dirty.is_empty());
        self.dirty = dirty;
    }

    /// Goes on where the last turn stopped for fairness' sake.
    pub(crate) fn go_on_listed(&mut self) {
        let before = self.turn_bytes;
        for _ in 0..self.listed.len() {
            if self.turn_bytes - before >= self.settings.pieces.leftover {
                break;
            }
            let Some(slot) = self.listed.pop_front() else { break };
            if let Some(conn) = self.conns.get_mut(slot as usize)
                && std::mem::take(&mut conn.listed)
            {
                self.work(slot);
            }
        }
        self.turn_bytes = 0;
    }

    /// Whether some connection could be read on at once.
    pub(crate) fn has_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// The tasks that this turn brought, to be queued. Each must come back
    /// through [`reply`](Self::reply) or [`refused`](Self::refused).
    pub(crate) fn take_tasks(&mut self, into: &mut Vec<Box<Task>>) {
        self.tasks_out += self.tasks.len();
        into.append(&mut self.tasks);
    }

    /// How many tasks wait to be taken.
    pub(crate) fn new_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Tasks that are queued or being run.
    pub(crate) fn tasks_out(&self) -> usize {
        self.tasks_out
    }

    pub(crate) fn connections(&self) -> usize {
        self.conns.len()
    }

    /// From now on requests are answered from another table.
    pub(crate) fn reload(&mut self, table: Table) {
        self.table = table;
    }

    /// Other limits and timeouts from now on, also for what is waited for already.
    pub(crate) fn retune(&mut self, tuning: &Tuning) {
        self.settings.limits = tuning.limits.clone();
        self.settings.timeouts = tuning.timeouts.clone();
        self.settings.announce = tuning.announce;
        self.persists = write::end_of_head(tuning.timeouts.idle);
        let size = read::scratch_size(&self.settings.limits);
        if size > self.scratch.len() {
            self.scratch = vec![0; size].into_boxed_slice();
        }
        for slot in self.slots() {
            self.rearm(slot);
        }
    }

    /// Closes connections that wait for their next request.
    pub(crate) fn close_idle(&mut self) {
        for slot in self.slots() {
            if self.conns.get(slot as usize).is_some_and(|conn| conn.phase == Phase::Idle) {
                self.close_quiet(slot);
            }
        }
    }

    /// Answers what is in flight, then closes; see `timers` for what becomes
    /// of idle connections.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for slot in self.slots() {
            self.rearm(slot);
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self) {
        for slot in self.slots() {
            self.close(slot, CloseReason::Stopped);
        }
    }

    pub(crate) fn slots(&self) -> Vec<u32> {
        self.conns.iter().map(|(index, _)| slot_of(index)).collect()
    }

    pub(crate) fn find(&self, token: u64) -> Option<u32> {
        let (slot, generation) = split(token);
        let conn = self.conns.get(slot as usize)?;
        (conn.generation == generation).then_some(slot)
    }

    /// Reads, answers and sends as far as the connection allows now, then
    /// sees what becomes of it.
    pub(crate) fn work(&mut self, slot: u32) {
        for round in 1.. {
            if !self.read(slot) || !self.flush(slot) {
                return;
            }
            self.acknowledge(slot);
            if !self.settle(slot) {
                return;
            }
            let conn = &mut self.conns[slot as usize];
            // Sending made room: what had been held back can go on now.
            let held_back = conn.stalled && !conn.is_full() && !conn.last_request_read;
            if held_back && round < ROUNDS_PER_TURN {
                continue;
            }
            let more = held_back || conn.paused || conn.readable && conn.wants_read();
            if more && !conn.listed {
                conn.listed = true;
                self.listed.push_back(slot);
            }
            if conn.hangup {
                self.look_for_leaving(slot);
            }
            self.rearm(slot);
            return;
        }
    }

    /// Closes the connection if its work is done. False if it is gone.
    pub(crate) fn settle(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        if !conn.out.is_empty() || conn.stream.is_some() || conn.phase == Phase::Linger {
            return true;
        }
        if conn.closing {
            let reason = conn.reason.unwrap_or(CloseReason::Served);
            if conn.cut && conn.delimits {
                // Only a reset tells what came from the whole. It takes along what
                // the client's kernel has not got, so that goes first.
                if conn.io.unsent() > 0 {
                    return true;
                }
                self.close(slot, reason);
                return false;
            }
            let unread = conn.readable || conn.stalled || conn.discarded > 0;
            let large = conn.sent_since_read > SURELY_SENT;
            if conn.read_closed || !(conn.linger || unread || large) {
                self.close(slot, reason);
                return false;
            }
            return self.half_close(slot);
        }
        if conn.read_closed && conn.is_quiet() {
            self.close(slot, CloseReason::Peer);
            return false;
        }
        true
    }

    /// Sends the end of the stream and discards what still comes, for a
    /// while, so that the peer reads the last answer instead of a reset.
    pub(crate) fn half_close(&mut self, slot: u32) -> bool {
        let now = self.clock.millis();
        let conn = &mut self.conns[slot as usize];
        if conn.io.shutdown_write().is_err() {
            self.close(slot, CloseReason::Aborted);
            return false;
        }
        conn.phase = Phase::Linger;
        conn.since = now;
        conn.tail = Vec::new();
        conn.stalled = false;
        true
    }

    pub(crate) fn close(&mut self, slot: u32, reason: CloseReason) {
        self.counters.close(reason);
        if let Some(observer) = &mut self.observer {
            observer.closed(slot, reason);
        }
        self.wheel.remove(slot);
        self.end_deadlines(slot);
        self.lane_gone(slot);
        self.forget_uploads(slot);
        if self.conns[slot as usize].announced {
            self.announce(slot, ConnectionChange::Closed);
        }
        let mut conn = self.conns.remove(slot as usize);
        if conn.stream.is_some() {
            self.left_handlers();
        }
        if conn.delimits && (conn.cut || conn.stream.is_some() || !conn.out.is_empty()) {
            conn.io.reset_on_close();
        }
        self.recycle_incoming(conn.incoming);
        for (answer, _) in conn.waiting.into_iter().flatten() {
            if let Answer::Task(task) = answer {
                self.recycle(task);
            }
        }
        // `conn.io` is dropped here, which closes the descriptor and takes it
        // out of the epoll set (epoll(7), question 6).
    }

    /// Sends what the connection has to send. False if that ended it.
    pub(crate) fn flush(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        if conn.out.is_empty() {
            return true;
        }
        let pieces = &self.settings.pieces;
        let most = match self.turn_bytes {
            sent if sent < pieces.busy => pieces.large,
            sent if sent < pieces.full => pieces.usual,
            _ => pieces.small,
        };
        match conn.out.flush(&mut conn.io, &mut self.pool, most) {
            Ok((sent, flushed)) => {
                self.turn_bytes += sent;
                conn.paused = flushed == Flushed::Paused;
                self.counters.bytes_out.add(sent as u64);
                conn.sent_since_read += sent;
                conn.sent |= sent > 0;
                if let Some(observer) = &mut self.observer {
                    observer.sent(slot, sent);
                }
                if flushed == Flushed::Blocked {
                    conn.unsent = conn.io.unsent();
                }
                true
            }
            Err(_) => {
                self.close(slot, CloseReason::Aborted);
                false
            }
        }
    }

    pub(crate) fn mark_dirty(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(slot);
        }
    }

    pub(crate) fn new_task(&mut self, slot: u32, sequence: u32, meta: Meta) -> Box<Task> {
        let now = self.clock.now();
        let mut task = self.free_tasks.pop().unwrap_or_else(|| Box::new(Task::new(now)));
        let conn = &self.conns[slot as usize];
        task.address.io_thread = self.settings.io_thread;
        task.address.slot = slot;
        task.address.generation = conn.generation;
        task.address.sequence = sequence;
        task.meta = meta;
        task.queued_at = now;
        task.request.peer = conn.peer;
        task
    }

    pub(crate) fn recycle(&mut self, mut task: Box<Task>) {
        self.body_bytes -= task.request.body.len();
        if std::mem::take(&mut task.at_handler) {
            self.left_handlers();
        }
        task.recycle();
        if self.free_tasks.len() < KEEP_TASKS {
            self.free_tasks.push(task);
        }
    }

    pub(crate) fn recycle_incoming(
        &mut self,
        incoming: Option<Box<crate::conn::connection::Incoming>>,
    ) {
        if let Some(incoming) = incoming
            && let crate::conn::connection::Incoming::Task(task) = *incoming
        {
            self.recycle(task);
        }
    }
}

fn slot_of(index: usize) -> u32 {
    // Connections are bounded by descriptors, far below u32::MAX.
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[allow(clippy::cast_possible_truncation, reason = "a token is two u32 side by side")]
fn split(token: u64) -> (u32, u32) {
    (token as u32, (token >> 32) as u32)
}
