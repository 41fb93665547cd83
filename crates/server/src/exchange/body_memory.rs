//! The memory for request bodies.
//!
//! The loop collects a body for a handler that wants it whole, or wants the rest of it in one piece.
//! If there is no memory for such a rest, it goes on to its lane as it comes. Any other body goes on to a lane as
//! it comes: its bytes count from the event that tells the lane until the lane has taken them. So
//! they are in the lane's queue, or in memory of its thread.
//!
//! Uploads that stream may fill half of the memory together. Beyond that, the loop reads each
//! upload on only when its own handler has taken all that came. So no upload waits for the handler
//! of another.

use crate::exchange::body::WINDOW;

/// A loop's room for request bodies, in bytes.
pub(crate) struct BodyMemory {
    most: usize,
    /// Held in tasks, wherever they are, or collected for lanes and not taken by them.
    pub(crate) collected: usize,
    /// Told to lanes and not taken by them.
    pub(crate) streamed: usize,
}

impl BodyMemory {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, collected: 0, streamed: 0 }
    }

    /// Whether uploads fill the memory that they may have.
    pub(crate) fn is_short(&self) -> bool {
        self.streamed > self.most / 2
    }

    /// So many bytes that were streamed, and that were collected, are with the lane now or gone.
    pub(crate) fn taken(&mut self, (streamed, collected): (usize, usize)) {
        self.streamed -= streamed;
        self.collected -= collected;
    }

    /// How many more bytes may be collected.
    pub(crate) fn free(&self) -> usize {
        self.most.saturating_sub(self.collected + self.streamed.min(self.most / 2))
    }

    /// Takes memory for this many more bytes of a body that is collected. False if there is none.
    pub(crate) fn collect(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.free();
        self.collected += if fits { bytes } else { 0 };
        fits
    }
}

/// The loop does not read from a connection while its lane has not taken this many bytes of its
/// uploads.
#[inline]
pub(crate) fn window(is_short: bool) -> usize {
    if is_short { 1 } else { WINDOW }
}
