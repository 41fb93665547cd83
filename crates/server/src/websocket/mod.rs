//! WebSocket (RFC 6455) between a client and a lane.

mod commands;
mod receiving;
pub(crate) mod sending;
pub(crate) mod shared;
pub(crate) mod socket;
