//! What a connection is to its protocol: who the peer is, output, and what to wait for.

use std::net::SocketAddr;

use crate::conn::out::Out;
use crate::conn::timer::Timer;
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::clock::Millis;
use crate::exchange::id::ConnId;

/// A connection that holds more than this in answers, which wait for their turn or
/// for the peer to take them, is not read from.
pub(crate) const HIGH_WATER: usize = 256 * 1024;

/// The part of a connection that every protocol works with. The socket is not in it.
pub(crate) struct Core {
    pub(crate) id: ConnId,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) out: Out,
    /// The end of the input that the protocol has not used up.
    pub(crate) input: Vec<u8>,
    /// `input` may be enough to go on with: the protocol could take no more.
    pub(crate) stalled: bool,
    /// The link may have something to read, as far as is known.
    pub(crate) readable: bool,
    pub(crate) inflow: Inflow,
    pub(crate) timer: Timer,
    /// The lane that has this connection's exchanges, while it has any.
    pub(crate) lane: LaneLink,
    /// Bytes sent since something was last read: what the peer may not have got yet.
    pub(crate) sent_since_read: usize,
    pub(crate) listed: Listed,
}

/// What is known of the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Inflow {
    Open,
    /// The kernel said that the end is near: a short read does not mean that the socket
    /// is empty.
    Ending,
    /// The end has been read.
    Ended,
}

/// The lists of its loop that a connection is on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listed {
    /// Those with something to send that did not come from their socket.
    pub(crate) dirty: bool,
    /// Those that go on in the next turn.
    pub(crate) next_turn: bool,
}

/// How far input could be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) bytes: usize,
    /// It stopped because of the connection's state, not for want of input.
    pub(crate) stalled: bool,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// By a reset, once the peer's kernel has everything: only that tells what came from
    /// the whole.
    pub(crate) reset: bool,
    /// By half-closing first and discarding what still comes.
    pub(crate) linger: bool,
}

impl Core {
    pub(crate) fn new(id: ConnId, peer: Option<SocketAddr>, now: Millis) -> Self {
        Self {
            id,
            peer,
            out: Out::default(),
            input: Vec::new(),
            stalled: false,
            readable: false,
            inflow: Inflow::Open,
            timer: Timer::new(now),
            lane: LaneLink::default(),
            sent_since_read: 0,
            listed: Listed::default(),
        }
    }
}
