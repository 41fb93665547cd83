//! Bodies of requests: collected for a handler, or on to a lane as they come.

use reactor_proto::RequestError;
use reactor_proto::h2::{ConnectionError, ErrorCode};

use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::loan::{LentMemory, Loan};
use crate::exchange::rest::Rest;
use crate::http2::machine::Http2;
use crate::http2::requests::streams_to_lane;
use crate::http2::stream::Receiving;

/// From this size on the rest of a body is an event of its own kind. In bytes.
const LARGE: usize = 16 * 1024;

/// The time that each byte of a collected body buys, in milliseconds: 250 bytes a second.
const MILLIS_PER_BYTE: u64 = 4;

impl Http2 {
    /// The next bytes of a body. `flow` is what they count for in the windows.
    pub(crate) fn data(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        data: &[u8],
        flow: u32,
        ends: bool,
    ) -> Result<(), ConnectionError> {
        let now = services.clock.millis();
        // A frame may come in pieces. Its length comes with the first, which is empty only if the frame
        // has nothing but padding.
        if data.is_empty() {
            self.guard.data(0, ends, now)?;
        } else if flow > 0 {
            self.guard.data(flow as usize, ends, now)?;
        }
        self.guard.useful(data.len());
        if !self.receive_window.try_take(flow as usize) {
            let why = "more DATA than the connection's window allows (RFC 9113 section 5.2)";
            return Err(ConnectionError { code: ErrorCode::FLOW_CONTROL_ERROR, why });
        }
        // The bound on what is held is each stream's. So no stream keeps back another.
        self.return_connection(core, services, flow);
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_over) else {
            return self.late_data(core, services, id, flow, data.is_empty());
        };
        if !stream.receiving.is_open() {
            return self.reset_for_fault(core, services, id, ErrorCode::STREAM_CLOSED);
        }
        if !stream.receive_window.try_take(flow as usize) {
            return self.reset_for_fault(core, services, id, ErrorCode::FLOW_CONTROL_ERROR);
        }
        let padding = flow.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX));
        if flow > 0 && padding > 0 {
            self.return_stream(core, services, id, padding);
        }
        if !data.is_empty() && self.count_down(id, data.len()) {
            // More than was declared (RFC 9113 §8.1.1).
            return self.reset_for_fault(core, services, id, ErrorCode::PROTOCOL_ERROR);
        }
        self.body(core, services, id, data);
        if ends {
            self.body_end(core, services, id)?;
        }
        Ok(())
    }

    /// So many bytes of a body have come. Returns whether that is more than was declared.
    fn count_down(&mut self, id: u32, bytes: usize) -> bool {
        let Some(left) = self.streams.get_mut(id).and_then(|stream| stream.left.as_mut()) else {
            return false;
        };
        let rest = left.checked_sub(bytes as u64);
        *left = rest.unwrap_or(0);
        rest.is_none()
    }

    fn body(&mut self, core: &mut Core, services: &mut Services, id: u32, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let now = services.clock.millis();
        let Some(stream) = self.streams.get_mut(id) else { return };
        core.timer.progress = true;
        stream.came += data.len() as u64;
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match &mut stream.receiving {
            Receiving::Ended | Receiving::Waits(_) => {}
            Receiving::Tunnel(early) => {
                if self.tunnels.iter().any(|tunnel| tunnel.id == id) {
                    self.tunnel_input(core, services, id, data);
                } else {
                    early.extend_from_slice(data);
                }
            }
            Receiving::Discard => self.return_stream(core, services, id, bytes),
            _ if stream.came > services.settings.limits.body => {
                let answer = ServerAnswer::Rejected(RequestError::BodyTooLarge);
                self.refuse_body(core, services, id, answer);
            }
            Receiving::Task(task) => {
                stream.since = now.min(stream.since + data.len() as u64 * MILLIS_PER_BYTE);
                if services.memory.collect(data.len()) {
                    task.request.body.extend_from_slice(data);
                    self.return_stream(core, services, id, bytes);
                } else if streams_to_lane(services, task) {
                    // A body that streams needs no memory for all of it.
                    self.stream_body(core, services, id);
                    self.body_again(core, services, id, data);
                } else {
                    services.counters.rejected.add(1);
                    let answer = ServerAnswer::Overloaded(Limit::BodyMemory);
                    self.refuse_body(core, services, id, answer);
                }
            }
            Receiving::Rest(_) => {
                stream.since = now;
                if self.keep_rest(services, id, data) {
                    self.return_stream(core, services, id, bytes);
                } else {
                    self.tell_rest(core, services, id);
                    self.tell_piece(core, services, id, data);
                }
            }
            Receiving::Pieces => {
                stream.since = now;
                self.tell_piece(core, services, id, data);
            }
        }
    }

    /// The same for bytes that have been counted, after their stream went to its lane.
    fn body_again(&mut self, core: &mut Core, services: &mut Services, id: u32, data: &[u8]) {
        if self.streams.get(id).is_some_and(|stream| stream.receiving.streams()) {
            self.tell_piece(core, services, id, data);
        }
    }

    /// Tells the lane of the next bytes of a body.
    fn tell_piece(&mut self, core: &mut Core, services: &mut Services, id: u32, data: &[u8]) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        services.memory.streamed += data.len();
        stream.untaken += data.len();
        let exchange = services.id(core, id);
        services.lanes.tell_body(&mut stream.link, exchange, data);
    }

    /// Keeps the next bytes for a lane that wants the rest in one piece. False if there is no memory.
    fn keep_rest(&mut self, services: &mut Services, id: u32, data: &[u8]) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let Receiving::Rest(rest) = &mut stream.receiving else { return false };
        if data.len() > services.memory.free_for_rests() {
            return false;
        }
        match &mut **rest {
            Rest::Own(bytes) => bytes.extend_from_slice(data),
            Rest::Lent(loan) => {
                if !loan.extend(data) {
                    return false;
                }
            }
        }
        let fits = services.memory.collect_rest(data.len());
        debug_assert!(fits, "that was asked before");
        stream.rest += data.len();
        true
    }

    /// Gives the lane what was collected for it. What still comes goes on to it as it comes.
    pub(crate) fn tell_rest(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        if !matches!(self.streams.get(id).map(|stream| &stream.receiving), Some(Receiving::Rest(_)))
        {
            return;
        }
        let Some(Receiving::Rest(rest)) = self.receive(id, Receiving::Pieces) else { return };
        let exchange = services.id(core, id);
        let event = match *rest {
            Rest::Own(bytes) if bytes.is_empty() => return,
            Rest::Own(bytes) if bytes.len() < LARGE => LaneEvent::Body(exchange, bytes),
            Rest::Own(bytes) => LaneEvent::Rest(exchange, bytes),
            Rest::Lent(loan) if loan.filled() == 0 => return,
            Rest::Lent(loan) => LaneEvent::Filled(exchange, loan.filled()),
        };
        if let Some(stream) = self.streams.get_mut(id) {
            services.lanes.tell(&mut stream.link, event);
        }
    }

    /// A body is complete.
    pub(crate) fn body_end(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
    ) -> Result<(), ConnectionError> {
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.is_over) else {
            return Ok(());
        };
        if stream.left.is_some_and(|left| left > 0) {
            // Less than was declared (RFC 9113 §8.1.1).
            return self.reset_for_fault(core, services, id, ErrorCode::PROTOCOL_ERROR);
        }
        if self.is_tunnel(id) {
            // Before its socket answers: a stream that both sides have ended is not reset.
            self.receive(id, Receiving::Ended);
            self.tunnel_end(core, services, id);
            return Ok(());
        }
        self.tell_rest(core, services, id);
        match self.receive(id, Receiving::Ended) {
            Some(Receiving::Task(task)) => self.queue(core, services, id, task),
            Some(Receiving::Pieces | Receiving::Rest(_)) => {
                let exchange = services.id(core, id);
                if let Some(stream) = self.streams.get_mut(id) {
                    services.lanes.tell(&mut stream.link, LaneEvent::BodyEnd(exchange));
                }
            }
            Some(Receiving::Discard | Receiving::Ended | Receiving::Tunnel(_)) | None => {}
            Some(waits @ Receiving::Waits(_)) => {
                self.receive(id, waits);
            }
        }
        Ok(())
    }

    /// Lets bodies go on to their lanes as they come, if they are large or of unknown length, and
    /// not complete yet. Called after each read.
    pub(crate) fn stream_bodies(&mut self, core: &mut Core, services: &mut Services) {
        let mut begun = std::mem::take(&mut self.begun);
        for id in begun.drain(..) {
            self.stream_body(core, services, id);
        }
    }

    fn stream_body(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        let is_collected = self.streams.get(id).is_some_and(|stream| {
            matches!(&stream.receiving, Receiving::Task(task) if streams_to_lane(services, task))
        });
        if !is_collected {
            return;
        }
        if !services.enter_handlers() {
            let answer = ServerAnswer::Overloaded(Limit::InFlight);
            self.refuse_body(core, services, id, answer);
            return;
        }
        let Some(Receiving::Task(mut task)) = self.receive(id, Receiving::Pieces) else { return };
        let Some(stream) = self.streams.get_mut(id) else { return };
        let first = std::mem::take(&mut task.request.body);
        services.memory.collected -= first.len();
        task.body_streams = true;
        stream.lane = crate::exchange::entry::AtLane::Given;
        stream.is_away = true;
        stream.since = services.clock.millis();
        stream.handed = stream.since;
        services.hand_over(&mut stream.link, task);
        if !first.is_empty() {
            services.memory.streamed += first.len();
            stream.untaken += first.len();
            let exchange = services.id(core, id);
            services.lanes.tell(&mut stream.link, LaneEvent::Body(exchange, first));
        }
    }

    /// The rest of a body is not wanted: the request is answered with an error. If its lane has it,
    /// the lane is told. If its answer has begun, the stream is reset.
    pub(crate) fn refuse_body(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        answer: ServerAnswer,
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.receiving.streams() {
            let exchange = services.id(core, id);
            services.lanes.tell(&mut stream.link, LaneEvent::Refused(exchange, answer.status()));
            stream.lane = crate::exchange::entry::AtLane::No;
            services.memory.taken(stream.take(usize::MAX));
            services.end_deadline(core.id.slot, id);
        }
        let has_begun = stream.outgoing.is_some();
        if let Some(Receiving::Task(task)) = self.receive(id, Receiving::Discard) {
            services.recycle(task);
        }
        if has_begun {
            self.reset(core, services, id, ErrorCode::CANCEL);
        } else {
            self.answer(core, services, id, Answer::Server(answer));
        }
    }

    /// The lane wants what is still to come of a body in one piece.
    pub(crate) fn collect(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        memory: Option<Box<dyn LentMemory>>,
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.is_over || !matches!(stream.receiving, Receiving::Pieces) {
            return;
        }
        let loan = memory.zip(stream.left).and_then(|(memory, left)| Loan::new(memory, left));
        let rest = loan.map_or_else(|| Rest::Own(Vec::new()), Rest::Lent);
        // From now on what comes needs no word of the lane, and neither does what came.
        let credit = stream.untaken - stream.credited;
        stream.credited = stream.untaken;
        self.receive(id, Receiving::Rest(Box::new(rest)));
        self.widen(core, services, id, u32::try_from(credit).unwrap_or(u32::MAX));
    }
}
