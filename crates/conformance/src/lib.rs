//! HTTP/1 requests that are easy to get wrong, with the right answer to each.
//!
//! The cases are text in `corpus/*.txt`, one file per theme; `corpus/README.md` explains the
//! format. [`load`] reads them. [`ResponseParser`] judges strictly what a server answers. Two
//! runners use both: `tests/codec.rs` on the sans-IO codec, and `tests/socket/` on a server
//! over loopback.

#![forbid(unsafe_code)]

mod case;
mod corpus;
mod escape;
mod parse;
mod response;
mod segment;

pub use case::{After, Answer, App, Asks, Case, Decided, Expected, Layer, Sight};
pub use corpus::{LoadError, load, parse_text};
pub use response::{Malformed, Response, ResponseParser};
pub use segment::{Segments, split_points};

/// A valid request that must never be served. Runners append it to cases that must end the
/// connection.
pub const CANARY: &[u8] = b"GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n";

/// A valid request that must be answered. Runners append it to cases that keep the connection
/// open. Its answer proves where the request before it ended.
pub const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: after\r\n\r\n";
