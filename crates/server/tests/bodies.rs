//! Bodies that are parts of files, and trailers, over real sockets.

mod common;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{
    Client, Hand, bounded, builtin, config, inline, pattern, request, start, until_stats, worker,
};
use reactor_server::{Config, LaneReply, Server};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A file that no name leads to any more: it is gone with its last descriptor.
fn file(bytes: &[u8]) -> File {
    static COUNT: Mutex<u32> = Mutex::new(0);
    let mut count = COUNT.lock().expect("nobody panics here");
    *count += 1;
    let path = std::env::temp_dir().join(format!("reactor-{}-{count}-body", std::process::id()));
    std::fs::write(&path, bytes).expect("room for a file");
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("it was just made");
    std::fs::remove_file(&path).expect("it was just made");
    file
}

/// `/file/:from/:to` and `/chunked/:from/:to` give that part of the file, `/small` an answer
/// that is none.
fn serve(file: &Arc<File>) -> Server {
    let mut app = builtin();
    inline(&mut app, "/small", "small");
    for (route, chunked) in [("/file/:from/:to", false), ("/chunked/:from/:to", true)] {
        let file = Arc::clone(file);
        worker(&mut app, route, move |request, response| {
            let place = |name| request.param(name).and_then(|n| n.parse().ok()).expect("a place");
            response.body_file(Arc::clone(&file), place("from")..place("to"));
            if chunked {
                response.chunked();
            }
        });
    }
    start(Config { io_threads: 1, worker_threads: 1, ..config(app) })
}

fn path(kind: &str, Range { start, end }: &Range<usize>) -> String {
    format!("/{kind}/{start}/{end}")
}

/// Parts of a file of 3 MiB: none of it, within one read, more than one, all.
fn parts() -> Vec<Range<usize>> {
    let (read, all) = (64 * 1024, 3 * MIB);
    vec![
        0..0,
        all..all,
        0..1,
        all - 1..all,
        5..read,
        0..read,
        0..read + 1,
        1000..200_000,
        0..all,
        // Nothing lies between these.
        #[allow(clippy::reversed_empty_ranges, reason = "what a program may ask for")]
        {
            9..7
        },
    ]
}

#[test]
fn parts_of_files_come_as_they_are() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(3 * MIB);
    let server = serve(&Arc::new(file(&bytes)));
    let mut client = Client::new(&server);
    for kind in ["file", "chunked"] {
        for part in parts() {
            let reply = client.get(&path(kind, &part));
            assert_eq!(reply.status, 200);
            let expected = bytes.get(part.clone()).unwrap_or_default();
            assert!(reply.body == expected, "{kind} {part:?}: {} bytes", reply.body.len());
            let length = (kind == "file").then(|| expected.len().to_string());
            assert_eq!(reply.field("content-length"), length.as_deref(), "{kind} {part:?}");
        }
    }
}

#[test]
fn a_file_answers_head_like_get_without_the_body() {
    let _bound = bounded(LIMIT);
    let server = serve(&Arc::new(file(&pattern(100_000))));
    let mut client = Client::new(&server);
    for (kind, field) in [("file", "content-length"), ("chunked", "transfer-encoding")] {
        for part in [0..0, 10..100_000] {
            let path = path(kind, &part);
            let got = client.get(&path);
            client.send(request("HEAD", &path));
            let head = client.reply_to_head();
            assert_eq!((head.status, head.field(field)), (200, got.field(field)), "{path}");
            assert!(head.field(field).is_some(), "{path}");
        }
    }
    assert_eq!(client.get("/small").text(), "small", "nothing was left on the connection");
}

#[test]
fn files_and_other_answers_keep_the_order_of_the_requests() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(300_000);
    let server = serve(&Arc::new(file(&bytes)));
    let mut client = Client::new(&server);
    let parts = [0..0, 0..300_000, 7..8, 100..70_000, 0..0, 250_000..300_000];
    let mut requests = String::new();
    for part in &parts {
        for target in [path("file", part), "/small".to_owned(), path("chunked", part)] {
            requests.push_str(&request("GET", &target));
        }
    }
    client.send(requests.repeat(3));
    for part in parts.iter().cycle().take(3 * parts.len()) {
        assert!(client.reply().body == bytes[part.clone()], "{part:?}");
        assert_eq!(client.reply().text(), "small");
        assert!(client.reply().body == bytes[part.clone()], "{part:?} chunked");
    }
}

#[test]
fn an_http_1_0_client_gets_a_file_with_its_length() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(200_000);
    let server = serve(&Arc::new(file(&bytes)));
    for kind in ["file", "chunked"] {
        let mut client = Client::new(&server);
        client.send(format!("GET {} HTTP/1.0\r\n\r\n", path(kind, &(3..200_000))));
        let reply = client.reply();
        assert_eq!(reply.field("content-length"), Some("199997"));
        assert!(reply.body == bytes[3..]);
        client.ends();
    }
}

/// 64 MiB are more than a turn's budget, and than what sockets hold.
#[test]
fn a_large_file_does_not_keep_others_waiting() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(64 * MIB);
    let server = serve(&Arc::new(file(&bytes)));
    let mut large = Client::new(&server);
    large.send(request("GET", &path("file", &(0..bytes.len()))));
    large.read_until("\r\n\r\n");
    let before = server.stats().bytes.sent;
    assert_eq!(Client::new(&server).get("/small").text(), "small");
    assert!(before < bytes.len() as u64, "the file waits for its client");
    assert!(large.reply().body == bytes);
}

/// Of a file that has become shorter, the client gets what there is, and sees that it is
/// not all. The answers before it are not lost.
#[test]
fn a_file_that_is_cut_off_while_it_is_sent_breaks_the_connection_off() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(32 * MIB);
    for kind in ["file", "chunked"] {
        let file = Arc::new(file(&bytes));
        let server = serve(&file);
        let mut client = Client::new(&server);
        client.send(request("GET", "/small"));
        client.send(request("GET", &path(kind, &(0..bytes.len()))));
        assert_eq!(client.reply().text(), "small");
        client.read_until("\r\n\r\n");
        file.set_len(1000).expect("an open file");
        let mut got = Vec::new();
        // The end may be a reset.
        let _ = client.stream.read_to_end(&mut got);
        assert!(got.len() < bytes.len(), "{} bytes of {kind}", got.len());
        assert!(!got.ends_with(b"0\r\n\r\n"), "the last chunk");
        until_stats(&server, "the connection to end", |stats| stats.connections.open == 0);
        assert_eq!(server.stats().connections.closed.aborted, 1);
    }
}

#[test]
fn what_is_before_a_file_that_is_too_short_is_sent() {
    let _bound = bounded(LIMIT);
    let server = serve(&Arc::new(file(b"0123456789")));
    for kind in ["file", "chunked"] {
        let mut client = Client::new(&server);
        // All of it is answered in one turn, and sent at once.
        let file = request("GET", &path(kind, &(4..1_000_000)));
        client.send([request("GET", "/small"), file, request("GET", "/small")].concat());
        let rest = client.rest();
        let (small, file) = rest.split_once("small").expect("the first answer");
        assert!(small.starts_with("HTTP/1.1 200"), "{small}");
        assert!(file.starts_with("HTTP/1.1 200"), "{file}");
        assert!(file.ends_with("456789"), "what there is: {file}");
    }
}

/// Answers with trailers; `/late` has them from a lane.
fn with_trailers(chunked: bool) -> Server {
    let mut app = builtin();
    worker(&mut app, "/trailers", move |request, response| {
        response.body("body");
        response.trailer("X-Sum", "1 2").expect("a sound field");
        response.trailer("x-sum", "3").expect("a sound field");
        if chunked {
            response.chunked();
        }
        if request.query() == Some(b"none") {
            response.status(204).expect("a final status");
        }
    });
    start(config(app))
}

const TRAILERS: &str = "4\r\nbody\r\n0\r\nX-Sum: 1 2\r\nx-sum: 3\r\n\r\n";

/// The fields and the body of the answer to a request with this line and these fields.
fn answer(server: &Server, line: &str, fields: &str) -> (String, String) {
    let mut client = Client::new(server);
    client.send(format!("{line}\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"));
    let rest = client.rest();
    let (head, body) = rest.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn trailers_go_to_clients_that_take_them() {
    let _bound = bounded(LIMIT);
    for server in [with_trailers(false), with_trailers(true)] {
        let get = "GET /trailers HTTP/1.1";
        for te in [
            "TE: trailers\r\n",
            "te: gzip;q=0.5, Trailers\r\n",
            "TE: gzip\r\nX: y\r\nTE: deflate ,trailers\r\n",
        ] {
            let (head, body) = answer(&server, get, te);
            assert!(head.contains("\r\ntransfer-encoding: chunked"), "{te}: {head}");
            assert!(!head.contains("content-length"), "{te}: {head}");
            assert_eq!(body, TRAILERS, "{te}");
        }
        for te in ["", "TE: gzip\r\n", "TE: trailersx\r\n", "X-TE: trailers\r\n"] {
            let (head, body) = answer(&server, get, te);
            assert!(head.contains("\r\ntransfer-encoding: chunked"), "{te}: {head}");
            assert_eq!(body, "4\r\nbody\r\n0\r\n\r\n", "{te}");
        }
    }
}

#[test]
fn trailers_are_left_out_where_there_is_no_place_for_them() {
    let _bound = bounded(LIMIT);
    let te = "TE: trailers\r\n";
    let server = with_trailers(false);
    let (head, body) = answer(&server, "GET /trailers HTTP/1.0", te);
    assert!(head.contains("\r\ncontent-length: 4"), "{head}");
    assert_eq!(body, "body");
    let (head, body) = answer(&server, "HEAD /trailers HTTP/1.1", te);
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert_eq!(body, "");
    let (head, body) = answer(&server, "GET /trailers?none HTTP/1.1", te);
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(body, "");
}

#[test]
fn a_trailer_may_not_say_what_is_said_before_the_body() {
    let _bound = bounded(LIMIT);
    let mut app = builtin();
    worker(&mut app, "/refused", |_, response| {
        let names =
            ["Content-Length", "transfer-encoding", "CONNECTION", "Date", "Keep-Alive", "upgrade"];
        for name in names.into_iter().chain(["Trailer", "a b", "a:", ""]) {
            response.trailer(name, "1").expect_err(name);
        }
        response.trailer("X", "1\r\nY: 2").expect_err("two lines");
        response.body("none");
    });
    let server = start(config(app));
    let (head, body) = answer(&server, "GET /refused HTTP/1.1", "TE: trailers\r\n");
    assert!(head.contains("\r\ncontent-length: 4"), "{head}");
    assert_eq!(body, "none");
}

/// Streams that end while they are sent, and before their turn.
#[test]
fn a_stream_ends_with_its_trailers() {
    let _bound = bounded(LIMIT);
    for length in [None, Some(10)] {
        let mut hand = Hand::new(|_| {});
        let mut client = hand.client();
        let request = "GET /lane/1 HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n";
        client.send(request.repeat(2));
        let [first, second] = [(); 2].map(|()| {
            let mut task = hand.next_task();
            task.response().trailer("X-Sum", "12").expect("a sound field");
            task
        });
        let (first, second) =
            (hand.begin(first, length, "first"), hand.begin(second, length, "other"));
        for id in [second, first] {
            hand.say(LaneReply::Chunk(id, b" part".to_vec()));
            hand.say(LaneReply::End(id));
        }
        hand.lane.answered(2);
        client.send("GET /inline HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let rest = client.rest();
        let bodies: Vec<_> =
            rest.split("HTTP/1.1 200").skip(1).filter_map(|a| a.split_once("\r\n\r\n")).collect();
        let end = "0\r\nX-Sum: 12\r\n\r\n";
        assert_eq!(bodies.len(), 3, "{rest}");
        assert_eq!(bodies[0].1.replace("\r\n5\r\n", ""), format!("5\r\nfirst part\r\n{end}"));
        assert_eq!(bodies[1].1, format!("a\r\nother part\r\n{end}"));
        assert_eq!(bodies[2].1, "inline");
    }
}

/// How the answer to HEAD is framed was settled when it came, not when its turn came.
#[test]
fn a_stream_of_unknown_length_says_none_to_head_though_it_has_waited() {
    let _bound = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    client.send([request("GET", "/lane/1"), request("HEAD", "/lane/2")].concat());
    let (first, mut second) = (hand.next_task(), hand.next_task());
    second.response().no_length();
    let id = hand.begin(second, None, "");
    hand.say(LaneReply::Chunk(id, b"part".to_vec()));
    hand.say(LaneReply::End(id));
    hand.lane.answered(1);
    hand.answer(first, "first");
    assert_eq!(client.reply().text(), "first");
    let head = client.reply_to_head();
    let framing = [head.field("transfer-encoding"), head.field("content-length")];
    assert_eq!((head.status, framing), (200, [None, None]));
    assert_eq!(client.get("/inline").text(), "inline");
}

/// A client that asks for files and takes none does not use all descriptors up.
#[test]
fn few_files_wait_for_a_client_that_takes_nothing() {
    let _bound = bounded(LIMIT);
    let bytes = pattern(2 * MIB);
    let file = Arc::new(file(&bytes));
    let server = serve(&file);
    let mut client = Client::new(&server);
    // The first fills what sockets hold.
    let first = request("GET", &path("file", &(0..bytes.len())));
    let small = request("GET", &path("file", &(0..10)));
    client.send([first.repeat(16), small.repeat(3_000)].concat());
    until_stats(&server, "the server to send", |stats| stats.bytes.sent > 0);
    let mut most = 0;
    for _ in 0..50 {
        most = most.max(Arc::strong_count(&file));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(most < 100, "{most} of 3,016 files are open");
    for _ in 0..16 {
        assert!(client.reply().body == bytes);
    }
    for _ in 0..3_000 {
        assert!(client.reply().body == bytes[..10]);
    }
}
