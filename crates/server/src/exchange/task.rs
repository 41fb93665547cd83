//! A request on its way to a worker, and its response on the way back.
//!
//! One box makes the whole round: the loop fills in the request, a worker
//! the response, the loop sends it and uses the box again. So in steady state
//! a request allocates nothing, and no thread frees what another allocated.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use reactor_proto::{Head, Span, Version, response};
use reactor_route::Params;

use crate::conn::connection::Meta;
use crate::dispatch::app::HandlerCell;
use crate::exchange::field_error::FieldError;

/// Buffers above this capacity are not kept for the next request.
const KEEP_CAPACITY: usize = 64 * 1024;

pub(crate) struct Task {
    pub(crate) request: Request,
    pub(crate) response: Response,
    pub(crate) handler: Option<Arc<HandlerCell>>,
    pub(crate) address: ReplyAddress,
    pub(crate) meta: Meta,
    /// The turn in which it was queued.
    pub(crate) queued_at: Instant,
    pub(crate) failed: bool,
    /// Failed, because nobody takes it: 503 instead of 500.
    pub(crate) refused: bool,
    /// For a lane: which of its routes.
    pub(crate) route: u32,
    /// For a lane: the body follows in events.
    pub(crate) body_streams: bool,
    /// For a lane: counts among the requests at handlers.
    pub(crate) at_handler: bool,
    /// For a lane: until when it has to be answered.
    pub(crate) deadline: Option<Instant>,
}

/// Where a reply belongs. A connection that is gone has another generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ReplyAddress {
    pub(crate) io_thread: usize,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    /// The request's place in the order of its connection.
    pub(crate) sequence: u32,
}

impl Task {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            request: Request::default(),
            response: Response::default(),
            handler: None,
            address: ReplyAddress::default(),
            meta: Meta::default(),
            queued_at: now,
            failed: false,
            refused: false,
            route: 0,
            body_streams: false,
            at_handler: false,
            deadline: None,
        }
    }

    /// Empties it for the next request, keeping buffers of a usual size.
    pub(crate) fn recycle(&mut self) {
        self.request.clear();
        self.response.clear();
        self.handler = None;
        self.failed = false;
        self.refused = false;
        self.body_streams = false;
        self.deadline = None;
    }
}

/// A request with its whole body, as a handler sees it.
#[derive(Default)]
pub struct Request {
    pub(crate) head: Head,
    /// The head, and behind it the path in its normal form where that is another.
    pub(crate) head_bytes: Vec<u8>,
    pub(crate) params: Params,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Option<SocketAddr>,
}

impl Request {
    /// The method as sent, for example `GET`. Methods are case-sensitive
    /// (RFC 9110 §9.1).
    #[must_use]
    pub fn method(&self) -> &str {
        // The parser lets only token characters through, all ASCII.
        std::str::from_utf8(self.slice(self.head.method_token())).unwrap_or_default()
    }

    /// The request target as sent (RFC 9112 §3.2).
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.slice(self.head.target())
    }

    /// The target's path, not decoded, without the query.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.head.path_bytes(&self.head_bytes)
    }

    /// What follows the `?` in the target.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.head.query().map(|span| self.slice(span))
    }

    /// The effective host: the target's authority, else the Host field
    /// (RFC 9112 §3.3).
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        self.head.host().map(|span| self.slice(span))
    }

    /// HTTP/1.0 or HTTP/1.1.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The fields in the order in which they came, names as sent.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.head.fields().iter().map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// The first value of field `name`, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.head.get(&self.head_bytes, name)
    }

    /// The request line and the fields as received, with the empty line.
    #[must_use]
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes[..self.head.len()]
    }

    /// [`head_bytes`](Self::head_bytes), and behind them the path that was looked up
    /// where that is not the path as sent. [`params`](Self::params) are places
    /// in these, counted from the path's.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.head_bytes
    }

    /// The whole body, chunks joined. Empty if there was none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What the route's `:name` (or `*`) matched, percent-decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.get(name, &self.head_bytes[self.head.path().start as usize..])
    }

    /// The parsed head; its spans count from the start of
    /// [`head_bytes`](Self::head_bytes).
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The route's parameters, as places in [`text`](Self::text) from the path on.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The peer's address; none on unix sockets.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn slice(&self, span: Span) -> &[u8] {
        span.of(&self.head_bytes)
    }

    fn clear(&mut self) {
        reset(&mut self.head_bytes);
        reset(&mut self.body);
        self.peer = None;
    }
}

/// The response that a handler fills in: 200 without a body, until told
/// otherwise. The server adds `Date`, `Content-Length` or the chunked coding,
/// and `Connection` where it is needed.
pub struct Response {
    status: u16,
    fields: Vec<u8>,
    body: Vec<u8>,
    /// The body, where others have it too; `body` is empty then.
    shared: Option<Arc<[u8]>>,
    chunked: bool,
    /// More of the body follows; for lanes.
    streams: bool,
    /// The length that a streaming body will have, if it was declared.
    declared: Option<u64>,
    /// `body` holds chunks already.
    framed: bool,
    /// A streaming body of neither kind has ended before its turn.
    until_close: bool,
    /// A streaming body that waits for its turn cannot be completed.
    broken: bool,
    /// Bytes of a streaming body that came so far.
    payload: usize,
    /// What length the body has is unknown, so an answer to HEAD says none.
    no_length: bool,
    /// There is an Upgrade field, so Connection has to name it.
    upgrade: bool,
    /// The reason phrase; empty for the one that goes with the status.
    phrase: Vec<u8>,
    /// The value of a Keep-Alive field, sent where the connection persists.
    keep_alive: Vec<u8>,
    /// The status line and all fields but `Date` and `Connection`, made by
    /// the worker.
    wire: Vec<u8>,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            fields: Vec::new(),
            body: Vec::new(),
            shared: None,
            chunked: false,
            streams: false,
            declared: None,
            framed: false,
            payload: 0,
            until_close: false,
            broken: false,
            no_length: false,
            upgrade: false,
            phrase: Vec::new(),
            keep_alive: Vec::new(),
            wire: Vec::new(),
        }
    }
}

impl Response {
    /// Sets the status, 200 to 999.
    ///
    /// # Errors
    /// [`FieldError::Status`] for any other number; the status stays.
    pub fn status(&mut self, status: u16) -> Result<(), FieldError> {
        check_status(status)?;
        self.status = status;
        Ok(())
    }

    /// Sets the reason phrase (RFC 9112 §4). Empty is the one that goes with the status.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] for a control character other than tab.
    pub fn phrase(&mut self, phrase: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let phrase = phrase.as_ref();
        response::status_line_with(&mut Vec::new(), self.status, phrase)?;
        self.phrase.clear();
        self.phrase.extend_from_slice(phrase);
        Ok(())
    }

    /// Adds a field. One that was added before stays, as with `Set-Cookie`. With
    /// `Upgrade`, `Connection` will name it (RFC 9110 §7.8). `Keep-Alive` is sent only
    /// where the connection persists.
    ///
    /// # Errors
    /// [`FieldError`] for a name that is no token, for a value with control
    /// characters, and for the fields that the server itself writes.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let value = value.as_ref();
        match name.len() {
            10 if name.eq_ignore_ascii_case("keep-alive") => return self.keep_alive(value),
            7 if is_upgrade(name) => self.upgrade = true,
            _ => {}
        }
        append_field(&mut self.fields, name, value)
    }

    #[cold]
    fn keep_alive(&mut self, value: &[u8]) -> Result<(), FieldError> {
        // The last one counts.
        self.keep_alive.clear();
        response::field(&mut self.keep_alive, "Keep-Alive", value)?;
        Ok(())
    }

    /// Says that how long the body of GET's answer is, and how it will be framed, is
    /// unknown: an answer to HEAD has neither `Content-Length` nor `Transfer-Encoding`
    /// then (RFC 9110 §8.6, §9.3.2).
    pub fn no_length(&mut self) {
        self.no_length = true;
    }

    /// Adds the field that says that the body is text in UTF-8.
    pub fn text(&mut self) {
        self.fields.extend_from_slice(b"Content-Type: text/plain;charset=UTF-8\r\n");
    }

    /// Adds the field that says that the body is JSON (RFC 8259).
    pub fn json(&mut self) {
        self.fields.extend_from_slice(b"Content-Type: application/json\r\n");
    }

    /// Sets the body to a copy of `bytes`.
    pub fn body(&mut self, bytes: impl AsRef<[u8]>) {
        self.shared = None;
        self.body.clear();
        self.body.extend_from_slice(bytes.as_ref());
    }

    /// Sets the body.
    pub fn body_vec(&mut self, bytes: Vec<u8>) {
        self.shared = None;
        self.body = bytes;
    }

    /// Sets the body to bytes that other responses may have too. They are not copied.
    /// For responses that are whole, see [`stream`](Self::stream).
    pub fn body_shared(&mut self, bytes: Arc<[u8]>) {
        self.body.clear();
        self.shared = Some(bytes);
    }

    /// Sends the body in the chunked coding (RFC 9112 §7.1) instead of with
    /// its length. An HTTP/1.0 client gets the length all the same.
    pub fn chunked(&mut self) {
        self.chunked = true;
    }

    /// More of the body will follow in further replies of the lane. With
    /// `length` it is declared as that long; else it goes chunked, or until
    /// the end of the connection for an HTTP/1.0 client.
    pub fn stream(&mut self, length: Option<u64>) {
        self.streams = true;
        self.declared = length;
        self.chunked = length.is_none();
    }

    /// Makes the head. Called on the worker, after the handler. An answer to HEAD says
    /// the length that GET's would have if that is known (RFC 9110 §9.3.2).
    pub(crate) fn seal(&mut self, version: Version, to_head: bool) {
        let out = &mut self.wire;
        if self.phrase.is_empty() {
            response::status_line(out, self.status);
        } else {
            let written = response::status_line_with(out, self.status, &self.phrase);
            debug_assert!(written.is_ok(), "phrase() let a bad phrase in");
        }
        out.extend_from_slice(&self.fields);
        if !response::has_content(self.status) {
            self.body.clear();
            self.shared = None;
            self.chunked = false;
            self.streams = false;
        }
        if !response::has_body(self.status) {
            // 304 could say the length of what it leaves out; we do not know
            // it. 204 must not (RFC 9110 §8.6).
            return;
        }
        self.chunked &= version == Version::Http11;
        if to_head && self.no_length && self.body.is_empty() && self.declared.is_none() {
            // Neither is known.
        } else if self.chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if !self.streams {
            let length = self.shared.as_ref().map_or(self.body.len(), |shared| shared.len());
            response::content_length(out, length as u64);
        } else if let Some(length) = self.declared {
            response::content_length(out, length);
        }
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    pub(crate) fn has_upgrade(&self) -> bool {
        self.upgrade
    }

    /// Whether it says something of the connection that goes into `Connection`.
    #[inline]
    pub(crate) fn speaks_of_connection(&self) -> bool {
        self.upgrade || !self.keep_alive.is_empty()
    }

    /// The line of a Keep-Alive field of the program's own; empty without.
    pub(crate) fn keep_alive_line(&self) -> &[u8] {
        &self.keep_alive
    }

    pub(crate) fn status_code(&self) -> u16 {
        self.status
    }

    /// Frames what there is of a streaming body; called once, when it comes in.
    pub(crate) fn begin_stream(&mut self) -> bool {
        let first = std::mem::take(&mut self.body);
        self.framed = true;
        self.append(&first)
    }

    /// Adds to a streaming body that waits for its turn. False, and nothing is added,
    /// if it would grow past its declared length.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        if self.left().is_some_and(|left| data.len() as u64 > left) {
            return false;
        }
        self.payload += data.len();
        if self.chunked {
            response::chunk(&mut self.body, data);
        } else {
            self.body.extend_from_slice(data);
        }
        true
    }

    /// Ends a streaming body that waits for its turn.
    pub(crate) fn finish_stream(&mut self) {
        if self.chunked {
            response::last_chunk(&mut self.body);
        }
        let until_close = self.ends_with_connection();
        self.streams = false;
        self.until_close = until_close;
    }

    /// Nothing more comes of a streaming body that waits for its turn, and what there
    /// is of it is not all.
    pub(crate) fn break_off(&mut self) {
        self.until_close = self.ends_with_connection();
        self.streams = false;
        self.broken = true;
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Neither chunked nor of a known length: only the end of the connection
    /// tells where it ends.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.until_close || (self.streams && !self.chunked && self.declared.is_none())
    }

    pub(crate) fn payload(&self) -> usize {
        self.payload
    }

    pub(crate) fn left(&self) -> Option<u64> {
        self.declared.map(|length| length.saturating_sub(self.payload as u64))
    }

    pub(crate) fn is_framed(&self) -> bool {
        self.framed
    }

    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.chunked
    }

    pub(crate) fn body_mut(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    pub(crate) fn take_shared(&mut self) -> Option<Arc<[u8]>> {
        self.shared.take()
    }

    /// Bytes that it takes to keep, as far as they depend on the handler.
    pub(crate) fn bytes(&self) -> usize {
        self.wire.len() + self.body.len() + self.shared.as_ref().map_or(0, |shared| shared.len())
    }

    pub(crate) fn clear(&mut self) {
        self.status = 200;
        self.chunked = false;
        self.streams = false;
        self.declared = None;
        self.framed = false;
        self.payload = 0;
        self.until_close = false;
        self.broken = false;
        self.shared = None;
        self.no_length = false;
        self.upgrade = false;
        self.phrase.clear();
        self.keep_alive.clear();
        reset(&mut self.fields);
        reset(&mut self.body);
        reset(&mut self.wire);
    }
}

pub(crate) fn check_status(status: u16) -> Result<(), FieldError> {
    if (200..=999).contains(&status) { Ok(()) } else { Err(FieldError::Status(status)) }
}

pub(crate) fn is_upgrade(name: &str) -> bool {
    name.len() == 7 && name.eq_ignore_ascii_case("upgrade")
}

pub(crate) fn append_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), FieldError> {
    const RESERVED: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(FieldError::Reserved(name.to_owned()));
    }
    Ok(response::field(out, name, value)?)
}

fn reset(buf: &mut Vec<u8>) {
    buf.clear();
    buf.shrink_to(KEEP_CAPACITY);
}
