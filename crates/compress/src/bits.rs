//! Bits go out from the lowest of each byte, in brotli (RFC 7932 §1.5.1) and deflate
//! (RFC 1951 §3.1.1) alike.

/// Bits that are not whole bytes yet. The caller has the output.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bits {
    pending: u64,
    /// How many of them there are: fewer than 32 between calls.
    count: u32,
}

impl Bits {
    /// Appends the lowest `count` bits of `bits`, 32 at most. Those above must be 0.
    #[inline]
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, bits: u32, count: u32) {
        debug_assert!(count <= 32 && (count == 32 || bits >> count == 0));
        self.pending |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            let low = u32::try_from(self.pending & 0xffff_ffff).unwrap_or_default();
            out.extend_from_slice(&low.to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// Fills the last byte with zeros.
    pub(crate) fn align(&mut self, out: &mut Vec<u8>) {
        let bytes = self.count.div_ceil(8) as usize;
        out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
        *self = Self::default();
    }
}
