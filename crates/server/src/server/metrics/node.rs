//! What JavaScript threads have told of themselves. Names are those of Prometheus' client for Node,
//! where they mean the same.

use std::time::Duration;

use crate::dispatch::lane::channel::Lanes;
use crate::observe::node::{
    ACTIVE, EXTERNAL, GC_BOUNDS, HEAP_LIMIT, HEAP_TOTAL, HEAP_USED, IDLE, KINDS, LAG, NodeReport,
};
use crate::server::metrics::page::{Page, Seconds};
use crate::server::thread_times::thread_of_lane;

type Threads = [(String, NodeReport)];

#[cold]
#[inline(never)]
pub(super) fn write(page: &mut Page, lanes: &Lanes) {
    let mut threads = Vec::new();
    for (index, lane) in lanes {
        if let Some(report) = lane.node_report() {
            threads.push((thread_of_lane(*index, lane), report));
        }
    }
    if threads.is_empty() {
        return;
    }
    let threads = &threads[..];
    let heap = "JavaScript's heap, in use.";
    numbers(page, threads, "nodejs_heap_size_used_bytes", heap, HEAP_USED, false);
    let heap = "JavaScript's heap, as it is.";
    numbers(page, threads, "nodejs_heap_size_total_bytes", heap, HEAP_TOTAL, false);
    let heap = "JavaScript's heap, as it may be.";
    numbers(page, threads, "nodejs_heap_size_limit_bytes", heap, HEAP_LIMIT, false);
    let outside = "Memory that JavaScript's objects hold elsewhere.";
    numbers(page, threads, "nodejs_external_memory_bytes", outside, EXTERNAL, false);
    numbers(page, threads, "nodejs_eventloop_lag_seconds", "How late a timer was.", LAG, true);
    times(page, threads);
    collections(page, threads);
}

/// A family with one number for each thread.
#[inline(never)]
fn numbers(
    page: &mut Page,
    threads: &Threads,
    name: &str,
    help: &str,
    place: usize,
    is_time: bool,
) {
    page.gauge(name, help);
    for (thread, report) in threads {
        let number = report.numbers[place];
        let time = seconds(number);
        let value: &dyn std::fmt::Display = if is_time { &time } else { &number };
        page.line(name, &[("thread", thread)], value);
    }
}

#[inline(never)]
fn times(page: &mut Page, threads: &Threads) {
    let name = "nodejs_eventloop_time_seconds_total";
    page.counter(name, "Time of an event loop, by whether it was asleep.");
    for (thread, report) in threads {
        let times = [("active", ACTIVE), ("idle", IDLE)];
        for (state, place) in &times[..] {
            let time = seconds(report.numbers[*place]);
            page.line(name, &[("thread", thread), ("state", state)], &time);
        }
    }
}

#[inline(never)]
fn collections(page: &mut Page, threads: &Threads) {
    let name = "nodejs_gc_duration_seconds";
    page.family(name, "histogram", "Garbage collections, by kind.");
    for (thread, report) in threads {
        for (kind, kind_name) in KINDS.iter().enumerate() {
            let labels = [("thread", &**thread), ("kind", kind_name)];
            one_kind(page, name, &labels, report.collections(kind));
        }
    }
}

#[inline(never)]
fn one_kind(page: &mut Page, name: &str, labels: &[(&str, &str)], told: &[u64]) {
    let Some((time, counts)) = told.split_last() else { return };
    let bucket = format!("{name}_bucket");
    let mut count = 0;
    for (at, more) in counts.iter().enumerate() {
        count += more;
        let bound = GC_BOUNDS.get(at).copied().unwrap_or("+Inf");
        page.line(&bucket, &[labels, &[("le", bound)]].concat(), &count);
    }
    page.line(&format!("{name}_sum"), labels, &seconds(*time));
    page.line(&format!("{name}_count"), labels, &count);
}

fn seconds(micros: u64) -> Seconds {
    Seconds(Duration::from_micros(micros))
}
