//! Output that is sent from where it lies.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::exchange::body::FileRange;

/// Places that an empty queue keeps.
const KEEP: usize = 16;

/// Pieces in the order in which they are sent.
#[derive(Default)]
pub(crate) struct Pieces {
    pub(crate) queue: VecDeque<Piece>,
    /// Unsent bytes of the pieces that are in memory.
    pub(crate) held: usize,
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
    File(FileRange),
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            // No file is longer than memory can address on the platforms there are.
            Self::File(file) => usize::try_from(file.len()).unwrap_or(usize::MAX),
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        if let Self::File(_) = self { 0 } else { self.len() }
    }

    /// Its bytes, if they are in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::File(_) => &[],
        }
    }
}

impl Pieces {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives back memory that few connections need.
    pub(crate) fn shrink(&mut self) {
        self.queue.shrink_to(KEEP);
    }
}
