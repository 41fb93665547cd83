//! What a connection waits for, and since when.

use crate::event_loop::clock::Millis;

/// What a connection is waiting for; each has one timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For the header of the PROXY protocol.
    Greeting,
    /// For the end of the TLS handshake.
    Handshake,
    /// For the first byte.
    Fresh,
    /// For the next request.
    Idle,
    /// For the rest of a head.
    Head,
    /// For the rest of a body.
    Body,
    /// For our own handlers, which have no timeout here.
    Busy,
    /// For our own handlers, while the client has sent its last byte. Nearly all such clients have
    /// gone, so the connection holds its place for a short time only.
    Left,
    /// For bytes in either direction. A handler sees to them, and nothing is late.
    Open,
    /// For the peer to take our output.
    Write,
    /// For the peer to close after we did.
    Linger,
}

/// A connection's phase, and what has happened since its timer was last set.
pub(crate) struct Timer {
    pub(crate) phase: Phase,
    /// When the phase began, or last made progress where that counts.
    pub(crate) since: Millis,
    /// A request or a piece of a streaming body has come, or an answer was made.
    pub(crate) progress: bool,
    /// Output has been sent.
    pub(crate) sent: bool,
    /// Bytes that have come of a body that the loop collects or drops.
    pub(crate) collected: usize,
    /// Unsent bytes in the transport when it last took no more, or when the timer last looked.
    pub(crate) unsent: u32,
    /// The exchange whose request is coming in, and since when. Kept only if that has a limit.
    pub(crate) receiving: Option<Receiving>,
}

/// An exchange that is coming in. Packed, because every connection has room for one.
#[derive(Clone, Copy)]
#[repr(Rust, packed(4))]
pub(crate) struct Receiving {
    pub(crate) stream: u32,
    pub(crate) since: Millis,
}

impl Timer {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            phase: Phase::Fresh,
            since: now,
            progress: false,
            sent: false,
            collected: 0,
            unsent: 0,
            receiving: None,
        }
    }
}
