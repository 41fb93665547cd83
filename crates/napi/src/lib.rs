//! The Node binding: JavaScript values in, server types out. This is the only crate that
//! knows Node. It decides nothing: TypeScript checks every option before it arrives here.

#![deny(unsafe_code)]

pub mod bench;
mod files;
mod guard;
pub mod lane;
pub mod names;
pub mod options;
pub mod program;
pub mod proxied;
mod registry;
mod running;
pub mod server;
pub mod tls;
pub mod watchdog;
