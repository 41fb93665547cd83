//! Connections that a lane takes over, over links of every kind: all bytes come through in both
//! directions, in their order, and each side hears of the other's end.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::conn::protocol::Protocol;
use crate::dispatch::app::{App, Target};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::body::WINDOW;
use crate::exchange::handler::Handler;
use crate::exchange::id::ExchangeId;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::observe::counters::LoopCounters;
use crate::sim::handshakes::Steps;
use crate::sim::rng::Rng;
use crate::sim::variable;
use crate::sim::wire::{Faults, Reasons, SimTransport, Wire};
use crate::sim::world::turn::link;

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 300;

const OFFER: &[u8] =
    b"GET /pipe HTTP/1.1\r\nHost: sim\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";

/// What the lane answers by itself.
const TAKEN: &[u8] = b"HTTP/1.1 101 Mine\r\n\r\n";

struct Client {
    wire: Rc<RefCell<Wire>>,
    token: u64,
    /// What it sends behind its request.
    bytes: Vec<u8>,
    /// It ends its side when all is sent. Otherwise the lane ends first.
    leaves: bool,
}

/// A connection as the lane has it.
struct Held {
    id: ExchangeId,
    rest: VecDeque<u8>,
    /// Bytes that were told and not pulled.
    unpulled: usize,
    credit: usize,
    got: usize,
    /// What it expects, if it ends its side before the client does.
    ends_after: Option<usize>,
    has_ended: bool,
    client_ended: bool,
}

struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    reactor: Reactor<SimTransport>,
    counters: Arc<CachePadded<LoopCounters>>,
    clients: Vec<Client>,
    lane: Arc<Lane>,
    held: BTreeMap<u32, Held>,
    /// Exchanges that the lane was told are over.
    gone: usize,
    steps: Steps,
    /// Of steps, in a thousand: the thread goes.
    dies: usize,
    has_died: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
        let settings = Settings {
            io_thread: 0,
            io_threads: 1,
            http1: true,
            http2: true,
            extended_connect: true,
            limits: reactor_proto::Limits::default(),
            timeouts: Timeouts::default(),
            body_memory: *rng.pick(&[1 << 30, 100_000]),
            request_timeout: rng.pick(&[None, Some(1_000)]).map(Duration::from_millis),
            in_flight: None,
            send_budget: SendBudget::default(),
            announce: Announce::default(),
            stream_small_bodies: false,
            secured: Secured::default(),
            entrances: Arc::new([]),
            topics: Topics::new(1),
            compress: None,
            health: Arc::default(),
        };
        let stats: Arc<dyn Handler> = Arc::new(|_: &Request, _: &mut Response| {});
        let mut clock = Clock::new();
        clock.set(0, 0);
        let mut app = App::new();
        app.route(None, "/pipe", Target::Lane(0)).unwrap();
        let table = app.compile(&stats, None);
        let mut reactor = Reactor::new(settings, table, counters.clone(), clock);
        let lane = Lane::new(*rng.pick(&[1, 3, 1_000]), || {});
        reactor.set_lanes(vec![Some(lane.clone())]);
        let now = Rc::new(Cell::new(0));
        let reasons = Reasons::new(counters.clone());
        let toys = *rng.pick(&[0, 100]);
        let tls = *rng.pick(&[0, 100]);
        let mut clients = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let longest = *rng.pick(&[100, 5_000, 600_000]);
            let length = rng.size(longest);
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let input = [OFFER, &bytes].concat();
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
            let leaves = rng.percent(50);
            clients.push(Client { wire, token, bytes, leaves });
        }
        Self {
            now,
            reactor,
            counters,
            clients,
            lane,
            held: BTreeMap::new(),
            gone: 0,
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
            // Before the answer, an end would mean that the client has left.
            let is_taken = wire.taken >= TAKEN.len();
            if n == left && client.leaves && is_taken && !wire.eof && self.rng.percent(20) {
                wire.send_eof();
            }
            // A client that is told that nothing follows says no more either.
            if n == left && !wire.eof && wire.shut_at.is_some() && all {
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
            assert_eq!(
                conn.core.timer.phase,
                conn.current_phase(),
                "the timer is for another phase"
            );
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
            match event {
                LaneEvent::Request(mut exchange) => {
                    exchange.response().pipe();
                    self.reactor.lane_reply(LaneReply::Response(exchange));
                    self.lane.answered(1);
                    let rest = TAKEN.iter().copied().collect();
                    let client = self.clients.iter().find(|one| is_of(one.token, id));
                    let client = client.expect("a client has asked");
                    let ends_after = (!client.leaves).then_some(client.bytes.len());
                    let held = Held {
                        id,
                        rest,
                        unpulled: 0,
                        credit: WINDOW,
                        got: 0,
                        ends_after,
                        has_ended: false,
                        client_ended: false,
                    };
                    assert!(self.held.insert(id.conn.generation, held).is_none(), "it comes twice");
                }
                LaneEvent::Body(_, data) => {
                    let held = self.held.get_mut(&id.conn.generation).expect("it is open");
                    assert!(!held.client_ended, "bytes behind the end");
                    held.unpulled += data.len();
                    assert!(held.unpulled < WINDOW + 200_000, "more than the window");
                    held.got += data.len();
                    held.rest.extend(&data);
                }
                LaneEvent::BodyEnd(_) => {
                    self.held.get_mut(&id.conn.generation).expect("it is open").client_ended = true;
                }
                LaneEvent::Ack(_, bytes) => {
                    let held = self.held.get_mut(&id.conn.generation).expect("it is open");
                    held.credit += bytes;
                    assert!(held.credit <= WINDOW, "more is acknowledged than was said");
                }
                LaneEvent::Gone(_) => {
                    self.held.remove(&id.conn.generation).expect("it is open");
                    self.gone += 1;
                }
                _ => panic!("no other event belongs here"),
            }
        }
        for held in self.held.values_mut() {
            if !all && self.rng.percent(50) {
                continue;
            }
            let n = if all { held.unpulled } else { self.rng.below(held.unpulled + 1) };
            if n > 0 {
                held.unpulled -= n;
                self.reactor.lane_reply(LaneReply::Pull(held.id, n));
            }
            let most = held.rest.len().min(held.credit);
            if most > 0 {
                let n = if all { most } else { self.rng.between(1, most) };
                held.credit -= n;
                let piece: Vec<u8> = held.rest.drain(..n).collect();
                self.reactor.lane_reply(LaneReply::Chunk(held.id, piece));
            }
            let is_done = held.client_ended || held.ends_after.is_some_and(|all| held.got >= all);
            if is_done && held.rest.is_empty() && !std::mem::replace(&mut held.has_ended, true) {
                self.reactor.lane_reply(LaneReply::End(held.id));
            }
        }
    }

    fn run(&mut self) {
        for _ in 0..self.rng.between(10, 300) {
            if self.rng.below(1_000) < self.dies {
                self.has_died = true;
                let lane = Lane::new(1_000, || {});
                let old = std::mem::replace(&mut self.lane, lane.clone());
                self.held.clear();
                self.reactor.set_lanes(vec![Some(lane)]);
                let mut events = VecDeque::new();
                old.take(&mut events);
                for event in events {
                    if let LaneEvent::Request(exchange) = event {
                        self.reactor.lane_reply(LaneReply::Response(exchange));
                    }
                }
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
        for (index, client) in self.clients.iter().enumerate() {
            let wire = client.wire.borrow();
            if self.has_died && wire.output != [TAKEN, &client.bytes].concat() {
                continue;
            }
            let expected = [TAKEN, &client.bytes].concat();
            assert!(
                wire.output == expected,
                "client {index}: {} of {} bytes, closed {:?}, arrived {} of {}, eof {}",
                wire.output.len(),
                expected.len(),
                wire.closed,
                wire.arrived,
                wire.input.len(),
                wire.eof
            );
        }
        assert_eq!(self.reactor.connections(), 0, "connections are left");
        assert!(self.held.is_empty(), "the lane was not told of an end");
        assert!(self.has_died || self.gone == self.clients.len(), "ends are missing");
        let (given, left) = (&self.counters.handlers_given, &self.counters.handlers_left);
        assert_eq!(given.get(), left.get(), "requests are still at handlers");
        let memory = &self.reactor.services.memory;
        assert_eq!((memory.streamed, memory.rests), (0, 0), "memory is held");
    }
}

fn is_of(token: u64, id: ExchangeId) -> bool {
    crate::exchange::id::ConnId::of_token(token) == id.conn
}

#[test]
fn a_lane_that_takes_a_connection_over_gets_and_sends_every_byte() {
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
