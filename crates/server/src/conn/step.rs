//! What a loop has others do for a connection, because it would keep the loop from the rest.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use crate::conn::handshake::{AskedName, HandshakeStep};
use crate::exchange::body::FileRange;
use crate::exchange::id::ConnId;

/// Something on its way to a worker and back. Its connection waits meanwhile.
pub(crate) struct Step {
    pub(crate) io_thread: usize,
    pub(crate) conn: ConnId,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    /// A step of a TLS handshake.
    Handshake(HandshakeStep),
    /// To read bytes of a file that are not in memory.
    Read(FileRead),
}

/// A read of a file.
pub(crate) struct FileRead {
    /// The stream that sends it, where the protocol has streams.
    pub(crate) stream: Option<u32>,
    pub(crate) part: FileRange,
    /// The first bytes of `part`, at least one, or why there are none. None before it was read.
    pub(crate) result: Option<io::Result<Vec<u8>>>,
    /// All before this place is in memory now. 0 if the file system can tell that itself.
    pub(crate) warm_to: u64,
}

/// Steps that are to be taken.
#[derive(Default)]
pub(crate) struct Steps {
    /// The connections whose sessions wait, the first first. Some may be gone.
    pub(crate) waiting: VecDeque<ConnId>,
    /// Reads that wait, one of a connection at most, or of a stream. Some may be gone.
    pub(crate) reads: VecDeque<(ConnId, Option<u32>, FileRange)>,
    /// How many workers have.
    pub(crate) away: usize,
    /// Names that the loop is to ask for, and the number of those that were not answered.
    pub(crate) questions: Vec<AskedName>,
    pub(crate) asked: usize,
}

impl Step {
    /// Takes the step. A handshake signs, verifies and derives keys, for 50 µs to 2 ms. A read takes
    /// as long as the disk does.
    pub(crate) fn take(&mut self) {
        match &mut self.work {
            Work::Handshake(step) => step.take(),
            Work::Read(read) => read.take(),
        }
    }
}

impl FileRead {
    fn take(&mut self) {
        let result = read(&self.part);
        if let Ok(bytes) = &result {
            self.warm_to = warm(&self.part, bytes.len());
        }
        self.result = Some(result);
    }
}

/// How much of a file is read at once where it is not in memory. In bytes.
const COLD_READ: usize = if cfg!(test) { 1_500 } else { 64 * 1024 };

/// Reads what it can get of the beginning with one call.
pub(crate) fn read(part: &FileRange) -> io::Result<Vec<u8>> {
    let mut bytes =
        vec![0; usize::try_from(part.len()).map_or(COLD_READ, |len| len.min(COLD_READ))];
    loop {
        match part.file.read_at(&mut bytes, part.range.start) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                bytes.truncate(n);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Brings the rest of a part to memory, of which the beginning was `read` just now, and returns up
/// to where. It does so only on file systems that cannot tell what is in memory, such as overlayfs.
/// With others the loop finds what the kernel has read ahead.
fn warm(part: &FileRange, read: usize) -> u64 {
    let begin = part.range.start;
    if reactor_sys::read_cached(part.file.as_fd(), &mut [0], begin).is_ok() {
        return 0;
    }
    let (mut at, end) = (begin + read as u64, part.range.end);
    reactor_sys::read_ahead(part.file.as_fd(), at, end - at);
    while at < end {
        // The last byte of each step: the kernel has been asked for all of them, in this order.
        let next = end.min(at + COLD_READ as u64);
        match part.file.read_at(&mut [0], next - 1) {
            Ok(1) => at = next,
            // The loop finds out why.
            _ => break,
        }
    }
    at
}
