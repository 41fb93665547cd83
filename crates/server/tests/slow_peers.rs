//! Peers that send or read too slowly.

mod common;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Client, alone, builtin, config, inline, pattern, post, request, start, until, until_stats,
    worker,
};
use reactor_server::{Config, Server, Timeouts};

const SHORT: Duration = Duration::from_millis(500);

/// What the tests allow on top of a timeout: the wheel's 50 ms tick, and delays of a busy machine.
/// Timeouts that are not under test are at least 10 s.
const SLACK: Duration = Duration::from_secs(8);

fn timeouts(change: impl FnOnce(&mut Timeouts)) -> Server {
    let mut timeouts = Timeouts::default();
    change(&mut timeouts);
    start(Config { timeouts, ..config(builtin()) })
}

#[track_caller]
fn assert_about(timeout: Duration, took: Duration) {
    // The loop reads its clock once a turn, so it may count from a little earlier.
    assert!(took + Duration::from_millis(10) >= timeout, "early: {took:?}");
    assert!(took < timeout + SLACK, "late: {took:?}");
}

/// Sends bytes one by one, 20 ms apart, until there is something to read.
fn drip(stream: &mut TcpStream, bytes: impl IntoIterator<Item = u8>) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a live socket");
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() || stream.peek(&mut [0]).is_ok() {
            break;
        }
    }
    stream.set_read_timeout(Some(common::ANSWER_LIMIT)).expect("a live socket");
}

/// What a client does step by step, and the longest time between two steps.
struct Pace {
    begun: Instant,
    longest: Duration,
}

impl Pace {
    /// From the beginning of the step before to the end of this one: the longest that a server may
    /// have waited between them.
    fn step<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = step();
        self.longest = self.longest.max(self.begun.elapsed());
        self.begun = begun;
        done
    }
}

/// What `client` does must succeed, with less than `pace` between any two steps. On a machine that
/// stalls, the client itself may come too late. Then it is tried again.
#[track_caller]
fn at_a_pace(pace: Duration, mut client: impl FnMut(&mut Pace) -> io::Result<()>) {
    for _ in 0..10 {
        let mut steps = Pace { begun: Instant::now(), longest: Duration::ZERO };
        let outcome = client(&mut steps);
        if steps.longest < pace {
            outcome.expect("served, as it is never too slow");
            return;
        }
    }
    panic!("this machine is too busy to tell");
}

#[test]
fn a_head_that_comes_byte_by_byte_has_one_timeout_for_all() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.head = SHORT);
    let start = Instant::now();
    let mut client = Client::new(&server);
    let endless = b"GET / HTTP/1.1\r\nHost: test\r\nX: ".iter().copied();
    drip(&mut client.stream, endless.chain(std::iter::repeat_n(b'x', 200)));
    let reply = client.reply();
    assert_about(SHORT, start.elapsed());
    assert_eq!(reply.status, 408);
    assert!(reply.closes());
    client.ends();
    drop(client);
    until_stats(&server, "the connection to close", |s| s.connections.open == 0);
    assert_eq!(server.stats().connections.closed.request_timeout, 1);
}

#[test]
fn the_second_head_of_a_connection_has_the_same_timeout() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.head = SHORT);
    for path in ["/", "/inline"] {
        let mut client = Client::new(&server);
        assert_eq!(client.get(path).status, 200);
        let start = Instant::now();
        client.send("GET ");
        assert_eq!(client.reply().status, 408);
        assert_about(SHORT, start.elapsed());
        client.ends();
    }
}

#[test]
fn empty_lines_before_a_head_do_not_extend_its_time() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.head = SHORT);
    let mut client = Client::new(&server);
    let start = Instant::now();
    drip(&mut client.stream, std::iter::repeat_n(*b"\r\n", 100).flatten());
    // An empty line may count as nothing (closed) or as a bad head (400).
    if let Ok(reply) = client.try_reply(false) {
        assert!([400, 408].contains(&reply.status), "{}", reply.head);
    }
    assert!(start.elapsed() < SHORT + SLACK, "{:?}", start.elapsed());
}

#[test]
fn a_connection_that_never_says_anything_is_closed_without_a_word() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.head = SHORT);
    let start = Instant::now();
    let mut client = Client::new(&server);
    client.ends();
    assert_about(SHORT, start.elapsed());
    until_stats(&server, "its end", |s| s.connections.closed.idle == 1);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.idle = SHORT);
    for path in ["/", "/inline"] {
        // Each request starts the time anew: four of them take longer than it.
        at_a_pace(SHORT * 9 / 10, |pace| {
            let mut client = Client::new(&server);
            for n in 0..4 {
                thread::sleep(if n == 0 { Duration::ZERO } else { SHORT / 2 });
                pace.step(|| client.try_get(path))?;
            }
            Ok(())
        });
        until_stats(&server, "the clients to have left", |s| s.connections.open == 0);
        let idle = server.stats().connections.closed.idle;
        let mut client = Client::new(&server);
        let start = Instant::now();
        assert_eq!(client.get(path).status, 200);
        client.ends();
        assert_about(SHORT, start.elapsed());
        until_stats(&server, "its end", |s| s.connections.closed.idle == idle + 1);
    }
}

#[test]
fn a_body_without_progress_is_given_up() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.body = SHORT);
    let heads = [
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345",
        "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\na\r\n12345",
        // The server reads and drops a body for a target that takes none, but no longer than this.
        "POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345",
    ];
    for head in heads {
        let mut client = Client::new(&server);
        let start = Instant::now();
        client.send(head);
        let reply = client.reply();
        assert_about(SHORT, start.elapsed());
        assert_eq!(reply.status, 408, "{head}");
        assert!(reply.closes());
        client.ends();
    }
    until_stats(&server, "the connections to close", |s| s.connections.open == 0);
    assert_eq!(server.stats().connections.closed.request_timeout, 3);
}

#[test]
fn a_body_that_makes_progress_may_take_its_time() {
    let _bound = alone(Duration::from_secs(60));
    let server = timeouts(|t| {
        t.body = SHORT;
        t.head = SHORT;
    });
    // Seven hundred bytes a second, in pieces as on a very slow network.
    let body = pattern(15 * 50);
    let lengths = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 750\r\n\r\n";
    let chunked = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, before, after, end) in
        [(lengths, "", "", ""), (chunked, "32\r\n", "\r\n", "0\r\n\r\n")]
    {
        at_a_pace(SHORT / 2, |pace| {
            let mut client = Client::new(&server);
            let start = Instant::now();
            pace.step(|| client.stream.write_all(head.as_bytes()))?;
            for bytes in body.chunks(50) {
                thread::sleep(SHORT / 7);
                let piece = [before.as_bytes(), bytes, after.as_bytes()].concat();
                pace.step(|| client.stream.write_all(&piece))?;
            }
            pace.step(|| client.stream.write_all(end.as_bytes()))?;
            assert!(start.elapsed() > SHORT * 2, "{:?}", start.elapsed());
            let reply = client.try_reply(false)?;
            if reply.status == 200 {
                assert_eq!(reply.body, body);
                return Ok(());
            }
            Err(io::Error::other(reply.head))
        });
    }
}

/// Memory for bodies is limited. A client that sends a byte now and then must not keep it from
/// others.
#[test]
fn a_body_that_trickles_is_given_up_though_it_never_pauses() {
    let _alone = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.body = SHORT);
    let lengths = "Content-Length: 1000";
    for (path, framing) in [("/echo", lengths), ("/echo", CHUNKED), ("/nowhere", lengths)] {
        let mut client = Client::new(&server);
        client.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n"));
        let start = Instant::now();
        // At most 50 bytes a second, a fifth of the required rate.
        let piece: &[u8] = if framing == CHUNKED { b"1\r\nx\r\n" } else { b"x" };
        drip(&mut client.stream, piece.iter().copied().cycle().take(900));
        assert_eq!(client.reply().status, 408);
        assert_about(SHORT, start.elapsed());
        client.ends();
    }
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// A fast beginning is no credit for later.
#[test]
fn a_body_that_began_quickly_may_not_pause_longer_for_it() {
    let _alone = alone(Duration::from_secs(60));
    let server = timeouts(|t| t.body = SHORT);
    let mut client = Client::new(&server);
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n");
    client.send(pattern(100_000));
    let start = Instant::now();
    assert_eq!(client.reply().status, 408);
    assert_about(SHORT, start.elapsed());
}

/// While a handler works, no timeout runs, however short the others are.
#[test]
fn a_slow_handler_is_not_taken_for_a_slow_client() {
    let _bound = alone(Duration::from_secs(60));
    let mut app = builtin();
    worker(&mut app, "/slow", |_, response| {
        thread::sleep(SHORT * 4);
        response.body(b"slow");
    });
    let tight = SHORT * 2;
    let timeouts = Timeouts {
        head: tight,
        body: tight,
        idle: tight,
        write: tight,
        drain: tight,
        ..Timeouts::default()
    };
    let server = start(Config { timeouts, ..config(app) });
    let mut client = Client::new(&server);
    assert_eq!(client.get("/slow").text(), "slow");
    let mut client = Client::new(&server);
    client.send(post("/slow", b"with a body"));
    assert_eq!(client.reply().text(), "slow");
}

/// A socket with small buffers that reads nothing until told.
fn lazy_reader(server: &Server) -> Client {
    let client = Client::new(server);
    let small = 16 * 1024;
    nix::sys::socket::setsockopt(&client.stream, nix::sys::socket::sockopt::RcvBuf, &small)
        .expect("a live socket");
    client
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_gets_everything_once_it_does() {
    let _bound = alone(Duration::from_secs(60));
    const LARGE: usize = 1 << 20;
    const REQUESTS: usize = 100;
    let large = pattern(LARGE);
    let mut app = builtin();
    inline(&mut app, "/large", large.clone());
    let server = start(Config { io_threads: 1, ..config(app) });
    let mut client = lazy_reader(&server);
    client.send(request("GET", "/large").repeat(REQUESTS));
    until_stats(&server, "the server to run into the client's buffer", |s| {
        s.requests.total > 0 && s.bytes.sent > 0
    });
    // The server stops by itself, long before it has answered everything.
    let stalled = settled(&server);
    assert!(stalled < REQUESTS as u64 / 2, "{stalled} requests taken");

    let mut other = Client::new(&server);
    assert_eq!(other.get("/healthz").status, 200, "nobody else suffers");

    for n in 0..REQUESTS {
        assert!(client.reply().body == large, "answer {n} is damaged");
    }
    assert_eq!(client.get("/").text(), "Hello, World!");
}

#[test]
fn a_client_that_pipelines_bodies_without_reading_gets_all_of_them_back_in_order() {
    let _bound = alone(Duration::from_secs(60));
    const SIZE: usize = 256 * 1024;
    // Far more than the kernel's buffers on both sides, and what may be at handlers.
    const REQUESTS: usize = 200;
    let server = start(Config { io_threads: 1, ..config(builtin()) });
    let client = lazy_reader(&server);
    let mut writer = client.stream.try_clone().expect("a descriptor");
    let mut reader = client;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            for n in 0..REQUESTS {
                let bytes = post("/echo", &pattern(SIZE + n));
                writer.write_all(&bytes).expect("the server takes it in the end");
            }
        });
        until_stats(&server, "the first requests", |s| s.tasks.done > 0);
        let stalled = settled(&server);
        assert!(stalled < REQUESTS as u64, "all {stalled} requests taken");
        assert!(!sending.is_finished(), "the server still reads");
        for n in 0..REQUESTS {
            assert!(reader.reply().body == pattern(SIZE + n), "answer {n} is damaged");
        }
    });
}

/// How many requests the server has taken, once that number does not change any more.
fn settled(server: &Server) -> u64 {
    let mut last = (u64::MAX, u64::MAX);
    let mut since = Instant::now();
    until("the server to stop taking requests", || {
        let stats = server.stats();
        let now = (stats.requests.total, stats.bytes.sent);
        if now != last {
            last = now;
            since = Instant::now();
        }
        since.elapsed() > Duration::from_millis(150)
    });
    last.0
}

#[test]
fn a_client_that_takes_no_output_is_cut_off_after_the_write_timeout() {
    let _bound = alone(Duration::from_secs(60));
    let mut app = builtin();
    inline(&mut app, "/large", pattern(8 << 20));
    worker(&mut app, "/made", |_, response| response.body_vec(pattern(8 << 20)));
    let timeouts = Timeouts { write: SHORT, ..Timeouts::default() };
    let server = start(Config { timeouts, ..config(app) });
    for (path, closed) in [("/large", 1), ("/made", 2)] {
        let mut client = lazy_reader(&server);
        let start = Instant::now();
        client.send(request("GET", path));
        until_stats(&server, "the connection to be cut off", |s| {
            s.connections.closed.write_timeout == closed
        });
        assert_about(SHORT, start.elapsed());
        let mut rest = Vec::new();
        // What was sent before can be read. Then the stream ends, in either way.
        let _ = client.stream.read_to_end(&mut rest);
        assert!(rest.len() < 8 << 20, "{path}: it was all there");
    }
    until_stats(&server, "the end of all", |s| s.connections.open == 0);
}

/// The server does not wait for a client because of its further requests.
#[test]
fn a_client_that_asks_on_and_takes_no_output_is_cut_off_as_well() {
    let _alone = alone(Duration::from_secs(60));
    const PIECE: usize = 20_000;
    let mut app = builtin();
    inline(&mut app, "/piece", pattern(PIECE));
    let timeouts = Timeouts { write: SHORT, ..Timeouts::default() };
    let server = start(Config { io_threads: 1, timeouts, ..config(app) });
    let (mut client, mut other) = (lazy_reader(&server), Client::new(&server));
    // One by one, until the kernel's buffers are full but the server's are not. While these have
    // room, the server reads from the client.
    let mut sent = 0;
    'asking: for asked in 1.. {
        client.send(request("GET", "/piece"));
        until_stats(&server, "the request to be taken", |s| s.requests.total == 2 * asked - 1);
        // After that, so that the sent bytes of the answer are counted, or will be in a moment.
        // Bytes are counted after they were sent.
        let reply = other.get("/inline");
        sent += PIECE + reply.head.len() + reply.body.len();
        let mut looks = 0..10;
        while server.stats().bytes.sent < sent as u64 {
            if looks.next().is_none() {
                break 'asking;
            }
            thread::sleep(SHORT / 50);
        }
    }
    let start = Instant::now();
    until("the connection to be cut off", || {
        let _ = client.stream.write_all(request("GET", "/inline").as_bytes());
        thread::sleep(SHORT / 10);
        server.stats().connections.closed.write_timeout == 1
    });
    assert!(start.elapsed() < SHORT + SLACK, "{:?}", start.elapsed());
}

/// The kernel reports room in its send buffer of some MiB only when a third of it is free. What the
/// peer takes in between is progress as well.
#[test]
fn a_client_that_reads_slowly_but_steadily_is_served_to_the_end() {
    let _bound = alone(Duration::from_secs(60));
    let large = pattern(8 << 20);
    let mut app = builtin();
    inline(&mut app, "/large", large.clone());
    let timeouts = Timeouts { write: SHORT, ..Timeouts::default() };
    let server = start(Config { timeouts, ..config(app) });
    at_a_pace(SHORT / 2, |pace| {
        let mut client = lazy_reader(&server);
        client.send(request("GET", "/large"));
        let start = Instant::now();
        let mut received = 0;
        while received < large.len() {
            // After a while the client reads as fast as it can.
            if start.elapsed() < SHORT * 4 {
                thread::sleep(Duration::from_millis(20));
            }
            received += pace.step(|| client.more())?;
        }
        assert!(client.try_reply(false)?.body == large);
        Ok(())
    });
}
