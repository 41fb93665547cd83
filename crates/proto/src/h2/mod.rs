//! HTTP/2 (RFC 9113): frames, field blocks, settings, windows.
//!
//! Sans-IO like the rest. [`Decoder`] turns received bytes into [`Event`]s; [`client`] is the
//! other side's. [`frame`] appends frames to a `Vec<u8>`. [`Window`] counts flow control,
//! [`abuse::Guard`] what a peer costs without being of use.
//!
//! ```
//! use reactor_proto::h2::{Decoder, Event, frame};
//! use reactor_proto::{Head, Limits};
//!
//! // What a client sends: its preface, its settings, a request.
//! let mut received = frame::PREFACE.to_vec();
//! frame::settings(&mut received, &[]);
//! // `GET /` with three entries of the static table, and `:authority`.
//! let block = b"\x82\x86\x84\x41\x0bexample.com";
//! frame::headers(&mut received, 1, block, true, frame::DEFAULT_MAX);
//!
//! let (mut decoder, mut head, mut text) = (Decoder::new(), Head::default(), Vec::new());
//! let mut rest = &received[..];
//! loop {
//!     let (used, event) = decoder.decode(rest, &mut head, &mut text, &Limits::default())?;
//!     rest = &rest[used..];
//!     match event {
//!         Event::Preface | Event::Settings(_) => {}
//!         Event::Request { stream: 1, end_stream: true } => break,
//!         other => panic!("{other:?}"),
//!     }
//! }
//! assert_eq!(text, b"GET / HTTP/2.0\r\nhost: example.com\r\n\r\n");
//! assert_eq!(head.path_bytes(&text), b"/");
//! # Ok::<(), reactor_proto::h2::ConnectionError>(())
//! ```

pub mod abuse;
mod budget;
pub mod client;
mod decoder;
mod error;
mod event;
pub mod frame;
mod frames;
pub mod hpack;
mod message;
mod priority;
mod settings;
mod window;

pub use budget::Budget;
pub use decoder::Decoder;
pub use error::{ConnectionError, ErrorCode};
pub use event::Event;
pub use message::{HeadReader, MessageError, Refused, is_of_http1};
pub use priority::Priority;
pub use settings::{Setting, SettingsFrame};
pub use window::{Overflow, Window};
