//! What lanes are told, and what comes back from them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::conn::connection::Conn;
use crate::conn::link::Transport;
use crate::dispatch::app::Table;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::lane::side::LaneSide;
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::exchange::deadlines::Due;
use crate::exchange::id::{ConnId, ExchangeId};
use crate::observe::close_reason::CloseReason;

/// Connections that may go, with requests for a full lane, before what waits for
/// it is swept.
pub(crate) const SWEEP_AFTER: usize = 64;

impl<T: Transport> Reactor<T> {
    /// The lanes from now on, each in its place. Requests of a lane that is
    /// there no more are answered with 503.
    pub(crate) fn set_lanes(&mut self, mut lanes: Vec<Option<Arc<Lane>>>) {
        let sides = &mut self.services.lanes.sides;
        // Of places behind the last there is nothing to say but that they are empty.
        lanes.resize(lanes.len().max(sides.len()), None);
        let is = |a: &Option<Arc<Lane>>, b: &Option<Arc<Lane>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut dead = Vec::new();
        for (index, lane) in lanes.into_iter().enumerate() {
            let Some(side) = sides.get_mut(index) else {
                sides.push(LaneSide::new(lane));
                continue;
            };
            if is(&side.lane, &lane) {
                continue;
            }
            // The new one is there before requests of the old one look for another.
            let was_retired = std::mem::take(&mut side.retired);
            if std::mem::replace(&mut side.lane, lane).is_some() {
                dead.push((index, was_retired));
            }
        }
        for (index, was_retired) in dead {
            self.lane_died(index, was_retired);
        }
    }

    /// From now on requests are answered from another table, through the lanes that are
    /// new in these.
    pub(crate) fn swap(&mut self, table: Table, lanes: Vec<Option<Arc<Lane>>>) {
        self.reload(table);
        for side in &mut self.services.lanes.sides {
            side.retired = true;
        }
        self.set_lanes(lanes);
    }

    /// Nobody will answer what the lane in this place had.
    fn lane_died(&mut self, index: usize, was_retired: bool) {
        let _ = self.take_back(index);
        let Self { conns, services, .. } = self;
        for (_, Conn { core, protocol, .. }) in conns.iter_mut() {
            if usize::from(core.lane.place) == index && protocol.has_lane() {
                protocol.lane_died(core, services, was_retired);
            }
        }
    }

    /// Takes back what the lane in this place could not be given; returns those
    /// requests that are still to be answered.
    fn take_back(&mut self, index: usize) -> Vec<ExchangeId> {
        let mut open = Vec::new();
        let side = &mut self.services.lanes.sides[index];
        side.ahead.clear();
        let was_behind = std::mem::take(&mut side.is_behind);
        for event in std::mem::take(&mut side.out) {
            if was_behind {
                self.release(index, event.id().conn);
            }
            if let LaneEvent::Request(Exchange(task)) = event {
                if self.is_with_lane(task.id) {
                    open.push(task.id);
                }
                self.services.recycle(task);
            }
        }
        open
    }

    /// The lane's thread takes nothing more. What it has been given comes back from
    /// it; what it has not is answered here, with 503.
    fn lane_closed(&mut self, index: usize) {
        for id in self.take_back(index) {
            if let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id.conn) {
                protocol.refuse(core, &mut self.services, id.stream);
            }
        }
    }

    /// Sees which lanes are held up. Called at the beginning of a turn.
    pub(crate) fn look_at_lanes(&mut self) {
        self.services.lanes.look(self.services.clock.now());
    }

    /// Gives the lanes what this turn brought, as far as they have room, and
    /// wakes each at most once.
    pub(crate) fn post_lanes(&mut self) {
        for index in 0..self.services.lanes.sides.len() {
            let side = &mut self.services.lanes.sides[index];
            if side.out.is_empty() && side.ahead.is_empty() {
                continue;
            }
            let Some(lane) = side.lane.clone().filter(|lane| !lane.is_closed()) else {
                self.lane_closed(index);
                continue;
            };
            // Clients that come and go must not pile up what nobody waits for.
            if side.gone > SWEEP_AFTER && side.gone > side.parked {
                self.sweep(index);
            }
            self.give(index, &lane);
            if !self.services.lanes.sides[index].out.is_empty() {
                self.fall_behind(index);
                // Nobody would come back to what is all of connections that have gone.
                if self.services.lanes.sides[index].parked == 0 {
                    self.sweep(index);
                    self.give(index, &lane);
                }
            }
            lane.notify();
        }
    }

    /// Gives a lane what it has room for.
    fn give(&mut self, index: usize, lane: &Lane) {
        let io_thread = self.services.settings.io_thread;
        let side = &mut self.services.lanes.sides[index];
        if !side.ahead.is_empty() {
            lane.give(&mut side.ahead, 0);
        }
        // Once more where there was room but not enough, so that it is told of room.
        while !self.services.lanes.sides[index].out.is_empty() {
            let room = lane.room(io_thread);
            let side = &self.services.lanes.sides[index];
            if side.is_behind {
                for place in 0..Lane::fitting(&side.out, room) {
                    let conn = self.services.lanes.sides[index].out[place].id().conn;
                    self.release(index, conn);
                }
            }
            lane.give(&mut self.services.lanes.sides[index].out, room);
            if room == 0 {
                break;
            }
        }
        let side = &mut self.services.lanes.sides[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// Takes back the requests that a full lane has not been given and that
    /// nobody waits for, because they have been answered late or their connection
    /// has gone; and what else was to be told of them.
    fn sweep(&mut self, index: usize) {
        let side = &mut self.services.lanes.sides[index];
        side.gone = 0;
        let is_behind = side.is_behind;
        let mut dropped = HashSet::new();
        for event in std::mem::take(&mut side.out) {
            let id = event.id();
            if matches!(event, LaneEvent::Request(_)) && !self.is_with_lane(id) {
                dropped.insert(id);
            }
            if !dropped.contains(&id) {
                self.services.lanes.sides[index].out.push_back(event);
                continue;
            }
            if is_behind {
                self.release(index, id.conn);
            }
            if let LaneEvent::Request(Exchange(task)) = event {
                self.services.recycle(task);
            }
        }
        let side = &mut self.services.lanes.sides[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// The lane has no room for all there is. Connections that have requests among
    /// what waits are not read from until these have been given; what is told of
    /// others does not wait.
    fn fall_behind(&mut self, index: usize) {
        let Self { conns, services, .. } = self;
        let side = &mut services.lanes.sides[index];
        if std::mem::replace(&mut side.is_behind, true) {
            return;
        }
        let mut parked = Vec::new();
        for event in std::mem::take(&mut side.out) {
            let is_request = matches!(event, LaneEvent::Request(_));
            match conn_of(conns, event.id().conn) {
                Some(Conn { core, .. }) if is_request || core.lane.held_back > 0 => {
                    if core.lane.held_back == 0 {
                        parked.push(core.id.slot);
                    }
                    core.lane.held_back += 1;
                    side.out.push_back(event);
                }
                Some(_) => side.ahead.push_back(event),
                // It has gone, and its requests may be here.
                None => side.out.push_back(event),
            }
        }
        side.parked = parked.len();
        // They are not late with what we do not read.
        for slot in parked {
            services.mark_dirty(&mut conns[slot as usize].core);
        }
    }

    /// An event of this connection waits no longer for room. With its last one, the
    /// connection is read from again.
    fn release(&mut self, index: usize, id: ConnId) {
        let Some(Conn { core, .. }) = conn_of(&mut self.conns, id) else { return };
        core.lane.held_back -= 1;
        if core.lane.held_back == 0 {
            self.services.lanes.sides[index].parked -= 1;
            self.services.mark_dirty(core);
        }
    }

    /// A lane has said something.
    pub(crate) fn lane_reply(&mut self, reply: LaneReply) {
        let id = reply.id();
        if let LaneReply::Cut(_) | LaneReply::Finish(_) = reply {
            self.end_connection(id.conn, matches!(reply, LaneReply::Cut(_)));
            return;
        }
        let Self { conns, services, .. } = self;
        let conn = conn_of(conns, id.conn).filter(|conn| conn.protocol.expects(id.stream));
        let Some(Conn { core, protocol, .. }) = conn else {
            if let LaneReply::Response(Exchange(task))
            | LaneReply::Late(Exchange(task))
            | LaneReply::Dropped(Exchange(task)) = reply
            {
                services.counters.dropped.add(1);
                services.recycle(task);
            }
            return;
        };
        let stream = id.stream;
        match reply {
            LaneReply::Response(Exchange(task)) => {
                services.end_deadline(core.id.slot, stream);
                protocol.respond(core, services, task);
            }
            LaneReply::Late(Exchange(task)) => {
                services.recycle(task);
                services.end_deadline(core.id.slot, stream);
                protocol.answer_late(core, services, stream);
            }
            LaneReply::Dropped(Exchange(task)) => {
                services.recycle(task);
                services.end_deadline(core.id.slot, stream);
                protocol.break_off(core, services, stream);
            }
            LaneReply::Chunk(_, data) => protocol.chunk(core, services, stream, data),
            LaneReply::End(_) => protocol.end(core, services, stream),
            LaneReply::Abort(_) => protocol.break_off(core, services, stream),
            LaneReply::Pull(_, bytes) => protocol.pulled(services, stream, bytes),
            LaneReply::Cut(_) | LaneReply::Finish(_) => {}
        }
        services.mark_dirty(core);
    }

    /// Whether an answer to the exchange is expected from its lane.
    pub(crate) fn is_with_lane(&self, id: ExchangeId) -> bool {
        let conn = self.conns.get(id.conn.slot as usize);
        conn.is_some_and(|conn| conn.core.id == id.conn && conn.protocol.expects(id.stream))
    }

    /// Answers in place of handlers that have taken too long.
    pub(super) fn expire_exchanges(&mut self) {
        let Self { conns, services, late, .. } = self;
        let Some(deadlines) = &mut services.deadlines else { return };
        deadlines.expire(services.clock.millis(), late);
        if late.is_empty() {
            return;
        }
        for (slot, Due { stream, .. }) in late.drain(..) {
            let Conn { core, protocol, .. } = &mut conns[slot as usize];
            let id = services.id(core, stream);
            services.lanes.tell(&mut core.lane, LaneEvent::TimedOut(id));
            protocol.answer_late(core, services, stream);
        }
        // A connection whose request was answered late would else not be read from
        // until its full lane has room.
        for index in 0..self.services.lanes.sides.len() {
            if self.services.lanes.sides[index].parked > 0 {
                self.sweep(index);
            }
        }
    }

    /// A connection was refused: tells the first lane.
    pub(crate) fn refused_connection(&mut self, peer: Option<SocketAddr>) {
        let io_thread = self.services.settings.io_thread;
        let connection = ExchangeId::of_connection(io_thread, u32::MAX, 0);
        self.services.lanes.refused(connection, peer);
    }

    /// A lane wants a connection to end: now, or behind what is under way.
    fn end_connection(&mut self, id: ConnId, now: bool) {
        let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id) else { return };
        if now {
            // What has been answered before it goes out, as far as the socket takes it.
            if self.flush(id.slot).is_some() {
                self.close(id.slot, CloseReason::Aborted);
            }
            return;
        }
        protocol.finish(&mut self.services);
        self.services.mark_dirty(core);
    }

    /// Whether lanes have something to be told, and room to be told it.
    pub(crate) fn has_lane_events(&self) -> bool {
        self.services.lanes.has_news()
    }

    /// Whether a lane has room again for what it could not be given.
    pub(crate) fn has_room_in_lanes(&self) -> bool {
        self.services.lanes.has_room()
    }
}
