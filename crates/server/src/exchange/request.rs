//! A request as a handler sees it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use reactor_proto::{Head, Span, Version};
use reactor_route::Params;

use crate::exchange::facts::Facts;
use crate::exchange::reuse::reset;
use crate::exchange::tls_info::TlsInfo;

/// A request with its whole body, as a handler sees it.
#[derive(Default)]
pub struct Request {
    pub(crate) head: Head,
    /// The head, and behind it the path in its normal form where that is another.
    pub(crate) head_bytes: Vec<u8>,
    pub(crate) params: Params,
    pub(crate) body: Vec<u8>,
    /// The lines of its trailers, each with its line end.
    pub(crate) trailers: Vec<u8>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) facts: Option<Arc<Facts>>,
}

impl Request {
    /// The method as sent, for example `GET`. Methods are case-sensitive
    /// (RFC 9110 §9.1).
    #[must_use]
    pub fn method(&self) -> &str {
        // The parser lets only token characters through, all ASCII.
        std::str::from_utf8(self.slice(self.head.method_token())).unwrap_or_default()
    }

    /// The request target as sent (RFC 9112 §3.2).
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.slice(self.head.target())
    }

    /// The target's path, not decoded, without the query.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.head.path_bytes(&self.head_bytes)
    }

    /// What follows the `?` in the target.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.head.query().map(|span| self.slice(span))
    }

    /// The effective host: the target's authority, else the Host field
    /// (RFC 9112 §3.3).
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        self.head.host().map(|span| self.slice(span))
    }

    /// The version that the client speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The fields in the order in which they came, names as sent.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.head.fields().iter().map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// The first value of field `name`, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.head.get(&self.head_bytes, name)
    }

    /// The request line and the fields as received, with the empty line.
    #[must_use]
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes[..self.head.len()]
    }

    /// [`head_bytes`](Self::head_bytes), and behind them the path that was looked up
    /// where that is not the path as sent. [`params`](Self::params) are places
    /// in these, counted from the path's.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.head_bytes
    }

    /// The whole body, chunks joined. Empty if there was none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The trailers behind a body that came whole, as lines of HTTP/1, each with its line end. They
    /// are not merged into the fields (RFC 9110 §6.5.1).
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// What the route's `:name` (or `*`) matched, percent-decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.get(name, &self.head_bytes[self.head.path().start as usize..])
    }

    /// The parsed head; its spans count from the start of
    /// [`head_bytes`](Self::head_bytes).
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The route's parameters, as places in [`text`](Self::text) from the path on.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The peer's address; none on unix sockets.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Whether it came over TLS to this server.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.tls().is_some()
    }

    /// What is known of its connection, if anything is.
    #[must_use]
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        self.facts.as_ref()
    }

    /// What its connection's TLS session has agreed on. None if it came in clear.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.facts.as_ref()?.tls.as_ref()
    }

    fn slice(&self, span: Span) -> &[u8] {
        span.of(&self.head_bytes)
    }

    pub(crate) fn clear(&mut self) {
        reset(&mut self.head_bytes);
        reset(&mut self.body);
        reset(&mut self.trailers);
        self.peer = None;
        self.facts = None;
    }
}
