//! The methods of `Protocol` besides requests and answers.

use crate::conn::core::{Core, Ending, Used};
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::entry::AtLane;
use crate::http1::machine::Http1;
use crate::http1::reading::Reading;
use crate::http1::writing::Writing;
use crate::observe::close_reason::CloseReason;

/// Bytes behind the last request that the loop reads, to find out whether the client leaves. A
/// client that sends more is not read from, and comes to a halt.
const MOST_DISCARDED: usize = 256 * 1024;

impl Http1 {
    /// Takes input.
    #[inline]
    pub(crate) fn input(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) -> Used {
        let used = self.read_requests(core, services, bytes);
        services.http1.input_left = false;
        self.stream_body(core, services);
        used
    }

    /// The peer has sent its last byte.
    pub(crate) fn end_of_input(&mut self, core: &mut Core, services: &mut Services) {
        let partial = !core.input.is_empty() || !self.decoder.is_between_requests();
        self.tell_left(core, services);
        if partial && !self.reading.is_done() {
            let answer = ServerAnswer::Incomplete;
            self.fail(core, services, answer, CloseReason::Aborted, &[]);
        }
    }

    /// The loop has thrown away this many bytes behind the last request.
    pub(crate) fn discarded(&mut self, bytes: usize) {
        if let Reading::Done { discarded } = &mut self.reading {
            *discarded += bytes;
        }
    }

    #[inline]
    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        match self.reading {
            Reading::Done { discarded } => discarded < MOST_DISCARDED,
            _ if self.writing.is_switched() => false,
            _ => !self.is_full(core),
        }
    }

    pub(crate) fn in_body(&self) -> bool {
        self.reading.in_body()
    }

    pub(crate) fn streams(&self) -> bool {
        self.writing.streams()
    }

    /// A request did not arrive in time.
    pub(crate) fn timed_out(&mut self, core: &mut Core, services: &mut Services) {
        // A body that the same turn gave up is no longer waited for.
        if self.reading.is_done() {
            return;
        }
        let answer = ServerAnswer::Timeout;
        self.fail(core, services, answer, CloseReason::RequestTimeout, &[]);
    }

    /// The request that is coming in.
    pub(crate) fn receiving(&self, core: &Core) -> Option<u32> {
        let partial = !core.input.is_empty() && !core.stalled;
        match self.reading {
            Reading::Body { .. } => Some(self.newest()),
            _ if partial || self.next_request == 0 => Some(self.next_request),
            _ => None,
        }
    }

    /// Whether nothing but output is under way in either direction.
    pub(crate) fn is_quiet(&self, core: &Core) -> bool {
        self.in_flight() == 0
            && !self.reading.in_body()
            && core.input.is_empty()
            && self.decoder.is_between_requests()
    }

    /// Answers in place of a handler. The loop drops what the handler says from now on, because the
    /// request is no longer with the lane.
    pub(crate) fn answer_late(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        services.counters.handlers_timed_out.add(1);
        self.answer_for_lane(core, services, stream, ServerAnswer::HandlerTimeout);
    }

    /// Answers a request that its lane has and does not answer. The rest of a body that streams in
    /// is not read.
    fn answer_for_lane(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        answer: ServerAnswer,
    ) {
        if self.leave_lane(services, stream) {
            self.close_after(stream);
        }
        self.answer(core, services, stream, Answer::Server(answer));
        services.mark_dirty(core);
    }

    /// Answers a request with 503, in its turn, because no lane takes it.
    pub(crate) fn refuse(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        services.end_deadline(core.id.slot, stream);
        let answer = ServerAnswer::Overloaded(Limit::NoThread);
        self.answer_for_lane(core, services, stream, answer);
    }

    /// Whether the lane still owes an answer to the request.
    pub(crate) fn expects(&self, stream: u32) -> bool {
        let place = self.place(stream).zip(self.ring.as_ref());
        place
            .and_then(|(place, ring)| ring.get(place))
            .is_some_and(|entry| entry.lane != AtLane::No)
    }

    /// Whether all answers before this one are written, so that it is written when it comes.
    pub(crate) fn is_in_turn(&self, stream: u32) -> bool {
        self.place(stream) == Some(0)
    }

    /// The connection's lane is gone, and answers nothing of what it had.
    pub(crate) fn lane_died(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        was_retired: bool,
    ) {
        if self.writing.streams() {
            // The response has begun. It is the lane's, like everything else of this connection.
            self.break_off(core, services, self.next_answer());
            services.mark_dirty(core);
            return;
        }
        // The newest first. Otherwise a stream that waits would begin as soon as the request before
        // it is answered, and no thread would end it.
        let (first, mut stream) = (self.next_answer(), self.next_request);
        let mut chosen = false;
        while stream != first {
            stream = stream.wrapping_sub(1);
            match self.lane_of(stream) {
                AtLane::No => {}
                AtLane::Chosen => chosen = true,
                AtLane::Given | AtLane::ToldLeft => self.refuse(core, services, stream),
            }
        }
        if chosen && self.reading.collecting().is_some() {
            self.choose_again(core, services, was_retired);
        }
        services.mark_dirty(core);
    }

    fn lane_of(&self, stream: u32) -> AtLane {
        let place = self.place(stream).zip(self.ring.as_ref());
        place.and_then(|(place, ring)| ring.get(place)).map_or(AtLane::No, |entry| entry.lane)
    }

    /// The client has sent its last byte. Tells the lane so, for each request that it has and was
    /// not told of. The client may have gone, or may still read its answers, streaming ones too.
    pub(crate) fn tell_left(&mut self, core: &mut Core, services: &mut Services) {
        let first = self.next_answer();
        let Some(ring) = self.ring.as_mut().filter(|ring| ring.has_lane()) else { return };
        for place in 0..ring.len() {
            if ring.get(place as usize).is_some_and(|entry| entry.lane == AtLane::Given) {
                ring.set_lane(place as usize, AtLane::ToldLeft);
                let id = services.id(core, first.wrapping_add(place));
                services.lanes.tell(&mut core.lane, LaneEvent::HalfClosed(id));
            }
        }
    }

    /// The program wants the connection to end after the answers that are under way.
    pub(crate) fn finish(&mut self, services: &mut Services) {
        self.finishing = true;
        match self.in_flight() {
            0 => {
                if !self.writing.is_last() {
                    self.writing.finish(false, false);
                }
                self.linger = true;
                self.stop_reading(services);
            }
            1 => {
                if let Some(stream) = self.writing.stream() {
                    stream.close = true;
                }
            }
            _ => {}
        }
    }

    /// The server stops. HTTP/1 says so in the last answer, which closes the connection.
    pub(crate) fn drain(&mut self, _: &mut Core, _: &mut Services) -> bool {
        false
    }

    /// How the connection is to end once its output is sent. None if it goes on.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let Writing::Last { cut, delimits } = self.writing else { return None };
        let unread = matches!(self.reading, Reading::Done { discarded } if discarded > 0);
        Some(Ending { reset: cut && delimits, linger: self.linger || unread })
    }

    /// Whether the peer would take a part of an answer for the whole, if the connection ended now
    /// in an orderly way.
    pub(crate) fn must_reset(&self, has_output: bool) -> bool {
        match &self.writing {
            Writing::Answers | Writing::Switched(_) => false,
            Writing::Stream(stream) => stream.delimits,
            Writing::Last { cut, delimits } => *delimits && (*cut || has_output),
        }
    }

    /// The connection is gone. Tells the lane of each of its requests, and gives back what it held.
    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        if self.writing.streams() {
            services.left_handlers();
        }
        self.stop_reading(services);
        let first = self.next_answer();
        let mut had_requests = false;
        if let Some(mut ring) = self.ring.take() {
            services.memory.taken((ring.untaken(), ring.rests()));
            for (stream, entry) in (0..).map(|place| first.wrapping_add(place)).zip(ring.drain()) {
                if entry.lane.has_it() {
                    had_requests = true;
                    let id = services.id(core, stream);
                    services.lanes.tell(&mut core.lane, LaneEvent::Gone(id));
                }
                if let Some(answer) = entry.answer {
                    services.recycle_answer(answer);
                }
            }
            services.rings.put(ring);
        }
        services.lanes.gone(&mut core.lane, had_requests);
    }

    /// What happens with the body that is coming in.
    #[cfg(test)]
    pub(crate) fn incoming(&self) -> Option<&crate::http1::reading::Incoming> {
        match &self.reading {
            Reading::Body { incoming, .. } => Some(incoming),
            _ => None,
        }
    }
}
