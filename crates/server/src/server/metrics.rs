//! Metrics in the text format of Prometheus, version 0.0.4.
//!
//! Names and units follow the format's conventions: base units, `_total` for counters. The numbers
//! of a page come from one look at each thread's counters, while the threads count on.

mod node;
mod page;
pub(crate) mod program;
mod routes;

use crate::dispatch::lane::channel::Lanes;
use crate::dispatch::lane::lag::LagMonitor;
use crate::observe::counters::Counters;
use crate::observe::histogram::{Distribution, Histogram};
use crate::observe::stats::{LaneState, Stats};
use crate::observe::usage::{ProcessUsage, ThreadUsage};
use crate::server::metrics::page::{Page, Seconds, escaped};
use crate::server::metrics::program::Program;
use crate::server::thread_times::thread_times;

/// The format's name in HTTP.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything, as one page. It waits for the program, if that has metrics of its own.
pub(crate) fn render(
    stats: &Stats,
    counters: &Counters,
    lanes: &Lanes,
    program: Option<&Program>,
) -> String {
    let mut page = Page::default();
    page.gauge("reactor_build_info", "Version of the server.");
    page.sample("reactor_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauge("reactor_uptime_seconds", "Time since the server started.");
    page.plain("reactor_uptime_seconds", Seconds(counters.started.elapsed()));
    page.only_gauge("reactor_ready", "1 while new clients are wanted.", stats.ready.into());
    page.only_gauge("reactor_stopping", "1 once it is about to stop.", stats.stopping.into());
    connections(&mut page, stats);
    tls(&mut page, stats);
    proxy_protocol(&mut page, stats);
    web_sockets(&mut page, stats);
    http2(&mut page, stats);
    requests(&mut page, stats, counters);
    routes::write(&mut page, counters);
    tasks(&mut page, stats, counters);
    io_threads(&mut page, stats);
    threads(&mut page, counters, lanes);
    lane_metrics(&mut page, stats, lanes);
    node::write(&mut page, lanes);
    access_log(&mut page, stats);
    process(&mut page);
    if let Some(program) = program {
        program.write(&mut page);
    }
    page.text
}

fn connections(page: &mut Page, stats: &Stats) {
    let connections = &stats.connections;
    page.only_gauge("reactor_connections_open", "Connections open now.", connections.open);
    page.only_counter(
        "reactor_connections_accepted_total",
        "Connections accepted.",
        connections.accepted,
    );
    page.only_counter(
        "reactor_connections_refused_total",
        "Connections answered with 503 because too many were open.",
        connections.refused,
    );
    page.only_counter(
        "reactor_accept_pauses_total",
        "Times that accepting paused after an error that is not one connection's own.",
        connections.accept_pauses,
    );
    let closed = &connections.closed;
    let name = "reactor_connections_closed_total";
    page.counter(name, "Connections closed, by reason.");
    for (reason, count) in [
        ("peer", closed.peer),
        ("served", closed.served),
        ("rejected", closed.rejected),
        ("idle", closed.idle),
        ("request_timeout", closed.request_timeout),
        ("write_timeout", closed.write_timeout),
        ("aborted", closed.aborted),
        ("stopped", closed.stopped),
        ("handshake", closed.handshake),
        ("proxy", closed.proxy),
    ] {
        page.sample(name, &[("reason", reason)], count);
    }
}

fn proxy_protocol(page: &mut Page, stats: &Stats) {
    let proxy = &stats.proxy_protocol;
    let name = "reactor_proxy_headers_total";
    page.counter(name, "Headers of the PROXY protocol, by version.");
    for (version, count) in [("1", proxy.v1), ("2", proxy.v2)] {
        page.sample(name, &[("version", version)], count);
    }
    let name = "reactor_proxy_failed_total";
    page.counter(name, "Connections closed because of the PROXY protocol, by reason.");
    let failed = &proxy.failed;
    for (reason, count) in [
        ("untrusted", failed.untrusted),
        ("missing", failed.missing),
        ("malformed", failed.malformed),
        ("timeout", failed.timeout),
    ] {
        page.sample(name, &[("reason", reason)], count);
    }
}

fn web_sockets(page: &mut Page, stats: &Stats) {
    let sockets = &stats.web_sockets;
    page.only_gauge("reactor_websockets", "WebSockets that are open.", sockets.open);
    page.only_counter("reactor_websockets_opened_total", "WebSockets opened.", sockets.opened);
    let name = "reactor_websocket_messages_total";
    page.counter(name, "Messages of WebSockets, by direction.");
    for (direction, count) in [("received", sockets.received), ("sent", sockets.sent)] {
        page.sample(name, &[("direction", direction)], count);
    }
    page.only_counter(
        "reactor_websocket_messages_dropped_total",
        "Published messages that a client had no room for.",
        sockets.dropped,
    );
}

fn http2(page: &mut Page, stats: &Stats) {
    let http2 = &stats.http2;
    let help = "Connections that speak HTTP/2 now.";
    page.only_gauge("reactor_http2_connections", help, http2.connections);
    page.only_gauge("reactor_http2_streams", "HTTP/2 streams that are open.", http2.streams);
    page.only_counter("reactor_http2_requests_total", "Requests over HTTP/2.", http2.requests);
    let name = "reactor_http2_resets_total";
    page.counter(name, "HTTP/2 streams that were reset, by direction.");
    let resets = [("received", http2.resets_received), ("sent", http2.resets_sent)];
    for (direction, count) in resets {
        page.sample(name, &[("direction", direction)], count);
    }
    page.only_counter(
        "reactor_http2_streams_refused_total",
        "HTTP/2 streams that were refused: too many were open, or the server stopped.",
        http2.refused,
    );
    page.only_counter(
        "reactor_http2_goaways_total",
        "HTTP/2 connections that were ended because of what the client did.",
        http2.goaways,
    );
}

fn tls(page: &mut Page, stats: &Stats) {
    let tls = &stats.tls;
    let name = "reactor_tls_handshakes_total";
    page.counter(name, "TLS handshakes done: with a new session, or one of an earlier connection.");
    for (session, count) in [("new", tls.full), ("resumed", tls.resumed)] {
        page.sample(name, &[("session", session)], count);
    }
    let name = "reactor_tls_handshakes_failed_total";
    page.counter(name, "TLS handshakes that failed, by reason.");
    for (reason, count) in &tls.failed {
        page.sample(name, &[("reason", reason)], *count);
    }
    page.sample(name, &[("reason", "timeout")], tls.timed_out);
    page.sample(name, &[("reason", "too-many")], tls.shed);
    page.only_counter(
        "reactor_tls_reloads_total",
        "TLS configurations that have replaced another.",
        tls.reloads,
    );
    page.only_counter(
        "reactor_tls_reload_failures_total",
        "TLS configurations that were to replace another, and were wrong.",
        tls.reload_failures,
    );
    let name = "reactor_tls_certificate_expiry_timestamp_seconds";
    page.gauge(name, "The last second in which a certificate is valid, since 1970.");
    for one in &tls.certificates {
        let (listener, subject) = (one.listener.to_string(), escaped(&one.subject));
        let labels = [("listener", &*listener), ("subject", &*subject), ("serial", &*one.serial)];
        page.sample(name, &labels, one.expires);
    }
}

fn requests(page: &mut Page, stats: &Stats, counters: &Counters) {
    let requests = &stats.requests;
    page.only_counter(
        "reactor_http_request_heads_total",
        "Request heads read, answered or not yet.",
        requests.total,
    );
    let name = "reactor_http_requests_total";
    page.counter(name, "Requests answered, by class of the status.");
    for (code, count) in [
        ("2xx", requests.success),
        ("3xx", requests.redirect),
        ("4xx", requests.client_error),
        ("5xx", requests.server_error),
    ] {
        page.sample(name, &[("code", code)], count);
    }
    page.only_counter(
        "reactor_http_interim_responses_total",
        "Interim responses: 100 Continue.",
        requests.informational,
    );
    page.histogram(
        "reactor_http_request_duration_seconds",
        "From a request's head to the last byte of its answer handed to the kernel.",
        counters.loops.iter().map(|counters| &counters.latency),
    );
    page.only_counter(
        "reactor_network_receive_bytes_total",
        "Bytes read from connections.",
        stats.bytes.received,
    );
    page.only_counter(
        "reactor_network_transmit_bytes_total",
        "Bytes written to connections.",
        stats.bytes.sent,
    );
}

fn tasks(page: &mut Page, stats: &Stats, counters: &Counters) {
    let tasks = &stats.tasks;
    page.only_gauge(
        "reactor_task_queue_depth",
        "Requests that wait for a worker thread.",
        tasks.queue_depth,
    );
    page.only_gauge(
        "reactor_task_queue_peak",
        "The most that waited for a worker thread at once.",
        tasks.queue_peak,
    );
    page.only_gauge(
        "reactor_task_queue_capacity",
        "The most that may wait for a worker thread.",
        tasks.queue_capacity,
    );
    page.only_counter("reactor_tasks_queued_total", "Tasks put into the queue.", tasks.queued);
    page.only_counter("reactor_tasks_total", "Tasks run.", tasks.done);
    page.only_counter(
        "reactor_tasks_rejected_total",
        "Requests answered with 503: the queue, or the room for bodies, was full.",
        tasks.rejected,
    );
    page.only_counter(
        "reactor_tasks_dropped_total",
        "Tasks run for a connection that was gone when the answer came.",
        tasks.dropped,
    );
    page.only_counter(
        "reactor_task_panics_total",
        "Tasks answered with 500 because the handler failed.",
        tasks.panics,
    );
    page.histogram(
        "reactor_task_queue_wait_seconds",
        "From the queue to a worker thread.",
        counters.workers.iter().map(|counters| &counters.queue_wait),
    );
    page.histogram(
        "reactor_task_duration_seconds",
        "Inside a worker's handler.",
        counters.workers.iter().map(|counters| &counters.handler_time),
    );
}

fn io_threads(page: &mut Page, stats: &Stats) {
    type Value = fn(&crate::observe::stats::LoopSnapshot) -> u64;
    let families: [(&str, bool, &str, Value); 4] = [
        ("reactor_io_thread_connections", false, "Connections open now.", |io| io.connections),
        ("reactor_io_thread_requests_total", true, "Request heads read.", |io| io.requests),
        ("reactor_io_thread_turns_total", true, "Turns of the loop.", |io| io.turns),
        ("reactor_io_thread_sleeps_total", true, "Turns that ended in sleep.", |io| io.sleeps),
    ];
    for (name, is_counter, help, value) in families {
        page.family(name, if is_counter { "counter" } else { "gauge" }, help);
        for (index, io_thread) in stats.io_threads.iter().enumerate() {
            page.sample(name, &[("thread", &format!("rx-io-{index}"))], value(io_thread));
        }
    }
}

fn threads(page: &mut Page, counters: &Counters, lanes: &Lanes) {
    let usage: Vec<(String, ThreadUsage)> = thread_times(counters, lanes);
    let busy = "reactor_thread_busy_seconds_total";
    page.counter(busy, "Time that a thread ran or was ready to run.");
    for (name, usage) in &usage {
        page.sample(busy, &[("thread", name)], Seconds(usage.running + usage.waiting));
    }
    let cpu = "reactor_thread_cpu_seconds_total";
    page.counter(cpu, "Processor time of a thread.");
    for (name, usage) in &usage {
        page.sample(cpu, &[("thread", name)], Seconds(usage.running));
    }
}

fn lane_metrics(page: &mut Page, stats: &Stats, lanes: &Lanes) {
    let in_flight = "reactor_lane_requests_in_flight";
    page.gauge(in_flight, "Requests that a JavaScript thread has and has not answered.");
    for lane in &stats.lanes {
        page.sample(in_flight, &[("lane", &lane.lane.to_string())], lane.in_flight);
    }
    let queued = "reactor_lane_requests_queued";
    page.gauge(queued, "Requests that wait for a JavaScript thread.");
    for lane in &stats.lanes {
        page.sample(queued, &[("lane", &lane.lane.to_string())], lane.queued);
    }
    let blocked = "reactor_lane_blocked";
    page.gauge(blocked, "Whether something has waited for a JavaScript thread for 100 ms.");
    for lane in &stats.lanes {
        let value = u8::from(lane.state == LaneState::Blocked);
        page.sample(blocked, &[("lane", &lane.lane.to_string())], value);
    }
    type Part = fn(&LagMonitor) -> &Histogram;
    let families: [(&str, &str, Part); 2] = [
        (
            "reactor_lane_queue_wait_seconds",
            "From the hand-over of a request to the turn of the JavaScript thread that takes it.",
            |lag| &lag.queue_wait,
        ),
        (
            "reactor_lane_event_loop_lag_seconds",
            "From a wake of a JavaScript thread to the turn that it leads to.",
            |lag| &lag.lag,
        ),
    ];
    for (name, help, part) in families {
        page.family(name, "histogram", help);
        for (index, lane) in lanes {
            let index = index.to_string();
            page.buckets(
                name,
                &[("lane", &index)],
                &Distribution::of([part(&lane.lag)].into_iter()),
            );
        }
    }
}

fn access_log(page: &mut Page, stats: &Stats) {
    let Some(log) = &stats.access_log else { return };
    page.only_counter("reactor_access_log_records_total", "Records written.", log.written);
    page.only_counter(
        "reactor_access_log_records_lost_total",
        "Records lost: the writer was too slow, or could not write.",
        log.lost,
    );
    page.only_counter("reactor_access_log_errors_total", "Writes that failed.", log.errors);
}

/// Names that every Prometheus client library uses.
fn process(page: &mut Page) {
    let Some(process) = ProcessUsage::read() else { return };
    let cpu = "process_cpu_seconds_total";
    page.counter(cpu, "Processor time of the process.");
    page.plain(cpu, Seconds(process.cpu));
    page.only_gauge(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM.",
        process.resident,
    );
    page.only_gauge(
        "process_virtual_memory_bytes",
        "Address space of the process.",
        process.virtual_memory,
    );
    page.only_gauge("process_open_fds", "File descriptors open.", process.open_files);
    if let Some(max) = process.max_files {
        page.only_gauge("process_max_fds", "File descriptors that may be open.", max);
    }
    page.only_gauge("process_threads", "Threads of the process.", process.threads);
    page.only_gauge(
        "process_start_time_seconds",
        "Start of the process, in seconds since 1970.",
        process.started,
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dispatch::lane::channel::Lane;
    use crate::observe::stats::LaneSnapshot;

    fn page() -> String {
        let counters = Counters::new(2, 1);
        counters.loops[0].latency.record(Duration::from_millis(1));
        counters.loops[1].latency.record(Duration::from_micros(1_001));
        counters.loops[1].answer(0, 204);
        counters.loops[1].routes.latency(0, Duration::from_millis(1));
        let stats = counters.snapshot(3, 4096, Some(crate::AccessLogStats::default()));
        let lane = Lane::new(4, || {});
        lane.lag.lag.record(Duration::from_millis(2));
        let mut stats = stats;
        stats.lanes = vec![LaneSnapshot { in_flight: 7, queued: 5, ..lane.snapshot(0) }];
        render(&stats, &counters, &vec![(0, lane)], None)
    }

    #[test]
    fn every_sample_belongs_to_the_family_above_it() {
        let page = page();
        let mut lines = page.lines().peekable();
        let mut families = Vec::new();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").expect(line).split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            assert!(!families.contains(&name), "{name} is there twice");
            families.push(name);
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                let (id, value) = sample.rsplit_once(' ').expect(sample);
                assert!(id.starts_with(name), "{sample} stands under {name}");
                assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{sample}");
            }
        }
        assert!(families.len() > 30);
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let page = page();
        let value = |id: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(id)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {id}"))
        };
        let name = "reactor_http_request_duration_seconds";
        assert_eq!(value(&format!("{name}_bucket{{le=\"0.0005\"}}")), "0");
        assert_eq!(value(&format!("{name}_bucket{{le=\"0.001\"}}")), "1");
        assert_eq!(value(&format!("{name}_bucket{{le=\"0.0025\"}}")), "2");
        assert_eq!(value(&format!("{name}_bucket{{le=\"+Inf\"}}")), "2");
        assert_eq!(value(&format!("{name}_count")), "2");
        assert_eq!(value(&format!("{name}_sum")), "0.002001000");
        assert_eq!(value("reactor_http_requests_total{code=\"2xx\"}"), "1");
        let labels = "method=\"OTHER\",route=\"built-in\"";
        assert_eq!(
            value(&format!("reactor_http_route_requests_total{{{labels},code=\"2xx\"}}")),
            "1"
        );
        let name = "reactor_http_route_duration_seconds";
        assert_eq!(value(&format!("{name}_bucket{{{labels},le=\"0.00025\"}}")), "0");
        assert_eq!(value(&format!("{name}_bucket{{{labels},le=\"0.001\"}}")), "1");
        assert_eq!(value("reactor_task_queue_depth"), "3");
        assert_eq!(value("reactor_lane_requests_in_flight{lane=\"0\"}"), "7");
        let name = "reactor_lane_event_loop_lag_seconds";
        assert_eq!(value(&format!("{name}_bucket{{lane=\"0\",le=\"0.001\"}}")), "0");
        assert_eq!(value(&format!("{name}_bucket{{lane=\"0\",le=\"0.0025\"}}")), "1");
        assert_eq!(value(&format!("{name}_count{{lane=\"0\"}}")), "1");
    }
}
