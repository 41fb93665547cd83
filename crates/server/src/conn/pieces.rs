//! Output that is sent from where it lies.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::exchange::body::{FILE_WEIGHT, FileRange};

/// Places that an empty queue keeps.
const KEEP: usize = 16;

/// Pieces in the order in which they are sent.
#[derive(Default)]
pub(crate) struct Pieces {
    pub(crate) queue: VecDeque<Piece>,
    /// Unsent bytes of the pieces that are in memory, and what the files count for.
    pub(crate) held: usize,
    /// Unsent bytes of all pieces.
    pub(crate) unsent: usize,
    /// The first piece is a file whose next bytes are not in memory. Nothing is sent until somebody
    /// has read them.
    pub(crate) is_read_elsewhere: bool,
}

pub(crate) struct Piece {
    /// It is sent once this much of the output's buffer has been.
    pub(crate) at: usize,
    pub(crate) content: Content,
    /// How much of it has been sent, in bytes.
    pub(crate) sent: usize,
}

/// Content that is sent without a copy into the buffer.
pub(crate) enum Content {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
    /// So many bytes, which the caller of `Out::flush` has. Before another flush,
    /// `Out::keep_lent` puts bytes of our own in their place.
    Lent(usize),
    File(FileRange),
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Lent(len) => *len,
            // No file is longer than memory can address on the platforms there are.
            Self::File(file) => usize::try_from(file.len()).unwrap_or(usize::MAX),
        }
    }

    /// Bytes of memory that it holds, or what it counts for.
    fn held(&self) -> usize {
        if let Self::File(_) = self { FILE_WEIGHT } else { self.len() }
    }

    /// Its bytes, if they are in memory. `lent` are those that a caller lends.
    pub(crate) fn bytes<'a>(&'a self, lent: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Lent(_) => lent,
            Self::File(_) => &[],
        }
    }
}

impl Pieces {
    /// Puts a piece behind the others, to be sent once `at` bytes of the buffer have been.
    pub(crate) fn push(&mut self, at: usize, content: Content) {
        self.held += content.held();
        self.unsent = self.unsent.saturating_add(content.len());
        self.queue.push_back(Piece { at, content, sent: 0 });
    }

    /// So many bytes of the first piece have been sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        let Some(piece) = self.queue.front_mut() else { return };
        piece.sent += bytes;
        self.unsent = self.unsent.saturating_sub(bytes);
        let is_over = piece.sent == piece.content.len();
        self.held -= match piece.content {
            Content::File(_) if is_over => FILE_WEIGHT,
            Content::File(_) => 0,
            Content::Owned(_) | Content::Shared(_) | Content::Lent(_) => bytes,
        };
        if is_over {
            self.queue.pop_front();
        }
    }

    /// Puts bytes in the place of the beginning of what is left of a file, which is the first piece.
    pub(crate) fn put_before_rest(&mut self, bytes: Vec<u8>) {
        let Some(Piece { at, content: Content::File(file), sent }) = self.queue.front_mut() else {
            return;
        };
        let at = *at;
        file.range.start += (*sent + bytes.len()) as u64;
        *sent = 0;
        if file.len() == 0 {
            self.held -= FILE_WEIGHT;
            self.queue.pop_front();
        }
        self.held += bytes.len();
        self.queue.push_front(Piece { at, content: Content::Owned(bytes), sent: 0 });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives back memory that few connections need.
    pub(crate) fn shrink(&mut self) {
        self.queue.shrink_to(KEEP);
    }
}
