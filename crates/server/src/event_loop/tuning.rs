//! What an I/O loop works by, and what of it a running server can change.

use std::time::Duration;

use reactor_proto::Limits;

/// How long the peer may take before the connection is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a head's first byte to its last, else 408; the default is 30 s.
    /// Also what a fresh connection has until its first byte.
    pub head: Duration,
    /// For the next bytes of a body, else 408; the default is 30 s.
    ///
    /// A body that the loop collects or drops must average 250 bytes a second; it may fall behind
    /// by this long. For a body that a lane takes as it comes, the time begins anew with each byte.
    pub body: Duration,
    /// Between requests of a kept connection; the default is 75 s. A load balancer often keeps idle
    /// connections 60 s, and it must be the one to close first.
    ///
    /// From 1 to 30 s, responses tell the client in a Keep-Alive field. A connection that was told
    /// is kept a second longer.
    pub idle: Duration,
    /// Without the peer taking a byte of a response, whatever it sends meanwhile; the default is 30
    /// s.
    pub write: Duration,
    /// For requests in flight when the server stops; the default is 10 s.
    pub drain: Duration,
    /// From a request's first byte to its last, else 408; the default is no limit.
    pub receive: Option<Duration>,
    /// Without a byte from the peer or to it; the default is no limit. It counts while no lane has
    /// a request of the connection, and the connection is not idle between two requests.
    ///
    /// Then the connection is closed without an answer, unless [`Announce::inactive`].
    pub inactive: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            receive: None,
            inactive: None,
        }
    }
}

/// What the first lane is told of connections themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announce {
    /// That one was opened or closed.
    pub connections: bool,
    /// That nothing happened on one for [`Timeouts::inactive`]. The lane then decides what becomes
    /// of it. Only connections whose opening was told are told of.
    pub inactive: bool,
    /// That a client was refused because too many connections were open.
    pub refused: bool,
}

/// What of a running server can be changed; see [`Server::retune`](crate::Server::retune).
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Limits on what one request may bring.
    pub limits: Limits,
    /// How long the peer may take.
    pub timeouts: Timeouts,
    /// What lanes are told of connections.
    pub announce: Announce,
    /// Connections open at once; `None` is what the server was started with.
    pub max_connections: Option<MaxConnections>,
}

/// A limit on connections, in place of the one that the server was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxConnections {
    /// How many may be open at once.
    pub most: usize,
    /// A refused client gets no 503: its connection is closed at once.
    pub silent: bool,
}
