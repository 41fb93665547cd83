//! The face: configuration, assembly, stop, watchers, errors.

mod assembly;
pub(crate) mod config;
mod control;
pub(crate) mod error;
pub(crate) mod listeners;
mod metrics;
mod own_hosts;
pub(crate) mod running;
mod shared;
mod thread_times;
mod watchers;
