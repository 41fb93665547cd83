//! How long requests wait in a lane.

use std::time::Instant;

use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::exchange::Exchange;

/// Counts how long the requests of one turn waited in their lane. Requests that came together are
/// counted together.
pub struct QueueWait<'a> {
    lane: &'a Lane,
    now: Instant,
    since: Instant,
    requests: u64,
}

impl<'a> QueueWait<'a> {
    /// For the turn that began at `now`.
    #[must_use]
    pub fn new(lane: &'a Lane, now: Instant) -> Self {
        Self { lane, now, since: now, requests: 0 }
    }

    /// The thread begins a request.
    pub fn add(&mut self, task: &Exchange) {
        if task.0.queued_at != self.since {
            self.count();
            self.since = task.0.queued_at;
        }
        self.requests += 1;
    }

    fn count(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        if requests > 0 {
            let wait = self.now.saturating_duration_since(self.since);
            self.lane.lag.queue_wait.record_many(wait, requests);
        }
    }
}

impl Drop for QueueWait<'_> {
    fn drop(&mut self) {
        self.count();
    }
}
