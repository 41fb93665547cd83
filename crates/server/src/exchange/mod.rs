//! One request and its answer, whatever the protocol.

pub(crate) mod field_error;
pub(crate) mod in_flight;
pub(crate) mod task;
