//! Whether an answer is compressed, and what its fields say then.

use reactor_proto::{Coding, Codings, Head, Method, Version, response};

use crate::exchange::body::Body;
use crate::exchange::compression::media;
use crate::exchange::compression::options::Compress;
use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It stays as it is.
    Leave,
    /// It stays as it is for this client. Another one might get it compressed, so caches must be
    /// told (RFC 9110 §12.5.5).
    Vary,
    /// It goes in this coding.
    Encode(Coding),
}

/// What of a response's fields matters.
#[derive(Default)]
struct Said<'a> {
    content_type: &'a [u8],
    /// It is compressed already, is a part, or must not be changed.
    forbids: bool,
    /// It is for one person.
    is_private: bool,
}

impl Compress {
    /// What becomes of a handler's answer. `len` is that of its body, if it is known.
    pub(crate) fn decide(&self, request: &Request, response: &Response) -> Decision {
        let len = match response.content() {
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Shared(bytes) => Some(bytes.len() as u64),
            Body::Lent(len) => Some(*len as u64),
            Body::Stream(stream) => stream.declared,
            // The file's own handler has chosen its coding.
            Body::File(_) | Body::Parts(_) | Body::Named(_) => return Decision::Leave,
        };
        let status = response.status_code();
        if !response::has_content(status)
            || matches!(status, 206 | 304)
            || response.next_protocol().is_some()
            || response.is_raw()
            || len.is_some_and(|len| len < self.threshold.max(1) as u64)
        {
            return Decision::Leave;
        }
        if request.head().method() == Method::Connect || !self.takes(response.fields().iter()) {
            return Decision::Leave;
        }
        // HTTP/1.0 has no chunks: without its length, a stream would end where the connection does.
        let is_framed = matches!(response.content(), Body::Stream(_)) && len.is_some();
        if is_framed && request.version() == Version::Http10 {
            return Decision::Vary;
        }
        self.choose(request.codings())
    }

    /// Whether the fields of an answer let it be compressed.
    pub(super) fn takes<'a>(&self, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        let mut said = Said::default();
        for (name, value) in fields {
            said.field(name, value);
        }
        !said.forbids
            && (self.private || !said.is_private)
            && media::shrinks(said.content_type, &self.types)
    }

    /// The coding for a client. Identity is sent where it refuses everything: a coding that the
    /// client cannot read helps less than one that it did not ask for.
    pub(super) fn choose(&self, codings: Codings) -> Decision {
        match codings.best(self.codings.with(Coding::Identity)) {
            None | Some(Coding::Identity) => Decision::Vary,
            Some(coding) => Decision::Encode(coding),
        }
    }

    /// The codings that an answer may be in.
    pub(super) fn written(&self) -> impl Iterator<Item = Coding> {
        let codings = self.codings;
        Coding::ALL.into_iter().filter(move |&coding| codings.has(coding))
    }
}

impl<'a> Said<'a> {
    fn field(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            12 if is(b"content-type") => self.content_type = value,
            16 if is(b"content-encoding") => {
                self.forbids |= !value.eq_ignore_ascii_case(b"identity");
            }
            13 if is(b"content-range") => self.forbids = true,
            // Digests are of the bytes that are sent (RFC 9530).
            6 if is(b"digest") => self.forbids = true,
            11 if is(b"repr-digest") || is(b"content-md5") => self.forbids = true,
            14 if is(b"content-digest") => self.forbids = true,
            10 if is(b"set-cookie") => self.is_private = true,
            13 if is(b"cache-control") => {
                for directive in value.split(|&byte| byte == b',') {
                    let end = directive.iter().position(|&byte| byte == b'=');
                    let name = directive[..end.unwrap_or(directive.len())].trim_ascii();
                    self.forbids |= name.eq_ignore_ascii_case(b"no-transform");
                    self.is_private |= name.eq_ignore_ascii_case(b"private");
                }
            }
            _ => {}
        }
    }
}

/// What the head of a request says of codings.
pub(crate) fn codings_of(head: &Head, bytes: &[u8]) -> Codings {
    let fields = head.fields().iter();
    Codings::of(fields.filter_map(|field| {
        let name = field.name.of(bytes);
        let is_it = name.len() == 15 && name.eq_ignore_ascii_case(b"accept-encoding");
        is_it.then(|| field.value.of(bytes))
    }))
}

impl Request {
    fn codings(&self) -> Codings {
        codings_of(&self.head, &self.head_bytes)
    }
}

const VARY: &[u8] = b"Vary: Accept-Encoding\r\n";

/// The answer depends on what the client accepts (RFC 9110 §12.5.5).
pub(crate) fn says_vary(response: &mut Response) {
    change(response.fields_mut().buffer(), None);
}

/// The answer is in this coding. Its tag becomes weak, as the same bytes go out in other forms, and
/// ranges of it are not served.
pub(super) fn says_coding(response: &mut Response, coding: Coding) {
    change(response.fields_mut().buffer(), Some(coding));
}

/// Changes the lines of the fields.
pub(super) fn change(lines: &mut Vec<u8>, coding: Option<Coding>) {
    let mut varies = false;
    let mut changed = Vec::with_capacity(lines.len() + 64);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
        let (name, value) = (&line[..colon], line[colon..].strip_prefix(b":").unwrap_or_default());
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is(b"vary") => {
                let members = || value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                varies |= members().any(|member| {
                    member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding")
                });
            }
            4 if coding.is_some() && is(b"etag") => {
                let tag = value.trim_ascii();
                if !tag.starts_with(b"W/") {
                    changed.extend_from_slice(name);
                    changed.extend_from_slice(b": W/");
                    changed.extend_from_slice(tag);
                    changed.extend_from_slice(b"\r\n");
                    continue;
                }
            }
            13 if coding.is_some() && is(b"accept-ranges") => continue,
            16 if coding.is_some() && is(b"content-encoding") => continue,
            _ => {}
        }
        changed.extend_from_slice(line);
    }
    if let Some(coding) = coding {
        changed.extend_from_slice(b"Content-Encoding: ");
        changed.extend_from_slice(coding.name().as_bytes());
        changed.extend_from_slice(b"\r\n");
    }
    if !varies {
        changed.extend_from_slice(VARY);
    }
    *lines = changed;
}
