//! A step of a TLS handshake that a worker takes.

use reactor_tls::{Error, Session};

use crate::exchange::id::ConnId;

/// A session on its way to a worker and back. Its connection waits meanwhile.
pub(crate) struct HandshakeStep {
    pub(crate) io_thread: usize,
    pub(crate) conn: ConnId,
    pub(crate) session: Session,
    /// What came of it. None before it was taken.
    pub(crate) result: Option<Result<(), Error>>,
}

impl HandshakeStep {
    /// Takes the step: it signs, verifies and derives keys, for 50 µs to 2 ms.
    pub(crate) fn take(&mut self) {
        self.result = Some(self.session.work());
    }
}
