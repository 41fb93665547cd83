//! Requests by route and method.

use crate::observe::counters::Counters;
use crate::server::metrics::page::{Page, escaped};

/// Classes of the status, as in `reactor_http_requests_total`.
const CODES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[cold]
#[inline(never)]
pub(super) fn write(page: &mut Page, counters: &Counters) {
    let totals = counters.route_totals();
    let name = "reactor_http_route_requests_total";
    page.counter(name, "Requests answered, by route, method and class of the status.");
    for total in &totals {
        let route = escaped(&total.label);
        for (code, count) in CODES.into_iter().zip(total.codes).filter(|(_, count)| *count > 0) {
            page.sample(
                name,
                &[("method", total.method), ("route", &route), ("code", code)],
                count,
            );
        }
    }
    let name = "reactor_http_route_duration_seconds";
    page.family(
        name,
        "histogram",
        "From a head to the last byte of its answer, by route and method.",
    );
    for total in totals.iter().filter(|total| total.latency.count > 0) {
        let route = escaped(&total.label);
        page.few_buckets(name, &[("method", total.method), ("route", &route)], &total.latency);
    }
}
