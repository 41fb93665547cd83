//! A connection: its state, and the output that it has not sent.

pub(crate) mod connection;
pub(crate) mod out;
