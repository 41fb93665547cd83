//! Handlers on a thread that is not the server's, as the JavaScript bridge has them.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use reactor_server::{
    Config, Exchange, ExchangeId, Lane, LaneEvent, LaneReplies, LaneReply, Server, Stop, Target,
    WINDOW,
};

use crate::common::{
    Client, bounded, builtin, post, post_chunked, request, reset, start, until, until_stats,
};

const LIMIT: Duration = Duration::from_secs(20);
const CHUNK: usize = 32 * 1024;

/// What the lane's thread has seen.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    gone: AtomicUsize,
    half_closed: AtomicUsize,
    /// Pieces of request bodies.
    pieces: AtomicUsize,
    taken: AtomicUsize,
    /// The most body bytes that were sent and not yet acknowledged.
    window: AtomicUsize,
}

/// A server whose `/lane/*` is answered by a thread of the test. The thread does what a JavaScript
/// thread would do.
struct Laned {
    server: Server,
    lane: Arc<Lane>,
    seen: Arc<Seen>,
    /// While this holds, the thread does nothing.
    paused: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Laned {
    fn new(capacity: usize, change: impl FnOnce(&mut Config)) -> Self {
        let (sender, receiver) = mpsc::channel::<Thread>();
        let thread_of_lane = Arc::new(std::sync::OnceLock::<Thread>::new());
        let to_wake = Arc::clone(&thread_of_lane);
        let lane = Lane::new(capacity, move || {
            if let Some(thread) = to_wake.get() {
                thread.unpark();
            }
        });
        let mut app = builtin();
        app.route(None, "/lane/*", Target::Lane(7)).expect("a new route");
        let mut config = crate::common::config(app);
        config.limits.body = 1 << 30;
        config.lanes = vec![Arc::clone(&lane)];
        change(&mut config);
        let server = start(config);
        let (seen, paused, stop) =
            (Arc::<Seen>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let mut handler = Handler {
            lane: Arc::clone(&lane),
            // As a JavaScript thread does it.
            replies: lane.replies().expect("a server has it"),
            seen: Arc::clone(&seen),
            echoes: HashMap::new(),
            downloads: HashMap::new(),
            held: Vec::new(),
        };
        let (thread_paused, thread_stop) = (Arc::clone(&paused), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let _ = sender.send(thread::current());
            while !thread_stop.load(Ordering::Relaxed) {
                if thread_paused.load(Ordering::Relaxed) || handler.turn() {
                    thread::park_timeout(Duration::from_millis(20));
                }
            }
        });
        let _ = thread_of_lane.set(receiver.recv().expect("the thread names itself"));
        Self { server, lane, seen, paused, stop, thread: Some(thread) }
    }

    fn client(&self) -> Client {
        Client::new(&self.server)
    }
}

impl Drop for Laned {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Handler {
    lane: Arc<Lane>,
    replies: LaneReplies,
    seen: Arc<Seen>,
    echoes: HashMap<ExchangeId, Echo>,
    downloads: HashMap<ExchangeId, Download>,
    /// Answered when a client asks for `/lane/release`.
    held: Vec<Exchange>,
}

/// A streaming request that is echoed as it comes.
#[derive(Default)]
struct Echo {
    queue: VecDeque<Vec<u8>>,
    unacknowledged: usize,
    ended: bool,
}

/// A streaming response of so many bytes.
struct Download {
    left: usize,
    unacknowledged: usize,
}

impl Handler {
    /// True if there is nothing to do.
    fn turn(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.lane.pop() {
            any = true;
            self.event(event);
        }
        self.lane.flush(&mut self.replies);
        !any && self.lane.rest()
    }

    fn event(&mut self, event: LaneEvent) {
        match event {
            LaneEvent::Request(task) => self.request(task),
            LaneEvent::Body(exchange, data) | LaneEvent::Rest(exchange, data) => {
                self.seen.pieces.fetch_add(1, Ordering::Relaxed);
                if let Some(echo) = self.echoes.get_mut(&exchange) {
                    echo.queue.push_back(data);
                    self.pump_echo(exchange);
                }
            }
            LaneEvent::BodyEnd(exchange) => {
                if let Some(echo) = self.echoes.get_mut(&exchange) {
                    echo.ended = true;
                    self.pump_echo(exchange);
                }
            }
            LaneEvent::Message(..)
            | LaneEvent::Ping(..)
            | LaneEvent::Pong(..)
            | LaneEvent::Unsent(..)
            | LaneEvent::SocketEnds(_)
            | LaneEvent::SocketMoved(_)
            | LaneEvent::SocketClosed(..) => panic!("nobody opens a WebSocket"),
            LaneEvent::Filled(..) => panic!("no memory is lent"),
            LaneEvent::Trailers(..) => {}
            LaneEvent::Connection(_) => panic!("connections are not announced"),
            LaneEvent::Gone(exchange)
            | LaneEvent::Refused(exchange, _)
            | LaneEvent::TimedOut(exchange) => {
                self.seen.gone.fetch_add(1, Ordering::Relaxed);
                self.echoes.remove(&exchange);
                self.downloads.remove(&exchange);
                self.lane.answered(1);
            }
            LaneEvent::HalfClosed(_) => {
                self.seen.half_closed.fetch_add(1, Ordering::Relaxed);
            }
            LaneEvent::Ack(exchange, n) => {
                if let Some(echo) = self.echoes.get_mut(&exchange) {
                    echo.unacknowledged -= n;
                    self.pump_echo(exchange);
                }
                if let Some(download) = self.downloads.get_mut(&exchange) {
                    download.unacknowledged -= n;
                    self.pump_download(exchange);
                }
            }
        }
    }

    fn request(&mut self, mut task: Exchange) {
        self.seen.requests.fetch_add(1, Ordering::Relaxed);
        assert_eq!(task.route(), 7);
        let exchange = task.id();
        let path = String::from_utf8_lossy(task.request().path()).into_owned();
        let streams = task.body_streams();
        let body = task.request().body().to_vec();
        match path.as_str() {
            "/lane/echo" if streams => {
                task.response().stream(None);
                self.echoes.insert(exchange, Echo::default());
                self.begin(task);
            }
            "/lane/declared" => {
                task.response().stream(Some(10));
                task.response().body(b"0123");
                self.begin(task);
                self.replies.push(LaneReply::Chunk(exchange, b"456789".to_vec()));
                self.end(exchange);
            }
            "/lane/short" => {
                task.response().stream(Some(10));
                self.begin(task);
                self.replies.push(LaneReply::Chunk(exchange, b"0123".to_vec()));
                self.end(exchange);
            }
            "/lane/abort" => {
                task.response().stream(None);
                task.response().body(b"some");
                self.begin(task);
                self.lane.answered(1);
                self.replies.push(LaneReply::Abort(exchange));
            }
            "/lane/hold" => self.held.push(task),
            "/lane/release" => {
                for held in std::mem::take(&mut self.held) {
                    self.whole(held, b"held");
                }
                self.whole(task, b"released");
            }
            path if path.ends_with("/param") => {
                let param = task.request().param("*").expect("the wildcard's").into_owned();
                self.whole(task, param.as_bytes());
            }
            // Never answered.
            "/lane/never" => {
                self.downloads.insert(exchange, Download { left: 0, unacknowledged: 0 });
            }
            path if path.starts_with("/lane/download/") => {
                let left = path["/lane/download/".len()..].parse().expect("a number");
                task.response().stream(None);
                self.downloads.insert(exchange, Download { left, unacknowledged: 0 });
                self.begin(task);
                self.pump_download(exchange);
            }
            path => {
                let text = if body.is_empty() { path.as_bytes() } else { &body };
                self.whole(task, text);
            }
        }
    }

    fn whole(&mut self, mut task: Exchange, text: &[u8]) {
        task.response().body(text);
        self.lane.answered(1);
        self.replies.push(LaneReply::Response(task));
    }

    fn begin(&mut self, task: Exchange) {
        self.replies.push(LaneReply::Response(task));
    }

    fn end(&mut self, exchange: ExchangeId) {
        self.lane.answered(1);
        self.replies.push(LaneReply::End(exchange));
    }

    fn pump_echo(&mut self, exchange: ExchangeId) {
        let Some(echo) = self.echoes.get_mut(&exchange) else { return };
        while let Some(data) = echo.queue.front() {
            if echo.unacknowledged + data.len() > WINDOW {
                return;
            }
            let Some(data) = echo.queue.pop_front() else { return };
            echo.unacknowledged += data.len();
            self.seen.taken.fetch_add(data.len(), Ordering::Relaxed);
            self.replies.push(LaneReply::Pull(exchange, data.len()));
            self.replies.push(LaneReply::Chunk(exchange, data));
        }
        if echo.ended {
            self.echoes.remove(&exchange);
            self.end(exchange);
        }
    }

    fn pump_download(&mut self, exchange: ExchangeId) {
        let Some(download) = self.downloads.get_mut(&exchange) else { return };
        while download.left > 0 && download.unacknowledged + CHUNK <= WINDOW {
            let n = download.left.min(CHUNK);
            download.left -= n;
            download.unacknowledged += n;
            self.seen.window.fetch_max(download.unacknowledged, Ordering::Relaxed);
            self.replies.push(LaneReply::Chunk(exchange, vec![b'x'; n]));
        }
        if download.left == 0 {
            self.downloads.remove(&exchange);
            self.end(exchange);
        }
    }
}

#[test]
fn a_lane_answers_like_any_handler() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    assert_eq!(client.get("/lane/a").text(), "/lane/a");
    client.send(post("/lane/b", b"small"));
    assert_eq!(client.reply().text(), "small");
    client.send(post_chunked("/lane/c", b"chunks that come at once", 5));
    assert_eq!(client.reply().text(), "chunks that come at once");
    client.send(request("HEAD", "/lane/head"));
    let head = client.reply_to_head();
    assert_eq!(head.field("content-length"), Some("10"));
    // Nothing of the request is left.
    assert_eq!(client.get("/lane/d").text(), "/lane/d");
    assert_eq!(laned.lane.in_flight(), 0);
}

#[test]
fn answers_of_lane_workers_and_loop_leave_in_the_order_of_the_requests() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let mut all = String::new();
    for n in 0..30 {
        all += &request("GET", &format!("/lane/{n}"));
        all += &request("GET", "/inline");
        all += &request("GET", "/lane/download/100000");
        all += &request("GET", "/healthz");
    }
    client.send(all);
    for n in 0..30 {
        assert_eq!(client.reply().text(), format!("/lane/{n}"));
        assert_eq!(client.reply().text(), "inline");
        assert_eq!(client.reply().body, vec![b'x'; 100_000]);
        assert_eq!(client.reply().text(), "ok\n");
    }
}

#[test]
fn a_large_upload_is_echoed_as_it_comes() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let body: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    for chunked in [false, true] {
        let mut client = laned.client();
        let bytes = if chunked {
            post_chunked("/lane/echo", &body, 70_000)
        } else {
            post("/lane/echo", &body)
        };
        let mut writer = client.stream.try_clone().expect("a second handle");
        let sender = thread::spawn(move || writer.write_all(&bytes));
        let reply = client.reply();
        sender.join().expect("the sender ends").expect("all is sent");
        assert!(reply.body == body, "chunked: {chunked}");
        assert_eq!(client.get("/lane/after").text(), "/lane/after");
    }
}

#[test]
fn the_last_upload_of_a_connection_is_echoed_to_its_end() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let heads = [
        "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked",
        "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000",
        "HTTP/1.0\r\nContent-Length: 100000",
    ];
    for head in heads {
        let mut client = laned.client();
        let chunked = head.ends_with("chunked");
        let before = if chunked { "186a0\r\n" } else { "" };
        client.send(format!("POST /lane/echo {head}\r\n\r\n{before}"));
        client.send(vec![b'x'; 1000]);
        // The answer begins before the rest of the body has come.
        until("the first part", || laned.seen.taken.swap(0, Ordering::Relaxed) > 0);
        thread::sleep(Duration::from_millis(50));
        client.send(vec![b'x'; 99_000]);
        if chunked {
            client.send("\r\n0\r\n\r\n");
        }
        if head.starts_with("HTTP/1.1") {
            let reply = client.reply();
            assert!(reply.closes(), "{head}");
            assert!(reply.body == vec![b'x'; 100_000], "{head}: {} bytes", reply.body.len());
            client.ends();
        } else {
            let mut all = Vec::new();
            client.stream.read_to_end(&mut all).expect("the end of the stream");
            assert!(all.ends_with(&vec![b'x'; 100_000]), "{head}: {} bytes", all.len());
        }
        laned.seen.taken.store(0, Ordering::Relaxed);
    }
}

#[test]
fn a_drain_waits_for_an_upload_and_its_echo() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    laned.paused.store(true, Ordering::Relaxed);
    client.send("POST /lane/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 1000]);
    until("the request", || laned.lane.queued() == 1);
    laned.server.stop(Stop::Drain);
    thread::sleep(Duration::from_millis(50));
    laned.paused.store(false, Ordering::Relaxed);
    until("the first part", || laned.seen.taken.load(Ordering::Relaxed) > 0);
    thread::sleep(Duration::from_millis(50));
    client.send(vec![b'x'; 99_000]);
    let reply = client.reply();
    assert!(reply.body == vec![b'x'; 100_000], "{} bytes", reply.body.len());
    assert!(reply.closes());
    client.ends();
    laned.server.wait();
}

#[test]
fn a_client_that_does_not_read_stops_the_upload_and_the_download() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let body = vec![b'u'; 50_000_000];
    let mut writer = client.stream.try_clone().expect("a second handle");
    let sender = thread::spawn(move || writer.write_all(&post("/lane/echo", &body)));
    let taken = || laned.seen.taken.load(Ordering::Relaxed);
    let mut last = 0;
    until("the upload to stall", || {
        thread::sleep(Duration::from_millis(100));
        let now = taken();
        std::mem::replace(&mut last, now) == now && now > 0
    });
    // What is under way is in socket buffers and windows.
    assert!(taken() < 30_000_000, "took {} of an upload whose echo nobody reads", taken());
    assert_eq!(client.reply().body.len(), 50_000_000);
    sender.join().expect("the sender ends").expect("all is sent");

    let mut download = laned.client();
    download.send(request("GET", "/lane/download/80000000"));
    assert_eq!(download.reply().body.len(), 80_000_000);
    assert!(laned.seen.window.load(Ordering::Relaxed) <= WINDOW);
}

#[test]
fn a_declared_length_is_kept_or_the_connection_broken_off() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let reply = client.get("/lane/declared");
    assert_eq!(reply.field("content-length"), Some("10"));
    assert_eq!(reply.text(), "0123456789");
    for path in ["/lane/short", "/lane/abort"] {
        let mut client = laned.client();
        client.send(request("GET", path));
        assert!(client.try_reply(false).is_err(), "{path} was taken for whole");
    }
}

#[test]
fn an_http_1_0_client_reads_a_stream_to_the_end_of_the_connection() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    client.send("GET /lane/download/300000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).expect("the end of the stream");
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("Connection: close"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body.len(), 300_000);
}

/// Such a body is delimited by its end alone. An orderly end would say that it is whole.
#[test]
fn an_http_1_0_client_does_not_take_a_part_of_a_stream_for_the_whole() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut all = Vec::new();
    let mut client = laned.client();
    client.send("GET /lane/abort HTTP/1.0\r\n\r\n");
    let error = client.stream.read_to_end(&mut all).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let mut client = laned.client();
    client.send("GET /lane/download/1000000000 HTTP/1.0\r\n\r\n");
    client.stream.read_exact(&mut [0; 1000]).expect("the beginning");
    laned.server.stop(Stop::Force);
    let error = client.stream.read_to_end(&mut all).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_lane_learns_of_clients_that_leave() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let gone = || laned.seen.gone.load(Ordering::Relaxed);
    {
        let mut client = laned.client();
        client.send(request("GET", "/lane/never"));
        until("the request", || laned.seen.requests.load(Ordering::Relaxed) == 1);
        client.stream.shutdown(std::net::Shutdown::Write).expect("half a close");
        until("the half-close", || laned.seen.half_closed.load(Ordering::Relaxed) == 1);
        assert_eq!(gone(), 0, "a client that half-closes may still read");
    }
    let mut body = laned.client();
    body.send(
        "POST /lane/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
    );
    until("the upload", || laned.seen.requests.load(Ordering::Relaxed) == 2);
    drop(body);
    until("the abort to arrive", || gone() >= 1);
    let mut download = laned.client();
    download.send(request("GET", "/lane/download/1000000000"));
    until("the download", || laned.seen.requests.load(Ordering::Relaxed) == 3);
    drop(download);
    until("the second abort to arrive", || gone() >= 2);
    until_stats(&laned.server, "connections closed", |stats| stats.connections.open <= 1);
}

#[test]
fn a_bad_chunk_ends_the_exchange() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    // The response has begun, so the server can only break it off.
    let mut client = laned.client();
    client.send("POST /lane/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n");
    until("the upload", || laned.seen.requests.load(Ordering::Relaxed) == 1);
    client.send("zz\r\n");
    assert!(client.try_reply(false).is_err());
    until("the abort to arrive", || laned.seen.gone.load(Ordering::Relaxed) == 1);
    // Nothing has been answered yet, so the answer is 400.
    let mut client = laned.client();
    client.send("POST /lane/never HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    until("the request", || laned.seen.requests.load(Ordering::Relaxed) == 2);
    client.send("zz\r\n");
    assert_eq!(client.reply().status, 400);
    client.ends();
    until("the abort to arrive", || laned.seen.gone.load(Ordering::Relaxed) == 2);
}

#[test]
fn an_answer_before_the_end_of_the_upload_closes() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    client.send("POST /lane/early HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n0123");
    let reply = client.reply();
    assert_eq!(reply.text(), "/lane/early");
    assert!(reply.closes());
    client.send(vec![b'x'; 100_000]);
    client.ends();
}

#[test]
fn a_full_lane_stops_the_reading_and_loses_nothing() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(8, |_| {});
    laned.paused.store(true, Ordering::Relaxed);
    let mut clients: Vec<Client> = (0..50).map(|_| laned.client()).collect();
    for client in &mut clients {
        for n in 0..10 {
            client.send(request("GET", &format!("/lane/{n}")));
        }
    }
    // The loops still serve what needs no lane.
    assert_eq!(laned.client().get("/inline").text(), "inline");
    until("the lane to fill", || laned.lane.queued() >= 8);
    assert!(laned.lane.queued() <= 8 + 64, "{} queued", laned.lane.queued());
    laned.paused.store(false, Ordering::Relaxed);
    for client in &mut clients {
        for n in 0..10 {
            assert_eq!(client.reply().text(), format!("/lane/{n}"));
        }
    }
}

#[test]
fn requests_of_a_lane_that_is_taken_away_get_503() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/never"));
    client.send(request("GET", "/inline"));
    let mut last = laned.client();
    last.send("HEAD /lane/never HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    until("the requests", || laned.seen.requests.load(Ordering::Relaxed) == 2);
    laned.server.set_lanes(&[None]);
    assert_eq!(last.reply_to_head().status, 503);
    last.ends();
    assert_eq!(client.reply().status, 503);
    assert_eq!(client.reply().text(), "inline");
    // The 503 to a HEAD request has no body either. A connection that was to close is closed.
    let mut heads = laned.client();
    heads.send(request("HEAD", "/lane/more"));
    assert_eq!(heads.reply_to_head().status, 503);
    assert_eq!(heads.get("/inline").text(), "inline");
    let reply = client.get("/lane/more");
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
}

#[test]
fn a_drain_waits_for_the_lane() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    laned.paused.store(true, Ordering::Relaxed);
    client.send(request("GET", "/lane/last"));
    until("the request", || laned.lane.queued() == 1);
    laned.server.stop(Stop::Drain);
    thread::sleep(Duration::from_millis(100));
    laned.paused.store(false, Ordering::Relaxed);
    let reply = client.reply();
    assert_eq!(reply.text(), "/lane/last");
    assert!(reply.closes());
    client.ends();
    laned.server.wait();
}

#[test]
fn a_head_of_declared_length_waits_for_its_turn() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/hold") + &request("HEAD", "/lane/declared"));
    until("both are with the lane", || laned.seen.requests.load(Ordering::Relaxed) == 2);
    assert_eq!(laned.client().get("/lane/release").text(), "released");
    assert_eq!(client.reply().text(), "held");
    assert_eq!(client.reply_to_head().field("content-length"), Some("10"));
    assert_eq!(client.get("/lane/after").text(), "/lane/after");
}

/// Without a length and without chunks, the end of the connection is the end of the body.
#[test]
fn an_http_1_0_stream_that_ended_before_its_turn_closes() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let old = |path: &str| format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client.send(old("/lane/hold") + &old("/lane/download/5") + &old("/lane/third"));
    until("all are with the lane", || laned.seen.requests.load(Ordering::Relaxed) == 3);
    assert_eq!(laned.client().get("/lane/release").text(), "released");
    let text = client.rest();
    assert!(text.contains("held"), "{text}");
    assert!(text.ends_with("Connection: close\r\n\r\nxxxxx"), "{text}");
}

#[test]
fn nothing_is_processed_behind_an_http_1_0_stream() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let old = |path: &str| format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client.send(old("/lane/download/3000000"));
    client.read_until("\r\n\r\n");
    client.send(old("/lane/second"));
    client.rest();
    assert_eq!(laned.seen.requests.load(Ordering::Relaxed), 1);
}

/// Its client gets the end of the connection instead.
#[test]
fn a_lane_learns_that_it_streams_for_nobody() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let old = |path: &str| format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client.send(old("/lane/hold") + &old("/lane/download/5") + &old("/lane/download/9000000"));
    until("all are with the lane", || laned.seen.requests.load(Ordering::Relaxed) == 3);
    assert_eq!(laned.client().get("/lane/release").text(), "released");
    client.rest();
    until("the lane is told", || laned.seen.gone.load(Ordering::Relaxed) == 1);
    until("nothing is in flight", || laned.lane.in_flight() == 0);
    let stats = laned.server.stats();
    assert_eq!(stats.handlers.in_flight, 0);
}

#[test]
fn an_answer_that_has_begun_and_is_replaced_gives_its_place_back() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |config| config.max_in_flight = Some(8));
    for _ in 0..10 {
        let mut client = laned.client();
        let chunked =
            "POST /lane/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello";
        let pieces = || laned.seen.pieces.load(Ordering::Relaxed);
        let before = pieces();
        client.send(request("GET", "/lane/hold") + chunked);
        until("the echo has begun", || pieces() > before);
        client.send("XX");
        until("it is over", || laned.server.stats().handlers.in_flight == 1);
        assert_eq!(laned.client().get("/lane/release").text(), "released");
        assert_eq!(client.reply().text(), "held");
        assert_eq!(client.reply().status, 400);
    }
    until("no place is taken", || laned.server.stats().handlers.in_flight == 0);
}

#[test]
fn a_body_in_chunks_of_one_byte_is_told_in_few_pieces() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    let body = vec![b'x'; 20_000];
    client.send(post_chunked("/lane/echo", &body, 1));
    assert_eq!(client.reply().text().len(), body.len());
    let pieces = laned.seen.pieces.load(Ordering::Relaxed);
    assert!(pieces < 1000, "{pieces} pieces");
}

#[test]
fn clients_that_come_and_go_do_not_pile_up_before_a_full_lane() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(4, |config| config.io_threads = 1);
    laned.paused.store(true, Ordering::Relaxed);
    let stay: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = laned.client();
            client.send(request("GET", "/lane/stay"));
            client
        })
        .collect();
    until_stats(&laned.server, "they are there", |stats| stats.requests.total == 8);
    for n in 1..=600 {
        let mut client = laned.client();
        client.send(request("GET", "/lane/leave"));
        until_stats(&laned.server, "it is there", |stats| stats.requests.total == 8 + n);
        reset(client);
    }
    until_stats(&laned.server, "all have left", |stats| stats.connections.open == 8);
    laned.paused.store(false, Ordering::Relaxed);
    for mut client in stay {
        assert_eq!(client.reply().text(), "/lane/stay");
    }
    let requests = laned.seen.requests.load(Ordering::Relaxed);
    assert!(requests < 200, "{requests} of 608 requests came to the lane");
}

/// What a program would see in its request's URL.
#[test]
fn routes_are_found_by_the_normal_form_of_the_path() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(64, |_| {});
    let mut client = laned.client();
    for path in ["/./inline", "/x/../inline", "/x/%2e%2E/inline", "/x/../inline?a=/../b"] {
        assert_eq!(client.get(path).text(), "inline", "{path}");
    }
    assert_eq!(client.get("/lane/../inline").text(), "inline");
    assert_eq!(client.get("/a/../lane/b/./c/param").text(), "b/c/param");
    assert_eq!(client.get("/a/..").status, 200);
}

/// A server that could not make its control socket is started again without one.
#[test]
fn a_lane_of_a_server_that_did_not_start_serves_the_next() {
    let _bounded = bounded(LIMIT);
    let laned = Laned::new(8, |config| {
        let failing = Config { control: Some("/nowhere/control".into()), ..config.clone() };
        assert!(Server::start(failing).is_err());
    });
    assert_eq!(laned.client().get("/lane/hello").text(), "/lane/hello");
}
