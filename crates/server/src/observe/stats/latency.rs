//! Percentiles of durations.

use serde::Serialize;

use crate::observe::histogram::{Distribution, Histogram};

/// A latency distribution in nanoseconds. Values are exact to a twentieth; the largest one is
/// exact.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStats {
    /// Values counted.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

impl LatencyStats {
    pub(crate) fn of<'h>(parts: impl Iterator<Item = &'h Histogram>) -> Self {
        Self::of_distribution(&Distribution::of(parts))
    }

    pub(crate) fn of_distribution(sum: &Distribution) -> Self {
        Self {
            count: sum.count,
            p50_ns: sum.quantile(0.5),
            p90_ns: sum.quantile(0.9),
            p99_ns: sum.quantile(0.99),
            p999_ns: sum.quantile(0.999),
            max_ns: sum.max,
        }
    }
}
