//! WebSocket (RFC 6455) between a client and a lane.

mod receiving;
pub(crate) mod sending;
pub(crate) mod shared;
pub(crate) mod socket;
