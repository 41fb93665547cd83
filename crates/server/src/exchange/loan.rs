//! Memory that a handler's thread lends to a loop, for a request's body that it wants whole.

use std::ops::Range;

/// Memory of a handler's thread, as large as a request's declared body. The loop reads the body from
/// the link straight into it. The thread shows the memory to no program before it is full, and may
/// take it back at any time.
pub trait LentMemory: Send {
    /// Its size in bytes.
    fn size(&self) -> usize;

    /// Calls `write` once with the bytes in `range`, which lies within the size. False, without a
    /// call, if the thread has taken the memory back. It does so only when no call is under way.
    fn with(&self, range: Range<usize>, write: &mut dyn FnMut(&mut [u8])) -> bool;
}

/// Lent memory, and how far a loop has filled it. What came before the loan is at its front: the
/// thread got that in pieces, and puts it there.
pub(crate) struct Loan {
    memory: Box<dyn LentMemory>,
    /// Where the loop began.
    first: usize,
    /// Where the next bytes belong.
    next: usize,
    is_back: bool,
}

impl Loan {
    /// For a body that lacks `left` bytes. None if it does not fit the memory.
    pub(crate) fn new(memory: Box<dyn LentMemory>, left: u64) -> Option<Self> {
        let left = usize::try_from(left).ok()?;
        let first = memory.size().checked_sub(left)?;
        Some(Self { memory, first, next: first, is_back: false })
    }

    /// Bytes that the loop has put there.
    pub(crate) fn filled(&self) -> usize {
        self.next - self.first
    }

    /// Whether the thread has taken the memory back, as far as the loop has noticed.
    pub(crate) fn is_back(&self) -> bool {
        self.is_back
    }

    /// Calls `write` with the next bytes, at most `most`. None if the thread has taken the memory
    /// back. [`advance`](Self::advance) says how many have been written.
    pub(crate) fn write<R>(
        &mut self,
        most: usize,
        write: impl FnOnce(&mut [u8]) -> R,
    ) -> Option<R> {
        let end = self.memory.size().min(self.next + most);
        let (mut write, mut result) = (Some(write), None);
        let mut once = |room: &mut [u8]| result = write.take().map(|write| write(room));
        self.is_back |= !self.memory.with(self.next..end, &mut once);
        result
    }

    /// So many of the next bytes have been written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.next += bytes;
    }

    /// Copies these bytes behind the others. False if the thread has taken the memory back, or they
    /// do not fit.
    pub(crate) fn extend(&mut self, data: &[u8]) -> bool {
        let copied = self.write(data.len(), |room| {
            let fits = room.len() == data.len();
            if fits {
                room.copy_from_slice(data);
            }
            fits
        });
        let is_copied = copied == Some(true);
        self.next += if is_copied { data.len() } else { 0 };
        is_copied
    }
}

/// Where the next bytes of a body belong that are read from a link.
pub(crate) struct BodyRoom<'a> {
    pub(crate) room: Room<'a>,
    /// So many at most.
    pub(crate) most: usize,
    /// These are the last of the body.
    pub(crate) is_last: bool,
}

/// Where bytes that are read from a link belong.
pub(crate) enum Room<'a> {
    /// Behind those that are there. There is memory for them.
    Own(&'a mut Vec<u8>),
    Lent(&'a mut Loan),
}
