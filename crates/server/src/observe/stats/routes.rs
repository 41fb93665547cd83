//! What all loops have counted of each route and method.

use std::sync::Arc;

use serde::Serialize;

use crate::observe::counters::Counters;
use crate::observe::histogram::Distribution;
use crate::observe::routes::Row;
use crate::observe::stats::latency::LatencyStats;

/// The requests of one route with one method.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStats {
    /// The method; `OTHER` for one that is not known.
    pub method: &'static str,
    /// The pattern as it was given. `fetch` for what no pattern takes and a handler answers,
    /// `built-in` for what the server answers by itself, `other` for what has no place here.
    pub route: String,
    /// Answered.
    pub requests: u64,
    /// 1xx answers: they have opened WebSockets.
    pub informational: u64,
    /// 2xx answers.
    pub success: u64,
    /// 3xx answers.
    pub redirect: u64,
    /// 4xx answers.
    pub client_error: u64,
    /// 5xx answers.
    pub server_error: u64,
    /// As [`RequestStats::latency`]. Percentiles are exact to a half.
    pub latency: LatencyStats,
    /// Nanoseconds of all that `latency` has counted.
    pub latency_sum_ns: u64,
}

/// The sum of a row over all loops.
pub(crate) struct RouteTotal {
    pub(crate) method: &'static str,
    pub(crate) label: Arc<str>,
    /// Answers by class.
    pub(crate) codes: [u64; 5],
    pub(crate) latency: Distribution,
}

impl From<RouteTotal> for RouteStats {
    #[cold]
    #[inline(never)]
    fn from(total: RouteTotal) -> Self {
        let [informational, success, redirect, client_error, server_error] = total.codes;
        Self {
            method: total.method,
            route: total.label.to_string(),
            requests: total.codes.iter().sum(),
            informational,
            success,
            redirect,
            client_error,
            server_error,
            latency: LatencyStats::of_distribution(&total.latency),
            latency_sum_ns: total.latency.sum,
        }
    }
}

impl Counters {
    /// The rows that have answered something.
    #[cold]
    #[inline(never)]
    pub(crate) fn route_totals(&self) -> Vec<RouteTotal> {
        let mut totals = Vec::new();
        for (row, method, label) in self.rows.all() {
            let mut codes = [0; 5];
            let mut latency = Distribution::default();
            for of_loop in self.loops.iter().filter_map(|c| c.routes.row(row)) {
                of_loop.add_to(&mut codes, &mut latency);
            }
            if codes != [0; 5] {
                totals.push(RouteTotal { method, label, codes, latency });
            }
        }
        totals
    }
}

impl Row {
    #[inline(never)]
    fn add_to(&self, codes: &mut [u64; 5], latency: &mut Distribution) {
        for (code, counted) in codes.iter_mut().zip(&self.responses) {
            *code += counted.get();
        }
        if let Some(histogram) = self.latency.get() {
            latency.add(histogram);
        }
    }
}
