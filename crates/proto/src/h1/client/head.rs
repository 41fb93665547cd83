//! Heads of responses: where they end and what they say about the body.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::error::ResponseError;
use crate::semantics::{class, content_length, has_body, list};

/// Longest head in bytes, blank line included. It bounds the memory that a connection's
/// incomplete head takes.
pub const MAX_HEAD: usize = 64 * 1024;

/// What a response head says about where the response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// How the body is delimited.
    pub framing: BodyFraming,
    /// The connection may carry another request.
    pub keep_alive: bool,
}

/// How a response's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body.
    None,
    /// Content-Length.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

/// Length of the head at the start of `buf`, blank line included, once all of it
/// is there. The first `scanned` bytes were looked at before and held no end.
///
/// # Errors
/// Faults that show in an incomplete head already. Otherwise a peer that speaks another
/// protocol would look like a slow one.
pub(super) fn length(buf: &[u8], scanned: usize) -> Result<Option<usize>, ResponseError> {
    const START: &[u8] = b"HTTP/1.";
    let seen = START.len().min(buf.len());
    if buf[..seen] != START[..seen] {
        return Err(ResponseError::StatusLine);
    }
    let mut at = scanned;
    while let Some(lf) = buf.get(at..).and_then(|rest| memchr(b'\n', rest)).map(|n| at + n) {
        if lf >= MAX_HEAD {
            return Err(ResponseError::HeadTooLarge);
        }
        if buf[lf.saturating_sub(1)] != b'\r' {
            return Err(ResponseError::BareLf);
        }
        if buf[..lf].ends_with(b"\r\n\r") {
            return Ok(Some(lf + 1));
        }
        at = lf + 1;
    }
    if buf.len() >= MAX_HEAD { Err(ResponseError::HeadTooLarge) } else { Ok(None) }
}

/// Parses a whole head. Also returns where the value of its Date field is, if it has one.
pub(super) fn parse(
    head: &[u8],
    to_head: bool,
) -> Result<(ResponseHead, Option<Range<usize>>), ResponseError> {
    let first_end = line_end(head, 0);
    let (minor, status) = status_line(&head[..first_end])?;
    let mut said = Said::default();
    let mut dates = Dates::None;
    let mut at = first_end + 2;
    loop {
        let mut end = line_end(head, at);
        if end == at {
            break;
        }
        let (name, value) = field(head, at, end)?;
        let mut bytes = Cow::Borrowed(&head[value.clone()]);
        while let Some(b' ' | b'\t') = head.get(end + 2) {
            let line = end + 2;
            end = line_end(head, line);
            unfold(bytes.to_mut(), &head[line..end])?;
        }
        let value = matches!(bytes, Cow::Borrowed(_)).then_some(value);
        match &head[name] {
            name if name.eq_ignore_ascii_case(b"content-length") => said.length(&bytes)?,
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => said.codings(&bytes)?,
            name if name.eq_ignore_ascii_case(b"connection") => said.connection(&bytes),
            name if name.eq_ignore_ascii_case(b"date") => dates.add(value),
            _ => {}
        }
        at = end + 2;
    }
    let framing = said.framing(status, minor, to_head)?;
    let persists = !said.close && (minor > 0 || said.keep_alive);
    let keep_alive = persists && framing != BodyFraming::UntilClose;
    Ok((ResponseHead { status, framing, keep_alive }, dates.only()))
}

/// Where the line at `at` ends. `length` has seen a CRLF at the end of each.
fn line_end(head: &[u8], at: usize) -> usize {
    let rest = head.get(at..).unwrap_or_default();
    memchr(b'\n', rest).map_or(head.len(), |lf| at + lf.saturating_sub(1))
}

/// The minor version and the status of `HTTP/1.x SP status [SP reason]`. Some servers leave
/// out the space before an empty reason; that does no harm.
fn status_line(line: &[u8]) -> Result<(u8, u16), ResponseError> {
    let Some((&[b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', a, b, c], reason)) =
        line.split_first_chunk::<12>()
    else {
        return Err(ResponseError::StatusLine);
    };
    let is_reason = reason.first().is_none_or(|&byte| byte == b' ')
        && class::value_end(reason, 0) == reason.len();
    let digits = [minor, a, b, c].iter().all(u8::is_ascii_digit);
    let number = |digit: u8| u16::from(digit.wrapping_sub(b'0'));
    let status = number(a).wrapping_mul(100).wrapping_add(number(b) * 10).wrapping_add(number(c));
    match (is_reason && digits, status) {
        (true, 101) => Err(ResponseError::SwitchedProtocols),
        (true, 100..=999) => Ok((minor - b'0', status)),
        _ => Err(ResponseError::StatusLine),
    }
}

/// Name and value, without its surrounding whitespace, of the line `at..end`.
fn field(
    head: &[u8],
    at: usize,
    end: usize,
) -> Result<(Range<usize>, Range<usize>), ResponseError> {
    let name_end = class::token_end(head, at).min(end);
    if name_end == at || head.get(name_end) != Some(&b':') {
        return Err(ResponseError::Field);
    }
    let mut value = name_end + 1..end;
    if class::value_end(&head[value.clone()], 0) != value.len() {
        return Err(ResponseError::Field);
    }
    while !value.is_empty() && class::is_ows(head[value.start]) {
        value.start += 1;
    }
    while !value.is_empty() && class::is_ows(head[value.end - 1]) {
        value.end -= 1;
    }
    Ok((at..name_end, value))
}

/// Appends a line that continues a field's value. A client reads the fold as one space
/// (RFC 9112 §5.2). An empty line adds nothing.
fn unfold(value: &mut Vec<u8>, line: &[u8]) -> Result<(), ResponseError> {
    if class::value_end(line, 0) != line.len() {
        return Err(ResponseError::Field);
    }
    let more = class::trim_ows(line);
    if !value.is_empty() && !more.is_empty() {
        value.push(b' ');
    }
    value.extend_from_slice(more);
    Ok(())
}

/// What the fields have said so far.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    encoded: bool,
    chunked_last: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        match content_length(value) {
            Some(length) if self.length.is_none() => {
                self.length = Some(length);
                Ok(())
            }
            _ => Err(ResponseError::ContentLength),
        }
    }

    fn codings(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        for coding in list(value) {
            let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
            let name = class::trim_ows(name);
            if name.is_empty() || class::token_end(name, 0) != name.len() {
                return Err(ResponseError::TransferEncoding);
            }
            // `chunked` has to be the last one, and only once.
            if self.chunked_last {
                return Err(ResponseError::TransferEncoding);
            }
            self.encoded = true;
            self.chunked_last = coding.eq_ignore_ascii_case(b"chunked");
        }
        if self.encoded { Ok(()) } else { Err(ResponseError::TransferEncoding) }
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn framing(&self, status: u16, minor: u8, to_head: bool) -> Result<BodyFraming, ResponseError> {
        if to_head || !has_body(status) {
            return Ok(BodyFraming::None);
        }
        match (self.encoded, self.length) {
            // RFC 9112 §6.1 and §6.3: such framing is not to be trusted.
            (true, Some(_)) => Err(ResponseError::TransferEncoding),
            (true, None) if minor == 0 => Err(ResponseError::TransferEncoding),
            (true, None) if self.chunked_last => Ok(BodyFraming::Chunked),
            (false, Some(length)) => Ok(BodyFraming::Length(length)),
            (_, None) => Ok(BodyFraming::UntilClose),
        }
    }
}

/// Where the values of Date fields are.
enum Dates {
    None,
    One(Range<usize>),
    Several,
}

impl Dates {
    /// Adds a Date field. `value` is its place if it is one line; a folded value cannot be
    /// compared byte for byte.
    fn add(&mut self, value: Option<Range<usize>>) {
        *self = match (&self, value) {
            (Self::None, Some(value)) => Self::One(value),
            _ => Self::Several,
        };
    }

    fn only(self) -> Option<Range<usize>> {
        match self {
            Self::One(value) => Some(value),
            Self::None | Self::Several => None,
        }
    }
}
