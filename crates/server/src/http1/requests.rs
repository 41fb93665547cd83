//! Reads requests, and gives each to its handler or answers it.
//!
//! No handler runs before the head of its request is whole and valid. A worker's handler runs
//! only when the body is whole too.

use reactor_proto::{Event, Framing, Method, Version};

use crate::conn::core::{Core, Used};
use crate::dispatch::lane::event::{ConnectionChange, LaneEvent};
use crate::event_loop::services::Services;
use crate::event_loop::services::router::Destination;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::entry::{AtLane, Entry};
use crate::exchange::task::Task;
use crate::exchange::terms::Terms;
use crate::http1::machine::Http1;
use crate::http1::reading::Incoming;
use crate::observe::close_reason::CloseReason;
use crate::observe::observer::Seen;

/// A body whose declared length is at most this goes to a lane together with its head. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

impl Http1 {
    /// Reads requests out of `input`.
    pub(crate) fn read_requests(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        input: &[u8],
    ) -> Used {
        let mut used = 0;
        loop {
            if self.reading.is_done() {
                return Used { bytes: input.len(), stalled: false };
            }
            let in_body = self.decoder.in_body();
            // Inside a body the decoder may report the end without further input.
            if used == input.len() && !in_body {
                return Used { bytes: used, stalled: false };
            }
            if !in_body {
                self.awaits_lane = self.has_lane() && services.lanes.is_retired(core.lane);
                if let Some(most) = services.large_answers.deepest(services.clock.millis()) {
                    self.depth = self.depth.min(most);
                }
            }
            if self.is_full(core) {
                return Used { bytes: used, stalled: true };
            }
            let rest = &input[used..];
            match self.decoder.decode(rest, &mut services.head, &services.settings.limits) {
                Ok((n, event)) => {
                    used += n;
                    match event {
                        Event::Incomplete => return Used { bytes: used, stalled: false },
                        Event::Head => {
                            services.http1.input_left = used < input.len();
                            let head = &rest[n - services.head.len()..n];
                            self.request(core, services, head);
                        }
                        Event::Data { start, end } => {
                            self.body(core, services, &rest[start..end]);
                        }
                        Event::Trailers { start, end } => {
                            self.trailer_lines(core, services, &rest[start..end]);
                        }
                        Event::End => {
                            services.http1.input_left = used < input.len();
                            self.body_end(core, services);
                        }
                    }
                }
                Err(error) => {
                    // A request is malformed or over a limit. Blank lines before it do not count.
                    let line = rest.trim_ascii_start();
                    let answer = ServerAnswer::Rejected(error);
                    self.fail(core, services, answer, CloseReason::Rejected, line);
                }
            }
        }
    }

    /// A head is complete: finds its target. `services.head` describes it.
    fn request(&mut self, core: &mut Core, services: &mut Services, head: &[u8]) {
        services.counters.requests.add(1);
        let stream = self.next_request;
        core.timer.progress = true;
        if let Some(observer) = &mut services.observer {
            let (id, start) = (core.id, services.clock.now());
            let seen = Seen::Head(&services.head, head);
            observer.begin(id.slot, (id.generation, stream), core.origin(), start, &seen);
        }
        let keep_alive = services.head.keep_alive();
        let mut entry = Entry {
            terms: Terms {
                head_only: services.head.method() == Method::Head,
                close: !keep_alive,
                ..Terms::default()
            },
            // An HTTP/1.0 client asked to keep the connection and needs to be told.
            mark: keep_alive && services.head.version() == Version::Http10,
            // RFC 9110 §15.2.
            takes_no_interim: services.head.version() == Version::Http10,
            ..Entry::default()
        };
        let has_body = services.head.framing() != Framing::None;
        let found = services.find_target(core, head, self.has_lane());
        entry.terms.row = services.row;
        match found {
            Ok(destination) => {
                let mut task = services.new_task(core, stream, entry.terms);
                match destination {
                    Destination::Worker(handler) => task.handler = Some(handler),
                    Destination::Files(handler) => {
                        task.handler = Some(handler);
                        task.plain = true;
                    }
                    Destination::Lane { place, route, plain } => {
                        task.route = route;
                        task.plain = plain;
                        entry.lane = AtLane::Chosen;
                        choose_lane(core, services, place);
                    }
                }
                services.fill_request(&mut task, head);
                let close = entry.terms.close;
                self.next_request = stream.wrapping_add(1);
                self.offers_upgrade = services.head.upgrade() && !(has_body || close);
                self.open(services, entry);
                if !has_body {
                    if close {
                        self.stop_reading(services);
                    }
                    self.queue(core, services, task);
                    return;
                }
                // A client whose body has begun to come does not wait for it (RFC 9110 §10.1.1).
                let owes = services.head.expect_continue() && !services.http1.input_left;
                self.reading.begin_body(Incoming::Task(task), owes);
                self.send_continue(core, services);
            }
            Err(answer) if has_body && !services.head.expect_continue() => {
                self.offers_upgrade = false;
                // The answer waits until the framing of the whole body has proved right.
                self.next_request = stream.wrapping_add(1);
                self.open(services, entry);
                self.reading.begin_body(Incoming::Discard(Box::new(answer)), false);
            }
            Err(answer) => {
                self.offers_upgrade = false;
                // After a final answer, a client that waits for `100 Continue` may send its body or
                // not. Only closing is safe (RFC 9110 §10.1.1).
                let rejected = matches!(answer, Answer::Server(ServerAnswer::Rejected(_)));
                entry.terms.close |= has_body || rejected;
                if entry.terms.close {
                    self.stop_reading(services);
                }
                self.linger |= has_body;
                self.answer_at_once(core, services, answer, entry);
            }
        }
    }

    fn body(&mut self, core: &mut Core, services: &mut Services, data: &[u8]) {
        self.reading.goes_on();
        if self.reading.streams() {
            core.timer.progress = true;
            if !self.keep_rest(services, data) {
                self.tell_rest(core, services);
                self.tell_body(core, services, data);
            }
            return;
        }
        core.timer.collected += data.len();
        let Some(task) = self.reading.collecting() else { return };
        if services.memory.collect(data.len()) {
            task.request.body.extend_from_slice(data);
            return;
        }
        if streams_to_lane(services, task) {
            // A body that streams needs no memory for all of it.
            self.stream_body(core, services);
            if self.reading.in_body() {
                self.body(core, services, data);
            }
            return;
        }
        services.counters.rejected.add(1);
        let answer = ServerAnswer::Overloaded(Limit::BodyMemory);
        self.fail(core, services, answer, CloseReason::Rejected, &[]);
    }

    /// More of the trailer section has come.
    #[cold]
    #[inline(never)]
    fn trailer_lines(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) {
        self.reading.goes_on();
        self.tell_rest(core, services);
        self.reading.add_trailers(bytes);
    }

    /// Tells the lane of the next bytes of the body.
    pub(crate) fn tell_body(&mut self, core: &mut Core, services: &mut Services, data: &[u8]) {
        self.hold_upload(services, data.len());
        let id = services.id(core, self.newest());
        services.lanes.tell_body(&mut core.lane, id, data);
    }

    pub(crate) fn hold_upload(&mut self, services: &mut Services, bytes: usize) {
        services.memory.streamed += bytes;
        if let (Some(place), Some(ring)) = (self.place(self.newest()), &mut self.ring) {
            ring.add_untaken(place, bytes);
        }
        self.is_short = services.memory.is_short();
    }

    fn body_end(&mut self, core: &mut Core, services: &mut Services) {
        self.tell_rest(core, services);
        let Some(incoming) = self.reading.end_body() else { return };
        let stream = self.newest();
        let entry = self.place(stream).and_then(|place| self.ring.as_ref()?.get(place));
        let close = entry.is_some_and(|entry| entry.terms.close);
        match incoming {
            Incoming::Task(task) => {
                if close {
                    self.stop_reading(services);
                }
                self.queue(core, services, task);
            }
            Incoming::Stream | Incoming::Rest(_) | Incoming::Trailers(_) => {
                // The answer may have begun by now, and may have decided that itself.
                if close || self.writing.stream().is_some_and(|stream| stream.close) {
                    self.stop_reading(services);
                }
                let id = services.id(core, stream);
                if let Incoming::Trailers(section) = incoming {
                    let lines = section.lines.into_boxed_slice();
                    services.lanes.tell(&mut core.lane, LaneEvent::Trailers(id, lines));
                }
                services.lanes.tell(&mut core.lane, LaneEvent::BodyEnd(id));
            }
            Incoming::Discard(answer) => {
                if close {
                    self.stop_reading(services);
                }
                self.answer(core, services, stream, *answer);
            }
        }
    }

    /// Gives a request with its whole body to its handler. Answers it instead if handlers have as
    /// many requests as they may.
    fn queue(&mut self, core: &mut Core, services: &mut Services, mut task: Box<Task>) {
        task.queued_at = services.clock.now();
        if task.handler.is_some() {
            services.tasks.new.push(task);
            return;
        }
        let stream = task.id.stream;
        if services.enter_handlers() {
            self.set_lane(stream, AtLane::Given);
            services.hand_over(&mut core.lane, task);
            return;
        }
        services.recycle(task);
        self.set_lane(stream, AtLane::No);
        let answer = Answer::Server(ServerAnswer::Overloaded(Limit::InFlight));
        self.answer(core, services, stream, answer);
    }

    /// Lets the body go on to its lane as it comes, if it is large or of unknown length, and not
    /// complete yet. Called after each read.
    pub(crate) fn stream_body(&mut self, core: &mut Core, services: &mut Services) {
        if !self.reading.collecting().is_some_and(|task| streams_to_lane(services, task)) {
            return;
        }
        if !services.enter_handlers() {
            // It is answered at once: reading the rest of the body would be in vain.
            let answer = ServerAnswer::Overloaded(Limit::InFlight);
            self.fail(core, services, answer, CloseReason::Rejected, &[]);
            return;
        }
        let Some(mut task) = self.reading.stream() else { return };
        let first = std::mem::take(&mut task.request.body);
        let trailers = std::mem::take(&mut task.request.trailers);
        services.memory.collected -= first.len();
        task.body_streams = true;
        let id = task.id;
        self.set_lane(id.stream, AtLane::Given);
        services.hand_over(&mut core.lane, task);
        self.hold_upload(services, first.len());
        // The lane may want the rest in one piece. It can say so before more is read.
        core.pause = true;
        if !first.is_empty() {
            services.lanes.tell(&mut core.lane, LaneEvent::Body(id, first));
        }
        if !trailers.is_empty() {
            self.reading.add_trailers(&trailers);
        }
    }

    /// Answers the request that is coming in with an error, in its turn, and reads no further.
    /// `input` is what has come of its head. If it is empty, that is the connection's unused input.
    pub(crate) fn fail(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        answer: ServerAnswer,
        reason: CloseReason,
        input: &[u8],
    ) {
        self.linger = true;
        let unused = std::mem::take(&mut core.input);
        self.reason = Some(reason);
        if self.reading.in_body() {
            self.fail_body(core, services, answer);
            return;
        }
        self.stop_reading(services);
        let input = if input.is_empty() { unused.trim_ascii_start() } else { input };
        let head_only = input.starts_with(b"HEAD ");
        if let Some(observer) = &mut services.observer {
            let (id, start) = (core.id, services.clock.now());
            let number = (id.generation, self.next_request);
            let seen = match &answer {
                ServerAnswer::WrongProtocol(which) => Seen::Foreign(which.opening(), input),
                _ => Seen::Input(input),
            };
            observer.begin(id.slot, number, core.origin(), start, &seen);
        }
        let terms = Terms { head_only, close: true, ..Terms::default() };
        let entry = Entry { terms, ..Entry::default() };
        self.answer_at_once(core, services, Answer::Server(answer), entry);
    }

    /// The same if the error is in the body: then the request has its place already.
    fn fail_body(&mut self, core: &mut Core, services: &mut Services, answer: ServerAnswer) {
        let stream = self.newest();
        if self.reading.streams() {
            let id = services.id(core, stream);
            let event = match &answer {
                // The client has left before the body was complete.
                ServerAnswer::Incomplete => LaneEvent::Gone(id),
                answer => LaneEvent::Refused(id, answer.status()),
            };
            services.lanes.tell(&mut core.lane, event);
            self.forget_upload(services, stream);
            services.end_deadline(core.id.slot, stream);
        }
        self.stop_reading(services);
        // What the lane still says of it comes too late.
        self.set_lane(stream, AtLane::No);
        self.close_after(stream);
        if self.writing.streams() && self.next_answer() == stream {
            // Its response has begun, so it can only be broken off.
            self.break_off(core, services, stream);
        } else {
            self.answer(core, services, stream, Answer::Server(answer));
        }
    }

    /// Chooses another lane for a request whose body is still being collected: the old one was not
    /// given it. If there is none, the request is refused once its body has been read. Lanes that
    /// came after its own was retired do not know its route.
    pub(crate) fn choose_again(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        was_retired: bool,
    ) {
        let stream = self.newest();
        self.set_lane(stream, AtLane::No);
        let keeps = self.has_lane();
        let lane = if was_retired { None } else { services.lanes.choose(core.lane, keeps) };
        if let Some(place) = lane {
            self.set_lane(stream, AtLane::Chosen);
            choose_lane(core, services, place);
            return;
        }
        let refused = Answer::Server(ServerAnswer::Overloaded(Limit::NoThread));
        if let Some(task) = self.reading.discard(refused) {
            services.recycle(task);
        }
    }
}

/// Makes this the lane of the connection's requests.
fn choose_lane(core: &mut Core, services: &mut Services, place: u8) {
    core.lane.place = place;
    if services.settings.announce.connections && !core.lane.announced {
        services.announce(core, ConnectionChange::Opened);
    }
}

/// Whether a request's body may go on to a lane as it comes.
fn streams_to_lane(services: &Services, task: &Task) -> bool {
    let small = !services.settings.stream_small_bodies
        && matches!(task.request.head.framing(), Framing::Length(n) if n <= SMALL_BODY);
    task.handler.is_none() && !small
}
