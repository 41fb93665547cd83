//! How streams end, and the connection with them.

use reactor_proto::h2::{ConnectionError, ErrorCode};

use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::entry::AtLane;
use crate::http2::machine::{Http2, Stage};
use crate::http2::outward::Outward;
use crate::http2::stream::{NO_RECORD, Receiving, Stream};
use crate::observe::access_log::Outcome;

impl Http2 {
    /// The last frame of an answer is in the output. If more of the request's body may come, the
    /// client is told that it is not wanted (RFC 9113 §8.1).
    pub(crate) fn complete(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        self.written(core, services, stream);
        if stream.receiving.is_open() {
            let under_way = stream.under_way();
            self.replies += 1;
            self.note_reset(id, under_way);
            Outward::reset(core, services, id, ErrorCode::NO_ERROR);
        }
        if let Some(stream) = self.streams.get_mut(id) {
            // It has ended, and not been given up.
            stream.record = NO_RECORD;
        }
        self.give_up(core, services, id, false);
    }

    /// Resets a stream. Its lane is told.
    pub(crate) fn reset(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        code: ErrorCode,
    ) {
        self.replies += 1;
        let under_way = self.streams.get(id).map_or(0, Stream::under_way);
        self.note_reset(id, under_way);
        Outward::reset(core, services, id, code);
        core.timer.progress = true;
        self.give_up(core, services, id, true);
    }

    /// Resets a stream because of what the client did on it. That counts as a reset of its own:
    /// both make handlers work for nothing (CVE-2025-8671).
    pub(crate) fn reset_for_fault(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        code: ErrorCode,
    ) -> Result<(), ConnectionError> {
        self.guard.reset(services.clock.millis())?;
        self.reset(core, services, id, code);
        Ok(())
    }

    /// The client has reset a stream.
    pub(crate) fn peer_reset(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        if self.streams.get(id).is_some_and(|stream| !stream.is_over) {
            self.give_up(core, services, id, true);
        }
    }

    /// A stream is over. It gives back what it holds, and then its place, once its handler has
    /// returned. With `tells` its lane hears that it is gone.
    fn give_up(&mut self, core: &mut Core, services: &mut Services, id: u32, tells: bool) {
        self.close_tunnel(services, id);
        let before = self.receive(id, Receiving::Ended);
        if let Some(Receiving::Task(task) | Receiving::Waits(task)) = before {
            services.recycle(task);
        }
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.outward.drop_body(stream);
        if let Some(outgoing) = stream.outgoing.take()
            && outgoing.streams
        {
            services.left_handlers();
        }
        services.memory.taken(stream.take(usize::MAX));
        if stream.lane.has_it() {
            services.end_deadline(core.id.slot, id);
            if tells {
                let exchange = services.id(core, id);
                services.lanes.tell(&mut stream.link, LaneEvent::Gone(exchange));
            }
        }
        // Its events may still wait for a full lane. They hold nothing back any more.
        services.lanes.gone(&mut stream.link, stream.is_away);
        stream.lane = AtLane::No;
        let record = std::mem::replace(&mut stream.record, NO_RECORD);
        if record != NO_RECORD
            && let Some(observer) = &mut services.observer
        {
            observer.abort_apart(record, Outcome::Aborted);
        }
        if stream.is_away {
            stream.is_over = true;
            return;
        }
        self.remove(core, services, id);
    }

    /// A task of a stream has come back, whose answer is not wanted any more.
    pub(crate) fn returned(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_away = false;
        if stream.is_over {
            self.remove(core, services, id);
            // The connection may be idle now, or have waited for this to end.
            services.mark_dirty(core);
        }
    }

    fn remove(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        let Some(mut stream) = self.streams.remove(id) else { return };
        services.lanes.gone(&mut stream.link, false);
        services.http2.put(stream);
        services.counters.http2.streams_closed.add(1);
        if self.streams.is_empty() {
            // The connection is idle from now on.
            core.timer.progress = true;
            services.http2.return_list(&mut self.streams);
            self.outward.shrink();
            self.begun = Vec::new();
        }
    }

    /// Gives up all streams.
    pub(crate) fn abandon_all(&mut self, core: &mut Core, services: &mut Services) {
        self.waiting.clear();
        for id in self.streams.ids() {
            if self.streams.get(id).is_some_and(|stream| !stream.is_over) {
                self.give_up(core, services, id, true);
            }
        }
    }

    /// A trailer section has come, which ends a body (RFC 9113 §8.1).
    pub(crate) fn trailers_came(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        text: &[u8],
    ) -> Result<(), ConnectionError> {
        self.guard.useful(text.len());
        match self.fault_of_trailers(core, services, id)? {
            None => return Ok(()),
            Some(Some(code)) => return self.reset_for_fault(core, services, id, code),
            Some(None) => {}
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        match &mut stream.receiving {
            Receiving::Ended | Receiving::Waits(_) => {}
            Receiving::Task(task) => task.request.trailers.extend_from_slice(text),
            Receiving::Pieces | Receiving::Rest(_) => {
                if !text.is_empty() && stream.left.is_none_or(|left| left == 0) {
                    self.tell_rest(core, services, id);
                    let exchange = services.id(core, id);
                    if let Some(stream) = self.streams.get_mut(id) {
                        let event = LaneEvent::Trailers(exchange, text.into());
                        services.lanes.tell(&mut stream.link, event);
                    }
                }
            }
            Receiving::Tunnel(_) => {
                self.reset(core, services, id, ErrorCode::PROTOCOL_ERROR);
                return Ok(());
            }
            Receiving::Discard => {}
        }
        self.body_end(core, services, id)
    }

    /// DATA has come on a stream that is over. `flow` is what it counts for in the windows: 0 for a
    /// later piece of a frame, and for a frame without anything.
    pub(crate) fn late_data(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        flow: u32,
        is_empty: bool,
    ) -> Result<(), ConnectionError> {
        // A client that streams small messages may have sent thousands before it hears that its call
        // was answered early.
        if (flow > 0 || !is_empty) && self.was_under_way(id, flow) {
            return Ok(());
        }
        self.late_frame(core, services, id)
    }

    /// A frame has come on a stream that is over. The client hears of it, unless this side has reset
    /// the stream and that was under way.
    pub(crate) fn late_frame(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
    ) -> Result<(), ConnectionError> {
        self.guard.glitch(services.clock.millis())?;
        if !self.was_reset(id) {
            self.note_reset(id, 0);
            self.replies += 1;
            Outward::reset(core, services, id, ErrorCode::STREAM_CLOSED);
        }
        Ok(())
    }

    /// What is wrong with a second field section on a stream, whatever it says (RFC 9113 §5.1). None
    /// where nothing is to be done.
    pub(crate) fn fault_of_trailers(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
    ) -> Result<Option<Option<ErrorCode>>, ConnectionError> {
        let Some(stream) = self.streams.get(id) else {
            if self.may_have_been_reset(id) {
                self.guard.glitch(services.clock.millis())?;
                return Ok(None);
            }
            let why = "HEADERS came for a stream that has ended (RFC 9113 section 5.1)";
            return Err(ConnectionError { code: ErrorCode::STREAM_CLOSED, why });
        };
        if stream.is_over {
            self.late_frame(core, services, id)?;
            return Ok(None);
        }
        Ok(Some((!stream.receiving.is_open()).then_some(ErrorCode::STREAM_CLOSED)))
    }

    /// The connection is gone. Tells the lane of each of its requests, and gives back what it held.
    #[inline(never)]
    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        self.stage = Stage::Over;
        self.abandon_all(core, services);
        for id in self.streams.ids() {
            self.remove(core, services, id);
        }
        services.lanes.gone(&mut core.lane, false);
        services.counters.http2.closed.add(1);
    }
}
