//! Responses that break off, and clients that leave: what the client still gets, and when its place
//! is free. The test plays the lane's thread.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use reactor_server::{
    Address, Config, Exchange, ExchangeId, LaneEvent, LaneReply, Listen, Stop, Timeouts,
};

use crate::common::{Client, Hand, bounded, reset, until, until_stats};

const LIMIT: Duration = Duration::from_secs(60);
/// How long a client is kept after its last byte, where a test waits for that.
const SHORT: Duration = Duration::from_millis(200);

/// A server that counts the requests at handlers.
fn hand(change: impl FnOnce(&mut Config)) -> Hand {
    hand_with_room(64, change)
}

fn hand_with_room(capacity: usize, change: impl FnOnce(&mut Config)) -> Hand {
    Hand::with_room(capacity, |config| {
        config.max_in_flight = Some(100);
        change(config);
    })
}

/// A server that keeps clients only briefly after their last byte.
fn brief() -> Hand {
    hand(|config| config.timeouts.write = SHORT)
}

impl Hand {
    fn chunk(&mut self, exchange: ExchangeId, text: &str) {
        self.say(LaneReply::Chunk(exchange, text.into()));
    }

    fn abort(&mut self, exchange: ExchangeId) {
        self.lane.answered(1);
        self.say(LaneReply::Abort(exchange));
    }

    /// The lane is told that the client has sent its last byte, then that it is gone. Nothing of
    /// its request is left.
    #[track_caller]
    fn sees_it_leave(&mut self, task: Exchange) {
        let exchange = task.id();
        match self.event() {
            LaneEvent::HalfClosed(which) => {
                assert_eq!(which, exchange);
                let LaneEvent::Gone(which) = self.event() else { panic!("it is not gone") };
                assert_eq!(which, exchange);
            }
            // A reset, or the end of a unix socket, says both at once.
            LaneEvent::Gone(which) => assert_eq!(which, exchange),
            _ => panic!("another event"),
        }
        self.lane.answered(1);
        self.say(LaneReply::Response(task));
        self.is_empty();
    }

    #[track_caller]
    fn is_empty(&self) {
        until_stats(&self.server, "all places to be free", |stats| {
            stats.connections.open == 0 && stats.handlers.in_flight == 0
        });
    }
}

/// Everything that comes until the connection ends, and how it ends.
fn all(stream: &mut impl Read) -> (String, std::io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    (text, end)
}

const OLD: &str = "GET /lane/a HTTP/1.0\r\n\r\n";
const LAST: &str = "GET /lane/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const UPGRADE: &str =
    "GET /lane/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const KEPT: &str = "GET /lane/a HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn what_came_before_a_response_broke_off_is_sent() {
    let _bounded = bounded(LIMIT);
    for io_threads in [1, 4] {
        let mut hand = hand(|config| config.io_threads = io_threads);
        for (head, length, body) in [
            (KEPT, None, "\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n"),
            (KEPT, Some(100), "Content-Length: 100\r\n"),
            (LAST, None, "\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n"),
            (LAST, Some(100), "\r\n\r\nfirstsecond"),
            (OLD, None, "\r\n\r\nfirstsecond"),
            (OLD, Some(100), "\r\n\r\nfirstsecond"),
        ] {
            let mut client = hand.client();
            client.send(head);
            let mut task = hand.task();
            let exchange = task.id();
            // All of it reaches the loop at once.
            task.response().stream(length);
            task.response().body("first");
            hand.replies.push(LaneReply::Response(task));
            hand.replies.push(LaneReply::Chunk(exchange, b"second".to_vec()));
            hand.abort(exchange);
            let (text, end) = all(&mut client.stream);
            assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
            assert!(text.contains(body) && text.contains("second"), "{text}");
            assert!(!text.contains("\r\n0\r\n"), "it must not look whole: {text}");
            // Only this tells it from a complete response.
            assert_eq!(end.is_err(), head == OLD && length.is_none(), "{head:?}: {end:?}");
            hand.is_empty();
        }
    }
}

#[test]
fn not_even_a_head_without_a_body_is_lost() {
    let _bounded = bounded(LIMIT);
    let mut hand = hand(|_| {});
    for head in [KEPT, LAST, OLD] {
        let mut client = hand.client();
        client.send(head);
        let task = hand.task();
        let exchange = hand.begin(task, None, "");
        hand.abort(exchange);
        let (text, _) = all(&mut client.stream);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("\r\n\r\n"), "{text:?}");
    }
}

#[test]
fn a_client_that_is_slow_gets_all_that_came_before_the_cut() {
    let _bounded = bounded(LIMIT);
    let mut hand = hand(|_| {});
    for head in [KEPT, OLD] {
        let mut client = hand.client();
        client.send(head);
        let task = hand.task();
        let exchange = hand.begin(task, None, "");
        let piece = "x".repeat(64 * 1024);
        for _ in 0..4 {
            hand.chunk(exchange, &piece);
        }
        hand.abort(exchange);
        // The kernel has taken some of it, and the loop has been told everything.
        until_stats(&hand.server, "the handler to be done", |s| s.handlers.in_flight == 0);
        let (text, _) = all(&mut client.stream);
        let there = text.bytes().filter(|&byte| byte == b'x').count();
        assert_eq!(there, 4 * piece.len());
        // What was sent before the next piece came has been acknowledged.
        while let Some(event) = hand.lane.pop() {
            assert!(matches!(event, LaneEvent::Ack(..)), "only that");
        }
    }
    hand.is_empty();
}

#[test]
fn a_response_that_breaks_off_before_its_turn_takes_none_along() {
    let _bounded = bounded(LIMIT);
    let mut hand = hand(|_| {});
    for first_streams in [false, true] {
        let mut client = hand.client();
        // After a small answer more than two at a time go to handlers.
        client.send(KEPT);
        let small = hand.task();
        hand.answer(small, "small");
        assert_eq!(client.reply().text(), "small");
        client.send([KEPT, KEPT, KEPT].concat());
        let (first, second, third) = (hand.task(), hand.task(), hand.task());
        let exchange = hand.begin(second, None, "half");
        hand.abort(exchange);
        hand.answer(third, "never seen");
        if first_streams {
            let exchange = hand.begin(first, None, "one");
            hand.lane.answered(1);
            hand.say(LaneReply::End(exchange));
        } else {
            hand.answer(first, "one");
        }
        let (text, _) = all(&mut client.stream);
        assert_eq!(text.matches("HTTP/1.1 200 ").count(), 2, "{text}");
        assert!(text.contains("one"), "{text}");
        assert!(text.ends_with("4\r\nhalf\r\n"), "{text}");
        hand.is_empty();
    }
}

#[test]
fn a_request_given_back_unanswered_ends_the_connection_in_its_turn() {
    let _bounded = bounded(LIMIT);
    let mut hand = hand(|_| {});
    let mut client = hand.client();
    let post = "POST /lane/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";
    client.send([KEPT, post].concat());
    let (first, second) = (hand.task(), hand.task());
    hand.lane.answered(1);
    hand.say(LaneReply::Dropped(second));
    until_stats(&hand.server, "its place to be free", |s| s.handlers.in_flight == 1);
    hand.answer(first, "one");
    let (text, end) = all(&mut client.stream);
    assert!(text.matches("HTTP/1.1").count() == 1 && text.ends_with("one"), "{text}");
    assert!(end.is_ok(), "{end:?}");
    hand.is_empty();
}

#[test]
fn a_client_that_leaves_is_noticed_whatever_it_said_of_the_connection() {
    let _bounded = bounded(LIMIT);
    let upload =
        "POST /lane/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12345";
    let junk = format!("{LAST}{}", "x".repeat(100_000));
    for input in [KEPT, LAST, OLD, UPGRADE, upload, &junk] {
        let mut hand = brief();
        let mut client = hand.client();
        client.send(input);
        let task = hand.task();
        drop(client);
        hand.sees_it_leave(task);
    }
}

#[test]
fn a_client_that_leaves_a_unix_socket_is_noticed() {
    let _bounded = bounded(LIMIT);
    let path = std::env::temp_dir().join(format!("reactor-leaving-{}", std::process::id()));
    for input in [KEPT, LAST, OLD] {
        for half in [false, true] {
            let mut hand = hand(|config| {
                config.timeouts.write = SHORT;
                config.listen = vec![Listen::Unix(path.clone()).into()];
            });
            assert!(matches!(hand.server.address(), Address::Unix(_)));
            let mut client = UnixStream::connect(&path).expect("a server");
            client.write_all(input.as_bytes()).expect("a server that reads");
            let task = hand.task();
            if half {
                client.shutdown(Shutdown::Write).expect("a live socket");
            } else {
                client.shutdown(Shutdown::Both).expect("a live socket");
            }
            hand.sees_it_leave(task);
        }
    }
}

#[test]
fn a_client_that_leaves_behind_others_of_its_requests_is_noticed() {
    let _bounded = bounded(LIMIT);
    let mut hand = brief();
    let mut client = hand.client();
    client.send([KEPT, LAST].concat());
    let tasks = [hand.task(), hand.task()];
    drop(client);
    for task in &tasks {
        let LaneEvent::HalfClosed(which) = hand.event() else { panic!("it is told so") };
        assert_eq!(which, task.id());
    }
    for task in tasks {
        let LaneEvent::Gone(which) = hand.event() else { panic!("it is not gone") };
        assert_eq!(which, task.id());
        hand.lane.answered(1);
        hand.say(LaneReply::Response(task));
    }
    hand.is_empty();
}

#[test]
fn a_client_that_leaves_while_its_lane_is_full_is_let_go() {
    let _bounded = bounded(LIMIT);
    let mut hand = hand_with_room(1, |config| {
        config.timeouts.write = SHORT;
        config.io_threads = 1;
    });
    let mut first = hand.client();
    first.send(KEPT);
    until("the lane to be full", || hand.lane.queued() == 1);
    let mut second = hand.client();
    second.send(LAST);
    until_stats(&hand.server, "both to be read", |s| s.requests.total == 2);
    drop(second);
    until_stats(&hand.server, "the second to be let go", |s| s.connections.open == 1);
    let task = hand.task();
    hand.answer(task, "one");
    assert_eq!(first.reply().text(), "one");
}

#[test]
fn a_client_that_leaves_while_nobody_takes_its_upload_is_noticed() {
    let _bounded = bounded(LIMIT);
    let mut hand = brief();
    let mut client = hand.client();
    client.send("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    client.send(vec![b'x'; 600_000]);
    let task = hand.task();
    let LaneEvent::Body(..) = hand.event() else { panic!("its body comes") };
    drop(client);
    loop {
        match hand.event() {
            LaneEvent::Body(..) => {}
            LaneEvent::HalfClosed(_) => break,
            _ => panic!("another event"),
        }
    }
    let LaneEvent::Gone(_) = hand.event() else { panic!("it is not gone") };
    hand.lane.answered(1);
    hand.say(LaneReply::Response(task));
    hand.is_empty();
}

#[test]
fn a_reset_frees_all_at_once() {
    let _bounded = bounded(LIMIT);
    for input in [KEPT, LAST, OLD] {
        let mut hand = hand(|config| config.timeouts.write = Duration::from_secs(600));
        let mut client = hand.client();
        client.send(input);
        let task = hand.task();
        reset(client);
        hand.sees_it_leave(task);
    }
}

#[test]
fn a_client_that_half_closes_is_answered() {
    let _bounded = bounded(LIMIT);
    // Even a busy machine leaves most of the second that it has.
    crate::common::one_of_five(|| {
        let mut hand = hand(|_| {});
        for input in [KEPT, LAST, OLD] {
            let mut client = hand.client();
            client.send(input);
            client.stream.shutdown(Shutdown::Write).expect("a live socket");
            let task = hand.task();
            let LaneEvent::HalfClosed(_) = hand.event() else { panic!("it is told so") };
            std::thread::sleep(SHORT);
            hand.answer(task, "late");
            match client.try_reply(false) {
                Ok(reply) => assert_eq!(reply.text(), "late"),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    });
}

#[test]
fn a_download_to_a_client_that_half_closed_goes_on_while_it_gets_on() {
    let _bounded = bounded(LIMIT);
    crate::common::one_of_five(|| {
        let mut hand = brief();
        let mut client = hand.client();
        client.send(OLD);
        client.stream.shutdown(Shutdown::Write).expect("a live socket");
        let task = hand.task();
        let exchange = hand.begin(task, None, "begin ");
        // Far longer than a client is kept that gets nothing.
        for _ in 0..20 {
            std::thread::sleep(SHORT / 4);
            hand.chunk(exchange, "more ");
        }
        hand.lane.answered(1);
        hand.say(LaneReply::End(exchange));
        let (text, end) = all(&mut client.stream);
        let whole = end.is_ok() && text.matches("more ").count() == 20;
        if whole { Ok(()) } else { Err(format!("{end:?} after {text}")) }
    });
}

#[test]
fn a_stream_that_gives_nothing_to_a_client_that_left_ends() {
    let _bounded = bounded(LIMIT);
    let mut hand = brief();
    let mut client = hand.client();
    client.send(KEPT);
    let task = hand.task();
    let exchange = hand.begin(task, None, "event");
    drop(client);
    let mut gone = false;
    while !gone {
        match hand.event() {
            LaneEvent::Ack(..) | LaneEvent::HalfClosed(_) => {}
            LaneEvent::Gone(which) => gone = which == exchange,
            _ => panic!("another event"),
        }
    }
    hand.lane.answered(1);
    hand.is_empty();
}

#[test]
fn stopping_does_not_wait_for_those_who_have_left() {
    let _bounded = bounded(LIMIT);
    let hand = hand(|config| {
        config.timeouts = Timeouts { drain: LIMIT, ..Timeouts::default() };
    });
    let mut client: Client<TcpStream> = hand.client();
    client.send(LAST);
    let _task = hand.task();
    drop(client);
    let begin = Instant::now();
    hand.server.stop(Stop::Drain);
    hand.server.wait();
    assert!(begin.elapsed() < LIMIT / 4, "{:?}", begin.elapsed());
}
