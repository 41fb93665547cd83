//! Constant rates are kept, and requests that wait are counted.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{HELLO, always, plan, request, run, server};
use reactor_load::{Plan, Report};

/// The tests measure time, so they run one after the other.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a measurement that a busy machine may spoil. One of so many attempts must succeed.
fn one_of(attempts: usize, mut attempt: impl FnMut() -> Result<(), String>) {
    let mut failures = Vec::new();
    while let Err(failure) = attempt() {
        failures.push(failure);
        assert!(failures.len() < attempts, "{failures:#?}");
    }
}

const STALL_AT: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(3);

/// Answers at once, except for one second that begins one second after the first request.
/// Requests that come in that second are answered at its end.
fn stalling() -> common::Server {
    let first: Arc<OnceLock<Instant>> = Arc::default();
    server(move |mut conn, _| {
        while request(&mut conn).is_some() {
            let began = *first.get_or_init(Instant::now) + STALL_AT;
            let now = Instant::now();
            if now >= began && now < began + STALL {
                sleep(began + STALL - now);
            }
            if conn.write_all(HELLO).is_err() {
                return;
            }
        }
    })
}

/// Requests are spread evenly over three seconds. A third of them is due in the stalled
/// second and waits for its end, for a uniform time between zero and one second. So the share
/// of latencies above `x` seconds is `(1 - x) / 3`.
fn expected(quantile: f64) -> f64 {
    let share = STALL.as_secs_f64() / RUN.as_secs_f64();
    STALL.as_secs_f64() * (1.0 - (1.0 - quantile) / share).max(0.0)
}

fn agrees(report: &Report) -> Result<(), String> {
    let latency = &report.latency;
    let open = report.open_loop.unwrap();
    if !open.reached || open.unsent > 0 {
        return Err(format!("not reached: {report:?}"));
    }
    for (quantile, got) in [
        (0.5, latency.p50_ns),
        (0.75, latency.p75_ns),
        (0.9, latency.p90_ns),
        (0.99, latency.p99_ns),
    ] {
        let (got, expected) = (got as f64 / 1e9, expected(quantile));
        if (got - expected).abs() > 0.1 * STALL.as_secs_f64() {
            return Err(format!("p{}: {got:.3} s, not {expected:.3} s", quantile * 100.0));
        }
    }
    Ok(())
}

#[test]
fn latencies_over_a_stall_are_those_that_users_would_have_had() {
    let _turn = turn();
    let stall = |rate| {
        let server = stalling();
        let (duration, requests) = (Some(RUN), None);
        // There are fewer connections than waiting requests, so most wait for a connection.
        run(Plan { rate, duration, requests, connections: 8, ..plan(&server.peer, 1) })
    };
    one_of(8, || {
        let report = stall(Some(500));
        let unsent = report.open_loop.unwrap().unsent;
        assert_eq!((report.succeeded + unsent, report.errors.total), (1500, 0));
        agrees(&report)
    });
    // A closed loop hides the stall: eight requests wait, and thousands do not.
    one_of(8, || {
        let report = stall(None);
        if report.requests > 1500 && report.latency.p99_ns < 100_000_000 {
            return Ok(());
        }
        Err(format!("{report:?}"))
    });
}

#[test]
fn a_rate_is_kept_exactly_over_threads_and_connections() {
    let _turn = turn();
    let server = always(HELLO);
    let duration = Some(Duration::from_secs(1));
    for (threads, connections, keep_alive) in [(1, 4, true), (3, 7, true), (2, 4, false)] {
        let base = Plan { threads, connections, duration, requests: None, ..plan(&server.peer, 1) };
        let base = if keep_alive { base } else { common::without_keep_alive(base) };
        one_of(5, || {
            let report = run(Plan { rate: Some(400), ..base.clone() });
            let open = report.open_loop.unwrap();
            assert_eq!((report.succeeded + open.unsent, report.errors.total), (400, 0));
            if open.unsent > 0 {
                return Err(format!("{report:?}"));
            }
            assert_eq!(open.send_delay.count, 400);
            within(350.0..=401.0, report.rate)
        });
    }
}

fn within(range: RangeInclusive<f64>, got: f64) -> Result<(), String> {
    if range.contains(&got) { Ok(()) } else { Err(format!("{got} is not in {range:?}")) }
}

#[test]
fn warm_up_is_load_that_does_not_count() {
    let _turn = turn();
    let server = always(HELLO);
    let (warmup, duration) = (Duration::from_millis(400), Some(Duration::from_millis(600)));
    let base = Plan { warmup, duration, requests: None, ..plan(&server.peer, 1) };
    one_of(5, || {
        let report = run(Plan { rate: Some(500), ..base.clone() });
        assert_eq!(report.requests, 300);
        within(550.0..=900.0, report.duration_ms)
    });
    let report = run(Plan { requests: Some(100), ..base });
    assert_eq!(report.requests, 100);
}

#[test]
fn a_few_requests_at_a_rate_take_as_long_as_they_stand_for() {
    let _turn = turn();
    let server = always(HELLO);
    one_of(5, || {
        let report = run(Plan { rate: Some(10), ..plan(&server.peer, 3) });
        assert_eq!(report.requests, 3);
        // Each request stands for a tenth of a second, the last one too.
        within(7.0..=10.01, report.rate)
    });
}

#[test]
fn a_server_that_is_slow_but_keeps_up_does_not_spoil_the_rate() {
    let server = server(|mut conn, _| {
        while request(&mut conn).is_some() {
            sleep(Duration::from_millis(700));
            if conn.write_all(HELLO).is_err() {
                return;
            }
        }
    });
    let duration = Some(Duration::from_secs(1));
    let base = Plan { duration, requests: None, ..plan(&server.peer, 1) };
    // Each request stands for half a second; a busy machine may be late by that much.
    let report = run(Plan { rate: Some(2), ..base });
    assert_eq!((report.requests, report.errors.total), (2, 0), "{report:?}");
    assert!(report.duration_ms >= 1200.0, "{report:?}");
    let open = report.open_loop.unwrap();
    assert!(open.reached, "{report:?}");
    assert_eq!(open.unsent, 0);
    assert!((1.9..=2.01).contains(&report.rate), "{}", report.rate);
}

#[test]
fn a_rate_beyond_the_server_is_not_reached_and_says_so() {
    let _turn = turn();
    let server = server(|mut conn, _| {
        while request(&mut conn).is_some() {
            sleep(Duration::from_millis(50));
            if conn.write_all(HELLO).is_err() {
                return;
            }
        }
    });
    let duration = Some(Duration::from_millis(500));
    let base = plan(&server.peer, 1);
    let report = run(Plan { rate: Some(2000), duration, requests: None, ..base });
    let open = report.open_loop.unwrap();
    assert!(!open.reached);
    // Four connections, twenty requests a second each, and a second of grace.
    assert!(report.requests <= 4 * 31, "{}", report.requests);
    assert_eq!(report.requests + open.unsent, 1000);
    // Those that never went out have waited too: half of all for over a second.
    assert!(report.latency.p50_ns > 1_000_000_000, "{:?}", report.latency);
}
