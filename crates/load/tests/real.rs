//! Runs against the real server, where both sides must count the same.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::{plan, run, until, without_keep_alive};
use reactor_load::{Peer, Plan, Request};
use reactor_server::{App, Config, Inline, Listen, Server, Stop, Target};

fn start(listen: Listen) -> Server {
    let mut app = App::builtin();
    let hello = Inline::new(200, &[("X", b"y")], "hello").unwrap();
    app.route(Some("GET"), "/inline", Target::Inline(hello)).unwrap();
    let listen = vec![listen.into()];
    let config = Config { listen, io_threads: 2, worker_threads: 2, app, ..Config::default() };
    Server::start(config).unwrap()
}

fn tcp(host: &str) -> (Server, Peer) {
    let server = start(Listen::Tcp { host: host.to_owned(), port: 0 });
    let reactor_server::Address::Tcp(addr) = server.address() else { panic!("no TCP address") };
    let peer = Peer::Tcp { host: addr.ip().to_string(), port: addr.port() };
    (server, peer)
}

fn finish(server: &Server) {
    server.stop(Stop::Force);
    server.wait();
}

#[test]
fn both_sides_count_the_same() {
    let (server, peer) = tcp("127.0.0.1");
    let mut total = 0;
    for (threads, connections, pipeline) in [(1, 1, 1), (1, 10, 1), (2, 9, 16), (4, 4, 3)] {
        let base = plan(&peer, 5003);
        let report = run(Plan { threads, connections, pipeline, ..base });
        assert_eq!((report.succeeded, report.errors.total), (5003, 0), "{report:?}");
        assert_eq!(report.connections.opened, connections as u64);
        total += 5003;
        until(|| server.stats().requests.total == total);
    }
    let report = run(without_keep_alive(plan(&peer, 200)));
    assert_eq!((report.succeeded, report.connections.opened), (200, 200), "{report:?}");
    until(|| server.stats().requests.success == total + 200);
    assert_eq!(server.stats().requests.total, total + 200);
    finish(&server);
}

#[test]
fn bytes_are_those_that_the_server_saw() {
    let (server, peer) = tcp("127.0.0.1");
    let request = Request::new("GET", "/inline", "h", &[], b"", true).unwrap();
    let sent = request.bytes().len() as u64 * 1000;
    let expect_body = Some(b"hello".to_vec());
    let report = run(Plan { request, expect_body, pipeline: 4, ..plan(&peer, 1000) });
    assert_eq!((report.succeeded, report.bytes.sent), (1000, sent));
    // The server counts sent bytes a moment later.
    until(|| server.stats().bytes.sent == report.bytes.received);
    assert_eq!(server.stats().bytes.received, sent);
    finish(&server);
}

#[test]
fn bodies_are_echoed() {
    let (server, peer) = tcp("127.0.0.1");
    let body: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let request = Request::new("POST", "/echo", "h", &[], &body, true).unwrap();
    let report = run(Plan { request, expect_body: Some(body), ..plan(&peer, 200) });
    assert_eq!((report.succeeded, report.errors.total), (200, 0), "{:?}", report.first_errors);
    finish(&server);
}

#[test]
fn ipv6_and_unix_sockets_work() {
    // A machine without IPv6 has no ::1.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let (server, peer) = tcp("::1");
        let Peer::Tcp { port, .. } = peer else { panic!("no TCP peer") };
        for host in ["::1", "[::1]"] {
            let peer = Peer::Tcp { host: host.to_owned(), port };
            assert_eq!(run(plan(&peer, 100)).succeeded, 100);
        }
        finish(&server);
    }
    let path = std::env::temp_dir().join(format!("reactor-load-{}.sock", std::process::id()));
    let server = start(Listen::Unix(path.clone()));
    let report = run(Plan { connections: 20, ..plan(&Peer::Unix(path.clone()), 400) });
    assert_eq!((report.succeeded, report.connections.opened), (400, 20), "{report:?}");
    let report = run(without_keep_alive(plan(&Peer::Unix(path), 100)));
    assert_eq!(report.succeeded, 100, "{report:?}");
    finish(&server);
}

/// connect(2) waits at a unix socket whose accept queue is full (unix(7)); the limit holds.
#[test]
fn a_full_accept_queue_is_waited_for_no_longer_than_the_timeout() {
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;
    use std::thread;

    use reactor_sys::{Address, Stream};

    let path = std::env::temp_dir().join(format!("reactor-full-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let mut held = Vec::new();
    while let Ok((stream, true)) = Stream::connect(&Address::Unix(path.clone())) {
        held.push(stream);
    }
    let peer = Peer::Unix(path.clone());
    let timeout = Duration::from_millis(100);
    let (done, ended) = mpsc::channel();
    let refused = Plan { timeout, ..plan(&peer, 1) };
    thread::spawn(move || done.send(reactor_load::Run::start(refused).map(drop)).unwrap());
    let result = ended.recv_timeout(Duration::from_secs(60)).expect("it waits without a limit");
    let error = result.expect_err("the queue is full").to_string();
    assert!(error.contains("accept queue has been full for 100ms"), "{error}");

    // Once the run has begun to try, the queue gets one place: the request gets its answer.
    let slow = thread::spawn(move || run(Plan { connections: 1, ..plan(&peer, 1) }));
    thread::sleep(Duration::from_millis(20));
    drop(held);
    let answers = thread::spawn(move || {
        use std::io::{Read, Write};
        for conn in listener.incoming() {
            let mut conn = conn.unwrap();
            let mut byte = [0];
            // The connections that filled the queue end at once.
            if conn.read(&mut byte).unwrap_or(0) > 0 {
                conn.write_all(common::HELLO).unwrap();
                return;
            }
        }
    });
    assert_eq!(slow.join().unwrap().succeeded, 1);
    answers.join().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_server_that_stops_under_load_costs_no_panic_and_ends_in_time() {
    let (server, peer) = tcp("127.0.0.1");
    let duration = Some(Duration::from_secs(3));
    let base = Plan { duration, requests: None, pipeline: 4, ..plan(&peer, 1) };
    let run = reactor_load::Run::start(base).unwrap();
    until(|| run.progress().requests > 0);
    finish(&server);
    run.wait();
    let report = run.report().unwrap().unwrap();
    assert!(report.succeeded > 0 && report.errors.connect > 0, "{report:?}");
    assert_eq!(report.requests, report.succeeded + report.errors.total);
}
