//! Clients that send lines, over links of both kinds: workers and lanes answer them in any
//! order, whole or in pieces, and each line gets what it must. Exchanges of one connection are at
//! several lanes. One that is full, silent or replaced holds up no exchange at another.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::Lines;
use crate::conn::connection::Conn;
use crate::conn::protocol::Protocol;
use crate::dispatch::app::{App, Target};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::body::WINDOW;
use crate::exchange::handler::Handler;
use crate::exchange::id::{ConnId, ExchangeId};
use crate::exchange::in_flight::{InFlight, Places};
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::switch::NextProtocol;
use crate::exchange::task::{Outcome, Task};
use crate::observe::counters::LoopCounters;
use crate::observe::observer::Observer;
use crate::sim::handshakes::Steps;
use crate::sim::rng::Rng;
use crate::sim::variable;
use crate::sim::wire::{Faults, Reasons, SimTransport, Wire};
use crate::sim::world::turn::link;

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 300;

struct Client {
    wire: Rc<RefCell<Wire>>,
    token: u64,
    /// What it sends, line by line.
    lines: Vec<Vec<u8>>,
    leaves: bool,
    /// It begins with a request that switches to lines.
    switches: bool,
    /// That request offers to.
    offers: bool,
    /// The program has ended its connection, or the server stops.
    is_finished: bool,
}

struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    reactor: Reactor<SimTransport>,
    counters: Arc<CachePadded<LoopCounters>>,
    clients: Vec<Client>,
    /// With workers.
    running: Vec<Box<Task>>,
    threads: Vec<Thread>,
    /// Bytes of a stream that a thread says before there is credit.
    window: usize,
    /// Threads leave some unanswered until they must.
    is_slow: bool,
    /// Of steps, in a hundred: a thread is replaced by another.
    replaced: u32,
    /// Of tasks, in a hundred: no worker takes it.
    refused: u32,
    /// Of steps, in a thousand: the server stops.
    drains: usize,
    /// Of steps, in a hundred: a person begins to watch, or ends that.
    watches: u32,
    steps: Steps,
    /// Answers that came while another exchange of their connection waited for a full lane.
    met: u64,
}

/// A request whose answer switches to lines. What follows it does not wait for the answer.
const SWITCH: &[u8] =
    b"GET /switch HTTP/1.1\r\nHost: sim\r\nUpgrade: lines\r\nConnection: upgrade\r\n\r\n";

/// The same without an offer to switch: its handler fails.
const NO_OFFER: &[u8] = b"GET /switch HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";

/// Its answer, from the date on.
const SWITCHED: &[u8] = b"GMT\r\nConnection: upgrade\r\n\r\n";

fn switch(_: &Request, response: &mut Response) {
    response.field("Upgrade", "lines").unwrap();
    response.switch_protocols(NextProtocol::Lines);
}

fn is_switch(task: &Task) -> bool {
    task.request.path() == b"/switch"
}

/// The thread of a lane.
struct Thread {
    lane: Arc<Lane>,
    /// Nothing has been said of these, and these stream.
    given: Vec<Exchange>,
    streams: Vec<Stream>,
    /// What it has been given, and whether it has been told that it is over.
    known: HashMap<ExchangeId, bool>,
    /// It takes nothing until it must.
    is_stuck: bool,
}

impl Thread {
    fn new(rng: &mut Rng) -> Self {
        Self {
            lane: Lane::new(*rng.pick(&[1, 3, 1_000]), || {}),
            given: Vec::new(),
            streams: Vec::new(),
            known: HashMap::new(),
            is_stuck: rng.percent(10),
        }
    }
}

/// An answer that a lane's thread gives piece by piece.
struct Stream {
    id: ExchangeId,
    rest: VecDeque<u8>,
    /// Bytes that may be sent before there is credit.
    credit: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
        let limit = *rng.pick(&[None, None, Some(2)]);
        let settings = Settings {
            io_thread: 0,
            io_threads: 1,
            http1: true,
            http2: true,
            extended_connect: true,
            limits: reactor_proto::Limits::default(),
            timeouts: Timeouts::default(),
            body_memory: 1 << 30,
            request_timeout: rng
                .pick(&[None, None, Some(30), Some(1_000)])
                .map(Duration::from_millis),
            in_flight: limit.map(InFlight::new).map(Arc::new).map(Places::new),
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
        app.route(None, "/switch", Target::worker(switch)).unwrap();
        let table = app.compile(&stats, None);
        let mut reactor = Reactor::new(settings, table, counters.clone(), clock);
        let threads: Vec<Thread> = (0..rng.between(1, 3)).map(|_| Thread::new(&mut rng)).collect();
        reactor.set_lanes(threads.iter().map(|thread| Some(thread.lane.clone())).collect());
        reactor.observe(Observer::new(0, counters.clone(), None));
        let now = Rc::new(Cell::new(0));
        let reasons = Reasons::new(counters.clone());
        let toys = *rng.pick(&[0, 100]);
        let tls = *rng.clone().pick(&[0, 100]);
        let mut clients = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let mut lines: Vec<Vec<u8>> = (0..rng.below(40)).map(|_| line(&mut rng)).collect();
            let leaves = !rng.percent(50);
            if !leaves {
                lines.push(b"q".to_vec());
            }
            let switches = rng.percent(40);
            let offers = switches && rng.percent(90);
            if switches && !offers {
                lines.clear();
            }
            let mut input = match (switches, offers) {
                (true, true) => SWITCH.to_vec(),
                (true, false) => NO_OFFER.to_vec(),
                (false, _) => Vec::new(),
            };
            input.extend(lines.iter().flat_map(|line| [&line[..], b"\n"].concat()));
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
            let protocol = if switches { Protocol::Sniff } else { Protocol::Lines(Lines::new()) };
            let token = reactor.insert_with(link, protocol, None);
            let is_finished = false;
            clients.push(Client { wire, token, lines, leaves, switches, offers, is_finished });
        }
        Self {
            now,
            reactor,
            counters,
            clients,
            running: Vec::new(),
            threads,
            window: *rng.pick(&[WINDOW, 20]),
            is_slow: rng.percent(40),
            replaced: *rng.pick(&[0, 0, 5]),
            refused: *rng.pick(&[0, 0, 20]),
            drains: *rng.pick(&[0, 0, 20]),
            watches: *rng.clone().pick(&[0, 0, 5]),
            steps: Steps::new(rng.clone()),
            met: 0,
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
            if n == left && client.leaves && !wire.eof && (all || self.rng.percent(20)) {
                wire.send_eof();
            }
            let unread = wire.output.len() - wire.taken;
            let n = if all { unread } else { self.rng.below(unread + 1) };
            wire.take(n);
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        let now = self.now.get();
        self.reactor.services.clock.set(now, 0);
        self.reactor.look_at_lanes();
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
        let mut tasks = Vec::new();
        self.reactor.take_tasks(&mut tasks);
        for task in tasks {
            if self.rng.percent(self.refused) && !is_switch(&task) {
                self.reactor.refused(task);
            } else {
                self.running.push(task);
            }
        }
        self.steps.post(&mut self.reactor);
        self.reactor.post_lanes();
        self.reactor.flush_dirty();
        self.reactor.check_held_back().unwrap();
        self.check_threads();
        self.check_away();
        self.check_observed();
        let deadlines = self.reactor.services.deadlines.iter();
        for (slot, stream) in deadlines.flat_map(|deadlines| deadlines.waits()) {
            let conn = &self.reactor.conns[slot as usize];
            assert!(conn.protocol.expects(stream), "stream {stream} is over and waited for");
        }
        for (_, conn) in &self.reactor.conns {
            assert!(!conn.core.listed.dirty, "answers are forgotten");
            let waits = conn.core.listed.next_turn || conn.link.socket().wire.borrow().edge;
            let unread = conn.core.readable && conn.wants_read();
            assert!(!unread || waits, "input is forgotten");
            assert_eq!(
                conn.core.timer.phase,
                conn.current_phase(),
                "the timer is for another phase"
            );
        }
    }

    /// Workers and the lanes' threads get on.
    fn work(&mut self, all: bool) {
        self.steps.work(all);
        for _ in 0..self.running.len() {
            if all || self.rng.percent(40) {
                let at = self.rng.below(self.running.len());
                let mut task = self.running.swap_remove(at);
                if self.rng.percent(10) && !is_switch(&task) {
                    task.outcome = Outcome::Failed;
                } else {
                    let Task { handler, request, response, .. } = &mut *task;
                    handler.as_ref().expect("a worker's").handle(request, response);
                }
                self.reactor.reply(task);
            }
        }
        for place in 0..self.threads.len() {
            if all || !self.threads[place].is_stuck {
                self.thread_works(place, all);
            }
        }
    }

    fn thread_works(&mut self, place: usize, all: bool) {
        let thread = &mut self.threads[place];
        let mut events = VecDeque::new();
        thread.lane.take(&mut events);
        let requests = events.iter().filter(|e| matches!(e, LaneEvent::Request(_))).count();
        thread.lane.begun(requests);
        for event in events {
            let id = event.id();
            let ends = matches!(event, LaneEvent::Gone(_) | LaneEvent::TimedOut(_));
            let before = thread.known.insert(id, ends);
            let is_new = matches!(event, LaneEvent::Request(_));
            assert_eq!(before, (!is_new).then_some(false), "{id:?} is unknown, or over");
            match event {
                LaneEvent::Request(exchange) => thread.given.push(exchange),
                LaneEvent::Ack(_, bytes) => {
                    for stream in thread.streams.iter_mut().filter(|stream| stream.id == id) {
                        stream.credit += bytes;
                        assert!(stream.credit <= self.window, "more is acknowledged than was said");
                    }
                }
                LaneEvent::Gone(_) | LaneEvent::TimedOut(_) => {
                    // Its task comes back all the same.
                    thread.streams.retain(|stream| stream.id != id);
                    if let Some(at) = thread.given.iter().position(|given| given.id() == id) {
                        thread.lane.answered(1);
                        let mut exchange = thread.given.swap_remove(at);
                        exchange.response().body("too late");
                        self.reactor.lane_reply(LaneReply::Response(exchange));
                    }
                }
                LaneEvent::HalfClosed(_) => {}
                _ => panic!("nothing has a body"),
            }
        }
        for at in (0..self.threads[place].given.len()).rev() {
            let waits = self.is_slow && self.threads[place].given[at].id().stream.is_multiple_of(3);
            if all || !waits && self.rng.percent(40) {
                let exchange = self.threads[place].given.swap_remove(at);
                self.answer(place, exchange);
            }
        }
        for at in (0..self.threads[place].streams.len()).rev() {
            if all || self.rng.percent(60) {
                self.go_on(place, at);
            }
        }
    }

    fn answer(&mut self, place: usize, mut exchange: Exchange) {
        let text = exchange.request().body().to_vec();
        let id = exchange.id();
        self.met += u64::from(self.waits_beside(id) && self.reactor.is_with_lane(id));
        match self.rng.below(10) {
            0 => self.reactor.lane_reply(LaneReply::Dropped(exchange)),
            1..5 => {
                let first = self.rng.below(text.len() + 1).min(self.window);
                exchange.response().body(&text[..first]);
                exchange.response().stream(None);
                self.reactor.lane_reply(LaneReply::Response(exchange));
                let rest = text[first..].iter().copied().collect();
                let stream = Stream { id, rest, credit: self.window - first };
                self.threads[place].streams.push(stream);
                return;
            }
            _ => {
                exchange.response().body(&text);
                self.reactor.lane_reply(LaneReply::Response(exchange));
            }
        }
        self.threads[place].lane.answered(1);
    }

    /// The next piece of a stream, or its end.
    fn go_on(&mut self, place: usize, at: usize) {
        let thread = &mut self.threads[place];
        let stream = &mut thread.streams[at];
        let id = stream.id;
        if stream.rest.is_empty() {
            thread.streams.swap_remove(at);
            thread.lane.answered(1);
            let reply =
                if self.rng.percent(10) { LaneReply::Abort(id) } else { LaneReply::End(id) };
            self.reactor.lane_reply(reply);
            return;
        }
        let most = stream.rest.len().min(stream.credit);
        if most > 0 {
            let n = self.rng.between(1, most);
            stream.credit -= n;
            let piece: Vec<u8> = stream.rest.drain(..n).collect();
            self.reactor.lane_reply(LaneReply::Chunk(id, piece));
        }
    }

    /// A lane's thread ends, and another comes. What the first had comes back too late. Exchanges at
    /// other lanes do not notice.
    fn replace_lane(&mut self) {
        let place = self.rng.below(self.threads.len());
        if self.rng.percent(50) {
            // It has said so itself first, and is found closed.
            self.threads[place].lane.close();
            self.turn();
        }
        let new = Thread::new(&mut self.rng);
        let mut old = std::mem::replace(&mut self.threads[place], new);
        let lanes = self.threads.iter().map(|thread| Some(thread.lane.clone())).collect();
        let others: Vec<usize> = (0..self.threads.len()).filter(|&other| other != place).collect();
        let before: Vec<_> = others.iter().map(|&other| self.open_at(other)).collect();
        self.reactor.set_lanes(lanes);
        let after: Vec<_> = others.iter().map(|&other| self.open_at(other)).collect();
        assert_eq!(after, before, "exchanges at other lanes are gone");
        let mut events = VecDeque::new();
        old.lane.take(&mut events);
        for event in events {
            if let LaneEvent::Request(exchange) = event {
                old.given.push(exchange);
            }
        }
        for mut exchange in old.given {
            exchange.response().body("too late");
            self.reactor.lane_reply(LaneReply::Response(exchange));
        }
    }

    /// What threads have is open, or they have been told that it is over, or will be.
    fn check_threads(&self) {
        for thread in &self.threads {
            let exchanges = thread.given.iter().map(Exchange::id);
            for id in exchanges.chain(thread.streams.iter().map(|stream| stream.id)) {
                let is_known = thread.known.get(&id) == Some(&true);
                assert!(
                    is_known || self.reactor.is_with_lane(id) || self.is_told(thread, id),
                    "{id:?} is over, and its lane is not told"
                );
            }
        }
    }

    /// Each exchange that is over and holds its place has its request at one thread, or it waits for
    /// the lane.
    fn check_away(&self) {
        for (_, conn) in &self.reactor.conns {
            let Protocol::Lines(lines) = &conn.protocol else { continue };
            for &stream in lines.away() {
                let id = self.reactor.services.id(&conn.core, stream);
                let mut there = 0;
                let mut look = |event: &LaneEvent| {
                    let is_request = matches!(event, LaneEvent::Request(_));
                    there += usize::from(is_request && event.id() == id);
                };
                self.reactor.services.lanes.sides.iter().flat_map(|s| &s.out).for_each(&mut look);
                self.threads.iter().for_each(|thread| thread.lane.look(&mut look));
                let given = self.threads.iter().flat_map(|thread| &thread.given);
                there += given.filter(|exchange| exchange.id() == id).count();
                assert_eq!(there, 1, "{id:?} holds its place, and is nowhere");
            }
        }
    }

    /// Each open exchange is observed until its answer is written, and that until it has left.
    fn check_observed(&self) {
        let Some(observer) = &self.reactor.services.observer else { return };
        for slot in 0..8 {
            let conn = self.reactor.conns.get(slot as usize);
            let (apart, written) = (observer.open_apart(slot), observer.open(slot));
            let Some(Protocol::Lines(lines)) = conn.map(|conn| &conn.protocol) else {
                assert!(apart.is_empty(), "what has gone is observed");
                continue;
            };
            let open = lines.numbers();
            let is_right = |number: &u32| open.contains(number);
            let all = self.watches > 0 || apart.len() == open.len();
            assert!(apart.iter().all(is_right) && all, "{apart:?} instead of {open:?}");
            let has_output = conn.is_some_and(Conn::has_output);
            assert!(has_output || written.is_empty(), "{written:?} have left unobserved");
        }
    }

    /// Whether a thread will be told that an exchange is over.
    fn is_told(&self, thread: &Thread, id: ExchangeId) -> bool {
        let mut is_told = false;
        let mut look = |event: &LaneEvent| {
            let ends = matches!(event, LaneEvent::Gone(_) | LaneEvent::TimedOut(_));
            is_told |= ends && event.id() == id;
        };
        thread.lane.look(&mut look);
        for side in &self.reactor.services.lanes.sides {
            side.out.iter().chain(&side.ahead).for_each(&mut look);
        }
        is_told
    }

    /// The exchanges of its thread that are with the lane in this place, for the loop.
    fn open_at(&self, place: usize) -> Vec<ExchangeId> {
        let thread = &self.threads[place];
        let exchanges = thread.given.iter().map(Exchange::id);
        let exchanges = exchanges.chain(thread.streams.iter().map(|stream| stream.id));
        exchanges.filter(|id| self.reactor.is_with_lane(*id)).collect()
    }

    /// Whether another exchange of the same connection waits for a full lane.
    fn waits_beside(&self, id: ExchangeId) -> bool {
        match &self.reactor.conns.get(id.conn.slot as usize).map(|conn| &conn.protocol) {
            Some(Protocol::Lines(lines)) => {
                lines.held_back().any(|(stream, events)| stream != id.stream && events > 0)
            }
            _ => false,
        }
    }

    /// The program ends a connection behind what is under way.
    fn finish_one(&mut self) {
        let at = self.rng.below(self.clients.len());
        let client = &mut self.clients[at];
        let id = ConnId::of_token(client.token);
        client.is_finished = true;
        let id = ExchangeId::of_connection(0, id.slot, id.generation);
        self.reactor.lane_reply(LaneReply::Finish(id));
    }

    fn run(&mut self) {
        for _ in 0..self.rng.between(10, 300) {
            if self.rng.percent(self.replaced) {
                self.replace_lane();
            }
            if self.rng.percent(self.watches) {
                let observer = Observer::new(0, self.counters.clone(), None);
                let services = &mut self.reactor.services;
                services.observer = services.observer.is_none().then(|| Box::new(observer));
            }
            if self.replaced > 0 && self.rng.percent(1) {
                self.finish_one();
            }
            if self.rng.below(1_000) < self.drains {
                self.reactor.drain(None);
                self.clients.iter_mut().for_each(|client| client.is_finished = true);
            }
            match self.rng.below(4) {
                0 => self.deliver(false),
                1 => self.work(false),
                2 => self.now.set(self.now.get() + self.rng.size(100) as u64),
                _ => {}
            }
            self.turn();
        }
        // Nothing is late any more.
        for _ in 0..2_000 {
            self.deliver(true);
            self.work(true);
            self.turn();
            if self.reactor.connections() == 0 {
                break;
            }
            self.now.set(self.now.get() + 10);
        }
        for (index, client) in self.clients.iter().enumerate() {
            client.check().unwrap_or_else(|e| panic!("client {index}: {e}"));
        }
        assert_eq!(self.reactor.connections(), 0, "connections are left");
        self.work(true);
        self.turn();
        let services = &self.reactor.services;
        assert_eq!((services.tasks.out, services.memory.collected), (0, 0));
        let (given, left) = (&self.counters.handlers_given, &self.counters.handlers_left);
        assert_eq!(given.get(), left.get(), "requests are still at handlers");
    }
}

impl Client {
    /// Each line got its answer, whole and once, and nothing else came.
    fn check(&self) -> Result<(), String> {
        let wire = self.wire.borrow();
        let mut answers: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let mut over = BTreeMap::new();
        let (mut frames, mut rest) = (0, &wire.output[..]);
        if self.switches && !rest.is_empty() {
            if !rest.starts_with(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: lines\r\nDate: ") {
                let may_fail = self.is_finished || !self.offers;
                let refused = rest.starts_with(b"HTTP/1.1 500 ") && may_fail;
                return if refused { Ok(()) } else { Err("its offer is not taken".into()) };
            }
            if !self.offers {
                return Err("what it has not offered is taken".into());
            }
            let end = rest.windows(SWITCHED.len()).position(|bytes| bytes == SWITCHED);
            rest = &rest[end.ok_or("half a head")? + SWITCHED.len()..];
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let frame = &rest[..end];
            rest = &rest[end + 1..];
            frames += 1;
            let sign = frame.iter().position(|byte| !byte.is_ascii_digit()).ok_or("no sign")?;
            let number: usize = std::str::from_utf8(&frame[..sign]).unwrap().parse().unwrap();
            let sent = self.lines.get(number).ok_or(format!("an answer to no line, {number}"))?;
            if over.contains_key(&number) {
                return Err(format!("line {number} is answered twice"));
            }
            let answer = answers.entry(number).or_default();
            answer.extend_from_slice(&frame[sign + 1..]);
            match frame[sign] {
                b'+' => continue,
                b'!' => {}
                b':' | b'.' if answer[..] == sent[1..] => {}
                _ => return Err(format!("line {number} got something else")),
            }
            over.insert(number, frame[sign]);
        }
        if !rest.is_empty() {
            return Err(format!("a part of frame {frames} only"));
        }
        let asked = self.lines.iter().filter(|line| line[0] != b'q').count();
        // Who leaves gets what is answered within the time that is left to it.
        let may_miss = self.leaves || self.is_finished;
        if over.len() != asked && !(may_miss && over.len() < asked) {
            return Err(format!("{} of {asked} lines are answered", over.len()));
        }
        Ok(())
    }
}

fn line(rng: &mut Rng) -> Vec<u8> {
    let mut line = vec![*rng.pick(b"iwl")];
    line.extend((0..rng.size(900)).map(|_| *rng.pick(b"abcdefghij")));
    line
}

#[test]
fn each_line_gets_its_answer_whatever_the_link_does_and_in_any_order() {
    let base = variable("REACTOR_SIM_BASE").unwrap_or(0);
    let seeds = variable("REACTOR_SIM_RUNS").unwrap_or(RUNS);
    let one = variable("REACTOR_SIM_SEED");
    let mut met = 0;
    for seed in one.map_or(base..base + seeds, |seed| seed..seed + 1) {
        let shown = super::super::Seed(seed);
        let mut world = World::new(seed);
        world.run();
        met += world.met;
        std::mem::forget(shown);
    }
    assert!(met > 0 || seeds < RUNS || one.is_some(), "no lane was ever full beside another");
}
