//! HTTP as bytes: bytes in, events out; responses in, bytes out.
//!
//! [`semantics`] is what HTTP means whatever its version. [`h1`] is how HTTP/1 puts it on
//! the wire, [`h2`] how HTTP/2 does. They use `semantics`, never the other way around. [`opening()`] tells from a
//! connection's first bytes which protocol it speaks; [`proxy_protocol`] is what a balancer says before
//! these. [`ws`] is WebSocket, after its handshake
//! over HTTP.
//!
//! Sans-IO: nothing here names a socket, a thread or a clock. The caller owns every buffer. [`Decoder`] turns received bytes into [`Event`]s and fills a
//! reusable [`Head`]; [`response`] appends an answer's bytes to a `Vec<u8>`.
//!
//! Reading is as strict as RFC 9110 and RFC 9112 allow. Where a server may either repair a
//! message or refuse it, this one refuses it. Requests get smuggled where two readers
//! repair a message differently.
//!
//! ```
//! use reactor_proto::{Decoder, Event, Head, Limits, response};
//!
//! let (mut decoder, mut head) = (Decoder::default(), Head::default());
//! let received = b"GET /hello?x=1 HTTP/1.1\r\nHost: example.com\r\n\r\n";
//! let (used, event) = decoder.decode(received, &mut head, &Limits::default())?;
//! assert_eq!(event, Event::Head);
//! let bytes = &received[used - head.len()..used];
//! assert_eq!(head.path_bytes(bytes), b"/hello");
//! assert_eq!(head.get(bytes, "host"), Some(&b"example.com"[..]));
//!
//! let mut out = Vec::new();
//! response::status_line(&mut out, 200);
//! response::field(&mut out, "Content-Type", b"text/plain")?;
//! response::content_length(&mut out, 2);
//! out.extend_from_slice(b"\r\nhi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod h1;
pub mod h2;
mod opening;
pub mod proxy_protocol;
pub mod semantics;
pub mod ws;

pub use h1::{Decoder, Event, client, response};
pub use opening::{Opening, opening};
pub use semantics::{
    Coding, CodingSet, Codings, Field, Framing, Head, Limits, Method, RangeList, Ranges,
    RequestError, Span, Validators, Verdict, Version, Wishes, date,
};
