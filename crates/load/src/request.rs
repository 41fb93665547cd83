//! The request, rendered once before the run.

use std::fmt;

use reactor_proto::response::{FieldError, content_length, field};

/// A request as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    is_head: bool,
    keep_alive: bool,
}

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The method is not a token, or asks for a tunnel.
    Method(String),
    /// The target is empty or has a byte that must be percent-encoded.
    Target(String),
    /// A field is malformed.
    Field(String, FieldError),
    /// The client writes this field itself: Content-Length, Transfer-Encoding.
    Reserved(String),
    /// HTTP/2 has no such field.
    Http1(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => {
                write!(f, "method '{method}' is not a token, or is CONNECT, which opens a tunnel")
            }
            Self::Target(target) => {
                write!(f, "target '{target}' must be a path without spaces and control characters")
            }
            Self::Field(name, error) => write!(f, "header '{name}': {error}"),
            Self::Reserved(name) => write!(f, "header '{name}' is written by the client itself"),
            Self::Http1(name) => write!(f, "header '{name}' is of HTTP/1.1: HTTP/2 has none"),
        }
    }
}

impl std::error::Error for RequestError {}

impl Request {
    /// Renders a request. `host` is the Host field if `fields` has none. A body gets its
    /// Content-Length, and so does an empty body if the method expects one (RFC 9110 §8.6).
    /// Without `keep_alive` the request says `Connection: close`, unless `fields` has a
    /// Connection field.
    ///
    /// # Errors
    /// [`RequestError`] if that is not one well-formed request.
    pub fn new(
        method: &str,
        target: &str,
        host: &str,
        fields: &[(&str, &[u8])],
        body: &[u8],
        keep_alive: bool,
    ) -> Result<Self, RequestError> {
        if !is_token(method) || method == "CONNECT" {
            return Err(RequestError::Method(method.to_owned()));
        }
        if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RequestError::Target(target.to_owned()));
        }
        let has = |name: &str| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        let mut add = |name: &str, value: &[u8]| {
            field(&mut bytes, name, value).map_err(|e| RequestError::Field(name.to_owned(), e))
        };
        if !has("host") {
            add("Host", host.as_bytes())?;
        }
        for (name, value) in fields {
            if ["content-length", "transfer-encoding"].iter().any(|r| r.eq_ignore_ascii_case(name))
            {
                return Err(RequestError::Reserved((*name).to_owned()));
            }
            add(name, value)?;
        }
        if !keep_alive && !has("connection") {
            add("Connection", b"close")?;
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            content_length(&mut bytes, body.len() as u64);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Ok(Self { bytes, is_head: method == "HEAD", keep_alive })
    }

    /// Whether a connection is used again.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the method is HEAD, so that no answer has a body.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.is_head
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(
        method: &str,
        fields: &[(&str, &[u8])],
        body: &[u8],
        keep_alive: bool,
    ) -> Result<String, RequestError> {
        let request = Request::new(method, "/a?b", "h:1", fields, body, keep_alive)?;
        Ok(String::from_utf8(request.bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_request_is_its_line_its_fields_and_its_body() {
        assert_eq!(
            render("GET", &[], b"", true).unwrap(),
            "GET /a?b HTTP/1.1\r\nHost: h:1\r\n\r\n"
        );
        assert_eq!(
            render("POST", &[("X-A", b"b")], b"hi", true).unwrap(),
            "POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi"
        );
        assert_eq!(
            render("PUT", &[], b"", false).unwrap(),
            "PUT /a?b HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn what_the_user_says_replaces_what_we_would_say() {
        assert_eq!(
            render("GET", &[("host", b"other"), ("connection", b"Close")], b"", false).unwrap(),
            "GET /a?b HTTP/1.1\r\nhost: other\r\nconnection: Close\r\n\r\n"
        );
    }

    #[test]
    fn what_would_be_no_request_is_refused() {
        for method in ["", "G T", "GET\r\n", "CONNECT"] {
            let refused = Err(RequestError::Method(method.to_owned()));
            assert_eq!(render(method, &[], b"", true), refused);
        }
        for target in ["", "/a b", "/\r\nX: y", "/caf\u{e9}"] {
            let refused = Err(RequestError::Target(target.to_owned()));
            assert_eq!(Request::new("GET", target, "h", &[], b"", true), refused);
        }
        for (name, value) in [("a b", &b"c"[..]), ("", b"c"), ("a", b"b\r\nc: d"), ("a", b"\0")] {
            let error = render("GET", &[(name, value)], b"", true).unwrap_err();
            assert!(matches!(error, RequestError::Field(ref named, _) if named == name), "{error}");
        }
        for name in ["Content-Length", "transfer-encoding"] {
            let refused = Err(RequestError::Reserved(name.to_owned()));
            assert_eq!(render("GET", &[(name, b"1")], b"", true), refused);
        }
    }
}
