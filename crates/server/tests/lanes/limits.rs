//! The limits on handlers behind lanes: how long they may take, and how many requests may be at
//! them. The test plays the lane's thread, so it decides when a handler answers.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reactor_server::{
    Config, Exchange, ExchangeId, LaneEvent, LaneReply, Server, StartError, Stop,
};

use crate::common::{
    ANSWER_LIMIT, Client, Hand, Random, bounded, builtin, post, post_chunked, request, until,
    until_stats,
};

const LIMIT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(150);
/// For a first part that must come in time, also on a busy machine.
const AMPLE: Duration = Duration::from_secs(1);
/// For requests that must not be late.
const LONG: Duration = Duration::from_secs(20);

impl Hand {
    fn with_timeout(timeout: Duration) -> Self {
        Self::new(|config| config.request_timeout = Some(timeout))
    }

    fn with_most(most: usize) -> Self {
        Self::new(|config| config.max_in_flight = Some(most))
    }

    /// A connection's first requests go to handlers two at a time, because the size of their
    /// answers is not known yet. After a small answer more may follow.
    fn widen(&mut self, client: &mut Client) {
        client.send(request("GET", "/lane/small"));
        let task = self.next_task();
        self.answer(task, "small");
        assert_eq!(client.reply().text(), "small");
    }

    /// The next event must say that the loop has answered the request.
    #[track_caller]
    fn timed_out(&mut self, task: Exchange) {
        let exchange = task.id();
        match self.event() {
            LaneEvent::TimedOut(which) => assert_eq!(which, exchange),
            LaneEvent::Gone(_) => panic!("the client has not gone"),
            _ => panic!("another event than that it was answered late"),
        }
        // A lane's thread then does this.
        self.lane.answered(1);
        self.say(LaneReply::Response(task));
    }
}

fn path(task: &Exchange) -> String {
    String::from_utf8_lossy(task.request().path()).into_owned()
}

#[track_caller]
fn is_late(reply: &crate::common::Reply) {
    assert_eq!(reply.status, 503, "{}", reply.head);
    assert_eq!(reply.field("retry-after"), None);
}

#[track_caller]
fn is_refused(reply: &crate::common::Reply) {
    assert_eq!(reply.status, 503, "{}", reply.head);
    assert_eq!(reply.field("retry-after"), Some("1"));
}

#[test]
fn the_loop_answers_for_a_handler_that_is_stuck() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(SHORT);
    let mut client = hand.client();
    let begin = Instant::now();
    // The thread is stuck and does not take it.
    let reply = client.get("/lane/stuck");
    is_late(&reply);
    assert!(!reply.closes());
    assert!(begin.elapsed() >= SHORT, "after {:?}", begin.elapsed());
    assert_eq!(client.get("/inline").text(), "inline");
    let stats = hand.server.stats().handlers;
    assert_eq!((stats.given, stats.in_flight, stats.timed_out), (1, 1, 1));

    let task = hand.next_task();
    assert!(task.is_late(Instant::now()));
    hand.timed_out(task);
    until_stats(&hand.server, "its place back", |stats| stats.handlers.in_flight == 0);
}

#[test]
fn a_late_answer_reaches_nobody() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(AMPLE);
    let mut client = hand.client();
    for streams in [false, true] {
        is_late(&client.get("/lane/first"));
        let late = hand.next_task();
        assert_eq!(path(&late), "/lane/first");
        let LaneEvent::TimedOut(exchange) = hand.event() else { panic!("it is told so") };
        client.send(request("GET", "/lane/second"));
        let next = hand.next_task();
        assert_eq!(path(&next), "/lane/second");
        if streams {
            hand.begin(late, None, "late");
            hand.say(LaneReply::Chunk(exchange, b"later".to_vec()));
            hand.say(LaneReply::Pull(exchange, 5));
            hand.say(LaneReply::End(exchange));
            // A failed response must not end the connection either.
            hand.say(LaneReply::Abort(exchange));
        } else {
            hand.answer(late, "late");
        }
        hand.answer(next, "second");
        assert_eq!(client.reply().text(), "second");
    }
    assert_eq!(hand.server.stats().tasks.dropped, 2);
    until_stats(&hand.server, "all places back", |stats| stats.handlers.in_flight == 0);
}

#[test]
fn answers_behind_a_late_one_keep_their_order() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(AMPLE);
    let mut client = hand.client();
    hand.widen(&mut client);
    let all: String = ["/lane/1", "/inline", "/lane/2", "/healthz", "/lane/3"]
        .map(|p| request("GET", p))
        .concat();
    client.send(all);
    let first = hand.next_task();
    let second = hand.next_task();
    let third = hand.next_task();
    hand.answer(second, "in time");
    is_late(&client.reply());
    assert_eq!(client.reply().text(), "inline");
    assert_eq!(client.reply().text(), "in time");
    assert_eq!(client.reply().text(), "ok\n");
    is_late(&client.reply());
    hand.timed_out(first);
    hand.timed_out(third);
    assert_eq!(hand.server.stats().handlers.timed_out, 2);
}

#[test]
fn a_response_that_has_begun_may_take_its_time() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(AMPLE);
    let mut client = hand.client();
    client.send(request("GET", "/lane/stream") + &request("GET", "/lane/behind"));
    let stream = hand.next_task();
    let exchange = stream.id();
    hand.begin(stream, None, "begun,");
    let behind = hand.next_task();
    // The request behind it gets late meanwhile, and waits for its turn.
    loop {
        match hand.event() {
            LaneEvent::TimedOut(which) => {
                assert_eq!(which, behind.id());
                break;
            }
            LaneEvent::Ack(which, _) => assert_eq!(which, exchange),
            _ => panic!("another event"),
        }
    }
    thread::sleep(SHORT);
    hand.say(LaneReply::Chunk(exchange, b" done".to_vec()));
    hand.lane.answered(1);
    hand.say(LaneReply::End(exchange));
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "begun, done"));
    is_late(&client.reply());
    assert_eq!(hand.server.stats().handlers.timed_out, 1);
}

#[test]
fn a_late_answer_to_head_has_no_body() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::with_timeout(SHORT);
    let mut client = hand.client();
    client.send(request("HEAD", "/lane/head") + &request("GET", "/inline"));
    let reply = client.reply_to_head();
    is_late(&reply);
    assert_ne!(reply.field("content-length"), Some("0"));
    assert_eq!(client.reply().text(), "inline");
}

#[test]
fn an_http_1_0_client_is_told_what_becomes_of_its_connection() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::with_timeout(SHORT);
    let mut client = hand.client();
    client.send("GET /lane/old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = client.reply();
    is_late(&reply);
    assert_eq!(reply.field("connection"), Some("keep-alive"));
    assert_eq!(client.get("/inline").text(), "inline");
    client.send("GET /lane/old HTTP/1.0\r\n\r\n");
    let reply = client.reply();
    is_late(&reply);
    assert!(reply.closes());
    client.ends();
}

#[test]
fn an_upload_under_way_ends_with_the_connection() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(SHORT);
    for head in
        ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 900000\r\n\r\n"]
    {
        let mut client = hand.client();
        client.send(format!("POST /lane/upload HTTP/1.1\r\nHost: a\r\n{head}"));
        let task = hand.next_task();
        assert!(task.body_streams());
        let reply = client.reply();
        is_late(&reply);
        assert!(reply.closes());
        // What still comes of the body is no further request.
        client.send("5\r\nGET /lane/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        client.ends();
        let exchange = task.id();
        let mut told = 0;
        while told == 0 {
            match hand.event() {
                LaneEvent::Body(which, _) => assert_eq!(which, exchange),
                LaneEvent::TimedOut(which) => {
                    assert_eq!(which, exchange);
                    told += 1;
                }
                _ => panic!("another event"),
            }
        }
        hand.answer(task, "late");
    }
    until_stats(&hand.server, "both connections closed", |stats| stats.connections.open == 0);
    assert!(hand.lane.pop().is_none(), "neither gone nor another request");
    assert_eq!(hand.server.stats().handlers.given, 2);
}

#[test]
fn a_small_body_that_comes_slowly_is_not_the_handlers_time() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(AMPLE);
    let mut client = hand.client();
    client.send("POST /lane/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n01");
    thread::sleep(AMPLE + SHORT);
    client.send("23");
    let task = hand.next_task();
    assert_eq!(task.request().body(), b"0123");
    hand.answer(task, "all there");
    assert_eq!(client.reply().text(), "all there");
}

#[test]
fn a_client_that_has_gone_is_not_answered() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(AMPLE);
    let mut client = hand.client();
    client.send(request("GET", "/lane/gone"));
    let task = hand.next_task();
    // The client has an answer to read, so that its end is a reset.
    client.send(request("GET", "/inline"));
    drop(client);
    // First a half-close, which the server cannot tell from an end. The server writes nothing
    // before the time is over, so the connection may live as long.
    let mut gone = false;
    while !gone {
        match hand.event() {
            LaneEvent::HalfClosed(which) => assert_eq!(which, task.id()),
            LaneEvent::Gone(_) | LaneEvent::TimedOut(_) => gone = true,
            _ => panic!("another event"),
        }
    }
    hand.lane.answered(1);
    hand.say(LaneReply::Response(task));
    until_stats(&hand.server, "the connection closed", |stats| {
        stats.connections.open == 0 && stats.handlers.in_flight == 0
    });
    // A connection in the same slot inherits no deadline.
    let mut next = hand.client();
    next.send(request("GET", "/lane/next"));
    let task = hand.next_task();
    hand.answer(task, "next");
    assert_eq!(next.reply().text(), "next");
    thread::sleep(AMPLE + SHORT);
    assert_eq!(next.get("/inline").text(), "inline");
}

#[test]
fn a_reset_ends_the_wait() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::with_timeout(LONG);
    let mut client = hand.client();
    client.send(request("GET", "/inline") + &request("GET", "/lane/gone"));
    let task = hand.next_task();
    // The first answer is unread, so that closing is a reset.
    until_stats(&hand.server, "an answer", |stats| stats.requests.success == 1);
    drop(client);
    let LaneEvent::Gone(which) = hand.event() else { panic!("the client has gone") };
    assert_eq!(which, task.id());
    assert_eq!(hand.server.stats().handlers.timed_out, 0);
}

#[test]
fn a_connection_in_the_place_of_another_has_its_own_time() {
    const TIME: Duration = Duration::from_millis(1_500);
    let _bounded = bounded(LIMIT);
    let hand = Hand::new(|config| {
        config.io_threads = 1;
        config.request_timeout = Some(TIME);
    });
    let both = request("GET", "/inline") + &request("GET", "/lane/held");
    let mut first = hand.client();
    first.send(&both);
    let _task = hand.next_task();
    until_stats(&hand.server, "an answer", |stats| stats.requests.success == 1);
    // With unread input, so that it is a reset.
    drop(first);
    until_stats(&hand.server, "the connection closed", |stats| stats.connections.open == 0);
    thread::sleep(TIME / 2);
    let mut second = hand.client();
    let begin = Instant::now();
    second.send(&both);
    assert_eq!(second.reply().text(), "inline");
    is_late(&second.reply());
    assert!(begin.elapsed() >= TIME, "after {:?}", begin.elapsed());
    assert_eq!(hand.server.stats().handlers.timed_out, 1);
}

#[test]
fn a_thread_that_has_fallen_behind_gives_late_requests_back() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(SHORT);
    let mut client = hand.client();
    for _ in 0..5 {
        client.send(request("GET", "/lane/behind"));
        let task = hand.next_task();
        assert!(task.has_deadline());
        until("its time to be over", || task.is_late(Instant::now()));
        // The wheel may not have come to it yet. Then the handler answers first.
        hand.lane.answered(1);
        hand.say(LaneReply::Late(task));
        is_late(&client.reply());
        assert_eq!(client.get("/inline").text(), "inline");
    }
    until_stats(&hand.server, "all places back", |stats| stats.handlers.in_flight == 0);
    assert_eq!(hand.server.stats().handlers.timed_out, 5);
}

#[test]
fn connections_that_a_full_lane_holds_back_are_answered_too() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::with_room(1, |config| {
        config.io_threads = 1;
        config.request_timeout = Some(SHORT);
    });
    let mut first = hand.client();
    first.send(request("GET", "/lane/first"));
    until("the lane to be full", || hand.lane.queued() == 1);
    let mut others: Vec<Client> = (0..3).map(|_| hand.client()).collect();
    for round in 0..3 {
        for other in &mut others {
            other.send(request("GET", "/lane/other") + &request("GET", "/inline"));
        }
        for other in &mut others {
            is_late(&other.reply());
            assert_eq!(other.reply().text(), "inline", "round {round}");
        }
    }
    is_late(&first.reply());
    assert_eq!(hand.lane.queued(), 1);
    // The other requests were taken back. The first one is with the lane.
    until_stats(&hand.server, "places back", |stats| stats.handlers.in_flight == 1);
    assert_eq!(hand.server.stats().handlers.timed_out, 10);
}

#[test]
fn a_stop_waits_no_longer_than_the_handler_has() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::new(|config| {
        config.request_timeout = Some(Duration::from_millis(500));
        config.timeouts.drain = LONG;
    });
    let mut client = hand.client();
    client.send(request("GET", "/lane/last"));
    let _task = hand.next_task();
    hand.server.stop(Stop::Drain);
    let reply = client.reply();
    is_late(&reply);
    assert!(reply.closes());
    client.ends();
    hand.server.wait();
}

#[test]
fn without_the_limit_a_handler_may_take_any_time() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    client.send(request("GET", "/lane/slow"));
    let task = hand.next_task();
    assert!(!task.has_deadline());
    thread::sleep(2 * SHORT);
    hand.answer(task, "slow");
    assert_eq!(client.reply().text(), "slow");
}

#[test]
fn exactly_as_many_as_may_be_are_at_handlers() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| {
        config.io_threads = 3;
        config.max_in_flight = Some(4);
    });
    let mut clients: Vec<Client> = (0..4).map(|_| hand.client()).collect();
    let mut tasks = Vec::new();
    for client in &mut clients {
        client.send(request("GET", "/lane/held"));
        tasks.push(hand.next_task());
    }
    let mut surplus: Vec<Client> = (0..4).map(|_| hand.client()).collect();
    for client in &mut surplus {
        let reply = client.get("/lane/surplus");
        is_refused(&reply);
        assert!(!reply.closes());
        client.send(post("/lane/surplus", b"small"));
        is_refused(&client.reply());
        client.send(request("HEAD", "/lane/surplus"));
        is_refused(&client.reply_to_head());
        assert_eq!(client.get("/inline").text(), "inline");
        assert_eq!(client.get("/healthz").text(), "ok\n");
    }
    assert!(hand.lane.pop().is_none(), "a refused request came to the lane");
    let stats = hand.server.stats();
    assert_eq!((stats.handlers.given, stats.handlers.in_flight), (4, 4));
    assert_eq!((stats.handlers.rejected, stats.tasks.rejected), (12, 0));

    let task = tasks.pop().expect("four");
    hand.answer(task, "held");
    assert_eq!(clients[3].reply().text(), "held");
    surplus[0].send(request("GET", "/lane/now"));
    let task = hand.next_task();
    hand.answer(task, "now");
    assert_eq!(surplus[0].reply().text(), "now");
}

#[test]
fn one_too_many_among_pipelined_requests_is_answered_in_its_turn() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_most(2);
    let mut client = hand.client();
    hand.widen(&mut client);
    client.send(["/lane/1", "/lane/2", "/lane/3", "/inline"].map(|p| request("GET", p)).concat());
    let (first, second) = (hand.next_task(), hand.next_task());
    hand.answer(second, "2");
    hand.answer(first, "1");
    assert_eq!(client.reply().text(), "1");
    assert_eq!(client.reply().text(), "2");
    is_refused(&client.reply());
    assert_eq!(client.reply().text(), "inline");

    // The lane hears nothing of a request that it was not given.
    client.send(["/lane/1", "/lane/2", "/lane/3"].map(|p| request("GET", p)).concat());
    let (first, second) = (hand.next_task(), hand.next_task());
    client.stream.shutdown(std::net::Shutdown::Write).expect("half a close");
    for task in [&first, &second] {
        let LaneEvent::HalfClosed(which) = hand.event() else { panic!("it is told so") };
        assert_eq!(which, task.id());
    }
    thread::sleep(SHORT);
    assert!(hand.lane.pop().is_none(), "the third was not given");
    hand.answer(first, "1");
    hand.answer(second, "2");
    assert_eq!(client.reply().text(), "1");
    assert_eq!(client.reply().text(), "2");
    is_refused(&client.reply());
}

#[test]
fn a_large_upload_too_many_is_not_read() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_most(1);
    let mut holder = hand.client();
    holder.send(request("GET", "/lane/held"));
    let task = hand.next_task();
    for body in [
        &b"POST /lane/u HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n0123"[..],
        b"POST /lane/u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n",
        b"PUT /lane/u HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 90000\r\n\r\n",
    ] {
        let mut client = hand.client();
        client.send(body);
        let mut reply = client.reply();
        if reply.status == 100 {
            reply = client.reply();
        }
        is_refused(&reply);
        assert!(reply.closes());
        client.ends();
    }
    // A body that has come whole does not cost its connection.
    let mut client = hand.client();
    client.send(post_chunked("/lane/u", b"whole", 2));
    let reply = client.reply();
    is_refused(&reply);
    assert!(!reply.closes());
    hand.answer(task, "held");
    assert_eq!(holder.reply().text(), "held");
    until_stats(&hand.server, "places back", |stats| stats.handlers.in_flight == 0);
    assert_eq!(hand.server.stats().handlers.rejected, 4);
}

#[test]
fn a_streaming_response_keeps_its_place_to_its_end() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_most(1);
    let mut client = hand.client();
    let mut other = hand.client();
    client.send(request("GET", "/lane/stream"));
    let task = hand.next_task();
    let exchange = task.id();
    hand.begin(task, None, "begun");
    until_stats(&hand.server, "the head to leave", |stats| stats.requests.success == 1);
    is_refused(&other.get("/lane/other"));
    hand.lane.answered(1);
    hand.say(LaneReply::End(exchange));
    assert_eq!(client.reply().text(), "begun");
    until_stats(&hand.server, "its place back", |stats| stats.handlers.in_flight == 0);

    // And until its client has gone.
    other.send(request("GET", "/lane/stream"));
    let task = hand.next_task();
    hand.begin(task, None, "begun");
    until_stats(&hand.server, "the head to leave", |stats| stats.requests.success == 2);
    drop(other);
    until_stats(&hand.server, "its place back", |stats| stats.handlers.in_flight == 0);
    client.send(request("GET", "/lane/next"));
    let task = hand.next_task();
    hand.answer(task, "next");
    assert_eq!(client.reply().text(), "next");
}

#[test]
fn a_request_without_a_lane_takes_no_place() {
    let _bounded = bounded(LIMIT);
    let hand = Hand::with_most(1);
    let mut client = hand.client();
    client.send(request("GET", "/lane/held"));
    let task = hand.next_task();
    hand.server.set_lanes(&[None]);
    is_refused(&client.reply());
    // The lane's thread gives it back as it ends.
    hand.lane.answered(1);
    let mut replies = hand.server.lane_replies();
    replies.push(LaneReply::Response(task));
    hand.lane.flush(&mut replies);
    until_stats(&hand.server, "its place back", |stats| stats.handlers.in_flight == 0);
    is_refused(&client.get("/lane/more"));
    assert_eq!(hand.server.stats().handlers.rejected, 0);
}

#[test]
fn never_more_than_may_be_however_many_loops_ask() {
    let _bounded = bounded(Duration::from_secs(60));
    const MOST: usize = 3;
    let mut hand = Hand::new(|config| {
        config.io_threads = 4;
        config.max_in_flight = Some(MOST);
        config.request_timeout = Some(LONG);
    });
    let address = crate::common::tcp_address(&hand.server);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::connect(address).expect("the server takes connections");
                let mut answered = 0;
                for _ in 0..100 {
                    client.send(request("GET", "/lane/a") + &request("GET", "/lane/b"));
                    for _ in 0..2 {
                        let reply = client.reply();
                        assert!(reply.status == 200 || reply.status == 503);
                        answered += u64::from(reply.status == 200);
                    }
                }
                answered
            })
        })
        .collect();
    let (waiter, finished) = (Arc::clone(&done), done);
    let answered = thread::spawn(move || {
        let sum: u64 = clients.into_iter().map(|c| c.join().expect("a client ends")).sum();
        waiter.store(true, Ordering::Relaxed);
        sum
    });
    let mut held = Vec::new();
    let mut idle = 0;
    while !finished.load(Ordering::Relaxed) {
        match hand.lane.pop() {
            Some(LaneEvent::Request(task)) => {
                held.push(task);
                assert!(held.len() <= MOST, "{} at once", held.len());
                idle = 0;
            }
            Some(_) => panic!("no other event can come"),
            None => idle += 1,
        }
        // Not at once, so that the places fill.
        if (idle > 50 || held.len() == MOST)
            && let Some(task) = held.pop()
        {
            hand.answer(task, "x");
            idle = 0;
        }
        thread::yield_now();
    }
    let answered = answered.join().expect("all clients end");
    let stats = hand.server.stats().handlers;
    assert_eq!((stats.given, stats.given + stats.rejected), (answered, 1_600));
    assert_eq!((stats.in_flight, stats.timed_out), (0, 0));
    assert!(answered > 0 && stats.rejected > 0, "{stats:?}");
}

#[test]
fn the_number_has_a_range() {
    for most in [0, 1_000_001] {
        let config = Config { max_in_flight: Some(most), ..crate::common::config(builtin()) };
        let Err(StartError::Config(error)) = Server::start(config) else {
            panic!("{most} is taken")
        };
        assert_eq!((error.option, error.value), ("max_in_flight", most));
    }
}

#[test]
fn nothing_follows_a_late_answer_that_closes() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::with_timeout(SHORT);
    let mut client = hand.client();
    client.send("GET /lane/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let task = hand.next_task();
    let mut all = String::new();
    client.stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("a timeout");
    client.stream.read_to_string(&mut all).expect("the end of the stream");
    assert!(all.starts_with("HTTP/1.1 503 "), "{all}");
    assert_eq!(all.matches("HTTP/1.1").count(), 1, "{all}");
    assert!(all.contains("\r\nConnection: close\r\n"), "{all}");
    hand.answer(task, "late");
    until_stats(&hand.server, "the end", |stats| {
        stats.connections.open == 0 && stats.handlers.in_flight == 0
    });
}

/// Handlers answer at any time around the limit, whole or in pieces. Each answer is the request's
/// own or the loop's, in the order of the requests.
#[test]
fn whenever_handlers_answer_each_request_gets_its_own() {
    const CLIENTS: u64 = 6;
    const BURSTS: usize = 12;
    let _bounded = bounded(Duration::from_secs(90));
    let mut hand = Hand::with_room(16, |config| {
        config.request_timeout = Some(Duration::from_millis(200));
        config.max_in_flight = Some(40);
    });
    let address = crate::common::tcp_address(&hand.server);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            thread::spawn(move || {
                let mut random = Random(number + 1);
                let mut client = Client::connect(address).expect("the server takes connections");
                let (mut own, mut late) = (0, 0);
                for burst in 0..BURSTS {
                    let ids: Vec<String> = (0..=random.below(8))
                        .map(|place| format!("{number}.{burst}.{place}"))
                        .collect();
                    let all = ids.iter().map(|id| match id.as_bytes().last() {
                        Some(b'3') => request("GET", "/inline"),
                        Some(b'5') => request("HEAD", &format!("/lane/{id}")),
                        _ => request("GET", &format!("/lane/{id}")),
                    });
                    client.send(all.collect::<String>());
                    for id in &ids {
                        let reply = client.try_reply(id.ends_with('5')).expect("a whole response");
                        match reply.status {
                            503 if reply.field("retry-after").is_none() => late += 1,
                            503 => assert!(!id.ends_with('3'), "native routes have no limit"),
                            _ if id.ends_with('3') => assert_eq!(reply.text(), "inline"),
                            _ if id.ends_with('5') => assert_eq!(reply.status, 200),
                            _ => {
                                assert_eq!(reply.text(), *id);
                                own += 1;
                            }
                        }
                    }
                }
                (own, late)
            })
        })
        .collect();
    let mut random = Random(99);
    let mut open: Vec<(Instant, Work)> = Vec::new();
    while clients.iter().any(|client| !client.is_finished()) || !open.is_empty() {
        let now = Instant::now();
        match hand.lane.pop() {
            Some(LaneEvent::Request(task)) if task.is_late(now) => {
                hand.lane.answered(1);
                hand.say(LaneReply::Late(task));
            }
            Some(LaneEvent::Request(task)) => {
                let delay = Duration::from_millis(random.below(400) as u64);
                open.push((now + delay, Work::Whole(task)));
            }
            // It answers all the same, as a handler does that ignores its signal.
            Some(LaneEvent::TimedOut(_) | LaneEvent::Ack(..) | LaneEvent::HalfClosed(_)) => {}
            Some(_) => panic!("nobody goes, and no body comes"),
            None => thread::sleep(Duration::from_millis(1)),
        }
        while let Some(place) = open.iter().position(|(due, _)| *due <= now) {
            let (_, work) = open.swap_remove(place);
            match work {
                Work::Whole(task) if random.below(2) == 0 => {
                    let id = path(&task)["/lane/".len()..].to_owned();
                    hand.answer(task, &id);
                }
                Work::Whole(task) => {
                    let id = path(&task)["/lane/".len()..].to_owned();
                    let exchange = task.id();
                    hand.begin(task, None, &id[..2]);
                    let delay = Duration::from_millis(random.below(100) as u64);
                    open.push((now + delay, Work::Rest(exchange, id[2..].to_owned())));
                }
                Work::Rest(exchange, rest) => {
                    hand.say(LaneReply::Chunk(exchange, rest.into_bytes()));
                    hand.lane.answered(1);
                    hand.say(LaneReply::End(exchange));
                }
            }
        }
    }
    let (mut own, mut late) = (0, 0);
    for client in clients {
        let (client_own, client_late) = client.join().expect("every answer is right");
        own += client_own;
        late += client_late;
    }
    assert!(own > 10 && late > 10, "{own} of their own, {late} late");
    until_stats(&hand.server, "all places back", |stats| stats.handlers.in_flight == 0);
    assert_eq!(hand.server.stats().handlers.timed_out, late);
}

/// What a handler still has to do.
enum Work {
    Whole(Exchange),
    Rest(ExchangeId, String),
}
