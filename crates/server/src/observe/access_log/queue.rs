//! From one loop to the writer.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crossbeam_queue::ArrayQueue;

use super::record::{Batch, Entry};
use super::writer_waker::WriterWaker;
use crate::observe::counter::Counter;

/// Records handed over at once. In a turn with more, the loop hands over in between.
const BATCH_ENTRIES: usize = 256;
/// Batches that may wait for the writer.
const MAX_BATCHES: usize = 4096;
/// Bytes that may wait for the writer, for each loop.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Empty batches kept for further records.
const KEEP_BATCHES: usize = 128;

/// The batches that one loop has handed over.
pub(super) struct LogQueue {
    full: ArrayQueue<Box<Batch>>,
    empty: ArrayQueue<Box<Batch>>,
    /// Bytes that the loop has put in. Only the loop writes it.
    put: Counter,
    /// Bytes that the writer has taken out. Only the writer writes it.
    taken: Counter,
    /// Records that found no room.
    lost: Counter,
}

impl LogQueue {
    pub(super) fn new() -> Self {
        Self {
            full: ArrayQueue::new(MAX_BATCHES),
            empty: ArrayQueue::new(KEEP_BATCHES),
            put: Counter::default(),
            taken: Counter::default(),
            lost: Counter::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// The writer takes the next batch. It returns the batch by [`give_back`](Self::give_back).
    pub(super) fn take(&self) -> Option<Box<Batch>> {
        let batch = self.full.pop()?;
        self.taken.add(batch.size() as u64);
        Some(batch)
    }

    pub(super) fn give_back(&self, mut batch: Box<Batch>) {
        batch.clear();
        // If there is no room for it, the writer frees it, not the loop.
        drop(self.empty.push(batch));
    }

    /// Puts a batch in, or returns it if there is no room.
    fn put(&self, batch: Box<Batch>) -> Result<(), Box<Batch>> {
        let size = batch.size() as u64;
        let waiting = self.put.get().wrapping_sub(self.taken.get());
        if waiting + size > MAX_BYTES {
            return Err(batch);
        }
        // Counted before the writer can take it, so that the difference is never negative.
        self.put.add(size);
        self.full.push(batch).inspect_err(|_| self.put.add(size.wrapping_neg()))
    }
}

/// The loop's end of its queue.
pub(crate) struct LogSender {
    writer: Arc<WriterWaker>,
    queue: Arc<LogQueue>,
    batch: Box<Batch>,
    /// The writer wants to know what proxies say of the client.
    pub(crate) with_forwarded: bool,
    /// And of which trace a request is part.
    pub(crate) with_trace: bool,
}

impl LogSender {
    pub(super) fn new(
        writer: Arc<WriterWaker>,
        queue: Arc<LogQueue>,
        with_forwarded: bool,
        with_trace: bool,
    ) -> Self {
        Self { writer, queue, batch: Box::new(Batch::new()), with_forwarded, with_trace }
    }

    /// Adds a record with its text. It goes to the writer by
    /// [`hand_over`](Self::hand_over).
    pub(crate) fn add(&mut self, entry: Entry, text: &[u8]) {
        self.batch.text.extend_from_slice(text);
        self.batch.entries.push(entry);
        if self.batch.entries.len() >= BATCH_ENTRIES {
            self.hand_over();
        }
    }

    /// Hands over the records, or drops them if there is no room. Never waits.
    pub(crate) fn hand_over(&mut self) {
        if self.batch.entries.is_empty() {
            return;
        }
        self.batch.moment = (Instant::now(), SystemTime::now());
        let next = self.queue.empty.pop().unwrap_or_else(|| Box::new(Batch::new()));
        let batch = std::mem::replace(&mut self.batch, next);
        if let Err(mut batch) = self.queue.put(batch) {
            self.queue.lost.add(batch.entries.len() as u64);
            batch.clear();
            self.batch = batch;
        }
        self.writer.notify();
    }
}

impl Drop for LogSender {
    /// The records of a loop that ends are still written.
    fn drop(&mut self) {
        self.hand_over();
    }
}
