//! A body that is compressed as it comes, and the memory for such bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reactor_compress::Stream;
use reactor_proto::Coding;

/// The memory of one loop for bodies that are being compressed, in bytes. Beyond it, answers go as
/// they are.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    used: Arc<AtomicUsize>,
    most: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { used: Arc::default(), most }
    }

    fn take(&self) -> Option<Share> {
        let more =
            |used: usize| (used + Stream::WEIGHT <= self.most).then_some(used + Stream::WEIGHT);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share(Arc::clone(&self.used)))
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The share of one body. It goes back however the exchange ends, as that drops it.
#[derive(Debug)]
struct Share(Arc<AtomicUsize>);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(Stream::WEIGHT, Ordering::Relaxed);
    }
}

/// Compresses one body.
#[derive(Debug)]
pub(crate) struct Coder {
    stream: Stream,
    _share: Share,
}

impl Coder {
    /// What one counts for, in bytes.
    #[cfg(test)]
    pub(crate) const WEIGHT: usize = Stream::WEIGHT;

    /// For an answer that streams. None if there is no memory for it.
    pub(super) fn new(coding: Coding, padding: &[u8], budget: &Budget) -> Option<Box<Self>> {
        let share = budget.take()?;
        let stream = Stream::new(coding, padding).ok()?;
        Some(Box::new(Self { stream, _share: share }))
    }

    /// The next bytes in the coding. The client can read all of them at once.
    pub(crate) fn write(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.stream.write(data, true, &mut out);
        out
    }

    /// The end.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.stream.finish(&mut out);
        out
    }
}
