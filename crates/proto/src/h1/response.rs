//! Response encoding, with HTTP/1's framing. Everything appends to a `Vec<u8>` that the caller owns.

pub use crate::semantics::date::format as date;
pub use crate::semantics::{FieldError, has_body, has_content, reason};
use crate::semantics::{class, field};

/// The interim response that lets a waiting client send its body (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends the status line. A status that is not three digits is sent as 500, because no
/// client could read it.
pub fn status_line(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let status = if matches!(status, 100..=999) { status } else { 500 };
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(status));
    // The space before an absent reason is part of the grammar (RFC 9112 §4).
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends the status line with a reason phrase of the program's own. If it is empty, the
/// phrase of the status is sent.
///
/// # Errors
///
/// When the phrase holds a control byte other than tab (RFC 9112 §4). Nothing is appended
/// then, so no phrase can end the line early.
pub fn status_line_with(out: &mut Vec<u8>, status: u16, phrase: &[u8]) -> Result<(), FieldError> {
    if phrase.is_empty() {
        status_line(out, status);
        return Ok(());
    }
    if class::value_end(phrase, 0) != phrase.len() {
        return Err(FieldError::Reason);
    }
    let status = if matches!(status, 100..=999) { status } else { 500 };
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one field line.
///
/// # Errors
///
/// When the name is not a token or the value holds a control byte other than
/// tab. Nothing is appended then, so no value can end a line or the head early.
#[inline]
pub fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), FieldError> {
    field::check(name, value)?;
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a Content-Length field.
pub fn content_length(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(b"Content-Length: ");
    number(out, n);
    out.extend_from_slice(b"\r\n");
}

/// Appends `data` as one chunk. Empty data appends nothing, because a chunk of size zero
/// ends the body.
pub fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    out.reserve(data.len() + 20);
    hex(out, data.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, without trailers.
pub fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

fn hex(out: &mut Vec<u8>, n: usize) {
    let digits = (usize::BITS - n.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[n >> (place * 4) & 15]);
    }
}

#[cfg(test)]
mod tests;
