//! What the HTTP/1 connections of one loop share.

use std::fmt::Write as _;
use std::time::Duration;

use crate::event_loop::clock::Millis;

/// The longest timeout that responses announce. Who keeps connections for longer
/// than this is told so by nobody, as by most servers; shorter ones would be
/// closed under a client's hands (RFC 9112 §9.5).
const ANNOUNCED: Duration = Duration::from_secs(30);

/// Requests of one connection that may wait for their answers at once.
pub(crate) const MAX_PIPELINED: u32 = 64;

/// What the answers to one connection's requests at handlers may come to, in bytes, if they
/// are like the largest of late.
pub(crate) const MOST_AT_HANDLERS: usize = 16 * 1024 * 1024;

/// How long a large answer is of late, in milliseconds.
const LARGE_COUNTS_FOR: Millis = 10_000;

/// State and scratch of a loop's HTTP/1 connections.
pub(crate) struct Shared {
    /// What ends the head of an answer after which the connection persists.
    pub(crate) persists: Vec<u8>,
    /// Scratch for an answer that says something else there.
    pub(crate) line: Vec<u8>,
    /// More has been read than the request that is being answered.
    pub(crate) input_left: bool,
    /// How many requests of one connection may be at handlers, by the largest answer
    /// of late; until when that counts.
    deepest: u32,
    deepest_until: Millis,
}

impl Shared {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            persists: end_of_head(idle),
            line: Vec::new(),
            input_left: false,
            deepest: MAX_PIPELINED,
            deepest_until: 0,
        }
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

    /// An answer is so large that 64 of them would be too much. Whoever gets small ones
    /// on a connection may ask for large ones next, so for a while no connection may have
    /// many at handlers.
    #[cold]
    pub(crate) fn beware(&mut self, bytes: usize, now: Millis) {
        let most = u32::try_from(MOST_AT_HANDLERS / bytes).unwrap_or(1).max(1);
        let before = if now < self.deepest_until { self.deepest } else { MAX_PIPELINED };
        self.deepest = most.min(before);
        self.deepest_until = now + LARGE_COUNTS_FOR;
    }

    /// How many requests of one connection may be at handlers, as far as large answers to
    /// others say.
    #[inline]
    pub(crate) fn deepest(&mut self, now: Millis) -> u32 {
        if self.deepest < MAX_PIPELINED && now >= self.deepest_until {
            self.deepest = MAX_PIPELINED;
        }
        self.deepest
    }
}

/// What ends the head of an answer after which the connection persists: where it
/// does so for a short time only, with a Keep-Alive field that tells for how long.
fn end_of_head(idle: Duration) -> Vec<u8> {
    let seconds = idle.as_secs();
    let mut end = String::new();
    if seconds > 0 && idle <= ANNOUNCED {
        let _ = write!(end, "Connection: keep-alive\r\nKeep-Alive: timeout={seconds}\r\n");
    }
    end.push_str("\r\n");
    end.into_bytes()
}
