use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::quick::Quick;

/// What a flush ends with, left out on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How much zlib may take for a block's symbols, 1 to 9. Blocks of a connection's own compressor
/// are shorter, which makes it 107 KB smaller.
const SHARED_MEM_LEVEL: u8 = 8;
const OWN_MEM_LEVEL: u8 = 4;

/// Bytes of zlib's hash table, whatever the window and the memory level.
const HASH_TABLE: usize = 128 << 10;

/// Compresses messages.
///
/// One without takeover serves any number of connections that have agreed on a window as large
/// as its own or larger. One with takeover belongs to one connection.
pub struct Deflater {
    way: Way,
    takeover: bool,
    window_bits: u8,
}

enum Way {
    /// Without takeover, at level 1.
    Quick(Quick),
    Zlib {
        inner: Deflate,
        mem_level: u8,
        /// The window has something of an earlier message in it.
        used: bool,
    },
}

impl Deflater {
    /// For messages that are each compressed by themselves. `window_bits` is 9 to 15, `level`
    /// 0 to 9; what is outside is taken as the nearest.
    ///
    /// Level 1 takes a tenth of the others' time for a kilobyte, and makes it a third longer.
    #[must_use]
    pub fn shared(level: u8, window_bits: u8) -> Self {
        let window_bits = window_bits.clamp(9, 15);
        let way = match level {
            1 => Way::Quick(Quick::new(window_bits)),
            _ => zlib(level, window_bits, SHARED_MEM_LEVEL),
        };
        Self { way, takeover: false, window_bits }
    }

    /// For messages of one connection, which go on using the window of those before.
    #[must_use]
    pub fn with_takeover(level: u8, window_bits: u8) -> Self {
        let window_bits = window_bits.clamp(9, 15);
        Self { way: zlib(level, window_bits, OWN_MEM_LEVEL), takeover: true, window_bits }
    }

    /// Whether a connection that has agreed on a window of `window_bits` can read what a message
    /// of `len` bytes is compressed to. Without takeover nothing lies further back than the
    /// message is long, so that one compressor with a large window does for short messages.
    #[must_use]
    pub fn serves(&self, window_bits: u8, len: usize) -> bool {
        self.window_bits <= window_bits || (!self.takeover && len >> window_bits.min(15) == 0)
    }

    /// Bytes of memory that it takes. With the largest window these are 16 KiB for a shared one at
    /// level 1, 380,032 for one at another level, and 272,512 for a connection's own.
    #[must_use]
    pub fn memory(&self) -> usize {
        match &self.way {
            Way::Quick(_) => Quick::MEMORY,
            Way::Zlib { mem_level, .. } => {
                let (window, symbols) = (4 << self.window_bits, 7 << (mem_level + 6));
                HASH_TABLE + window + symbols + 3200
            }
        }
    }

    /// Appends the compressed form of `message` to `out`, for the payload of a frame that is
    /// [`compressed`](super::Frame::compressed).
    ///
    /// Returns whether that could be done. It always can, but for a fault in the compressor;
    /// `out` is as before then, and the message can go uncompressed.
    pub fn message(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if message.is_empty() {
            // An empty stored block without its tail (RFC 7692 §7.2.3.6).
            out.push(0);
            return true;
        }
        match &mut self.way {
            Way::Quick(quick) => quick.message(message, out),
            Way::Zlib { inner, used, .. } => {
                if *used && !self.takeover {
                    inner.reset();
                }
                *used = true;
                if deflate(inner, message, out).is_none() {
                    out.truncate(start);
                    inner.reset();
                    return false;
                }
                if out[start..].ends_with(&TAIL) {
                    out.truncate(out.len() - TAIL.len());
                }
            }
        }
        true
    }
}

fn zlib(level: u8, window_bits: u8, mem_level: u8) -> Way {
    let config = DeflateConfig {
        // Raw deflate, without zlib's header.
        window_bits: -i32::from(window_bits),
        mem_level: i32::from(mem_level),
        ..DeflateConfig::new(i32::from(level.min(9)))
    };
    Way::Zlib { inner: Deflate::new_with_config(config), mem_level, used: false }
}

fn deflate(inner: &mut Deflate, mut input: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // Most messages get no longer, but for the flush.
    let mut room = input.len() + 64;
    loop {
        let at = out.len();
        out.resize(at + room, 0);
        let (total_in, total_out) = (inner.total_in(), inner.total_out());
        let status = inner.compress(input, &mut out[at..], DeflateFlush::SyncFlush);
        let read = usize::try_from(inner.total_in() - total_in).ok()?;
        let written = usize::try_from(inner.total_out() - total_out).ok()?;
        out.truncate(at + written);
        status.ok()?;
        input = &input[read..];
        if input.is_empty() && written < room {
            return Some(());
        }
        room = input.len() + 1024;
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}
