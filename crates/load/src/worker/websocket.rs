//! One connection as a WebSocket: the upgrade, then messages and their answers.

use reactor_proto::ws::{Event, Kind};

use super::Worker;
use crate::conn::Link;
use crate::tally::ErrorClass;
use crate::websocket::{Socket, WebSocket, limits};

/// Bytes of a broadcast that may wait for the socket. What is due beyond them goes out late.
const WAITING: usize = 1 << 20;

impl Worker {
    /// The connection is open. Asks for the upgrade.
    pub(super) fn ask(&mut self, slot: usize, plan: &WebSocket) {
        let upgrade = self.shared.plan.request.bytes();
        self.conns[slot].socket = Some(Box::new(Socket::new(plan, upgrade)));
        self.write(slot);
    }

    /// Takes bytes from the server. Returns whether the slot still has the same connection.
    pub(super) fn consume_frames(&mut self, slot: usize, bytes: &mut [u8]) -> bool {
        let shared = std::sync::Arc::clone(&self.shared);
        let (Some(plan), Some(socket)) = (&shared.plan.websocket, &mut self.conns[slot].socket)
        else {
            return false;
        };
        let stays = if !socket.is_open {
            match socket.answer(plan, bytes) {
                Ok(None) => true,
                Ok(Some(mut rest)) => {
                    self.upgraded(slot);
                    self.frames(slot, plan, &mut rest)
                }
                Err(why) => {
                    self.connect_failed(slot, &why);
                    false
                }
            }
        } else if socket.kept.is_empty() {
            self.frames(slot, plan, bytes)
        } else {
            let mut all = std::mem::take(&mut socket.kept);
            all.extend_from_slice(bytes);
            self.frames(slot, plan, &mut all)
        };
        if stays && self.conns[slot].socket.as_ref().is_some_and(|s| !s.ahead.is_empty()) {
            self.write(slot);
        }
        stays
    }

    fn frames(&mut self, slot: usize, plan: &WebSocket, bytes: &mut [u8]) -> bool {
        let mut at = 0;
        loop {
            let conn = &mut self.conns[slot];
            let Some(socket) = &mut conn.socket else { return false };
            let (used, event) = match socket.decoder.decode(&mut bytes[at..], &limits()) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.lost(slot, ErrorClass::Receive, &error);
                    return false;
                }
            };
            at += used;
            match event {
                Event::Incomplete => {
                    socket.kept.extend_from_slice(&bytes[at..]);
                    return true;
                }
                Event::Ping(payload) => socket.pong(payload),
                Event::Pong(_) => {}
                Event::Close(close) => {
                    let (code, reason) = (close.code.unwrap_or(1005), close.reason.to_owned());
                    let why = format_args!("the server closed the WebSocket: {code} {reason}");
                    self.lost(slot, ErrorClass::Receive, &why);
                    return false;
                }
                Event::Data(data) if data.compressed || plan.subscribers => {
                    let kind = data.kind;
                    let Some(whole) = socket.assembler.push(data) else { continue };
                    let mut inflated = std::mem::take(&mut self.inflated);
                    inflated.clear();
                    let message = match (&mut self.inflater, whole.compressed) {
                        (Some(inflater), true) => inflater
                            .message(kind, whole.bytes, &mut inflated, &limits())
                            .map(|()| &inflated[..]),
                        _ => Ok(whole.bytes),
                    };
                    let verdict = message.map(|message| self.shared.judge(plan, kind, message));
                    socket.assembler.clear();
                    self.inflated = inflated;
                    let stays = match verdict {
                        Ok(Verdict::Number(number)) => {
                            self.delivered(slot, number);
                            true
                        }
                        Ok(Verdict::IsRight(is_right)) => self.echoed(slot, is_right),
                        Err(error) => {
                            self.lost(slot, ErrorClass::Receive, &error);
                            false
                        }
                    };
                    if !stays {
                        return false;
                    }
                }
                Event::Data(data) => {
                    // Compared where it lies, so that large messages are not copied.
                    let expected = self.shared.expected(plan);
                    if data.kind == plan.kind {
                        conn.body.add(expected, data.payload);
                    } else {
                        conn.body.fail();
                    }
                    if data.last {
                        let is_right = conn.body.finish(expected);
                        if !self.echoed(slot, is_right) {
                            return false;
                        }
                    }
                }
            }
        }
    }

    /// The answer to the oldest message of a connection is whole.
    fn echoed(&mut self, slot: usize, is_right: bool) -> bool {
        let Some(message) = self.conns[slot].in_flight.pop_front() else {
            self.tally.unasked += 1;
            self.lost(slot, ErrorClass::Receive, &"a message came that answers none");
            return false;
        };
        self.in_flight -= 1;
        if self.source.is_counted(message.from) {
            self.settled += u64::from(!self.source.is_exhausted(self.now));
            self.tally.latency.saturating_record(self.now.saturating_sub(message.from));
            if is_right {
                self.tally.succeeded += 1;
            } else {
                self.tally.error(ErrorClass::Body, &"the answer is not the expected message");
            }
        }
        true
    }

    /// A subscriber has got a message. What the publisher itself gets does not count.
    fn delivered(&mut self, slot: usize, number: Option<u64>) {
        let Some(broadcast) = &self.shared.broadcast else { return };
        if self.is_publisher(slot) {
            return;
        }
        let conn = &mut self.conns[slot];
        let Some((number, from)) = number.and_then(|n| Some((n, broadcast.due(n)?))) else {
            self.tally.error(ErrorClass::Body, &"a message is not one that was published");
            return;
        };
        if number < conn.delivered {
            self.tally.error(ErrorClass::Body, &"a message came again, or later than one after it");
            return;
        }
        let missed = broadcast.counted(conn.delivered, number);
        self.tally.errors(ErrorClass::Receive, missed, &"messages did not come, later ones did");
        conn.delivered = number + 1;
        if self.source.is_counted(from) {
            self.tally.succeeded += 1;
            self.tally.latency.saturating_record(self.now.saturating_sub(from));
        }
    }

    /// The one connection of a broadcast that sends.
    fn is_publisher(&self, slot: usize) -> bool {
        (self.index, slot) == (0, 0)
    }

    /// Whether the connection can publish.
    pub(super) fn can_publish(&self, slot: usize) -> bool {
        let conn = &self.conns[slot];
        let has_room = |socket: &Socket| socket.is_open && socket.ahead.len() < WAITING;
        self.is_publisher(slot)
            && matches!(conn.link, Link::Open(..))
            && conn.socket.as_deref().is_some_and(has_room)
    }

    /// Sends what is due of a broadcast.
    pub(super) fn publish(&mut self, slot: usize) {
        let shared = std::sync::Arc::clone(&self.shared);
        let (Some(plan), Some(broadcast)) = (&shared.plan.websocket, &shared.broadcast) else {
            return;
        };
        while self.can_publish(slot)
            && let Some(from) = self.source.take(self.now)
            && let Some(socket) = &mut self.conns[slot].socket
        {
            let is_counted = self.source.is_counted(from);
            let number = broadcast.publish(from, is_counted);
            plan.numbered(number, self.deflater.as_mut(), &mut socket.ahead);
            if is_counted {
                self.sent_at = self.now;
                if let Some(delay) = &mut self.tally.delay {
                    delay.saturating_record(self.now.saturating_sub(from));
                }
            }
        }
        self.write(slot);
        self.list(slot);
    }

    /// Whether this thread's subscribers have all that was published, or have had their time.
    pub(super) fn is_delivered(&self) -> bool {
        let Some(broadcast) = &self.shared.broadcast else { return true };
        if self.index == 0 && self.source.is_exhausted(self.now) {
            broadcast.end(self.now);
        }
        let Some(ended) = broadcast.ended() else { return false };
        let published = broadcast.published();
        let timeout = crate::source::nanos(self.shared.plan.timeout);
        self.now >= ended.saturating_add(timeout)
            || self.subscribers().all(|slot| {
                let conn = &self.conns[slot];
                conn.delivered >= published || !matches!(conn.link, Link::Open(..))
            })
    }

    /// Counts what subscribers have not got.
    pub(super) fn count_undelivered(&mut self) {
        let shared = std::sync::Arc::clone(&self.shared);
        let Some(broadcast) = &shared.broadcast else { return };
        if shared.is_stopped() {
            return;
        }
        for slot in self.subscribers() {
            let conn = &self.conns[slot];
            let missing = broadcast.counted(conn.delivered, broadcast.published());
            let (class, why) = match conn.link {
                Link::Open(..) => (ErrorClass::Timeout, "messages did not come in time"),
                _ => (ErrorClass::Receive, "the subscriber's connection had broken"),
            };
            self.tally.errors(class, missing, &why);
            if class == ErrorClass::Timeout && missing > 0 {
                let waited = crate::source::nanos(shared.plan.timeout);
                self.tally.latency.saturating_record_n(waited, missing);
            }
        }
    }

    fn subscribers(&self) -> std::ops::Range<usize> {
        usize::from(self.index == 0)..self.conns.len()
    }

    /// Says goodbye on all connections that are not within a message. Nobody waits for an answer.
    pub(super) fn leave(&mut self) {
        for slot in 0..self.conns.len() {
            let conn = &mut self.conns[slot];
            if let (Some(socket), true) = (&mut conn.socket, conn.unwritten == 0)
                && socket.is_open
            {
                socket.close();
                self.write(slot);
            }
        }
    }
}

/// What a whole message comes to.
pub(crate) enum Verdict {
    /// Of a broadcast: its number, if it is right.
    Number(Option<u64>),
    /// Whether it is the expected answer.
    IsRight(bool),
}

impl crate::run::Shared {
    /// What each message is answered with.
    fn expected<'a>(&'a self, plan: &'a WebSocket) -> &'a [u8] {
        self.plan.expect_body.as_deref().unwrap_or(&plan.payload)
    }

    fn judge(&self, plan: &WebSocket, kind: Kind, message: &[u8]) -> Verdict {
        match plan.subscribers {
            true => Verdict::Number(plan.number_of(kind, message)),
            false => Verdict::IsRight(kind == plan.kind && message == self.expected(plan)),
        }
    }
}
