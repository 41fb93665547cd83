//! An answer after which the connection speaks another protocol.

/// The protocol that a connection goes on with after an answer (RFC 9110 §7.8, RFC 8441 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextProtocol {
    /// Lines that come back; for tests of this contract.
    #[cfg(test)]
    Lines,
}
