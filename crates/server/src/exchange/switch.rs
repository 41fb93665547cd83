//! An answer after which the connection speaks another protocol.

use crate::exchange::socket::Opening;

/// The protocol that a connection goes on with after an answer (RFC 9110 §7.8, RFC 8441 §4).
#[derive(Debug)]
pub(crate) enum NextProtocol {
    /// Bytes as they are, between the client and the lane that has this exchange. The lane writes
    /// the answer to the request, too.
    Pipe { stream: u32 },
    /// WebSocket, between the client and the lane that has its exchange.
    WebSocket(Box<Opening>),
    /// Lines that come back; for tests of this contract.
    #[cfg(test)]
    Lines,
}

impl NextProtocol {
    /// The same, after the answer to this exchange.
    pub(crate) fn after(self, stream: u32) -> Self {
        match self {
            Self::Pipe { .. } => Self::Pipe { stream },
            Self::WebSocket(opening) => Self::WebSocket(Box::new(Opening { stream, ..*opening })),
            #[cfg(test)]
            Self::Lines => Self::Lines,
        }
    }

    /// Whether the lane that answered has the exchange on.
    pub(crate) fn is_of_lane(&self) -> bool {
        match self {
            Self::Pipe { .. } | Self::WebSocket(_) => true,
            #[cfg(test)]
            Self::Lines => false,
        }
    }
}
