//! Accepting connections: limits, pauses, refusals, and the acceptor thread.

pub(crate) mod accepting;
pub(crate) mod acceptor;
pub(crate) mod limits;
mod refusal;
mod watched_listener;
