//! What JavaScript threads have told of themselves. Names are those of Prometheus' client for Node,
//! where they mean the same.

use crate::dispatch::lane::channel::Lanes;
use crate::observe::node::{
    ACTIVE, EXTERNAL, GC_BOUNDS, HEAP_LIMIT, HEAP_TOTAL, HEAP_USED, IDLE, KINDS, LAG, NodeReport,
};
use crate::server::metrics::page::Page;
use crate::server::thread_times::thread_of_lane;

pub(super) fn write(page: &mut Page, lanes: &Lanes) {
    let threads: Vec<(String, NodeReport)> = lanes
        .iter()
        .filter_map(|(index, lane)| Some((thread_of_lane(*index, lane), lane.node_report()?)))
        .collect();
    if threads.is_empty() {
        return;
    }
    for (name, help, place) in [
        ("nodejs_heap_size_used_bytes", "JavaScript's heap: what is in use.", HEAP_USED),
        ("nodejs_heap_size_total_bytes", "JavaScript's heap: what it has.", HEAP_TOTAL),
        ("nodejs_heap_size_limit_bytes", "JavaScript's heap: what it may have.", HEAP_LIMIT),
        (
            "nodejs_external_memory_bytes",
            "Memory that JavaScript's objects hold elsewhere.",
            EXTERNAL,
        ),
        ("nodejs_eventloop_lag_seconds", "How late a timer was.", LAG),
    ] {
        page.gauge(name, help);
        for (thread, report) in &threads {
            page.sample(name, &[("thread", thread)], report.numbers[place]);
        }
    }
    let name = "nodejs_eventloop_time_seconds_total";
    page.counter(name, "Time of an event loop, by whether it was asleep.");
    for (thread, report) in &threads {
        for (state, place) in [("active", ACTIVE), ("idle", IDLE)] {
            page.sample(name, &[("thread", thread), ("state", state)], report.numbers[place]);
        }
    }
    let name = "nodejs_gc_duration_seconds";
    page.family(name, "histogram", "Garbage collections, by kind.");
    let bucket = format!("{name}_bucket");
    for (thread, report) in &threads {
        for (kind, kind_name) in KINDS.into_iter().enumerate() {
            let labels = [("thread", &**thread), ("kind", kind_name)];
            let Some((seconds, counts)) = report.collections(kind).split_last() else { continue };
            let mut count = 0.0;
            for (bound, more) in GC_BOUNDS.into_iter().chain(["+Inf"]).zip(counts) {
                count += more;
                page.sample(&bucket, &[labels[0], labels[1], ("le", bound)], count);
            }
            page.sample(&format!("{name}_sum"), &labels, seconds);
            page.sample(&format!("{name}_count"), &labels, count);
        }
    }
}
