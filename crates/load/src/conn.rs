//! One connection's state. Knows no epoll and no clock.

use std::collections::VecDeque;

use reactor_proto::client::Decoder;
use reactor_sys::Stream;

use crate::expect::BodyCheck;
use crate::source::Nanos;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    /// When it was due: its latency counts from here.
    pub(crate) from: Nanos,
    /// When it was given to the connection: its timeout counts from here.
    pub(crate) sent: Nanos,
}

/// A place for a connection; the connections that follow each other in it are
/// told apart by `generation`.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    pub(crate) link: Link,
    pub(crate) generation: u32,
    /// In the order in which they were sent, which is that of their answers.
    pub(crate) in_flight: VecDeque<InFlight>,
    /// Bytes of those requests that the socket has not taken. What is left are
    /// the last bytes of a row of equal requests, so their number says it all.
    pub(crate) unwritten: usize,
    pub(crate) decoder: Decoder,
    pub(crate) body: BodyCheck,
    /// It is in the list of those that can take a request.
    pub(crate) listed: bool,
    /// Why sending failed. An answer may have come all the same.
    pub(crate) send_error: Option<std::io::Error>,
}

#[derive(Debug, Default)]
pub(crate) enum Link {
    /// There is none; the next request opens one.
    #[default]
    Closed,
    /// There is none, and an attempt has just failed: not before the next sweep.
    Resting,
    /// There is none yet: the unix socket's accept queue is full. Tried again by
    /// each sweep, until the request's time is over.
    Queueing,
    Connecting(Stream),
    Open(Stream),
}

impl Conn {
    /// Closes whatever there was. The requests stay for the caller to settle.
    pub(crate) fn close(&mut self, link: Link) {
        self.link = link;
        self.generation = self.generation.wrapping_add(1);
        self.unwritten = 0;
        self.decoder.reset();
        self.body = BodyCheck::default();
        self.send_error = None;
    }

    /// Names slot and generation in an epoll event.
    pub(crate) fn token(&self, slot: usize) -> u64 {
        u64::from(self.generation) << 32 | slot as u64
    }
}

/// What is sent: as many copies of the request as fit a reasonable buffer, so
/// that a batch is one write.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Box<[u8]>,
    one: usize,
}

/// Larger batches take several writes.
const BATCH: usize = 256 * 1024;

impl Batch {
    pub(crate) fn new(request: &[u8], pipeline: usize) -> Self {
        let copies = (BATCH / request.len().max(1)).clamp(1, pipeline);
        Self { bytes: request.repeat(copies).into_boxed_slice(), one: request.len() }
    }

    /// Length of one request.
    pub(crate) fn one(&self) -> usize {
        self.one
    }

    /// What to write next when `unwritten` bytes are left of a row of requests.
    #[inline]
    pub(crate) fn next(&self, unwritten: usize) -> &[u8] {
        let start = if unwritten <= self.bytes.len() {
            // Every suffix of the row is a suffix of the copies.
            self.bytes.len() - unwritten
        } else {
            (self.one - unwritten % self.one) % self.one
        };
        &self.bytes[start..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Requests come out whole and in a row, whatever the socket takes at a
        /// time and whenever more are added.
        #[test]
        fn a_row_of_requests_is_written_whole(
            len in 1usize..200,
            pipeline in 1usize..20,
            takes in prop::collection::vec((1usize..500, 0usize..3), 1..20),
            large in any::<bool>(),
        ) {
            // Large ones do not all fit the batch's buffer.
            let len = if large { len * 2048 } else { len };
            let scale = if large { 2048 } else { 1 };
            let request: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let batch = Batch::new(&request, pipeline);
            let (mut unwritten, mut added, mut written) = (0, 0, Vec::new());
            for (take, more) in takes {
                unwritten += more * len;
                added += more;
                if unwritten > 0 {
                    let next = batch.next(unwritten);
                    let n = (take * scale).min(next.len());
                    prop_assert!(next.len() <= unwritten);
                    written.extend_from_slice(&next[..n]);
                    unwritten -= n;
                }
            }
            while unwritten > 0 {
                let next = batch.next(unwritten);
                written.extend_from_slice(next);
                unwritten -= next.len();
            }
            prop_assert!(written == request.repeat(added));
        }
    }
}
