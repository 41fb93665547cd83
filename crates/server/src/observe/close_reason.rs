//! Why connections end.

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it, after its last answer or before it has sent anything.
    Peer,
    /// An answer said `Connection: close`, because the client had asked for that.
    Served,
    /// A request was malformed or over a limit, and was answered so.
    Rejected,
    /// No request came for the idle timeout.
    Idle,
    /// A head or a body came too slowly.
    RequestTimeout,
    /// The peer took no output for the write timeout.
    WriteTimeout,
    /// The peer reset the connection, left in the middle of a request or before its
    /// answer, or a response could not be completed.
    Aborted,
    /// The server was stopping.
    Stopped,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// The PROXY protocol: the peer may not use it, or its header was missing, malformed or late.
    Proxy,
}

impl CloseReason {
    pub(crate) const COUNT: usize = 10;
}
