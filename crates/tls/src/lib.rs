//! TLS: ciphertext in, plaintext out, and the other way around. The server's side, and in
//! [`client`] that of the load client.
//!
//! Sans-IO: nothing here names a socket or a thread, and time is an argument. rustls does the
//! protocol. This crate has what an event loop needs around it: who may wait, what is held, in
//! which steps a handshake can go to another thread, and a configuration as Node's users know it.
//!
//! A [`Config`] is made of PEM texts. A [`Session`] is one connection. The caller reads from its
//! socket into a buffer behind [`HEADROOM`] bytes, and [`Session::read`] leaves the plaintext at
//! the front of that buffer. [`Session::write`] makes records in a buffer of the caller. A
//! handshake stops where [`Session::needs_work`] says so; [`Session::work`] is the step that
//! costs 100 µs and more, and may be called on another thread.

#![forbid(unsafe_code)]

mod certificate;
pub mod client;
mod clock;
pub mod config;
mod der;
mod error;
mod facts;
mod hello;
mod hybrid;
mod names;
mod provider;
mod resumption;
mod self_signed;
mod session;
mod wire;

pub use certificate::{Certificate, KeyKind};
pub use clock::{Clock, SystemClock};
pub use config::{Config, ConfigError};
pub use error::{Alert, Error};
pub use facts::{Facts, Version};
pub use hello::Hello;
pub use resumption::{CACHE, ROTATION, Resumption, TICKET_KEY, TIMEOUT, TicketKey};
pub use self_signed::SelfSigned;
pub use session::{HEADROOM, MIN_READ, MIN_WRITE, Read, Session, Written};
