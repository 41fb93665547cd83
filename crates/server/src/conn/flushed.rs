//! How far output went.

/// Where a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All is sent.
    All,
    /// The socket takes no more now.
    Blocked,
    /// The flush sent as much as it may at once. The socket may take more.
    Paused,
    /// What comes next of a file is not in memory. Somebody else must read it.
    Cold,
}
