//! How far output went.

/// Where a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All is sent.
    All,
    /// The socket takes no more now.
    Blocked,
    /// It was as much as may be sent at once; the socket may take more.
    Paused,
}
