//! The face: configuration, assembly, stop, watchers, errors.

pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod error;
pub(crate) mod lifecycle;
pub(crate) mod metrics;
pub(crate) mod own_hosts;
pub(crate) mod thread_times;
