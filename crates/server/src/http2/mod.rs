//! HTTP/2 (RFC 9113) on one connection: many exchanges side by side, each a stream with windows of
//! its own.

mod answers;
mod closing;
mod content;
mod credit;
mod fields;
mod input;
pub(crate) mod machine;
mod outward;
mod requests;
pub(crate) mod shared;
mod stream;
mod streams;
mod timing;
mod tunnel;
mod tunnels;
mod uploads;
mod verbs;
