//! The load client over HTTP/2 against the real server, where both sides must count the same.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{plan, run, until};
use reactor_load::{Http2, Peer, Plan, PlanError, Request, StartError};
use reactor_server::{App, Config, Inline, Listen, Server, Stop, Target};

fn start() -> (Server, Peer) {
    let mut app = App::builtin();
    let body: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let large = Inline::new(200, &[("X", b"y")], body).unwrap();
    app.route(Some("GET"), "/large", Target::Inline(large)).unwrap();
    let listen = Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
    let config = Config {
        listen: vec![listen.into()],
        io_threads: 2,
        worker_threads: 2,
        app,
        ..Config::default()
    };
    let server = Server::start(config).unwrap();
    let reactor_server::Address::Tcp(addr) = server.address() else { panic!("no TCP address") };
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port: addr.port() };
    (server, peer)
}

fn finish(server: &Server) {
    server.stop(Stop::Force);
    server.wait();
}

fn http2(method: &str, target: &str, body: &[u8], streams: usize) -> Option<Http2> {
    Some(Http2::new(method, target, "h", false, &[("x-a", b"b")], body, streams).unwrap())
}

#[test]
fn both_sides_count_the_same() {
    let (server, peer) = start();
    let mut total = 0;
    for (threads, connections, streams) in [(1, 1, 1), (1, 3, 10), (2, 9, 40), (2, 2, 500)] {
        let base = plan(&peer, 5003);
        let http2 = http2("GET", "/", b"", streams);
        let report = run(Plan { threads, connections, http2, ..base });
        assert_eq!((report.succeeded, report.errors.total), (5003, 0), "{report:?}");
        assert_eq!(report.connections.opened, connections as u64);
        assert!(report.http2.unwrap().resets.is_empty());
        total += 5003;
        until(|| server.stats().requests.total == total);
    }
    finish(&server);
}

#[test]
fn bodies_go_both_ways() {
    let (server, peer) = start();
    let body: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let expect_body = Some(body.clone());
    for http2 in [http2("POST", "/echo", &body, 5), http2("GET", "/large", b"", 5)] {
        let expect_body = expect_body.clone();
        let report = run(Plan { http2, expect_body, ..plan(&peer, 40) });
        assert_eq!((report.succeeded, report.errors.total), (40, 0), "{:?}", report.first_errors);
    }
    finish(&server);
}

#[test]
fn streams_have_a_range_and_need_keep_alive() {
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    let refused = |streams, keep_alive| {
        let request = Request::new("GET", "/", "h", &[], b"", keep_alive).unwrap();
        let http2 = http2("GET", "/", b"", streams);
        common::try_run(Plan { request, http2, ..plan(&peer, 1) }).unwrap_err()
    };
    assert!(matches!(
        refused(10_001, true),
        StartError::Plan(PlanError::Range { name: "streams", value: 10_001, max: 10_000 })
    ));
    assert!(matches!(
        refused(2, false),
        StartError::Plan(PlanError::Range { name: "streams", value: 2, max: 1 })
    ));
}
