//! The body of a response.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use crate::exchange::compression::coder::Coder;

/// Bytes of a body, in either direction, that may be under way between a loop and a lane. Then the
/// sender waits for credit: `PULL` for a request's body, `ACK` for a response's.
pub const WINDOW: usize = 256 * 1024;

/// What an unsent file counts for where bytes of memory are counted: a connection may hold a
/// few descriptors only.
pub(crate) const FILE_WEIGHT: usize = 16 * 1024;

/// Where the bytes of a response's body are.
pub(crate) enum Body {
    /// Bytes of this response alone.
    Bytes(Vec<u8>),
    /// Bytes that other responses may share. They are sent from where they lie.
    Shared(Arc<[u8]>),
    /// So many bytes, which the caller of `Reactor::respond_lent` has.
    Lent(usize),
    /// A part of a file, read when it is sent.
    File(FileRange),
    /// A file that is to be opened before the response goes to its protocol.
    Named(Box<NamedFile>),
    /// Parts in their order.
    Parts(Vec<Part>),
    /// The beginning of a body whose rest comes later.
    Stream(StreamBody),
}

/// A file, or a part of it, by its path.
pub(crate) struct NamedFile {
    /// Absolute.
    pub(crate) path: Vec<u8>,
    /// In bytes from the file's beginning. What is behind its end does not count.
    pub(crate) range: Range<u64>,
}

/// One of the parts of a body.
pub(crate) enum Part {
    Bytes(Vec<u8>),
    File(FileRange),
}

impl Part {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.len(),
        }
    }
}

/// A part of an open file.
#[derive(Clone, Debug)]
pub(crate) struct FileRange {
    pub(crate) file: Arc<File>,
    /// In bytes from the file's beginning.
    pub(crate) range: Range<u64>,
    /// The pages before this place of the file were in memory a moment ago.
    pub(crate) warm_to: u64,
}

impl FileRange {
    pub(crate) fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self { file, range, warm_to: 0 }
    }

    pub(crate) fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }
}

/// The part of a streaming body that has come, while its response waits for its turn.
pub(crate) struct StreamBody {
    /// How long it will be, if that was declared.
    pub(crate) declared: Option<u64>,
    /// The bytes that have come. None of them has been sent.
    pub(crate) early: Vec<u8>,
    pub(crate) state: StreamState,
    /// It goes compressed: how long it will be is not what was declared.
    pub(crate) is_coded: bool,
    /// What compresses it, until it is written.
    pub(crate) coder: Option<Box<Coder>>,
}

/// Whether more of a streaming body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    Open,
    /// All of it is there.
    Ended,
    /// It ends before it is complete.
    Broken,
}

impl StreamBody {
    /// Adds the next bytes. False, and nothing is added, if they go past its declared length.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        if self.left().is_some_and(|left| data.len() as u64 > left) {
            return false;
        }
        self.early.extend_from_slice(data);
        true
    }

    /// Compresses what has come, in its place, and the end if that has come too. Returns what
    /// compresses the rest.
    pub(crate) fn encode_early(&mut self) -> Option<Box<Coder>> {
        let mut coder = self.coder.take()?;
        if !self.early.is_empty() {
            self.early = coder.write(&self.early);
        }
        match self.state {
            StreamState::Open => return Some(coder),
            StreamState::Ended => self.early.append(&mut coder.finish()),
            StreamState::Broken => {}
        }
        None
    }

    /// Whether not more bytes came than were declared.
    pub(crate) fn fits(&self) -> bool {
        self.declared.is_none_or(|length| self.early.len() as u64 <= length)
    }

    /// What is missing of its declared length.
    pub(crate) fn left(&self) -> Option<u64> {
        self.declared.map(|length| length.saturating_sub(self.early.len() as u64))
    }
}

impl Body {
    /// Bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Lent(len) => *len,
            Self::File(_) => FILE_WEIGHT,
            Self::Named(file) => file.path.len(),
            Self::Parts(parts) => held_by(parts),
            Self::Stream(stream) => stream.early.len(),
        }
    }

    /// Empties it for the next response; a buffer of its own is kept, up to `most` bytes.
    pub(crate) fn clear(&mut self, most: usize) {
        match self {
            Self::Bytes(bytes) => {
                bytes.clear();
                bytes.shrink_to(most);
            }
            Self::Stream(StreamBody { early, .. }) => {
                early.clear();
                early.shrink_to(most);
                *self = Self::Bytes(std::mem::take(early));
            }
            Self::Shared(_) | Self::Lent(_) | Self::File(_) | Self::Named(_) | Self::Parts(_) => {
                *self = Self::default();
            }
        }
    }
}

#[inline(never)]
fn held_by(parts: &[Part]) -> usize {
    let held = |part: &Part| match part {
        Part::Bytes(bytes) => bytes.len(),
        Part::File(_) => FILE_WEIGHT,
    };
    parts.iter().map(held).sum()
}

/// Bytes of all parts.
#[inline(never)]
pub(crate) fn length_of(parts: &[Part]) -> u64 {
    parts.iter().map(Part::len).sum()
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}
