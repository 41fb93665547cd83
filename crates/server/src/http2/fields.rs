//! The fields that the engine itself adds to an answer.

use reactor_proto::h2::hpack::{HpackEncoder, Indexing};
use reactor_proto::response;

use crate::exchange::body::{Body, StreamBody, length_of};
use crate::exchange::response::Response;

/// The field `date`, whose value is in this line of HTTP/1. It is not indexed, because it changes
/// each second (RFC 7541 §6.2.2: the name is entry 33 of the static table).
#[inline]
pub(crate) fn write_date(buf: &mut Vec<u8>, line: &[u8; 37]) {
    const VALUE: std::ops::Range<usize> = 6..35;
    buf.extend_from_slice(&[0x0f, 33 - 15, 29]);
    buf.extend_from_slice(&line[VALUE]);
}

/// The field `content-length`.
pub(crate) fn write_length(encoder: &mut HpackEncoder, buf: &mut Vec<u8>, length: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(length).as_bytes();
    encoder.field(buf, b"content-length", digits, Indexing::Plain);
}

/// What `content-length` says. An answer to HEAD says what GET's would, if that is known
/// (RFC 9110 §9.3.2).
pub(crate) fn declared_length(response: &Response, to_head: bool) -> Option<u64> {
    let status = response.status_code();
    if !response::has_body(status) {
        return None;
    }
    if !response::has_content(status) {
        return Some(0);
    }
    let unknown = to_head && response.has_no_length();
    match response.content() {
        Body::Stream(StreamBody { is_coded: true, .. }) => None,
        Body::Stream(StreamBody { declared, .. }) => *declared,
        Body::Bytes(bytes) if unknown && bytes.is_empty() => None,
        Body::Shared(_) | Body::Lent(_) if unknown => None,
        // The program wants no length to be said.
        _ if response.connection().chunked => None,
        Body::Bytes(bytes) => Some(bytes.len() as u64),
        Body::Shared(bytes) => Some(bytes.len() as u64),
        Body::Lent(len) => Some(*len as u64),
        Body::File(file) => Some(file.len()),
        Body::Named(_) => Some(0),
        Body::Parts(parts) => Some(length_of(parts)),
    }
}
