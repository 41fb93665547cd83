//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): handshake, frames, UTF-8,
//! compression.
//!
//! Sans-IO like the rest: [`Decoder`] turns received bytes into [`Event`]s and unmasks them
//! where they lie; [`Frame`] appends frames to a `Vec<u8>`. Both know both roles.
//!
//! ```
//! use reactor_proto::ws::{Decoder, Event, Frame, Kind, Limits, Role};
//!
//! // What a client sends: a masked text frame.
//! let mut received = Vec::new();
//! Frame::TEXT.write_masked(&mut received, [1, 2, 3, 4], b"hello");
//!
//! let mut decoder = Decoder::new(Role::Server, false);
//! let (used, event) = decoder.decode(&mut received, &Limits::default())?;
//! assert_eq!(used, 6 + 5);
//! let Event::Data(data) = event else { panic!("no data") };
//! assert_eq!((data.kind, data.payload), (Kind::Text, &b"hello"[..]));
//! assert!(data.first && data.last);
//!
//! let mut out = Vec::new();
//! Frame::TEXT.write(&mut out, b"hello yourself");
//! # Ok::<(), reactor_proto::ws::ReceiveError>(())
//! ```

mod assembler;
mod close;
pub mod code;
mod decoder;
mod deflater;
mod error;
mod event;
mod extension;
mod frame;
mod handshake;
mod inflater;
mod limits;
mod mask;
mod permessage_deflate;
mod quick;
#[cfg(test)]
mod tests;
mod utf8;

pub use assembler::{Assembler, Whole};
pub use close::Close;
pub use decoder::{Decoder, Role};
pub use deflater::Deflater;
pub use error::ReceiveError;
pub use event::{Data, Event, Kind};
pub use extension::MalformedExtensions;
pub use frame::{Frame, Header, close, close_masked};
pub use handshake::{Upgrade, UpgradeError, accept, key};
pub use inflater::Inflater;
pub use limits::Limits;
pub use mask::mask;
pub use permessage_deflate::{Agreed, BadAgreement, Offer, Policy, negotiate};
pub use utf8::{InvalidUtf8, Utf8};
