//! How the client counts the answers of servers that misbehave.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::io::Write;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{HELLO, always, first, plan, request, run, server, try_run, without_keep_alive};
use reactor_load::{Peer, Plan, PlanError, Request, Run, StartError, StopReason};

#[test]
fn a_reset_is_a_receive_error_of_each_request() {
    // A close with bytes unread is a reset.
    let server = server(|conn, _| {
        let _ = conn.peek(&mut [0]);
    });
    let report = run(plan(&server.peer, 50));
    assert_eq!((report.requests, report.errors.receive + report.errors.send), (50, 50));
    assert_eq!(report.stopped_by, StopReason::Requests);
    assert_eq!(report.latency.count, 0);
    assert!(!report.first_errors[0].message.is_empty());
}

#[test]
fn a_close_in_the_middle_of_a_body_is_a_receive_error() {
    let server = server(|mut conn, nth| {
        request(&mut conn);
        // The first connection is the probe.
        let half: &[u8] = if nth % 2 == 0 {
            &HELLO[..HELLO.len() - 2]
        } else {
            // The client sends nothing more here, which would cause a reset.
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
        };
        let _ = conn.write_all(half);
    });
    let report = run(Plan { connections: 1, ..plan(&server.peer, 20) });
    assert_eq!(report.requests, 20);
    assert!(report.errors.receive >= 9, "{:?}", report.errors);
    assert!(report.succeeded > 0);
    let message = first(&report, "receive");
    assert!(message.starts_with("the connection was closed before"), "{message}");
}

#[test]
fn an_answer_that_is_none_is_a_receive_error_that_says_why() {
    let tls_alert = always(b"\x15\x03\x01\x00\x02\x02\x46");
    let report = run(plan(&tls_alert.peer, 10));
    assert_eq!(report.errors.receive, 10);
    assert!(first(&report, "receive").contains("no HTTP/1 status line"));
}

#[test]
fn a_body_longer_than_its_length_breaks_the_connection() {
    let server = always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello");
    let report = run(plan(&server.peer, 20));
    // The rest may come with the answer, or count as the next answer.
    assert_eq!(report.requests, 20);
    assert!(report.connections.unasked + report.errors.receive >= 10, "{report:?}");
}

#[test]
fn a_body_shorter_than_its_length_times_out() {
    let server = always(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello");
    let timeout = Duration::from_millis(300);
    let report = run(Plan { timeout, ..plan(&server.peer, 4) });
    assert_eq!((report.requests, report.errors.timeout), (4, 4));
}

#[test]
fn no_answer_is_a_timeout_and_counts_with_the_time_waited() {
    let server = server(|mut conn, _| while request(&mut conn).is_some() {});
    let timeout = Duration::from_millis(300);
    let started = Instant::now();
    let report = run(Plan { timeout, pipeline: 3, ..plan(&server.peer, 24) });
    assert_eq!((report.requests, report.errors.timeout), (24, 24));
    assert!(report.latency.p50_ns >= 295_000_000, "{:?}", report.latency);
    assert!(first(&report, "timeout").contains("300ms"));
    assert!(started.elapsed() >= Duration::from_millis(600));
}

#[test]
fn one_answer_that_does_not_come_is_not_in_the_rate_of_the_others() {
    let server = server(|mut conn, nth| {
        let began = Instant::now();
        while request(&mut conn).is_some() {
            // The first connection is the probe.
            if nth == 1 && began.elapsed() > Duration::from_millis(200) {
                let _ = request(&mut conn);
                return;
            }
            if conn.write_all(HELLO).is_err() {
                return;
            }
        }
    });
    let duration = Duration::from_millis(400);
    let timeout = Duration::from_secs(2);
    let base = plan(&server.peer, 1);
    let report = run(Plan { requests: None, duration: Some(duration), timeout, ..base });
    assert_eq!((report.errors.total, report.errors.timeout), (1, 1), "{report:?}");
    assert!(report.duration_ms > 2000.0, "{report:?}");
    // All but the last ones of the four connections had their answers in time.
    let at_most = report.requests as f64 / duration.as_secs_f64();
    let at_least = (report.requests - 4) as f64 / duration.as_secs_f64();
    assert!((at_least..=at_most).contains(&report.rate), "{report:?}");
}

#[test]
fn a_slow_answer_is_an_answer() {
    let server = server(|mut conn, _| {
        while request(&mut conn).is_some() {
            for byte in HELLO.chunks(1) {
                conn.write_all(byte).unwrap();
                sleep(Duration::from_millis(1));
            }
        }
    });
    let report = run(Plan { expect_body: Some(b"hello".to_vec()), ..plan(&server.peer, 12) });
    assert_eq!((report.succeeded, report.errors.total), (12, 0));
    assert!(report.latency.min_ns >= HELLO.len() as u64 * 1_000_000);
}

#[test]
fn statuses_are_judged_and_counted() {
    let server = always(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let report = run(plan(&server.peer, 30));
    assert_eq!((report.errors.status, report.succeeded), (30, 0));
    assert_eq!((report.statuses[0].status, report.statuses[0].count), (500, 30));
    assert_eq!(first(&report, "status"), "status 500");
    let report = run(Plan { expect_status: Some(500), ..plan(&server.peer, 30) });
    assert_eq!((report.errors.status, report.succeeded), (0, 30));
    let hello = always(HELLO);
    let report = run(Plan { expect_status: Some(201), ..plan(&hello.peer, 5) });
    assert_eq!(first(&report, "status"), "status 200");
    assert_eq!(report.errors.status, 5);
}

#[test]
fn bodies_are_compared_as_they_come() {
    let server = server(|mut conn, nth| {
        let mut count = nth;
        while request(&mut conn).is_some() {
            count += 1;
            let last = if count % 2 == 0 { "1\r\no\r\n" } else { "1\r\n0\r\n" };
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n";
            conn.write_all(format!("{head}{last}0\r\n\r\n").as_bytes()).unwrap();
        }
    });
    let report = run(Plan {
        connections: 1,
        pipeline: 2,
        expect_body: Some(b"hello".to_vec()),
        ..plan(&server.peer, 20)
    });
    assert_eq!((report.succeeded, report.errors.body), (10, 10));
}

#[test]
fn every_framing_is_understood_on_one_run() {
    const ANSWERS: [&[u8]; 5] = [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ];
    let server = server(|mut conn, _| {
        for answer in ANSWERS {
            if request(&mut conn).is_none() {
                return;
            }
            conn.write_all(answer).unwrap();
        }
    });
    let report = run(plan(&server.peer, 500));
    assert_eq!((report.succeeded, report.errors.total), (500, 0), "{:?}", report.first_errors);
    assert!(report.connections.opened >= 100);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let server = always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let head = Request::new("HEAD", "/", "h", &[], b"", true).unwrap();
    let report = run(Plan { request: head, ..plan(&server.peer, 50) });
    assert_eq!((report.succeeded, report.errors.total), (50, 0));
}

#[test]
fn what_a_closing_server_left_in_the_pipeline_goes_out_again() {
    let server = server(|mut conn, _| {
        for last in [false, false, true] {
            if request(&mut conn).is_none() {
                return;
            }
            let close = if last { "Connection: close\r\n" } else { "" };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{close}\r\n");
            conn.write_all(answer.as_bytes()).unwrap();
        }
        // Unread bytes would make its close a reset.
        while request(&mut conn).is_some() {}
    });
    let report = run(Plan { pipeline: 8, ..plan(&server.peer, 300) });
    assert_eq!((report.succeeded, report.errors.total), (300, 0), "{:?}", report.first_errors);
    assert!(report.connections.opened >= 100);
}

#[test]
fn a_server_that_hangs_up_while_it_is_sent_to_costs_each_request_once() {
    let server = server(|conn, _| {
        let _ = conn.peek(&mut [0]);
        sleep(Duration::from_millis(5));
    });
    let body = vec![b'x'; 4 << 20];
    let large = Request::new("POST", "/", "h", &[], &body, true).unwrap();
    let report = run(Plan { request: large, ..plan(&server.peer, 12) });
    assert_eq!(report.requests, 12);
    assert_eq!(report.errors.send + report.errors.receive, 12, "{:?}", report.errors);
    assert!(report.errors.send > 0, "{:?}", report.first_errors);
}

#[test]
fn large_requests_arrive_whole() {
    let server = server(|mut conn, _| {
        use std::io::Read;
        while request(&mut conn).is_some() {
            let mut body = vec![0; 1 << 20];
            conn.read_exact(&mut body).unwrap();
            assert!(body.iter().all(|&byte| byte == b'x'));
            conn.write_all(HELLO).unwrap();
        }
    });
    let body = vec![b'x'; 1 << 20];
    let large = Request::new("PUT", "/", "h", &[], &body, true).unwrap();
    let report = run(Plan { request: large, pipeline: 3, ..plan(&server.peer, 30) });
    assert_eq!((report.succeeded, report.errors.total), (30, 0), "{:?}", report.first_errors);
    assert!(report.bytes.sent >= 30 << 20);
}

#[test]
fn a_server_that_goes_away_costs_connect_errors_and_little_cpu() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // The server takes the probe's connection, then listens no more.
    let gone = std::thread::spawn(move || drop(listener.accept()));
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port };
    let duration = Some(Duration::from_millis(600));
    let run = Run::start(Plan { duration, requests: None, ..plan(&peer, 1) }).unwrap();
    gone.join().unwrap();
    run.wait();
    let report = run.report().unwrap().unwrap();
    assert!(report.errors.connect >= 4, "{:?}", report.errors);
    assert!(report.requests <= 4 * 20, "{:?}", report.errors);
    assert!(first(&report, "connect").contains("refused"), "{:?}", report.first_errors);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port };
    let error = try_run(plan(&peer, 1)).unwrap_err();
    assert_eq!(error.code(), "ERR_REACTOR_CONNECT");
    let message = error.to_string();
    assert!(message.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{message}");
    let error = try_run(plan(&Peer::Unix("/no/such.sock".into()), 1)).unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to /no/such.sock: "), "{error}");
    let peer = Peer::Tcp { host: "no.such.host.invalid".to_owned(), port };
    assert_eq!(try_run(plan(&peer, 1)).unwrap_err().code(), "ERR_REACTOR_HOST_NOT_FOUND");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    let base = || plan(&peer, 1);
    for (plan, expected) in [
        (Plan { connections: 0, ..base() }, "connections must be from 1 to 65535, got 0"),
        (Plan { threads: 0, ..base() }, "threads must be from 1 to 64, got 0"),
        (
            Plan { threads: 5, ..base() },
            "threads must be at most the number of connections, which is 4, got 5",
        ),
        (Plan { rate: Some(0), ..base() }, "rate must be from 1 to 10000000, got 0"),
        (Plan { requests: None, ..base() }, "a run needs a duration or a number of requests"),
        (Plan { timeout: Duration::ZERO, ..base() }, "timeout must be more than zero"),
        (
            without_keep_alive(Plan { pipeline: 2, ..base() }),
            "pipeline must be 1 without keep-alive: a connection then carries one request",
        ),
    ] {
        let Err(StartError::Plan(error)) = try_run(plan) else { panic!("no error: {expected}") };
        assert_eq!(error.to_string(), expected);
        assert_ne!(error, PlanError::OpenFiles { connections: 0, limit: 0 });
    }
}

#[test]
fn stop_ends_a_run_at_once_with_what_was_counted() {
    let server = server(|mut conn, nth| {
        while request(&mut conn).is_some() {
            // One connection works, the others hang.
            if nth == 1 {
                conn.write_all(HELLO).unwrap();
            }
        }
    });
    let run = Run::start(Plan { requests: Some(u64::MAX), ..plan(&server.peer, 1) }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while run.progress().requests == 0 {
        assert!(Instant::now() < deadline, "nothing was answered");
        sleep(Duration::from_millis(10));
    }
    assert!(run.report().is_none());
    let (sender, receiver) = std::sync::mpsc::channel();
    run.on_end(Box::new(move || sender.send(()).unwrap()));
    run.stop();
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    let report = run.report().unwrap().unwrap();
    assert_eq!(report.stopped_by, StopReason::Stop);
    assert!(report.succeeded > 0);
    assert_eq!(report.errors.total, 0);
    assert_eq!(server.connections.load(Ordering::Relaxed), 5);
}
