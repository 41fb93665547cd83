//! The encoders of brotli and zstd that are in the process already: Node has both for its module
//! `zlib`, and its executable exports them. A program without Node takes the system's libraries.

mod brotli;
mod library;
mod memory;
#[cfg(test)]
mod tests;
mod zstd;

use std::fmt;

pub use brotli::{Brotli, BrotliOperation};
pub use zstd::{Zstd, ZstdOperation, ZstdParameters};

/// An encoder has reported an error. It is of no use afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecFailed;

impl fmt::Display for CodecFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the encoder has failed")
    }
}

impl std::error::Error for CodecFailed {}
