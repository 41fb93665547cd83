//! What a request costs in memory once a server has warmed up: nothing. The allocator
//! counts what the server's threads ask it for; nothing here measures time.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{ANSWER_LIMIT, Alone, alone, config, inline, start, tcp_address, until_stats, worker};
use nix::libc;
use reactor_server::{App, Config, Server};

/// Far above what a test takes, for a server that hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// Requests that a connection may have at handlers at once.
const DEPTH: usize = 16;

/// The system's allocator, counting for the server's threads while [`COUNTS`] is set.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Bytes asked for by the first of them, for the message of a test that fails.
static FIRST: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

thread_local! {
    /// Whether this is one of the server's threads, once that has been looked up. It
    /// needs neither memory nor a destructor, so the allocator may use it.
    static IS_SERVERS: Cell<Option<bool>> = const { Cell::new(None) };
}

// SAFETY: every call goes to `System` as it came, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(old, layout) }
    }
}

fn count(size: usize) {
    if COUNTS.load(Ordering::Relaxed) && IS_SERVERS.get().unwrap_or_else(is_servers) {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = FIRST.get(n) {
            place.store(size, Ordering::Relaxed);
        }
    }
}

/// Looks the thread's name up. Nothing is counted before the threads have theirs.
#[cold]
fn is_servers() -> bool {
    let mut name = [0u8; 16];
    // SAFETY: PR_GET_NAME writes 16 bytes at most (prctl(2)), and there is room for them.
    let found = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) } == 0;
    let is_servers = found && name.starts_with(b"rx-");
    IS_SERVERS.set(Some(is_servers));
    is_servers
}

/// How often the server's threads ask for memory while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.store(0, Ordering::SeqCst);
    COUNTS.store(true, Ordering::SeqCst);
    work();
    COUNTS.store(false, Ordering::SeqCst);
    COUNT.load(Ordering::SeqCst)
}

#[track_caller]
fn allocates_at_most(most: usize, what: &str, work: impl FnOnce()) {
    let count = allocations(work);
    let first: Vec<usize> = FIRST.iter().take(count).map(|n| n.load(Ordering::SeqCst)).collect();
    assert!(count <= most, "{what}: {count} allocations, the first of {first:?} bytes");
}

/// A server and a client on one connection. Every body ends in `END`.
struct Fixture {
    server: Server,
    client: TcpStream,
    /// Handlers of `/worker` wait while the test holds this.
    hold: Arc<Mutex<()>>,
    received: Vec<u8>,
    _alone: Alone,
}

impl Fixture {
    fn new(io_threads: usize, worker_threads: usize) -> Self {
        let alone = alone(LIMIT);
        let hold = Arc::new(Mutex::new(()));
        let mut app = App::new();
        // A whole batch of these makes the connection's buffer larger than any of the workers'.
        inline(&mut app, "/inline/:id", format!("{:500}END", ""));
        inline(&mut app, "/large", format!("{:20000}END", ""));
        let held = Arc::clone(&hold);
        worker(&mut app, "/worker/:id", move |request, response| {
            drop(held.lock());
            let agent = request.get("user-agent").unwrap_or_default();
            response.field("X-Agent", agent).expect("a sound field");
            response.text();
            response.body(request.param("id").expect("the route has one").as_bytes());
        });
        let pair = Pair::default();
        worker(&mut app, "/pair", move |_, response| {
            pair.meet();
            response.body("END");
        });
        let server = start(Config { io_threads, worker_threads, ..config(app) });
        let client = connect(&server);
        let mut fixture = Self { server, client, hold, received: vec![0; 1 << 20], _alone: alone };
        for _ in 0..4 {
            fixture.exchange(&get("/inline/1").repeat(DEPTH), DEPTH);
            // A thread that has just begun asks for memory for itself.
            fixture.exchange(&get("/worker/END"), 1);
        }
        fixture
    }

    /// Sends `requests` and reads until `answers` answers have come.
    #[track_caller]
    fn exchange(&mut self, requests: &[u8], answers: usize) {
        self.client.write_all(requests).expect("the server takes them");
        self.read(answers);
    }

    #[track_caller]
    fn read(&mut self, answers: usize) {
        let (mut len, mut ends) = (0, 0);
        while ends < answers {
            let n = self.client.read(&mut self.received[len..]).expect("an answer in time");
            assert_ne!(n, 0, "closed after {}", self.received[..len].escape_ascii());
            // An end may have come in two parts.
            let fresh = len.saturating_sub(2)..len + n;
            ends += occurrences(&self.received[fresh], b"END");
            len += n;
        }
        let received = &self.received[..len];
        assert_eq!(occurrences(received, b"HTTP/1.1 200"), answers, "{}", received.escape_ascii());
    }

    /// Brings everything that is kept to its size: as many requests as there can be are
    /// with the worker at once, and that often enough for each buffer to have its turn.
    #[track_caller]
    fn warm_up(&mut self, request: &[u8]) {
        // With each answer the connection may have more at handlers.
        for _ in 0..DEPTH {
            self.exchange(request, 1);
        }
        for _ in 0..4 {
            let hold = Arc::clone(&self.hold);
            let held = hold.lock().expect("no handler panics");
            self.client.write_all(&request.repeat(DEPTH)).expect("the server takes them");
            until_stats(&self.server, "one at the worker, the others in the queue", |stats| {
                stats.tasks.queue_depth == DEPTH as u64 - 1
            });
            drop(held);
            self.read(DEPTH);
        }
    }

    /// `request` allocates nothing, one at a time and so many pipelined.
    #[track_caller]
    fn allocates_nothing(&mut self, request: &[u8], pipelined: usize) {
        let batch = request.repeat(pipelined);
        allocates_at_most(0, "500 in turn", || {
            (0..500).for_each(|_| self.exchange(request, 1));
        });
        allocates_at_most(0, "100 times pipelined", || {
            (0..100).for_each(|_| self.exchange(&batch, pipelined));
        });
    }
}

fn connect(server: &Server) -> TcpStream {
    let client = TcpStream::connect(tcp_address(server)).expect("the server listens");
    client.set_nodelay(true).expect("a live socket");
    client.set_read_timeout(Some(ANSWER_LIMIT)).expect("a live socket");
    client
}

/// Lets the first of two handlers answer only when the second is about to.
#[derive(Default)]
struct Pair {
    inside: Mutex<usize>,
    changed: Condvar,
}

impl Pair {
    fn meet(&self) {
        let mut inside = self.inside.lock().expect("no handler panics");
        *inside += 1;
        let until = inside.next_multiple_of(2);
        self.changed.notify_all();
        while *inside < until {
            inside = self.changed.wait(inside).expect("no handler panics");
        }
    }
}

fn occurrences(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).filter(|window| *window == of).count()
}

/// As a browser sends it.
fn get(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n\
         Accept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip, br\r\n\
         Cookie: session=0123456789abcdef\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn an_inline_request_allocates_nothing() {
    let mut fixture = Fixture::new(1, 1);
    fixture.allocates_nothing(&get("/inline/1"), DEPTH);
}

#[test]
fn a_request_to_a_worker_allocates_nothing() {
    let mut fixture = Fixture::new(1, 1);
    let request = get("/worker/END");
    fixture.warm_up(&request);
    fixture.allocates_nothing(&request, DEPTH);
}

/// How many buffers are in use at once depends on the threads, so each pool takes its
/// time to reach its size. But it has one, and then nothing more is allocated.
#[test]
fn many_connections_over_many_threads_come_to_allocate_nothing() {
    const CONNECTIONS: usize = 16;
    let mut fixture = Fixture::new(4, 8);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(&fixture.server)).collect();
    for request in [get("/inline/1"), get("/worker/END")] {
        let mut counts = Vec::new();
        while counts.last() != Some(&0) && counts.len() < 50 {
            counts.push(allocations(|| {
                for _ in 0..20 {
                    for client in &mut clients {
                        client.write_all(&request).expect("the server takes it");
                    }
                    for client in &mut clients {
                        std::mem::swap(client, &mut fixture.client);
                        fixture.read(1);
                        std::mem::swap(client, &mut fixture.client);
                    }
                }
            }));
        }
        assert!(counts.contains(&0), "allocations of 320 requests each: {counts:?}");
    }
}

#[test]
fn a_request_with_a_body_allocates_nothing() {
    let mut fixture = Fixture::new(1, 1);
    let request = common::post("/worker/END", b"a body");
    fixture.warm_up(&request);
    fixture.allocates_nothing(&request, DEPTH);
}

/// With more of them at once, a connection keeps requests that it does not read yet, and for
/// these it needs memory.
#[test]
fn a_large_inline_answer_allocates_nothing() {
    let mut fixture = Fixture::new(1, 1);
    let request = get("/large");
    fixture.exchange(&request.repeat(DEPTH), DEPTH);
    fixture.allocates_nothing(&request, DEPTH / 2);
}

#[test]
fn an_answer_that_comes_before_its_turn_allocates_nothing() {
    let mut fixture = Fixture::new(1, 2);
    let pair = get("/pair").repeat(2);
    (0..50).for_each(|_| fixture.exchange(&pair, 2));
    allocates_at_most(0, "100 pairs", || (0..100).for_each(|_| fixture.exchange(&pair, 2)));
}
