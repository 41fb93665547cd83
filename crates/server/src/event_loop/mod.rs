//! One I/O loop: epoll, inbox, clock and timers around its connections.

pub(crate) mod clock;
pub(crate) mod inbox;
pub(crate) mod ownership;
pub(crate) mod reactor;
pub(crate) mod scratch;
pub(crate) mod services;
pub(crate) mod token;
pub(crate) mod tuning;
pub(crate) mod turn;
pub(crate) mod wake_flag;
pub(crate) mod wheel;
