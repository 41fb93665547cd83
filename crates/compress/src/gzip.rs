//! Gzip (RFC 1952) around the deflate of zlib-rs.

use std::cell::RefCell;
use std::fmt;

use zlib_rs::crc32::crc32;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status};

/// zlib's own default: more takes much longer and shrinks little.
const LEVEL: i32 = 6;

/// zlib's `windowBits` for the largest window, without the head of zlib's own format.
const RAW: i32 = -15;

/// zlib's default, and what streams take: it sets the memory for a block's symbols.
const MEM_LEVEL: i32 = 8;

/// Bytes of a compressor with the largest window: the window twice, a table of links and one of
/// hashes, a block's symbols, and the state.
const MEMORY: usize = (4 << 15) + (128 << 10) + (7 << (MEM_LEVEL + 6)) + 3200;

/// Bytes of output at a time.
const PIECE: usize = 16 * 1024;

/// The type is deflate, there is no time, and the system is unknown (§2.3.1).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The flag of the extra field, and its place in the head.
const FEXTRA: u8 = 4;
const FLAGS: usize = 3;

thread_local! {
    /// The memory of one input serves the next one.
    static KEPT: RefCell<Option<Deflate>> = const { RefCell::new(None) };
}

fn new() -> Deflate {
    let (window_bits, mem_level) = (RAW, MEM_LEVEL);
    Deflate::new_with_config(DeflateConfig { window_bits, mem_level, ..DeflateConfig::new(LEVEL) })
}

/// All of an input. None if the encoder fails.
pub(crate) fn whole(input: &[u8], padding: &[u8], out: &mut Vec<u8>) -> Option<()> {
    head(padding, out);
    KEPT.with_borrow_mut(|kept| {
        let mut deflate = kept.take().unwrap_or_else(new);
        run(&mut deflate, input, DeflateFlush::Finish, out)?;
        deflate.reset();
        // One that has failed is not kept.
        *kept = Some(deflate);
        Some(())
    })?;
    end(crc32(0, input), low(input.len()), out);
    Some(())
}

/// The head. Padding is a field of it that decoders pass over.
fn head(padding: &[u8], out: &mut Vec<u8>) {
    let flags = out.len() + FLAGS;
    out.extend_from_slice(&HEAD);
    if let Ok(len @ 1..) = u16::try_from(padding.len()) {
        out[flags] = FEXTRA;
        // The field has one subfield, with a name and a length of its own (§2.3.1.1).
        out.extend_from_slice(&(len + 4).to_le_bytes());
        out.extend_from_slice(b"rr");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(padding);
    }
}

fn end(sum: u32, len: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}

/// A length modulo 2³².
fn low(len: usize) -> u32 {
    u32::try_from(len & 0xffff_ffff).unwrap_or(0)
}

fn run(
    deflate: &mut Deflate,
    mut input: &[u8],
    flush: DeflateFlush,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut piece = [0; PIECE];
    loop {
        let (total_in, total_out) = (deflate.total_in(), deflate.total_out());
        let status = deflate.compress(input, &mut piece, flush).ok()?;
        let read = usize::try_from(deflate.total_in() - total_in).ok()?;
        let written = usize::try_from(deflate.total_out() - total_out).ok()?;
        out.extend_from_slice(&piece[..written]);
        input = &input[read..];
        let is_done = match flush {
            DeflateFlush::Finish => status == Status::StreamEnd,
            // What did not fill the piece is all there is.
            _ => input.is_empty() && written < PIECE,
        };
        if is_done {
            return Some(());
        }
        if read == 0 && written == 0 {
            return None;
        }
    }
}

/// An input that comes in pieces.
pub(crate) struct GzipStream {
    deflate: Deflate,
    sum: u32,
    len: u32,
}

impl fmt::Debug for GzipStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipStream").field("len", &self.len).finish_non_exhaustive()
    }
}

impl GzipStream {
    pub(crate) fn new() -> Self {
        Self { deflate: new(), sum: 0, len: 0 }
    }

    pub(crate) fn begin(padding: &[u8], out: &mut Vec<u8>) {
        head(padding, out);
    }

    pub(crate) fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) -> Option<()> {
        self.sum = crc32(self.sum, input);
        self.len = self.len.wrapping_add(low(input.len()));
        let flush = if flush { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
        run(&mut self.deflate, input, flush, out)
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Option<()> {
        run(&mut self.deflate, &[], DeflateFlush::Finish, out)?;
        end(self.sum, self.len, out);
        Some(())
    }

    /// Bytes of memory that each holds.
    pub(crate) const fn held() -> usize {
        MEMORY
    }
}
