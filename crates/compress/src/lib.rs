//! Compresses the bodies of responses: gzip and brotli, whole or as they come.
//!
//! Both formats are written here, over one search for repetitions. A brotli encoder that has every
//! level is more than a megabyte of code, and its memory must be cleared for each answer; this one
//! is some kilobytes, and clears nothing.

mod bits;
mod brotli;
mod deflate;
mod encoder;
mod huffman;
mod matcher;
mod stream;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;

use reactor_proto::Coding;
use zlib_rs::crc32::crc32;

use crate::encoder::{Encoder, Format, Settings};
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
    /// This build does not write the coding.
    Unsupported(Coding),
    /// The input is longer than places in it are counted, which is 1 GiB.
    TooLong,
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(coding) => write!(f, "{} is not written here", coding.name()),
            Self::TooLong => f.write_str("more than 1 GiB cannot be compressed at once"),
        }
    }
}

impl std::error::Error for CompressError {}

/// The longest input of [`compress_whole`], in bytes.
const LONGEST: usize = 1 << 30;

/// The most bytes of padding that an output can have.
pub const MOST_PADDING: usize = 256;

thread_local! {
    /// Its memory is used again by the next input of the thread.
    static ENCODER: RefCell<Encoder> = RefCell::default();
}

/// Whether outputs in this coding can be made.
#[must_use]
pub fn supports(coding: Coding) -> bool {
    Format::of(coding).is_some()
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
    let format = Format::of(coding).ok_or(CompressError::Unsupported(coding))?;
    if input.len() > LONGEST {
        return Err(CompressError::TooLong);
    }
    let padding = &padding[..padding.len().min(MOST_PADDING)];
    let settings = Settings::new(format, effort, Some(input.len()));
    // Longer than this is hardly ever needed, and then it grows.
    out.reserve(input.len() / 4 + 64);
    ENCODER.with_borrow_mut(|encoder| {
        encoder.begin(&settings, input.len(), padding, out);
        encoder.write(&settings, input, 0, true, out);
        let sum = if format == Format::Gzip { crc32(0, input) } else { 0 };
        encoder.end(&settings, input.len(), sum, total(input.len()), out);
    });
    Ok(())
}

/// The length as gzip has it: modulo 2³².
fn total(len: usize) -> u32 {
    u32::try_from(len & 0xffff_ffff).unwrap_or(0)
}
