//! From answers to bytes, in the order of the requests.

use std::fmt::Write as _;
use std::time::Duration;

use reactor_proto::response;

use super::Reactor;
use crate::conn::connection::{Answer, Limit, MAX_PIPELINED, Meta, Plain, Stream, Transport};
use crate::conn::out::{Body, Out};
use crate::dispatch::lane::channel::{Exchange, LaneEvent};
use crate::event_loop::clock::Millis;
use crate::exchange::task::Task;
use crate::observe::close_reason::CloseReason;

/// What the answers to one connection's requests at handlers may come to, if they are
/// like the largest of late.
const MOST_AT_HANDLERS: usize = 16 * 1024 * 1024;

/// How long a large answer is of late.
const LARGE_COUNTS_FOR: Millis = 10_000;

impl<T: Transport> Reactor<T> {
    /// Takes the answer to request `sequence`. It is written at once if all
    /// before it are, else it waits for them.
    pub(crate) fn answer(&mut self, slot: u32, sequence: u32, answer: Answer, meta: Meta) {
        let conn = &mut self.conns[slot as usize];
        if let Answer::Task(task) = &answer
            && !task.failed
            && !task.response.streams()
        {
            let bytes = task.response.bytes();
            conn.adapt(bytes);
            if bytes > MOST_AT_HANDLERS / MAX_PIPELINED as usize {
                self.beware(bytes);
            }
        }
        let conn = &mut self.conns[slot as usize];
        let ahead = sequence.wrapping_sub(conn.next_answer) as usize;
        if ahead > 0 {
            if let Some(begun) = conn.keep(ahead, answer, meta) {
                self.recycle_answer(begun);
            }
            return;
        }
        self.write(slot, answer, meta);
        self.advance(slot);
    }

    /// An answer is so large that 64 of them would be too much. Whoever gets small ones
    /// on a connection may ask for large ones next, so for a while no connection may have
    /// many at handlers.
    #[cold]
    fn beware(&mut self, bytes: usize) {
        let now = self.clock.millis();
        let most = u32::try_from(MOST_AT_HANDLERS / bytes).unwrap_or(1).max(1);
        let before = if now < self.deepest_until { self.deepest } else { MAX_PIPELINED };
        self.deepest = most.min(before);
        self.deepest_until = now + LARGE_COUNTS_FOR;
    }

    /// Goes on to the answers that wait behind the one just written, unless
    /// that one is a stream and goes on itself.
    pub(crate) fn advance(&mut self, slot: u32) {
        loop {
            let conn = &mut self.conns[slot as usize];
            if conn.stream.is_some() {
                return;
            }
            // What is cut has no end.
            if let Some(observer) = self.observer.as_mut().filter(|_| !conn.cut) {
                observer.written(slot, conn.next_answer, conn.out.len());
            }
            match conn.next_kept() {
                Some((answer, meta)) => self.write(slot, answer, meta),
                None => break,
            }
        }
        let conn = &mut self.conns[slot as usize];
        if conn.waiting.is_empty() && conn.waiting.capacity() > 0 {
            conn.waiting = std::collections::VecDeque::new();
        }
        self.send_continue(slot);
    }

    /// Writes the next answer of the connection.
    fn write(&mut self, slot: u32, answer: Answer, mut meta: Meta) {
        let conn = &mut self.conns[slot as usize];
        conn.progress = true;
        if conn.closing {
            // An earlier answer was the last. Nobody will take what this one streams.
            if let Some(exchange) = streams(&answer) {
                self.lane_answered(slot, exchange.0.sequence);
                self.tell_lane(slot, LaneEvent::Gone(exchange));
            }
            self.recycle_answer(answer);
            return;
        }
        let broken = match &answer {
            Answer::Cut => true,
            Answer::Task(task) => task.response.is_broken(),
            _ => false,
        };
        if broken {
            conn.break_off();
            meta.close = true;
        }
        if matches!(answer, Answer::Cut) {
            return;
        }
        let stops = self.draining || conn.ending;
        let last = stops && conn.in_flight() == 1 && conn.tail.is_empty() && !self.input_left;
        let until_close =
            matches!(&answer, Answer::Task(task) if task.response.ends_with_connection());
        if meta.close || last || until_close {
            conn.closing = true;
            // A streaming answer may be made of its request's body, which is
            // then yet to be read.
            let streams = streams(&answer).is_some();
            conn.last_request_read |= !(streams && conn.body_comes_in(conn.next_answer));
            conn.delimits = until_close && !meta.head_only;
            if last && !meta.close {
                conn.linger = true;
                conn.reason =
                    Some(if self.draining { CloseReason::Stopped } else { CloseReason::Served });
            }
        }
        let closes = conn.closing || meta.asks_to_close;
        let speaks = match &answer {
            Answer::Inline(inline) => inline.upgrade,
            Answer::Task(task) => !task.failed && task.response.speaks_of_connection(),
            Answer::Rejected(_) | Answer::Plain(_) | Answer::Cut => false,
        };
        let says_time = self.persists.len() > 2;
        let connection: &[u8] = if speaks {
            self.line.clear();
            connection_lines(&answer, closes, meta.says_keep_alive, &mut self.line);
            &self.line
        } else if closes {
            b"Connection: close\r\n\r\n"
        } else if meta.says_keep_alive && !says_time {
            b"Connection: keep-alive\r\n\r\n"
        } else {
            &self.persists
        };
        conn.told_timeout |= says_time || (speaks && !closes);
        conn.out.lend(&mut self.pool);
        let date = self.clock.date_line();
        let out = &mut conn.out;
        // The status, and how much output there is before the body.
        let (status, body_at) = match answer {
            Answer::Inline(inline) => {
                let buf = out.buf();
                buf.extend_from_slice(&inline.head);
                buf.extend_from_slice(date);
                buf.extend_from_slice(connection);
                let body_at = out.len();
                if Out::wants_splice(inline.body.len()) && !meta.head_only {
                    out.splice(Body::Shared(inline.body.clone()));
                } else if !meta.head_only {
                    out.buf().extend_from_slice(&inline.body);
                }
                (inline.status, body_at)
            }
            Answer::Task(mut task) if !task.failed => {
                let status = task.response.status_code();
                let buf = out.buf();
                buf.extend_from_slice(task.response.wire());
                buf.extend_from_slice(date);
                buf.extend_from_slice(connection);
                let body_at = out.len();
                let streams = task.response.streams();
                let unacknowledged = task.response.payload();
                if !meta.head_only {
                    write_body(out, &mut task);
                }
                if streams {
                    // Until it ends, nothing else is the last.
                    let close = std::mem::take(&mut conn.closing);
                    conn.stream = Some(Box::new(Stream {
                        exchange: Exchange(task.address),
                        chunked: task.response.is_chunked(),
                        head_only: meta.head_only,
                        close,
                        left: task.response.left(),
                        unacknowledged,
                    }));
                    // The stream counts in its place.
                    task.at_handler = false;
                }
                self.recycle(task);
                (status, body_at)
            }
            Answer::Task(task) => {
                let plain = match task.refused {
                    true => Plain::Overloaded(Limit::NoThread),
                    false => Plain::HandlerFailed,
                };
                let body = plain.write(out.buf(), date, connection, meta.head_only);
                let body_at = out.len() - body;
                self.recycle(task);
                (plain.status(), body_at)
            }
            Answer::Cut => return,
            Answer::Rejected(error) => {
                let text = TextAnswer { status: error.status(), fields: &[], detail: &error };
                let body = text.write(out.buf(), date, connection, meta.head_only);
                (error.status(), out.len() - body)
            }
            Answer::Plain(plain) => {
                let body = plain.write(out.buf(), date, connection, meta.head_only);
                (plain.status(), out.len() - body)
            }
        };
        self.counters.response(status);
        if let Some(observer) = &mut self.observer {
            let request = self.conns[slot as usize].next_answer;
            observer.answer(slot, request, status, body_at);
        }
    }

    fn recycle_answer(&mut self, answer: Answer) {
        if let Answer::Task(task) = answer {
            self.recycle(task);
        }
    }
}

/// What ends the head of an answer whose program speaks of the connection: with
/// `Upgrade`, or with how long it persists, in the place of our own words.
#[cold]
fn connection_lines(answer: &Answer, closes: bool, keeps: bool, out: &mut Vec<u8>) {
    let (upgrade, own): (bool, &[u8]) = match answer {
        Answer::Inline(inline) => (inline.upgrade, b""),
        Answer::Task(task) => (task.response.has_upgrade(), task.response.keep_alive_line()),
        Answer::Rejected(_) | Answer::Plain(_) | Answer::Cut => (false, b""),
    };
    let options: &[u8] = match (upgrade, closes, keeps) {
        (true, true, _) => b"upgrade, close",
        (true, false, true) => b"upgrade, keep-alive",
        (true, false, false) => b"upgrade",
        (false, true, _) => b"close",
        (false, false, _) => b"keep-alive",
    };
    out.extend_from_slice(b"Connection: ");
    out.extend_from_slice(options);
    out.extend_from_slice(b"\r\n");
    if !(upgrade || closes) {
        out.extend_from_slice(own);
    }
    out.extend_from_slice(b"\r\n");
}

/// The exchange of an answer of which more is to come.
fn streams(answer: &Answer) -> Option<Exchange> {
    match answer {
        Answer::Task(task) if task.response.streams() && !task.failed => {
            Some(Exchange(task.address))
        }
        _ => None,
    }
}

fn write_body(out: &mut Out, task: &mut Task) {
    let chunked = task.response.is_chunked() && !task.response.is_framed();
    let body = match task.response.take_shared() {
        Some(shared) => Body::Shared(shared),
        None if Out::wants_splice(task.response.body_mut().len()) => {
            Body::Owned(std::mem::take(task.response.body_mut()))
        }
        None => {
            let body = task.response.body_mut();
            if chunked {
                response::chunk(out.buf(), body);
                response::last_chunk(out.buf());
            } else {
                out.buf().extend_from_slice(body);
            }
            return;
        }
    };
    if chunked {
        out.chunk(body);
        response::last_chunk(out.buf());
    } else {
        out.splice(body);
    }
}

/// An answer whose body is one line of text.
struct TextAnswer<'a> {
    status: u16,
    fields: &'a [(&'a str, &'a str)],
    detail: &'a dyn std::fmt::Display,
}

impl TextAnswer<'_> {
    /// Returns how many bytes of body that was.
    fn write(&self, out: &mut Vec<u8>, date: &[u8], connection: &[u8], head_only: bool) -> usize {
        let mut body = Vec::with_capacity(128);
        let reason = response::reason(self.status);
        let _ = writeln!(Ascii(&mut body), "{} {reason}: {}", self.status, self.detail);
        response::status_line(out, self.status);
        out.extend_from_slice(b"Content-Type: text/plain\r\n");
        for (name, value) in self.fields {
            let written = response::field(out, name, value.as_bytes());
            debug_assert!(written.is_ok());
        }
        response::content_length(out, body.len() as u64);
        out.extend_from_slice(date);
        out.extend_from_slice(connection);
        if head_only {
            return 0;
        }
        out.extend_from_slice(&body);
        body.len()
    }
}

impl Plain {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::NotImplemented => 501,
            Self::Options(_) => 204,
            Self::HandlerFailed => 500,
            Self::Overloaded(_) | Self::HandlerTimeout => 503,
            Self::Timeout => 408,
            Self::Incomplete => 400,
        }
    }

    /// Returns how many bytes of body that was.
    fn write(&self, out: &mut Vec<u8>, date: &[u8], connection: &[u8], head_only: bool) -> usize {
        let status = self.status();
        let mut text = |fields: &[(&str, &str)], detail: &str| {
            TextAnswer { status, fields, detail: &detail }.write(out, date, connection, head_only)
        };
        match self {
            Self::NotFound => text(&[], "nothing is served under this path"),
            Self::MethodNotAllowed(allow) => {
                text(&[("Allow", allow)], "this path does not take this method")
            }
            Self::NotImplemented => text(&[], "this server does not know this method"),
            Self::HandlerFailed => text(&[], "the handler failed"),
            Self::Overloaded(limit) => text(&[("Retry-After", "1")], limit.words()),
            Self::HandlerTimeout => text(&[], "the handler did not answer in time"),
            Self::Timeout => text(&[], "the request did not arrive in time"),
            Self::Incomplete => text(&[], "the connection was closed inside the request"),
            Self::Options(allow) => {
                response::status_line(out, status);
                if let Some(allow) = allow {
                    let written = response::field(out, "Allow", allow.as_bytes());
                    debug_assert!(written.is_ok());
                }
                out.extend_from_slice(date);
                out.extend_from_slice(connection);
                0
            }
        }
    }
}

impl Limit {
    /// Which limit it was, for whoever reads the answer.
    fn words(self) -> &'static str {
        match self {
            Self::Queue => "the queue for worker threads is full",
            Self::BodyMemory => "the memory for request bodies is in use",
            Self::InFlight => "as many requests are at handlers as may be",
            Self::NoThread => "no JavaScript thread is there to answer",
        }
    }
}

/// The longest timeout that responses announce. Who keeps connections for longer
/// than this is told so by nobody, as by most servers; shorter ones would be
/// closed under a client's hands (RFC 9112 §9.5).
const ANNOUNCED: Duration = Duration::from_secs(30);

/// What ends the head of an answer after which the connection persists: where it
/// does so for a short time only, with a Keep-Alive field that tells for how long.
pub(crate) fn end_of_head(idle: Duration) -> Vec<u8> {
    let seconds = idle.as_secs();
    let mut end = Vec::new();
    if seconds > 0 && idle <= ANNOUNCED {
        let _ =
            write!(Ascii(&mut end), "Connection: keep-alive\r\nKeep-Alive: timeout={seconds}\r\n");
    }
    end.extend_from_slice(b"\r\n");
    end
}

/// Formats into bytes.
struct Ascii<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Ascii<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
