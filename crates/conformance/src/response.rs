//! A response parser that accepts only what a server should send.
//!
//! It is stricter than RFC 9112 asks of a client. The server under test has no reason to use
//! obs-fold, odd spacing, unknown framing or more than one Content-Length.

use std::fmt;

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields in order, values without surrounding space.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body, with chunked coding removed.
    pub body: Vec<u8>,
    /// Whether the body came chunked.
    pub chunked: bool,
    /// Whether the body ended with the stream (RFC 9112 §6.3, rule 8).
    pub until_close: bool,
}

impl Response {
    /// The value of a field that occurs once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let first = values.next()?;
        if values.next().is_some() { None } else { Some(&first.1) }
    }

    /// Whether the field occurs at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// Whether the Connection field lists `option`.
    #[must_use]
    pub fn connection(&self, option: &str) -> bool {
        self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case("connection")).any(
            |(_, value)| {
                value
                    .split(|byte| *byte == b',')
                    .any(|part| part.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
            },
        )
    }

    /// Whether the server says that it closes the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.connection("close")
    }
}

/// Parses responses off a byte stream.
#[derive(Debug, Default)]
pub struct ResponseParser {
    buffer: Vec<u8>,
    ended: bool,
}

/// A fault that a correct response never has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed response: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl ResponseParser {
    /// Adds bytes that came from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Tells the parser that the server has ended its stream.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Bytes that belong to no response yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// The next response, if it is complete. `to_head` says that it answers a HEAD request. No
    /// body follows then, whatever the fields say (RFC 9112 §6.3).
    ///
    /// # Errors
    ///
    /// When a strict client would refuse the bytes.
    pub fn next(&mut self, to_head: bool) -> Result<Option<Response>, Malformed> {
        let mut cursor = Cursor { bytes: &self.buffer, at: 0, ended: self.ended };
        let Some(response) = response(&mut cursor, to_head)? else { return Ok(None) };
        let used = cursor.at;
        self.buffer.drain(..used);
        Ok(Some(response))
    }
}

/// A place in the unread bytes. Its methods give `None` where bytes are missing.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    ended: bool,
}

impl<'b> Cursor<'b> {
    /// The next line without its CRLF.
    fn line(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            // A server that never ends a line must not pass for a slow one.
            return if rest.len() > 65536 { fail("a line over 64 KiB", rest) } else { Ok(None) };
        };
        let Some(line) = rest[..end].strip_suffix(b"\r") else {
            return fail("a line that ends in a bare LF", &rest[..end]);
        };
        if line.contains(&b'\r') {
            return fail("a bare CR", line);
        }
        self.at += end + 1;
        Ok(Some(line))
    }

    /// All bytes, if no more follow.
    fn rest(&mut self) -> Option<&'b [u8]> {
        self.ended.then(|| &self.bytes[std::mem::replace(&mut self.at, self.bytes.len())..])
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }
}

fn fail<T>(what: &str, bytes: &[u8]) -> Result<T, Malformed> {
    let shown = &bytes[..bytes.len().min(120)];
    Err(Malformed(format!("{what}: \"{}\"", shown.escape_ascii())))
}

fn response(cursor: &mut Cursor<'_>, to_head: bool) -> Result<Option<Response>, Malformed> {
    let Some(line) = cursor.line()? else { return Ok(None) };
    let status = status_line(line)?;
    let mut fields = Vec::new();
    loop {
        let Some(line) = cursor.line()? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    let mut response =
        Response { status, fields, body: Vec::new(), chunked: false, until_close: false };
    let Some(framing) = framing(&response, to_head)? else { return Ok(Some(response)) };
    match framing {
        Framing::Length(len) => match cursor.take(len) {
            Some(body) => response.body = body.to_vec(),
            None => return Ok(None),
        },
        Framing::Chunked => {
            response.chunked = true;
            match chunks(cursor)? {
                Some(body) => response.body = body,
                None => return Ok(None),
            }
        }
        Framing::UntilClose => {
            response.until_close = true;
            match cursor.rest() {
                Some(body) => response.body = body.to_vec(),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(response))
}

fn status_line(line: &[u8]) -> Result<u16, Malformed> {
    // RFC 9112 §4: the space after the status stays even when the reason is empty.
    let parts = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.split_at_checked(3));
    let Some((digits, [b' ', reason @ ..])) = parts else {
        return fail("no HTTP/1.1 status line", line);
    };
    let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match status {
        Some(status @ 100..=599) if digits.iter().all(u8::is_ascii_digit) => {
            if reason.iter().any(|byte| !matches!(byte, b' '..=b'~')) {
                return fail("odd bytes in the reason", line);
            }
            Ok(status)
        }
        _ => fail("a status that is none", line),
    }
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Malformed> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return fail("a field without a colon", line);
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return fail("a field name that is no token", line);
    }
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return fail("a control byte in a field value", line);
    }
    let name = String::from_utf8_lossy(name).into_owned();
    // trim_ascii would also take a form feed, but no control byte is left here.
    Ok((name, value.trim_ascii().to_vec()))
}

enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// How the body is framed; `None` when there is none (RFC 9112 §6.3).
fn framing(response: &Response, to_head: bool) -> Result<Option<Framing>, Malformed> {
    let status = response.status;
    let lengths: Vec<&[u8]> = response
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.as_slice())
        .collect();
    let chunked = response.has("transfer-encoding");
    if lengths.len() > 1 || (chunked && !lengths.is_empty()) {
        return fail("more than one framing field", format!("{:?}", response.fields).as_bytes());
    }
    if chunked && response.get("transfer-encoding") != Some(b"chunked") {
        return fail("an unknown transfer coding", format!("{:?}", response.fields).as_bytes());
    }
    if status < 200 || status == 204 {
        // RFC 9110 §8.6 and RFC 9112 §6.1 forbid both fields here.
        if chunked || !lengths.is_empty() {
            return fail("framing fields on a 1xx or 204", status.to_string().as_bytes());
        }
        return Ok(None);
    }
    let length = match lengths.first() {
        Some(digits) => {
            let text = std::str::from_utf8(digits).ok();
            let number = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            match number.and_then(|text| text.parse().ok()) {
                Some(length) => Some(length),
                None => return fail("a Content-Length that is no number", digits),
            }
        }
        None => None,
    };
    if to_head || status == 304 {
        return Ok(None);
    }
    match (chunked, length) {
        (true, _) => Ok(Some(Framing::Chunked)),
        (false, Some(length)) => Ok(Some(Framing::Length(length))),
        (false, None) if response.closes() => Ok(Some(Framing::UntilClose)),
        (false, None) => fail("a body without an end", b""),
    }
}

fn chunks(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    loop {
        let Some(line) = cursor.line()? else { return Ok(None) };
        let digits = std::str::from_utf8(line).ok();
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(len) = digits.and_then(|text| usize::from_str_radix(text, 16).ok()) else {
            return fail("a chunk size that is none", line);
        };
        if len > 0 {
            let Some(data) = cursor.take(len) else { return Ok(None) };
            body.extend_from_slice(data);
        }
        match cursor.line()? {
            None => return Ok(None),
            Some(b"") if len == 0 => return Ok(Some(body)),
            Some(b"") => {}
            Some(line) => return fail("bytes where a chunk must end", line),
        }
    }
}

#[cfg(test)]
mod tests;
