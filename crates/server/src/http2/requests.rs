//! Requests, and which handler each goes to.

use reactor_proto::h2::{Priority, Window};
use reactor_proto::{Framing, Method, RequestError};

use crate::conn::core::Core;
use crate::dispatch::lane::event::ConnectionChange;
use crate::event_loop::services::Services;
use crate::event_loop::services::router::Destination;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::entry::AtLane;
use crate::exchange::task::Task;
use crate::http2::machine::Http2;
use crate::http2::stream::{Receiving, Stream};
use crate::observe::observer::Seen;
use crate::observe::routes::NO_ROUTE;

/// A body whose declared length is at most this goes to a lane together with its head. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

impl Http2 {
    /// A head is complete: finds its target. `services.head` describes it.
    pub(crate) fn request(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        end_stream: bool,
        text: &[u8],
    ) {
        services.counters.requests.add(1);
        services.counters.http2.requests.add(1);
        core.timer.progress = true;
        if services.ending {
            // Only now, on a connection that came after the end was announced to the others: many
            // clients would not send a first request after GOAWAY.
            self.announce_end(core, services);
        }
        let mut stream = self.new_stream(services, id);
        if let Some(observer) = &mut services.observer {
            let seen = Seen::Head(&services.head, text);
            let (peer, start) = (core.origin(), services.clock.now());
            stream.record =
                observer.begin_apart(core.id.slot, (core.id.generation, id), peer, start, &seen);
        }
        stream.terms.head_only = services.head.method() == Method::Head;
        stream.priority = services.head.get(text, "priority").map(Priority::parse);
        if let Some((_, priority)) = self.early_priority.take_if(|(early, _)| *early == id) {
            stream.priority = Some(priority);
        }
        stream.connects = services.head.extended_connect();
        let framing = services.head.framing();
        stream.left = match framing {
            Framing::Length(length) => Some(length),
            // A declared length of 0, and DATA may follow all the same.
            Framing::None if !services.head.extended_connect() => Some(0),
            Framing::None | Framing::Chunked => None,
        };
        let found = match framing {
            Framing::Length(length) if length > services.settings.limits.body => {
                services.row = NO_ROUTE;
                Err(Answer::Server(ServerAnswer::Rejected(RequestError::BodyTooLarge)))
            }
            _ => services.find_target(core, text, false),
        };
        stream.terms.row = services.row;
        let destination = match found {
            Ok(destination) => destination,
            Err(answer) => {
                stream.receiving = after_answer(end_stream);
                self.answer_at_once(core, services, stream, answer);
                return;
            }
        };
        let mut task = services.new_task(core, id, stream.terms);
        match destination {
            Destination::Worker(handler) => task.handler = Some(handler),
            Destination::Files(handler) => {
                task.handler = Some(handler);
                task.plain = true;
            }
            Destination::Lane { place, route, plain } => {
                task.route = route;
                task.plain = plain;
                stream.lane = AtLane::Chosen;
                stream.link.place = place;
                if services.settings.announce.connections && !core.lane.announced {
                    core.lane.place = place;
                    services.announce(core, ConnectionChange::Opened);
                }
            }
        }
        services.fill_request(&mut task, text);
        if stream.connects && !end_stream {
            stream.receiving = Receiving::Tunnel(Vec::new());
            self.open(services, stream);
            self.hand_over(core, services, id, task);
            return;
        }
        if end_stream {
            self.open(services, stream);
            self.queue(core, services, id, task);
            return;
        }
        let waits = services.head.expect_continue();
        if streams_to_lane(services, &task) {
            self.begun.push(id);
        }
        stream.receiving = Receiving::Task(task);
        self.open(services, stream);
        if waits {
            core.out.lend(&mut services.buffers);
            self.outward.headers(core, id, false, |encoder, buf| encoder.status(buf, 100));
            services.counters.response(100);
        }
    }

    /// Answers a request that reaches no handler because of its head.
    pub(crate) fn answer_refused(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        end_stream: bool,
        text: &[u8],
        answer: Answer,
    ) {
        let mut stream = self.new_stream(services, id);
        stream.terms.head_only = services.head.method() == Method::Head;
        if let Some(observer) = &mut services.observer {
            let (peer, start) = (core.origin(), services.clock.now());
            let seen = Seen::Input(text);
            stream.record =
                observer.begin_apart(core.id.slot, (core.id.generation, id), peer, start, &seen);
        }
        stream.receiving = after_answer(end_stream);
        self.answer_at_once(core, services, stream, answer);
    }

    fn new_stream(&self, services: &mut Services, id: u32) -> Box<Stream> {
        let now = services.clock.millis();
        let mut stream = services.http2.take();
        stream.id = id;
        stream.opened = now;
        stream.since = now;
        stream.send_window = Window::new(self.outward.initial_window);
        stream.receive_window = Window::new(Window::DEFAULT);
        stream
    }

    /// Gives a request with its whole body to its handler, or has it wait.
    pub(crate) fn queue(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        task: Box<Task>,
    ) {
        if !self.waiting.is_empty() || self.must_wait(services) {
            self.waiting.push_back(id);
            self.receive(id, Receiving::Waits(task));
            return;
        }
        self.hand_over(core, services, id, task);
    }

    /// Hands over requests that wait, as far as they may go on.
    pub(crate) fn go_on_waiting(&mut self, core: &mut Core, services: &mut Services) {
        while let Some(&id) = self.waiting.front()
            && !self.must_wait(services)
        {
            self.waiting.pop_front();
            match self.receive(id, Receiving::Ended) {
                Some(Receiving::Waits(task)) => self.hand_over(core, services, id, task),
                Some(other) => {
                    self.receive(id, other);
                }
                // It has ended meanwhile.
                None => {}
            }
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            self.waiting = std::collections::VecDeque::new();
        }
    }

    /// Gives a request to its handler. Answers it instead if handlers have as many requests as they
    /// may.
    pub(crate) fn hand_over(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        mut task: Box<Task>,
    ) {
        task.queued_at = services.clock.now();
        let Some(stream) = self.streams.get_mut(id) else { return services.recycle(task) };
        stream.handed = services.clock.millis();
        if task.handler.is_some() {
            stream.is_away = true;
            services.tasks.new.push(task);
            return;
        }
        if services.enter_handlers() {
            stream.is_away = true;
            stream.lane = AtLane::Given;
            services.hand_over(&mut stream.link, task);
            return;
        }
        stream.lane = AtLane::No;
        services.recycle(task);
        let answer = Answer::Server(ServerAnswer::Overloaded(Limit::InFlight));
        self.answer(core, services, id, answer);
    }
}

/// What happens with a body of a request that is answered without it.
fn after_answer(end_stream: bool) -> Receiving {
    if end_stream { Receiving::Ended } else { Receiving::Discard }
}

/// Whether a request's body may go on to a lane as it comes.
pub(crate) fn streams_to_lane(services: &Services, task: &Task) -> bool {
    let small = !services.settings.stream_small_bodies
        && matches!(task.request.head().framing(), Framing::Length(n) if n <= SMALL_BODY);
    task.handler.is_none() && !small
}
