//! What a client gets that comes when too many connections are open.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reactor_proto::response::date;
use reactor_sys::Stream;

/// How long a refused client has to read the 503.
const READ_FOR: Duration = Duration::from_millis(500);
/// How often the refused connections are looked at.
const POLL: Duration = Duration::from_millis(50);

/// The 503 up to the value of its `Date`.
const HEAD: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
Content-Type: text/plain\r\n\
Content-Length: 67\r\n\
Retry-After: 1\r\n\
Connection: close\r\n\
Date: ";
/// The 503 from there on.
const BODY: &[u8] = b"\r\n\r\n\
503 Service Unavailable: the server has all the connections it can\n";

/// Connections that were answered with 503 and are closed soon.
pub(super) struct Refused {
    streams: VecDeque<(Stream, Instant)>,
    capacity: usize,
}

impl Refused {
    pub(super) fn new(capacity: usize) -> Self {
        Self { streams: VecDeque::new(), capacity }
    }

    /// Answers with 503. The connection is closed a moment later, or at once where `capacity`
    /// others come meanwhile.
    pub(super) fn answer(&mut self, stream: Stream) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let refusal = [HEAD, &date(wall.as_secs()), BODY].concat();
        // The buffer of a fresh socket has room for this.
        let _ = stream.write(&refusal);
        let _ = stream.shutdown_write();
        if self.streams.len() >= self.capacity {
            self.streams.pop_front();
        }
        self.streams.push_back((stream, Instant::now() + READ_FOR));
    }

    /// When [`close_read`](Self::close_read) has something to do.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        (!self.streams.is_empty()).then(|| now + POLL)
    }

    /// Closes the connections of clients that have read the 503, or had the time to.
    pub(super) fn close_read(&mut self, now: Instant) {
        if self.streams.is_empty() {
            // A loop asks each turn, and clearing `sink` costs more than the rest of its turn.
            return;
        }
        // Unread input would make the kernel reset the connection, and the client lose the 503.
        let mut sink = [0; 4096];
        self.streams.retain_mut(|(stream, until)| {
            now < *until
                && match stream.read(&mut sink) {
                    Ok(n) => n > 0,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                }
        });
    }
}
