use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

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
    inner: Deflate,
    takeover: bool,
    /// The window has something of an earlier message in it.
    used: bool,
    window_bits: u8,
    mem_level: u8,
}

impl Deflater {
    /// For messages that are each compressed by themselves. `window_bits` is 9 to 15, `level`
    /// 0 to 9; what is outside is taken as the nearest.
    #[must_use]
    pub fn shared(level: u8, window_bits: u8) -> Self {
        Self::new(level, window_bits, SHARED_MEM_LEVEL)
    }

    /// For messages of one connection, which go on using the window of those before.
    #[must_use]
    pub fn with_takeover(level: u8, window_bits: u8) -> Self {
        Self { takeover: true, ..Self::new(level, window_bits, OWN_MEM_LEVEL) }
    }

    fn new(level: u8, window_bits: u8, mem_level: u8) -> Self {
        let window_bits = window_bits.clamp(9, 15);
        let config = DeflateConfig {
            // Raw deflate, without zlib's header.
            window_bits: -i32::from(window_bits),
            mem_level: i32::from(mem_level),
            ..DeflateConfig::new(i32::from(level.min(9)))
        };
        let inner = Deflate::new_with_config(config);
        Self { inner, takeover: false, used: false, window_bits, mem_level }
    }

    /// Whether a connection that has agreed on a window of `window_bits` can read what a message
    /// of `len` bytes is compressed to. Without takeover nothing lies further back than the
    /// message is long, so that one compressor with a large window does for short messages.
    #[must_use]
    pub fn serves(&self, window_bits: u8, len: usize) -> bool {
        self.window_bits <= window_bits || (!self.takeover && len >> window_bits.min(15) == 0)
    }

    /// Bytes of memory that it takes: 380,032 of a shared one and 272,512 of one's own, with the
    /// largest window; 137 KB are its hash table and what else it has at the least.
    #[must_use]
    pub fn memory(&self) -> usize {
        let window = 4 << self.window_bits;
        let symbols = 7 << (self.mem_level + 6);
        HASH_TABLE + window + symbols + 3200
    }

    /// Appends the compressed form of `message` to `out`, for the payload of a frame that is
    /// [`compressed`](super::Frame::compressed).
    ///
    /// Returns whether that could be done. It always can, but for a fault in the compressor;
    /// `out` is as before then, and the message can go uncompressed.
    pub fn message(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if self.used && !self.takeover {
            self.inner.reset();
        }
        self.used = true;
        if self.deflate(message, out).is_none() {
            out.truncate(start);
            self.inner.reset();
            return false;
        }
        if out[start..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.len() == start {
            // An empty message is an empty stored block without its tail (RFC 7692 §7.2.3.6).
            out.push(0);
        }
        true
    }

    fn deflate(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Option<()> {
        // Most messages get no longer, but for the flush.
        let mut room = input.len() + 64;
        loop {
            let at = out.len();
            out.resize(at + room, 0);
            let (total_in, total_out) = (self.inner.total_in(), self.inner.total_out());
            let status = self.inner.compress(input, &mut out[at..], DeflateFlush::SyncFlush);
            let read = usize::try_from(self.inner.total_in() - total_in).ok()?;
            let written = usize::try_from(self.inner.total_out() - total_out).ok()?;
            out.truncate(at + written);
            status.ok()?;
            input = &input[read..];
            if input.is_empty() && written < room {
                return Some(());
            }
            room = input.len() + 1024;
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}
