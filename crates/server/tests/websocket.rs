//! WebSockets between real clients and a lane's thread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reactor_proto::ws::{self, Assembler, Decoder, Event, Frame, Kind, Limits, Role};
use reactor_server::{
    Address, App, Config, Endpoint, ExchangeId, Lane, LaneEvent, LaneReply, Listen, Outgoing,
    OutgoingKind, Publishing, Server, SocketEnd, SocketSettings, Stop, Target, WhenFull,
};

/// A server whose one lane echoes messages. `"pub TOPIC TEXT"` and the like do as they say.
struct World {
    server: Server,
    port: u16,
    lane: Arc<Lane>,
    ends: Arc<std::sync::Mutex<Vec<SocketEnd>>>,
    stops: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl World {
    fn new(io_threads: usize, settings: SocketSettings) -> Self {
        let (wake, woken) = crossbeam_channel::bounded::<()>(1);
        let lane = Lane::new(100, move || {
            let _ = wake.try_send(());
        });
        let mut app = App::new();
        app.route(None, "/*", Target::Lane(0)).expect("a route");
        let listen = Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        let server = Server::start(Config {
            app,
            listen: vec![Endpoint::from(listen)],
            io_threads,
            lanes: vec![lane.clone()],
            ..Config::default()
        })
        .expect("it starts");
        let Address::Tcp(address) = server.address().clone() else { panic!("no port") };
        let ends = Arc::default();
        let stops = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let (lane, ends, stops) = (lane.clone(), Arc::clone(&ends), Arc::clone(&stops));
            let settings = Arc::new(settings);
            move || serve(&lane, &settings, &ends, &stops, &woken)
        });
        Self { server, port: address.port(), lane, ends, stops, thread: Some(thread) }
    }

    fn connect(&self) -> Client {
        Client::new(self.port, "")
    }

    fn end(&self) -> SocketEnd {
        let limit = Instant::now() + Duration::from_secs(20);
        while Instant::now() < limit {
            if let Some(end) = self.ends.lock().expect("no panic").pop() {
                return end;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("the lane was not told of an end");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the lane's thread has not failed");
        }
        self.lane.close();
        self.server.stop(Stop::Force);
    }
}

fn serve(
    lane: &Lane,
    settings: &Arc<SocketSettings>,
    ends: &std::sync::Mutex<Vec<SocketEnd>>,
    stops: &AtomicBool,
    woken: &crossbeam_channel::Receiver<()>,
) {
    let mut replies = lane.replies().expect("a server has it");
    while !stops.load(Ordering::Relaxed) {
        lane.turn();
        let mut any = false;
        while let Some(event) = lane.pop() {
            any = true;
            match event {
                LaneEvent::Request(mut exchange) => {
                    if let Err(refusal) = exchange.upgrade(settings) {
                        exchange.response().status(refusal.status).expect("a status");
                        exchange.response().body(&refusal.text);
                        lane.answered(1);
                    }
                    replies.push(LaneReply::Response(exchange));
                }
                LaneEvent::Message(id, is_text, data) => {
                    replies.push(LaneReply::Pull(id, LaneEvent::weight(data.len())));
                    message(id, is_text, data, &mut replies);
                }
                LaneEvent::SocketEnds(id) => replies.push(LaneReply::Answered(id)),
                LaneEvent::SocketClosed(_, end) => {
                    lane.answered(1);
                    ends.lock().expect("no panic").push(*end);
                }
                _ => {}
            }
        }
        lane.flush(&mut replies);
        if !any && lane.rest() {
            let _ = woken.recv_timeout(Duration::from_millis(5));
            lane.awake();
        }
    }
}

fn message(
    id: ExchangeId,
    is_text: bool,
    data: Vec<u8>,
    replies: &mut reactor_server::LaneReplies,
) {
    let text = String::from_utf8_lossy(&data).into_owned();
    let words: Vec<_> = text.splitn(3, ' ').collect();
    match words[..] {
        ["sub", topic] => replies.subscribe(id, topic.as_bytes()),
        ["unsub", topic] => replies.push(LaneReply::Unsubscribe(id, topic.into())),
        ["pub", topic, text] => {
            let how = Publishing { is_text: true, except: Some(id), ..Publishing::default() };
            replies.publish(topic.as_bytes(), text.as_bytes(), how);
        }
        ["latest", topic, text] => {
            let how = Publishing { is_text: true, latest: true, ..Publishing::default() };
            replies.publish(topic.as_bytes(), text.as_bytes(), how);
        }
        ["close", code] => {
            let code = code.parse().ok();
            replies.push(LaneReply::CloseSocket(id, code, "bye".to_owned()));
        }
        ["end"] => replies.push(LaneReply::Abort(id)),
        ["sleep", millis] => {
            thread::sleep(Duration::from_millis(millis.parse().expect("a number")));
        }
        _ => {
            let kind = if is_text { OutgoingKind::Text } else { OutgoingKind::Binary };
            replies.push(LaneReply::Message(id, Outgoing { kind, compress: true, data }));
        }
    }
}

/// A client that blocks.
struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    assembler: Assembler,
    head: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    End,
}

impl Client {
    fn new(port: u16, fields: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let head = format!(
            "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("it is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        Self {
            stream,
            decoder: Decoder::new(Role::Client, false),
            input: Vec::new(),
            assembler: Assembler::default(),
            head,
        }
    }

    fn send(&mut self, frame: Frame, data: &[u8]) {
        let mut bytes = Vec::new();
        frame.write_masked(&mut bytes, [1, 2, 3, 4], data);
        self.stream.write_all(&bytes).expect("it is sent");
    }

    fn text(&mut self, text: &str) {
        self.send(Frame::TEXT, text.as_bytes());
    }

    fn get(&mut self) -> Got {
        let limits = Limits { message: 1 << 30, ..Limits::default() };
        loop {
            let (used, event) = self.decoder.decode(&mut self.input, &limits).expect("it is right");
            let got = match event {
                Event::Incomplete => None,
                Event::Data(data) => self.assembler.push(data).map(|whole| match whole.kind {
                    Kind::Text => Got::Text(String::from_utf8_lossy(whole.bytes).into_owned()),
                    Kind::Binary => Got::Binary(whole.bytes.to_vec()),
                }),
                Event::Ping(_) => Some(Got::Ping),
                Event::Pong(payload) => Some(Got::Pong(payload.to_vec())),
                Event::Close(close) => Some(Got::Close(close.code, close.reason.to_owned())),
            };
            let waits = matches!(event, Event::Incomplete);
            self.input.drain(..used);
            if let Some(got) = got {
                return got;
            }
            if waits {
                let mut room = vec![0; 65_536];
                let n = self.stream.read(&mut room).unwrap_or(0);
                if n == 0 {
                    return Got::End;
                }
                self.input.extend_from_slice(&room[..n]);
            }
        }
    }
}

#[test]
fn messages_are_echoed_and_the_close_handshake_is_kept() {
    let world = World::new(1, SocketSettings::default());
    let mut client = world.connect();
    assert!(client.head.starts_with("HTTP/1.1 101 "), "{}", client.head);
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(client.head.contains(accept), "{}", client.head);
    assert!(client.head.to_lowercase().contains("connection: upgrade\r\n"), "{}", client.head);
    assert!(!client.head.contains("Content-Length"), "{}", client.head);
    client.text("hello");
    assert_eq!(client.get(), Got::Text("hello".to_owned()));
    client.send(Frame::PING, b"are you there");
    assert_eq!(client.get(), Got::Pong(b"are you there".to_vec()));
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.send(Frame::BINARY, &large);
    assert_eq!(client.get(), Got::Binary(large));
    let mut close = Vec::new();
    ws::close_masked(&mut close, [0; 4], Some(3001), "enough");
    client.stream.write_all(&close).expect("it is sent");
    assert_eq!(client.get(), Got::Close(Some(3001), String::new()));
    assert_eq!(client.get(), Got::End);
    let end = SocketEnd { code: 3001, reason: "enough".to_owned(), is_clean: true };
    assert_eq!(world.end(), end);
}

#[test]
fn messages_before_a_close_in_the_same_read_are_answered() {
    let world = World::new(1, SocketSettings::default());
    let mut client = world.connect();
    let mut bytes = Vec::new();
    Frame::TEXT.write_masked(&mut bytes, [1; 4], b"last words");
    ws::close_masked(&mut bytes, [2; 4], Some(1000), "");
    client.stream.write_all(&bytes).expect("it is sent");
    assert_eq!(client.get(), Got::Text("last words".to_owned()));
    assert_eq!(client.get(), Got::Close(Some(1000), String::new()));
    // So are those before a fault.
    let mut client = world.connect();
    bytes.clear();
    Frame::TEXT.write_masked(&mut bytes, [1; 4], b"last words");
    bytes.extend_from_slice(&[0x83, 0x80, 0, 0, 0, 0]);
    client.stream.write_all(&bytes).expect("it is sent");
    assert_eq!(client.get(), Got::Text("last words".to_owned()));
    let Got::Close(Some(1002), _) = client.get() else { panic!("the fault is passed over") };
    // A lane that is blocked does not keep the client for long.
    let mut client = world.connect();
    bytes.clear();
    Frame::TEXT.write_masked(&mut bytes, [1; 4], b"sleep 3000");
    ws::close_masked(&mut bytes, [2; 4], Some(1000), "");
    let begun = Instant::now();
    client.stream.write_all(&bytes).expect("it is sent");
    assert_eq!(client.get(), Got::Close(Some(1000), String::new()));
    assert!(begun.elapsed() < Duration::from_millis(2900), "it waits for the lane");
}

#[test]
fn the_program_closes_and_cuts() {
    let world = World::new(1, SocketSettings::default());
    let mut client = world.connect();
    client.text("close 4000");
    assert_eq!(client.get(), Got::Close(Some(4000), "bye".to_owned()));
    let mut close = Vec::new();
    ws::close_masked(&mut close, [0; 4], Some(4000), "");
    client.stream.write_all(&close).expect("it is sent");
    assert_eq!(client.get(), Got::End);
    assert_eq!(world.end(), SocketEnd { code: 4000, reason: String::new(), is_clean: true });
    let mut client = world.connect();
    client.text("end");
    assert_eq!(client.get(), Got::End);
    assert_eq!(world.end().code, 1006);
    drop(world.connect());
    assert_eq!(world.end(), SocketEnd { code: 1006, reason: String::new(), is_clean: false });
}

#[test]
fn a_client_that_breaks_the_rules_is_told_which() {
    let world = World::new(1, SocketSettings::default());
    let mut client = world.connect();
    client.stream.write_all(&[0x81, 0x02, b'a', b'b']).expect("it is sent");
    let Got::Close(Some(1002), _) = client.get() else { panic!("no mask is no fault") };
    assert_eq!(client.get(), Got::End);
    assert_eq!(world.end().code, 1002);
    let mut client = world.connect();
    client.send(Frame::TEXT, &[0xff]);
    let Got::Close(Some(1007), _) = client.get() else { panic!("it is no text") };
}

#[test]
fn pings_are_answered_while_the_lane_is_blocked_and_messages_come_afterwards() {
    let world = World::new(1, SocketSettings::default());
    let mut client = world.connect();
    client.text("sleep 1000");
    thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    for n in 0..100 {
        client.text(&n.to_string());
    }
    client.send(Frame::PING, b"x");
    assert_eq!(client.get(), Got::Pong(b"x".to_vec()));
    assert!(begun.elapsed() < Duration::from_millis(900), "the lane was not blocked any more");
    for n in 0..100 {
        assert_eq!(client.get(), Got::Text(n.to_string()));
    }
}

#[test]
fn topics_span_loops() {
    let world = World::new(3, SocketSettings::default());
    let mut clients: Vec<_> = (0..9).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.text("sub news");
        client.text("ready");
        assert_eq!(client.get(), Got::Text("ready".to_owned()));
    }
    assert_eq!(world.server.subscribers(b"news"), 9);
    clients[0].text("pub news one");
    clients[0].text("pub news two");
    for client in &mut clients[1..] {
        assert_eq!(client.get(), Got::Text("one".to_owned()));
        assert_eq!(client.get(), Got::Text("two".to_owned()));
    }
    let how = Publishing { is_text: true, ..Publishing::default() };
    assert_eq!(world.server.publish(b"news", b"three", how), 9);
    for client in &mut clients {
        assert_eq!(client.get(), Got::Text("three".to_owned()), "the publisher gets only this");
    }
    clients[1].text("unsub news");
    clients[1].text("ready");
    assert_eq!(clients[1].get(), Got::Text("ready".to_owned()));
    assert_eq!(world.server.subscribers(b"news"), 8);
    drop(clients);
    let limit = Instant::now() + Duration::from_secs(20);
    while world.server.subscribers(b"news") > 0 && Instant::now() < limit {
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(world.server.publish(b"news", b"four", how), 0);
}

#[test]
fn a_slow_reader_is_bounded_and_others_are_not_held_up() {
    let most_unsent = 300_000;
    let settings = SocketSettings { most_unsent, ..SocketSettings::default() };
    let world = World::new(1, settings);
    let (mut slow, mut quick) = (world.connect(), world.connect());
    for client in [&mut slow, &mut quick] {
        client.text("sub news");
        client.text("ready");
        assert_eq!(client.get(), Got::Text("ready".to_owned()));
    }
    let how = Publishing { is_text: true, ..Publishing::default() };
    // The kernel takes some MiB of it.
    for n in 0..400 {
        let message = format!("{n:0>50000}");
        world.server.publish(b"news", message.as_bytes(), how);
        assert_eq!(quick.get(), Got::Text(message));
    }
    let mut got = 0;
    slow.stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    while let Got::Text(_) = slow.get() {
        got += 1;
    }
    assert!(got < 400, "nothing was dropped");
    // It goes on with what comes when there is room.
    slow.text("still here");
    assert_eq!(slow.get(), Got::Text("still here".to_owned()));
}

#[test]
fn a_slow_reader_may_be_cut_off() {
    let settings = SocketSettings {
        most_unsent: 300_000,
        when_full: WhenFull::Close,
        ..SocketSettings::default()
    };
    let world = World::new(1, settings);
    let mut slow = world.connect();
    slow.text("sub news");
    slow.text("ready");
    assert_eq!(slow.get(), Got::Text("ready".to_owned()));
    let how = Publishing::default();
    let limit = Instant::now() + Duration::from_secs(20);
    while world.server.publish(b"news", &[7; 50_000], how) > 0 && Instant::now() < limit {
        thread::yield_now();
    }
    assert_eq!(world.end().code, 1006);
}

#[test]
fn of_a_topic_with_only_the_latest_a_slow_reader_gets_the_last() {
    let world = World::new(1, SocketSettings::default());
    let mut slow = world.connect();
    slow.text("sub price");
    slow.text("ready");
    assert_eq!(slow.get(), Got::Text("ready".to_owned()));
    let how = Publishing { is_text: true, latest: true, ..Publishing::default() };
    for n in 0..400 {
        let message = format!("{n:0>50000}");
        world.server.publish(b"price", message.as_bytes(), how);
        thread::sleep(Duration::from_micros(200));
    }
    let (mut got, mut last) = (0, String::new());
    while last != format!("{:0>50000}", 399) {
        let Got::Text(text) = slow.get() else { panic!("the last one is missing") };
        assert!(text > last, "in their order");
        (got, last) = (got + 1, text);
    }
    assert!(got < 400, "nothing was left out");
}

#[test]
fn an_idle_client_is_pinged_and_closed_if_it_says_nothing() {
    let idle = Some(Duration::from_millis(400));
    let world = World::new(1, SocketSettings { idle, ..SocketSettings::default() });
    let mut client = world.connect();
    assert_eq!(client.get(), Got::Ping);
    client.send(Frame::PONG, b"");
    assert_eq!(client.get(), Got::Ping);
    let Got::Close(Some(1001), _) = client.get() else { panic!("it is not closed") };
    let end = world.end();
    assert_eq!((end.code, end.is_clean), (1006, false));
}

#[test]
fn a_message_that_never_ends_is_given_up() {
    let message_timeout = Duration::from_millis(200);
    let world = World::new(1, SocketSettings { message_timeout, ..SocketSettings::default() });
    let mut client = world.connect();
    client.send(Frame::TEXT.unfinished(), b"once upon a time");
    let Got::Close(Some(1008), _) = client.get() else { panic!("it waits on") };
}

#[test]
fn a_server_with_a_successor_asks_clients_to_come_back_one_after_the_other() {
    let world = World::new(2, SocketSettings::default());
    let mut clients: Vec<_> = (0..8).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.text("hello");
        assert_eq!(client.get(), Got::Text("hello".to_owned()));
    }
    world.server.stop(Stop::Retire);
    for client in &mut clients {
        let Got::Close(Some(1012), _) = client.get() else { panic!("it is not told") };
    }
}

#[test]
fn a_stop_tells_clients() {
    let world = World::new(2, SocketSettings::default());
    let mut client = world.connect();
    client.text("hello");
    assert_eq!(client.get(), Got::Text("hello".to_owned()));
    thread::scope(|scope| {
        scope.spawn(|| world.server.stop(Stop::Drain));
        let Got::Close(Some(1001), _) = client.get() else { panic!("it is not told") };
        let mut close = Vec::new();
        ws::close_masked(&mut close, [0; 4], Some(1001), "");
        client.stream.write_all(&close).expect("it is sent");
        assert_eq!(client.get(), Got::End);
    });
}
