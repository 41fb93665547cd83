//! What a JavaScript thread tells of itself: its heap, its garbage collections, its event loop.
//!
//! The thread tells it now and then, so that the numbers of before are there while it is stuck.

use std::time::Instant;

use serde::Serialize;

use crate::observe::stats::latency::LatencyStats;

/// Places among the numbers, the same as in `ts/lane/node-report.ts`. Times are in seconds, and since
/// the thread began.
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
    pub(crate) numbers: [f64; NUMBERS],
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
    pub heap_used: f64,
    /// what it has,
    pub heap_total: f64,
    /// and what it may have.
    pub heap_limit: f64,
    /// Memory outside of the heap that its objects hold.
    pub external: f64,
    /// Garbage collections.
    pub gc: GcStats,
    /// The event loop.
    pub event_loop: EventLoopStats,
}

/// Garbage collections of one thread.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GcStats {
    /// How many.
    pub count: f64,
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
    /// None if these are not as many as there must be.
    pub(crate) fn new(numbers: &[f64]) -> Option<Self> {
        let numbers = numbers.try_into().ok()?;
        Some(Self { at: Instant::now(), numbers })
    }

    /// The collections of a kind: those within each bound, those that took longer, and their time.
    pub(crate) fn collections(&self, kind: usize) -> &[f64] {
        let from = COLLECTIONS + kind * PER_KIND;
        self.numbers.get(from..from + PER_KIND).unwrap_or_default()
    }

    #[allow(clippy::cast_precision_loss, reason = "a time of less than 100 days")]
    pub(crate) fn stats(&self, thread: String, lag: &LatencyStats) -> NodeStats {
        let number = |place: usize| self.numbers[place];
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let mut gc = GcStats::default();
        for kind in 0..KINDS.len() {
            if let Some((seconds, counts)) = self.collections(kind).split_last() {
                gc.count += counts.iter().sum::<f64>();
                gc.ms += seconds * 1e3;
            }
        }
        NodeStats {
            thread,
            age_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            heap_used: number(HEAP_USED),
            heap_total: number(HEAP_TOTAL),
            heap_limit: number(HEAP_LIMIT),
            external: number(EXTERNAL),
            gc,
            event_loop: EventLoopStats {
                active_ms: number(ACTIVE) * 1e3,
                idle_ms: number(IDLE) * 1e3,
                lag: number(LAG) * 1e3,
                p50: ms(lag.p50_ns),
                p99: ms(lag.p99_ns),
                max: ms(lag.max_ns),
            },
        }
    }
}
