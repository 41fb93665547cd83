//! What the control socket tells: everything that is counted, at one moment.

use std::time::Duration;

use serde::Serialize;

use crate::dispatch::lane::channel::Lanes;
use crate::observe::counters::Counters;
use crate::observe::histogram::Distribution;
use crate::observe::stats::{LaneState, Stats};
use crate::observe::usage::ProcessUsage;
use crate::server::thread_times::thread_times;

/// One line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot<'a> {
    pid: u32,
    version: &'a str,
    address: String,
    /// Milliseconds of the monotonic clock, to tell rates from two snapshots.
    at_ms: f64,
    stats: &'a Stats,
    latency: Buckets,
    threads: Vec<ThreadTime>,
    lanes: Vec<LaneTime>,
    process: Option<Process>,
}

/// A histogram: upper bound in nanoseconds (null for the last) and count of each
/// bucket that is not empty.
#[derive(Serialize)]
struct Buckets(Vec<(Option<u64>, u64)>);

/// Processor time in nanoseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadTime {
    name: String,
    running_ns: u64,
    waiting_ns: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LaneTime {
    index: usize,
    queued: usize,
    in_flight: usize,
    state: LaneState,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    cpu_ms: u64,
    resident: u64,
    open_files: u64,
    threads: u64,
}

/// Takes a snapshot.
pub(crate) fn snapshot(
    address: String,
    stats: &Stats,
    counters: &Counters,
    lanes: &Lanes,
) -> Vec<u8> {
    let latency = Distribution::of(counters.loops.iter().map(|counters| &counters.latency));
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let threads = thread_times(counters, lanes).into_iter().map(|(name, usage)| ThreadTime {
        name,
        running_ns: nanos(usage.running),
        waiting_ns: nanos(usage.waiting),
    });
    let snapshot = Snapshot {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
        address,
        at_ms: counters.started.elapsed().as_secs_f64() * 1000.0,
        stats,
        latency: Buckets(latency.filled().collect()),
        threads: threads.collect(),
        lanes: stats
            .lanes
            .iter()
            .map(|lane| LaneTime {
                index: lane.lane,
                queued: lane.queued,
                in_flight: lane.in_flight,
                state: lane.state,
            })
            .collect(),
        process: ProcessUsage::read().map(|usage| Process {
            cpu_ms: millis(usage.cpu),
            resident: usage.resident,
            open_files: usage.open_files,
            threads: usage.threads,
        }),
    };
    // Numbers and text always serialize.
    let mut json = serde_json::to_vec(&snapshot).unwrap_or_default();
    json.push(b'\n');
    json
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
