//! How a request wants its answer.

/// What of a request matters for how its answer is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// HEAD: the fields without the body.
    pub(crate) head_only: bool,
    /// The connection ends with the answer.
    pub(crate) close: bool,
    /// The client is asked to close the connection, which stays open until it does.
    pub(crate) asks_to_close: bool,
}
