//! Accepting connections: its limits, its pauses, the acceptor thread.

pub(crate) mod acceptor;
