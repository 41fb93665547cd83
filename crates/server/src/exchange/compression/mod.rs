//! Compression of handlers' answers: for which, in which coding, and what their fields say then.
//!
//! Everything that decides is in here, whatever the protocol and the loop. Who compresses, and on
//! which thread, is in `event_loop/services/compression.rs`.

pub(crate) mod body;
pub(crate) mod coder;
pub(crate) mod decision;
mod media;
pub(crate) mod options;
pub(crate) mod prerendered;
#[cfg(test)]
mod tests;
