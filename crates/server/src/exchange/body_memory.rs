//! The memory for request bodies.
//!
//! The loop collects a body for a handler that wants it whole. Any other body goes on to a lane as
//! it comes: its bytes count from the event that tells the lane until the lane has taken them. So
//! they are in the lane's queue, or in memory of its thread. If a lane wants the rest of such a body
//! in one piece, the loop collects it, and its bytes count until the lane has taken them too.
//!
//! Uploads that stream, and such rests, may fill half of the memory together. Beyond that, the loop
//! collects no more of a rest, but lets it go on as it comes. It reads each upload on only when its
//! own handler has taken all that came. So no upload waits for the handler of another.

use crate::exchange::body::WINDOW;

/// A loop's room for request bodies, in bytes.
pub(crate) struct BodyMemory {
    most: usize,
    /// Held in tasks, wherever they are.
    pub(crate) collected: usize,
    /// Told to lanes and not taken by them.
    pub(crate) streamed: usize,
    /// Collected for lanes and not taken by them.
    pub(crate) rests: usize,
}

impl BodyMemory {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, collected: 0, streamed: 0, rests: 0 }
    }

    /// Whether uploads fill the memory that they may have.
    pub(crate) fn is_short(&self) -> bool {
        self.streamed + self.rests > self.most / 2
    }

    /// So many bytes that were told to a lane, and that were collected for it, are with it now, or
    /// gone.
    pub(crate) fn taken(&mut self, (streamed, rests): (usize, usize)) {
        self.streamed -= streamed;
        self.rests -= rests;
    }

    /// How many more bytes may be collected in tasks.
    pub(crate) fn free(&self) -> usize {
        let uploads = (self.streamed + self.rests).min(self.most / 2);
        self.most.saturating_sub(self.collected + uploads)
    }

    /// How many more bytes may be collected for lanes.
    pub(crate) fn free_for_rests(&self) -> usize {
        (self.most / 2).saturating_sub(self.streamed + self.rests).min(self.free())
    }

    /// Takes memory for this many more bytes of a body that is collected. False if there is none.
    pub(crate) fn collect(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.free();
        self.collected += if fits { bytes } else { 0 };
        fits
    }

    /// The same for the rest of a body that is collected for a lane.
    pub(crate) fn collect_rest(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.free_for_rests();
        self.rests += if fits { bytes } else { 0 };
        fits
    }
}

/// The loop does not read from a connection while its lane has not taken this many bytes of its
/// uploads.
#[inline]
pub(crate) fn window(is_short: bool) -> usize {
    if is_short { 1 } else { WINDOW }
}

/// Memory of bodies that is kept for further ones, because fresh memory costs more than to fill it.
#[derive(Default)]
pub(crate) struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// Pieces of memory that are kept, and bytes of all of them at most.
    const MOST: usize = 16;
    const MOST_BYTES: usize = 4 * 1024 * 1024;

    /// Memory for this many bytes and not much more, or none.
    pub(crate) fn take(&mut self, bytes: usize) -> Vec<u8> {
        let fits = |memory: &Vec<u8>| (bytes..=2 * bytes).contains(&memory.capacity());
        self.0.iter().position(fits).map(|place| self.0.swap_remove(place)).unwrap_or_default()
    }

    pub(crate) fn put(&mut self, mut memory: Vec<u8>) {
        memory.clear();
        // The latest is what clients send now.
        self.0.insert(0, memory);
        let bytes = |memory: &Vec<Vec<u8>>| memory.iter().map(Vec::capacity).sum::<usize>();
        while self.0.len() > Self::MOST || bytes(&self.0) > Self::MOST_BYTES {
            self.0.pop();
        }
    }
}
