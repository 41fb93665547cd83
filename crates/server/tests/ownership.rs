//! A lane's thread drives the loop; the loop's own thread takes over when the lane's does not come.

mod common;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reactor_sys::{Events, Poller, Waker};

use common::{Client, builtin, inline, one_of_five, request, start, until, until_stats};
use reactor_server::{
    Config, Exchange, Lane, LaneEvent, LaneReplies, LaneReply, Ownership, Server, Stop, Target,
    Timeouts,
};

/// How long the answer to `/late` takes: by then the guard sleeps.
const LATE: Duration = Duration::from_millis(200);

/// So large that the server cannot know it is sent, and lingers.
const LATE_BODY: usize = 10_000;

/// A server with one loop, and a thread that drives it as the JavaScript thread does. The thread
/// answers requests of `/lane` at once. It answers those of `/stuck` once `stuck` is cleared, and
/// those of `/late` after it has rested for a while.
struct Driven {
    server: Arc<Server>,
    ownership: Arc<Ownership>,
    lane: Arc<Lane>,
    waker: Arc<Waker>,
    stuck: Arc<AtomicBool>,
    in_handler: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Driven {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let waker = Arc::new(Waker::new().expect("an eventfd"));
        let wakes = Arc::clone(&waker);
        let lane = Lane::new(64, move || wakes.wake());
        let mut app = builtin();
        inline(&mut app, "/native", "native");
        app.route(None, "/lane", Target::Lane(0)).expect("a new route");
        app.route(None, "/stuck", Target::Lane(1)).expect("a new route");
        app.route(None, "/late", Target::Lane(2)).expect("a new route");
        let mut config = common::config(app);
        config.io_threads = 1;
        config.lanes = vec![Arc::clone(&lane)];
        change(&mut config);
        let server = Arc::new(start(config));
        let ownership = server.ownership().expect("one loop has one ownership");
        ownership.offer(&lane);
        let (stuck, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let in_handler = Arc::new(AtomicUsize::new(0));
        let mut driver = Driver {
            ownership: Arc::clone(&ownership),
            lane: Arc::clone(&lane),
            replies: server.lane_replies(),
            stuck: Arc::clone(&stuck),
            in_handler: Arc::clone(&in_handler),
            poller: Poller::new().expect("an epoll instance"),
            events: Events::with_capacity(8),
            late: Vec::new(),
        };
        driver.poller.add_edge(&*waker, 0).expect("a watch");
        driver.poller.add_listener(ownership.fd(), 1, false).expect("a watch");
        let until = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                driver.turn();
            }
            driver.ownership.leave();
        });
        Self { server, ownership, lane, waker, stuck, in_handler, ends, thread: Some(thread) }
    }

    fn client(&self) -> Client {
        Client::new(&self.server)
    }

    /// Sends requests until the lane's thread has ownership.
    fn until_driven(&self, client: &mut Client) {
        until("the lane has ownership", || {
            assert_eq!(client.get("/lane").text(), "lane");
            self.ownership.is_lanes()
        });
    }

    fn end_thread(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.stuck.store(false, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the thread ends well");
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.end_thread();
    }
}

struct Driver {
    ownership: Arc<Ownership>,
    lane: Arc<Lane>,
    replies: LaneReplies,
    stuck: Arc<AtomicBool>,
    in_handler: Arc<AtomicUsize>,
    poller: Poller,
    events: Events,
    /// Requests, and when to answer them.
    late: Vec<(Instant, Exchange)>,
}

impl Driver {
    fn turn(&mut self) {
        self.lane.awake();
        for (_, task) in self.late.extract_if(.., |(at, _)| *at <= Instant::now()) {
            answer(&mut self.replies, &self.lane, task, &[b'x'; LATE_BODY]);
        }
        // The answers of the last turn.
        self.replies.hand_over();
        let drives = self.ownership.drive(true);
        if drives {
            self.replies.forget();
        } else {
            self.lane.flush(&mut self.replies);
        }
        let mut any = false;
        while let Some(event) = self.lane.pop() {
            let LaneEvent::Request(task) = event else { continue };
            any = true;
            if task.route() == 2 {
                self.late.push((Instant::now() + LATE, task));
                continue;
            }
            if task.route() == 1 {
                self.in_handler.fetch_add(1, Ordering::SeqCst);
                while self.stuck.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
                self.in_handler.fetch_sub(1, Ordering::SeqCst);
            }
            answer(&mut self.replies, &self.lane, task, b"lane");
        }
        if any && !drives {
            self.ownership.ask();
        }
        // Rests as the binding and Node's event loop do: only readiness and wakes bring the thread
        // back.
        let rests = !any && self.lane.rest();
        if rests && if drives { self.ownership.may_rest() } else { !self.ownership.is_lanes() } {
            let next = self.late.iter().map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let _ = self.poller.wait(&mut self.events, next.min());
        }
    }
}

fn answer(replies: &mut LaneReplies, lane: &Lane, mut task: Exchange, body: &[u8]) {
    lane.answered(1);
    task.response().body(body);
    replies.push(LaneReply::Response(task));
}

#[test]
fn a_lane_that_asks_drives() {
    let driven = Driven::new(|_| ());
    let mut client = driven.client();
    driven.until_driven(&mut client);
    for _ in 0..200 {
        assert_eq!(client.get("/native").text(), "native");
        assert_eq!(client.get("/lane").text(), "lane");
    }
    // A connection that comes while the lane drives.
    assert_eq!(driven.client().get("/native").text(), "native");
}

#[test]
fn a_stuck_handler_keeps_no_native_route_waiting() {
    let driven = Driven::new(|_| ());
    let (mut stuck, mut client) = (driven.client(), driven.client());
    for _ in 0..3 {
        driven.until_driven(&mut client);
        driven.stuck.store(true, Ordering::Relaxed);
        stuck.send(request("GET", "/stuck"));
        until("it is in the handler", || driven.in_handler.load(Ordering::SeqCst) == 1);
        for _ in 0..20 {
            assert_eq!(client.get("/native").text(), "native");
        }
        assert_eq!(driven.client().get("/native").text(), "native");
        assert!(!driven.ownership.is_lanes());
        assert_eq!(driven.in_handler.load(Ordering::SeqCst), 1, "it was stuck all the time");
        driven.stuck.store(false, Ordering::Relaxed);
        assert_eq!(stuck.reply().text(), "lane");
    }
}

#[test]
fn timers_run_while_the_lane_drives() {
    let timeouts = Timeouts { idle: Duration::from_millis(300), ..Timeouts::default() };
    let driven = Driven::new(|config| config.timeouts = timeouts);
    // On a busy machine a request may come too late. Or the lane's thread may be so late that the
    // guard takes over.
    one_of_five(|| {
        let mut client = driven.client();
        let asked = (0..100).try_for_each(|_| match driven.ownership.is_lanes() {
            true => Ok(()),
            false => client.try_get("/lane"),
        });
        asked.map_err(|error| error.to_string())?;
        client.ends();
        let is_lanes = driven.ownership.is_lanes();
        is_lanes.then_some(()).ok_or_else(|| "somebody has taken ownership for a timer".to_owned())
    });
}

/// No event comes with it: the guard can learn of the timer in no other way.
#[test]
fn a_timer_that_an_answer_sets_is_met() {
    let driven = Driven::new(|_| ());
    let mut client = driven.client();
    driven.until_driven(&mut client);
    client.send("GET /late HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert_eq!(client.reply().body.len(), LATE_BODY);
    // The client stays. After a while the server waits for it no longer.
    until_stats(&driven.server, "the end of lingering", |s| s.connections.open == 0);
}

/// The test plays the lane's thread, so that nothing depends on how fast other threads are.
#[test]
fn peers_that_send_without_end_do_not_keep_the_lanes_thread() {
    let lane = Lane::new(64, || ());
    let mut app = builtin();
    inline(&mut app, "/native", "native");
    let mut config = common::config(app);
    config.io_threads = 1;
    config.lanes = vec![Arc::clone(&lane)];
    // The loop's own thread takes much of the body before it hands ownership over.
    config.limits.body = 1 << 40;
    let server = start(config);
    let ownership = server.ownership().expect("one loop has one ownership");
    ownership.offer(&lane);
    let mut client = Client::new(&server);
    assert_eq!(client.get("/native").text(), "native");
    let watch = Poller::new().expect("an epoll instance");
    watch.add_listener(ownership.fd(), 0, false).expect("a watch");

    // A body that the server reads and drops. The sockets always hold more of it than a turn reads.
    client.send("POST /nowhere HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.stream.set_nonblocking(true).expect("a live socket");
    let buffer = nix::sys::socket::sockopt::SndBuf;
    nix::sys::socket::setsockopt(&client.stream, buffer, &(4 << 20)).expect("a live socket");
    let chunk = [b"40000\r\n", &*vec![b'x'; 0x40000], b"\r\n"].concat();
    let mut sent = 0;
    let mut fill = || {
        // Bounded, because the loop's own thread may read just as fast. The wait is short, because
        // that thread takes ownership from a lane that does not come for 4 ms.
        let end = sent + 4 * chunk.len();
        while sent < end
            && let Ok(n) = client.stream.write(&chunk[sent % chunk.len()..])
        {
            sent += n;
        }
    };
    until("a turn that leaves work over", || {
        ownership.ask();
        if !ownership.drive(true) {
            return false;
        }
        fill();
        ownership.drive(true) && !ownership.may_rest()
    });
    let mut turns = 0;
    loop {
        fill();
        let drove = ownership.drive(true);
        if drove && ownership.may_rest() {
            break;
        }
        ownership.ask();
        turns += usize::from(drove);
        assert!(turns < 100, "it may never rest");
    }
    assert!(watch.is_ready(Some(Duration::ZERO)) || !ownership.is_lanes(), "it is called back");
    ownership.leave();
}

#[test]
fn a_server_stops_while_the_lane_drives() {
    for how in [Stop::Drain, Stop::Force] {
        let driven = Driven::new(|_| ());
        let mut client = driven.client();
        driven.until_driven(&mut client);
        // Until the guard sleeps without a time limit.
        thread::sleep(Duration::from_millis(100));
        driven.server.stop(how);
        driven.server.wait();
        client.ends();
        assert!(!driven.ownership.is_lanes());
    }
}

#[test]
fn a_drain_waits_for_a_handler_that_drove() {
    let driven = Driven::new(|_| ());
    let (mut client, mut stuck) = (driven.client(), driven.client());
    driven.until_driven(&mut client);
    driven.stuck.store(true, Ordering::Relaxed);
    stuck.send(request("GET", "/stuck"));
    until("it is in the handler", || driven.in_handler.load(Ordering::SeqCst) == 1);
    driven.server.stop(Stop::Drain);
    client.ends();
    driven.stuck.store(false, Ordering::Relaxed);
    assert_eq!(stuck.reply().text(), "lane");
    driven.server.wait();
}

#[test]
fn a_thread_that_leaves_leaves_the_loop_in_order() {
    let mut driven = Driven::new(|_| ());
    let mut client = driven.client();
    driven.until_driven(&mut client);
    driven.lane.close();
    driven.end_thread();
    assert_eq!(client.get("/native").text(), "native");
    assert_eq!(client.get("/lane").status, 503);
    driven.ownership.ask();
    client.send(request("GET", "/native"));
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(20) {
        assert!(!driven.ownership.is_lanes(), "who has left does not come back");
    }
    assert_eq!(client.reply().text(), "native");
}

#[test]
fn several_loops_have_no_seat() {
    let mut config = common::config(builtin());
    config.io_threads = 2;
    assert!(start(config).ownership().is_none());
}
