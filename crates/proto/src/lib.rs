//! The HTTP/1 codec: bytes in, events out; responses in, bytes out.
//!
//! Sans-IO: nothing here names a socket, a thread or a clock. The caller owns
//! every buffer. [`Decoder`] turns received bytes into [`Event`]s and fills a
//! reusable [`Head`]; [`response`] appends an answer's bytes to a `Vec<u8>`.
//!
//! The reading is the strict one of RFC 9110 and RFC 9112. Where the RFC lets a
//! server choose between repairing a message and refusing it, it is refused:
//! two readers that repair differently are how requests get smuggled.

#![forbid(unsafe_code)]

mod authority;
mod chunked;
mod class;
mod decoder;
mod error;
mod head;
mod limits;
mod method;
pub mod response;
mod semantics;
mod span;
mod syntax;
mod target;
mod version;

pub use decoder::{Decoder, Event};
pub use error::RequestError;
pub use head::{Field, Framing, Head};
pub use limits::Limits;
pub use method::Method;
pub use span::Span;
pub use version::Version;
