//! Compresses the bodies of responses: gzip, brotli and zstd, whole or as they come.
//!
//! Gzip is zlib-rs. Brotli and zstd are the C libraries that the process has already, since Node
//! brings them along; see `reactor_sys::codec`. So they add nothing to the size of this package.

mod brotli;
mod gzip;
mod stream;
#[cfg(test)]
mod tests;
mod zstd;

use std::fmt;

use reactor_proto::Coding;

pub use crate::stream::Stream;

/// How much time a byte may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// An answer that is sent once.
    #[default]
    Fast,
    /// A file that is sent many times.
    Cached,
}

/// Why something could not be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressError {
    /// There is no encoder for the coding.
    Unsupported(Coding),
    /// The input is longer than 1 GiB.
    TooLong,
    /// The encoder has failed: there is too little memory.
    Failed,
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(coding) => write!(f, "there is no encoder for {}", coding.name()),
            Self::TooLong => f.write_str("more than 1 GiB cannot be compressed at once"),
            Self::Failed => f.write_str("the encoder has failed"),
        }
    }
}

impl std::error::Error for CompressError {}

/// The longest input of [`compress_whole`], in bytes.
const LONGEST: usize = 1 << 30;

/// The most bytes of padding that an output can have.
pub const MOST_PADDING: usize = 256;

/// Whether outputs in this coding can be made. Without Node and without the system's libraries
/// that is gzip alone.
#[must_use]
pub fn supports(coding: Coding) -> bool {
    match coding {
        Coding::Identity => false,
        Coding::Gzip => true,
        Coding::Brotli => reactor_sys::codec::Brotli::is_available(),
        Coding::Zstd => reactor_sys::codec::Zstd::is_available(),
    }
}

/// Appends `input` in this coding to `out`.
///
/// # Errors
/// [`CompressError`]; `out` is as it was then.
pub fn compress_whole(
    coding: Coding,
    effort: Effort,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    compress_padded(coding, effort, input, &[], out)
}

/// As [`compress_whole`], with bytes in it that decoders pass over. They hide how long the output
/// would be without them. The first [`MOST_PADDING`] of them count.
///
/// # Errors
/// [`CompressError`]; `out` is as it was then.
pub fn compress_padded(
    coding: Coding,
    effort: Effort,
    input: &[u8],
    padding: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    if !supports(coding) {
        return Err(CompressError::Unsupported(coding));
    }
    if input.len() > LONGEST {
        return Err(CompressError::TooLong);
    }
    let before = out.len();
    let padding = &padding[..padding.len().min(MOST_PADDING)];
    let done = match coding {
        Coding::Brotli => brotli::whole(effort, input, padding, out),
        Coding::Zstd => zstd::whole(effort, input, padding, out),
        Coding::Gzip | Coding::Identity => gzip::whole(input, padding, out),
    };
    done.ok_or(CompressError::Failed).inspect_err(|_| out.truncate(before))
}
