//! What the fields of a head mean for the connection: host, body framing, persistence,
//! expectations.
//!
//! Runs once per head, when all its lines are well-formed. So a fault found here never
//! depends on how the head arrived.

use crate::semantics::{
    Framing, Head, Limits, RequestError, Span, Version, class, content_length, list,
};

/// Adds the meaning of its fields to `head`, which was parsed from `buf`.
#[inline]
pub(crate) fn apply(buf: &[u8], head: &mut Head, limits: &Limits) -> Result<(), RequestError> {
    let mut said = Said::default();
    for field in &head.fields {
        let name = field.name.of(buf);
        // The length rules nearly every field out; only then are names compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => said.host(field.value)?,
            6 if name.eq_ignore_ascii_case(b"expect") => said.expect(field.value.of(buf)),
            7 if name.eq_ignore_ascii_case(b"upgrade") => said.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                said.connection(field.value.of(buf));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                said.length(field.value.of(buf))?;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                said.codings.get_or_insert_default().add(field.value.of(buf))?;
            }
            _ => {}
        }
    }

    let http11 = head.version == Version::Http11;
    head.host = host(buf, head, said.host, http11)?;
    head.framing = said.framing(http11, limits)?;
    head.keep_alive = !said.close && (http11 || said.keep_alive);
    head.extended_connect = false;
    head.upgrade = http11 && said.upgrade && said.upgrade_option;
    // HTTP/1.0 has no expectations (RFC 9110 §10.1.1).
    if http11 && said.unknown_expectation {
        return Err(RequestError::ExpectationUnknown);
    }
    head.expect_continue = http11 && said.expect_continue && head.framing != Framing::None;
    Ok(())
}

/// What has been read from the fields so far.
#[derive(Default)]
struct Said {
    host: Option<Span>,
    length: Option<u64>,
    codings: Option<Codings>,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade: bool,
    expect_continue: bool,
    unknown_expectation: bool,
}

impl Said {
    #[inline]
    fn host(&mut self, value: Span) -> Result<(), RequestError> {
        match self.host.replace(value) {
            None => Ok(()),
            Some(_) => Err(RequestError::HostRepeated),
        }
    }

    /// Even an equal second length is refused. A proxy may read one and this server the
    /// other; if one of them is changed on the way, a request is smuggled.
    fn length(&mut self, value: &[u8]) -> Result<(), RequestError> {
        match self.length.replace(content_length(value).ok_or(RequestError::ContentLengthInvalid)?)
        {
            None => Ok(()),
            Some(_) => Err(RequestError::ContentLengthRepeated),
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_option = true;
            }
        }
    }

    #[cold]
    fn expect(&mut self, value: &[u8]) {
        for expectation in list(value) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.expect_continue = true;
            } else {
                self.unknown_expectation = true;
            }
        }
    }

    fn framing(&self, http11: bool, limits: &Limits) -> Result<Framing, RequestError> {
        match (&self.codings, self.length) {
            (None, None | Some(0)) => Ok(Framing::None),
            (None, Some(length)) if length > limits.body => Err(RequestError::BodyTooLarge),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (Some(_), _) if !http11 => Err(RequestError::EncodingInHttp10),
            (Some(_), Some(_)) => Err(RequestError::LengthWithEncoding),
            (Some(codings), None) => codings.framing(),
        }
    }
}

/// The transfer codings of all Transfer-Encoding lines, in order.
#[derive(Default)]
struct Codings {
    chunked: bool,
    chunked_last: bool,
    others: bool,
}

impl Codings {
    #[cold]
    fn add(&mut self, value: &[u8]) -> Result<(), RequestError> {
        for coding in list(value) {
            // This also refuses parameters: `chunked`, the only coding here, has none.
            if !coding.iter().copied().all(class::is_token) {
                return Err(RequestError::EncodingInvalid);
            }
            self.chunked_last = coding.eq_ignore_ascii_case(b"chunked");
            if !self.chunked_last {
                self.others = true;
            } else if std::mem::replace(&mut self.chunked, true) {
                return Err(RequestError::ChunkedRepeated);
            }
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, RequestError> {
        match self {
            Self { chunked: false, others: false, .. } => Err(RequestError::EncodingInvalid),
            // Without `chunked` at the end nothing tells where the body ends.
            Self { chunked_last: false, .. } => Err(RequestError::ChunkedNotLast),
            Self { others: true, .. } => Err(RequestError::EncodingUnsupported),
            _ => Ok(Framing::Chunked),
        }
    }
}

/// The host that the request is for (RFC 9112 §3.2). The Host field must be valid even
/// where the target overrules it.
fn host(
    buf: &[u8],
    head: &mut Head,
    field: Option<Span>,
    http11: bool,
) -> Result<Option<Span>, RequestError> {
    let Some(span) = field else {
        return if http11 { Err(RequestError::HostMissing) } else { Ok(head.authority) };
    };
    if span.is_empty() {
        return match head.authority {
            Some(authority) => Ok(Some(authority)),
            None => Err(RequestError::HostEmpty),
        };
    }
    if !head.is_valid_host(span.of(buf)) {
        return Err(RequestError::HostInvalid);
    }
    Ok(Some(head.authority.unwrap_or(span)))
}
