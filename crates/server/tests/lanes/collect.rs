//! Bodies that a handler wants in one piece. The test plays the lane's thread.

use std::time::Duration;

use reactor_server::{Exchange, ExchangeId, LaneEvent, LaneReply};

use crate::common::{Client, Hand, bounded, pattern, post, request, reset, until, until_stats};

const LIMIT: Duration = Duration::from_secs(60);

/// More than sockets hold.
const LARGE: usize = 12_000_000;

/// What came of a body that was wanted in one piece.
#[derive(Default)]
struct Came {
    body: Vec<u8>,
    /// Events that brought some of it, and those of them that brought a rest.
    pieces: usize,
    rests: usize,
}

impl Hand {
    /// A request whose body streams, and that is asked for the rest of it at once.
    fn wants(&mut self) -> Exchange {
        let task = self.next_task();
        assert!(task.body_streams());
        self.say(LaneReply::Collect(task.id()));
        task
    }

    /// Takes the body to its end. Gives credit only if `pulls`.
    fn body(&mut self, exchange: ExchangeId, pulls: bool) -> Came {
        let mut came = Came::default();
        loop {
            let data = match self.event() {
                LaneEvent::Body(which, data) => {
                    assert_eq!(which, exchange);
                    data
                }
                LaneEvent::Rest(which, data) => {
                    assert_eq!(which, exchange);
                    came.rests += 1;
                    data
                }
                LaneEvent::BodyEnd(which) => {
                    assert_eq!(which, exchange);
                    return came;
                }
                _ => panic!("another event"),
            };
            came.pieces += 1;
            came.body.extend_from_slice(&data);
            if pulls {
                self.say(LaneReply::Pull(exchange, data.len()));
            }
        }
    }
}

fn head(length: usize) -> String {
    format!("POST /lane/up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

/// Sends on a thread of its own: the loop may not read.
fn sends(mut client: Client, bytes: Vec<u8>) -> std::thread::JoinHandle<Client> {
    std::thread::spawn(move || {
        client.send(bytes);
        client
    })
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    crate::common::post_chunked("/lane/up", body, size)
}

#[test]
fn a_body_comes_in_one_piece_without_credit() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let body = pattern(LARGE);
    let mut client = hand.client();
    for upload in [
        [head(LARGE).as_bytes(), &body].concat(),
        chunked(&body, 70_000),
        chunked(&body[..200_000], 5),
    ] {
        // Nothing of the body has come when it is asked for.
        let at = upload.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        client.send(&upload[..at]);
        let task = hand.wants();
        let sending = sends(client, upload[at..].to_vec());
        let came = hand.body(task.id(), false);
        client = sending.join().unwrap();
        assert!(body.starts_with(&came.body), "another body");
        assert_eq!((came.rests, came.pieces), (1, 1));
        let exchange = task.id();
        hand.say(LaneReply::Pull(exchange, came.body.len()));
        hand.answer(task, &came.body.len().to_string());
        assert_eq!(client.reply().text(), came.body.len().to_string());
    }
    assert_eq!(client.get("/inline").text(), "inline");
}

#[test]
fn the_next_request_begins_where_the_body_ends() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let body = pattern(1_000_000);
    let mut client = hand.client();
    let upload = [head(body.len()).as_bytes(), &body].concat();
    let next = request("GET", "/lane/next").into_bytes();
    let sending = sends(client, [&upload[..], &upload, &next].concat());
    for _ in 0..2 {
        let task = hand.wants();
        let came = hand.body(task.id(), true);
        assert!(came.body == body, "another body");
        hand.answer(task, "up");
    }
    let task = hand.next_task();
    assert_eq!(task.request().path(), b"/lane/next");
    hand.answer(task, "next");
    client = sending.join().unwrap();
    for text in ["up", "up", "next"] {
        assert_eq!(client.reply().text(), text);
    }
}

#[test]
fn a_body_goes_on_in_pieces_if_there_is_no_memory_for_it() {
    let _bounded = bounded(LIMIT);
    for upload in
        [[head(LARGE).as_bytes(), &pattern(LARGE)].concat(), chunked(&pattern(LARGE), 9000)]
    {
        let mut hand = Hand::new(|config| {
            (config.io_threads, config.body_memory) = (1, 2_000_000);
        });
        let client = hand.client();
        let sending = sends(client, upload);
        let task = hand.wants();
        let came = hand.body(task.id(), true);
        assert!(came.body == pattern(LARGE), "another body");
        hand.answer(task, "up");
        let mut client = sending.join().unwrap();
        assert_eq!(client.reply().text(), "up");
        // All of the memory is free again: a small body may fill it.
        client.send(post("/lane/small", &pattern(60_000)));
        let task = hand.next_task();
        assert_eq!(task.request().body(), pattern(60_000));
        hand.answer(task, "small");
        assert_eq!(client.reply().text(), "small");
    }
}

/// The memory of bodies whose clients have left, or that were answered early, is free again.
#[test]
fn what_was_collected_in_vain_is_given_back() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| {
        (config.io_threads, config.body_memory) = (1, 2_000_000);
    });
    for round in 0..9 {
        let mut client = hand.client();
        client.send(head(LARGE));
        let task = hand.wants();
        let exchange = task.id();
        client.send(pattern(600_000));
        match round % 3 {
            0 => {
                reset(client);
                until("it to be gone", || match hand.lane.pop() {
                    Some(LaneEvent::Gone(which)) => which == exchange,
                    _ => false,
                });
                hand.lane.answered(1);
                hand.say(LaneReply::Response(task));
            }
            1 => {
                hand.answer(task, "early");
                assert_eq!(client.reply().text(), "early");
            }
            _ => {
                drop(client);
                until("it to be gone", || match hand.lane.pop() {
                    Some(LaneEvent::Gone(which)) => which == exchange,
                    _ => false,
                });
                hand.lane.answered(1);
                hand.say(LaneReply::Response(task));
            }
        }
    }
    until_stats(&hand.server, "all to be closed", |stats| stats.connections.open == 0);
    while hand.lane.pop().is_some() {}
    // A body that needs nearly all of the half that uploads may fill comes in one piece.
    let body = pattern(950_000);
    let mut client = hand.client();
    client.send(head(body.len()));
    let task = hand.wants();
    client.send(&body);
    let came = hand.body(task.id(), true);
    assert!(came.body == body, "another body");
    assert_eq!((came.rests, came.pieces), (1, 1));
    hand.answer(task, "up");
    assert_eq!(client.reply().text(), "up");
}

/// Rests fill at most half of the memory, so that bodies which come with their heads have the rest.
#[test]
fn uploads_that_are_wanted_whole_leave_room_for_small_bodies() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| {
        (config.io_threads, config.body_memory) = (1, 200_000);
    });
    let mut uploads = Vec::new();
    for _ in 0..4 {
        let mut client = hand.client();
        client.send(head(LARGE));
        let task = hand.wants();
        client.send(pattern(90_000));
        uploads.push((client, task));
    }
    let mut client = hand.client();
    client.send(post("/lane/small", &pattern(60_000)));
    let task = hand.next_task();
    assert_eq!(task.request().body(), pattern(60_000));
    hand.answer(task, "small");
    assert_eq!(client.reply().text(), "small");
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| config.limits.body = 500_000);
    let mut client = hand.client();
    let upload = chunked(&pattern(600_000), 50_000);
    client.send(&upload[..200_000]);
    let task = hand.wants();
    let sending = sends(client, upload[200_000..].to_vec());
    let exchange = task.id();
    loop {
        match hand.event() {
            LaneEvent::Body(..) => {}
            LaneEvent::Refused(which, status) => {
                assert_eq!((which, status), (exchange, 413));
                break;
            }
            _ => panic!("another event"),
        }
    }
    hand.lane.answered(1);
    hand.say(LaneReply::Response(task));
    let reply = sending.join().unwrap().reply();
    assert_eq!(reply.status, 413);
}

/// The lane may ask too late, or for what is not its own to ask for.
#[test]
fn a_lane_that_asks_in_vain_changes_nothing() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    client.send(request("GET", "/lane/get"));
    let task = hand.next_task();
    let exchange = task.id();
    hand.say(LaneReply::Collect(exchange));
    hand.answer(task, "get");
    hand.say(LaneReply::Collect(exchange));
    assert_eq!(client.reply().text(), "get");
    client.send(post("/lane/up", &pattern(100_000)));
    let task = hand.next_task();
    let came = hand.body(task.id(), true);
    hand.say(LaneReply::Collect(task.id()));
    assert!(came.body == pattern(100_000), "another body");
    hand.answer(task, "up");
    assert_eq!(client.reply().text(), "up");
}
