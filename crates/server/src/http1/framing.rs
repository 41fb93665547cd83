//! How HTTP/1 says where a response's body ends (RFC 9112 §6.3).

use reactor_proto::{Version, response};

use crate::exchange::body::{Body, StreamBody, length_of};
use crate::exchange::response::Response;

/// What the head says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing.
    Unsaid,
    /// Its length.
    Length(u64),
    Chunked,
    /// Nothing, and it ends where the connection does.
    UntilClose,
}

impl Framing {
    /// How a response goes to a client of this version. An answer to HEAD says the length
    /// that GET's would have if that is known (RFC 9110 §9.3.2).
    pub(crate) fn of(response: &Response, version: Version, to_head: bool) -> Self {
        let status = response.status_code();
        if !response::has_body(status) {
            // 304 could say the length of the body that it leaves out, but the engine does not know
            // it. 204 must not (RFC 9110 §8.6).
            return Self::Unsaid;
        }
        let http11 = version == Version::Http11;
        let chunked = http11 && response.connection().chunked;
        let has_trailers = http11 && response.has_trailers();
        let unknown = to_head && response.has_no_length();
        match response.content() {
            _ if !response::has_content(status) => Self::Length(0),
            // Only the chunked coding has room for trailers.
            _ if has_trailers => Self::Chunked,
            Body::Stream(StreamBody { declared: Some(length), is_coded: false, .. }) => {
                Self::Length(*length)
            }
            Body::Stream(_) if unknown && http11 => Self::Unsaid,
            Body::Stream(_) if http11 => Self::Chunked,
            Body::Stream(_) => Self::UntilClose,
            Body::Bytes(bytes) if unknown && bytes.is_empty() => Self::Unsaid,
            Body::Shared(_) | Body::Lent(_) if unknown => Self::Unsaid,
            _ if chunked => Self::Chunked,
            Body::Bytes(bytes) => Self::Length(bytes.len() as u64),
            Body::Shared(bytes) => Self::Length(bytes.len() as u64),
            Body::Lent(len) => Self::Length(*len as u64),
            Body::File(file) => Self::Length(file.len()),
            // It was opened before.
            Body::Named(_) => Self::Length(0),
            Body::Parts(parts) => Self::Length(length_of(parts)),
        }
    }

    /// Appends the line that says so.
    #[inline]
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Length(length) => response::content_length(out, length),
            Self::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Self::Unsaid | Self::UntilClose => {}
        }
    }
}
