//! Writes events into JavaScript's arrays.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use reactor_server::{
    ConnectionChange, ConnectionEvent, Exchange, ExchangeId, Framing, Lane, LaneEvent, LaneReplies,
    LaneReply, QueueWait, SocketEnd, Version,
};

use super::exchanges::Exchanges;
use super::words::{
    ACK, BODY, BODY_APART, BODY_END, BODY_STREAMS, CLOSED, FILLED, GONE, HALF_CLOSED, HAS_BODY,
    HAS_TRAILERS, HTTP_1_0, HTTP_2, INACTIVE, MESSAGE, MESSAGE_AMONG_HEADS, MESSAGE_APART,
    MESSAGE_TEXT, NOBODY, OPENED, PEER_IS_TEXT, PING, PONG, PROXIED, REFUSED, REQUEST,
    REQUEST_WORDS, REST, SECURE, SOCKET_CLOSED, THREAD_SHIFT, TIMED_OUT, TRAILERS, UNSENDABLE,
    UNSENT,
};

/// From this size on a body that came with its head stays in its task until JavaScript takes it, and
/// a piece of a body in its event. So it is copied once, to where it is wanted. In bytes.
const APART: usize = 16 * 1024;

/// Writes the events of one turn. Heads fill the bytes from the front, without gaps,
/// because JavaScript decodes them as one text. Bodies fill the bytes from the back.
pub(super) struct Fill<'a> {
    words: &'a mut [u32],
    bytes: &'a mut [u8],
    word: usize,
    /// Where the heads end.
    byte: usize,
    /// Where the bodies begin.
    bodies: usize,
    count: u32,
    /// When the turn began.
    now: Instant,
    lane: &'a Lane,
    /// Requests that have been taken out of the lane.
    begun: usize,
    waits: QueueWait<'a>,
}

/// What became of an event.
pub(super) enum Filled {
    /// It is in the arrays, or its exchange is over and it was dropped.
    Done,
    /// The arrays are full.
    NoRoom(Box<LaneEvent>),
}

impl<'a> Fill<'a> {
    pub(super) fn new(
        words: &'a mut [u32],
        bytes: &'a mut [u8],
        now: Instant,
        lane: &'a Lane,
    ) -> Self {
        let (waits, bodies) = (QueueWait::new(lane, now), bytes.len());
        Self { words, bytes, word: 0, byte: 0, bodies, count: 0, now, lane, begun: 0, waits }
    }

    /// Tells the lane how many requests were taken out of it. Returns the number of events.
    pub(super) fn finish(self) -> u32 {
        self.lane.begun(self.begun);
        self.count
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Writes why a response could not be sent. No-op where there is no room: the client
    /// has its answer, and other such events say the same.
    pub(super) fn unsendable(&mut self, id: u32, why: &str) {
        if self.room(4, why.len()) {
            let at = self.put(why.as_bytes());
            self.record(UNSENDABLE, &[id, at, length(why.len())]);
        }
    }

    pub(super) fn event(
        &mut self,
        event: LaneEvent,
        exchanges: &mut Exchanges,
        replies: &mut LaneReplies,
    ) -> Filled {
        match event {
            LaneEvent::Request(task) if task.is_late(self.now) => {
                // The engine answers it with 503, so a handler would work in vain.
                self.begun += 1;
                self.lane.answered(1);
                replies.push(LaneReply::Late(task));
                Filled::Done
            }
            LaneEvent::Request(task) => {
                if self.request(&task, exchanges.next_id()) {
                    self.begun += 1;
                    self.waits.add(&task);
                    exchanges.insert(task);
                    return Filled::Done;
                }
                Filled::NoRoom(Box::new(LaneEvent::Request(task)))
            }
            LaneEvent::Body(exchange, data) if data.len() < APART => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let Some(offset) = self.room(4, data.len()).then(|| self.put_body(&data)) else {
                    return Filled::NoRoom(Box::new(LaneEvent::Body(exchange, data)));
                };
                self.record(BODY, &[id, offset, length(data.len())]);
                Filled::Done
            }
            LaneEvent::Body(exchange, data) | LaneEvent::Rest(exchange, data) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                if !self.room(4, 0) {
                    return Filled::NoRoom(Box::new(LaneEvent::Rest(exchange, data)));
                }
                let [low, high] = words_of(data.len() as u64);
                self.record(REST, &[id, low, high]);
                exchanges.keep_piece(id, data);
                Filled::Done
            }
            LaneEvent::Filled(exchange, bytes) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let [low, high] = words_of(bytes as u64);
                self.small(event, FILLED, &[id, low, high])
            }
            LaneEvent::BodyEnd(exchange) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let filled = self.small(event, BODY_END, &[id]);
                if matches!(filled, Filled::Done) {
                    exchanges.take_back(id);
                }
                filled
            }
            LaneEvent::Trailers(exchange, ref lines) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                if !self.room(4, lines.len()) {
                    return Filled::NoRoom(Box::new(event));
                }
                let offset = self.put_body(lines);
                self.record(TRAILERS, &[id, offset, length(lines.len())]);
                Filled::Done
            }
            LaneEvent::HalfClosed(exchange) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                self.small(event, HALF_CLOSED, &[id])
            }
            LaneEvent::Ack(exchange, n) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                self.small(event, ACK, &[id, length(n)])
            }
            LaneEvent::Message(exchange, is_text, data) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let weight = LaneEvent::weight(data.len());
                if let Err(data) = self.message(id, is_text, data, exchanges) {
                    return Filled::NoRoom(Box::new(LaneEvent::Message(exchange, is_text, data)));
                }
                taken(exchange, exchanges.take(id, weight), replies);
                Filled::Done
            }
            LaneEvent::Ping(exchange, ref data) | LaneEvent::Pong(exchange, ref data) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                if !self.room(4, data.len()) {
                    return Filled::NoRoom(Box::new(event));
                }
                let kind = if let LaneEvent::Ping(..) = event { PING } else { PONG };
                let offset = self.put_body(data);
                self.record(kind, &[id, offset, length(data.len())]);
                taken(exchange, exchanges.take(id, LaneEvent::weight(data.len())), replies);
                Filled::Done
            }
            LaneEvent::SocketEnds(exchange) => {
                if self.count == 0 {
                    // JavaScript has seen to all that came before.
                    replies.push(LaneReply::Answered(exchange));
                } else {
                    exchanges.note_ending(exchange);
                }
                Filled::Done
            }
            LaneEvent::SocketMoved(exchange) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let from = exchanges.socket(id).and_then(|socket| socket.compressed_from);
                let (io_thread, slot) = exchange.place();
                let rest = [
                    [id, 0, length(io_thread), length(slot)],
                    [exchange.connection(), exchange.stream(), from.map_or(NOBODY, length), 0],
                ];
                let filled = self.small(event, SOCKET_CLOSED, rest.as_flattened());
                if matches!(filled, Filled::Done) {
                    exchanges.end(id);
                }
                filled
            }
            LaneEvent::Unsent(exchange, sent, waits) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                self.small(event, UNSENT, &[id, length(sent), u32::from(waits)])
            }
            LaneEvent::SocketClosed(exchange, ref end) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let SocketEnd { code, reason, is_clean } = &**end;
                if !self.room(6, reason.len()) {
                    return Filled::NoRoom(Box::new(event));
                }
                let offset = self.put_body(reason.as_bytes());
                let (code, reason) = (u32::from(*code), length(reason.len()));
                self.record(SOCKET_CLOSED, &[id, code, offset, reason, u32::from(*is_clean)]);
                exchanges.end(id);
                Filled::Done
            }
            LaneEvent::Connection(event) => {
                if !self.connection(&event) {
                    return Filled::NoRoom(Box::new(LaneEvent::Connection(event)));
                }
                Filled::Done
            }
            LaneEvent::Gone(exchange)
            | LaneEvent::Refused(exchange, _)
            | LaneEvent::TimedOut(exchange) => {
                let Some(id) = exchanges.id(exchange) else { return Filled::Done };
                let filled = match event {
                    LaneEvent::Refused(_, status) => {
                        self.small(event, GONE, &[id, u32::from(status)])
                    }
                    LaneEvent::Gone(_) => self.small(event, GONE, &[id, 0]),
                    _ => self.small(event, TIMED_OUT, &[id]),
                };
                if matches!(filled, Filled::Done) {
                    exchanges.end(id);
                }
                filled
            }
        }
    }

    /// Writes a message of a WebSocket. Gives it back if there is no room for it.
    fn message(
        &mut self,
        id: u32,
        is_text: bool,
        data: Vec<u8>,
        exchanges: &mut Exchanges,
    ) -> Result<(), Vec<u8>> {
        let is_apart = data.len() >= APART;
        if !self.room(5, if is_apart { 0 } else { data.len() }) {
            return Err(data);
        }
        let text = if is_text { MESSAGE_TEXT } else { 0 };
        let [flags, low, high] = if is_apart {
            let [low, high] = words_of(data.len() as u64);
            exchanges.keep_piece(id, data);
            [text | MESSAGE_APART, low, high]
        } else if is_text && data.is_ascii() {
            [text | MESSAGE_AMONG_HEADS, self.put(&data), length(data.len())]
        } else {
            [text, self.put_body(&data), length(data.len())]
        };
        self.record(MESSAGE, &[id, flags, low, high]);
        Ok(())
    }

    /// Writes what happened to a connection, if there is room for it.
    fn connection(&mut self, event: &ConnectionEvent) -> bool {
        // An IPv6 address takes 39 characters at most.
        if !self.room(7, 39) {
            return false;
        }
        let kind = match event.change {
            ConnectionChange::Opened => OPENED,
            ConnectionChange::Closed => CLOSED,
            ConnectionChange::Inactive => INACTIVE,
            ConnectionChange::Refused => REFUSED,
        };
        let (io_thread, slot) = event.connection.place();
        let (address, port, is_text) = self.peer(event.peer);
        let number = event.connection.connection();
        self.record(
            kind,
            &[length(io_thread), length(slot), number, u32::from(is_text), address, port],
        );
        true
    }

    /// A client's address and port as words of a record, and whether the address is text.
    fn peer(&mut self, peer: Option<SocketAddr>) -> (u32, u32, bool) {
        let Some(peer) = peer else { return (0, 0, false) };
        let port = u32::from(peer.port());
        match peer.ip() {
            // Without a port it would look like none. Only a balancer knows such a client.
            IpAddr::V4(ip) if port != 0 => (u32::from(ip), port, false),
            ip => {
                let text = ip.to_string();
                let at = self.put(text.as_bytes());
                (at, port | length(text.len()) << 16, true)
            }
        }
    }

    fn small(&mut self, event: LaneEvent, kind: u32, rest: &[u32]) -> Filled {
        if !self.room(1 + rest.len(), 0) {
            return Filled::NoRoom(Box::new(event));
        }
        self.record(kind, rest);
        Filled::Done
    }

    /// Writes a request, if there is room for all of it.
    fn request(&mut self, task: &Exchange, id: u32) -> bool {
        let request = task.request();
        let head = request.head();
        let head_bytes = request.text();
        let (fields, params) = (head.fields(), request.params().len());
        let trailers = request.trailers();
        let more = if trailers.is_empty() { 0 } else { 2 };
        let words = REQUEST_WORDS + 4 * fields.len() + 4 * params + more;
        let body = request.body();
        let is_apart = body.len() >= APART;
        let here: &[u8] = if is_apart { &[] } else { body };
        // An IPv6 address takes 39 characters at most.
        if !self.room(words, head_bytes.len() + here.len() + trailers.len() + 39) {
            return false;
        }
        let base = self.put(head_bytes);
        let mut place = [self.put_body(here), length(body.len())];
        if let (true, Framing::Length(declared)) = (task.body_streams(), head.framing()) {
            place = words_of(declared);
        } else if task.body_streams() {
            place = [0, 0];
        }
        let mut flags = 0;
        let mut flag = |condition: bool, bit: u32| flags |= if condition { bit } else { 0 };
        flag(request.version() == Version::Http10, HTTP_1_0);
        flag(request.version() == Version::Http2, HTTP_2);
        flag(task.body_streams(), BODY_STREAMS);
        flag(is_apart, BODY_APART);
        if let Some(facts) = request.facts() {
            flag(facts.is_secure(), SECURE);
            flag(facts.proxied.is_some(), PROXIED);
        }
        flag(task.body_streams() || !body.is_empty() || head.framing() != Framing::None, HAS_BODY);
        let (address, port, is_text) = self.peer(request.peer());
        flags |= if is_text { PEER_IS_TEXT } else { 0 };
        if more > 0 {
            flags |= HAS_TRAILERS;
            let place = [self.put_body(trailers), length(trailers.len())];
            self.words[self.word + words - 2..][..2].copy_from_slice(&place);
        }
        let logged = task.request_id();
        flags |= logged.io_thread << THREAD_SHIFT;
        let target = head.target();
        let host = head.host().unwrap_or_default();
        let out = &mut self.words[self.word..self.word + words];
        out[..REQUEST_WORDS].copy_from_slice(&[
            REQUEST | length(words) << 8,
            id,
            base,
            length(head_bytes.len()),
            head.method() as u32,
            base + target.start,
            target.end - target.start,
            length(fields.len()),
            place[0],
            place[1],
            flags,
            address,
            port,
            base + host.start,
            host.end - host.start,
            task.route(),
            length(params),
            logged.connection,
            logged.request,
            length(task.id().place().1),
        ]);
        let (field_words, param_words) = out[REQUEST_WORDS..].split_at_mut(4 * fields.len());
        for (out, field) in field_words.chunks_exact_mut(4).zip(fields) {
            out[0] = base + field.name.start;
            out[1] = field.name.end - field.name.start;
            out[2] = base + field.value.start;
            out[3] = field.value.end - field.value.start;
        }
        // Places of parameters are relative to the path.
        let path = base + head.path().start;
        for (out, (_, place)) in param_words.chunks_exact_mut(4).zip(request.params().iter()) {
            out.copy_from_slice(&[0, 0, path + length(place.start), length(place.len())]);
        }
        self.word += words;
        self.count += 1;
        true
    }

    fn room(&self, words: usize, bytes: usize) -> bool {
        self.word + words <= self.words.len() && self.byte + bytes <= self.bodies
    }

    fn put(&mut self, data: &[u8]) -> u32 {
        let at = self.byte;
        self.bytes[at..at + data.len()].copy_from_slice(data);
        self.byte += data.len();
        length(at)
    }

    fn put_body(&mut self, data: &[u8]) -> u32 {
        self.bodies -= data.len();
        self.bytes[self.bodies..self.bodies + data.len()].copy_from_slice(data);
        length(self.bodies)
    }

    fn record(&mut self, kind: u32, rest: &[u32]) {
        let words = 1 + rest.len();
        self.words[self.word] = kind | length(words) << 8;
        self.words[self.word + 1..self.word + words].copy_from_slice(rest);
        self.word += words;
        self.count += 1;
    }
}

/// Tells the engine what has been taken of a WebSocket.
fn taken(exchange: ExchangeId, bytes: Option<usize>, replies: &mut LaneReplies) {
    if let Some(bytes) = bytes {
        replies.push(LaneReply::Pull(exchange, bytes));
    }
}

/// The low and the high word of a number.
#[allow(clippy::cast_possible_truncation, reason = "the low word")]
fn words_of(n: u64) -> [u32; 2] {
    [n as u32, (n >> 32) as u32]
}

fn length(n: usize) -> u32 {
    // Lengths lie within arrays that JavaScript made, which are below 4 GiB.
    u32::try_from(n).unwrap_or(u32::MAX)
}
