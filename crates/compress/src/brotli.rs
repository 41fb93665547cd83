//! Brotli, by the C library.

use reactor_sys::codec::{Brotli, BrotliOperation};

use crate::Effort;

/// Windows of inputs whose length is known, in bits.
const SMALLEST_WINDOW: u32 = 16;
const LARGEST_WINDOW: u32 = 22;

/// A window of so many bits reaches this much less far than its size (RFC 7932 §9.1).
const GAP: usize = 16;

/// The window of streams, in bits. There may be many at a time.
const STREAM_WINDOW: u32 = 16;

/// How much of a stream is compressed at a time, in bytes. The encoder's memory grows with it.
const STREAM_PIECE: usize = 16 * 1024;

/// For inputs that are whole. 6 takes three times as long as 4 for a tenth less; 7 and more need
/// three times the memory for a hundredth.
fn quality(effort: Effort) -> u32 {
    match effort {
        Effort::Fast => 4,
        Effort::Cached => 6,
    }
}

/// Streams take 0.4 MB with small events, or 0.66 MB; at 4 and 5 it would be half as much again.
const STREAM_QUALITY: u32 = 3;

/// The smallest window that reaches back over all of the input.
fn window(len: usize) -> u32 {
    let needed = (len + GAP).next_power_of_two().ilog2();
    needed.clamp(SMALLEST_WINDOW, LARGEST_WINDOW)
}

/// All of an input. None if the encoder fails.
pub(crate) fn whole(effort: Effort, input: &[u8], padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut encoder = Brotli::new(quality(effort), window(input.len()), input.len())?;
    pad(&mut encoder, padding, out)?;
    encoder.run(BrotliOperation::Finish, input, out).ok()
}

/// Nothing, or a block that is not part of the content (RFC 7932 §9.2).
fn pad(encoder: &mut Brotli, padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let padding = match padding {
        [] => return Some(()),
        // The library writes the length of a single byte as 0, and then the byte.
        &[one] => &[one, 0],
        more => more,
    };
    encoder.run(BrotliOperation::Metadata, padding, out).ok()
}

/// An input that comes in pieces.
#[derive(Debug)]
pub(crate) struct BrotliStream {
    encoder: Brotli,
    /// Bytes since the last flush.
    collected: usize,
}

impl BrotliStream {
    pub(crate) fn new() -> Option<Self> {
        let encoder = Brotli::new(STREAM_QUALITY, STREAM_WINDOW, 0)?;
        Some(Self { encoder, collected: 0 })
    }

    pub(crate) fn pad(&mut self, padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
        pad(&mut self.encoder, padding, out)
    }

    pub(crate) fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) -> Option<()> {
        let mut rest = input;
        while self.collected + rest.len() > STREAM_PIECE {
            let (piece, behind) = rest.split_at(STREAM_PIECE - self.collected);
            self.encoder.run(BrotliOperation::Flush, piece, out).ok()?;
            self.collected = 0;
            rest = behind;
        }
        let operation = if flush { BrotliOperation::Flush } else { BrotliOperation::Process };
        self.collected = if flush { 0 } else { self.collected + rest.len() };
        self.encoder.run(operation, rest, out).ok()
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.encoder.run(BrotliOperation::Finish, &[], out).ok()
    }

    pub(crate) fn held(&self) -> usize {
        self.encoder.held()
    }
}
