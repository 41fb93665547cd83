//! HTTP/2 (RFC 9113): frames, field blocks, settings, windows.
//!
//! Sans-IO like the rest. [`frame`] appends frames to a `Vec<u8>`. [`Window`] counts flow
//! control, [`abuse::Guard`] what a peer costs without being of use.

pub mod abuse;
mod budget;
mod error;
pub mod frame;
pub mod hpack;
mod message;
mod priority;
mod settings;
mod window;

pub use budget::Budget;
pub use error::{ConnectionError, ErrorCode};
pub use message::{HeadReader, MessageError, Refused};
pub use priority::Priority;
pub use settings::{Setting, SettingsFrame};
pub use window::{Overflow, Window};
