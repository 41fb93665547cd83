//! The report of a run.

use hdrhistogram::Histogram;
use reactor_proto::h2::ErrorCode;
use serde::Serialize;

use crate::handshake::Agreed;
use crate::tally::{CODES, ErrorClass, Handshakes, Tally};
use crate::times::Times;

/// The result of a run. Counts leave out warm-up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Why the run ended.
    pub stopped_by: StopReason,
    /// From the end of the warm-up to the last answer, or to the end of the
    /// duration if that was later. Milliseconds.
    pub duration_ms: f64,
    /// Requests with an outcome: `succeeded` plus `errors.total`.
    pub requests: u64,
    /// Requests whose answer was complete and as expected.
    pub succeeded: u64,
    /// Requests a second, over the time in which requests went out. An open loop counts all
    /// requests. A closed loop counts those that had their outcome in that time; if none had,
    /// it counts all, over the whole duration.
    pub rate: f64,
    /// The other requests, by class.
    pub errors: ErrorCounts,
    /// The first error of each class that there was, in words.
    pub first_errors: Vec<FirstError>,
    /// Complete answers by status.
    pub statuses: Vec<StatusCount>,
    /// Bytes on the wire.
    pub bytes: Bytes,
    /// Connections.
    pub connections: Connections,
    /// TLS handshakes. `None` without TLS.
    pub tls: Option<TlsReport>,
    /// What ended streams and connections of HTTP/2 early. `None` for HTTP/1.1.
    pub http2: Option<Http2Report>,
    /// Time from when a request was due to its whole answer. Requests that timed
    /// out or never went out count with the time they had waited.
    pub latency: Latency,
    /// The latencies in steps that grow evenly in ratio, without gaps.
    pub histogram: Vec<Bucket>,
    /// Figures that only an open loop has.
    pub open_loop: Option<OpenLoop>,
    /// The busiest client thread's share of a core, 0 to 1. If it is close to 1, the client
    /// was the bottleneck: give it more threads.
    pub client_load: f64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// Its duration was over.
    Duration,
    /// Its number of requests was reached.
    Requests,
    /// [`Run::stop`](crate::Run::stop).
    Stop,
}

/// Failed requests by class; see [`ErrorClass`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "ErrorClass has the same names and says what they mean")]
pub struct ErrorCounts {
    /// All of them.
    pub total: u64,
    pub connect: u64,
    pub send: u64,
    pub receive: u64,
    pub timeout: u64,
    pub status: u64,
    pub body: u64,
}

/// One error in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstError {
    /// [`ErrorClass::name`].
    pub class: &'static str,
    /// What happened.
    pub message: String,
}

/// How often a status came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusCount {
    /// The status code.
    pub status: u16,
    /// Complete answers that had it.
    pub count: u64,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bytes {
    /// Written to sockets.
    pub sent: u64,
    /// Read from sockets.
    pub received: u64,
}

/// Connections over the whole run, warm-up included.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Connections {
    /// Opened, with their TLS handshakes.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Closed because the server sent bytes that answer no request, for example after a
    /// Content-Length that was too small.
    pub unasked: u64,
}

/// TLS handshakes over the whole run, warm-up included.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsReport {
    /// The version that the first handshake agreed on, such as `TLSv1.3`.
    pub version: String,
    /// Its cipher, by OpenSSL's name.
    pub cipher: &'static str,
    /// The group of its key exchange.
    pub group: Option<&'static str>,
    /// Handshakes that were done. Those that failed are among [`Connections::failed`].
    pub handshakes: u64,
    /// Those of them that took up an earlier session.
    pub resumed: u64,
    /// From the open connection to the end of its handshake.
    pub handshake: Latency,
    /// The same in steps that grow evenly in ratio, without gaps.
    pub histogram: Vec<Bucket>,
}

impl TlsReport {
    pub(crate) fn new(agreed: &Agreed, handshakes: &Handshakes) -> Self {
        Self {
            version: agreed.version.clone(),
            cipher: agreed.cipher,
            group: agreed.group,
            handshakes: handshakes.times.len(),
            resumed: handshakes.resumed,
            handshake: Latency::of(&handshakes.times),
            histogram: buckets(&handshakes.times),
        }
    }
}

/// What ended streams and connections of HTTP/2 early, over the whole run, warm-up included.
#[derive(Clone, Debug, Serialize)]
pub struct Http2Report {
    /// RST_STREAM frames that came.
    pub resets: Vec<CodeCount>,
    /// GOAWAY frames that came.
    pub goaways: Vec<CodeCount>,
}

/// How often an error code came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// Its name in RFC 9113.
    pub code: &'static str,
    /// Frames that had it.
    pub count: u64,
}

impl Http2Report {
    pub(crate) fn new(tally: &Tally) -> Self {
        let of = |counts: &[u64; CODES]| {
            let codes = (0..).map(|code| ErrorCode(code).name()).zip(counts);
            let met = codes.filter(|&(_, &count)| count > 0);
            met.map(|(code, &count)| CodeCount { code, count }).collect()
        };
        Self { resets: of(&tally.resets), goaways: of(&tally.goaways) }
    }
}

/// A distribution of times in nanoseconds, exact to a thousandth.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "percentiles name themselves")]
pub struct Latency {
    /// Values counted.
    pub count: u64,
    pub min_ns: u64,
    pub mean_ns: f64,
    /// Standard deviation.
    pub stdev_ns: f64,
    pub p50_ns: u64,
    pub p75_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    /// 99.9 %.
    pub p999_ns: u64,
    /// 99.99 %.
    pub p9999_ns: u64,
    pub max_ns: u64,
}

/// Part of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// The longest time in it; the bucket before ends where it begins.
    pub up_to_ns: u64,
    /// Values in it.
    pub count: u64,
}

/// Figures that only an open loop has.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenLoop {
    /// Requests a second that were asked for.
    pub target_rate: u32,
    /// Every request went out, at no less than 99 % of the rate. How long the answers took
    /// does not matter.
    pub reached: bool,
    /// Requests that were due and did not go out, because no connection was free before the
    /// run ended.
    pub unsent: u64,
    /// How late requests went out: they waited for a free connection, and for the client's
    /// thread to wake.
    pub send_delay: Latency,
}

/// The figures of a run so far.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Milliseconds since the run began, warm-up included; 0 while connections
    /// are being opened.
    pub elapsed_ms: f64,
    /// Still in the warm-up, or before it.
    pub warming_up: bool,
    /// Requests with an outcome so far.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Latency so far.
    pub latency: Latency,
}

/// Rows of [`Report::histogram`].
const BUCKETS: u32 = 16;

impl Report {
    pub(crate) fn new(
        tally: &Tally,
        times: &Times,
        stopped_by: StopReason,
        target_rate: Option<u32>,
        client_load: f64,
    ) -> Self {
        let requests = tally.requests();
        let open_loop = target_rate.map(|target_rate| OpenLoop {
            target_rate,
            reached: tally.unsent == 0 && times.kept_pace(),
            unsent: tally.unsent,
            send_delay: tally.delay.as_ref().map_or_else(Latency::none, Latency::of),
        });
        let statuses = (0..).zip(tally.statuses.iter()).filter(|&(_, &count)| count > 0);
        Self {
            stopped_by,
            duration_ms: times.measured as f64 / 1e6,
            requests,
            succeeded: tally.succeeded,
            rate: times.rate(requests, target_rate.is_some()),
            errors: ErrorCounts::of(tally),
            first_errors: first_errors(tally),
            statuses: statuses.map(|(status, &count)| StatusCount { status, count }).collect(),
            bytes: Bytes { sent: tally.bytes_sent, received: tally.bytes_received },
            connections: Connections {
                opened: tally.opened,
                failed: tally.refused,
                unasked: tally.unasked,
            },
            tls: None,
            http2: None,
            latency: Latency::of(&tally.latency),
            histogram: buckets(&tally.latency),
            open_loop,
            client_load,
        }
    }
}

impl ErrorCounts {
    fn of(tally: &Tally) -> Self {
        let [connect, send, receive, timeout, status, body] = tally.errors;
        Self { total: tally.failed(), connect, send, receive, timeout, status, body }
    }
}

fn first_errors(tally: &Tally) -> Vec<FirstError> {
    ErrorClass::ALL
        .iter()
        .zip(&tally.first)
        .filter_map(|(class, first)| {
            Some(FirstError { class: class.name(), message: first.clone()? })
        })
        .collect()
}

impl Latency {
    pub(crate) fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile);
        Self {
            count: times.len(),
            min_ns: times.min(),
            mean_ns: times.mean(),
            stdev_ns: times.stdev(),
            p50_ns: at(0.5),
            p75_ns: at(0.75),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: times.max(),
        }
    }

    fn none() -> Self {
        Self::of(&crate::tally::times())
    }
}

/// Every value in one of [`BUCKETS`] rows between the smallest and the largest.
fn buckets(times: &Histogram<u64>) -> Vec<Bucket> {
    if times.is_empty() {
        return Vec::new();
    }
    let (low, high) = (times.min().max(1) as f64, times.max().max(1) as f64);
    let step = (high / low).powf(1.0 / f64::from(BUCKETS));
    let mut buckets: Vec<Bucket> = (1..=BUCKETS)
        .map(|row| {
            let up_to = low * step.powf(f64::from(row));
            #[expect(clippy::cast_possible_truncation, reason = "a float's cast saturates")]
            #[expect(clippy::cast_sign_loss, reason = "times are positive")]
            let up_to_ns = up_to.round() as u64;
            Bucket { up_to_ns, count: 0 }
        })
        .collect();
    if let Some(last) = buckets.last_mut() {
        // Rounding must not leave the largest value out.
        last.up_to_ns = times.max();
    }
    // If all values are equal there is one row.
    buckets.dedup_by_key(|bucket| bucket.up_to_ns);
    for value in times.iter_recorded() {
        let at = buckets.partition_point(|b| b.up_to_ns < value.value_iterated_to());
        let last = buckets.len() - 1;
        buckets[at.min(last)].count += value.count_since_last_iteration();
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_the_histogram_once() {
        let mut times = crate::tally::times();
        assert_eq!(buckets(&times), []);
        times.saturating_record(1000);
        assert_eq!(buckets(&times), [Bucket { up_to_ns: 1000, count: 1 }]);
        for value in 1..2000u64 {
            times.saturating_record(value * value);
        }
        let rows = buckets(&times);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 2000);
        assert!(rows.is_sorted_by(|a, b| a.up_to_ns < b.up_to_ns));
        assert_eq!(rows.last().map(|row| row.up_to_ns), Some(times.max()));
        let half = times.value_at_quantile(0.5);
        let below: u64 = rows.iter().filter(|row| row.up_to_ns <= half).map(|row| row.count).sum();
        assert!((0..=1001).contains(&below) && below > 500, "{below}");
    }

    #[test]
    fn an_open_loop_reached_its_rate_if_all_went_out_and_in_time() {
        let report = |sending, unsent| {
            let tally = Tally { succeeded: 1000, unsent, ..Tally::new(true) };
            let times = Times { planned: 1_000_000_000, sending, ..Times::default() };
            Report::new(&tally, &times, StopReason::Duration, Some(1000), 0.0).open_loop.unwrap()
        };
        assert!(report(1_000_000_000, 0).reached);
        assert!(!report(1_100_000_000, 0).reached);
        assert!(!report(1_000_000_000, 1).reached);
    }
}
