//! Zstandard, by the C library.

use std::cell::RefCell;

use reactor_sys::codec::{Zstd, ZstdOperation, ZstdParameters};

use crate::Effort;

/// What a thread keeps of each of the encoder and its output, in bytes.
const KEPT: usize = 2 * 1024 * 1024;

/// The window of streams and the encoder's tables for it, in bits. There may be many at a time.
const STREAM_WINDOW: i32 = 16;
const STREAM_HASH: i32 = 15;
const STREAM_CHAIN: i32 = 14;

/// The first number of a frame that decoders pass over (RFC 8878 §3.1.2).
const SKIPPABLE: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();

thread_local! {
    /// The memory of one input serves the next one.
    static KEPT_ENCODER: RefCell<Kept> = RefCell::default();
}

#[derive(Default)]
struct Kept {
    encoder: Option<Zstd>,
    /// Where an output is made: it must have room for one that gets no shorter.
    out: Vec<u8>,
}

fn level(effort: Effort) -> i32 {
    match effort {
        Effort::Fast => 3,
        Effort::Cached => 9,
    }
}

/// All of an input. None if the encoder fails.
pub(crate) fn whole(effort: Effort, input: &[u8], padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
    KEPT_ENCODER.with_borrow_mut(|kept| {
        let mut encoder = kept.encoder.take().or_else(Zstd::new)?;
        let parameters = ZstdParameters { level: level(effort), ..ZstdParameters::default() };
        kept.out.clear();
        encoder.begin(&parameters, Some(input.len())).ok()?;
        encoder.run(ZstdOperation::Finish, input, &mut kept.out).ok()?;
        out.reserve(kept.out.len() + padding.len() + 8);
        out.extend_from_slice(&kept.out);
        pad(padding, out);
        // An encoder that has failed is not kept either.
        kept.encoder = Some(encoder).filter(|encoder| encoder.held() <= KEPT);
        kept.out.clear();
        kept.out.shrink_to(KEPT);
        Some(())
    })
}

/// Nothing, or a frame that decoders pass over. It goes last: Node 22 reads no further than the
/// first frame.
fn pad(padding: &[u8], out: &mut Vec<u8>) {
    if let Ok(len @ 1..) = u32::try_from(padding.len()) {
        out.extend_from_slice(&SKIPPABLE);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(padding);
    }
}

/// An input that comes in pieces.
#[derive(Debug)]
pub(crate) struct ZstdStream(Zstd);

impl ZstdStream {
    pub(crate) fn new() -> Option<Self> {
        let mut encoder = Zstd::new()?;
        let parameters = ZstdParameters {
            level: level(Effort::Fast),
            window_bits: STREAM_WINDOW,
            hash_bits: STREAM_HASH,
            chain_bits: STREAM_CHAIN,
        };
        encoder.begin(&parameters, None).ok()?;
        Some(Self(encoder))
    }

    pub(crate) fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) -> Option<()> {
        let operation = if flush { ZstdOperation::Flush } else { ZstdOperation::Process };
        self.0.run(operation, input, out).ok()
    }

    pub(crate) fn finish(&mut self, padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.0.run(ZstdOperation::Finish, &[], out).ok()?;
        pad(padding, out);
        Some(())
    }

    pub(crate) fn held(&self) -> usize {
        self.0.held()
    }
}
