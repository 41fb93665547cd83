//! The death of a lane's thread and its replacement: what becomes of requests in every state. The
//! test plays the thread: it takes events when it likes.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reactor_server::{
    App, Config, Exchange, Lane, LaneEvent, LaneReplies, LaneReply, Server, Stop, Target,
};

use crate::common::{Client, bounded, builtin, post, request, start, until, until_stats};

const LIMIT: Duration = Duration::from_secs(20);

/// A server whose lanes the test serves.
struct Laned {
    server: Server,
    lanes: Vec<Arc<Lane>>,
    replies: LaneReplies,
}

impl Laned {
    fn new(lanes: usize, change: impl FnOnce(&mut Config)) -> Self {
        let lanes: Vec<_> = (0..lanes).map(|_| Lane::new(64, || {})).collect();
        let mut config = crate::common::config(app(7));
        config.io_threads = 1;
        config.limits.body = 1 << 30;
        config.max_in_flight = Some(1000);
        config.lanes = lanes.clone();
        change(&mut config);
        let server = start(config);
        let replies = server.lane_replies();
        Self { server, lanes, replies }
    }

    fn client(&self) -> Client {
        Client::new(&self.server)
    }

    /// Waits for the next request at a lane, and takes it.
    fn take(&self, lane: usize) -> Exchange {
        let mut taken = None;
        until("a request", || {
            if let Some(LaneEvent::Request(task)) = self.lanes[lane].pop() {
                taken = Some(task);
            }
            taken.is_some()
        });
        taken.expect("waited for")
    }

    fn answer(&mut self, lane: usize, mut task: Exchange, text: &str) {
        task.response().body(text.as_bytes());
        self.lanes[lane].answered(1);
        self.replies.push(LaneReply::Response(task));
        self.lanes[lane].flush(&mut self.replies);
    }

    /// Begins a response that streams.
    fn begin(&mut self, lane: usize, mut task: Exchange) {
        task.response().stream(None);
        task.response().body(b"beginning");
        self.replies.push(LaneReply::Response(task));
        self.lanes[lane].flush(&mut self.replies);
    }

    /// The thread of the only lane ends, and nothing that it had comes back.
    fn kill(&mut self) {
        self.server.set_lanes(&[None]);
        self.lanes.clear();
    }

    /// A new thread takes the place of the only lane's.
    fn replace(&mut self) {
        self.lanes = vec![Lane::new(64, || {})];
        self.server.set_lanes(&[Some(Arc::clone(&self.lanes[0]))]);
    }

    /// No request counts as handed over any more.
    #[track_caller]
    fn nothing_is_left(&self) {
        until_stats(&self.server, "no request at handlers", |stats| stats.handlers.in_flight == 0);
    }
}

#[track_caller]
fn is_overloaded(client: &mut Client) {
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
}

#[test]
fn a_request_that_waits_in_the_lane_gets_503() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/a"));
    until("the request", || laned.lanes[0].queued() == 1);
    laned.kill();
    is_overloaded(&mut client);
    assert_eq!(client.get("/inline").text(), "inline");
    is_overloaded({
        client.send(request("GET", "/lane/b"));
        &mut client
    });
    laned.nothing_is_left();
}

#[test]
fn a_request_that_waits_for_room_in_the_lane_gets_503() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut clients: Vec<Client> = (0..100).map(|_| laned.client()).collect();
    for client in &mut clients {
        client.send(request("GET", "/lane/a"));
    }
    until("the lane to fill", || laned.lanes[0].queued() == 64);
    laned.kill();
    for client in &mut clients {
        is_overloaded(client);
        assert_eq!(client.get("/inline").text(), "inline");
    }
    laned.nothing_is_left();
}

#[test]
fn a_request_at_its_handler_gets_503_and_the_next_thread_takes_the_next() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/a"));
    let task = laned.take(0);
    laned.kill();
    is_overloaded(&mut client);
    laned.replace();
    client.send(request("GET", "/lane/b"));
    let next = laned.take(0);
    // What the dead thread still had reaches no client.
    laned.answer(0, task, "late");
    laned.answer(0, next, "next");
    assert_eq!(client.reply().text(), "next");
    laned.nothing_is_left();
}

/// A thread takes another's place at once.
#[test]
fn a_lane_that_is_replaced_at_once_has_died_too() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/a"));
    let _never = laned.take(0);
    laned.replace();
    is_overloaded(&mut client);
    client.send(request("GET", "/lane/b"));
    let next = laned.take(0);
    laned.answer(0, next, "next");
    assert_eq!(client.reply().text(), "next");
}

#[test]
fn an_answer_that_the_thread_gave_before_it_died_is_sent() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut clients: Vec<Client> = (0..30).map(|_| laned.client()).collect();
    for client in &mut clients {
        client.send(request("GET", "/lane/a"));
    }
    for _ in 0..30 {
        let mut task = laned.take(0);
        task.response().body(b"answered");
        laned.replies.push(LaneReply::Response(task));
    }
    // Without a wake: the loop finds them together with the message that the lane is gone.
    laned.replies.hand_over();
    laned.kill();
    for client in &mut clients {
        assert_eq!(client.reply().text(), "answered");
    }
}

#[test]
fn a_body_that_streams_in_gets_503_whatever_the_handler_has_read() {
    let _bounded = bounded(LIMIT);
    for taken in [0, 1000] {
        let mut laned = Laned::new(1, |_| {});
        let mut client = laned.client();
        client.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        client.send(vec![b'x'; 1000]);
        let task = laned.take(0);
        if taken > 0 {
            let mut seen = 0;
            until("the first part", || {
                if let Some(LaneEvent::Body(_, data)) = laned.lanes[0].pop() {
                    seen += data.len();
                }
                seen == taken
            });
            laned.replies.push(LaneReply::Pull(task.id(), taken));
            laned.lanes[0].flush(&mut laned.replies);
            std::thread::sleep(Duration::from_millis(50));
        }
        laned.kill();
        let reply = client.reply();
        assert_eq!(reply.status, 503, "{taken} bytes read");
        assert!(reply.closes(), "its body is not read on");
        // The server reads the rest, so that the answer is not lost in a reset.
        client.send(vec![b'x'; 100_000]);
        client.ends();
        drop(task);
    }
}

#[test]
fn a_body_that_is_still_collected_goes_to_the_next_thread() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    until_stats(&laned.server, "the head", |stats| stats.requests.total == 1);
    laned.replace();
    std::thread::sleep(Duration::from_millis(50));
    client.send("56789");
    let task = laned.take(0);
    assert_eq!(task.request().body(), b"0123456789");
    laned.answer(0, task, "whole");
    assert_eq!(client.reply().text(), "whole");
    assert_eq!(client.get("/inline").text(), "inline");
    laned.nothing_is_left();
}

#[test]
fn a_body_that_is_still_collected_gets_503_where_there_is_no_other_thread() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    until_stats(&laned.server, "the head", |stats| stats.requests.total == 1);
    laned.kill();
    std::thread::sleep(Duration::from_millis(50));
    client.send("56789");
    is_overloaded(&mut client);
    assert_eq!(client.get("/inline").text(), "inline");
    laned.nothing_is_left();
}

#[test]
fn a_response_that_streams_out_is_broken_off() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send(request("GET", "/lane/down"));
    let task = laned.take(0);
    laned.begin(0, task);
    let mut first = [0; 80];
    client.stream.read_exact(&mut first).expect("the beginning");
    laned.kill();
    assert!(client.try_reply(false).is_err(), "a part was taken for the whole");
    laned.nothing_is_left();
    until_stats(&laned.server, "the close", |stats| stats.connections.open == 0);
}

#[test]
fn a_response_that_has_not_reached_its_turn_gets_503_in_its_turn() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    // After a small answer more than two at a time go to handlers.
    client.send(request("GET", "/lane/small"));
    let small = laned.take(0);
    laned.answer(0, small, "small");
    assert_eq!(client.reply().text(), "small");
    for path in ["/lane/first", "/lane/streams", "/lane/done", "/inline", "/lane/last"] {
        client.send(request("GET", path));
    }
    let _first = laned.take(0);
    let streams = laned.take(0);
    let done = laned.take(0);
    let _last = laned.take(0);
    laned.answer(0, done, "done");
    // Begun, but behind the first one, so that nothing of it has been sent.
    laned.begin(0, streams);
    std::thread::sleep(Duration::from_millis(50));
    laned.kill();
    is_overloaded(&mut client);
    is_overloaded(&mut client);
    assert_eq!(client.reply().text(), "done");
    assert_eq!(client.reply().text(), "inline");
    is_overloaded(&mut client);
    assert_eq!(client.get("/inline").text(), "inline");
    drop((_first, _last));
}

#[test]
fn requests_that_a_dead_thread_leaves_in_its_lane_are_counted_off() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |config| config.max_in_flight = Some(1));
    for _ in 0..5 {
        let mut client = laned.client();
        client.send(post("/lane/a", b"body"));
        until("the request", || laned.lanes[0].queued() == 1);
        laned.kill();
        is_overloaded(&mut client);
        laned.replace();
        laned.nothing_is_left();
    }
}

#[test]
fn a_closed_lane_gets_nothing_and_the_others_all() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(3, |_| {});
    laned.lanes[0].close();
    let mut clients: Vec<Client> = (0..20).map(|_| laned.client()).collect();
    for client in &mut clients {
        client.send(request("GET", "/lane/a"));
    }
    let mut left = 20;
    until("all requests", || {
        for lane in [1, 2] {
            if let Some(LaneEvent::Request(task)) = laned.lanes[lane].pop() {
                laned.answer(lane, task, "here");
                left -= 1;
            }
        }
        left == 0
    });
    assert_eq!(laned.lanes[0].in_flight(), 0);
    assert!(clients.iter_mut().all(|client| client.reply().text() == "here"));
}

#[test]
fn connections_without_open_requests_move_away_from_a_stuck_lane() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(3, |_| {});
    let mut clients: Vec<Client> = (0..64).map(|_| laned.client()).collect();
    // Every lane has had requests of all clients, and one lane is stuck in its next.
    for round in 0..3 {
        for client in &mut clients {
            client.send(request("GET", "/lane/a"));
        }
        let mut left = 64;
        while left > 0 {
            for lane in 0..3 {
                while let Some(LaneEvent::Request(task)) = laned.lanes[lane].pop() {
                    laned.answer(lane, task, "here");
                    left -= 1;
                }
            }
        }
        for client in &mut clients {
            assert_eq!(client.reply().text(), "here", "round {round}");
        }
    }
    let mut stuck = laned.client();
    stuck.send(request("GET", "/lane/stuck"));
    let lane = {
        let mut at = None;
        until("the stuck request", || {
            at = (0..3).find(|&lane| laned.lanes[lane].queued() == 1);
            at.is_some()
        });
        at.expect("waited for")
    };
    let _never = laned.take(lane);
    for _ in 0..3 {
        for client in &mut clients {
            client.send(request("GET", "/lane/a"));
            until("the request at another lane", || {
                (0..3).any(|other| other != lane && laned.lanes[other].queued() == 1)
            });
            for other in (0..3).filter(|&other| other != lane) {
                while let Some(LaneEvent::Request(task)) = laned.lanes[other].pop() {
                    laned.answer(other, task, "here");
                }
            }
            assert_eq!(client.reply().text(), "here");
        }
    }
}

/// An application whose only route has this number.
fn app(route: u32) -> App {
    let mut app = builtin();
    app.route(None, "/lane/*", Target::Lane(route)).expect("a new route");
    app
}

#[test]
fn a_swap_gives_each_request_either_the_old_routes_and_lanes_or_the_new_ones() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut busy = laned.client();
    busy.send(request("GET", "/lane/old"));
    let mut sending = laned.client();
    sending.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    until_stats(&laned.server, "the heads", |stats| stats.requests.total == 2);
    laned.lanes.push(Lane::new(64, || {}));
    let lanes: Vec<_> = laned.lanes.iter().cloned().map(Some).collect();
    laned.server.swap(app(8), &lanes);

    let mut other = laned.client();
    other.send(request("GET", "/lane/new"));
    let new = laned.take(1);
    assert_eq!(new.route(), 8);
    laned.answer(1, new, "new");
    assert_eq!(other.reply().text(), "new");

    // A request waits for the answer before it if an old lane has that request.
    busy.send(post("/lane/next", b"body"));
    busy.send(request("GET", "/inline"));
    // A body that had begun goes to the lane that has its head.
    sending.send("56789");
    let old = laned.take(0);
    let upload = laned.take(0);
    assert_eq!((old.route(), upload.route()), (7, 7));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!((laned.lanes[0].queued(), laned.lanes[1].queued()), (0, 0));
    laned.answer(0, upload, "up");
    assert_eq!(sending.reply().text(), "up");
    laned.answer(0, old, "old");
    assert_eq!(busy.reply().text(), "old");
    let next = laned.take(1);
    assert_eq!((next.route(), next.request().body()), (8, &b"body"[..]));
    laned.answer(1, next, "next");
    assert_eq!(busy.reply().text(), "next");
    assert_eq!(busy.reply().text(), "inline");

    laned.server.set_lanes(&[None, Some(Arc::clone(&laned.lanes[1]))]);
    sending.send(request("GET", "/lane/last"));
    let last = laned.take(1);
    laned.answer(1, last, "last");
    assert_eq!(sending.reply().text(), "last");
    laned.nothing_is_left();
}

/// The lanes of the next generation do not know its route.
#[test]
fn a_body_that_is_collected_for_a_retired_lane_gets_503_when_that_dies() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    let mut client = laned.client();
    client.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    until_stats(&laned.server, "the head", |stats| stats.requests.total == 1);
    laned.lanes.push(Lane::new(64, || {}));
    let lanes: Vec<_> = laned.lanes.iter().cloned().map(Some).collect();
    laned.server.swap(app(8), &lanes);
    laned.server.set_lanes(&[None, Some(Arc::clone(&laned.lanes[1]))]);
    std::thread::sleep(Duration::from_millis(50));
    client.send("56789");
    is_overloaded(&mut client);
    assert_eq!(client.get("/inline").text(), "inline");
    laned.nothing_is_left();
}

#[test]
fn a_server_that_has_stopped_keeps_no_lane() {
    let _bounded = bounded(LIMIT);
    let mut laned = Laned::new(1, |_| {});
    laned.server.stop(Stop::Force);
    laned.server.wait();
    laned.replace();
    laned.server.swap(app(8), &[Some(Arc::clone(&laned.lanes[0]))]);
    let lane = Arc::downgrade(&laned.lanes[0]);
    drop(laned);
    // The lane must not be in the inbox of a loop that has ended. The server's last thread may
    // still be ending.
    until("the lane to go", || lane.upgrade().is_none());
}
