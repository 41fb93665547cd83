//! HTTP over real sockets, as far as sockets, loops and workers have a part in it.

mod common;

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    Client, Latch, OpenAtEnd, bounded, builtin, config, inline, pattern, post, post_chunked,
    request, start, until, until_stats, worker,
};
use reactor_server::{App, Config, Inline, Limits, Server, Target};

const LIMIT: Duration = Duration::from_secs(20);
const MIB: usize = 1 << 20;

/// `/` and `/inline` say which application answers.
fn version(name: &'static str) -> App {
    let mut app = App::new();
    inline(&mut app, "/inline", name);
    worker(&mut app, "/", move |_, response| response.body(name));
    app
}

#[test]
fn a_reload_under_load_loses_no_request() {
    let _bound = bounded(LIMIT);
    let server = start(config(version("one")));
    let done = AtomicBool::new(false);
    let (served, by_the_first) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..8 {
            let (server, done) = (&server, &done);
            let (served, by_the_first) = (&served, &by_the_first);
            scope.spawn(move || {
                let mut client = Client::new(server);
                let path = ["/", "/inline"][n % 2];
                let pipelined = 1 + n / 2 * 5;
                while !done.load(Ordering::Relaxed) {
                    client.send(request("GET", path).repeat(pipelined));
                    for _ in 0..pipelined {
                        let reply = client.reply();
                        assert_eq!(reply.status, 200);
                        match reply.text().as_str() {
                            "one" => drop(by_the_first.fetch_add(1, Ordering::Relaxed)),
                            "two" => {}
                            other => panic!("neither of the two: {other}"),
                        }
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for round in 1..=40 {
            let before = served.load(Ordering::Relaxed);
            until("requests to be served", || served.load(Ordering::Relaxed) > before + 100);
            server.reload(version(if round % 2 == 1 { "two" } else { "one" }));
        }
        done.store(true, Ordering::Relaxed);
    });
    let (served, by_the_first) = (served.into_inner(), by_the_first.into_inner());
    assert!(0 < by_the_first && by_the_first < served, "{by_the_first} of {served}");
    let stats = server.stats();
    assert_eq!(stats.requests.success, stats.requests.total);
    assert_eq!(stats.requests.success, served as u64);
}

#[test]
fn a_request_in_flight_is_answered_by_the_application_that_took_it() {
    let _bound = bounded(LIMIT);
    let latch = Latch::new();
    let mut app = version("one");
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, ..config(app) });
    let _open = OpenAtEnd(latch.clone());
    let mut held = Client::new(&server);
    held.send(request("GET", "/held"));
    let mut half = Client::new(&server);
    let body = post("/", b"12345");
    half.send(&body[..body.len() - 2]);
    latch.until_inside(1);
    until_stats(&server, "both heads to be read", |s| s.requests.total == 2);
    server.reload(version("two"));
    let mut client = Client::new(&server);
    until("the reload", || client.get("/inline").text() == "two");
    assert_eq!(client.get("/held").status, 404, "it is gone");
    half.send(&body[body.len() - 2..]);
    assert_eq!(half.reply().text(), "one");
    assert_eq!(half.get("/").text(), "two");
    latch.open();
    assert_eq!(held.reply().text(), "held");
    assert_eq!(held.get("/").text(), "two");
}

fn of_many_kinds() -> Server {
    let mut app = builtin();
    let mut fixed = |pattern, status| {
        let inline = Inline::new(status, &[("ETag", b"\"a\"")], "ignored").expect("sound fields");
        app.route(None, pattern, Target::Inline(inline)).expect("a new route");
    };
    fixed("/inline/204", 204);
    fixed("/inline/304", 304);
    worker(&mut app, "/status/:code", |request, response| {
        let code = request.param("code").and_then(|code| code.parse().ok()).unwrap_or(500);
        response.status(code).expect("a final status");
        response.body(b"a body");
    });
    worker(&mut app, "/chunked", |request, response| {
        response.body(request.body());
        response.chunked();
    });
    start(config(app))
}

#[test]
fn head_answers_like_get_without_the_body() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    let mut client = Client::new(&server);
    for path in ["/", "/inline", "/healthz", "/nowhere"] {
        let get = client.get(path);
        client.send(request("HEAD", path));
        let head = client.reply_to_head();
        let without_date = |head: &str| -> String {
            head.lines().filter(|line| !line.starts_with("Date:")).collect()
        };
        assert_eq!(without_date(&head.head), without_date(&get.head));
        assert_eq!(head.field("content-length"), Some(get.body.len().to_string().as_str()));
    }
    // No byte of a body is between the answers.
    client.send(request("HEAD", "/chunked") + &request("HEAD", "/inline"));
    let chunked = client.reply_to_head();
    assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.reply_to_head().status, 200);
    assert_eq!(client.get("/").text(), "Hello, World!");
}

#[test]
fn no_body_comes_with_204_and_304() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    let mut client = Client::new(&server);
    for status in [204, 304] {
        for path in [format!("/status/{status}"), format!("/inline/{status}")] {
            let reply = client.get(&path);
            assert_eq!(reply.status, status);
            assert_eq!(reply.field("content-length"), None, "{path}");
            assert_eq!(reply.field("transfer-encoding"), None, "{path}");
            assert!(reply.field("date").is_some());
            // A body would come before this answer.
            assert_eq!(client.get("/").text(), "Hello, World!");
        }
    }
    assert_eq!(client.get("/inline/304").field("etag"), Some("\"a\""));
}

#[test]
fn a_chunked_response_is_whole_and_http_1_0_gets_its_length() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    let mut client = Client::new(&server);
    for len in [0, 1, 100, 16 * 1024 - 1, 16 * 1024, 300_000] {
        let body = pattern(len);
        client.send(post("/chunked", &body));
        let reply = client.reply();
        assert_eq!(reply.field("transfer-encoding"), Some("chunked"));
        assert_eq!(reply.field("content-length"), None);
        assert!(reply.body == body, "{len} bytes");
    }
    client.send("GET /chunked HTTP/1.0\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.field("transfer-encoding"), None);
    assert_eq!(reply.field("content-length"), Some("0"));
    client.ends();
}

#[test]
fn http_1_0_keeps_the_connection_only_when_asked_to() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    for path in ["/", "/inline", "/nowhere"] {
        let mut client = Client::new(&server);
        for _ in 0..3 {
            client.send(format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
            assert_eq!(client.reply().field("connection"), Some("keep-alive"));
        }
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert!(client.reply().closes());
        client.ends();
    }
}

#[test]
fn nothing_after_connection_close_is_answered() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    for path in ["/", "/inline", "/nowhere"] {
        let mut client = Client::new(&server);
        let last = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.send(request("GET", "/healthz") + &last + &request("GET", "/").repeat(50));
        assert_eq!(client.reply().text(), "ok\n");
        assert!(client.reply().closes());
        // Unread input must not turn the end into a reset.
        client.ends();
    }
    until_stats(&server, "the connections to close", |s| s.connections.open == 0);
    assert_eq!(server.stats().requests.total, 6);
}

const EXPECT: &str =
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_client_that_expects_100_gets_it_before_its_answer() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    let mut client = Client::new(&server);
    for _ in 0..3 {
        client.send(EXPECT);
        let interim = client.reply();
        assert_eq!(interim.status, 100);
        assert_eq!(interim.head, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("12345");
        let reply = client.reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "12345"));
    }
    assert_eq!(server.stats().requests.informational, 3);
    // A target that takes no body answers at once, and the body never comes.
    client.send(EXPECT.replace("/echo", "/nowhere"));
    let reply = client.reply();
    assert_eq!(reply.status, 404);
    assert!(reply.closes());
    client.ends();
}

#[test]
fn the_100_waits_for_the_answers_before_it() {
    let _bound = bounded(LIMIT);
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(config(app));
    let _open = OpenAtEnd(latch.clone());
    let mut client = Client::new(&server);
    client.send(request("GET", "/held") + &request("GET", "/inline") + EXPECT);
    until_stats(&server, "all heads to be read", |s| s.requests.total == 3);
    assert_eq!(server.stats().requests.informational, 0);
    latch.open();
    assert_eq!(client.reply().text(), "held");
    assert_eq!(client.reply().text(), "inline");
    assert_eq!(client.reply().status, 100);
    client.send("12345");
    assert_eq!(client.reply().text(), "12345");
}

#[test]
fn bodies_come_back_byte_by_byte_the_same_around_every_buffer_size() {
    let _bound = bounded(LIMIT);
    let server = start(config(builtin()));
    let around = |n: usize| [n - 1, n, n + 1];
    let mut sizes = vec![0, 1, MIB];
    sizes.extend([16 * 1024, 64 * 1024, 256 * 1024].into_iter().flat_map(around));
    let mut client = Client::new(&server);
    for &len in &sizes {
        let body = pattern(len);
        let forms = [
            post("/echo", &body),
            post_chunked("/echo", &body, len.max(1)),
            post_chunked("/echo", &body, 4093),
        ];
        for (form, bytes) in forms.iter().enumerate() {
            client.send(bytes);
            let reply = client.reply();
            assert_eq!(reply.status, 200);
            assert!(reply.body == body, "{len} bytes in form {form} are damaged");
        }
    }
    // All of them pipelined, and sent while answers come back.
    let mut reader = Client::new(&server);
    let mut writer = Client::over(reader.stream.try_clone().expect("a descriptor"));
    thread::scope(|scope| {
        scope.spawn(|| {
            for &len in &sizes {
                writer.send(post("/echo", &pattern(len)));
                writer.send(post_chunked("/echo", &pattern(len), 10_007));
            }
        });
        for &len in &sizes {
            assert!(reader.reply().body == pattern(len), "{len} bytes");
            assert!(reader.reply().body == pattern(len), "{len} bytes in chunks");
        }
    });
}

#[test]
fn the_largest_body_is_served_and_one_byte_more_is_413() {
    let _bound = bounded(LIMIT);
    let server = start(config(builtin()));
    let largest = usize::try_from(Limits::default().body).expect("it fits");
    assert_eq!(largest, 16 * MIB);
    let body = pattern(largest + 1);
    let mut client = Client::new(&server);
    client.send(post("/echo", &body[..largest]));
    assert!(client.reply().body == body[..largest]);
    client.send(post_chunked("/echo", &body[..largest], 1_000_003));
    assert!(client.reply().body == body[..largest]);

    // If the length is declared, the head alone decides, whether the body was sent or not.
    for sent in [0, 1000, largest + 1] {
        let bytes = post("/echo", &body);
        let mut client = Client::new(&server);
        client.send(&bytes[..bytes.len() - body.len() + sent]);
        let reply = client.reply();
        assert_eq!(reply.status, 413);
        assert!(reply.closes());
        let _ = client.stream.shutdown(Shutdown::Write);
        client.ends();
    }
    let mut client = Client::new(&server);
    client.send(post_chunked("/echo", &body, 1_000_003));
    let reply = client.reply();
    assert_eq!(reply.status, 413);
    assert!(reply.closes());
    let _ = client.stream.shutdown(Shutdown::Write);
    client.ends();
}

#[test]
fn requests_cut_into_any_pieces_are_answered_the_same() {
    let _bound = bounded(LIMIT);
    let server = of_many_kinds();
    let all = [
        request("GET", "/").into_bytes(),
        post("/echo", b"12345"),
        post_chunked("/echo", b"1234567890", 3),
        request("HEAD", "/inline").into_bytes(),
        request("GET", "/nowhere").into_bytes(),
    ]
    .concat();
    let check = |client: &mut Client| {
        assert_eq!(client.reply().text(), "Hello, World!");
        assert_eq!(client.reply().text(), "12345");
        assert_eq!(client.reply().text(), "1234567890");
        assert_eq!(client.reply_to_head().status, 200);
        assert_eq!(client.reply().status, 404);
    };
    let mut client = Client::new(&server);
    let mut sent = 0;
    for piece in 1..=20 {
        for bytes in all.chunks(piece) {
            client.send(bytes);
        }
        sent += all.len() as u64;
        check(&mut client);
    }
    for cut in (1..all.len()).step_by(7) {
        client.send(&all[..cut]);
        sent += cut as u64;
        until_stats(&server, "the first piece to be read", |s| s.bytes.received == sent);
        client.send(&all[cut..]);
        sent += (all.len() - cut) as u64;
        check(&mut client);
    }
}
