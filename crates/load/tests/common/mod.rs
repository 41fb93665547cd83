//! Servers for the load client, real ones and ones that misbehave.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reactor_load::{ErrorCounts, Peer, Plan, Report, Request, Run, StartError};

/// A server that calls `serve` for each connection, with the connection and how many came
/// before it. It lives as long as the test program.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) connections: Arc<AtomicUsize>,
}

pub(crate) fn server(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (serve, count) = (Arc::new(serve), Arc::clone(&connections));
    thread::spawn(move || {
        for conn in listener.incoming() {
            let Ok(conn) = conn else { continue };
            conn.set_nodelay(true).unwrap();
            conn.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let serve = Arc::clone(&serve);
            let nth = count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || serve(conn, nth));
        }
    });
    Server { peer: Peer::Tcp { host: "127.0.0.1".to_owned(), port }, connections }
}

/// Reads one request without a body; `None` when the client has closed.
pub(crate) fn request(conn: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if conn.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(head)
}

/// Answers every request of every connection with the same bytes.
pub(crate) fn always(answer: &'static [u8]) -> Server {
    server(move |mut conn, _| {
        while request(&mut conn).is_some() {
            if conn.write_all(answer).is_err() {
                return;
            }
        }
    })
}

pub(crate) const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A plan of so many requests, on a few connections.
pub(crate) fn plan(peer: &Peer, requests: u64) -> Plan {
    let request = Request::new("GET", "/", "localhost", &[], b"", true).unwrap();
    Plan {
        connections: 4,
        requests: Some(requests),
        duration: None,
        timeout: Duration::from_secs(20),
        ..Plan::new(peer.clone(), request)
    }
}

/// The same plan with a connection for every request.
pub(crate) fn without_keep_alive(plan: Plan) -> Plan {
    let request = Request::new("GET", "/", "localhost", &[], b"", false).unwrap();
    Plan { request, ..plan }
}

/// Runs it to its end. Every request must have had one outcome.
pub(crate) fn run(plan: Plan) -> Report {
    try_run(plan).unwrap()
}

pub(crate) fn try_run(plan: Plan) -> Result<Report, StartError> {
    let run = Run::start(plan)?;
    run.wait();
    let report = run.report().unwrap().unwrap();
    let ErrorCounts { total, connect, send, receive, timeout, status, body } = report.errors;
    assert_eq!(total, connect + send + receive + timeout + status + body);
    assert_eq!(report.requests, report.succeeded + total);
    let answered: u64 = report.statuses.iter().map(|status| status.count).sum();
    assert_eq!(answered, report.succeeded + status + body);
    assert_eq!(report.latency.count, answered + timeout + unsent(&report));
    let drawn: u64 = report.histogram.iter().map(|bucket| bucket.count).sum();
    assert_eq!(drawn, report.latency.count);
    Ok(report)
}

fn unsent(report: &Report) -> u64 {
    report.open_loop.map_or(0, |open| open.unsent)
}

/// The first error of a class, in words.
pub(crate) fn first<'r>(report: &'r Report, class: &str) -> &'r str {
    let first = report.first_errors.iter().find(|error| error.class == class);
    first.map_or("", |error| &error.message)
}

/// Polls until the condition holds.
#[track_caller]
pub(crate) fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "that has not come about");
        thread::sleep(Duration::from_millis(1));
    }
}
