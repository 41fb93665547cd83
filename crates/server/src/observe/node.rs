//! What a JavaScript thread tells of itself: its heap, its garbage collections, its event loop.
//!
//! The thread tells it now and then, so that the numbers of before are there while it is stuck.

use std::time::Instant;

use serde::Serialize;

use crate::observe::stats::latency::LatencyStats;

/// Places among the numbers, the same as in `ts/lane/node-report.ts`. Sizes are in bytes. Times are in
/// microseconds, and since the thread began. They are whole: what writes fractions is large.
pub(crate) const HEAP_USED: usize = 0;
pub(crate) const HEAP_TOTAL: usize = 1;
pub(crate) const HEAP_LIMIT: usize = 2;
pub(crate) const EXTERNAL: usize = 3;
pub(crate) const LAG: usize = 4;
pub(crate) const ACTIVE: usize = 5;
pub(crate) const IDLE: usize = 6;
/// For each kind of garbage collections: how many took at most each of the bounds, then how many took
/// longer, then their time.
const COLLECTIONS: usize = 7;
/// As Prometheus' client for Node calls them.
pub(crate) const KINDS: [&str; 4] = ["minor", "major", "incremental", "weakcb"];
/// Bounds of what collections take, in nanoseconds and, for labels, in seconds. They are those of
/// Prometheus' client for Node.
pub(crate) const GC_BOUNDS: [&str; 6] = ["0.001", "0.01", "0.1", "1", "2", "5"];
const PER_KIND: usize = GC_BOUNDS.len() + 2;
pub(crate) const NUMBERS: usize = COLLECTIONS + KINDS.len() * PER_KIND;

/// What one thread has told last.
#[derive(Clone)]
pub(crate) struct NodeReport {
    pub(crate) at: Instant,
    pub(crate) numbers: [u64; NUMBERS],
}

/// What a JavaScript thread has told of itself, a few seconds ago. Sizes are in bytes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    /// The thread, named as in the metrics.
    pub thread: String,
    /// Milliseconds since it told this.
    pub age_ms: u64,
    /// The heap: what is in use,
    pub heap_used: u64,
    /// what it has,
    pub heap_total: u64,
    /// and what it may have.
    pub heap_limit: u64,
    /// Memory outside of the heap that its objects hold.
    pub external: u64,
    /// Garbage collections.
    pub gc: GcStats,
    /// The event loop.
    pub event_loop: EventLoopStats,
}

/// Garbage collections of one thread.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GcStats {
    /// How many.
    pub count: u64,
    /// Milliseconds of all.
    pub ms: f64,
}

/// The event loop of one thread, in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLoopStats {
    /// Since the start: not asleep.
    pub active_ms: f64,
    /// Since the start: asleep.
    pub idle_ms: f64,
    /// How late a timer was.
    pub lag: f64,
    /// From a wake by the engine to the turn that it leads to: median,
    pub p50: f64,
    /// 99th percentile
    pub p99: f64,
    /// and the largest.
    pub max: f64,
}

impl NodeReport {
    /// Reads numbers of eight bytes each, in this machine's order.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Self { at: Instant::now(), numbers }
    }

    /// The collections of a kind: those within each bound, those that took longer, and their time.
    pub(crate) fn collections(&self, kind: usize) -> &[u64] {
        let from = COLLECTIONS + kind * PER_KIND;
        self.numbers.get(from..from + PER_KIND).unwrap_or_default()
    }

    #[allow(clippy::cast_precision_loss, reason = "a time of less than 100 days")]
    #[cold]
    #[inline(never)]
    pub(crate) fn stats(&self, thread: String, lag: &LatencyStats) -> NodeStats {
        let number = |place: usize| self.numbers[place];
        let ms = |micros: u64| micros as f64 / 1e3;
        let mut gc = GcStats::default();
        let mut micros = 0;
        for kind in 0..KINDS.len() {
            if let Some((time, counts)) = self.collections(kind).split_last() {
                gc.count += counts.iter().sum::<u64>();
                micros += time;
            }
        }
        gc.ms = ms(micros);
        NodeStats {
            thread,
            age_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            heap_used: number(HEAP_USED),
            heap_total: number(HEAP_TOTAL),
            heap_limit: number(HEAP_LIMIT),
            external: number(EXTERNAL),
            gc,
            event_loop: EventLoopStats {
                active_ms: ms(number(ACTIVE)),
                idle_ms: ms(number(IDLE)),
                lag: ms(number(LAG)),
                p50: ms(lag.p50_ns / 1000),
                p99: ms(lag.p99_ns / 1000),
                max: ms(lag.max_ns / 1000),
            },
        }
    }
}
