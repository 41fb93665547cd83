//! What the HTTP/1 connections of one loop share.

use std::fmt::Write as _;
use std::time::Duration;

/// The longest timeout that responses announce. Most servers announce none. A client must be told
/// a short one: the server could close the connection while the client uses it (RFC 9112 §9.5).
const ANNOUNCED: Duration = Duration::from_secs(30);

/// Requests of one connection that may wait for their answers at once.
pub(crate) const MAX_PIPELINED: u32 = 64;

/// State and scratch of a loop's HTTP/1 connections.
pub(crate) struct Shared {
    /// The end of the head of an answer after which the connection persists.
    pub(crate) persists: Vec<u8>,
    /// Scratch for an answer that ends its head in another way.
    pub(crate) line: Vec<u8>,
    /// More input than the request that is being answered has been read.
    pub(crate) input_left: bool,
}

impl Shared {
    pub(crate) fn new(idle: Duration) -> Self {
        Self { persists: end_of_head(idle), line: Vec::new(), input_left: false }
    }

    /// Another idle timeout is announced from now on.
    pub(crate) fn retune(&mut self, idle: Duration) {
        self.persists = end_of_head(idle);
    }

    /// Whether answers say for how long the connection is kept.
    #[inline]
    pub(crate) fn says_time(&self) -> bool {
        self.persists.len() > 2
    }
}

/// The end of the head of an answer after which the connection persists. If it does so for a
/// short time only, a Keep-Alive field tells for how long.
fn end_of_head(idle: Duration) -> Vec<u8> {
    let seconds = idle.as_secs();
    let mut end = String::new();
    if seconds > 0 && idle <= ANNOUNCED {
        let _ = write!(end, "Connection: keep-alive\r\nKeep-Alive: timeout={seconds}\r\n");
    }
    end.push_str("\r\n");
    end.into_bytes()
}
