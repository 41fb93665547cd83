//! Bodies that a handler wants in one piece. The test plays the lane's thread.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reactor_server::{Exchange, ExchangeId, LaneEvent, LaneReply, LentMemory};

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
        self.say(LaneReply::Collect(task.id(), None));
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

/// Memory that the thread lends for a body.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
    size: usize,
}

impl Memory {
    fn new(size: usize) -> Self {
        Self { bytes: Arc::new(Mutex::new(Some(vec![0; size]))), size }
    }

    fn lent(&self) -> Option<Box<dyn LentMemory>> {
        Some(Box::new(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it back.
    fn take(&self) -> Vec<u8> {
        self.lock().take().expect("it was not taken back")
    }

    /// Whether the loop holds it.
    fn is_out(&self) -> bool {
        Arc::strong_count(&self.bytes) > 1
    }

    fn put(&self, at: usize, data: &[u8]) {
        let mut bytes = self.lock();
        let bytes = bytes.as_mut().expect("it was not taken back");
        bytes[at..at + data.len()].copy_from_slice(data);
    }
}

impl LentMemory for Memory {
    fn size(&self) -> usize {
        self.size
    }

    fn with(&self, range: Range<usize>, write: &mut dyn FnMut(&mut [u8])) -> bool {
        let mut bytes = self.lock();
        bytes.as_mut().map(|bytes| write(&mut bytes[range])).is_some()
    }
}

/// What came of a body for which memory was lent: how far it has come, and events of each kind.
#[derive(Default)]
struct Lent {
    at: usize,
    pieces: usize,
    fills: usize,
}

impl Hand {
    /// A request whose body streams, and that memory is lent for at once.
    fn lends(&mut self, memory: &Memory) -> Exchange {
        let task = self.next_task();
        assert!(task.body_streams());
        self.say(LaneReply::Collect(task.id(), memory.lent()));
        task
    }

    /// Takes the body to its end, with credit for all that comes.
    fn fills(&mut self, exchange: ExchangeId, memory: &Memory) -> Lent {
        let mut lent = Lent::default();
        loop {
            let bytes = match self.event() {
                LaneEvent::Body(which, data) => {
                    assert_eq!(which, exchange);
                    memory.put(lent.at, &data);
                    lent.pieces += 1;
                    data.len()
                }
                LaneEvent::Filled(which, bytes) => {
                    assert_eq!(which, exchange);
                    lent.fills += 1;
                    bytes
                }
                LaneEvent::BodyEnd(which) => {
                    assert_eq!(which, exchange);
                    return lent;
                }
                _ => panic!("another event"),
            };
            lent.at += bytes;
            self.say(LaneReply::Pull(exchange, bytes));
        }
    }

    fn is_told_that_it_left(&mut self, exchange: ExchangeId) {
        until("it to be gone", || match self.lane.pop() {
            Some(LaneEvent::Gone(which)) => which == exchange,
            _ => false,
        });
        self.lane.answered(1);
    }
}

#[test]
fn a_body_is_read_into_memory_that_is_lent_for_it() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    // Also with what came with its head, and with the next request behind it.
    for (size, early) in [(70_000, 0), (300_000, 1), (LARGE, 0), (LARGE, 200_000)] {
        let body = pattern(size);
        let memory = Memory::new(size);
        let next = request("GET", "/lane/next");
        let upload = [head(size).as_bytes(), &body, next.as_bytes()].concat();
        let first = head(size).len() + early;
        client.send(&upload[..first]);
        let task = hand.lends(&memory);
        let sending = sends(client, upload[first..].to_vec());
        let lent = hand.fills(task.id(), &memory);
        assert_eq!((lent.at, lent.fills), (size, 1));
        assert!(memory.take() == body, "another body");
        assert!(!memory.is_out());
        hand.answer(task, "up");
        client = sending.join().unwrap();
        assert_eq!(client.reply().text(), "up");
        let task = hand.next_task();
        hand.answer(task, "next");
        assert_eq!(client.reply().text(), "next");
    }
}

/// What cannot be lent for: a body of unknown length, one that is longer, one whose loop has no room.
#[test]
fn memory_that_is_lent_in_vain_is_given_up() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| {
        (config.io_threads, config.body_memory) = (1, 2_000_000);
    });
    for (upload, size, has_fills) in [
        (chunked(&pattern(500_000), 70_000), 500_000, false),
        ([head(500_000).as_bytes(), &pattern(500_000)].concat(), 100_000, false),
        ([head(LARGE).as_bytes(), &pattern(LARGE)].concat(), LARGE, true),
    ] {
        let memory = Memory::new(size);
        let sending = sends(hand.client(), upload);
        let task = hand.lends(&memory);
        if has_fills {
            let lent = hand.fills(task.id(), &memory);
            assert_eq!(lent.at, LARGE);
            assert!(lent.fills == 1 && lent.pieces > 1, "it goes on in pieces");
            assert!(memory.take() == pattern(LARGE), "another body");
        } else {
            let came = hand.body(task.id(), true);
            assert!(came.body == pattern(500_000), "another body");
        }
        assert!(!memory.is_out());
        hand.answer(task, "up");
        assert_eq!(sending.join().unwrap().reply().text(), "up");
    }
}

#[test]
fn memory_is_given_up_with_its_exchange() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|config| {
        (config.io_threads, config.body_memory) = (1, 2_000_000);
    });
    for round in 0..9 {
        let memory = Memory::new(LARGE);
        let mut client = hand.client();
        client.send(head(LARGE));
        let task = hand.lends(&memory);
        let exchange = task.id();
        client.send(pattern(600_000));
        match round % 3 {
            0 => {
                // Taken back, although the loop still fills it.
                memory.take();
                client.send(pattern(100_000));
                hand.answer(task, "early");
                assert_eq!(client.reply().text(), "early");
            }
            1 => {
                reset(client);
                hand.is_told_that_it_left(exchange);
                hand.say(LaneReply::Response(task));
            }
            _ => {
                drop(client);
                hand.is_told_that_it_left(exchange);
                hand.say(LaneReply::Response(task));
            }
        }
        until("the memory to be given up", || !memory.is_out());
    }
    until_stats(&hand.server, "all to be closed", |stats| stats.connections.open == 0);
    while hand.lane.pop().is_some() {}
    // The room of the loop is free again too.
    let memory = Memory::new(950_000);
    let mut client = hand.client();
    client.send(head(950_000));
    let task = hand.lends(&memory);
    client.send(pattern(950_000));
    let lent = hand.fills(task.id(), &memory);
    assert_eq!((lent.at, lent.fills, lent.pieces), (950_000, 1, 0));
    assert!(memory.take() == pattern(950_000), "another body");
    hand.answer(task, "up");
    assert_eq!(client.reply().text(), "up");
}

/// A client that waits for `100 Continue` gets it, and what it sends then is read into the memory.
#[test]
fn memory_may_be_lent_to_a_client_that_waits() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    let head = head(300_000);
    client.send(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    let memory = Memory::new(300_000);
    let task = hand.lends(&memory);
    assert_eq!(client.reply().status, 100);
    client.send(pattern(300_000));
    let lent = hand.fills(task.id(), &memory);
    assert_eq!((lent.at, lent.fills), (300_000, 1));
    assert!(memory.take() == pattern(300_000), "another body");
    hand.answer(task, "up");
    assert_eq!(client.reply().text(), "up");
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

/// A body in pieces, of which the lane has all but the end when its window is full.
#[test]
fn the_end_of_a_body_comes_when_the_lane_has_taken_enough() {
    let _bounded = bounded(LIMIT);
    let mut hand = Hand::new(|_| {});
    let mut client = hand.client();
    for size in [262_144, 262_145, 300_000, 330_000] {
        client.send(head(size));
        let task = hand.next_task();
        client.send(pattern(size));
        let mut came = Vec::new();
        // Nothing is taken before the window is full.
        while came.len() < 262_144 {
            let LaneEvent::Body(_, data) = hand.event() else { panic!("another event") };
            came.extend_from_slice(&data);
        }
        hand.say(LaneReply::Pull(task.id(), came.len()));
        came.append(&mut hand.body(task.id(), true).body);
        assert!(came == pattern(size), "another body");
        hand.answer(task, "up");
        assert_eq!(client.reply().text(), "up");
    }
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
    hand.say(LaneReply::Collect(exchange, None));
    hand.answer(task, "get");
    hand.say(LaneReply::Collect(exchange, None));
    assert_eq!(client.reply().text(), "get");
    client.send(post("/lane/up", &pattern(100_000)));
    let task = hand.next_task();
    let came = hand.body(task.id(), true);
    hand.say(LaneReply::Collect(task.id(), None));
    assert!(came.body == pattern(100_000), "another body");
    hand.answer(task, "up");
    assert_eq!(client.reply().text(), "up");
}
