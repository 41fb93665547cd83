//! The state of one connection, without epoll and clock.

use std::collections::VecDeque;

use reactor_proto::client::Decoder;
use reactor_sys::Stream;
use reactor_tls::client::ClientSession;

use crate::expect::BodyCheck;
use crate::http2::{Session, Stream as Http2Stream};
use crate::source::Nanos;
use crate::websocket::Socket;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    /// When it was due. Its latency counts from then.
    pub(crate) from: Nanos,
    /// When it was given to the connection. Its timeout counts from then.
    pub(crate) sent: Nanos,
    /// Of HTTP/2.
    pub(crate) stream: Http2Stream,
}

impl InFlight {
    pub(crate) fn new(from: Nanos, sent: Nanos) -> Self {
        Self { from, sent, stream: Http2Stream::default() }
    }
}

/// A place for one connection at a time. `generation` tells the connections in it apart.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    pub(crate) link: Link,
    pub(crate) generation: u32,
    /// Requests in the order in which they were sent. In HTTP/1.1 that is the order of their
    /// answers, in HTTP/2 that of their streams.
    pub(crate) in_flight: VecDeque<InFlight>,
    /// Bytes of these requests that the socket has not taken. All requests are equal, so the
    /// number of bytes is enough to know which bytes they are.
    pub(crate) unwritten: usize,
    pub(crate) decoder: Decoder,
    pub(crate) body: BodyCheck,
    /// Set once a connection has asked for a WebSocket.
    pub(crate) socket: Option<Box<Socket>>,
    /// Set once a connection of HTTP/2 is open.
    pub(crate) http2: Option<Box<Session>>,
    /// Messages of a broadcast that have come, or been passed over.
    pub(crate) delivered: u64,
    /// It is in the list of connections that can take a request.
    pub(crate) listed: bool,
    /// Why sending failed. An answer may still have come.
    pub(crate) send_error: Option<std::io::Error>,
}

#[derive(Debug, Default)]
pub(crate) enum Link {
    /// There is no connection; the next request opens one.
    #[default]
    Closed,
    /// There is no connection, and an attempt has just failed. The next sweep allows another.
    Resting,
    /// There is no connection yet, because the unix socket's accept queue is full. Each sweep
    /// tries again, until the request times out.
    Queueing,
    Connecting(Stream),
    /// The TLS handshake has begun at that time.
    Handshaking(Stream, Box<ClientSession>, Nanos),
    Open(Stream, Option<Box<ClientSession>>),
}

impl Link {
    /// Says goodbye in TLS, or why it goes, unless the server has gone. No second try: a server
    /// whose socket takes nothing now need not hear it.
    fn take_leave(&mut self) {
        if let Self::Open(stream, Some(tls)) | Self::Handshaking(stream, tls, _) = self
            && !tls.has_ended()
        {
            tls.close();
            if !tls.output().is_empty() {
                let _ = stream.write(tls.output());
            }
        }
    }
}

impl Conn {
    /// Closes the connection, if there is one. The caller settles its requests.
    pub(crate) fn close(&mut self, link: Link) {
        self.link.take_leave();
        self.link = link;
        self.generation = self.generation.wrapping_add(1);
        self.unwritten = 0;
        self.decoder.reset();
        self.body = BodyCheck::default();
        self.socket = None;
        self.http2 = None;
        self.send_error = None;
    }

    /// The upgrade to a WebSocket has not been answered yet, or the preface of HTTP/2.
    pub(crate) fn is_upgrading(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| !socket.is_open)
            || self.http2.as_ref().is_some_and(|session| !session.is_ready)
    }

    /// How many of the requests that the plan wants may be under way at once.
    pub(crate) fn most(&self, wanted: usize) -> usize {
        self.http2.as_ref().map_or(wanted, |session| session.most(wanted))
    }

    /// Names slot and generation in an epoll event.
    pub(crate) fn token(&self, slot: usize) -> u64 {
        u64::from(self.generation) << 32 | slot as u64
    }
}

/// The bytes to send: as many copies of the request as fit a reasonable buffer, so that a
/// batch is one write.
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

    /// What to write next when `unwritten` bytes of the requests are left.
    #[inline]
    pub(crate) fn next(&self, unwritten: usize) -> &[u8] {
        let start = if unwritten <= self.bytes.len() {
            // Every suffix of the requests is a suffix of the copies.
            self.bytes.len() - unwritten
        } else {
            (self.one - unwritten % self.one) % self.one
        };
        &self.bytes[start..]
    }
}

/// Where bytes to send come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The requests, or messages.
    Requests,
    /// What a WebSocket sends between two messages.
    Ahead,
    /// The frames of HTTP/2.
    Frames,
}

/// The bytes to send next, and where they come from. A connection's parts are given one by one, as
/// its socket is lent meanwhile.
#[inline]
pub(crate) fn next<'a>(
    http2: &'a Option<Box<Session>>,
    socket: &'a Option<Box<Socket>>,
    unwritten: usize,
    batch: &'a Batch,
) -> (&'a [u8], From) {
    if let Some(session) = http2 {
        return (session.output(), From::Frames);
    }
    let ahead = socket.as_ref().map_or(&[][..], |socket| &socket.ahead);
    if ahead.is_empty() {
        return (batch.next(unwritten), From::Requests);
    }
    match unwritten % batch.one {
        0 => (ahead, From::Ahead),
        // The message that has begun.
        rest => (&batch.next(unwritten)[..rest], From::Requests),
    }
}

/// So many of these bytes have gone out.
#[inline]
pub(crate) fn wrote(
    http2: &mut Option<Box<Session>>,
    socket: &mut Option<Box<Socket>>,
    unwritten: &mut usize,
    bytes: usize,
    from: From,
) {
    match (from, http2, socket) {
        (From::Frames, Some(session), _) => session.wrote(bytes),
        (From::Ahead, _, Some(socket)) => drop(socket.ahead.drain(..bytes)),
        _ => *unwritten -= bytes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Requests are written whole and one after the other, whatever the socket takes at
        /// a time and whenever more are added.
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
