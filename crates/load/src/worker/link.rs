//! One connection: requests out, answers in, and every way it ends.

use std::fmt::Display;
use std::io;

use reactor_proto::client::ResponseHead;
use reactor_sys::Stream;

use super::{READS, Worker};
use crate::conn::{self, InFlight, Link};
use crate::expect::BodyCheck;
use crate::source::Nanos;
use crate::tally::ErrorClass;

impl Worker {
    /// Gives a connection at most `most` requests and sends them: those that are due and that
    /// it has room for. Opens the connection first if there is none.
    pub(super) fn assign(&mut self, slot: usize, most: usize) {
        if !self.is_running {
            // What a protocol has to say before the first request goes out all the same.
            return self.write(slot);
        }
        if self.shared.broadcast.is_some() {
            return self.publish(slot);
        }
        let conn = &mut self.conns[slot];
        let room = match conn.link {
            Link::Open(..) if conn.is_upgrading() => 1,
            Link::Open(..) => conn.most(self.shared.plan.at_once()),
            // The first request opens the connection; the others follow once it is open.
            Link::Closed | Link::Queueing | Link::Connecting(_) | Link::Handshaking(..) => 1,
            Link::Resting => 0,
        };
        let room = room.saturating_sub(conn.in_flight.len()).min(most);
        let mut taken = 0;
        while taken < room
            && let Some(from) = self.source.take(self.now)
        {
            conn.in_flight.push_back(InFlight::new(from, self.now));
            taken += 1;
            if self.source.is_counted(from) {
                self.sent_at = self.now;
                if let Some(delay) = &mut self.tally.delay {
                    delay.saturating_record(self.now.saturating_sub(from));
                }
            }
        }
        self.in_flight += taken;
        if taken > 0 || conn.http2.is_some() {
            match conn.link {
                Link::Open(..) if conn.http2.is_some() => self.send_streams(slot),
                Link::Open(..) if conn.is_upgrading() => {}
                Link::Open(..) => {
                    conn.unwritten += taken * self.shared.batch.one();
                    self.write(slot);
                }
                Link::Closed => self.connect(slot),
                Link::Queueing | Link::Connecting(_) | Link::Handshaking(..) | Link::Resting => {}
            }
        }
        self.list(slot);
    }

    /// Open loop: remembers a connection that can take a request.
    pub(super) fn list(&mut self, slot: usize) {
        if self.shared.plan.rate.is_none() {
            return;
        }
        let conn = &self.conns[slot];
        let has_room = match conn.link {
            _ if self.shared.broadcast.is_some() => self.can_publish(slot),
            Link::Open(..) if conn.is_upgrading() => false,
            Link::Open(..) => conn.in_flight.len() < conn.most(self.shared.plan.at_once()),
            Link::Closed => conn.in_flight.is_empty(),
            Link::Queueing | Link::Connecting(_) | Link::Handshaking(..) | Link::Resting => false,
        };
        let conn = &mut self.conns[slot];
        if has_room && !conn.listed {
            conn.listed = true;
            self.free.push_back(slot);
        }
    }

    pub(super) fn connect(&mut self, slot: usize) {
        let started = Stream::connect(&self.shared.address).and_then(|(stream, is_open)| {
            self.poller.add_edge(&stream, self.conns[slot].token(slot))?;
            Ok((stream, is_open))
        });
        match started {
            Ok((stream, is_open)) => {
                self.conns[slot].link = Link::Connecting(stream);
                if is_open {
                    self.greet(slot);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.conns[slot].link = Link::Queueing;
            }
            Err(error) => self.connect_failed(slot, &error),
        }
    }

    /// The connection is open, and can carry requests, the upgrade to a WebSocket or the preface of
    /// HTTP/2.
    pub(super) fn opened(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        conn.link = match std::mem::take(&mut conn.link) {
            Link::Connecting(stream) => Link::Open(stream, None),
            other => other,
        };
        let shared = std::sync::Arc::clone(&self.shared);
        match &shared.plan.websocket {
            Some(plan) => self.ask(slot, plan),
            None if shared.plan.http2.is_some() => self.say_preface(slot),
            None => self.upgraded(slot),
        }
    }

    /// The connection can carry requests or messages.
    pub(super) fn upgraded(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        self.tally.opened += 1;
        if conn.http2.is_none() {
            conn.unwritten = conn.in_flight.len() * self.shared.batch.one();
        }
        if self.is_running {
            self.write(slot);
            self.assign(slot, usize::MAX);
        }
    }

    /// A connection could not be opened. The next attempt comes after the next sweep, so that
    /// a server that is gone does not keep the thread busy.
    pub(super) fn connect_failed(&mut self, slot: usize, why: &dyn Display) {
        self.tally.refused += 1;
        self.settle(slot, ErrorClass::Connect, why);
        self.conns[slot].close(Link::Resting);
    }

    /// Sends the unwritten requests, as far as the socket takes them.
    pub(super) fn write(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        let Link::Open(stream, None) = &conn.link else { return self.write_tls(slot) };
        loop {
            if let (Some(session), Some(plan)) = (&mut conn.http2, &self.shared.plan.http2) {
                session.fill(plan, &mut conn.in_flight);
            }
            let (next, from) =
                conn::next(&conn.http2, &conn.socket, conn.unwritten, &self.shared.batch);
            if next.is_empty() {
                return;
            }
            let all = next.len();
            match stream.write(next) {
                Ok(n) => {
                    let (http2, socket) = (&mut conn.http2, &mut conn.socket);
                    conn::wrote(http2, socket, &mut conn.unwritten, n, from);
                    if self.source.is_counted(self.now) {
                        self.tally.bytes_sent += n as u64;
                    }
                    // The rest goes when the poller reports room.
                    if n < all {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server may have answered before it hung up.
                    conn.unwritten = 0;
                    conn.send_error = Some(error);
                    self.again.push(slot);
                    return;
                }
            }
        }
    }

    /// Reads all that has come. `to_the_end` says that the peer has closed; a short read is
    /// not the last one then.
    pub(super) fn read(&mut self, slot: usize, scratch: &mut [u8], to_the_end: bool) {
        for _ in 0..READS {
            let Link::Open(stream, None) = &self.conns[slot].link else {
                return self.read_tls(slot, scratch);
            };
            match stream.read(scratch) {
                Ok(0) => return self.ended(slot),
                Ok(n) => {
                    self.now = self.clock();
                    if self.source.is_counted(self.now) {
                        self.tally.bytes_received += n as u64;
                    }
                    if !self.consume(slot, &mut scratch[..n]) {
                        return;
                    }
                    // A short read has emptied the socket (epoll(7)).
                    if n < scratch.len() && !to_the_end {
                        return self.assign(slot, usize::MAX);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return match self.conns[slot].send_error.take() {
                        Some(error) => self.lost(slot, ErrorClass::Send, &error),
                        None => self.assign(slot, usize::MAX),
                    };
                }
                Err(error) => return self.broken(slot, &error),
            }
        }
        self.again.push(slot);
    }

    /// Takes bytes of answers. Returns whether the slot still has the same connection.
    pub(super) fn consume(&mut self, slot: usize, bytes: &mut [u8]) -> bool {
        if self.shared.plan.websocket.is_some() {
            return self.consume_frames(slot, bytes);
        }
        if self.shared.plan.http2.is_some() {
            return self.consume_http2(slot, bytes);
        }
        let mut rest = &*bytes;
        while !rest.is_empty() {
            let conn = &mut self.conns[slot];
            if conn.in_flight.is_empty() {
                // No request asked for these bytes. They are a 408 before the server closes an
                // idle connection, or follow a body longer than its Content-Length.
                self.tally.unasked += 1;
                self.lost(slot, ErrorClass::Receive, &"bytes came that answer no request");
                return false;
            }
            match conn.decoder.decode(rest, &mut self.cache) {
                Err(error) => {
                    self.lost(slot, ErrorClass::Receive, &error);
                    return false;
                }
                Ok(step) => {
                    if let Some(expected) = &self.shared.plan.expect_body {
                        conn.body.add(expected, &rest[step.body]);
                    }
                    rest = &rest[step.used..];
                    if let Some(head) = step.end
                        && !self.answered(slot, head)
                    {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// The answer to the oldest request of a connection is whole. Returns whether the slot
    /// still has the same connection.
    fn answered(&mut self, slot: usize, head: ResponseHead) -> bool {
        let conn = &mut self.conns[slot];
        let Some(request) = conn.in_flight.pop_front() else { return true };
        self.in_flight -= 1;
        let mut body = std::mem::take(&mut conn.body);
        self.judge(request.from, head.status, &mut body);
        let conn = &mut self.conns[slot];
        if head.keep_alive && self.shared.plan.request.keeps_alive() {
            return true;
        }
        // The server answers no later request (RFC 9112 §9.6).
        self.in_flight -= conn.in_flight.len();
        for request in conn.in_flight.drain(..) {
            self.source.give_back(request.from);
        }
        conn.close(Link::Closed);
        self.assign(slot, usize::MAX);
        false
    }

    /// Counts a whole answer.
    pub(super) fn judge(&mut self, from: Nanos, status: u16, body: &mut BodyCheck) {
        let plan = &self.shared.plan;
        let right_body = plan.expect_body.as_ref().is_none_or(|expected| body.finish(expected));
        if !self.source.is_counted(from) {
            return;
        }
        self.settled += u64::from(!self.source.is_exhausted(self.now));
        self.tally.response(status, self.now.saturating_sub(from));
        let right_status = match plan.expect_status {
            Some(expected) => status == expected,
            None => (200..400).contains(&status),
        };
        match (right_status, right_body) {
            (true, true) => self.tally.succeeded += 1,
            (false, _) => self.tally.error(ErrorClass::Status, &format_args!("status {status}")),
            (true, false) => {
                self.tally.error(ErrorClass::Body, &"the body is not the expected one");
            }
        }
    }

    /// The peer has closed the connection.
    pub(super) fn ended(&mut self, slot: usize) {
        if self.conns[slot].is_upgrading() {
            let why = match self.conns[slot].http2 {
                Some(_) => "the server closed the connection instead of sending SETTINGS",
                None => "the server closed the connection instead of answering the upgrade",
            };
            return self.connect_failed(slot, &why);
        }
        if self.conns[slot].socket.is_some() {
            return self.broken(slot, &"the connection was closed without a close frame");
        }
        match self.conns[slot].decoder.finish() {
            Ok(Some(head)) => {
                self.answered(slot, head);
            }
            // Between two requests a server may close.
            Ok(None) => self.broken(slot, &"the connection was closed before an answer came"),
            Err(error) => self.broken(slot, &error),
        }
    }

    fn broken(&mut self, slot: usize, why: &dyn Display) {
        match self.conns[slot].send_error.take() {
            Some(error) => self.lost(slot, ErrorClass::Send, &error),
            None => self.lost(slot, ErrorClass::Receive, why),
        }
    }

    /// The connection is lost. The next request in its place opens another.
    pub(super) fn lost(&mut self, slot: usize, class: ErrorClass, why: &dyn Display) {
        self.settle(slot, class, why);
        if self.shared.broadcast.is_some() && self.is_running {
            self.tally.error(class, why);
        }
        self.conns[slot].close(Link::Closed);
        if self.is_running {
            self.assign(slot, usize::MAX);
        }
    }

    /// All requests of the connection that had no answer have failed.
    fn settle(&mut self, slot: usize, class: ErrorClass, why: &dyn Display) {
        let mut requests = std::mem::take(&mut self.conns[slot].in_flight);
        self.in_flight -= requests.len();
        for request in requests.drain(..) {
            self.failed(request.from, class, why);
        }
        // Its memory is used again.
        self.conns[slot].in_flight = requests;
    }

    /// Counts a request that has no whole answer.
    pub(super) fn failed(&mut self, from: Nanos, class: ErrorClass, why: &dyn Display) {
        if self.source.is_counted(from) {
            self.settled += u64::from(!self.source.is_exhausted(self.now));
            self.tally.error(class, why);
            // Without these a server that hangs would look fast.
            if class == ErrorClass::Timeout {
                self.tally.latency.saturating_record(self.now.saturating_sub(from));
            }
        }
    }
}
