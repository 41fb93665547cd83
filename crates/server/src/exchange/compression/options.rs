//! How answers are compressed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use reactor_compress::{CompressError, Effort, MOST_PADDING, compress_padded, supports};
use reactor_proto::{Coding, CodingSet};

/// How answers are compressed.
#[derive(Clone, Debug)]
pub struct Compress {
    /// Shorter bodies are left alone, in bytes; the default is 1024. A body of unknown length counts
    /// as long.
    pub threshold: usize,
    /// Media types that are compressed besides those that are known to shrink, in lower case and
    /// without parameters.
    pub types: Vec<String>,
    /// Answers that set cookies, or say that they are private, are compressed too. The default is no
    /// (BREACH).
    pub private: bool,
    /// Up to so many random bytes are added that decoders pass over, 256 at most. They hide how
    /// long the body is. The default is 0.
    pub padding: usize,
    /// How much time a byte may take.
    pub effort: Effort,
    pub(crate) codings: CodingSet,
    pub(crate) random: RandomState,
}

impl Default for Compress {
    fn default() -> Self {
        Self {
            threshold: 1024,
            types: Vec::new(),
            private: false,
            padding: 0,
            effort: Effort::Fast,
            codings: Coding::ALL.into_iter().filter(|&coding| supports(coding)).collect(),
            random: RandomState::new(),
        }
    }
}

impl Compress {
    /// Leaves only these codings, by their names; those that this build does not write, and names
    /// that mean none, are passed over.
    #[must_use]
    pub fn with_codings<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let codings = names.into_iter().filter_map(|name| Coding::from_token(name.as_bytes()));
        self.codings = codings.filter(|&coding| supports(coding)).collect();
        self
    }

    /// Appends the bytes in this coding, with padding.
    pub(crate) fn encode_bytes(
        &self,
        coding: Coding,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let padding = self.padding();
        compress_padded(coding, self.effort, plain, padding.bytes(), out)
    }

    /// The padding of one body.
    pub(super) fn padding(&self) -> Padding {
        let mut padding = Padding { bytes: [0; MOST_PADDING], len: 0 };
        if self.padding > 0 {
            // SipHash under a random key, of a number that never repeats: nobody can foretell it.
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            for (nth, bytes) in padding.bytes.chunks_mut(8).enumerate() {
                let word = self.random.hash_one((number, nth)).to_le_bytes();
                bytes.copy_from_slice(&word[..bytes.len()]);
            }
            let most = self.padding.min(MOST_PADDING) as u64;
            let len = self.random.hash_one((number, "length")) % (most + 1);
            padding.len = usize::try_from(len).unwrap_or(0);
        }
        padding
    }
}

/// Random bytes of a random number.
pub(super) struct Padding {
    bytes: [u8; MOST_PADDING],
    len: usize,
}

impl Padding {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
