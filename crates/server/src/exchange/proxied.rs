//! What a balancer has said of a connection.

use std::net::SocketAddr;

/// What a balancer has said of a connection, in a header of the PROXY protocol.
#[derive(Debug)]
pub struct Proxied {
    /// The header as it came; its form was checked.
    pub header: Box<[u8]>,
    /// The balancer's own address; none on unix sockets.
    pub balancer: Option<SocketAddr>,
    /// The client spoke TLS to the balancer.
    pub tls: bool,
}
