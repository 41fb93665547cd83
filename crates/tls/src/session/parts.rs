//! Plaintext that lies in several places.

use std::io::IoSlice;

/// Takes records' worth of plaintext from several parts.
pub(super) struct Parts<'a> {
    parts: &'a [IoSlice<'a>],
    /// In the first.
    offset: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(parts: &'a [IoSlice<'a>]) -> Self {
        Self { parts, offset: 0 }
    }

    /// Whether what is left lies in one piece.
    pub(super) fn is_one(&self) -> bool {
        self.parts.len() <= 1
    }

    /// How much is left, counted up to `most`.
    pub(super) fn len_up_to(&self, most: usize) -> usize {
        let mut len = 0;
        for part in self.parts {
            len += part.len();
            if len >= most + self.offset {
                return most;
            }
        }
        len - self.offset.min(len)
    }

    /// Up to `most` bytes: of one part as they are, of several gathered.
    pub(super) fn take<'b>(&mut self, most: usize, gather: &'b mut [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        self.skip_empty();
        let Some(first) = self.parts.first() else { return &[] };
        let first: &'a [u8] = first;
        let left = &first[self.offset..];
        if left.len() >= most || self.is_one() {
            let taken = &left[..left.len().min(most)];
            self.offset += taken.len();
            self.skip_empty();
            return taken;
        }
        let mut n = 0;
        while let Some(first) = self.parts.first()
            && n < most
        {
            let left = &first[self.offset..];
            let taken = left.len().min(most - n);
            gather[n..n + taken].copy_from_slice(&left[..taken]);
            n += taken;
            self.offset += taken;
            self.skip_empty();
        }
        &gather[..n]
    }

    /// Drops parts that are used up.
    fn skip_empty(&mut self) {
        while let Some((first, rest)) = self.parts.split_first()
            && self.offset == first.len()
        {
            (self.parts, self.offset) = (rest, 0);
        }
    }
}
