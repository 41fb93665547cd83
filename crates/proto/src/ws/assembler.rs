use super::{Data, Kind};

/// Puts the pieces of a message together.
///
/// A message that lies whole in the input is not copied. The [`Decoder`](super::Decoder)
/// bounds what is kept here: its limits are checked before a payload comes.
#[derive(Debug, Default)]
pub struct Assembler {
    kept: Vec<u8>,
}

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<'a> {
    /// What the message holds.
    pub kind: Kind,
    /// `bytes` are for an [`Inflater`](super::Inflater).
    pub compressed: bool,
    /// The bytes of all frames. If this is text and not compressed, they are UTF-8.
    pub bytes: &'a [u8],
}

impl Assembler {
    /// Takes a piece, and returns the message if that was the last one. After a message that
    /// came in several pieces, call [`clear`](Self::clear).
    #[inline]
    pub fn push<'a>(&'a mut self, data: Data<'a>) -> Option<Whole<'a>> {
        let Data { kind, compressed, first, last, payload } = data;
        if first && last {
            return Some(Whole { kind, compressed, bytes: payload });
        }
        if first {
            self.kept.clear();
        }
        // Grows by doubling, not to the declared length: that may never come.
        self.kept.extend_from_slice(payload);
        last.then_some(Whole { kind, compressed, bytes: &self.kept })
    }

    /// Bytes of the message that is coming in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Makes room for a message of so many bytes, of which a part is there. The caller bounds it: the
    /// rest may never come.
    pub fn reserve(&mut self, bytes: usize) {
        self.kept.reserve(bytes.saturating_sub(self.kept.len()));
    }

    /// The bytes of a message that came in several pieces, taken out instead of borrowed.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.kept.capacity()
    }

    /// Frees the memory. An idle connection holds none.
    #[inline]
    pub fn clear(&mut self) {
        self.kept = Vec::new();
    }
}
