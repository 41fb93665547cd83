//! What is counted, measured and logged.

pub(crate) mod access_log;
pub(crate) mod close_reason;
pub(crate) mod counter;
pub(crate) mod counters;
pub(crate) mod health;
pub(crate) mod histogram;
pub(crate) mod node;
pub(crate) mod notice;
pub(crate) mod observer;
pub(crate) mod routes;
pub(crate) mod stats;
pub(crate) mod usage;
pub(crate) mod watch;
