//! A connection: its link to the peer, its protocol, its output and its timer.

pub(crate) mod buffers;
pub(crate) mod connection;
pub(crate) mod core;
pub(crate) mod flushed;
pub(crate) mod link;
pub(crate) mod out;
pub(crate) mod protocol;
pub(crate) mod timer;
