//! Epoll tokens of what is no connection. A connection's token is below all of them.

/// The token of the first listener; those of further listeners follow it.
pub(crate) const LISTENER: u64 = u64::MAX - 64;
/// The token of descriptors that only wake the thread: wakers, and the ownership's timer.
pub(crate) const WAKER: u64 = u64::MAX;
