//! A response as a handler makes it, whatever protocol carries it.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use reactor_proto::{Coding, response};

use crate::exchange::body::{Body, FileRange, NamedFile, Part, StreamBody, StreamState};
use crate::exchange::field_error::FieldError;
use crate::exchange::fields::FieldList;
use crate::exchange::reuse::{KEEP_CAPACITY, reset};
use crate::exchange::switch::NextProtocol;

/// The response that a handler fills in: 200 without a body, until told
/// otherwise. The server adds `Date`, the fields that say where the body ends,
/// and `Connection` where it is needed.
pub struct Response {
    status: u16,
    fields: FieldList,
    body: Body,
    trailers: FieldList,
    /// Trailers come behind its body.
    trailers_follow: bool,
    /// The protocol that the connection goes on with.
    next: Option<NextProtocol>,
    /// The program writes the answer as it is.
    is_raw: bool,
    /// The length of the answer to GET is unknown.
    no_length: bool,
    connection: ConnectionWords,
    pub(crate) compression: CompressionState,
}

/// Whether a response is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CompressionState {
    /// That is not decided.
    #[default]
    Open,
    /// A worker compresses its body.
    Away(Coding),
    /// It has been, or is not.
    Done,
}

/// What a program says of the connection itself. Only HTTP/1 carries it (RFC 9113 §8.2.2).
#[derive(Default)]
pub(crate) struct ConnectionWords {
    /// The body goes in the chunked coding though its length is known.
    pub(crate) chunked: bool,
    /// There is an Upgrade field, which Connection must name.
    pub(crate) upgrade: bool,
    /// The reason phrase; empty for the one that goes with the status.
    pub(crate) phrase: Vec<u8>,
    /// The line of a Keep-Alive field, sent where the connection persists.
    pub(crate) keep_alive: Vec<u8>,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            fields: FieldList::default(),
            body: Body::default(),
            trailers: FieldList::default(),
            trailers_follow: false,
            next: None,
            is_raw: false,
            no_length: false,
            connection: ConnectionWords::default(),
            compression: CompressionState::Open,
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
        self.connection.phrase.clear();
        self.connection.phrase.extend_from_slice(phrase);
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
            7 if is_upgrade(name) => self.connection.upgrade = true,
            _ => {}
        }
        self.fields.push_own(name, value)
    }

    #[cold]
    fn keep_alive(&mut self, value: &[u8]) -> Result<(), FieldError> {
        // The last one counts.
        self.connection.keep_alive.clear();
        response::field(&mut self.connection.keep_alive, "Keep-Alive", value)?;
        Ok(())
    }

    /// Adds a trailer field (RFC 9110 §6.5). The response then goes in the chunked coding
    /// over HTTP/1.1. Clients that did not send `TE: trailers` do not get the trailers.
    ///
    /// # Errors
    /// As [`FieldList::trailer`].
    pub fn trailer(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.trailers.trailer(name, value)
    }

    /// Says that trailers come behind a body that streams; see
    /// [`LaneReply::Trailers`](crate::LaneReply::Trailers).
    pub fn trailers_follow(&mut self) {
        self.trailers_follow = true;
    }

    /// Says that the length and the framing of GET's answer are unknown. An answer to HEAD then has
    /// neither `Content-Length` nor `Transfer-Encoding` (RFC 9110 §8.6, §9.3.2).
    pub fn no_length(&mut self) {
        self.no_length = true;
    }

    /// Adds the field that says that the body is text in UTF-8.
    pub fn text(&mut self) {
        self.fields.push_line(b"Content-Type: text/plain;charset=UTF-8\r\n");
    }

    /// Adds the field that says that the body is JSON (RFC 8259).
    pub fn json(&mut self) {
        self.fields.push_line(b"Content-Type: application/json\r\n");
    }

    /// Sets a status that is known to be right.
    pub(crate) fn set_status(&mut self, status: u16) {
        debug_assert!(check_status(status).is_ok());
        self.status = status;
    }

    /// Adds a field that is known to be right.
    pub(crate) fn field_line(&mut self, name: &'static str, value: &[u8]) {
        let added = self.fields.push(name, value);
        debug_assert!(added.is_ok(), "{name} is wrong");
    }

    /// Adds bytes of whole lines that are known to be right.
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        self.fields.buffer().extend_from_slice(lines);
    }

    /// Sets the body to a copy of `bytes`.
    pub fn body(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match &mut self.body {
            Body::Bytes(body) | Body::Stream(StreamBody { early: body, .. }) => {
                body.clear();
                body.extend_from_slice(bytes);
            }
            Body::Shared(_) | Body::Lent(_) | Body::File(_) | Body::Named(_) | Body::Parts(_) => {
                self.body = Body::Bytes(bytes.to_vec());
            }
        }
    }

    /// Sets the body.
    pub fn body_vec(&mut self, bytes: Vec<u8>) {
        match &mut self.body {
            Body::Stream(stream) => stream.early = bytes,
            body => *body = Body::Bytes(bytes),
        }
    }

    /// Sets the body to bytes that other responses may have too. They are not copied.
    pub fn body_shared(&mut self, bytes: Arc<[u8]>) {
        self.body = Body::Shared(bytes);
    }

    /// Sets the body to so many bytes that the caller lends while the response is written.
    pub(crate) fn body_lent(&mut self, len: usize) {
        self.body = Body::Lent(len);
    }

    /// Sets the body to a part of a file, in bytes from its beginning. It is read when it
    /// is sent. Where the file is shorter by then, the connection is broken off, so that
    /// the client does not take a part for the whole.
    pub fn body_file(&mut self, file: Arc<File>, range: Range<u64>) {
        self.body = Body::File(FileRange::new(file, range));
    }

    /// The same with all of a file whose pages were in memory a moment ago.
    pub(crate) fn body_warm_file(&mut self, file: Arc<File>, size: u64) {
        self.body = Body::File(FileRange { file, range: 0..size, warm_to: size });
    }

    /// Sets the body to the bytes in `range` of the file at an absolute `path`. The engine opens it,
    /// and with status 200 answers conditions and ranges of the request, unless the fields have
    /// `Content-Range` or `Content-Encoding`. It adds `ETag` and `Last-Modified` where they are
    /// missing. A file that cannot be opened makes the answer a 500.
    pub fn body_path(&mut self, path: impl Into<Vec<u8>>, range: Range<u64>) {
        self.body = Body::Named(Box::new(NamedFile { path: path.into(), range }));
    }

    /// The same, of one that was taken.
    pub(crate) fn body_named(&mut self, file: Box<NamedFile>) {
        self.body = Body::Named(file);
    }

    /// The file to open, if the body is one.
    pub(crate) fn take_named_file(&mut self) -> Option<Box<NamedFile>> {
        match std::mem::take(&mut self.body) {
            Body::Named(file) => Some(file),
            body => {
                self.body = body;
                None
            }
        }
    }

    #[inline]
    pub(crate) fn has_named_file(&self) -> bool {
        matches!(self.body, Body::Named(_))
    }

    /// Sets the body to parts of a file and what is between them.
    pub(crate) fn body_parts(&mut self, parts: Vec<Part>) {
        self.body = Body::Parts(parts);
    }

    /// Sends the body in the chunked coding (RFC 9112 §7.1) instead of with
    /// its length. An HTTP/1.0 client gets the length all the same.
    pub fn chunked(&mut self) {
        self.connection.chunked = true;
    }

    /// Makes the body a streaming one: what it has now is the beginning, and further replies of the
    /// lane bring the rest. `length` declares its length. Without it, HTTP/1.1 sends the body
    /// chunked, and HTTP/1.0 until the end of the connection.
    pub fn stream(&mut self, length: Option<u64>) {
        let early = match std::mem::take(&mut self.body) {
            Body::Bytes(bytes) => bytes,
            Body::Shared(bytes) => bytes.to_vec(),
            Body::Lent(_) | Body::File(_) | Body::Named(_) | Body::Parts(_) => Vec::new(),
            Body::Stream(stream) => stream.early,
        };
        self.body = Body::Stream(StreamBody {
            declared: length,
            early,
            state: StreamState::Open,
            is_coded: false,
            coder: None,
        });
    }

    /// Has the connection go on with another protocol, which the client has offered. The status
    /// becomes 101 (RFC 9110 §15.2.2). The answer is a 500 where the client has not offered it, or
    /// closes the connection.
    pub(crate) fn switch_protocols(&mut self, next: NextProtocol) {
        self.status = 101;
        self.next = Some(next);
    }

    /// Takes the connection over: it goes on with bytes as they are, in both directions, and the
    /// program writes the answer to this request, too. The answer is a 500 where the client has not
    /// offered another protocol.
    pub fn pipe(&mut self) {
        self.switch_protocols(NextProtocol::Pipe { stream: 0 });
        self.is_raw = true;
    }

    /// Whether the program writes the answer as it is.
    pub(crate) fn is_raw(&self) -> bool {
        self.is_raw
    }

    pub(crate) fn next_protocol(&self) -> Option<&NextProtocol> {
        self.next.as_ref()
    }

    pub(crate) fn take_next_protocol(&mut self) -> Option<NextProtocol> {
        self.next.take()
    }

    pub(crate) fn status_code(&self) -> u16 {
        self.status
    }

    pub(crate) fn fields(&self) -> &FieldList {
        &self.fields
    }

    pub(crate) fn fields_mut(&mut self) -> &mut FieldList {
        &mut self.fields
    }

    pub(crate) fn trailers(&self) -> &FieldList {
        &self.trailers
    }

    /// The trailers of a body that streams have come.
    pub(crate) fn set_trailers(&mut self, trailers: FieldList) {
        self.trailers = trailers;
    }

    /// Whether trailers come behind its body, or may come.
    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers_follow || !self.trailers.is_empty()
    }

    pub(crate) fn connection(&self) -> &ConnectionWords {
        &self.connection
    }

    pub(crate) fn has_no_length(&self) -> bool {
        self.no_length
    }

    pub(crate) fn content(&self) -> &Body {
        &self.body
    }

    pub(crate) fn content_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body, if it is one that streams. A status that has no content has none
    /// (RFC 9110 §15.3.5).
    pub(crate) fn stream_body(&self) -> Option<&StreamBody> {
        match &self.body {
            Body::Stream(stream) if response::has_content(self.status) => Some(stream),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn stream_body_mut(&mut self) -> Option<&mut StreamBody> {
        match &mut self.body {
            Body::Stream(stream) if response::has_content(self.status) => Some(stream),
            _ => None,
        }
    }

    /// The same, while more of it is to come.
    pub(crate) fn open_stream(&mut self) -> Option<&mut StreamBody> {
        match &mut self.body {
            Body::Stream(stream)
                if stream.state == StreamState::Open && response::has_content(self.status) =>
            {
                Some(stream)
            }
            _ => None,
        }
    }

    /// The beginning of a body that streams has come. False if that is more than was declared.
    pub(crate) fn begin_stream(&mut self) -> bool {
        let Some(body) = self.stream_body() else { return true };
        let (is_empty, fits) = (body.early.is_empty(), body.fits());
        // Once bytes have come, the framing of GET's answer is known.
        self.no_length &= is_empty;
        fits
    }

    /// Whether more of the body is to come.
    pub(crate) fn streams(&self) -> bool {
        self.stream_body().is_some_and(|stream| stream.state == StreamState::Open)
    }

    /// Whether it streamed, and ends before it is complete.
    pub(crate) fn is_broken(&self) -> bool {
        self.stream_body().is_some_and(|stream| stream.state == StreamState::Broken)
    }

    /// Whether it says something of the connection that belongs into `Connection`.
    #[inline]
    pub(crate) fn speaks_of_connection(&self) -> bool {
        self.connection.upgrade || !self.connection.keep_alive.is_empty()
    }

    /// Bytes that it holds, as far as they depend on the handler.
    pub(crate) fn held(&self) -> usize {
        self.fields.lines().len() + self.trailers.lines().len() + self.body.held()
    }

    pub(crate) fn clear(&mut self) {
        self.status = 200;
        self.next = None;
        self.is_raw = false;
        self.no_length = false;
        self.trailers_follow = false;
        self.compression = CompressionState::Open;
        let ConnectionWords { chunked, upgrade, phrase, keep_alive } = &mut self.connection;
        (*chunked, *upgrade) = (false, false);
        phrase.clear();
        keep_alive.clear();
        reset(self.fields.buffer());
        self.trailers.buffer().clear();
        self.body.clear(KEEP_CAPACITY);
    }
}

pub(crate) fn check_status(status: u16) -> Result<(), FieldError> {
    if (200..=999).contains(&status) { Ok(()) } else { Err(FieldError::Status(status)) }
}

pub(crate) fn is_upgrade(name: &str) -> bool {
    name.len() == 7 && name.eq_ignore_ascii_case("upgrade")
}
