//! Buffers that connections of one loop share.

use crate::conn::pieces::Pieces;

/// How much of a file is read at once.
const FILE_READ: usize = 64 * 1024;

/// Empty buffers. The last one put back is taken first, because the processor's cache still has it.
#[derive(Default)]
pub(crate) struct BufPool {
    free: Vec<Vec<u8>>,
    /// Capacity of all of them, in bytes.
    held: usize,
    /// Empty queues of pieces.
    #[allow(clippy::vec_box, reason = "connections hold the boxes")]
    pieces: Vec<Box<Pieces>>,
    /// Files are read into this. It is empty until the first file is sent.
    file: Vec<u8>,
    /// Each such read of a file finds nothing in memory. 0: none.
    #[cfg(test)]
    pub(crate) cold_every: u32,
    #[cfg(test)]
    reads: u32,
}

impl BufPool {
    /// A message that is published to many clients takes a buffer for each.
    const MAX_BUFFERS: usize = 2048;
    const MAX_CAPACITY: usize = 64 * 1024;
    const MAX_HELD: usize = 8 * 1024 * 1024;
    const MAX_PIECES: usize = 128;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        let Some(buf) = self.free.pop() else { return Vec::with_capacity(2048) };
        self.held -= buf.capacity();
        buf
    }

    pub(crate) fn put(&mut self, buf: Vec<u8>) {
        debug_assert!(buf.is_empty());
        let held = self.held + buf.capacity();
        let fits = buf.capacity() <= Self::MAX_CAPACITY && held <= Self::MAX_HELD;
        if fits && self.free.len() < Self::MAX_BUFFERS {
            self.held = held;
            self.free.push(buf);
        }
    }

    pub(crate) fn take_pieces(&mut self) -> Box<Pieces> {
        self.pieces.pop().unwrap_or_default()
    }

    pub(crate) fn put_pieces(&mut self, mut pieces: Box<Pieces>) {
        debug_assert!(pieces.is_empty());
        if self.pieces.len() < Self::MAX_PIECES {
            pieces.shrink();
            self.pieces.push(pieces);
        }
    }

    /// Room for what is read of a file before it is sent.
    pub(crate) fn file_buffer(&mut self) -> &mut [u8] {
        if self.file.is_empty() {
            self.file = vec![0; FILE_READ];
        }
        &mut self.file
    }

    /// Whether this read of a file is to find nothing in memory; for tests.
    #[cfg(test)]
    pub(crate) fn is_cold(&mut self) -> bool {
        self.reads = self.reads.wrapping_add(1);
        self.cold_every > 0 && self.reads.is_multiple_of(self.cold_every)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests have another")]
    pub(crate) fn is_cold(&mut self) -> bool {
        false
    }
}
