//! An exchange is one request and its answer, whatever the protocol. Nothing in here imports a
//! protocol or a socket.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod body_memory;
pub(crate) mod compression;
pub(crate) mod deadlines;
pub(crate) mod entry;
pub(crate) mod facts;
pub(crate) mod field_error;
pub(crate) mod fields;
pub(crate) mod handler;
pub(crate) mod id;
pub(crate) mod in_flight;
pub(crate) mod inline;
pub(crate) mod large_answers;
pub(crate) mod loan;
pub(crate) mod proxied;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod rest;
pub(crate) mod reuse;
pub(crate) mod ring;
pub(crate) mod socket;
pub(crate) mod switch;
pub(crate) mod task;
pub(crate) mod terms;
pub(crate) mod tls_info;
pub(crate) mod upgrade;
