//! Room for request bodies.
//!
//! A body is collected for a handler that wants it whole, or goes on to a lane as it
//! comes. Bytes of the latter count while the lane has been told of them and has not taken
//! them: in its queue, or in memory of its thread. Together they may fill half of the
//! room; then each upload is read on only when its handler has taken all that came, so that
//! none waits for the handler of another.

use crate::exchange::body::WINDOW;

/// A loop's room for request bodies, in bytes.
pub(crate) struct BodyMemory {
    most: usize,
    /// Held in tasks, wherever they are.
    pub(crate) collected: usize,
    /// Told to lanes and not taken by them.
    pub(crate) streamed: usize,
}

impl BodyMemory {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, collected: 0, streamed: 0 }
    }

    /// Whether uploads fill the room that is there for them.
    pub(crate) fn is_short(&self) -> bool {
        self.streamed > self.most / 2
    }

    /// With so many bytes of its uploads not taken, a connection is not read from.
    pub(crate) fn window(&self) -> usize {
        if self.is_short() { 1 } else { WINDOW }
    }

    /// Takes room for so many bytes more of a body that is collected. False if there is none.
    pub(crate) fn collect(&mut self, bytes: usize) -> bool {
        let held = self.collected + self.streamed.min(self.most / 2);
        let fits = held + bytes <= self.most;
        self.collected += if fits { bytes } else { 0 };
        fits
    }
}
