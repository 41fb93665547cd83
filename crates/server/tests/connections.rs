//! How many connections may be open, and that none of them is forgotten.

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use common::{
    Client, Latch, OpenAtEnd, bounded, builtin, config, inline, pattern, request, reset, start,
    tcp_address, until, until_stats,
};
use reactor_server::{AcceptMode, Config, Server};

const LIMIT: Duration = Duration::from_secs(20);

fn at_most(max_connections: usize, accept: AcceptMode) -> Server {
    start(Config { max_connections: Some(max_connections), accept, ..config(builtin()) })
}

fn open(server: &Server, count: u64) -> Vec<Client> {
    let clients = (0..count).map(|_| Client::new(server)).collect();
    until_stats(server, "the connections to be taken", |s| s.connections.open == count);
    clients
}

#[test]
fn one_connection_too_many_reads_a_503_and_its_end() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let server = at_most(5, accept);
        let mut clients = open(&server, 5);
        for refused in 1..=20 {
            let mut client = Client::new(&server);
            // Some have sent their request already, some have not.
            if refused % 2 == 0 {
                client.send(common::post("/echo", &[b'x'; 2000]));
            }
            let reply = client.reply();
            assert_eq!(reply.status, 503);
            assert_eq!(reply.field("retry-after"), Some("1"));
            assert!(reply.field("date").is_some_and(|date| date.ends_with(" GMT")));
            assert!(reply.closes());
            assert!(reply.text().starts_with("503 "), "{}", reply.text());
            client.ends();
            assert_eq!(server.stats().connections.refused, refused);
        }
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200, "those who were there go on");
        }
        assert_eq!(server.stats().connections.accepted, 5);
    }
}

/// The request comes after the refusal has been sent.
#[test]
fn a_refused_client_that_sends_late_still_reads_why() {
    let _bound = bounded(LIMIT);
    let server = at_most(1, AcceptMode::Acceptor);
    let _taken = open(&server, 1);
    for _ in 0..10 {
        let mut client = Client::new(&server);
        until("the refusal to come", || client.stream.peek(&mut [0]).is_ok_and(|n| n == 1));
        client.send(common::post("/echo", &[b'x'; 10_000]));
        assert_eq!(client.reply().status, 503);
        client.ends();
    }
}

#[test]
fn places_are_free_again_when_connections_close() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let server = at_most(3, accept);
        let mut clients = open(&server, 3);
        for _ in 0..10 {
            assert_eq!(Client::new(&server).reply().status, 503);
            drop(clients.remove(0));
            until_stats(&server, "the place to be free", |s| s.connections.open == 2);
            // The acceptor counts once for all clients that it finds waiting. So a client that
            // comes right behind the refused one may still be refused.
            until("one to be let in", || {
                let mut client = Client::new(&server);
                let let_in = client.get("/").status == 200;
                if let_in {
                    clients.push(client);
                }
                let_in
            });
        }
        let stats = server.stats();
        assert_eq!((stats.connections.accepted, stats.connections.open), (13, 3));
        assert!(stats.connections.refused >= 10);
    }
}

#[test]
fn every_close_is_counted_under_its_reason() {
    let _bound = bounded(LIMIT);
    let server = start(config(builtin()));
    let closed = |what: &str, count: fn(&reactor_server::Stats) -> u64| {
        until_stats(&server, what, |s| count(s) == 1 && s.connections.open == 0);
    };
    let mut peer = Client::new(&server);
    assert_eq!(peer.get("/").status, 200);
    drop(peer);
    closed("closed by the peer", |s| s.connections.closed.peer);
    let mut served = Client::new(&server);
    served.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(served.reply().closes());
    served.ends();
    closed("closed as asked for", |s| s.connections.closed.served);
    let mut rejected = Client::new(&server);
    rejected.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(rejected.reply().status, 400);
    rejected.ends();
    drop(rejected);
    closed("rejected", |s| s.connections.closed.rejected);
    let mut aborted = Client::new(&server);
    aborted.send("GET / HTTP/1.1\r\nHos");
    until_stats(&server, "half a head", |s| s.bytes.received > 0 && s.connections.open == 1);
    drop(aborted);
    closed("left in the middle", |s| s.connections.closed.aborted);
}

#[test]
fn a_client_that_closes_its_sending_side_first_gets_all_its_answers() {
    let _bound = bounded(LIMIT);
    let large = pattern(2 << 20);
    let mut app = builtin();
    inline(&mut app, "/large", large.clone());
    let server = start(config(app));
    let mut client = Client::new(&server);
    client.send(request("GET", "/") + &request("GET", "/large") + &request("GET", "/healthz"));
    client.stream.shutdown(Shutdown::Write).expect("a live socket");
    assert_eq!(client.reply().text(), "Hello, World!");
    assert!(client.reply().body == large);
    assert_eq!(client.reply().text(), "ok\n");
    client.ends();
    until_stats(&server, "the connection to close", |s| s.connections.open == 0);
}

/// The server drops answers to connections that are gone, also when another connection has their
/// slot.
#[test]
fn a_late_answer_never_reaches_another_connection() {
    let _bound = bounded(LIMIT);
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, worker_threads: 4, ..config(app) });
    let _open = OpenAtEnd(latch.clone());
    for gone in 0..3 {
        let mut client = Client::new(&server);
        client.send(request("GET", "/held"));
        latch.until_inside(gone + 1);
        reset(client);
    }
    until_stats(&server, "the connections to be gone", |s| s.connections.open == 0);
    let mut clients: Vec<Client> = (0..8).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        client.send("GET /health");
    }
    until_stats(&server, "the new ones to take their place", |s| s.connections.open == 8);
    latch.open();
    until_stats(&server, "the late answers to be dropped", |s| s.tasks.dropped == 3);
    for client in &mut clients {
        client.send("z HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply().text(), "ok\n");
    }
}

/// Clients leave at any point, in any way.
#[test]
fn two_thousand_aborted_connections_leave_nothing_behind() {
    let _bound = bounded(Duration::from_secs(30));
    let mut app = builtin();
    inline(&mut app, "/large", pattern(1 << 20));
    let server = start(Config { worker_threads: 2, ..config(app) });
    let mut conversations = vec![
        request("GET", "/").into_bytes(),
        request("GET", "/large").repeat(3).into_bytes(),
        request("GET", "/healthz").repeat(100).into_bytes(),
        common::post("/echo", &pattern(100_000)),
        common::post_chunked("/echo", &pattern(5_000), 100),
        b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n12345"
            .to_vec(),
        b"GET / HTTP/1.1\r\n\r\nmore".to_vec(),
    ];
    conversations.push(conversations.concat());
    let address = tcp_address(&server);
    let mut random = common::Random(0x2545_f491_4f6c_dd1d);
    let mut kept = std::collections::VecDeque::new();
    for _ in 0..2_000 {
        let mut client = Client::connect(address).expect("the server takes connections");
        let bytes = &conversations[random.below(conversations.len())];
        let sent = &bytes[..random.below(bytes.len() + 1)];
        client.stream.set_write_timeout(Some(Duration::from_millis(1))).expect("a live socket");
        let _ = client.stream.write_all(sent);
        if random.below(3) == 0 {
            let _ = client.stream.shutdown(Shutdown::Write);
        }
        if random.below(3) == 0 {
            let mut some = vec![0; 1 + random.below(50_000)];
            client.stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a live socket");
            let _ = client.stream.read(&mut some);
        }
        kept.push_back(client);
        // Some clients stay for a while.
        while kept.len() > random.below(50) {
            let Some(leaving) = kept.pop_front() else { break };
            if random.below(2) == 0 { reset(leaving) } else { drop(leaving) }
        }
    }
    drop(kept);
    until_stats(&server, "all connections to be gone", |s| {
        s.connections.accepted == 2_000 && s.connections.open == 0
    });
    until_stats(&server, "all tasks to come back", |s| {
        s.tasks.queue_depth == 0 && s.tasks.done == s.tasks.queued
    });
    let stats = server.stats();
    let closed = &stats.connections.closed;
    assert_eq!(closed.idle + closed.request_timeout + closed.write_timeout + closed.stopped, 0);
    assert_eq!(Client::new(&server).get("/").status, 200);
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
