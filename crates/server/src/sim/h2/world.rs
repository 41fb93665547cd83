//! One loop, its clients, its workers and its lanes. A seed decides all.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::client::Client;
use super::handlers::{Habits, Thread};
use super::{Book, Kind, Tally, Wanted};
use crate::conn::protocol::Protocol;
use crate::dispatch::app::{App, Target};
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::handler::Handler;
use crate::exchange::id::ExchangeId;
use crate::exchange::in_flight::{InFlight, Places};
use crate::exchange::inline::Inline;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::task::{Outcome, Task};
use crate::http2::machine::Http2;
use crate::observe::counters::LoopCounters;
use crate::sim::app::id;
use crate::sim::handshakes::Steps;
use crate::sim::request::{INLINE, pattern, pattern_file};
use crate::sim::rng::Rng;
use crate::sim::wire::{Faults, Reasons, SimTransport, Wire};
use crate::sim::world::turn::link;

pub(super) struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    reactor: Reactor<SimTransport>,
    counters: Arc<CachePadded<LoopCounters>>,
    clients: Vec<Client>,
    threads: Vec<Thread>,
    habits: Habits,
    running: Vec<Box<Task>>,
    book: Book,
    facts: Facts,
    /// Of steps, in a hundred: a thread is replaced by another.
    replaced: u32,
    /// Of tasks, in a hundred: no worker takes it.
    refused: u32,
    /// Of steps, in a thousand: the server stops.
    drains: usize,
    steps: Steps,
}

/// What may excuse an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) fails: bool,
    pub(super) replaced: bool,
    pub(super) drained: bool,
    /// Workers refuse, or only so many requests may be at handlers.
    pub(super) refuses: bool,
    /// Handlers have a deadline.
    pub(super) is_slow: bool,
    /// `limits.streams`.
    pub(super) streams: u32,
}

impl Facts {
    pub(super) fn may_refuse(&self) -> bool {
        self.refuses || self.replaced || self.is_slow
    }

    /// A client that does not know the limit yet may go past it. An exchange that was broken off
    /// holds its place until its handler has returned.
    pub(super) fn are_places_few(&self) -> bool {
        self.streams < 20 || self.replaced || self.is_slow
    }
}

fn app() -> App {
    let mut app = App::new();
    let mut add = |path: &str, target| {
        app.route(None, path, target).expect("it is right");
    };
    add(
        "/echo",
        Target::worker(|request: &Request, response: &mut Response| {
            response.field("X-Id", id(request).to_string()).unwrap();
            response.body(request.body());
        }),
    );
    add(
        "/size/:bytes",
        Target::worker(|request: &Request, response: &mut Response| {
            let id = id(request);
            let bytes: usize = request.param("bytes").unwrap().parse().unwrap();
            response.field("X-Id", id.to_string()).unwrap();
            match id % 3 {
                0 => response.body(pattern(id, bytes)),
                1 => response.body_shared(pattern(id, bytes).into()),
                _ => {
                    let (file, from) = pattern_file(id);
                    response.body_file(file, from..from + bytes as u64);
                }
            }
        }),
    );
    add("/lane", Target::Lane(0));
    add("/inline", Target::Inline(Inline::new(200, &[], pattern(1, INLINE[1])).unwrap()));
    app
}

fn wanted(rng: &mut Rng, most: usize) -> Wanted {
    let kind = match rng.below(10) {
        0 => Kind::Inline,
        1 => Kind::Nowhere,
        2..4 => Kind::Echo,
        4..6 => Kind::Sized(rng.size(most)),
        _ => Kind::Lane,
    };
    let uploads = matches!(kind, Kind::Echo | Kind::Lane) && rng.percent(50);
    let body = uploads.then(|| rng.size(most));
    let trailers = uploads && kind == Kind::Lane && rng.percent(20);
    Wanted { kind, body, trailers, head_only: !uploads && rng.percent(10) }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
        let limit = *rng.pick(&[None, None, None, Some(2)]);
        let request_timeout = *rng.pick(&[None, None, Some(30), Some(1_000)]);
        let streams = *rng.pick(&[100, 100, 3]);
        let settings = Settings {
            io_thread: 0,
            io_threads: 1,
            http1: true,
            http2: true,
            extended_connect: true,
            limits: reactor_proto::Limits { streams, ..reactor_proto::Limits::default() },
            timeouts: Timeouts::default(),
            body_memory: 1 << 30,
            request_timeout: request_timeout.map(Duration::from_millis),
            in_flight: limit.map(InFlight::new).map(Arc::new).map(Places::new),
            send_budget: SendBudget::default(),
            announce: Announce::default(),
            stream_small_bodies: rng.percent(50),
            secured: Secured::default(),
            entrances: Arc::new([]),
            topics: Topics::new(1),
            compress: None,
            health: Arc::default(),
        };
        let stats: Arc<dyn Handler> = Arc::new(|_: &Request, _: &mut Response| {});
        let mut clock = Clock::new();
        clock.set(0, 0);
        let table = app().compile(&stats, None);
        let mut reactor = Reactor::new(settings, table, counters.clone(), clock);
        let habits = Habits {
            streams: *rng.pick(&[0, 50, 90]),
            fails: *rng.pick(&[0, 0, 10]),
            large: *rng.pick(&[0, 10, 50]),
            is_slow: rng.percent(30),
        };
        let threads: Vec<Thread> =
            (0..rng.between(1, 3)).map(|_| Thread::new(&mut rng, habits)).collect();
        reactor.set_lanes(threads.iter().map(|thread| Some(thread.lane.clone())).collect());
        let now = Rc::new(Cell::new(0));
        let reasons = Reasons::new(counters.clone());
        let toys = *rng.pick(&[0, 0, 100]);
        let tls = *rng.pick(&[0, 0, 100]);
        let most = *rng.pick(&[100, 5_000, 200_000]);
        let hostile = *rng.pick(&[0, 0, 40]);
        let mut number = 0;
        let mut clients = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let plans: VecDeque<(u32, Wanted)> = (0..rng.below(25))
                .map(|_| {
                    number += 1;
                    (number, wanted(&mut rng, most))
                })
                .collect();
            let faults = Faults {
                short_read: *rng.pick(&[0, 30]),
                short_write: *rng.pick(&[0, 30]),
                interrupted: *rng.pick(&[0, 10]),
            };
            let capacity = *rng.pick(&[50, 3_000, 100_000]);
            let own = Rng::new(rng.next());
            let wire = Rc::new(RefCell::new(Wire::new(Vec::new(), capacity, faults, own, &now)));
            let attacks = rng.percent(hostile);
            let mut client = Client::new(wire.clone(), Rng::new(rng.next()), plans, attacks);
            let io = SimTransport { wire, reasons: reasons.clone() };
            let link = link(io, &mut rng, toys, tls, Duration::from_secs(3600));
            let known = toys + tls > 0 || rng.percent(50);
            let protocol =
                if known { Protocol::Http2(Box::new(Http2::new())) } else { Protocol::Sniff };
            if known {
                counters.http2.opened.add(1);
            }
            client.token = reactor.insert_with(link, protocol, None);
            clients.push(client);
        }
        let refused = *rng.pick(&[0, 0, 20]);
        Self {
            now,
            reactor,
            counters,
            clients,
            threads,
            habits,
            running: Vec::new(),
            book: Book::default(),
            facts: Facts {
                fails: true,
                replaced: false,
                drained: false,
                refuses: refused > 0 || limit.is_some(),
                is_slow: request_timeout.is_some(),
                streams,
            },
            replaced: *rng.pick(&[0, 0, 3]),
            refused,
            drains: *rng.pick(&[0, 0, 10]),
            steps: Steps::new(rng.clone()),
            rng,
        }
    }

    pub(super) fn run(&mut self, tally: &mut Tally) {
        for _ in 0..self.rng.between(10, 400) {
            if self.rng.percent(self.replaced) {
                self.replace_lane();
            }
            if self.rng.below(1_000) < self.drains {
                self.facts.drained = true;
                // It may say so first.
                if self.rng.percent(50) {
                    self.reactor.lame_duck();
                } else {
                    self.reactor.drain(None);
                }
            }
            match self.rng.below(5) {
                0 | 1 => self.deliver(false, tally),
                2 => self.work(false),
                3 => self.now.set(self.now.get() + self.rng.size(100) as u64),
                _ => {}
            }
            self.turn();
        }
        // Nothing is late any more, and all sockets are wide.
        for client in &self.clients {
            client.wire.borrow_mut().capacity = 1_000_000;
        }
        for _ in 0..4_000 {
            self.deliver(true, tally);
            self.work(true);
            self.turn();
            if self.reactor.connections() == 0 {
                break;
            }
            self.now.set(self.now.get() + 10);
        }
        self.deliver(true, tally);
        for (index, client) in self.clients.iter().enumerate() {
            let shown = Shown(index);
            client.check(&self.book, &self.facts, tally);
            std::mem::forget(shown);
        }
        assert_eq!(self.reactor.connections(), 0, "connections are left");
        // A lane without room hears of an end after another.
        for _ in 0..50 {
            self.work(true);
            self.turn();
        }
        self.check_empty();
    }

    /// Nothing is left of anything.
    fn check_empty(&self) {
        let services = &self.reactor.services;
        let memory = &services.memory;
        assert_eq!((memory.collected, memory.streamed, memory.rests), (0, 0, 0), "memory");
        assert_eq!(services.tasks.out, 0, "tasks are out");
        let (given, left) = (&self.counters.handlers_given, &self.counters.handlers_left);
        assert_eq!(given.get(), left.get(), "requests are still at handlers");
        let http2 = &self.counters.http2;
        assert_eq!(http2.opened.get(), http2.closed.get(), "connections");
        assert_eq!(http2.streams_opened.get(), http2.streams_closed.get(), "streams");
        let waits = services.deadlines.iter().flat_map(|deadlines| deadlines.waits()).count();
        assert_eq!(waits, 0, "deadlines");
        for thread in &self.threads {
            let left = (thread.lane.in_flight(), thread.lane.queued(), thread.open.len());
            assert_eq!(left, (0, 0, 0), "in flight, queued and open");
        }
    }

    fn deliver(&mut self, all: bool, tally: &mut Tally) {
        for (index, client) in self.clients.iter_mut().enumerate() {
            let shown = Shown(index);
            {
                let mut wire = client.wire.borrow_mut();
                let unread = wire.output.len() - wire.taken;
                let n = if all { unread } else { self.rng.below(unread + 1) };
                wire.take(n);
            }
            client.read(tally);
            client.act(&mut self.book, tally, all);
            let mut wire = client.wire.borrow_mut();
            let left = wire.input.len() - wire.arrived;
            let n = if all { left } else { self.rng.size(left) };
            if n > 0 || wire.handshakes() {
                wire.deliver(n);
            }
            if n == left && client.says_end() && !wire.eof && (all || self.rng.percent(20)) {
                wire.send_eof();
            }
            std::mem::forget(shown);
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        self.reactor.services.clock.set(self.now.get(), 0);
        self.reactor.look_at_lanes();
        self.steps.replies(&mut self.reactor);
        for client in &self.clients {
            let event = {
                let mut wire = client.wire.borrow_mut();
                (wire.closed.is_none() && std::mem::take(&mut wire.edge)).then(|| {
                    let ready = wire.ready();
                    wire.notify(ready);
                    ready
                })
            };
            if let Some(ready) = event {
                self.reactor.ready(client.token, ready);
            }
        }
        self.reactor.go_on_listed();
        self.reactor.expire();
        let mut tasks = Vec::new();
        self.reactor.take_tasks(&mut tasks);
        for task in tasks {
            if self.rng.percent(self.refused) {
                self.reactor.refused(task);
            } else {
                self.running.push(task);
            }
        }
        self.steps.post(&mut self.reactor);
        self.reactor.post_lanes();
        self.reactor.flush_dirty();
        self.reactor.check_held_back().unwrap();
        self.check();
    }

    /// What holds after every turn.
    fn check(&self) {
        // A thread that has closed its lane is told nothing more.
        for thread in self.threads.iter().filter(|thread| !thread.lane.is_closed()) {
            for open in &thread.open {
                let id = open.id;
                let is_told = thread.knows_end(id)
                    || self.reactor.is_with_lane(id)
                    || self.is_told(thread, id);
                assert!(is_told, "{id:?} is over, and its lane is not told");
            }
        }
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
            let (set, due) = (conn.core.timer.phase, conn.current_phase());
            assert_eq!(set, due, "the timer is for another phase");
        }
    }

    /// Whether a thread will be told that an exchange is over.
    fn is_told(&self, thread: &Thread, id: ExchangeId) -> bool {
        let mut is_told = false;
        let mut look = |event: &LaneEvent| {
            let ends = matches!(
                event,
                LaneEvent::Gone(_) | LaneEvent::TimedOut(_) | LaneEvent::Refused(..)
            );
            is_told |= ends && event.id() == id;
        };
        thread.lane.look(&mut look);
        for side in &self.reactor.services.lanes.sides {
            side.out.iter().chain(&side.ahead).for_each(&mut look);
        }
        is_told
    }

    /// Workers and the lanes' threads get on.
    fn work(&mut self, all: bool) {
        self.steps.work(all);
        for _ in 0..self.running.len() {
            if all || self.rng.percent(40) {
                let at = self.rng.below(self.running.len());
                let mut task = self.running.swap_remove(at);
                if self.habits.fails > 0 && self.rng.percent(10) {
                    task.outcome = Outcome::Failed;
                } else {
                    let Task { handler, request, response, .. } = &mut *task;
                    handler.as_ref().expect("a worker's").handle(request, response);
                }
                self.reactor.reply(task);
            }
        }
        for thread in &mut self.threads {
            thread.work(all, &mut self.rng, &mut self.reactor, &mut self.book);
        }
    }

    /// A lane's thread ends, and another comes. What the first had comes back too late.
    fn replace_lane(&mut self) {
        self.facts.replaced = true;
        let place = self.rng.below(self.threads.len());
        if self.rng.percent(50) {
            // It has said so itself first, and is found closed.
            self.threads[place].lane.close();
            self.turn();
        }
        let new = Thread::new(&mut self.rng, self.habits);
        let mut old = std::mem::replace(&mut self.threads[place], new);
        let lanes = self.threads.iter().map(|thread| Some(thread.lane.clone())).collect();
        self.reactor.set_lanes(lanes);
        old.end(&mut self.reactor);
    }
}

/// Says which client it was.
struct Shown(usize);

impl Drop for Shown {
    fn drop(&mut self) {
        eprintln!("client {}", self.0);
    }
}
