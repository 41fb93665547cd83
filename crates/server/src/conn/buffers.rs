//! Buffers that connections of one loop share.

/// How much of a file is read at once.
const FILE_READ: usize = 64 * 1024;

/// Empty buffers. The last one put back is taken first, because the processor's cache still has it.
#[derive(Default)]
pub(crate) struct BufPool {
    free: Vec<Vec<u8>>,
    /// Files are read into this. It is empty until the first file is sent.
    file: Vec<u8>,
}

impl BufPool {
    const MAX_BUFFERS: usize = 128;
    const MAX_CAPACITY: usize = 64 * 1024;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(2048))
    }

    pub(crate) fn put(&mut self, buf: Vec<u8>) {
        debug_assert!(buf.is_empty());
        if self.free.len() < Self::MAX_BUFFERS && buf.capacity() <= Self::MAX_CAPACITY {
            self.free.push(buf);
        }
    }

    /// Room for what is read of a file before it is sent.
    pub(crate) fn file_buffer(&mut self) -> &mut [u8] {
        if self.file.is_empty() {
            self.file = vec![0; FILE_READ];
        }
        &mut self.file
    }
}
