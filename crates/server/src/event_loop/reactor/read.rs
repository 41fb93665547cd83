//! From bytes to requests.

use std::sync::Arc;

use reactor_proto::{Event, Framing, Limits, Method, RequestError, Version, response};
use reactor_route::{Found, normal_path};

use super::Reactor;
use super::lanes::{LaneSide, lane_bit};
use crate::conn::connection::{
    Answer, Conn, Incoming, Limit, MAX_PIPELINED, Meta, Phase, Plain, Transport,
};
use crate::dispatch::app::{Compiled, HandlerCell};
use crate::dispatch::lane::channel::LaneEvent;
use crate::exchange::task::Task;
use crate::observe::close_reason::CloseReason;
use crate::observe::observer::Seen;

/// Bytes asked of the socket at once. What a lane is told of at once is no more
/// than that.
const READ_SIZE: usize = 64 * 1024;

/// Bytes behind the last request that are read, to find out whether the client
/// leaves. One that sends more feels that it is not read.
const MOST_DISCARDED: usize = 256 * 1024;

/// The same while uploads fill the room that is there for them.
pub(crate) const SMALL_READ: usize = 16 * 1024;

/// Reads in one turn before other connections get theirs.
const READS_PER_TURN: usize = 4;

/// The scratch buffer holds the longest incomplete piece that the decoder can
/// leave, and a read behind it.
pub(crate) fn scratch_size(limits: &Limits) -> usize {
    let longest = limits.head.max(limits.request_line).max(limits.trailers);
    READ_SIZE + longest.max(limits.chunk_extensions) + 1024
}

/// Where a request goes.
enum Destination {
    Worker(Arc<HandlerCell>),
    Lane { lane: u8, route: u32 },
}

/// How far the input could be used.
struct Parsed {
    used: usize,
    /// Stopped because of the connection's state, not for want of input.
    stalled: bool,
}

impl<T> Conn<T> {
    pub(crate) fn wants_read(&self) -> bool {
        if self.read_closed {
            return false;
        }
        if self.phase == Phase::Linger {
            true
        } else if self.last_request_read {
            self.discarded < MOST_DISCARDED
        } else {
            !self.is_full()
        }
    }
}

impl<T: Transport> Reactor<T> {
    /// Reads and parses until the socket is empty, the connection is full or
    /// its turn is over. False if the connection is gone.
    pub(crate) fn read(&mut self, slot: u32) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut alive = true;
        for _ in 0..READS_PER_TURN {
            let most = if self.is_short_of_room() { SMALL_READ } else { READ_SIZE };
            let conn = &mut self.conns[slot as usize];
            if !conn.wants_read() || !(conn.readable || conn.stalled) {
                break;
            }
            let carried = conn.tail.len();
            scratch[..carried].copy_from_slice(&conn.tail);
            let mut len = carried;
            if conn.stalled {
                // What was held back comes first; it may be complete.
                conn.stalled = false;
            } else {
                let end = (carried + most).min(scratch.len());
                let room = &mut scratch[carried..end];
                let discards = conn.last_request_read;
                let got = if discards { conn.io.discard(room) } else { conn.io.read(room) };
                match got {
                    Ok(0) => {
                        alive = self.end_of_input(slot);
                        break;
                    }
                    Ok(n) => {
                        self.counters.bytes_in.add(n as u64);
                        conn.sent_since_read = 0;
                        conn.discarded += if discards { n } else { 0 };
                        // A short read has emptied the socket (epoll(7),
                        // question 9), unless the end is known to be there.
                        conn.readable = n == end - carried || conn.hangup;
                        len += n;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        conn.readable = false;
                        break;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(_) => {
                        let reason = conn.reason.unwrap_or(CloseReason::Aborted);
                        self.close(slot, reason);
                        alive = false;
                        break;
                    }
                }
            }
            if conn.phase == Phase::Linger {
                continue;
            }
            // All of it is in `scratch` now.
            conn.tail.clear();
            let parsed = self.parse(slot, &scratch[..len]);
            self.input_left = false;
            let conn = &mut self.conns[slot as usize];
            let rest = &scratch[parsed.used..len];
            conn.stalled = parsed.stalled && !conn.last_request_read;
            if conn.last_request_read || rest.is_empty() {
                conn.tail = Vec::new();
            } else {
                conn.tail.extend_from_slice(rest);
            }
            self.stream_body(slot);
        }
        self.scratch = scratch;
        alive
    }

    /// The peer has sent its last byte. False if that ended the connection.
    fn end_of_input(&mut self, slot: u32) -> bool {
        let conn = &mut self.conns[slot as usize];
        conn.read_closed = true;
        conn.readable = false;
        if conn.phase == Phase::Linger {
            let reason = conn.reason.unwrap_or(CloseReason::Served);
            self.close(slot, reason);
            return false;
        }
        let partial = !conn.tail.is_empty() || !conn.decoder.is_between_requests();
        self.lane_hangup(slot);
        if partial && !self.conns[slot as usize].last_request_read {
            let answer = Answer::Plain(Plain::Incomplete);
            self.fail(slot, answer, CloseReason::Aborted, &[]);
        }
        true
    }

    fn parse(&mut self, slot: u32, input: &[u8]) -> Parsed {
        let mut used = 0;
        loop {
            let conn = &mut self.conns[slot as usize];
            if conn.last_request_read {
                return Parsed { used: input.len(), stalled: false };
            }
            // Inside a body the decoder may have its end to tell without
            // further input.
            if used == input.len() && !conn.decoder.in_body() {
                return Parsed { used, stalled: false };
            }
            if !conn.decoder.in_body() {
                let lane = usize::from(conn.lane);
                let retired = || self.lanes.get(lane).is_some_and(LaneSide::is_retired);
                conn.awaits_lane = conn.with_lane != 0 && retired();
                if self.deepest < MAX_PIPELINED {
                    if self.clock.millis() < self.deepest_until {
                        conn.depth = conn.depth.min(self.deepest);
                    } else {
                        self.deepest = MAX_PIPELINED;
                    }
                }
            }
            if conn.is_full() {
                return Parsed { used, stalled: true };
            }
            let rest = &input[used..];
            match conn.decoder.decode(rest, &mut self.head, &self.settings.limits) {
                Ok((n, event)) => {
                    used += n;
                    match event {
                        Event::Incomplete => return Parsed { used, stalled: false },
                        Event::Head => {
                            self.input_left = used < input.len();
                            let head = &rest[n - self.head.len()..n];
                            self.request(slot, head);
                        }
                        Event::Data { start, end } => self.body(slot, &rest[start..end]),
                        Event::End => {
                            self.input_left = used < input.len();
                            self.body_end(slot);
                        }
                    }
                }
                Err(error) => {
                    // A request is malformed or over a limit. Blank lines before it
                    // do not count.
                    let line = rest.trim_ascii_start();
                    self.fail(slot, Answer::Rejected(error), CloseReason::Rejected, line);
                }
            }
        }
    }

    /// A head is complete: finds its target. `self.head` describes it.
    fn request(&mut self, slot: u32, head: &[u8]) {
        self.counters.requests.add(1);
        let conn = &mut self.conns[slot as usize];
        let sequence = conn.next_request;
        conn.next_request = sequence.wrapping_add(1);
        conn.served = true;
        conn.progress = true;
        if let Some(observer) = &mut self.observer {
            let (peer, start) = (conn.peer, self.clock.now());
            let seen = Seen::Head(&self.head, head);
            observer.begin(slot, (conn.generation, sequence), peer, start, &seen);
        }

        let keep_alive = self.head.keep_alive();
        let mut meta = Meta {
            head_only: self.head.method() == Method::Head,
            close: !keep_alive,
            says_keep_alive: keep_alive && self.head.version() == Version::Http10,
            asks_to_close: false,
        };
        let has_body = self.head.framing() != Framing::None;
        let answer = match self.find_target(slot, head) {
            Ok(destination) => {
                let mut task = self.new_task(slot, sequence, meta);
                match destination {
                    Destination::Worker(handler) => task.handler = Some(handler),
                    Destination::Lane { lane, route } => {
                        task.route = route;
                        self.with_lane(slot, lane, sequence, meta);
                    }
                }
                task.request.head.clone_from(&self.head);
                task.request.head_bytes.extend_from_slice(head);
                if let Some(path) = self.normal_path.take() {
                    self.params.shift(head.len() - self.head.path().start as usize);
                    task.request.head_bytes.extend_from_slice(&path);
                }
                std::mem::swap(&mut task.request.params, &mut self.params);
                if !has_body {
                    self.conns[slot as usize].last_request_read = meta.close;
                    self.queue(task);
                    return;
                }
                // One whose body has begun to come does not wait (RFC 9110 §10.1.1).
                if self.head.expect_continue() && !self.input_left {
                    self.owe_continue(slot);
                }
                let conn = &mut self.conns[slot as usize];
                conn.incoming = Some(Box::new(Incoming::Task(task)));
                return;
            }
            Err(answer) => answer,
        };
        if has_body && !self.head.expect_continue() {
            // The answer waits until the framing of the whole body has
            // proved right.
            let conn = &mut self.conns[slot as usize];
            conn.incoming = Some(Box::new(Incoming::Discard(answer, meta)));
            return;
        }
        // A client that waits for 100 may or may not send its body after a
        // final answer; only closing is safe (RFC 9110 §10.1.1).
        meta.close |= has_body || matches!(answer, Answer::Rejected(_));
        let conn = &mut self.conns[slot as usize];
        conn.last_request_read = meta.close;
        conn.linger |= has_body;
        self.answer(slot, sequence, answer, meta);
    }

    /// The handler for the head in `self.head`, or the answer where none is
    /// needed.
    fn find_target(&mut self, slot: u32, head: &[u8]) -> Result<Destination, Answer> {
        let method = self.head.method();
        if method == Method::Connect {
            // We are no proxy.
            return Err(Answer::Plain(Plain::NotImplemented));
        }
        let path = self.head.path_bytes(head);
        if method == Method::Options && path == b"*" {
            return Err(Answer::Plain(Plain::Options(None)));
        }
        if self.head.is_secure() && !self.settings.secured.has(self.conns[slot as usize].peer) {
            return Err(Answer::Rejected(RequestError::TargetSchemeInsecure));
        }
        let token = self.head.method_token().of(head);
        self.normal_path = normal_path(path);
        let path = self.normal_path.as_deref().unwrap_or(path);
        let plain = match self.table.find(token, path, &mut self.params) {
            Found::Target(Compiled::Worker(handler)) => {
                return Ok(Destination::Worker(handler.clone()));
            }
            Found::Target(Compiled::Lane(route)) => {
                let route = *route;
                match self.choose_lane(slot) {
                    Some(lane) => return Ok(Destination::Lane { lane, route }),
                    None => Plain::Overloaded(Limit::NoThread),
                }
            }
            Found::Target(Compiled::Inline(inline)) => return Err(Answer::Inline(inline.clone())),
            _ if method == Method::Other => Plain::NotImplemented,
            // RFC 9110 §9.3.7: what the path allows, where no handler wants to say it.
            Found::MethodNotAllowed(allow) if method == Method::Options => {
                Plain::Options(Some([allow, ", OPTIONS"].concat().into()))
            }
            Found::MethodNotAllowed(allow) => Plain::MethodNotAllowed(allow.into()),
            // What HAProxy asks by default to learn whether the server is there.
            Found::NotFound if method == Method::Options && path == b"/" => {
                Plain::Options(Some("OPTIONS".into()))
            }
            Found::NotFound => Plain::NotFound,
        };
        Err(Answer::Plain(plain))
    }

    fn body(&mut self, slot: u32, data: &[u8]) {
        let conn = &mut self.conns[slot as usize];
        conn.owes_continue = false;
        if let Some(Incoming::Stream(exchange, _)) = conn.incoming.as_deref() {
            conn.progress = true;
            let exchange = *exchange;
            self.hold_upload(slot, data.len());
            self.tell_body(slot, exchange, data);
            return;
        }
        conn.collected += data.len();
        let Some(Incoming::Task(task)) = conn.incoming.as_deref_mut() else { return };
        let held = self.body_bytes + self.stream_bytes.min(self.settings.body_memory / 2);
        if held + data.len() <= self.settings.body_memory {
            self.body_bytes += data.len();
            task.request.body.extend_from_slice(data);
            return;
        }
        let conn = &self.conns[slot as usize];
        let streams = match conn.incoming.as_deref() {
            Some(Incoming::Task(task)) => self.is_to_stream(task),
            _ => false,
        };
        if streams {
            // It needs no room for all of it.
            self.stream_body(slot);
            if self.conns[slot as usize].incoming.is_some() {
                self.body(slot, data);
            }
            return;
        }
        self.counters.rejected.add(1);
        let answer = Answer::Plain(Plain::Overloaded(Limit::BodyMemory));
        self.fail(slot, answer, CloseReason::Rejected, &[]);
    }

    fn body_end(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        conn.owes_continue = false;
        let Some(incoming) = conn.incoming.take() else { return };
        match *incoming {
            Incoming::Task(task) => {
                conn.last_request_read = task.meta.close;
                self.queue(task);
            }
            Incoming::Stream(exchange, meta) => {
                // The answer may have begun by now, and said so itself.
                let closes = conn.stream.as_ref().is_some_and(|stream| stream.close);
                conn.last_request_read = meta.close || closes;
                let unpulled = std::mem::take(&mut conn.unpulled);
                if unpulled > 0 {
                    conn.untaken.push((exchange.0.sequence, unpulled));
                }
                self.tell_lane(slot, LaneEvent::BodyEnd(exchange));
            }
            Incoming::Discard(answer, meta) => {
                conn.last_request_read = meta.close;
                let sequence = conn.next_request.wrapping_sub(1);
                self.answer(slot, sequence, answer, meta);
            }
        }
    }

    fn queue(&mut self, mut task: Box<Task>) {
        task.queued_at = self.clock.now();
        if task.handler.is_some() {
            self.tasks.push(task);
        } else {
            self.hand_over_whole(task);
        }
    }

    /// Answers the request that is coming in with an error, in its turn, and
    /// reads no further. `input` is what there is of its head, unless that is the
    /// connection's tail.
    pub(crate) fn fail(&mut self, slot: u32, answer: Answer, reason: CloseReason, input: &[u8]) {
        let conn = &mut self.conns[slot as usize];
        conn.last_request_read = true;
        conn.linger = true;
        conn.owes_continue = false;
        let tail = std::mem::take(&mut conn.tail);
        conn.reason = Some(reason);
        let (sequence, meta) = match conn.incoming.take() {
            // Its body is what went wrong; it has its place already.
            Some(incoming) => {
                let meta = incoming.meta();
                let sequence = conn.next_request.wrapping_sub(1);
                if let Incoming::Stream(exchange, _) = *incoming {
                    let event = match &answer {
                        Answer::Rejected(error) => LaneEvent::Refused(exchange, error.status()),
                        Answer::Plain(plain) if *plain != Plain::Incomplete => {
                            LaneEvent::Refused(exchange, plain.status())
                        }
                        // The client has left in the midst of it.
                        _ => LaneEvent::Gone(exchange),
                    };
                    self.tell_lane(slot, event);
                    self.forget_upload(slot, sequence);
                    self.end_deadline(slot, sequence);
                }
                // Whatever the lane may still say of it comes too late.
                self.conns[slot as usize].with_lane &= !lane_bit(sequence);
                if self.conns[slot as usize].stream.is_some()
                    && self.conns[slot as usize].next_answer == sequence
                {
                    // Its response has begun: it can only be broken off.
                    self.break_off(slot, sequence);
                    return;
                }
                self.recycle_incoming(Some(incoming));
                (self.conns[slot as usize].next_request.wrapping_sub(1), meta)
            }
            None => {
                let sequence = conn.next_request;
                conn.next_request = sequence.wrapping_add(1);
                let input = if input.is_empty() { tail.trim_ascii_start() } else { input };
                let head_only = input.starts_with(b"HEAD ");
                if let Some(observer) = &mut self.observer {
                    let (peer, start) = (conn.peer, self.clock.now());
                    let seen = Seen::Input(input);
                    observer.begin(slot, (conn.generation, sequence), peer, start, &seen);
                }
                (sequence, Meta { head_only, ..Meta::default() })
            }
        };
        self.answer(slot, sequence, answer, Meta { close: true, ..meta });
    }

    fn owe_continue(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        conn.owes_continue = true;
        self.send_continue(slot);
    }

    /// Sends `100 Continue` if it is owed and all earlier answers are out, none
    /// of which was the last.
    pub(crate) fn send_continue(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if conn.owes_continue && conn.in_flight() == 1 && !conn.closing {
            conn.owes_continue = false;
            conn.out.lend(&mut self.pool);
            conn.out.buf().extend_from_slice(response::CONTINUE);
            self.counters.response(100);
        }
    }
}
