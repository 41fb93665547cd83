/// A range of bytes inside a head, as offsets from the head's first byte.
///
/// With offsets instead of slices a [`Head`](super::Head) can outlive the buffer it was
/// parsed from. So one `Head` serves every connection of a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just past the last byte.
    pub end: u32,
}

impl Span {
    /// Offsets are below `Limits::head`, which the parser caps at `u32::MAX`.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the parser caps a head at u32::MAX bytes")]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes that the span covers in `buf`, the head that it came from. Empty if `buf` is
    /// too short.
    #[inline]
    #[must_use]
    pub fn of<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether the span covers nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
