//! A connection: its link to the peer, its protocol, its output and its timer.
//!
//! It belongs to one loop from its first byte to its last. Only the thread that drives the loop
//! touches it, so it has no lock. While it is idle it owns no buffer: output buffers come from the
//! loop's pool and go back when all is sent. Only input that is incomplete is kept.

pub(crate) mod buffers;
pub(crate) mod connection;
pub(crate) mod core;
pub(crate) mod entrance;
pub(crate) mod flushed;
pub(crate) mod handshake;
pub(crate) mod link;
pub(crate) mod out;
pub(crate) mod pieces;
pub(crate) mod protocol;
pub(crate) mod step;
pub(crate) mod timer;
pub(crate) mod tls_link;
pub(crate) mod transport;
