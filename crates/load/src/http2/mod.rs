//! The request in HTTP/2, and what a connection of it holds.

mod probe;
mod session;

pub(crate) use probe::probe;
pub(crate) use session::{Fault, Session, Stream};

use reactor_proto::h2::hpack::{HpackEncoder, Indexing};

use crate::{Request, RequestError};

/// Fields that HTTP/2 has no use for (RFC 9113 §8.2.2).
const OF_HTTP1: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A request in HTTP/2, and how many of it one connection has under way at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Streams that a connection has open at most, 1 to 10,000. The server may allow fewer.
    pub streams: usize,
    /// Names in lower case and values, those with a colon first.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Http2 {
    /// The parameters are those of [`Request::new`], which checks them too. `host` is the
    /// authority unless `fields` has a Host field.
    ///
    /// # Errors
    /// [`RequestError`] if that is not one well-formed request of HTTP/2.
    pub fn new(
        method: &str,
        target: &str,
        host: &str,
        secure: bool,
        fields: &[(&str, &[u8])],
        body: &[u8],
        streams: usize,
    ) -> Result<Self, RequestError> {
        Request::new(method, target, host, fields, body, true)?;
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let given = fields.iter().find(|(name, _)| is_host(name));
        let authority = given.map_or(host.as_bytes(), |&(_, value)| value);
        let scheme: &[u8] = if secure { b"https" } else { b"http" };
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", method.as_bytes()),
            (b":scheme", scheme),
            (b":authority", authority),
            (b":path", target.as_bytes()),
        ];
        let mut all: Vec<_> = pseudo.map(|(name, value)| (name.into(), value.to_vec())).into();
        for &(name, value) in fields {
            let is = |other: &&str| name.eq_ignore_ascii_case(other);
            let is_te = is(&"te") && !value.eq_ignore_ascii_case(b"trailers");
            if is_te || OF_HTTP1.iter().any(is) {
                return Err(RequestError::Http1(name.to_owned()));
            }
            if !is_host(name) {
                all.push((name.to_ascii_lowercase().into_bytes(), value.trim_ascii().to_vec()));
            }
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            all.push((b"content-length".into(), body.len().to_string().into_bytes()));
        }
        Ok(Self { streams, fields: all, body: body.to_vec() })
    }

    /// Appends the field block of one more request. After the first of a connection its fields
    /// are in the table, as those of browsers are.
    fn write(&self, encoder: &mut HpackEncoder, out: &mut Vec<u8>) {
        encoder.begin(out);
        for (name, value) in &self.fields {
            encoder.field(out, name, value, Indexing::Index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &[u8])], body: &[u8]) -> Result<String, RequestError> {
        let http2 = Http2::new("POST", "/a?b", "h:1", true, fields, body, 3)?;
        let lines = http2.fields.iter().map(|(name, value)| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        });
        Ok(lines.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_request_has_its_pseudo_fields_first_and_names_in_lower_case() {
        assert_eq!(
            fields(&[("X-A", b"b"), ("TE", b"trailers")], b"hi").unwrap(),
            ":method=POST :scheme=https :authority=h:1 :path=/a?b x-a=b te=trailers \
             content-length=2"
        );
        assert_eq!(
            fields(&[("Host", b"other")], b"").unwrap(),
            ":method=POST :scheme=https :authority=other :path=/a?b content-length=0"
        );
    }

    #[test]
    fn fields_of_connections_are_refused() {
        for (name, value) in [
            ("Connection", &b"close"[..]),
            ("keep-alive", b"1"),
            ("Upgrade", b"h2c"),
            ("proxy-connection", b"x"),
            ("te", b"gzip"),
        ] {
            assert_eq!(fields(&[(name, value)], b""), Err(RequestError::Http1(name.to_owned())));
        }
        let reserved = Err(RequestError::Reserved("Transfer-Encoding".to_owned()));
        assert_eq!(fields(&[("Transfer-Encoding", b"chunked")], b""), reserved);
        assert!(matches!(fields(&[("a b", b"")], b""), Err(RequestError::Field(..))));
    }
}
