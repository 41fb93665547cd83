//! The methods of `Protocol` besides requests and answers.

use std::io;

use reactor_proto::h2::ErrorCode;

use crate::conn::core::{Core, Ending};
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::entry::AtLane;
use crate::exchange::fields::FieldList;
use crate::exchange::task::Task;
use crate::http2::machine::{Http2, Stage};
use crate::http2::outward::{LOW_WATER, write_fields};
use crate::http2::stream::Receiving;

/// Bytes behind the end of the connection that the loop reads, to find out whether the client leaves.
const MOST_DISCARDED: usize = 256 * 1024;

impl Http2 {
    /// The peer has sent its last byte. What it has not sent whole cannot be answered.
    #[inline(never)]
    pub(crate) fn end_of_input(&mut self, core: &mut Core, services: &mut Services) {
        self.tell_left(core, services);
        for id in self.streams.ids() {
            if self.is_tunnel(id) {
                self.tunnel_end(core, services, id);
            } else if self.streams.get(id).is_some_and(|stream| stream.receiving.is_open()) {
                self.reset(core, services, id, ErrorCode::CANCEL);
            }
        }
        self.last_call(core, services);
    }

    pub(crate) fn discards(&self) -> bool {
        self.stage == Stage::Over
    }

    #[inline(never)]
    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        match self.stage {
            Stage::Over => self.discarded < MOST_DISCARDED,
            _ => !self.is_full(core),
        }
    }

    /// Whether nothing but output is under way.
    #[inline(never)]
    pub(crate) fn is_quiet(&self, core: &Core) -> bool {
        self.streams.is_empty() && core.input.is_empty() && !self.decoder.in_block()
    }

    pub(crate) fn in_body(&self) -> bool {
        self.receiving > 0
    }

    #[inline(never)]
    pub(crate) fn streams(&self) -> bool {
        self.streams.iter().any(|stream| stream.streams())
    }

    #[inline(never)]
    pub(crate) fn is_at_lane(&self) -> bool {
        self.streams.iter().any(|stream| stream.lane.has_it())
            || self.tunnels.iter().any(|tunnel| tunnel.socket.is_at_lane())
    }

    /// Whether a lane has some of the connection's exchanges, or will be given one.
    #[inline(never)]
    pub(crate) fn has_lane(&self) -> bool {
        self.streams.iter().any(|stream| stream.lane != AtLane::No)
            || self.tunnels.iter().any(|tunnel| tunnel.socket.has_lane())
    }

    /// Whether the lane in this place has, or will be given, some of them.
    #[inline(never)]
    pub(crate) fn uses_lane(&self, index: usize) -> bool {
        let is_its = |link: &LaneLink| usize::from(link.place) == index;
        self.streams.iter().any(|stream| stream.lane != AtLane::No && is_its(&stream.link))
            || self.tunnels.iter().any(|it| it.socket.has_lane() && is_its(&it.core.lane))
    }

    /// A stream's tie to its lane, or the connection's own. None if the stream is over.
    #[inline(never)]
    pub(crate) fn link<'a>(&'a mut self, core: &'a mut Core, id: u32) -> Option<&'a mut LaneLink> {
        if id == u32::MAX {
            return Some(&mut core.lane);
        }
        if !self.tunnels.is_empty()
            && let Some(at) = self.tunnels.iter().position(|tunnel| tunnel.id == id)
        {
            return Some(&mut self.tunnels[at].core.lane);
        }
        self.streams.get_mut(id).filter(|stream| !stream.is_over).map(|stream| &mut stream.link)
    }

    #[inline(never)]
    pub(crate) fn expects(&self, id: u32) -> bool {
        self.streams.get(id).is_some_and(|stream| stream.lane.has_it() && !stream.is_over)
            || self.tunnels.iter().any(|it| it.id == id && it.socket.expects(id))
    }

    /// How the connection is to end once its output is sent. None if it goes on.
    #[inline(never)]
    pub(crate) fn ending(&self) -> Option<Ending> {
        let is_over = match self.stage {
            Stage::Over => true,
            Stage::Closing => self.streams.is_empty(),
            Stage::Preface | Stage::Open | Stage::Announced => false,
        };
        is_over.then_some(Ending { reset: false, linger: true })
    }

    /// The lane's response has come: all of it, or the beginning of one that streams.
    #[inline(never)]
    pub(crate) fn respond(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        mut task: Box<Task>,
    ) {
        let id = task.id.stream;
        let Some(stream) = self.streams.get_mut(id) else { return services.recycle(task) };
        if task.streams() {
            if !task.response.begin_stream() {
                services.recycle(task);
                stream.is_away = false;
                self.break_off(core, services, id);
                return;
            }
        } else {
            self.leave_lane(services, id);
            // It is no longer at a handler, wherever its answer waits.
            if std::mem::take(&mut task.at_handler) {
                services.left_handlers();
            }
        }
        if let Some(task) = services.finish(task) {
            self.answer(core, services, id, Answer::Task(task));
            self.pump(core, services);
        }
    }

    /// The lane is done with a stream, and takes no more of its body.
    fn leave_lane(&mut self, services: &mut Services, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.lane = AtLane::No;
            services.memory.taken(stream.take(usize::MAX));
            if stream.receiving.streams() {
                self.receive(id, Receiving::Discard);
            }
        }
    }

    /// The next bytes of a streaming response have come.
    #[inline(never)]
    pub(crate) fn chunk(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        data: Vec<u8>,
    ) {
        if !self.append(core, services, id, data) {
            self.break_off(core, services, id);
        }
    }

    /// False if the data go past the declared length, or no such response streams.
    fn append(&mut self, core: &mut Core, services: &mut Services, id: u32, data: Vec<u8>) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return true };
        let Some(outgoing) = &mut stream.outgoing else { return false };
        if outgoing.is_ended {
            return false;
        }
        outgoing.unacknowledged += data.len();
        if let Some(left) = &mut outgoing.left {
            let Some(rest) = left.checked_sub(data.len() as u64) else { return false };
            *left = rest;
        }
        self.outward.touched.push(id);
        let data = match &mut outgoing.coder {
            Some(coder) => coder.write(&data),
            None => data,
        };
        if data.is_empty() {
            return true;
        }
        core.timer.progress = true;
        let goes_now = outgoing.queue.is_empty()
            && core.out.len() < LOW_WATER
            && !self.outward.has_ready()
            && self.outward.fits(stream, data.len());
        if goes_now {
            core.out.lend(&mut services.buffers);
            self.outward.data(core, services, stream, &data, false);
            return true;
        }
        self.outward.push(stream, data);
        self.outward.note(stream);
        self.pump(core, services);
        true
    }

    /// A streaming response is complete.
    #[inline(never)]
    pub(crate) fn end(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        self.leave_lane(services, id);
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Some(outgoing) = &mut stream.outgoing else {
            self.break_off(core, services, id);
            return;
        };
        if outgoing.left.is_some_and(|left| left > 0) {
            self.break_off(core, services, id);
            return;
        }
        if std::mem::take(&mut outgoing.streams) {
            services.left_handlers();
        }
        outgoing.is_ended = true;
        if let Some(coder) = outgoing.coder.take() {
            let last = coder.finish();
            self.outward.push(stream, last);
        }
        self.outward.note(stream);
        self.pump(core, services);
    }

    /// The fields of a streaming response's trailer section, directly before its end.
    #[inline(never)]
    pub(crate) fn trailers(&mut self, id: u32, fields: FieldList) {
        if let Some(stream) = self.streams.get_mut(id)
            && let Some(outgoing) = &mut stream.outgoing
        {
            outgoing.trailers = fields;
        }
    }

    /// An informational answer, before the final one (RFC 9110 §15.2).
    #[inline(never)]
    pub(crate) fn inform(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        status: u16,
        fields: &FieldList,
    ) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.is_over || stream.outgoing.is_some() {
            return;
        }
        core.out.lend(&mut services.buffers);
        self.outward.headers(core, id, false, |encoder, buf| {
            encoder.status(buf, status);
            write_fields(encoder, buf, fields);
        });
        services.counters.response(status);
    }

    /// The exchange gets no answer, or cannot be completed.
    #[inline(never)]
    pub(crate) fn break_off(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        if let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_over) {
            // The lane knows.
            stream.lane = AtLane::No;
            self.reset(core, services, id, ErrorCode::INTERNAL_ERROR);
        }
    }

    /// A handler took too long: the server answers in its place.
    #[inline(never)]
    pub(crate) fn answer_late(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        services.counters.handlers_timed_out.add(1);
        self.answer_for_lane(core, services, id, ServerAnswer::HandlerTimeout);
    }

    /// Answers a request that its lane has and does not answer.
    fn answer_for_lane(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        answer: ServerAnswer,
    ) {
        self.leave_lane(services, id);
        let has_begun = self.streams.get(id).is_some_and(|stream| stream.outgoing.is_some());
        if has_begun {
            self.break_off(core, services, id);
        } else {
            self.answer(core, services, id, Answer::Server(answer));
        }
        services.mark_dirty(core);
    }

    /// The lane does not take an exchange that was meant for it. Its task is gone.
    #[inline(never)]
    pub(crate) fn refuse(&mut self, core: &mut Core, services: &mut Services, id: u32) {
        services.end_deadline(core.id.slot, id);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.is_away = false;
        }
        let answer = ServerAnswer::Overloaded(Limit::NoThread);
        self.answer_for_lane(core, services, id, answer);
    }

    /// The lane in this place is gone, and answers nothing of what it had.
    #[inline(never)]
    pub(crate) fn lane_died(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        index: usize,
        was_retired: bool,
    ) {
        self.tunnels_lost_lane(core, services, index);
        for id in self.streams.ids() {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            if usize::from(stream.link.place) != index || stream.is_over {
                continue;
            }
            match stream.lane {
                AtLane::No => {}
                AtLane::Given | AtLane::ToldLeft => {
                    services.end_deadline(core.id.slot, id);
                    let answer = ServerAnswer::Overloaded(Limit::NoThread);
                    self.answer_for_lane(core, services, id, answer);
                }
                AtLane::Chosen => {
                    let lanes = &services.lanes;
                    let place = if was_retired { None } else { lanes.choose(core.lane, false) };
                    match place {
                        Some(place) => stream.link.place = place,
                        None => {
                            stream.lane = AtLane::No;
                            let answer = ServerAnswer::Overloaded(Limit::NoThread);
                            self.refuse_body(core, services, id, answer);
                        }
                    }
                }
            }
        }
        services.mark_dirty(core);
    }

    /// The client has sent its last byte. Tells the lanes, for each exchange that they were not told
    /// of.
    #[inline(never)]
    pub(crate) fn tell_left(&mut self, core: &mut Core, services: &mut Services) {
        for stream in self.streams.iter_mut() {
            if stream.lane == AtLane::Given {
                stream.lane = AtLane::ToldLeft;
                let id = services.id(core, stream.id);
                services.lanes.tell(&mut stream.link, LaneEvent::HalfClosed(id));
            }
        }
    }

    /// A program wants the connection to end after what is under way.
    #[inline(never)]
    pub(crate) fn finish(&mut self, core: &mut Core, services: &mut Services) {
        self.last_call(core, services);
    }

    /// A program wants an exchange to end now.
    #[inline(never)]
    pub(crate) fn cut(&mut self, core: &mut Core, services: &mut Services, id: u32) -> bool {
        if self.streams.get(id).is_some_and(|stream| !stream.is_over) {
            self.reset(core, services, id, ErrorCode::CANCEL);
        }
        id != u32::MAX
    }

    pub(crate) fn receiving(&self, _: &Core) -> Option<u32> {
        // Each stream has its own time.
        None
    }

    pub(crate) fn discarded(&mut self, bytes: usize) {
        self.discarded += bytes;
    }

    pub(crate) fn must_reset(&self, _: bool) -> bool {
        // An answer without its last frame is not taken for the whole.
        false
    }

    /// The server stops soon: the client is told to make its next connection elsewhere.
    pub(crate) fn lame_duck(&mut self, core: &mut Core, services: &mut Services) -> bool {
        if self.stage == Stage::Preface {
            return false;
        }
        self.announce_end(core, services);
        true
    }

    /// The server stops: the client is told.
    #[inline(never)]
    pub(crate) fn drain(&mut self, core: &mut Core, services: &mut Services) -> bool {
        if self.stage == Stage::Preface {
            return false;
        }
        self.announce_end(core, services);
        self.drain_tunnels(core, services);
        self.set_look(services);
        true
    }

    /// Output has been sent: bodies go on, and streams get credit for more.
    #[inline(never)]
    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        if core.out.is_empty() {
            self.replies = 0;
        }
        self.pump(core, services);
        self.go_on_waiting(core, services);
        let mut touched = std::mem::take(&mut self.outward.touched);
        for id in touched.drain(..) {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            let Some(outgoing) = &mut stream.outgoing else { continue };
            let sent = outgoing.unacknowledged.saturating_sub(outgoing.held);
            if sent > 0 && outgoing.streams {
                outgoing.unacknowledged -= sent;
                let exchange = services.id(core, id);
                services.lanes.tell(&mut stream.link, LaneEvent::Ack(exchange, sent));
            }
        }
        self.outward.touched = touched;
        if self.streams.is_empty() {
            self.outward.shrink();
        }
        self.set_look(services);
    }

    /// A worker has read the next bytes of a file for a stream.
    #[inline(never)]
    pub(crate) fn file_was_read(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        result: io::Result<Vec<u8>>,
        warm_to: u64,
    ) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_over) else {
            return;
        };
        match result {
            Ok(bytes) => {
                self.outward.file_was_read(stream, bytes, warm_to);
                self.outward.note(stream);
                self.pump(core, services);
            }
            Err(_) => self.reset(core, services, id, ErrorCode::INTERNAL_ERROR),
        }
    }
}
