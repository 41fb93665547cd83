//! An answer after which the connection speaks another protocol.

/// The protocol that a connection goes on with after an answer (RFC 9110 §7.8, RFC 8441 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextProtocol {
    /// Bytes as they are, between the client and the lane that has this exchange. The lane writes
    /// the answer to the request, too.
    Pipe { stream: u32 },
    /// Lines that come back; for tests of this contract.
    #[cfg(test)]
    Lines,
}

impl NextProtocol {
    /// The same, after the answer to this exchange.
    pub(crate) fn after(self, stream: u32) -> Self {
        match self {
            Self::Pipe { .. } => Self::Pipe { stream },
            #[cfg(test)]
            Self::Lines => Self::Lines,
        }
    }
}
