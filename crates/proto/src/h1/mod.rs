//! HTTP/1 (RFC 9112): how requests are read and responses are written, and the
//! client's side of the same.

mod chunked;
pub mod client;
mod decoder;
mod head;
mod meaning;
pub mod response;

pub use decoder::{Decoder, Event};
