//! A WebSocket on a stream (RFC 8441).

use crate::conn::core::Core;
use crate::websocket::socket::WebSocket;

/// A WebSocket on a stream.
pub(crate) struct Tunnel {
    pub(crate) id: u32,
    /// What the socket takes for its connection.
    pub(crate) core: Core,
    pub(crate) socket: WebSocket,
}
