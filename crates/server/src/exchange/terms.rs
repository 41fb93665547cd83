//! What a request says about how its answer is sent and counted.

/// The facts about a request that decide how its answer is sent and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// HEAD: the fields without the body.
    pub(crate) head_only: bool,
    /// The connection ends with the answer.
    pub(crate) close: bool,
    /// The client is asked to close the connection, which stays open until it does.
    pub(crate) asks_to_close: bool,
    /// Where it counts: the row of its route and method.
    pub(crate) row: u16,
}
