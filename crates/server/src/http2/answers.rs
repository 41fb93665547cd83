//! Writes answers.

use reactor_proto::h2::hpack::{HpackEncoder, Indexing};
use reactor_proto::h2::{ErrorCode, is_of_http1};
use reactor_proto::response;

use crate::conn::core::{Core, HIGH_WATER};
use crate::conn::pieces::Content;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::body::{Body, Part, StreamBody, StreamState, length_of};
use crate::exchange::entry::AtLane;
use crate::exchange::inline::Inline;
use crate::exchange::socket::Opening;
use crate::exchange::switch::NextProtocol;
use crate::exchange::task::{Outcome, Task};
use crate::http2::content::Outgoing;
use crate::http2::fields::{declared_length, write_date, write_length};
use crate::http2::machine::Http2;
use crate::http2::outward::{Outward, write_fields};
use crate::http2::stream::{NO_RECORD, Stream};

/// Where an answer is after its head has been written.
#[derive(Debug)]
enum Written {
    /// It is complete.
    Whole,
    /// Its body, or some of it, waits.
    Partly,
    /// There is none: the stream must be reset.
    Nothing,
    /// The stream is a WebSocket from now on.
    Switched(Box<Opening>),
}

impl Http2 {
    /// Takes the answer to a request, or the beginning of one that streams.
    #[inline(never)]
    pub(crate) fn answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        id: u32,
        answer: Answer,
    ) {
        // A task comes back also where no worker has taken it.
        let is_task = matches!(
            answer,
            Answer::Task(_) | Answer::Server(ServerAnswer::Overloaded(Limit::Queue))
        );
        let Some(stream) = self.streams.get_mut(id) else { return services.recycle_answer(answer) };
        if is_task {
            stream.is_away = false;
        }
        if stream.is_over {
            services.recycle_answer(answer);
            self.returned(core, services, id);
            return;
        }
        if stream.outgoing.is_some() {
            // It has been answered.
            services.recycle_answer(answer);
            return;
        }
        match self.outward.answer(core, services, stream, answer) {
            Written::Whole => self.complete(core, services, id),
            Written::Partly => self.outward.note(stream),
            Written::Nothing => self.reset(core, services, id, ErrorCode::INTERNAL_ERROR),
            Written::Switched(opening) => self.open_tunnel(core, services, id, *opening),
        }
    }

    /// Answers a request that needs no handler and whose stream is not yet among the others.
    pub(crate) fn answer_at_once(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        mut stream: Box<Stream>,
        answer: Answer,
    ) {
        let id = stream.id;
        let written = self.outward.answer(core, services, &mut stream, answer);
        if matches!(written, Written::Whole) && !stream.receiving.is_open() {
            self.written(core, services, &stream);
            services.http2.put(stream);
            return;
        }
        self.outward.note(&mut stream);
        self.open(services, stream);
        match written {
            Written::Whole => self.complete(core, services, id),
            Written::Partly | Written::Switched(_) => {}
            Written::Nothing => self.reset(core, services, id, ErrorCode::INTERNAL_ERROR),
        }
    }

    /// Tells the observer that the last frame of an answer is in the output.
    pub(crate) fn written(&self, core: &Core, services: &mut Services, stream: &Stream) {
        if stream.record != NO_RECORD
            && let Some(observer) = &mut services.observer
        {
            observer.written_apart(core.id.slot, stream.record, core.out.unsent());
        }
    }

    /// Lets bodies go on, the more urgent first, while there is little unsent output.
    pub(crate) fn pump(&mut self, core: &mut Core, services: &mut Services) {
        use crate::http2::outward::{LOW_WATER, Step};
        while core.out.len() < LOW_WATER
            && let Some(id) = self.outward.first()
        {
            let Some(stream) = self.streams.get_mut(id) else {
                debug_assert!(false, "an answer that can go on has a stream");
                return;
            };
            let is_tunnel = stream.outgoing.as_ref().is_some_and(|outgoing| outgoing.is_tunnel);
            let step = match is_tunnel {
                true => self.tunnel_step(core, services, id),
                false => self.outward.step(core, services, stream),
            };
            let Some(stream) = self.streams.get_mut(id) else { continue };
            match step {
                Step::Written => {
                    if stream.streams() {
                        self.outward.touched.push(id);
                    }
                    self.outward.served(stream);
                }
                Step::Ended => {
                    self.outward.forget(stream);
                    self.complete(core, services, id);
                }
                Step::Waits => {
                    self.outward.forget(stream);
                    if is_tunnel {
                        self.tend(core, services, id);
                    }
                }
                Step::Blocked => {
                    self.outward.forget(stream);
                    stream.blocked.get_or_insert(services.clock.millis());
                }
                Step::Full => {
                    self.outward.blocked.get_or_insert(services.clock.millis());
                    return;
                }
                Step::Cold(part) => {
                    self.outward.forget(stream);
                    let id = services.id(core, id);
                    services.cold_reads.push((id, part));
                }
                Step::Broken(error) => {
                    self.outward.forget(stream);
                    if let Some(Content::File(file)) =
                        stream.outgoing.as_ref().and_then(|outgoing| outgoing.queue.front())
                    {
                        crate::observe::notice::file_broke_off(&file.file, &error);
                    }
                    self.reset(core, services, id, ErrorCode::INTERNAL_ERROR);
                }
            }
        }
    }
}

impl Outward {
    /// Writes the head of an answer, and its body as far as that goes in one frame.
    fn answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        answer: Answer,
    ) -> Written {
        core.timer.progress = true;
        core.out.lend(&mut services.buffers);
        let answer = match answer {
            // To CONNECT, success means that the stream is a WebSocket (RFC 8441 section 5).
            answer if stream.connects => self.not_connected(services, stream, answer),
            answer => answer,
        };
        match answer {
            Answer::Inline(inline) => self.inline(core, services, stream, &inline),
            Answer::Server(answer) => self.server_answer(core, services, stream, &answer),
            Answer::Task(task) if task.outcome == Outcome::Answered => {
                self.task(core, services, stream, task)
            }
            Answer::Task(task) => {
                let answer = Answer::of_failed(task.outcome);
                services.recycle(task);
                self.server_answer(core, services, stream, &answer)
            }
            Answer::Cut => Written::Nothing,
        }
    }

    fn inline(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        inline: &Inline,
    ) -> Written {
        let ends = stream.terms.head_only || inline.body.is_empty();
        let date = services.clock.date_line();
        self.headers(core, stream.id, ends, |_, buf| {
            buf.extend_from_slice(&inline.http2_block);
            write_date(buf, date);
        });
        note_status(services, stream, inline.status);
        if ends {
            return Written::Whole;
        }
        if self.fits(stream, inline.body.len()) {
            self.data(core, services, stream, &inline.body, true);
            return Written::Whole;
        }
        let mut outgoing = Outgoing { is_ended: true, ..Outgoing::default() };
        self.pending += outgoing.push(Content::Shared(inline.body.clone()));
        stream.outgoing = Some(Box::new(outgoing));
        Written::Partly
    }

    /// Writes an answer of the server's own, whose body is one line of text.
    #[inline(never)]
    fn server_answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        answer: &ServerAnswer,
    ) -> Written {
        use std::io::Write as _;
        let status = answer.status();
        let mut body = Vec::new();
        if let Some(detail) = answer.detail() {
            // Writing to a vector cannot fail.
            let _ = writeln!(body, "{status} {}: {detail}", response::reason(status));
        }
        let ends = stream.terms.head_only || body.is_empty();
        let date = services.clock.date_line();
        self.headers(core, stream.id, ends, |encoder, buf| {
            encoder.status(buf, status);
            if !body.is_empty() {
                encoder.field(buf, b"content-type", b"text/plain", Indexing::Index);
            }
            if let Some((name, value)) = answer.field() {
                encoder.field(buf, name.as_bytes(), value.as_bytes(), Indexing::Plain);
            }
            if !body.is_empty() {
                write_length(encoder, buf, body.len() as u64);
            }
            write_date(buf, date);
        });
        note_status(services, stream, status);
        if ends {
            return Written::Whole;
        }
        if self.fits(stream, body.len()) {
            self.data(core, services, stream, &body, true);
            return Written::Whole;
        }
        let mut outgoing = Outgoing { is_ended: true, ..Outgoing::default() };
        self.pending += outgoing.push(Content::Owned(body));
        stream.outgoing = Some(Box::new(outgoing));
        Written::Partly
    }

    /// Writes a handler's answer.
    fn task(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        task: Box<Task>,
    ) -> Written {
        if task.response.next_protocol().is_some() {
            return self.switch(core, services, stream, task);
        }
        let bytes = task.response.held();
        services.large_answers.note(bytes, services.clock.millis());
        let response = &task.response;
        let status = response.status_code();
        let head_only = stream.terms.head_only || !response::has_content(status);
        let has_trailers = !response.trailers().is_empty() && !head_only;
        let is_empty = match response.content() {
            Body::Bytes(bytes) => bytes.is_empty(),
            Body::Shared(bytes) => bytes.is_empty(),
            Body::File(file) => file.len() == 0,
            Body::Parts(parts) => length_of(parts) == 0,
            Body::Stream(body) => {
                body.state == StreamState::Ended && body.early.is_empty() && body.coder.is_none()
            }
            Body::Lent(len) => *len == 0,
            Body::Named(_) => true,
        };
        let ends = head_only || is_empty && !has_trailers && !task.streams();
        let date = services.clock.date_line();
        let response = &task.response;
        let length = declared_length(response, stream.terms.head_only);
        self.headers(core, stream.id, ends, |encoder, buf| {
            encoder.status(buf, status);
            write_fields(encoder, buf, response.fields());
            if let Some(length) = length {
                write_length(encoder, buf, length);
            }
            write_date(buf, date);
        });
        note_status(services, stream, status);
        if ends {
            if task.streams() {
                // HEAD: what its handler still makes is not wanted.
                stream.lane = AtLane::No;
                services.lanes.tell(&mut stream.link, LaneEvent::Gone(task.id));
            }
            services.recycle(task);
            return Written::Whole;
        }
        // The usual answer: all of a small body is there.
        let whole = match response.content() {
            Body::Bytes(bytes) => Some(&bytes[..]),
            Body::Shared(bytes) => Some(&bytes[..]),
            _ => None,
        };
        if let Some(whole) = whole
            && !has_trailers
            && core.out.len() < HIGH_WATER
            && self.fits(stream, whole.len())
        {
            self.data(core, services, stream, whole, true);
            services.recycle(task);
            return Written::Whole;
        }
        self.body(services, stream, task)
    }

    /// Queues the body of a handler's answer.
    #[inline(never)]
    fn body(
        &mut self,
        services: &mut Services,
        stream: &mut Stream,
        mut task: Box<Task>,
    ) -> Written {
        let streams = task.streams();
        if streams {
            // From here on the stream counts as a request at a handler, not the task.
            task.at_handler = false;
        }
        let is_broken = task.response.is_broken();
        let mut outgoing = Box::new(Outgoing {
            streams,
            is_ended: !streams,
            trailers: task.response.trailers().clone(),
            ..Outgoing::default()
        });
        if let Some(body) = task.response.stream_body_mut() {
            outgoing.left = body.left();
            outgoing.unacknowledged = body.early.len();
            outgoing.coder = body.encode_early();
        }
        let content = match task.response.content_mut() {
            Body::Stream(StreamBody { early: bytes, .. }) | Body::Bytes(bytes) => {
                Some(Content::Owned(std::mem::take(bytes)))
            }
            Body::Shared(bytes) => Some(Content::Shared(bytes.clone())),
            Body::File(file) => Some(Content::File(file.clone())),
            Body::Parts(parts) => {
                for part in parts.drain(..) {
                    self.pending += outgoing.push(match part {
                        Part::Bytes(bytes) => Content::Owned(bytes),
                        Part::File(file) => Content::File(file),
                    });
                }
                None
            }
            Body::Lent(_) | Body::Named(_) => {
                debug_assert!(false, "a body that this protocol does not get");
                None
            }
        };
        if let Some(content) = content {
            self.pending += outgoing.push(content);
        }
        if outgoing.unacknowledged > 0 {
            self.touched.push(stream.id);
        }
        stream.outgoing = Some(outgoing);
        services.recycle(task);
        if is_broken { Written::Nothing } else { Written::Partly }
    }

    /// An answer that is not to say that a stream is a WebSocket.
    #[inline(never)]
    fn not_connected(
        &self,
        services: &mut Services,
        stream: &mut Stream,
        answer: Answer,
    ) -> Answer {
        let says_success = match &answer {
            Answer::Inline(inline) => inline.status < 300,
            Answer::Task(task) => {
                task.outcome == Outcome::Answered
                    && task.response.next_protocol().is_none()
                    && task.response.status_code() < 300
            }
            Answer::Server(_) | Answer::Cut => false,
        };
        if !says_success {
            return answer;
        }
        if let Answer::Task(task) = answer {
            if task.streams() {
                stream.lane = AtLane::No;
                services.lanes.tell(&mut stream.link, LaneEvent::Gone(task.id));
            }
            services.recycle(task);
        }
        Answer::Server(ServerAnswer::NotImplemented)
    }

    /// A handler goes on with another protocol. Only a WebSocket can do so on a stream.
    #[inline(never)]
    fn switch(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        mut task: Box<Task>,
    ) -> Written {
        let next = task.response.take_next_protocol();
        if let Some(NextProtocol::WebSocket(opening)) = next {
            if stream.connects && stream.receiving.is_open() {
                let date = services.clock.date_line();
                self.headers(core, stream.id, false, |encoder, buf| {
                    encoder.status(buf, 200);
                    for (name, value) in task.response.fields().iter() {
                        if !(is_of_http1(name) || is_accept(name)) {
                            encoder.field(buf, name, value, HpackEncoder::auto(name));
                        }
                    }
                    write_date(buf, date);
                });
                note_status(services, stream, 200);
                services.recycle(task);
                return Written::Switched(opening);
            }
            services.lanes.tell(&mut stream.link, LaneEvent::Gone(task.id));
        } else if next.is_some_and(|next| next.is_of_lane()) {
            services.lanes.tell(&mut stream.link, LaneEvent::Gone(task.id));
        }
        services.recycle(task);
        self.server_answer(core, services, stream, &ServerAnswer::HandlerFailed)
    }
}

/// The field of a handshake that HTTP/2 does without (RFC 8441 §5).
fn is_accept(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"sec-websocket-accept")
}

/// Counts an answer, and tells the observer of it.
fn note_status(services: &mut Services, stream: &Stream, status: u16) {
    services.counters.answer(stream.terms.row, status);
    if stream.record != NO_RECORD
        && let Some(observer) = &mut services.observer
    {
        observer.answer_apart(stream.record, (stream.terms.row, status));
    }
}
