//! Writes answers, in the order of the requests.

use reactor_proto::response;

use crate::conn::buffers::BufPool;
use crate::conn::core::Core;
use crate::conn::out::Out;
use crate::conn::pieces::Content;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, ServerAnswer};
use crate::exchange::body::{Body, Part, StreamState};
use crate::exchange::entry::Entry;
use crate::exchange::switch::NextProtocol;
use crate::exchange::task::{Outcome, Task};
use crate::exchange::terms::Terms;
use crate::http1::framing::Framing;
use crate::http1::head::{connection_lines, server_answer, speaks_of_connection};
use crate::http1::machine::Http1;
use crate::http1::writing::Stream;
use crate::observe::close_reason::CloseReason;

/// What decides how an answer is written.
struct Place {
    stream: u32,
    head_only: bool,
    close: bool,
    asks_to_close: bool,
    says_keep_alive: bool,
    /// No other request is open.
    is_only: bool,
    row: u16,
}

impl Place {
    #[inline]
    fn new(stream: u32, terms: Terms, says_keep_alive: bool, is_only: bool) -> Self {
        let Terms { head_only, close, asks_to_close, row } = terms;
        Self { stream, head_only, close, asks_to_close, says_keep_alive, is_only, row }
    }
}

impl Http1 {
    /// Answers the request that has just been read and needs no handler.
    #[inline]
    pub(crate) fn answer_at_once(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        answer: Answer,
        entry: Entry,
    ) {
        let stream = self.next_request;
        self.next_request = stream.wrapping_add(1);
        if self.ring.is_some() {
            self.open(services, entry);
            self.answer(core, services, stream, answer);
            return;
        }
        // No other answer is before it, so it needs no place in the ring.
        self.write(core, services, answer, &Place::new(stream, entry.terms, entry.mark, true));
        self.written(core, services, stream);
    }

    /// Takes the answer to a request. Writes it at once if all answers before it are written.
    /// Otherwise it waits for them.
    pub(crate) fn answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        answer: Answer,
    ) {
        let Some(ring) = self.ring.as_mut() else { return services.recycle_answer(answer) };
        let open = ring.len();
        let place = stream.wrapping_sub(self.next_request.wrapping_sub(open)) as usize;
        let Some((terms, mark)) = ring.terms_mut(place) else {
            debug_assert!(false, "an answer to no open request");
            return services.recycle_answer(answer);
        };
        if let Answer::Task(task) = &answer {
            terms.close |= task.terms.close;
            terms.asks_to_close |= task.terms.asks_to_close;
        }
        let terms = *terms;
        if let Answer::Task(task) = &answer
            && task.outcome == Outcome::Answered
            && !task.response.streams()
        {
            let bytes = task.response.held();
            self.adapt(bytes);
            services.large_answers.note(bytes, services.clock.millis());
        }
        if place > 0 {
            if let Some(begun) = self.ring.as_mut().and_then(|ring| ring.keep(place, answer)) {
                services.recycle_answer(begun);
            }
            return;
        }
        self.write(core, services, answer, &Place::new(stream, terms, mark, open == 1));
        self.advance(core, services);
    }

    /// Writes the answers that wait behind the one just written. If that one streams, they wait on.
    pub(crate) fn advance(&mut self, core: &mut Core, services: &mut Services) {
        while !self.writing.streams() {
            self.written(core, services, self.next_answer());
            match self.next(services) {
                Some(answer) => {
                    self.send_interim(core, services);
                    self.write_next(core, services, answer);
                }
                None => {
                    self.send_interim(core, services);
                    self.send_continue(core, services);
                    return;
                }
            }
        }
    }

    /// The answer to a request has been written. An answer that is cut has no end, and does not
    /// count. One that opens a WebSocket ends with that.
    #[inline]
    fn written(&mut self, core: &Core, services: &mut Services, stream: u32) {
        if let Some(observer) = &mut services.observer
            && !self.writing.is_cut()
            && !self.writing.opens_socket()
        {
            observer.written(core.id.slot, stream, core.out.unsent());
        }
    }

    /// Writes the answer that is in turn.
    fn write_next(&mut self, core: &mut Core, services: &mut Services, answer: Answer) {
        let stream = self.next_answer();
        let Some(ring) = self.ring.as_mut() else { return };
        let is_only = ring.len() == 1;
        let Some((terms, mark)) = ring.terms_mut(0) else { return };
        let place = Place::new(stream, *terms, mark, is_only);
        self.write(core, services, answer, &place);
    }

    fn write(&mut self, core: &mut Core, services: &mut Services, answer: Answer, place: &Place) {
        core.timer.progress = true;
        if self.writing.is_last() {
            self.drop_answer(core, services, answer);
            return;
        }
        let (answer, next) = self.take_switch(core, services, answer, place);
        let framing = match &answer {
            Answer::Task(task) if task.outcome == Outcome::Answered => {
                Framing::of(&task.response, task.request.version(), place.head_only)
            }
            _ => Framing::Unsaid,
        };
        let until_close = framing == Framing::UntilClose;
        let delimits = until_close && !place.head_only;
        let is_cut = match &answer {
            Answer::Cut => true,
            Answer::Task(task) => task.response.is_broken(),
            Answer::Inline(_) | Answer::Server(_) => false,
        };
        if is_cut {
            self.cut(services, delimits);
            if let Answer::Cut = answer {
                return;
            }
        }
        let stops = services.ending || self.finishing;
        let last = stops
            && next.is_none()
            && place.is_only
            && core.input.is_empty()
            && !services.http1.input_left;
        let closes = place.close || last || until_close || is_cut;
        let streams = matches!(&answer, Answer::Task(task) if task.streams());
        if closes {
            // A streaming answer may be made of its own request's body. The rest of that body must
            // still be read.
            if !(streams && self.body_comes_in(place.stream)) {
                self.stop_reading(services);
            }
            if last && !(place.close || is_cut) {
                self.linger = true;
                let stopped = services.ending;
                self.reason =
                    Some(if stopped { CloseReason::Stopped } else { CloseReason::Served });
            }
        }
        self.write_bytes(core, services, answer, place, framing, closes);
        if let Some(next) = next {
            self.writing.switch(next.after(place.stream));
        }
        if let Some(stream) = self.writing.stream() {
            stream.close = closes;
        } else if closes && !is_cut {
            self.writing.finish(false, delimits);
        }
    }

    /// The protocol that an answer switches to, if this connection can. If it cannot, its handler
    /// has failed.
    #[inline]
    fn take_switch(
        &self,
        core: &mut Core,
        services: &mut Services,
        mut answer: Answer,
        place: &Place,
    ) -> (Answer, Option<NextProtocol>) {
        let next = match &mut answer {
            Answer::Task(task) if task.response.next_protocol().is_some() => {
                task.response.take_next_protocol().filter(|_| task.outcome == Outcome::Answered)
            }
            _ => None,
        };
        let Some(next) = next else { return (answer, None) };
        // A stop is no reason against it: the next protocol hears of the stop by itself.
        if self.offers_upgrade && place.is_only && !place.close && !self.finishing {
            return (answer, Some(next));
        }
        if let Answer::Task(task) = &answer
            && next.is_of_lane()
        {
            services.lanes.tell(&mut core.lane, LaneEvent::Gone(task.id));
        }
        services.recycle_answer(answer);
        (Answer::Server(ServerAnswer::HandlerFailed), None)
    }

    /// An earlier answer was the last one, so this one is dropped. If it streams, its lane is told.
    #[cold]
    fn drop_answer(&mut self, core: &mut Core, services: &mut Services, answer: Answer) {
        if let Answer::Task(task) = &answer
            && task.streams()
        {
            let id = task.id;
            self.leave_lane(services, id.stream);
            services.lanes.tell(&mut core.lane, LaneEvent::Gone(id));
        }
        services.recycle_answer(answer);
    }

    fn write_bytes(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        answer: Answer,
        place: &Place,
        framing: Framing,
        closes: bool,
    ) {
        let closes = closes || place.asks_to_close;
        let speaks = speaks_of_connection(&answer);
        let says_time = services.http1.says_time();
        self.told_timeout |= says_time || (speaks && !closes);
        let http1 = &mut services.http1;
        let connection: &[u8] = if speaks {
            http1.line.clear();
            connection_lines(&answer, closes, place.says_keep_alive, &mut http1.line);
            &http1.line
        } else if closes {
            b"Connection: close\r\n\r\n"
        } else if place.says_keep_alive && !says_time {
            b"Connection: keep-alive\r\n\r\n"
        } else {
            &http1.persists
        };
        core.out.lend(&mut services.buffers);
        let date = services.clock.date_line();
        let out = &mut core.out;
        // The status, and the length of the output before the body.
        let (status, body_at) = match answer {
            Answer::Inline(inline) => {
                let buf = out.buf();
                buf.extend_from_slice(&inline.http1_head);
                buf.extend_from_slice(date);
                buf.extend_from_slice(connection);
                let body_at = out.unsent();
                if Out::goes_apart(inline.body.len()) && !place.head_only {
                    out.put(Content::Shared(inline.body.clone()), &mut services.buffers);
                } else if !place.head_only {
                    out.buf().extend_from_slice(&inline.body);
                }
                (inline.status, body_at)
            }
            Answer::Task(mut task) if task.outcome == Outcome::Answered => {
                if !task.response.is_raw() {
                    write_head(&task, out.buf(), framing, date, connection);
                }
                let (status, body_at) = (task.response.status_code(), out.unsent());
                if task.streams() {
                    // From here on the stream counts as a request at a handler, not the task.
                    task.at_handler = false;
                    self.writing.begin_stream(stream_of(&task, place, framing));
                }
                if services.compressor.is_some()
                    && let Some(body) = task.response.stream_body_mut()
                    && let Some(coder) = body.encode_early()
                    && let Some(stream) = self.writing.stream()
                {
                    stream.coder = Some(coder);
                }
                if !place.head_only && response::has_content(status) {
                    write_body(out, &mut services.buffers, &mut task, framing);
                }
                services.recycle(task);
                (status, body_at)
            }
            Answer::Task(task) => {
                let answer = Answer::of_failed(task.outcome);
                let body = server_answer(&answer, out.buf(), date, connection, place.head_only);
                let body_at = out.unsent() - body;
                services.recycle(task);
                (answer.status(), body_at)
            }
            Answer::Server(answer) => {
                let body = server_answer(&answer, out.buf(), date, connection, place.head_only);
                (answer.status(), out.unsent() - body)
            }
            Answer::Cut => return,
        };
        services.counters.answer(place.row, status);
        if let Some(observer) = &mut services.observer {
            observer.answer(core.id.slot, place.stream, (place.row, status), body_at);
        }
    }

    /// Sends `100 Continue` if it is owed, all earlier answers are written, and none of them was
    /// the last.
    pub(crate) fn send_continue(&mut self, core: &mut Core, services: &mut Services) {
        if self.reading.owes_continue() && self.in_flight() == 1 && !self.writing.is_last() {
            self.reading.goes_on();
            core.out.lend(&mut services.buffers);
            core.out.buf().extend_from_slice(response::CONTINUE);
            services.counters.response(100);
        }
    }
}

/// The stream that an answer begins.
fn stream_of(task: &Task, place: &Place, framing: Framing) -> Stream {
    let body = task.response.stream_body();
    Stream {
        id: task.id,
        chunked: framing == Framing::Chunked,
        head_only: place.head_only,
        close: false,
        delimits: framing == Framing::UntilClose && !place.head_only,
        takes_trailers: task.response.has_trailers() && takes_trailers(task),
        trailers: trailers_for(task).to_vec(),
        left: body.and_then(|body| body.left()),
        coder: None,
        unacknowledged: body.map_or(0, |body| body.early.len()),
    }
}

fn write_head(task: &Task, buf: &mut Vec<u8>, framing: Framing, date: &[u8], connection: &[u8]) {
    let response = &task.response;
    let phrase = &response.connection().phrase;
    if phrase.is_empty() {
        response::status_line(buf, response.status_code());
    } else {
        let written = response::status_line_with(buf, response.status_code(), phrase);
        debug_assert!(written.is_ok(), "phrase() let a bad phrase in");
    }
    buf.extend_from_slice(response.fields().lines());
    framing.write(buf);
    buf.extend_from_slice(date);
    buf.extend_from_slice(connection);
}

fn write_body(out: &mut Out, pool: &mut BufPool, task: &mut Task, framing: Framing) {
    let chunked = framing == Framing::Chunked;
    let mut ends = chunked;
    let content = match task.response.content_mut() {
        Body::Stream(stream) => {
            ends &= stream.state == StreamState::Ended;
            small_or(out, &mut stream.early, chunked)
        }
        Body::Bytes(bytes) => small_or(out, bytes, chunked),
        Body::Shared(bytes) => Some(Content::Shared(bytes.clone())),
        Body::Lent(len) => Some(Content::Lent(*len)),
        Body::File(file) => Some(Content::File(file.clone())),
        Body::Named(_) => {
            debug_assert!(false, "a file that was not opened");
            None
        }
        Body::Parts(parts) => {
            put_parts(out, pool, parts, chunked);
            None
        }
    };
    match content {
        Some(content) if chunked => out.put_chunk(content, pool),
        Some(content) => out.put(content, pool),
        None => {}
    }
    if ends {
        end_chunked(out.buf(), trailers_for(task));
    }
}

#[inline(never)]
fn put_parts(out: &mut Out, pool: &mut BufPool, parts: &mut Vec<Part>, chunked: bool) {
    for part in parts.drain(..) {
        let content = match part {
            Part::Bytes(bytes) => Content::Owned(bytes),
            Part::File(file) => Content::File(file),
        };
        if chunked {
            out.put_chunk(content, pool);
        } else {
            out.put(content, pool);
        }
    }
}

/// Writes a small body. Returns a large one, which is sent from where it lies.
fn small_or(out: &mut Out, bytes: &mut Vec<u8>, chunked: bool) -> Option<Content> {
    if Out::goes_apart(bytes.len()) {
        return Some(Content::Owned(std::mem::take(bytes)));
    }
    if chunked {
        response::chunk(out.buf(), bytes);
    } else {
        out.buf().extend_from_slice(bytes);
    }
    None
}

/// The last chunk, with the lines of these trailers (RFC 9112 §7.1.2).
pub(super) fn end_chunked(buf: &mut Vec<u8>, trailers: &[u8]) {
    if trailers.is_empty() {
        response::last_chunk(buf);
        return;
    }
    buf.extend_from_slice(b"0\r\n");
    buf.extend_from_slice(trailers);
    buf.extend_from_slice(b"\r\n");
}

/// The lines of a response's trailers. Empty if the client takes none.
fn trailers_for(task: &Task) -> &[u8] {
    let trailers = task.response.trailers();
    if trailers.is_empty() || !takes_trailers(task) { &[] } else { trailers.lines() }
}

/// Whether the client takes trailers (RFC 9110 §10.1.4).
fn takes_trailers(task: &Task) -> bool {
    let te = task.request.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"te"));
    te.flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
