//! The connections of one I/O loop and everything that happens to them.
//!
//! The reactor names no thread, no epoll and no real clock. Readiness, workers' replies and the
//! time come in by method calls. Tasks go out through [`Reactor::take_tasks`]. `event_loop::turn`
//! drives it with one socket a connection, and the simulation in `sim` with scripted ones.

mod greeting;
mod handshakes;
mod input;
pub(crate) mod lanes;
mod output;
mod sockets;
pub(crate) mod steps;
pub(crate) mod timers;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::conn::connection::Conn;
use crate::conn::core::{Core, Inflow};
use crate::conn::flushed::Flushed;
use crate::conn::link::{Link, Transport};
use crate::conn::protocol::Protocol;
use crate::conn::step::Steps;
use crate::conn::timer::Phase;
use crate::conn::tls_link::TlsLink;
use crate::dispatch::app::Table;
use crate::event_loop::clock::Clock;
use crate::event_loop::scratch::scratch_size;
use crate::event_loop::services::leaving::Leaving;
use crate::event_loop::services::{Services, Settings};
use crate::event_loop::tuning::Tuning;
use crate::event_loop::wheel::Wheel;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::deadlines::Due;
use crate::exchange::id::ConnId;
use crate::exchange::response::CompressionState;
use crate::exchange::task::Task;
use crate::observe::close_reason::CloseReason;
use crate::observe::counters::LoopCounters;
use crate::observe::observer::Observer;
use crate::observe::watch::Watch;

/// How often in one turn a connection may fill its output and send all of it. A peer that reads as
/// fast as the loop writes must not keep the others waiting.
const ROUNDS_PER_TURN: usize = 4;

pub(crate) struct Reactor<T> {
    pub(crate) conns: Slab<Conn<T>>,
    /// Everything that connections share.
    pub(crate) services: Services,
    next_generation: u32,
    /// The timers of connections, by slot.
    pub(crate) wheel: Wheel,
    /// The one buffer that the loop reads into.
    pub(crate) scratch: Box<[u8]>,
    /// Slots of connections that had more to read or to send than their turn allowed.
    pub(crate) listed: VecDeque<u32>,
    /// Bytes sent in this turn.
    turn_bytes: usize,
    /// Scratch for expired timers.
    due: Vec<u32>,
    /// Scratch for exchanges whose handlers are late.
    late: Vec<(u32, Due)>,
    /// Tells whether requests must be observed, if that can change.
    watch: Option<Arc<Watch>>,
    steps: Steps,
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
        let scratch = vec![0; scratch_size(&settings.limits)].into_boxed_slice();
        Self {
            conns: Slab::new(),
            services: Services::new(settings, table, counters, clock),
            next_generation: 0,
            wheel: Wheel::new(),
            scratch,
            listed: VecDeque::new(),
            turn_bytes: 0,
            due: Vec::new(),
            late: Vec::new(),
            watch: None,
            steps: Steps::default(),
        }
    }

    /// From now on requests are observed.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.services.observer = Some(Box::new(observer));
    }

    /// Observes requests while a person watches.
    pub(crate) fn observe_while(&mut self, watch: Arc<Watch>) {
        self.watch = Some(watch);
    }

    /// Begins or ends observing. Called at the beginning of a turn.
    pub(crate) fn look_for_watchers(&mut self) {
        let Some(watch) = &self.watch else { return };
        let services = &mut self.services;
        match (watch.is_on(services.clock.now()), services.observer.is_some()) {
            (true, false) => {
                let counters = Arc::clone(&services.counters);
                let observer = Observer::new(services.settings.io_thread, counters, None);
                services.observer = Some(Box::new(observer));
            }
            (false, true) => services.observer = None,
            _ => {}
        }
    }

    /// Gives places of handlers that got free back to all loops. Called at the end of a turn.
    pub(crate) fn give_back_places(&mut self) {
        if let Some(in_flight) = &self.services.settings.in_flight {
            in_flight.give_back();
        }
    }

    /// Hands over what was observed. Called before the loop sleeps.
    pub(crate) fn hand_over_observed(&mut self) {
        if let Some(observer) = &mut self.services.observer {
            observer.hand_over();
        }
    }

    /// Takes in a connection that came through the endpoint with this number, or from this process.
    /// Returns the token that names it from now on.
    pub(crate) fn accepted(
        &mut self,
        io: T,
        peer: Option<SocketAddr>,
        endpoint: Option<usize>,
    ) -> u64 {
        let entrance = endpoint.and_then(|number| self.services.settings.entrances.get(number));
        let protocol = match entrance.and_then(|entrance| entrance.proxy_protocol.as_ref()) {
            Some(rule) if rule.trusted.has(peer) => Protocol::Greeting { required: rule.required },
            Some(rule) if rule.required => return self.refuse_untrusted(io),
            _ => Protocol::Sniff,
        };
        let link = match entrance.and_then(|entrance| entrance.tls.as_ref()) {
            Some(tls) => {
                let timeout = tls.handshake_timeout();
                let asks_name = tls.names().is_some();
                Link::Tls(Box::new(TlsLink::new(io, tls.session(), timeout, asks_name)))
            }
            None => Link::Plain(io),
        };
        let token = self.insert_with(link, protocol, peer);
        if let Some(endpoint) = endpoint {
            self.comes_through(token, endpoint);
        }
        token
    }

    /// Notes the number of the endpoint that a connection came through.
    pub(crate) fn comes_through(&mut self, token: u64, endpoint: usize) {
        if let Some(slot) = self.find(token) {
            self.conns[slot as usize].core.endpoint = u8::try_from(endpoint).ok();
        }
    }

    /// Takes in a connection that goes through this link and begins with this protocol.
    pub(crate) fn insert_with(
        &mut self,
        link: Link<T>,
        protocol: Protocol,
        peer: Option<SocketAddr>,
    ) -> u64 {
        let generation = self.next_generation;
        self.next_generation = self.next_generation.wrapping_add(1);
        let services = &mut self.services;
        let entry = self.conns.vacant_entry();
        let id = ConnId { slot: slot_of(entry.key()), generation };
        let core = Core::new(id, peer, services.clock.millis());
        let conn = entry.insert(Conn { link, core, protocol });
        services.counters.accepted.add(1);
        // Not before it is known where it comes from.
        if !conn.protocol.is_greeting() {
            self.announce_opened(id.slot);
        }
        self.rearm(id.slot);
        id.token()
    }

    /// Tells a lane of a connection, if lanes are told of them.
    fn announce_opened(&mut self, slot: u32) {
        let services = &mut self.services;
        if services.settings.announce.connections {
            let core = &mut self.conns[slot as usize].core;
            let connection = services.id(core, u32::MAX);
            services.lanes.opened(&mut core.lane, connection, core.peer);
        }
    }

    /// The socket behind `token`, if the connection is still there.
    pub(crate) fn socket(&self, token: u64) -> Option<&T> {
        self.find(token).map(|slot| self.conns[slot as usize].link.socket())
    }

    /// Whether the connection behind `token` has a request at a lane.
    pub(crate) fn is_at_lane(&self, token: u64) -> bool {
        self.find(token).is_some_and(|slot| self.conns[slot as usize].protocol.is_at_lane())
    }

    /// Drops the connection behind `token`, because epoll could not watch it.
    pub(crate) fn discard(&mut self, token: u64) {
        if let Some(slot) = self.find(token) {
            self.close(slot, CloseReason::Aborted);
        }
    }

    /// A connection is ready for something.
    pub(crate) fn ready(&mut self, token: u64, ready: Ready) {
        let Some(slot) = self.find(token) else { return };
        let conn = &mut self.conns[slot as usize];
        // A hang-up alone is no failure. The close of a unix client looks the same, and so does
        // the end of lingering, when both directions are shut. Reading on tells the cases apart,
        // and takes in what came before. To close with unread input would be a reset.
        if ready.failed && conn.core.timer.phase != Phase::Linger && !conn.is_quiet() {
            let reason = conn.protocol.reason().unwrap_or(CloseReason::Aborted);
            self.close(slot, reason);
            return;
        }
        conn.core.readable |= ready.readable;
        // It was paused in an earlier turn.
        conn.core.pause = false;
        if ready.hangup {
            conn.core.inflow = conn.core.inflow.max(Inflow::Ending);
        }
        if ready.writable && conn.has_output() && self.flush(slot).is_none() {
            return;
        }
        self.work(slot);
    }

    /// A worker's reply has come back.
    pub(crate) fn reply(&mut self, task: Box<Task>) {
        let Self { conns, services, .. } = self;
        services.tasks.out -= 1;
        let id = task.id;
        let Some(Conn { core, protocol, .. }) = conn_of(conns, id.conn) else {
            services.counters.dropped.add(1);
            services.recycle(task);
            return;
        };
        if let Some(task) = services.finish(task) {
            protocol.answer(core, services, id.stream, Answer::Task(task));
            services.mark_dirty(core);
        }
    }

    /// A task found the queue full.
    pub(crate) fn refused(&mut self, mut task: Box<Task>) {
        let Self { conns, services, .. } = self;
        services.tasks.out -= 1;
        let id = task.id;
        let conn = conn_of(conns, id.conn);
        if let Some(Conn { core, protocol, .. }) = conn
            && let CompressionState::Away(_) = task.response.compression
        {
            // It has been answered, only not compressed: it goes as it is.
            task.response.compression = CompressionState::Done;
            protocol.answer(core, services, id.stream, Answer::Task(task));
            services.mark_dirty(core);
            return;
        }
        services.counters.rejected.add(1);
        services.recycle(task);
        if let Some(Conn { core, protocol, .. }) = conn_of(conns, id.conn) {
            let answer = Answer::Server(ServerAnswer::Overloaded(Limit::Queue));
            protocol.answer(core, services, id.stream, answer);
            services.mark_dirty(core);
        }
    }

    /// Sends what replies have brought.
    pub(crate) fn flush_dirty(&mut self) {
        // Before the answers: a client that has one may ask again at once, of another loop.
        self.give_back_places();
        let mut dirty = std::mem::take(&mut self.services.dirty);
        for slot in dirty.drain(..) {
            // Meanwhile the slot may have been closed, or even taken by another connection.
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            if std::mem::take(&mut conn.core.listed.dirty) {
                self.work(slot);
            }
        }
        // Nothing that `work` does marks a connection dirty.
        debug_assert!(self.services.dirty.is_empty());
        self.services.dirty = dirty;
    }

    /// Goes on with the connections that the last turn cut off for fairness.
    pub(crate) fn go_on_listed(&mut self) {
        let before = self.turn_bytes;
        for _ in 0..self.listed.len() {
            if self.turn_bytes - before >= self.services.settings.send_budget.leftover {
                break;
            }
            let Some(slot) = self.listed.pop_front() else { break };
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            if conn.core.listed.next_turn && std::mem::take(&mut conn.core.pause) {
                // This is still the turn in which it was paused.
                self.listed.push_back(slot);
            } else if std::mem::take(&mut conn.core.listed.next_turn) {
                self.work(slot);
            }
        }
        self.turn_bytes = 0;
    }

    /// Whether a connection could go on at once.
    pub(crate) fn has_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Takes out the tasks of this turn, to be queued. Each must come back through
    /// [`reply`](Self::reply) or [`refused`](Self::refused).
    pub(crate) fn take_tasks(&mut self, into: &mut Vec<Box<Task>>) {
        let tasks = &mut self.services.tasks;
        tasks.out += tasks.new.len();
        into.append(&mut tasks.new);
    }

    /// How many tasks wait to be taken.
    pub(crate) fn new_tasks(&self) -> usize {
        self.services.tasks.new.len()
    }

    /// Tasks that are queued or being run.
    pub(crate) fn tasks_out(&self) -> usize {
        self.services.tasks.out
    }

    /// Whether replies of workers or lanes are to come.
    pub(crate) fn awaits_others(&self) -> bool {
        self.services.tasks.out > 0
            || self.steps_away() > 0
            || self.services.counters.at_handlers() > 0
    }

    pub(crate) fn connections(&self) -> usize {
        self.conns.len()
    }

    /// From now on requests are answered from another table.
    pub(crate) fn reload(&mut self, table: Table) {
        self.services.table = table;
    }

    /// Sets other limits and timeouts. They also count for what connections wait for now.
    pub(crate) fn retune(&mut self, tuning: &Tuning) {
        let Services { settings, http1, .. } = &mut self.services;
        settings.limits = tuning.limits.clone();
        settings.timeouts = tuning.timeouts.clone();
        settings.announce = tuning.announce;
        http1.retune(tuning.timeouts.idle);
        let size = scratch_size(&settings.limits);
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
            let conn = self.conns.get(slot as usize);
            if conn.is_some_and(|conn| conn.core.timer.phase == Phase::Idle) {
                self.close_quiet(slot);
            }
        }
    }

    /// The server stops soon: clients make their next connections elsewhere. All others go on.
    pub(crate) fn lame_duck(&mut self) {
        self.services.ending = true;
        for slot in self.slots() {
            let Conn { core, protocol, .. } = &mut self.conns[slot as usize];
            if protocol.lame_duck(core, &mut self.services) {
                self.services.mark_dirty(core);
            }
        }
    }

    /// The server stops: answers what is in flight, then closes. `timers` says how idle connections
    /// end.
    ///
    /// `leaves` is the time for all of it, where a successor goes on with the listeners.
    pub(crate) fn drain(&mut self, leaves: Option<Duration>) {
        self.services.ending = true;
        self.services.draining = true;
        self.services.leaving =
            leaves.map(|drain| Leaving::new(self.services.clock.millis(), drain));
        for slot in self.slots() {
            let Conn { core, protocol, .. } = &mut self.conns[slot as usize];
            if protocol.drain(core, &mut self.services) {
                self.services.mark_dirty(core);
            }
            self.rearm(slot);
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self) {
        for slot in self.slots() {
            self.close(slot, CloseReason::Stopped);
        }
    }

    fn slots(&self) -> Vec<u32> {
        self.conns.iter().map(|(index, _)| slot_of(index)).collect()
    }

    pub(crate) fn find(&self, token: u64) -> Option<u32> {
        let id = ConnId::of_token(token);
        let conn = self.conns.get(id.slot as usize)?;
        (conn.core.id == id).then_some(id.slot)
    }

    /// Goes on with another protocol, if an answer has switched to one, or the connection's greeting
    /// has come. False if the connection is gone.
    #[inline]
    fn switch(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        if let Some(next) = conn.protocol.take_next_protocol() {
            conn.switch(next, &self.services);
            if self.services.draining {
                conn.protocol.drain(&mut conn.core, &mut self.services);
            }
        } else if conn.protocol.is_greeting() {
            return self.greet(slot);
        }
        true
    }

    /// Reads, answers and sends as far as the connection allows now. Then closes it, or notes what
    /// it waits for.
    fn work(&mut self, slot: u32) {
        for round in 1.. {
            if !self.switch(slot) || !self.read(slot) {
                return;
            }
            let Some(flushed) = self.flush(slot) else { return };
            let Self { conns, services, .. } = self;
            let conn = &mut conns[slot as usize];
            conn.protocol.acknowledge(&mut conn.core, services);
            if !self.settle(slot) {
                return;
            }
            let Self { conns, .. } = self;
            let conn = &mut conns[slot as usize];
            let wants_read = conn.wants_read();
            // Sending made room, so input that was held back can go on now, and so can output that
            // waited for it.
            let refilled = flushed == Flushed::All && !conn.core.out.is_empty();
            let held_back =
                refilled || conn.core.stalled && wants_read && !conn.protocol.discards();
            if held_back && round < ROUNDS_PER_TURN {
                continue;
            }
            if flushed == Flushed::Cold {
                self.read_elsewhere(slot);
            }
            let Self { conns, services, listed, .. } = self;
            let conn = &mut conns[slot as usize];
            let paused = flushed == Flushed::Paused;
            let more = held_back || paused || conn.core.readable && wants_read;
            if more && !conn.core.listed.next_turn {
                conn.core.listed.next_turn = true;
                listed.push_back(slot);
            }
            if conn.core.inflow != Inflow::Open && conn.has_left() {
                // Lanes hear of the end even if the loop does not read what is before it now.
                conn.protocol.tell_left(&mut conn.core, services);
            }
            self.rearm(slot);
            return;
        }
    }
}

/// The connection with this name, if it is still there.
pub(crate) fn conn_of<T>(conns: &mut Slab<Conn<T>>, id: ConnId) -> Option<&mut Conn<T>> {
    conns.get_mut(id.slot as usize).filter(|conn| conn.core.id == id)
}

fn slot_of(index: usize) -> u32 {
    // Connections are bounded by descriptors, far below u32::MAX.
    u32::try_from(index).unwrap_or(u32::MAX)
}
