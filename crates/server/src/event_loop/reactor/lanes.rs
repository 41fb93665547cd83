//! Gives events to lanes, and takes their replies.
//!
//! A lane has room for a number of requests. If it is full, the loop stops reading from the HTTP/1
//! connections that have requests for it, and from no others. What waits is bounded by the
//! connections that are there: each is read no further, or has a limit of open exchanges. The
//! requests of those that have gone are swept.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::conn::connection::Conn;
use crate::conn::link::Transport;
use crate::conn::pieces::Content;
use crate::dispatch::app::Table;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::lane::side::LaneSide;
use crate::event_loop::reactor::{Reactor, conn_of};
use crate::event_loop::services::Services;
use crate::exchange::deadlines::Due;
use crate::exchange::id::ExchangeId;
use crate::observe::close_reason::CloseReason;

/// After this many links with requests for a full lane have gone, what waits for the lane
/// is swept.
pub(crate) const SWEEP_AFTER: usize = 64;

impl<T: Transport> Reactor<T> {
    /// Sets the lanes, each in its place. Requests of a lane that is no longer among them are
    /// answered with 503.
    pub(crate) fn set_lanes(&mut self, mut lanes: Vec<Option<Arc<Lane>>>) {
        let sides = &mut self.services.lanes.sides;
        // Places behind the last one are empty.
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
            // The new lane is in place before requests of the old one look for another.
            let was_retired = std::mem::take(&mut side.retired);
            if std::mem::replace(&mut side.lane, lane).is_some() {
                dead.push((index, was_retired));
            }
        }
        for (index, was_retired) in dead {
            self.lane_died(index, was_retired);
        }
    }

    /// From now on requests are answered from another table, through those of `lanes` that are new.
    pub(crate) fn swap(&mut self, table: Table, lanes: Vec<Option<Arc<Lane>>>) {
        self.reload(table);
        for side in &mut self.services.lanes.sides {
            side.retired = true;
        }
        self.set_lanes(lanes);
    }

    /// The lane in this place is gone. It answers nothing of what it had.
    fn lane_died(&mut self, index: usize, was_retired: bool) {
        let not_given = self.take_back(index);
        let Self { conns, services, .. } = self;
        for (_, Conn { core, protocol, .. }) in conns.iter_mut() {
            if protocol.uses_lane(core, index) {
                protocol.lane_died(core, services, index, was_retired);
            }
        }
        for id in not_given {
            self.returned(id);
        }
    }

    /// The request of an exchange came back, or was never given, and the exchange is over.
    fn returned(&mut self, id: ExchangeId) {
        if let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id.conn) {
            protocol.returned(core, &mut self.services, id.stream);
        }
    }

    /// Takes back the events that the lane in this place was not given. Returns the exchanges of
    /// the requests among them.
    fn take_back(&mut self, index: usize) -> Vec<ExchangeId> {
        let mut not_given = Vec::new();
        let side = &mut self.services.lanes.sides[index];
        side.ahead.clear();
        let was_behind = std::mem::take(&mut side.is_behind);
        for event in std::mem::take(&mut side.out) {
            if was_behind {
                self.release(index, event.id());
            }
            if let LaneEvent::Request(Exchange(task)) = event {
                not_given.push(task.id);
                self.services.recycle(task);
            }
        }
        not_given
    }

    /// The lane's thread takes nothing more. It returns the requests that it was given. Those that
    /// it was not given are answered here, with 503.
    fn lane_closed(&mut self, index: usize) {
        for id in self.take_back(index) {
            if let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id.conn) {
                if protocol.expects(id.stream) {
                    protocol.refuse(core, &mut self.services, id.stream);
                }
                protocol.returned(core, &mut self.services, id.stream);
            }
        }
    }

    /// Notes which lanes' threads are held up. Called at the beginning of a turn.
    pub(crate) fn look_at_lanes(&mut self) {
        let Services { lanes, clock, .. } = &mut self.services;
        lanes.look(clock.now(), clock.millis());
    }

    /// Gives the lanes the events of this turn, as far as they have room. Wakes each at most once.
    pub(crate) fn post_lanes(&mut self) {
        for index in 0..self.services.lanes.sides.len() {
            let side = &self.services.lanes.sides[index];
            if side.out.is_empty() && side.ahead.is_empty() {
                continue;
            }
            if side.lane.as_ref().is_none_or(|lane| lane.is_closed()) {
                self.lane_closed(index);
                continue;
            }
            // Taken out meanwhile: a further reference would be counted where all loops count.
            let Some(lane) = self.services.lanes.sides[index].lane.take() else { continue };
            // Clients that come and go must not pile up requests that no client waits for.
            let side = &self.services.lanes.sides[index];
            if side.gone > SWEEP_AFTER && side.gone > side.parked {
                self.sweep(index);
            }
            self.give(index, &lane);
            if !self.services.lanes.sides[index].out.is_empty() {
                self.fall_behind(index);
                // If all of it is of connections that have gone, nothing else would ever sweep it.
                if self.services.lanes.sides[index].parked == 0 {
                    self.sweep(index);
                    self.give(index, &lane);
                }
            }
            lane.notify();
            self.services.lanes.sides[index].lane = Some(lane);
        }
    }

    /// Gives a lane what it has room for.
    fn give(&mut self, index: usize, lane: &Lane) {
        let io_thread = self.services.settings.io_thread;
        let side = &mut self.services.lanes.sides[index];
        if !side.ahead.is_empty() {
            lane.give(&mut side.ahead, 0);
        }
        // If there was room but not enough, once more: then the lane knows that this loop waits.
        while !self.services.lanes.sides[index].out.is_empty() {
            let room = lane.room(io_thread);
            let side = &self.services.lanes.sides[index];
            if side.is_behind {
                for place in 0..Lane::fitting(&side.out, room) {
                    let id = self.services.lanes.sides[index].out[place].id();
                    self.release(index, id);
                }
            }
            let side = &mut self.services.lanes.sides[index];
            let given = lane.give(&mut side.out, room);
            side.given(given);
            if room == 0 {
                break;
            }
        }
        let side = &mut self.services.lanes.sides[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// Takes back requests that a full lane has not been given and that no client waits for. Either
    /// the loop has answered them late, or their connection has gone. Takes back their other events
    /// too.
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
                self.release(index, id);
            }
            if let LaneEvent::Request(Exchange(task)) = event {
                self.services.recycle(task);
                self.returned(id);
            }
        }
        let side = &mut self.services.lanes.sides[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// The lane has no room for all events. Links with requests among those that wait are held back
    /// until the lane has been given these. The events of other links do not wait.
    fn fall_behind(&mut self, index: usize) {
        let Self { conns, services, .. } = self;
        let side = &mut services.lanes.sides[index];
        if std::mem::replace(&mut side.is_behind, true) {
            return;
        }
        let mut parked = Vec::new();
        for event in std::mem::take(&mut side.out) {
            let is_request = matches!(event, LaneEvent::Request(_));
            let id = event.id();
            let link = conn_of(conns, id.conn)
                .and_then(|Conn { core, protocol, .. }| protocol.link(core, id.stream));
            match link {
                Some(link) if is_request || link.held_back > 0 => {
                    if link.held_back == 0 {
                        parked.push(id.conn.slot);
                    }
                    link.held_back += 1;
                    side.out.push_back(event);
                }
                Some(_) => side.ahead.push_back(event),
                // The connection or the exchange has gone, and its requests may be here.
                None => side.out.push_back(event),
            }
        }
        side.parked = parked.len();
        // Their timers must know if the loop does not read from them.
        for slot in parked {
            services.mark_dirty(&mut conns[slot as usize].core);
        }
    }

    /// An event of this exchange no longer waits for room. If it was the last one of its link, the
    /// loop reads on.
    fn release(&mut self, index: usize, id: ExchangeId) {
        let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id.conn) else { return };
        let Some(link) = protocol.link(core, id.stream) else { return };
        link.held_back -= 1;
        if link.held_back == 0 {
            self.services.lanes.sides[index].parked -= 1;
            self.services.mark_dirty(core);
        }
    }

    /// A reply of a lane has come. It counts only if the exchange still expects one.
    pub(crate) fn lane_reply(&mut self, reply: LaneReply) {
        let id = reply.id();
        if let LaneReply::Cut(_) | LaneReply::Finish(_) = reply {
            self.end_connection(id, matches!(reply, LaneReply::Cut(_)));
            return;
        }
        if let LaneReply::Spare(_, memory) = reply {
            self.services.spares.put(memory);
            return;
        }
        if let LaneReply::Adopt(_, key) = reply {
            self.adopt(id, key);
            return;
        }
        if let LaneReply::Publish(_, publication) = reply {
            self.publish(&publication);
            return;
        }
        let Self { conns, services, .. } = self;
        if let LaneReply::Response(Exchange(task))
        | LaneReply::Late(Exchange(task))
        | LaneReply::Dropped(Exchange(task)) = &reply
        {
            services.lanes.returned(task.lane);
        }
        let conn = conn_of(conns, id.conn).filter(|conn| conn.protocol.expects(id.stream));
        let Some(Conn { core, protocol, .. }) = conn else {
            if let LaneReply::Response(Exchange(task))
            | LaneReply::Late(Exchange(task))
            | LaneReply::Dropped(Exchange(task)) = reply
            {
                services.counters.dropped.add(1);
                services.recycle(task);
                self.returned(id);
            } else if let LaneReply::Subscribe(_, topic) = reply {
                services.sockets.topics.leave(&topic, services.settings.io_thread);
            }
            return;
        };
        let stream = id.stream;
        if protocol.is_socket(stream) {
            if let LaneReply::Abort(_) = reply {
                self.end_connection(id, true);
                return;
            }
            protocol.socket_reply(core, services, stream, reply);
            services.mark_dirty(core);
            return;
        }
        match reply {
            LaneReply::Response(Exchange(task)) => {
                services.end_deadline(core.id.slot, stream);
                protocol.respond(core, services, task);
            }
            LaneReply::Late(Exchange(task)) => {
                services.recycle(task);
                services.end_deadline(core.id.slot, stream);
                protocol.answer_late(core, services, stream);
                protocol.returned(core, services, stream);
            }
            LaneReply::Dropped(Exchange(task)) => {
                services.recycle(task);
                services.end_deadline(core.id.slot, stream);
                protocol.break_off(core, services, stream);
                protocol.returned(core, services, stream);
            }
            LaneReply::Chunk(_, data) => protocol.chunk(core, services, stream, data),
            LaneReply::End(_) => protocol.end(core, services, stream),
            LaneReply::Trailers(_, trailers) => protocol.trailers(stream, trailers),
            LaneReply::Inform(_, status, fields) => {
                protocol.inform(core, services, stream, status, &fields);
            }
            LaneReply::Abort(_) => protocol.break_off(core, services, stream),
            LaneReply::Pull(_, bytes) => {
                core.pause = false;
                protocol.pulled(core, services, stream, bytes);
            }
            LaneReply::Collect(_, memory) => {
                core.pause = false;
                protocol.collect(core, services, stream, memory);
            }
            LaneReply::Subscribe(_, topic) => {
                services.sockets.topics.leave(&topic, services.settings.io_thread);
            }
            LaneReply::Spare(..)
            | LaneReply::Cut(_)
            | LaneReply::Finish(_)
            | LaneReply::Message(..)
            | LaneReply::Frames(..)
            | LaneReply::CloseSocket(..)
            | LaneReply::Unsubscribe(..)
            | LaneReply::Publish(..)
            | LaneReply::Answered(_)
            | LaneReply::HandOver(_)
            | LaneReply::Adopt(..)
            | LaneReply::Pause(..) => {}
        }
        services.mark_dirty(core);
        // The lane's next reply is for the next protocol.
        self.switch(id.conn.slot);
    }

    /// A lane's whole response comes from the thread that drives the loop, which lends the body.
    /// The body is sent from where it lies, as far as the socket takes it. `keep` makes a copy of
    /// it for the rest.
    pub(crate) fn respond_lent(
        &mut self,
        Exchange(mut task): Exchange,
        body: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> Arc<[u8]>,
    ) {
        let id = task.id;
        let Self { conns, services, .. } = self;
        let conn = conn_of(conns, id.conn).filter(|conn| conn.protocol.expects(id.stream));
        let Some(Conn { core, protocol, .. }) = conn else {
            services.counters.dropped.add(1);
            services.recycle(task);
            self.returned(id);
            return;
        };
        services.end_deadline(core.id.slot, id.stream);
        services.mark_dirty(core);
        if !protocol.is_in_turn(id.stream) {
            task.response.body_shared(keep(body));
            protocol.respond(core, services, task);
            return;
        }
        task.response.body_lent(body.len());
        if services.compressor.is_some() && services.compress_lent(&mut task, body) {
            task.response.body_shared(keep(body));
            protocol.respond(core, services, task);
            return;
        }
        protocol.respond(core, services, task);
        let slot = id.conn.slot;
        if self.flush_lent(slot, body).is_some() {
            let out = &mut self.conns[slot as usize].core.out;
            out.keep_lent(|| Content::Shared(keep(body)));
        }
    }

    /// Whether the lane still owes an answer to the exchange.
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
            if let Some(link) = protocol.link(core, stream) {
                services.lanes.tell(link, LaneEvent::TimedOut(id));
            }
            protocol.answer_late(core, services, stream);
        }
        // Otherwise a connection whose request was answered late would not be read from until
        // its full lane has room.
        for index in 0..self.services.lanes.sides.len() {
            if self.services.lanes.sides[index].parked > 0 {
                self.sweep(index);
            }
        }
    }

    /// The acceptor refused a connection: tells the first lane.
    pub(crate) fn refused_connection(&mut self, peer: Option<SocketAddr>) {
        let io_thread = self.services.settings.io_thread;
        let connection = ExchangeId::of_connection(io_thread, u32::MAX, 0);
        self.services.lanes.refused(connection, peer);
    }

    /// A lane wants a connection to end: now, or after what is under way.
    pub(super) fn end_connection(&mut self, exchange: ExchangeId, now: bool) {
        let id = exchange.conn;
        let Some(Conn { core, protocol, .. }) = conn_of(&mut self.conns, id) else { return };
        if now && protocol.cut(core, &mut self.services, exchange.stream) {
            self.services.mark_dirty(core);
            return;
        }
        if now {
            // Earlier answers are sent, as far as the socket takes them.
            if self.flush(id.slot).is_some() {
                self.close(id.slot, CloseReason::Aborted);
            }
            return;
        }
        protocol.finish(core, &mut self.services);
        self.services.mark_dirty(core);
    }

    /// Whether there are events for a lane that has room for them.
    pub(crate) fn has_lane_events(&self) -> bool {
        self.services.lanes.has_news()
    }

    /// Whether a lane has room again for events that wait.
    pub(crate) fn has_room_in_lanes(&self) -> bool {
        self.services.lanes.has_room()
    }
}
