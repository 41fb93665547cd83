//! Response encoding. Everything appends to a `Vec<u8>` that the caller owns.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use crate::class;

/// The interim response that lets a waiting client send its body (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The last second that IMF-fixdate, with its four-digit year, can write.
const LAST_DATE: u64 = 253_402_300_799;

/// Why a field cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldError {
    /// The name is empty or not a token.
    Name,
    /// The value holds a control byte: CR, LF, NUL or another.
    Value,
    /// The reason phrase holds one.
    Reason,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the field name is not a token (RFC 9110 section 5.1)",
            Self::Value => "the field value holds a control byte (RFC 9110 section 5.5)",
            Self::Reason => "the reason phrase holds a control byte (RFC 9112 section 4)",
        })
    }
}

impl Error for FieldError {}

/// The reason phrase that goes with `status`, empty for a status that has none
/// registered.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Appends the status line. A status that is not three digits is sent as 500,
/// since no client could read it.
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

/// Appends the status line with a reason phrase of the program's own. An empty one is
/// the phrase that goes with the status.
///
/// # Errors
///
/// When the phrase holds a control byte other than tab (RFC 9112 §4). Nothing is
/// appended then, so no phrase can end the line early.
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
    if name.is_empty() || class::token_end(name.as_bytes(), 0) != name.len() {
        return Err(FieldError::Name);
    }
    if class::value_end(value, 0) != value.len() {
        return Err(FieldError::Value);
    }
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

/// Whether a response with this status may have a body (RFC 9110 §6.4.1). An
/// answer to HEAD never has one, whatever its status.
#[must_use]
pub fn has_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// Whether that body may be other than empty: not with 205 (RFC 9110 §15.3.6).
#[must_use]
pub fn has_content(status: u16) -> bool {
    has_body(status) && status != 205
}

/// Appends `data` as one chunk. Empty data appends nothing: a chunk of size zero
/// would end the body.
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

/// The value of a Date field: `secs_since_epoch` as IMF-fixdate
/// (RFC 9110 §5.6.7). Times after the year 9999 are given as its last second.
#[must_use]
pub fn date(secs_since_epoch: u64) -> [u8; 29] {
    let time = UNIX_EPOCH + Duration::from_secs(secs_since_epoch.min(LAST_DATE));
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // Always 29 bytes, so the write always fits.
    let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(time));
    text
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
