//! WebSockets between scripted clients and a lane, over links of every kind: every message comes
//! back once and in its order, every ping is answered, what is published comes in the order of its
//! publisher, and nothing is held when all is over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use reactor_proto::ws::{
    Assembler, Decoder, Deflater, Event, Frame, Inflater, Kind, Limits, Role, close_masked,
};

use crate::conn::protocol::Protocol;
use crate::dispatch::app::{App, Target};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply, Outgoing, OutgoingKind};
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::{Publication, Publishing, Topics};
use crate::event_loop::clock::Clock;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::body::WINDOW;
use crate::exchange::handler::Handler;
use crate::exchange::id::{ConnId, ExchangeId};
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::socket::{Compression, SocketSettings};
use crate::observe::counters::LoopCounters;
use crate::sim::handshakes::Steps;
use crate::sim::rng::Rng;
use crate::sim::variable;
use crate::sim::wire::{Faults, Reasons, SimTransport, Wire};
use crate::sim::world::turn::link;

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 300;

const OFFER: &str = "GET /chat HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n\
     Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// How a client's script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// With a close frame of its own.
    Closes,
    /// It waits for the lane's close frame, and answers it with the end of its bytes.
    Waits,
    /// With the end of its bytes.
    Leaves,
    /// With a frame that breaks the rules.
    Breaks,
}

struct Client {
    wire: Rc<RefCell<Wire>>,
    token: u64,
    messages: Vec<Vec<u8>>,
    pings: Vec<Vec<u8>>,
    ends: Ends,
}

/// A socket as the lane has it.
struct Held {
    id: ExchangeId,
    untaken: usize,
    got: usize,
    closes_after: Option<usize>,
    is_paused: bool,
    is_moving: bool,
    has_closed: bool,
}

struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    reactor: Reactor<SimTransport>,
    counters: Arc<CachePadded<LoopCounters>>,
    topics: Arc<Topics>,
    settings: Arc<SocketSettings>,
    clients: Vec<Client>,
    lane: Arc<Lane>,
    held: BTreeMap<u32, Held>,
    ended: usize,
    published: u32,
    /// Handed over, and not adopted.
    moves: Vec<ExchangeId>,
    steps: Steps,
    dies: usize,
    has_died: bool,
}

/// What a client sends: the handshake and frames.
struct Script {
    input: Vec<u8>,
    messages: Vec<Vec<u8>>,
    pings: Vec<Vec<u8>>,
}

fn script(rng: &mut Rng, ends: Ends, may_compress: bool) -> Script {
    let compresses = may_compress && rng.percent(50);
    let extensions =
        if compresses { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let mut input = format!("{OFFER}{extensions}\r\n").into_bytes();
    let (mut messages, mut pings) = (Vec::new(), Vec::new());
    let mut deflater = Deflater::shared(1, 15);
    let most = *rng.pick(&[3, 60]);
    for number in 0..rng.below(most) {
        let longest = *rng.pick(&[10, 300, 70_000, 300_000]);
        let length = rng.size(longest);
        // The first byte tells echoes from what is published.
        let message: Vec<u8> = std::iter::once(b'e')
            .chain((0..length).map(|at| b'a' + ((at + number) % 23) as u8))
            .collect();
        let key = [rng.below(256) as u8, 7, 9, 200];
        let is_text = rng.percent(50);
        let kind = if is_text { Frame::TEXT } else { Frame::BINARY };
        if compresses && rng.percent(50) {
            let mut payload = Vec::new();
            assert!(deflater.message(&message, &mut payload));
            kind.compressed().write_masked(&mut input, key, &payload);
        } else {
            let mut rest = &message[..];
            let mut kind = kind;
            while rng.percent(40) {
                let (piece, others) = rest.split_at(rng.below(rest.len() + 1));
                kind.unfinished().write_masked(&mut input, key, piece);
                (kind, rest) = (Frame::CONTINUATION, others);
                if rng.percent(30) {
                    pings.push(vec![b'p'; rng.below(126)]);
                    Frame::PING.write_masked(&mut input, key, &pings[pings.len() - 1]);
                }
            }
            kind.write_masked(&mut input, key, rest);
        }
        messages.push(message);
        if rng.percent(20) {
            pings.push(vec![pings.len() as u8; rng.below(126)]);
            Frame::PING.write_masked(&mut input, key, &pings[pings.len() - 1]);
        }
    }
    match ends {
        Ends::Closes => close_masked(&mut input, [1; 4], Some(1000), "done"),
        Ends::Breaks => input.extend_from_slice(&[0x83, 0]),
        Ends::Waits | Ends::Leaves => {}
    }
    Script { input, messages, pings }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
        let topics = Topics::new(1);
        let settings = Settings {
            io_thread: 0,
            io_threads: 1,
            http1: true,
            http2: true,
            extended_connect: true,
            limits: reactor_proto::Limits::default(),
            timeouts: Timeouts::default(),
            body_memory: 1 << 30,
            request_timeout: rng.pick(&[None, Some(1_000)]).map(Duration::from_millis),
            in_flight: None,
            send_budget: SendBudget::default(),
            announce: Announce::default(),
            stream_small_bodies: false,
            secured: Secured::default(),
            entrances: Arc::new([]),
            topics: Arc::clone(&topics),
            compress: None,
            health: Arc::default(),
        };
        let stats: Arc<dyn Handler> = Arc::new(|_: &Request, _: &mut Response| {});
        let mut clock = Clock::new();
        clock.set(0, 0);
        let mut app = App::new();
        app.route(None, "/chat", Target::Lane(0)).unwrap();
        let table = app.compile(&stats, None);
        let mut reactor = Reactor::new(settings, table, counters.clone(), clock);
        let lane = Lane::new(*rng.pick(&[1, 3, 1_000]), || {});
        reactor.set_lanes(vec![Some(lane.clone())]);
        let now = Rc::new(Cell::new(0));
        let reasons = Reasons::new(counters.clone());
        let (toys, tls) = (*rng.pick(&[0, 100]), *rng.pick(&[0, 100]));
        let compression = *rng.pick(&[Compression::Off, Compression::Shared]);
        let mut clients = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let ends = *rng.pick(&[Ends::Closes, Ends::Waits, Ends::Leaves, Ends::Breaks]);
            let Script { input, messages, pings } =
                script(&mut rng, ends, compression == Compression::Shared);
            let faults = Faults {
                short_read: *rng.pick(&[0, 30]),
                short_write: *rng.pick(&[0, 30]),
                interrupted: *rng.pick(&[0, 10]),
            };
            let capacity = *rng.pick(&[50, 3_000, 100_000]);
            let own = Rng::new(rng.next());
            let wire = Rc::new(RefCell::new(Wire::new(input, capacity, faults, own, &now)));
            let io = SimTransport { wire: wire.clone(), reasons: reasons.clone() };
            let link = link(io, &mut rng, toys, tls, Duration::from_secs(3600));
            let token = reactor.insert_with(link, Protocol::Sniff, None);
            clients.push(Client { wire, token, messages, pings, ends });
        }
        let settings = SocketSettings {
            compression,
            threshold: 0,
            idle: *rng.pick(&[None, Some(Duration::from_secs(20))]),
            tells_pings: rng.percent(30),
            ..SocketSettings::default()
        };
        Self {
            now,
            reactor,
            counters,
            topics,
            settings: Arc::new(settings),
            clients,
            lane,
            held: BTreeMap::new(),
            ended: 0,
            published: 0,
            moves: Vec::new(),
            steps: Steps::new(rng.clone()),
            dies: *rng.pick(&[0, 0, 5]),
            has_died: false,
            rng,
        }
    }

    fn deliver(&mut self, all: bool) {
        for client in &self.clients {
            let mut wire = client.wire.borrow_mut();
            let left = wire.input.len() - wire.arrived;
            let n = if all { left } else { self.rng.size(left) };
            if n > 0 || wire.handshakes() {
                wire.deliver(n);
            }
            let ends = client.ends == Ends::Leaves && wire.taken > 0 && self.rng.percent(20);
            if n == left && !wire.eof && (ends || wire.shut_at.is_some() && all) {
                wire.send_eof();
            }
            // The close frame of the lane is the last that it sends.
            let is_closed = wire.output.ends_with(CLOSE);
            if n == left && !wire.eof && client.ends == Ends::Waits && is_closed && all {
                wire.send_eof();
            }
            let unread = wire.output.len() - wire.taken;
            let n = if all { unread } else { self.rng.below(unread + 1) };
            wire.take(n);
        }
    }

    fn turn(&mut self) {
        self.reactor.services.clock.set(self.now.get(), 0);
        self.steps.replies(&mut self.reactor);
        for index in 0..self.clients.len() {
            let token = self.clients[index].token;
            let event = {
                let mut wire = self.clients[index].wire.borrow_mut();
                (wire.closed.is_none() && std::mem::take(&mut wire.edge)).then(|| {
                    let ready = wire.ready();
                    wire.notify(ready);
                    ready
                })
            };
            if let Some(ready) = event {
                self.reactor.ready(token, ready);
            }
        }
        self.reactor.go_on_listed();
        self.reactor.expire();
        self.steps.post(&mut self.reactor);
        self.reactor.post_lanes();
        self.reactor.flush_dirty();
        for (_, conn) in &self.reactor.conns {
            assert!(!conn.core.listed.dirty, "replies are forgotten");
            let phase = conn.current_phase();
            assert_eq!(conn.core.timer.phase, phase, "the timer is for another phase");
        }
    }

    /// The lane's thread gets on.
    fn work(&mut self, all: bool) {
        self.steps.work(all);
        let mut events = VecDeque::new();
        self.lane.take(&mut events);
        let requests = events.iter().filter(|e| matches!(e, LaneEvent::Request(_))).count();
        self.lane.begun(requests);
        for event in events {
            let id = event.id();
            let weight = match &event {
                LaneEvent::Message(_, _, data)
                | LaneEvent::Ping(_, data)
                | LaneEvent::Pong(_, data) => LaneEvent::weight(data.len()),
                _ => 0,
            };
            if let LaneEvent::Request(exchange) = event {
                self.open(exchange);
                continue;
            }
            let held = self.held.get_mut(&id.conn.generation).expect("it is open");
            held.untaken += weight;
            assert!(held.untaken < WINDOW + 400_000, "more than the window");
            match event {
                LaneEvent::Message(_, is_text, data) => {
                    held.got += 1;
                    let kind = if is_text { OutgoingKind::Text } else { OutgoingKind::Binary };
                    let message = Outgoing { kind, compress: true, data };
                    self.reactor.lane_reply(LaneReply::Message(id, message));
                }
                LaneEvent::SocketClosed(..) => {
                    self.held.remove(&id.conn.generation);
                    self.lane.answered(1);
                    self.ended += 1;
                }
                LaneEvent::SocketEnds(_) => self.reactor.lane_reply(LaneReply::Answered(id)),
                LaneEvent::SocketMoved(_) => {
                    // The other lane has the same thread here.
                    held.untaken = 0;
                    self.moves.push(id);
                }
                LaneEvent::Ping(..) | LaneEvent::Pong(..) | LaneEvent::Unsent(..) => {}
                _ => panic!("no other event belongs here"),
            }
        }
        self.reply(all);
    }

    fn open(&mut self, mut exchange: crate::dispatch::lane::exchange::Exchange) {
        let id = exchange.id();
        exchange.upgrade(&self.settings).expect("it asks for one");
        self.reactor.lane_reply(LaneReply::Response(exchange));
        let of = |client: &&Client| ConnId::of_token(client.token) == id.conn;
        let client = self.clients.iter().find(of).expect("a client has asked");
        let closes_after = (client.ends == Ends::Waits).then_some(client.messages.len());
        let held = Held {
            id,
            untaken: 0,
            got: 0,
            closes_after,
            is_paused: false,
            is_moving: false,
            has_closed: false,
        };
        assert!(self.held.insert(id.conn.generation, held).is_none(), "it comes twice");
        if self.rng.percent(50) {
            let topic = self.topics.enter(b"news", 0);
            self.reactor.lane_reply(LaneReply::Subscribe(id, topic));
        }
    }

    /// Adopts what was handed over.
    fn adopt(&mut self, all: bool) {
        let mut waiting = std::mem::take(&mut self.moves);
        waiting.retain(|&id| {
            if !all && self.rng.percent(50) {
                return true;
            }
            if let Some(held) = self.held.get_mut(&id.conn.generation) {
                held.is_moving = false;
                self.reactor.lane_reply(LaneReply::Adopt(id, self.lane.key()));
            }
            false
        });
        self.moves.append(&mut waiting);
    }

    fn reply(&mut self, all: bool) {
        self.adopt(all);
        for held in self.held.values_mut() {
            if !all && self.rng.percent(50) {
                continue;
            }
            let n = if all { held.untaken } else { self.rng.below(held.untaken + 1) };
            if n > 0 {
                held.untaken -= n;
                self.reactor.lane_reply(LaneReply::Pull(held.id, n));
            }
            if !all && !held.is_moving && self.rng.percent(3) {
                held.is_moving = true;
                held.is_paused = false;
                self.reactor.lane_reply(LaneReply::HandOver(held.id));
            }
            if held.is_moving {
                continue;
            }
            let pauses = !all && self.rng.percent(20);
            if std::mem::replace(&mut held.is_paused, pauses) != pauses {
                self.reactor.lane_reply(LaneReply::Pause(held.id, pauses));
            }
            let closes = held.closes_after.is_some_and(|after| held.got >= after);
            if closes && !std::mem::replace(&mut held.has_closed, true) {
                let reply = LaneReply::CloseSocket(held.id, Some(1000), "bye".to_owned());
                self.reactor.lane_reply(reply);
            }
        }
        if !all
            && self.rng.percent(30)
            && let Some(topic) = self.topics.find(b"news")
        {
            let data = format!("n{:08}{}", self.published, "x".repeat(self.rng.size(20_000)));
            self.published += 1;
            let how = Publishing {
                is_text: true,
                compress: true,
                latest: self.rng.percent(10),
                except: None,
            };
            let publication = Publication::new(topic, data.as_bytes(), how);
            let every = ExchangeId::of_connection(0, u32::MAX, 0);
            self.reactor.lane_reply(LaneReply::Publish(every, publication));
        }
    }

    fn die(&mut self) {
        self.has_died = true;
        let lane = Lane::new(1_000, || {});
        let old = std::mem::replace(&mut self.lane, lane.clone());
        self.held.clear();
        self.moves.clear();
        self.reactor.set_lanes(vec![Some(lane)]);
        let mut events = VecDeque::new();
        old.take(&mut events);
        for event in events {
            if let LaneEvent::Request(exchange) = event {
                self.reactor.lane_reply(LaneReply::Response(exchange));
            }
        }
    }

    fn run(&mut self) {
        for _ in 0..self.rng.between(10, 300) {
            if self.rng.below(1_000) < self.dies {
                self.die();
            }
            match self.rng.below(4) {
                0 => self.deliver(false),
                1 => self.work(false),
                2 => self.now.set(self.now.get() + self.rng.size(100) as u64),
                _ => {}
            }
            self.turn();
        }
        for _ in 0..30_000 {
            self.deliver(true);
            self.work(true);
            self.turn();
            if self.reactor.connections() == 0 {
                break;
            }
            self.now.set(self.now.get() + 10);
        }
        for _ in 0..10 {
            self.turn();
            self.work(true);
        }
        assert_eq!(self.reactor.connections(), 0, "connections are left");
        assert!(self.held.is_empty(), "the lane was not told of an end");
        assert!(self.has_died || self.ended == self.clients.len(), "ends are missing");
        let (given, left) = (&self.counters.handlers_given, &self.counters.handlers_left);
        assert_eq!(given.get(), left.get(), "requests are still at handlers");
        let memory = &self.reactor.services.memory;
        assert_eq!((memory.streamed, memory.rests), (0, 0), "memory is held");
        assert!(self.topics.find(b"news").is_none(), "a topic is left");
        let sockets = &self.counters.sockets;
        assert_eq!(sockets.opened.get(), sockets.closed.get(), "sockets are open");
        for (index, client) in self.clients.iter().enumerate() {
            let seen = Seen::of(&client.wire.borrow().output);
            seen.check(client, self.has_died).unwrap_or_else(|why| panic!("client {index}: {why}"));
        }
    }
}

/// The close frame of the lane.
const CLOSE: &[u8] = &[0x88, 5, 0x03, 0xe8, b'b', b'y', b'e'];

/// What a client has got.
#[derive(Default)]
struct Seen {
    echoes: Vec<Vec<u8>>,
    published: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    close: Option<Option<u16>>,
}

impl Seen {
    fn of(output: &[u8]) -> Self {
        let mut seen = Self::default();
        let Some(end) = output.windows(4).position(|four| four == b"\r\n\r\n") else { return seen };
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 101 ") {
            return seen;
        }
        let deflates = head.contains("permessage-deflate");
        let mut decoder = Decoder::new(Role::Client, deflates);
        let mut assembler = Assembler::default();
        let mut inflater = Inflater::shared();
        let mut input = output[end + 4..].to_vec();
        let mut at = 0;
        let limits = Limits::default();
        loop {
            let (used, event) = decoder.decode(&mut input[at..], &limits).expect("it is right");
            at += used;
            match event {
                Event::Incomplete => break,
                Event::Data(data) => {
                    let Some(whole) = assembler.push(data) else { continue };
                    let mut bytes = Vec::new();
                    if whole.compressed {
                        let kind = Kind::Binary;
                        inflater
                            .message(kind, whole.bytes, &mut bytes, &limits)
                            .expect("it is right");
                    } else {
                        bytes.extend_from_slice(whole.bytes);
                    }
                    assembler.clear();
                    let list =
                        if bytes[0] == b'e' { &mut seen.echoes } else { &mut seen.published };
                    list.push(bytes);
                }
                Event::Ping(_) => {}
                Event::Pong(payload) => seen.pongs.push(payload.to_vec()),
                Event::Close(close) => seen.close = Some(close.code),
            }
        }
        seen
    }

    /// Nothing is wrong, and all is there where the socket has come to its own end.
    fn check(&self, client: &Client, has_died: bool) -> Result<(), String> {
        let (echoes, messages) = (&self.echoes, &client.messages);
        if *echoes != messages[..echoes.len().min(messages.len())] {
            return Err("echoes are not what was sent".to_owned());
        }
        let pongs = self.pongs.len();
        if pongs > client.pings.len() || self.pongs != client.pings[..pongs] {
            return Err("pongs are not what was asked".to_owned());
        }
        if !self.published.is_sorted() {
            return Err("what was published is out of order".to_owned());
        }
        let mut unique = self.published.clone();
        unique.dedup();
        if unique.len() != self.published.len() {
            return Err("something published came twice".to_owned());
        }
        if has_died {
            return Ok(());
        }
        let expected = match client.ends {
            Ends::Waits => Some(Some(1000)),
            Ends::Closes => Some(Some(1000)),
            Ends::Breaks => Some(Some(1002)),
            // It has gone, and gets what is under way at the most.
            Ends::Leaves => return Ok(()),
        };
        if self.close != expected {
            return Err(format!("it ends with {:?}, not {expected:?}", self.close));
        }
        // Behind the lane's close frame no ping is answered.
        if pongs != client.pings.len() && client.ends != Ends::Waits {
            return Err(format!("{pongs} of {} pongs", client.pings.len()));
        }
        if echoes.len() != messages.len() {
            return Err(format!("{} of {} echoes", echoes.len(), messages.len()));
        }
        Ok(())
    }
}

#[test]
fn sockets_get_every_message_and_every_ping_is_answered() {
    let base = variable("REACTOR_SIM_BASE").unwrap_or(0);
    let seeds = match variable("REACTOR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => base..base + variable("REACTOR_SIM_RUNS").map_or(RUNS, |runs| runs / 10 + 1),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        if let Err(panic) = run {
            eprintln!("failed with REACTOR_SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
