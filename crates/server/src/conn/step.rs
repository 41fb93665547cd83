//! What a loop has others do for a connection, because it would keep the loop from the rest.

use std::collections::VecDeque;
use std::io;
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
    pub(crate) part: FileRange,
    /// The first bytes of `part`, at least one, or why there are none. None before it was read.
    pub(crate) result: Option<io::Result<Vec<u8>>>,
}

/// Steps that are to be taken.
#[derive(Default)]
pub(crate) struct Steps {
    /// The connections whose sessions wait, the first first. Some may be gone.
    pub(crate) waiting: VecDeque<ConnId>,
    /// Reads that wait, one of a connection at most. Some connections may be gone.
    pub(crate) reads: VecDeque<(ConnId, FileRange)>,
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
        self.result = Some(read(&self.part));
    }
}

/// Reads what it can get with one call.
pub(crate) fn read(part: &FileRange) -> io::Result<Vec<u8>> {
    // Loops ask for small parts.
    let mut bytes = vec![0; usize::try_from(part.len()).unwrap_or(usize::MAX)];
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
