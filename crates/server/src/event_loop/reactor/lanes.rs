//! Requests that go to lanes, and what comes back.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use reactor_proto::{Framing, response};

use super::Reactor;
use crate::conn::connection::{Answer, HIGH_WATER, Incoming, Limit, Meta, Plain, Transport};
use crate::conn::out::{Body, Out};
use crate::dispatch::app::Table;
use crate::dispatch::lane::channel::{
    ConnectionChange, ConnectionEvent, Exchange, Lane, LaneEvent, LaneReply, LaneTask,
};
use crate::exchange::task::{ReplyAddress, Response, Task};
use crate::observe::close_reason::CloseReason;

/// Unsent output below which a streaming response gets credit for more.
const LOW_WATER: usize = HIGH_WATER / 4;

/// A body of a declared length up to this travels with its head.
pub(crate) const SMALL_BODY: u64 = 64 * 1024;

/// Events that may wait in a lane when connections without a request are added to them.
const MOST_ANNOUNCED: usize = 8192;

/// Bytes of a body that a lane is told of at once, unless one read brought more.
const MAX_PIECE: usize = 16 * 1024;

/// Connections that may go, with requests for a full lane, before what waits for
/// it is swept.
pub(crate) const SWEEP_AFTER: usize = 64;

/// A lane as one loop sees it.
pub(crate) struct LaneSide {
    lane: Option<Arc<Lane>>,
    /// What could not be given yet: the lane is full, or the turn goes on.
    out: VecDeque<LaneEvent>,
    /// The lane is full, and `out` waits for room: its events are counted in
    /// `Conn::held_back`.
    is_behind: bool,
    /// What overtakes `out` while that waits: news of requests that the lane has, so
    /// that it needs no room. Of a connection that has something in `out`, nothing
    /// is here.
    ahead: VecDeque<LaneEvent>,
    /// Connections that have something in `out` while that waits. Each is not read
    /// from until its own has been given.
    parked: usize,
    /// Connections that have gone since `out` was last swept.
    gone: usize,
    /// Its thread was held up when this turn began.
    stuck: bool,
    /// It finishes what it has and gets no more: it knows the routes of an earlier
    /// table.
    retired: bool,
}

impl LaneSide {
    fn new(lane: Option<Arc<Lane>>) -> Self {
        Self {
            lane,
            out: VecDeque::new(),
            is_behind: false,
            ahead: VecDeque::new(),
            parked: 0,
            gone: 0,
            stuck: false,
            retired: false,
        }
    }

    /// Whether its lane finishes what it has and takes no more.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether connections wait for room in the lane.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked > 0
    }

    /// What the lane has not been told, and could be.
    fn has_news(&self) -> bool {
        !self.ahead.is_empty() || !self.out.is_empty() && !self.is_behind
    }
}

/// The bit of a request in `Conn::with_lane`.
pub(crate) fn lane_bit(sequence: u32) -> u64 {
    1 << (sequence % 64)
}

impl<T: Transport> Reactor<T> {
    /// The lanes from now on, each in its place. Requests of a lane that is
    /// there no more are answered with 503.
    pub(crate) fn set_lanes(&mut self, mut lanes: Vec<Option<Arc<Lane>>>) {
        // Of places behind the last there is nothing to say but that they are empty.
        lanes.resize(lanes.len().max(self.lanes.len()), None);
        let is = |a: &Option<Arc<Lane>>, b: &Option<Arc<Lane>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut dead = Vec::new();
        for (index, lane) in lanes.into_iter().enumerate() {
            let Some(side) = self.lanes.get_mut(index) else {
                self.lanes.push(LaneSide::new(lane));
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
        for side in &mut self.lanes {
            side.retired = true;
        }
        self.set_lanes(lanes);
    }

    /// Nobody will answer what the lane in this place had.
    fn lane_died(&mut self, index: usize, was_retired: bool) {
        let _ = self.take_back(index);
        for slot in self.slots() {
            let conn = &self.conns[slot as usize];
            if conn.with_lane == 0 || usize::from(conn.lane) != index {
                continue;
            }
            if conn.stream.is_some() {
                // It has begun, and is the lane's as all that is with it.
                self.break_off(slot, conn.next_answer);
                self.mark_dirty(slot);
                continue;
            }
            let (waiting, last_read) = (conn.with_lane, conn.last_request_read);
            let collects = matches!(conn.incoming.as_deref(), Some(Incoming::Task(_)));
            let (first, end) = (conn.next_answer, conn.next_request);
            // The last first: those that wait behind it are then no streams that
            // would begin as soon as it is answered.
            let mut sequence = end;
            while sequence != first {
                sequence = sequence.wrapping_sub(1);
                let is_last = sequence.wrapping_add(1) == end;
                if waiting & lane_bit(sequence) != 0 && !(is_last && collects) {
                    let conn = &self.conns[slot as usize];
                    let meta = Meta {
                        head_only: conn.heads_with_lane & lane_bit(sequence) != 0,
                        // Nothing is read behind a request that closes.
                        close: last_read && is_last,
                        says_keep_alive: conn.kept_with_lane & lane_bit(sequence) != 0,
                        asks_to_close: false,
                    };
                    self.refuse(slot, sequence, meta);
                }
            }
            let last = end.wrapping_sub(1);
            if collects && waiting & lane_bit(last) != 0 {
                self.choose_again(slot, last, was_retired);
            }
            self.mark_dirty(slot);
        }
    }

    /// A request whose body is still being collected has been given to nobody: it
    /// goes to another lane, or is refused when its body has been read. Lanes that came
    /// after its own was retired do not know its route.
    fn choose_again(&mut self, slot: u32, sequence: u32, was_retired: bool) {
        self.conns[slot as usize].with_lane &= !lane_bit(sequence);
        let lane = if was_retired { None } else { self.choose_lane(slot) };
        let conn = &mut self.conns[slot as usize];
        let Some(Incoming::Task(task)) = conn.incoming.as_deref() else { return };
        let meta = task.meta;
        if let Some(lane) = lane {
            self.with_lane(slot, lane, sequence, meta);
            return;
        }
        let refused = Incoming::Discard(Answer::Plain(Plain::Overloaded(Limit::NoThread)), meta);
        let incoming = conn.incoming.replace(Box::new(refused));
        self.recycle_incoming(incoming);
    }

    /// Answers a request that is with its lane with 503, in its turn. A body that
    /// still streams in is not read on.
    fn refuse(&mut self, slot: u32, sequence: u32, mut meta: Meta) {
        self.end_deadline(slot, sequence);
        meta.close |= self.lane_answered(slot, sequence);
        self.answer(slot, sequence, Answer::Plain(Plain::Overloaded(Limit::NoThread)), meta);
        self.mark_dirty(slot);
    }

    /// Takes back what the lane in this place could not be given; returns those
    /// requests that are still to be answered.
    fn take_back(&mut self, index: usize) -> Vec<(ReplyAddress, Meta)> {
        let mut open = Vec::new();
        self.lanes[index].ahead.clear();
        let was_behind = std::mem::take(&mut self.lanes[index].is_behind);
        for event in std::mem::take(&mut self.lanes[index].out) {
            if was_behind {
                self.release(index, event.exchange());
            }
            if let LaneEvent::Request(LaneTask(task)) = event {
                if self.is_with_lane(task.address) {
                    open.push((task.address, task.meta));
                }
                self.recycle(task);
            }
        }
        open
    }

    /// The lane's thread takes nothing more. What it has been given comes back from
    /// it; what it has not is answered here, with 503.
    fn lane_closed(&mut self, index: usize) {
        for (address, meta) in self.take_back(index) {
            self.refuse(address.slot, address.sequence, meta);
        }
    }

    /// Sees which lanes are held up, where there is another to choose. Called at the
    /// beginning of a turn.
    pub(crate) fn look_at_lanes(&mut self) {
        if self.lanes.len() > 1 {
            let now = self.clock.now();
            for side in &mut self.lanes {
                side.stuck = side.lane.as_ref().is_some_and(|lane| lane.is_stuck(now));
            }
        }
    }

    /// The lane for a connection's next request: the one that has its others,
    /// so that one connection is one order; else the one with the least to do, of
    /// those whose threads are not held up if there are any.
    pub(crate) fn choose_lane(&self, slot: u32) -> Option<u8> {
        let conn = &self.conns[slot as usize];
        let open = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| !lane.is_closed());
        if conn.with_lane != 0 {
            return self.lanes.get(usize::from(conn.lane)).is_some_and(open).then_some(conn.lane);
        }
        let load = |side: &LaneSide| {
            side.out.len() + side.lane.as_ref().map_or(0, |lane| lane.in_flight())
        };
        let takes = |side: &LaneSide| open(side) && !side.is_retired();
        let candidates = self.lanes.iter().enumerate().filter(|(_, side)| takes(side));
        let (index, _) = candidates.min_by_key(|(_, side)| (side.stuck, load(side)))?;
        u8::try_from(index).ok()
    }

    /// Notes that request `sequence` belongs to a lane.
    pub(crate) fn with_lane(&mut self, slot: u32, lane: u8, sequence: u32, meta: Meta) {
        let conn = &mut self.conns[slot as usize];
        conn.lane = lane;
        if self.settings.announce.connections && !conn.announced {
            self.announce(slot, ConnectionChange::Opened);
        }
        let conn = &mut self.conns[slot as usize];
        conn.with_lane |= lane_bit(sequence);
        for (bits, is_set) in [
            (&mut conn.heads_with_lane, meta.head_only),
            (&mut conn.kept_with_lane, meta.says_keep_alive),
        ] {
            *bits &= !lane_bit(sequence);
            *bits |= if is_set { lane_bit(sequence) } else { 0 };
        }
        conn.told_left &= !lane_bit(sequence);
    }

    /// Puts an event behind the others for the connection's lane.
    pub(crate) fn tell_lane(&mut self, slot: u32, event: LaneEvent) {
        if let Some(queue) = self.queue_for(slot, &event) {
            queue.push_back(event);
        }
    }

    /// Puts the next bytes of a body behind what its lane is to be told. Pieces that
    /// come in one turn are told as one: a body may come in chunks of a byte each.
    pub(crate) fn tell_body(&mut self, slot: u32, exchange: Exchange, data: &[u8]) {
        let lane = usize::from(self.conns[slot as usize].lane);
        let Some(side) = self.lanes.get_mut(lane) else { return };
        for queue in [&mut side.out, &mut side.ahead] {
            if let Some(LaneEvent::Body(last, piece)) = queue.back_mut()
                && *last == exchange
                && piece.len() + data.len() <= MAX_PIECE
            {
                piece.extend_from_slice(data);
                return;
            }
        }
        self.tell_lane(slot, LaneEvent::Body(exchange, data.to_vec()));
    }

    /// Where an event waits for the lane of its connection.
    fn queue_for(&mut self, slot: u32, event: &LaneEvent) -> Option<&mut VecDeque<LaneEvent>> {
        let conn = &mut self.conns[slot as usize];
        let side = self.lanes.get_mut(usize::from(conn.lane))?;
        if side.is_behind {
            let overtakes = conn.held_back == 0 && !matches!(event, LaneEvent::Request(_));
            if overtakes {
                return Some(&mut side.ahead);
            }
            side.parked += usize::from(conn.held_back == 0);
            conn.held_back += 1;
        }
        Some(&mut side.out)
    }

    /// Whether a request's body goes on to a lane as it comes.
    pub(crate) fn is_to_stream(&self, task: &Task) -> bool {
        let small = !self.settings.stream_small_bodies
            && matches!(task.request.head.framing(), Framing::Length(n) if n <= SMALL_BODY);
        task.handler.is_none() && !small
    }

    /// A body that is large, or of unknown length, and has not come whole goes
    /// on to its lane as it comes. Called after each read.
    pub(crate) fn stream_body(&mut self, slot: u32) {
        let conn = &self.conns[slot as usize];
        let Some(Incoming::Task(task)) = conn.incoming.as_deref() else { return };
        if !self.is_to_stream(task) {
            return;
        }
        if !self.enter_handlers() {
            // Not worth reading on for.
            let answer = Answer::Plain(Plain::Overloaded(Limit::InFlight));
            self.fail(slot, answer, CloseReason::Rejected, &[]);
            return;
        }
        let conn = &mut self.conns[slot as usize];
        let Some(Incoming::Task(task)) = conn.incoming.as_deref_mut() else { return };
        let exchange = Exchange(task.address);
        let stream = Incoming::Stream(exchange, task.meta);
        let first = std::mem::take(&mut task.request.body);
        self.body_bytes -= first.len();
        let incoming = conn.incoming.replace(Box::new(stream));
        let Some(Incoming::Task(mut task)) = incoming.map(|incoming| *incoming) else { return };
        task.body_streams = true;
        self.hand_over(task);
        self.hold_upload(slot, first.len());
        if !first.is_empty() {
            self.tell_lane(slot, LaneEvent::Body(exchange, first));
        }
    }

    /// Gives the lanes what this turn brought, as far as they have room, and
    /// wakes each at most once.
    pub(crate) fn post_lanes(&mut self) {
        for index in 0..self.lanes.len() {
            let side = &mut self.lanes[index];
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
            if !self.lanes[index].out.is_empty() {
                self.fall_behind(index);
                // Nobody would come back to what is all of connections that have gone.
                if !self.lanes[index].has_parked() {
                    self.sweep(index);
                    self.give(index, &lane);
                }
            }
            lane.notify();
        }
    }

    /// Gives a lane what it has room for.
    fn give(&mut self, index: usize, lane: &Lane) {
        let io_thread = self.settings.io_thread;
        let side = &mut self.lanes[index];
        if !side.ahead.is_empty() {
            lane.give(&mut side.ahead, 0);
        }
        // Once more where there was room but not enough, so that it is told of room.
        while !self.lanes[index].out.is_empty() {
            let room = lane.room(io_thread);
            if self.lanes[index].is_behind {
                for place in 0..Lane::fitting(&self.lanes[index].out, room) {
                    let exchange = self.lanes[index].out[place].exchange();
                    self.release(index, exchange);
                }
            }
            lane.give(&mut self.lanes[index].out, room);
            if room == 0 {
                break;
            }
        }
        let side = &mut self.lanes[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// Takes back the requests that a full lane has not been given and that
    /// nobody waits for, because they have been answered late or their connection
    /// has gone; and what else was to be told of them.
    pub(crate) fn sweep(&mut self, index: usize) {
        self.lanes[index].gone = 0;
        let mut dropped = HashSet::new();
        let is_behind = self.lanes[index].is_behind;
        for event in std::mem::take(&mut self.lanes[index].out) {
            let exchange = event.exchange();
            if matches!(event, LaneEvent::Request(_)) && !self.is_with_lane(exchange.0) {
                dropped.insert(exchange);
            }
            if !dropped.contains(&exchange) {
                self.lanes[index].out.push_back(event);
                continue;
            }
            if is_behind {
                self.release(index, exchange);
            }
            if let LaneEvent::Request(LaneTask(task)) = event {
                self.recycle(task);
            }
        }
        let side = &mut self.lanes[index];
        side.is_behind &= !side.out.is_empty();
    }

    /// The lane has no room for all there is. Connections that have requests among
    /// what waits are not read from until these have been given; what is told of
    /// others does not wait.
    fn fall_behind(&mut self, index: usize) {
        let side = &mut self.lanes[index];
        if std::mem::replace(&mut side.is_behind, true) {
            return;
        }
        let mut parked = Vec::new();
        for event in std::mem::take(&mut side.out) {
            let ReplyAddress { slot, generation, .. } = event.exchange().0;
            let conn = self.conns.get_mut(slot as usize);
            let conn = conn.filter(|conn| conn.generation == generation);
            let is_request = matches!(event, LaneEvent::Request(_));
            match conn {
                Some(conn) if is_request || conn.held_back > 0 => {
                    if conn.held_back == 0 {
                        parked.push(slot);
                    }
                    conn.held_back += 1;
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
            self.mark_dirty(slot);
        }
    }

    /// An event of this exchange waits no longer for room. With its last one, a
    /// connection is read from again.
    fn release(&mut self, index: usize, Exchange(address): Exchange) {
        let conn = self.conns.get_mut(address.slot as usize);
        let Some(conn) = conn.filter(|conn| conn.generation == address.generation) else { return };
        conn.held_back -= 1;
        if conn.held_back == 0 {
            self.lanes[index].parked -= 1;
            self.mark_dirty(address.slot);
        }
    }

    /// A lane has said something.
    pub(crate) fn lane_reply(&mut self, reply: LaneReply) {
        let Exchange(address) = reply.exchange();
        if let LaneReply::Cut(_) | LaneReply::Finish(_) = reply {
            self.end_connection(address, matches!(reply, LaneReply::Cut(_)));
            return;
        }
        if !self.is_with_lane(address) {
            if let LaneReply::Response(LaneTask(task))
            | LaneReply::Late(LaneTask(task))
            | LaneReply::Dropped(LaneTask(task)) = reply
            {
                self.counters.dropped.add(1);
                self.recycle(task);
            }
            return;
        }
        let slot = address.slot;
        match reply {
            LaneReply::Response(LaneTask(mut task)) => {
                let mut meta = task.meta;
                self.end_deadline(slot, address.sequence);
                if task.response.streams() && !task.failed {
                    let is_right = task.response.begin_stream();
                    if !is_right {
                        self.recycle(task);
                        self.break_off(slot, address.sequence);
                        self.mark_dirty(slot);
                        return;
                    }
                } else {
                    meta.close |= self.lane_answered(slot, address.sequence);
                    // It may have to wait for its turn, but at no handler.
                    if std::mem::take(&mut task.at_handler) {
                        self.left_handlers();
                    }
                }
                self.answer(slot, address.sequence, Answer::Task(task), meta);
            }
            LaneReply::Late(LaneTask(task)) => {
                let meta = task.meta;
                self.recycle(task);
                self.end_deadline(slot, address.sequence);
                self.answer_late(slot, address.sequence, meta);
            }
            LaneReply::Dropped(LaneTask(task)) => {
                self.recycle(task);
                self.end_deadline(slot, address.sequence);
                self.break_off(slot, address.sequence);
            }
            LaneReply::Chunk(_, data) => {
                if !self.stream_chunk(slot, address.sequence, data) {
                    self.break_off(slot, address.sequence);
                }
            }
            LaneReply::End(_) => self.stream_end(slot, address.sequence),
            LaneReply::Abort(_) => self.break_off(slot, address.sequence),
            LaneReply::Pull(_, n) => {
                self.pulled(slot, address.sequence, n);
            }
            LaneReply::Cut(_) | LaneReply::Finish(_) => {}
        }
        self.mark_dirty(slot);
    }

    /// Whether an answer to the request is expected from its lane.
    pub(crate) fn is_with_lane(&self, address: ReplyAddress) -> bool {
        self.conns.get(address.slot as usize).is_some_and(|conn| {
            conn.generation == address.generation
                && conn.with_lane & lane_bit(address.sequence) != 0
                && address.sequence.wrapping_sub(conn.next_answer) < conn.in_flight()
        })
    }

    /// The lane is done with a request. True if its body is still coming in:
    /// then the connection must end after the answer.
    pub(crate) fn lane_answered(&mut self, slot: u32, sequence: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        conn.with_lane &= !lane_bit(sequence);
        let unread = conn.body_comes_in(sequence);
        self.forget_upload(slot, sequence);
        let conn = &mut self.conns[slot as usize];
        if unread {
            conn.incoming = None;
            conn.last_request_read = true;
            conn.linger = true;
        }
        unread
    }

    /// Changes the streaming response whose turn has not come. False if there is none.
    fn change_waiting(
        &mut self,
        slot: u32,
        sequence: u32,
        change: impl FnOnce(&mut Response, &mut Meta) -> bool,
    ) -> bool {
        let conn = &mut self.conns[slot as usize];
        let ahead = sequence.wrapping_sub(conn.next_answer) as usize;
        conn.change_kept(ahead, change).unwrap_or(false)
    }

    fn stream_chunk(&mut self, slot: u32, sequence: u32, data: Vec<u8>) -> bool {
        let conn = &mut self.conns[slot as usize];
        if conn.next_answer == sequence
            && let Some(stream) = &mut conn.stream
        {
            stream.unacknowledged += data.len();
            if let Some(left) = &mut stream.left {
                let Some(rest) = left.checked_sub(data.len() as u64) else { return false };
                *left = rest;
            }
            if !stream.head_only {
                conn.out.lend(&mut self.pool);
                match (stream.chunked, Out::wants_splice(data.len())) {
                    (true, true) => conn.out.chunk(Body::Owned(data)),
                    (false, true) => conn.out.splice(Body::Owned(data)),
                    (true, false) => response::chunk(conn.out.buf(), &data),
                    (false, false) => conn.out.buf().extend_from_slice(&data),
                }
            }
            return true;
        }
        self.change_waiting(slot, sequence, |response, _| response.append(&data))
    }

    fn stream_end(&mut self, slot: u32, sequence: u32) {
        if self.is_short(slot, sequence) {
            self.break_off(slot, sequence);
            return;
        }
        let unread = self.lane_answered(slot, sequence);
        let conn = &mut self.conns[slot as usize];
        if conn.next_answer == sequence
            && let Some(stream) = conn.stream.take()
        {
            self.left_handlers();
            let conn = &mut self.conns[slot as usize];
            conn.adapt(conn.out.len());
            if !stream.head_only && stream.chunked {
                conn.out.lend(&mut self.pool);
                response::last_chunk(conn.out.buf());
            }
            if stream.close || unread {
                conn.closing = true;
                conn.last_request_read = true;
            }
            self.advance(slot);
            return;
        }
        self.change_waiting(slot, sequence, |response, meta| {
            meta.close |= unread;
            response.finish_stream();
            true
        });
    }

    /// Whether a streaming response has less of a body than it has declared.
    fn is_short(&self, slot: u32, sequence: u32) -> bool {
        let conn = &self.conns[slot as usize];
        let (left, head_only) = match &conn.stream {
            Some(stream) if conn.next_answer == sequence => (stream.left, stream.head_only),
            _ => {
                let ahead = sequence.wrapping_sub(conn.next_answer) as usize;
                match conn.waiting.get(ahead) {
                    Some(Some((Answer::Task(task), meta))) => {
                        (task.response.left(), meta.head_only)
                    }
                    _ => return false,
                }
            }
        };
        !head_only && left.is_some_and(|left| left > 0)
    }

    /// The answer to a request cannot be completed, or there is none. Answers before
    /// it are sent, and what there is of it, and then the connection is cut.
    pub(crate) fn break_off(&mut self, slot: u32, sequence: u32) {
        self.lane_answered(slot, sequence);
        let conn = &mut self.conns[slot as usize];
        if conn.next_answer == sequence && conn.stream.take().is_some() {
            conn.break_off();
            self.left_handlers();
            self.advance(slot);
            return;
        }
        let is_kept = self.change_waiting(slot, sequence, |response, _| {
            response.break_off();
            true
        });
        if !is_kept {
            self.answer(slot, sequence, Answer::Cut, Meta { close: true, ..Meta::default() });
        }
    }

    /// Gives a streaming response credit for what has left.
    pub(crate) fn acknowledge(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if let Some(stream) = &mut conn.stream
            && stream.unacknowledged > 0
            && conn.out.len() <= LOW_WATER
        {
            let event = LaneEvent::Ack(stream.exchange, std::mem::take(&mut stream.unacknowledged));
            self.tell_lane(slot, event);
        }
    }

    /// The client has sent its last byte: tells the lane of each of the requests
    /// that it has been given and not been told of. The client may have gone, or
    /// may yet read its answers, those that stream as well.
    pub(crate) fn lane_hangup(&mut self, slot: u32) {
        for exchange in self.with_lane_of(slot) {
            let conn = &mut self.conns[slot as usize];
            let Exchange(ReplyAddress { sequence, .. }) = exchange;
            let collects = matches!(conn.incoming.as_deref(), Some(Incoming::Task(task)) if task.address.sequence == sequence);
            if conn.told_left & lane_bit(sequence) == 0 && !collects {
                conn.told_left |= lane_bit(sequence);
                self.tell_lane(slot, LaneEvent::HalfClosed(exchange));
            }
        }
    }

    /// The end of the input is near. Where what is before it is not read now, its
    /// lane hears of it all the same.
    pub(crate) fn look_for_leaving(&mut self, slot: u32) {
        let conn = &self.conns[slot as usize];
        if conn.has_left() && conn.with_lane & !conn.told_left != 0 {
            self.lane_hangup(slot);
        }
    }

    /// A connection was accepted: tells its lane, unless that is far behind. It is then
    /// told with the first request.
    pub(crate) fn opened(&mut self, slot: u32) {
        let lane = self.lanes.first().and_then(|side| side.lane.as_ref());
        if lane.is_some_and(|lane| lane.backlog() < MOST_ANNOUNCED) {
            self.announce(slot, ConnectionChange::Opened);
        }
    }

    /// Tells the connection's lane what has become of it.
    pub(crate) fn announce(&mut self, slot: u32, change: ConnectionChange) {
        let conn = &mut self.conns[slot as usize];
        conn.announced = true;
        let (generation, peer) = (conn.generation, conn.peer);
        let connection = Exchange::of_connection(self.settings.io_thread, slot, generation);
        let event = ConnectionEvent { change, connection, peer };
        self.tell_lane(slot, LaneEvent::Connection(Box::new(event)));
    }

    /// A connection was refused: tells the first lane, unless that is far behind.
    pub(crate) fn refused_connection(&mut self, peer: Option<SocketAddr>) {
        let connection = Exchange::of_connection(self.settings.io_thread, u32::MAX, 0);
        let Some(side) = self.lanes.first_mut() else { return };
        if side.lane.as_ref().is_some_and(|lane| lane.backlog() < MOST_ANNOUNCED) {
            let change = ConnectionChange::Refused;
            let event = ConnectionEvent { change, connection, peer };
            side.ahead.push_back(LaneEvent::Connection(Box::new(event)));
        }
    }

    /// A lane wants a connection to end.
    fn end_connection(&mut self, address: ReplyAddress, cut: bool) {
        let slot = address.slot;
        let Some(conn) = self.conns.get_mut(slot as usize) else { return };
        if conn.generation != address.generation {
            return;
        }
        if cut {
            // What has been answered before it goes out, as far as the socket takes it.
            if self.flush(slot) {
                self.close(slot, CloseReason::Aborted);
            }
            return;
        }
        conn.ending = true;
        if conn.in_flight() == 0 {
            conn.closing = true;
            conn.linger = true;
            conn.last_request_read = true;
        } else if conn.in_flight() == 1
            && let Some(stream) = &mut conn.stream
        {
            stream.close = true;
        }
        self.mark_dirty(slot);
    }

    /// Whether lanes have something to be told that came after this turn's
    /// telling, and room to be told it.
    pub(crate) fn has_lane_events(&self) -> bool {
        self.lanes.iter().any(LaneSide::has_news)
    }

    /// Whether a lane has room again for what it could not be given.
    pub(crate) fn has_room_in_lanes(&self) -> bool {
        let has_room = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.has_room());
        self.lanes.iter().any(|side| !side.out.is_empty() && has_room(side))
    }

    /// Whether replies of workers or lanes are to come.
    pub(crate) fn awaits_others(&self) -> bool {
        let busy = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.in_flight() > 0);
        self.tasks_out > 0 || self.lanes.iter().any(busy)
    }

    /// The connection is gone: tells the lane of each of its requests.
    pub(crate) fn lane_gone(&mut self, slot: u32) {
        let exchanges = self.with_lane_of(slot);
        let had_some = !exchanges.is_empty();
        for exchange in exchanges {
            self.tell_lane(slot, LaneEvent::Gone(exchange));
        }
        let conn = &mut self.conns[slot as usize];
        conn.with_lane = 0;
        let is_parked = std::mem::take(&mut conn.held_back) > 0;
        if let Some(side) = self.lanes.get_mut(usize::from(conn.lane))
            && side.is_behind
        {
            side.gone += usize::from(had_some || is_parked);
            side.parked -= usize::from(is_parked);
        }
    }

    /// The requests of a connection that are with its lane.
    fn with_lane_of(&self, slot: u32) -> Vec<Exchange> {
        let conn = &self.conns[slot as usize];
        if conn.with_lane == 0 {
            return Vec::new();
        }
        let sequences = (0..conn.in_flight()).map(|ahead| conn.next_answer.wrapping_add(ahead));
        sequences
            .filter(|sequence| conn.with_lane & lane_bit(*sequence) != 0)
            .map(|sequence| {
                Exchange(ReplyAddress {
                    io_thread: self.settings.io_thread,
                    slot,
                    generation: conn.generation,
                    sequence,
                })
            })
            .collect()
    }
}

/// For the simulation's checks.
#[cfg(test)]
impl LaneSide {
    pub(crate) fn lane(&self) -> Option<&Arc<Lane>> {
        self.lane.as_ref()
    }

    pub(crate) fn events(&self) -> &VecDeque<LaneEvent> {
        &self.out
    }

    pub(crate) fn ahead(&self) -> &VecDeque<LaneEvent> {
        &self.ahead
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    pub(crate) fn parked(&self) -> usize {
        self.parked
    }
}
