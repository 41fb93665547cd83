//! What a header says.

use std::net::SocketAddr;

/// The longest header that is read, in bytes. Version 1 has at most 107. Version 2 could have 64 KiB,
/// and no balancer sends more than a few hundred.
pub const LONGEST: usize = 4096;

/// What stands at the beginning of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// There may be a header, and more bytes are needed.
    Incomplete,
    /// There is none, whatever follows.
    Absent,
    /// A whole header.
    Header(Header),
}

/// A header whose bytes are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes that it takes. What the client has sent begins behind them.
    pub len: usize,
    /// The version: 1 or 2.
    pub version: u8,
    /// Where the connection came from.
    pub origin: Origin,
    /// The client spoke TLS to the balancer (PP2_CLIENT_SSL).
    pub tls: bool,
}

/// What a header says of the connection's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The balancer speaks for itself, as in a health check (`LOCAL`). Those of the socket count.
    Local,
    /// It does not know, or says nothing that this server could use. Those of the socket count.
    Unknown,
    /// IP addresses, those of IPv4 or those of IPv6.
    Inet {
        /// The client's.
        source: SocketAddr,
        /// The one that the client connected to.
        destination: SocketAddr,
    },
    /// The client came to the balancer through a unix socket.
    Unix,
}

/// Bytes that begin as a header and are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;
