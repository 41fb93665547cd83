//! A small blocking client, and the servers that the socket tests start.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod hand;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reactor_server::{
    Address, App, Config, Inline, Listen, Request, Response, Server, Stats, Target,
};

pub(crate) use hand::Hand;

/// The longest that any one answer may take. It is far above what is expected, so that only a
/// server that hangs reaches it.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Ends the whole test program with a message if the test that holds this takes longer than
/// `limit`. A server that hangs must not hang the suite.
#[must_use]
pub(crate) fn bounded(limit: Duration) -> Bounded {
    let (alive, dropped) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = writeln!(io::stderr(), "{name} did not end within {limit:?}");
            std::process::abort();
        }
    });
    Bounded { _alive: alive }
}

pub(crate) struct Bounded {
    _alive: Sender<()>,
}

/// Tests that measure time disturb each other. They run one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for other tests that hold this, then is [`bounded`].
#[must_use]
pub(crate) fn alone(limit: Duration) -> Alone {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Alone { _bound: bounded(limit), _turn: turn }
}

pub(crate) struct Alone {
    _bound: Bounded,
    _turn: MutexGuard<'static, ()>,
}

/// For what a busy machine may spoil, and a defect always spoils. It must succeed in one of five
/// attempts.
#[track_caller]
pub(crate) fn one_of_five(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut failures = Vec::new();
    while let Err(failure) = attempt() {
        failures.push(failure);
        assert!(failures.len() < 5, "five times: {failures:#?}");
    }
}

/// Polls `condition` until it holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < ANSWER_LIMIT, "waited {ANSWER_LIMIT:?} for this: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Two I/O loops and four workers on a port of the system's choice.
pub(crate) fn config(app: App) -> Config {
    Config {
        listen: vec![Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 }.into()],
        io_threads: 2,
        worker_threads: 4,
        app,
        ..Config::default()
    }
}

pub(crate) fn start(config: Config) -> Server {
    Server::start(config).expect("the server starts")
}

pub(crate) fn tcp_address(server: &Server) -> SocketAddr {
    match server.address() {
        Address::Tcp(addr) => *addr,
        Address::Unix(path) => panic!("listens on {}", path.display()),
    }
}

/// Polls the statistics until `condition` holds for them.
#[track_caller]
pub(crate) fn until_stats(server: &Server, what: &str, condition: impl Fn(&Stats) -> bool) {
    until(what, || condition(&server.stats()));
}

/// The built-in application with `/inline`, a pre-rendered `inline`.
pub(crate) fn builtin() -> App {
    let mut app = App::builtin();
    inline(&mut app, "/inline", "inline");
    app
}

pub(crate) fn inline(app: &mut App, pattern: &str, body: impl Into<Vec<u8>>) {
    let inline = Inline::new(200, &[("Content-Type", b"text/plain")], body).expect("sound fields");
    app.route(Some("GET"), pattern, Target::Inline(inline)).expect("a new route");
}

pub(crate) fn worker(
    app: &mut App,
    pattern: &str,
    handler: impl Fn(&Request, &mut Response) + Send + Sync + 'static,
) {
    app.route(None, pattern, Target::worker(handler)).expect("a new route");
}

/// Holds handlers until it is opened, and counts them.
#[derive(Default)]
pub(crate) struct Latch {
    inside: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A route whose handler waits for the latch, then answers `held`.
    pub(crate) fn route(self: &Arc<Self>, app: &mut App, pattern: &str) {
        let latch = Arc::clone(self);
        worker(app, pattern, move |_, response| {
            latch.pass();
            response.body(b"held");
        });
    }

    pub(crate) fn pass(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.lock().expect("no holder panics");
        while !*open {
            open = self.opened.wait(open).expect("no holder panics");
        }
    }

    /// How many handlers have come so far.
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    #[track_caller]
    pub(crate) fn until_inside(&self, handlers: usize) {
        until("handlers at the latch", || self.inside() == handlers);
    }

    pub(crate) fn open(&self) {
        *self.open.lock().expect("no holder panics") = true;
        self.opened.notify_all();
    }
}

/// Opens the latch also when the test fails, so that the server can stop.
pub(crate) struct OpenAtEnd(pub(crate) Arc<Latch>);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// One response as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line, the fields and the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a field, in any case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// A client with one connection. It does only what it is told.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    /// Bytes that were received and not yet taken.
    buf: Vec<u8>,
}

impl Client<TcpStream> {
    pub(crate) fn new(server: &Server) -> Self {
        Self::connect(tcp_address(server)).expect("the server takes connections")
    }

    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, buf: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes the bytes");
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(request("GET", path));
        self.reply()
    }

    /// The same for a server that may give no answer.
    pub(crate) fn try_get(&mut self, path: &str) -> io::Result<()> {
        self.stream.write_all(request("GET", path).as_bytes())?;
        assert_eq!(self.try_reply(false)?.status, 200);
        Ok(())
    }

    /// An error unless the median of a hundred requests in turn takes less than
    /// 10 ms, and the 95th less than 100 ms.
    pub(crate) fn is_quick(&mut self, path: &str) -> Result<(), String> {
        let mut times: Vec<Duration> = (0..100)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(self.get(path).status, 200);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let (median, late) = (times[50], times[95]);
        if median < Duration::from_millis(10) && late < Duration::from_millis(100) {
            return Ok(());
        }
        Err(format!("median {median:?}, 95th of 100 {late:?}"))
    }

    /// The next response, which must be whole.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply(false).expect("a whole response")
    }

    /// The next response, to a HEAD request.
    #[track_caller]
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        self.try_reply(true).expect("a whole response")
    }

    pub(crate) fn try_reply(&mut self, to_head: bool) -> io::Result<Reply> {
        let end = loop {
            if let Some(at) = find(&self.buf, b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.buf.drain(..end).collect();
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| io::Error::other(format!("a bad status line: {head}")))?;
        let mut reply = Reply { status, head, body: Vec::new() };
        if to_head || status < 200 || status == 204 || status == 304 {
            return Ok(reply);
        }
        reply.body = if reply.field("transfer-encoding") == Some("chunked") {
            self.chunked()?
        } else {
            let length = reply.field("content-length").and_then(|n| n.parse().ok());
            self.bytes(length.ok_or_else(|| io::Error::other("a response without framing"))?)?
        };
        Ok(reply)
    }

    fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&self.buf, b"\r\n") {
                    break at;
                }
                self.more()?;
            };
            let line = String::from_utf8(self.bytes(end + 2)?).map_err(io::Error::other)?;
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
            let data = self.bytes(size + 2)?;
            if !data.ends_with(b"\r\n") {
                return Err(io::Error::other("a chunk without its line end"));
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&data[..size]);
        }
    }

    fn bytes(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.buf.len() < n {
            self.more()?;
        }
        let rest = self.buf.split_off(n);
        Ok(std::mem::replace(&mut self.buf, rest))
    }

    /// Reads what comes next, at most 64 KiB, and returns how much that was.
    pub(crate) fn more(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.buf.extend_from_slice(&chunk[..n]);
                    return Ok(n);
                }
                // The process was stopped and has continued (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until this text has come.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &str) {
        while find(&self.buf, text.as_bytes()).is_none() {
            self.more().expect("more bytes");
        }
    }

    /// Everything up to the end of the stream. The end must not be a reset.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.buf);
        self.stream.read_to_end(&mut rest).expect("the end of the stream, not a reset");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Reads to the end of the stream. No byte may come before it, and it must not be a reset.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let mut rest = std::mem::take(&mut self.buf);
        self.stream.read_to_end(&mut rest).expect("the end of the stream, not a reset");
        assert!(rest.is_empty(), "unexpected: {}", String::from_utf8_lossy(&rest));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Closes with a reset instead of an orderly end (socket(7), SO_LINGER).
pub(crate) fn reset(client: Client) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&client.stream, nix::sys::socket::sockopt::Linger, &linger)
        .expect("a live socket");
    drop(client);
}

/// A request without a body.
pub(crate) fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A request whose body has a length.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The same in the chunked coding, in chunks of `size` bytes.
pub(crate) fn post_chunked(path: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Bytes that show where they belong: no two parts are alike.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A generator of numbers that are the same on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }
}
