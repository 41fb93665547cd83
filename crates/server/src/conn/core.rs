//! The part of a connection that its protocol sees: the peer, the output, the unused input and
//! the timer. Also what the protocol tells the connection: [`Used`] and [`Ending`].

use std::net::SocketAddr;
use std::sync::Arc;

use crate::conn::out::Out;
use crate::conn::timer::{Phase, Timer};
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::clock::Millis;
use crate::exchange::facts::Facts;
use crate::exchange::id::ConnId;
use crate::exchange::tls_info::TlsInfo;
use crate::observe::observer::Origin;

/// The loop does not read from a connection that holds more than this in answers. They wait for
/// their turn, or for the peer to take them. In bytes.
pub(crate) const HIGH_WATER: usize = 256 * 1024;

/// After so long without a request, output begins with short records again. In milliseconds.
const PAUSE: Millis = 1000;

/// The part of a connection that every protocol works with. The socket is not in it.
pub(crate) struct Core {
    pub(crate) id: ConnId,
    pub(crate) peer: Option<SocketAddr>,
    /// What is known of it besides its bytes, if anything is.
    pub(crate) facts: Option<Arc<Facts>>,
    /// The number of the endpoint that it came through, if it came through one.
    pub(crate) endpoint: Option<u8>,
    pub(crate) out: Out,
    /// The end of the input that the protocol has not used up.
    pub(crate) input: Vec<u8>,
    /// The protocol stopped because of its state. It may go on with `input` as it is.
    pub(crate) stalled: bool,
    /// The loop reads on in its next turn, or when a lane has said that it takes more.
    pub(crate) pause: bool,
    /// The link may have something to read. Epoll reports it only once, so this remembers it.
    pub(crate) readable: bool,
    pub(crate) inflow: Inflow,
    pub(crate) timer: Timer,
    /// The tie to the lane that is told of the connection. Where answers go out in order, it is
    /// also that of all its exchanges.
    pub(crate) lane: LaneLink,
    /// Bytes sent since the loop last read something. The peer may not have got them yet.
    pub(crate) sent_since_read: u32,
    pub(crate) listed: Listed,
}

/// What the loop knows of the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Inflow {
    Open,
    /// Epoll reported that the peer has sent its last byte (EPOLLRDHUP). From now on a short read
    /// does not mean that the socket is empty.
    Ending,
    /// The end has been read.
    Ended,
}

/// The lists of its loop that a connection is in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listed {
    /// Connections to look at before this turn ends, because of a reply or another event that did
    /// not come from their socket.
    pub(crate) dirty: bool,
    /// Connections whose turn was cut off for fairness. They go on in the next.
    pub(crate) next_turn: bool,
}

/// How far the protocol could use its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) bytes: usize,
    /// It stopped because of the connection's state, not for want of input.
    pub(crate) stalled: bool,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// The loop resets it, once the peer's kernel has everything. Only a reset tells the peer that
    /// it got a part and not the whole.
    pub(crate) reset: bool,
    /// The loop shuts its own side first, and discards what still comes.
    pub(crate) linger: bool,
}

impl Core {
    pub(crate) fn new(id: ConnId, peer: Option<SocketAddr>, now: Millis) -> Self {
        Self {
            id,
            peer,
            facts: None,
            endpoint: None,
            out: Out::default(),
            input: Vec::new(),
            stalled: false,
            pause: false,
            readable: false,
            inflow: Inflow::Open,
            timer: Timer::new(now),
            lane: LaneLink::default(),
            sent_since_read: 0,
            listed: Listed::default(),
        }
    }

    /// What the log keeps of where it came from.
    pub(crate) fn origin(&self) -> Origin<'_> {
        (self.peer, self.facts.as_deref())
    }

    /// What its TLS session has agreed on, once the handshake is done.
    pub(crate) fn tls(&self) -> Option<&TlsInfo> {
        self.facts.as_ref()?.tls.as_ref()
    }

    /// Its TLS session has agreed on this. No request shares what was known before.
    pub(crate) fn know_tls(&mut self, info: TlsInfo) {
        let before = self.facts.take().and_then(Arc::into_inner).unwrap_or_default();
        self.facts = Some(Facts { tls: Some(info), ..before }.into());
    }

    /// Whether the client speaks TLS, to this server or to the balancer in front.
    pub(crate) fn is_secure(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.is_secure())
    }

    /// Whether what was just read comes after a pause.
    pub(crate) fn is_after_pause(&self, now: Millis) -> bool {
        self.timer.phase == Phase::Idle && now.saturating_sub(self.timer.since) > PAUSE
    }
}
