use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// What a flush ends with, left out on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses messages.
///
/// One without takeover serves any number of connections that have agreed on a window as large
/// as its own or larger. One with takeover belongs to one connection.
pub struct Deflater {
    inner: Deflate,
    takeover: bool,
    /// The window has something of an earlier message in it.
    used: bool,
}

impl Deflater {
    /// For messages that are each compressed by themselves. `window_bits` is 9 to 15, `level`
    /// 0 to 9; what is outside is taken as the nearest.
    #[must_use]
    pub fn shared(level: u8, window_bits: u8) -> Self {
        let config = DeflateConfig {
            // Raw deflate, without zlib's header.
            window_bits: -i32::from(window_bits.clamp(9, 15)),
            ..DeflateConfig::new(i32::from(level.min(9)))
        };
        Self { inner: Deflate::new_with_config(config), takeover: false, used: false }
    }

    /// For messages of one connection, which go on using the window of those before.
    #[must_use]
    pub fn with_takeover(level: u8, window_bits: u8) -> Self {
        Self { takeover: true, ..Self::shared(level, window_bits) }
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
