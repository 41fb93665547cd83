//! From the fields of a block to a head (RFC 9113 §8).

mod check;
mod error;
mod lines;
mod told;
mod trailers;

pub use error::{MessageError, Refused};

use crate::semantics::{
    Field, Framing, Head, Limits, Method, RequestError, Span, Version, class, content_length, list,
    target,
};

/// What a field costs beside its name and value. It is what an entry of a table costs, and
/// what SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 §6.5.2).
const OVERHEAD: usize = 32;

/// A section that costs more than its limit is still decoded, because the table depends on it.
/// One that costs so many times its limit ends the connection.
const EXCESS: usize = 4;

/// The key of a WebSocket that HTTP/2 carries. Any would do: RFC 8441 §5 has no keys.
const WEBSOCKET_LINES: [(&str, &str); 3] = [
    ("upgrade", "websocket"),
    ("connection", "upgrade"),
    ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
];

/// Whether a field, by its name in any case, is about an HTTP/1 connection: no answer over HTTP/2 may
/// have it (RFC 9113 §8.2.2).
#[inline]
#[must_use]
pub fn is_of_http1(name: &[u8]) -> bool {
    // The length rules nearly every field out.
    matches!(name.len(), 2 | 7 | 10 | 16 | 17) && names_connection(name)
}

fn names_connection(name: &[u8]) -> bool {
    const NAMES: [&str; 6] =
        ["te", "upgrade", "connection", "keep-alive", "proxy-connection", "transfer-encoding"];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// Makes a [`Head`] and its text of the fields of a block, or checks a trailer section.
///
/// The text is what HTTP/1 would have sent: `GET /p HTTP/2.0`, `host: a` for `:authority`,
/// then the other fields in their order, with lower-case names. All crumbs of `cookie` become
/// one line. So whatever reads heads reads these.
///
/// It has no buffer; one can read the heads of all connections.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    most: Most,
    /// Whether `:protocol` was offered to the client (RFC 8441).
    takes_extended_connect: bool,
    /// What the fields so far cost.
    cost: usize,
    /// Lines so far. A trailer section counts here, too.
    lines: usize,
    refused: Option<Refused>,
    /// Where the next line of the head begins in its text, which may be longer.
    at: usize,
    stage: Stage,
    pseudo: Pseudo,
    said: Said,
}

/// What [`Limits`] allow this section.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    bytes: usize,
    request_line: usize,
    fields: usize,
    body: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Pseudo-fields may still come; the text has their values, one after the other.
    #[default]
    Pseudo,
    /// The text begins with a request line.
    Lines,
}

/// Where the values of the pseudo-fields are, before the request line is written.
#[derive(Clone, Copy, Debug, Default)]
struct Pseudo {
    method: Option<Span>,
    scheme: Option<Span>,
    path: Option<Span>,
    authority: Option<Span>,
    protocol: Option<Span>,
}

/// What the fields said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// The host of `:authority`, in the text.
    authority: Option<Span>,
    /// The value of the Host field, in the text.
    host: Option<Span>,
    had_host: bool,
    length: Option<u64>,
    /// The place of the cookie line among the fields.
    cookie: Option<usize>,
    /// Crumbs of the cookie have lines of their own.
    crumbled: bool,
    connect: bool,
    extended: bool,
    expect_continue: bool,
    unknown_expectation: bool,
}

impl HeadReader {
    /// Whether a client may send `:protocol`: SETTINGS_ENABLE_CONNECT_PROTOCOL was sent
    /// (RFC 8441 §3). By default not.
    pub fn takes_extended_connect(&mut self, takes: bool) {
        self.takes_extended_connect = takes;
    }

    /// A head begins.
    pub fn begin(&mut self, limits: &Limits) {
        let bytes = limits.head.min(u32::MAX as usize);
        let request_line = limits.request_line.min(bytes.saturating_sub(2));
        let most = Most { bytes, request_line, fields: limits.fields, body: limits.body };
        *self =
            Self { most, takes_extended_connect: self.takes_extended_connect, ..Self::default() };
    }

    /// Takes the next field of the head. Both `text` and `head` are overwritten from the first
    /// on; they belong to this head until [`finish`](Self::finish).
    pub fn field(&mut self, name: &[u8], value: &[u8], text: &mut Vec<u8>, head: &mut Head) {
        self.known_field(name, value, false, text, head);
    }

    /// As [`field`](Self::field). Returns whether the bytes of the name and the value are
    /// sound. `is_sound` tells that they were found to be.
    #[inline]
    pub fn known_field(
        &mut self,
        name: &[u8],
        value: &[u8],
        is_sound: bool,
        text: &mut Vec<u8>,
        head: &mut Head,
    ) -> bool {
        if !self.charge(name, value, RequestError::HeadTooLarge) {
            return false;
        }
        let is_pseudo = name.first() == Some(&b':');
        if !is_sound && let Err(error) = check::field(name, value, is_pseudo) {
            self.refused = Some(error.into());
            return false;
        }
        let result = match self.stage {
            _ if is_pseudo => self.pseudo_field(name, value, text),
            Stage::Lines => self.line(name, value, text, head),
            Stage::Pseudo => {
                self.request_line(text, head).and_then(|()| self.line(name, value, text, head))
            }
        };
        if let Err(refused) = result {
            self.refused = Some(refused);
        }
        true
    }

    /// The head is complete: `text` is its bytes, and `head` what they mean. `end_stream` tells
    /// that the request has no body.
    ///
    /// [`Framing::None`] without `end_stream` is a Content-Length of 0, or an extended CONNECT,
    /// whose bytes are no body. [`Framing::Chunked`] is a body without a length.
    ///
    /// # Errors
    ///
    /// The first fault. The method of `head` is then that of the request, as far as it was told.
    /// `text` is the lines so far, or nothing if the request has no method or target.
    pub fn finish(
        &mut self,
        end_stream: bool,
        text: &mut Vec<u8>,
        head: &mut Head,
    ) -> Result<(), Refused> {
        let result = self.complete(end_stream, text, head);
        if result.is_err() {
            self.leave_told(text, head);
        }
        result
    }

    fn complete(
        &mut self,
        end_stream: bool,
        text: &mut Vec<u8>,
        head: &mut Head,
    ) -> Result<(), Refused> {
        self.verdict()?;
        if self.stage == Stage::Pseudo {
            self.request_line(text, head)?;
        }
        text.truncate(self.at);
        if self.said.crumbled {
            lines::join_crumbs(text, head);
            self.at = text.len();
            let host = head.fields.iter().find(|field| field.name.of(text) == b"host");
            self.said.host = host.map(|field| field.value);
        }
        head.host = Some(self.host(text, head)?);
        head.framing = self.framing(end_stream)?;
        if self.said.unknown_expectation {
            return Err(RequestError::ExpectationUnknown.into());
        }
        head.expect_continue = self.said.expect_continue && head.framing != Framing::None;
        head.extended_connect = self.said.extended;
        head.upgrade = self.said.extended;
        if self.said.extended {
            for (name, value) in WEBSOCKET_LINES {
                lines::push(name.as_bytes(), value.as_bytes(), &mut self.at, text, head);
            }
        }
        text.truncate(self.at);
        text.extend_from_slice(b"\r\n");
        head.len = text.len();
        Ok(())
    }

    /// Counts a field. Returns whether it is to be looked at.
    #[inline]
    fn charge(&mut self, name: &[u8], value: &[u8], over: RequestError) -> bool {
        self.cost = self.cost.saturating_add(name.len() + value.len() + OVERHEAD);
        if self.cost > self.most.bytes && self.refused.is_none() {
            self.refused = Some(over.into());
        }
        self.refused.is_none()
    }

    fn verdict(&self) -> Result<(), Refused> {
        match self.refused {
            Some(_) if self.cost > self.most.bytes.saturating_mul(EXCESS) => Err(Refused::TooMuch),
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    fn pseudo_field(
        &mut self,
        name: &[u8],
        value: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        if self.stage != Stage::Pseudo {
            return Err(MessageError::PseudoLate.into());
        }
        let place = match name {
            b":method" => &mut self.pseudo.method,
            b":scheme" => &mut self.pseudo.scheme,
            b":path" => &mut self.pseudo.path,
            b":authority" => &mut self.pseudo.authority,
            b":protocol" if self.takes_extended_connect => &mut self.pseudo.protocol,
            _ => return Err(MessageError::PseudoUnknown.into()),
        };
        let start = self.at;
        if place.is_some() {
            return Err(MessageError::PseudoRepeated.into());
        }
        *place = Some(Span::new(start, start + value.len()));
        lines::room(text, start, value.len()).copy_from_slice(value);
        self.at += value.len();
        Ok(())
    }

    /// Writes the request line and the line of `:authority` in place of the raw values.
    fn request_line(&mut self, text: &mut Vec<u8>, head: &mut Head) -> Result<(), Refused> {
        let Pseudo { method, scheme, path, authority, protocol } = self.pseudo;
        let method = method.ok_or(MessageError::PseudoMissing)?;
        let token = method.of(text);
        if token.is_empty() || class::token_end(token, 0) != token.len() {
            return Err(MessageError::MethodInvalid.into());
        }
        self.said.connect = token == b"CONNECT" && protocol.is_none();
        self.said.extended = protocol.is_some();
        let target = match (scheme, path, authority) {
            (None, None, Some(authority)) if self.said.connect => authority,
            (None, None, None) if self.said.connect => {
                return Err(MessageError::PseudoMissing.into());
            }
            _ if self.said.connect => return Err(MessageError::PseudoUnexpected.into()),
            (Some(_), Some(path), _) => path,
            _ => return Err(MessageError::PseudoMissing.into()),
        };
        let secure = match scheme {
            Some(scheme) => check::is_https(scheme.of(text))?,
            None => false,
        };
        if let Some(protocol) = protocol {
            if token != b"CONNECT" {
                return Err(MessageError::PseudoUnexpected.into());
            }
            if !protocol.of(text).eq_ignore_ascii_case(b"websocket") {
                return Err(RequestError::ProtocolUnsupported.into());
            }
        }
        if target.is_empty() && !self.said.connect {
            return Err(MessageError::PathEmpty.into());
        }
        let longest = self.most.request_line;
        if method.len() > longest {
            return Err(RequestError::MethodTooLong.into());
        }
        if method.len() + target.len() + " ".len() + " HTTP/2.0".len() > longest {
            return Err(RequestError::RequestLineTooLong.into());
        }
        self.write_request_line(method, target, text, head);
        self.check_target(text, head)?;
        head.secure = secure;
        Ok(())
    }

    fn write_request_line(
        &mut self,
        method: Span,
        target: Span,
        text: &mut Vec<u8>,
        head: &mut Head,
    ) {
        const VERSION: &[u8] = b" HTTP/2.0\r\n";
        // Behind the raw values at first: then it moves to their place.
        let raw = self.at;
        let authority = self.pseudo.authority;
        let host = authority.map_or(0, |authority| "host: \r\n".len() + authority.len());
        let len = method.len().max("GET".len()) + " ".len() + target.len() + VERSION.len() + host;
        let (values, line) = lines::room(text, 0, raw + len).split_at_mut(raw);
        let mut at = 0;
        let mut put = |part: &[u8]| {
            line[at..at + part.len()].copy_from_slice(part);
            at += part.len();
            Span::new(at - part.len(), at)
        };
        let token = if self.said.extended { b"GET" } else { method.of(values) };
        head.method = Method::from_token(token);
        head.method_token = put(token);
        put(b" ");
        head.target = put(target.of(values));
        put(VERSION);
        head.fields.clear();
        if let Some(authority) = authority {
            let name = put(b"host");
            put(b": ");
            let value = put(authority.of(values));
            put(b"\r\n");
            head.fields.push(Field { name, value });
            self.said.authority = Some(value);
            self.lines = 1;
        }
        text.copy_within(raw..raw + at, 0);
        self.at = at;
        self.stage = Stage::Lines;
        head.version = Version::Http2;
        head.keep_alive = true;
    }

    /// The target passes what it must pass in HTTP/1, except that it is no URL.
    fn check_target(&self, text: &[u8], head: &mut Head) -> Result<(), Refused> {
        let Span { start, end } = head.target;
        if target::end(text, start as usize) != end as usize {
            return Err(RequestError::TargetInvalid.into());
        }
        let bytes = head.target.of(text);
        if !self.said.connect && bytes.first() != Some(&b'/') && bytes != b"*" {
            return Err(RequestError::TargetFormInvalid.into());
        }
        Ok(target::parse(text, head)?)
    }

    /// Takes a field that is not a pseudo-field.
    #[inline]
    fn line(
        &mut self,
        name: &[u8],
        value: &[u8],
        text: &mut Vec<u8>,
        head: &mut Head,
    ) -> Result<(), Refused> {
        // The length rules nearly every field out; only then are names compared.
        match name.len() {
            2 | 10 | 16 => check::hop(name, value)?,
            17 if self.said.extended && name == b"sec-websocket-key" => return Ok(()),
            17 => check::hop(name, value)?,
            4 if name == b"host" => {
                if std::mem::replace(&mut self.said.had_host, true) {
                    return Err(RequestError::HostRepeated.into());
                }
                if let Some(authority) = self.said.authority {
                    return match authority.of(text).eq_ignore_ascii_case(value) {
                        true => Ok(()),
                        false => Err(MessageError::HostDiffers.into()),
                    };
                }
                self.push(name, value, text, head)?;
                self.said.host = head.fields.last().map(|field| field.value);
                return Ok(());
            }
            6 if name == b"cookie" => return self.cookie(value, text, head),
            6 if name == b"expect" => self.expect(value),
            7 if name == b"upgrade" => return Err(MessageError::ConnectionField.into()),
            14 if name == b"content-length" => {
                let length = content_length(value).ok_or(RequestError::ContentLengthInvalid)?;
                if self.said.length.replace(length).is_some() {
                    return Err(RequestError::ContentLengthRepeated.into());
                }
            }
            _ => {}
        }
        self.push(name, value, text, head)
    }

    #[inline]
    fn push(
        &mut self,
        name: &[u8],
        value: &[u8],
        text: &mut Vec<u8>,
        head: &mut Head,
    ) -> Result<(), Refused> {
        if self.lines >= self.most.fields {
            return Err(RequestError::TooManyFields.into());
        }
        self.lines += 1;
        lines::push(name, value, &mut self.at, text, head);
        Ok(())
    }

    /// Joins the crumbs of a cookie to one line (RFC 9113 §8.2.3). Clients send them one after
    /// the other. If other fields are between them, they are joined at the end.
    fn cookie(&mut self, value: &[u8], text: &mut Vec<u8>, head: &mut Head) -> Result<(), Refused> {
        let count = head.fields.len();
        match self.said.cookie {
            None => {
                self.said.cookie = Some(count);
                self.push(b"cookie", value, text, head)
            }
            Some(at) if at + 1 == count => {
                if let Some(field) = head.fields.last_mut() {
                    let between: &[u8] = match value.is_empty() || field.value.is_empty() {
                        true => b"",
                        false => b"; ",
                    };
                    let mut at = field.value.end as usize;
                    for part in [between, value, b"\r\n"] {
                        lines::room(text, at, part.len()).copy_from_slice(part);
                        at += part.len();
                    }
                    field.value.end = Span::new(0, at - "\r\n".len()).end;
                    self.at = at;
                }
                Ok(())
            }
            Some(_) => {
                self.said.crumbled = true;
                lines::push(b"cookie", value, &mut self.at, text, head);
                Ok(())
            }
        }
    }

    #[cold]
    fn expect(&mut self, value: &[u8]) {
        for expectation in list(value) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.said.expect_continue = true;
            } else {
                self.said.unknown_expectation = true;
            }
        }
    }

    /// The host that the request is for. `:authority` counts before Host, which is equal.
    fn host(&self, text: &[u8], head: &mut Head) -> Result<Span, Refused> {
        if self.said.connect {
            // Checked with the target.
            return head.authority.ok_or(RequestError::HostMissing.into());
        }
        let host = self.said.authority.or(self.said.host).ok_or(RequestError::HostMissing)?;
        if host.is_empty() {
            return Err(RequestError::HostEmpty.into());
        }
        if !head.is_valid_host(host.of(text)) {
            return Err(RequestError::HostInvalid.into());
        }
        Ok(host)
    }

    fn framing(&self, end_stream: bool) -> Result<Framing, Refused> {
        match self.said.length {
            Some(length) if length > 0 && (end_stream || self.said.extended) => {
                Err(MessageError::LengthWithoutBody.into())
            }
            Some(length) if length > self.most.body => Err(RequestError::BodyTooLarge.into()),
            Some(length) if length > 0 => Ok(Framing::Length(length)),
            None if !end_stream && !self.said.extended => Ok(Framing::Chunked),
            _ => Ok(Framing::None),
        }
    }
}

#[cfg(test)]
mod tests;
