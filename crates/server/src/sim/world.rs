//! The clients, the workers, the lanes' threads and the loop around one reactor.

mod end;
mod lanes;
pub(super) mod turn;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use reactor_proto::Limits;

use super::app::{app, id};
use super::client::{Client, EPOCH, Ending, Facts, Fate};
use super::plan::Plan;
use super::request::{BODY_LIMIT, Expected, HEAD_LIMIT, LINE_LIMIT};
use super::rng::Rng;
use super::tally::{LaneTally, Tally};
use super::thread::Thread;
use super::wire::{Reasons, SimTransport, Wire};
use crate::dispatch::app::Table;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::inbox::Inbox;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::Settings;
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::compression::options::Compress;
use crate::exchange::handler::Handler;
use crate::exchange::in_flight::{InFlight, Places};
use crate::exchange::request::Request;
use crate::exchange::response::CompressionState;
use crate::exchange::response::Response;
use crate::exchange::task::{Outcome, Task};
use crate::observe::counters::LoopCounters;
use crate::observe::observer::Observer;
use crate::sim::handshakes::Steps;

type Checked = Result<(), String>;

pub(super) struct World {
    plan: Plan,
    rng: Rng,
    now: Rc<Cell<u64>>,
    reactor: Reactor<SimTransport>,
    counters: Arc<CachePadded<LoopCounters>>,
    reasons: Rc<Reasons>,
    clients: Vec<Client>,
    /// Accepted, and not yet known to the loop.
    accepted: Vec<usize>,
    /// The client and the place of the request with this number.
    owners: HashMap<u32, (usize, usize)>,
    next_id: u32,
    queue: VecDeque<Box<Task>>,
    running: Vec<Box<Task>>,
    /// Handlers that do not return.
    missing: Vec<Box<Task>>,
    inbox: VecDeque<Box<Task>>,
    /// The replies of lanes.
    lane_inbox: Arc<Inbox>,
    threads: Vec<Thread>,
    /// The lanes that the loop knows, each in its place, and those that it will be told of.
    places: Vec<Option<Arc<Lane>>>,
    coming: VecDeque<lanes::Change>,
    /// How often other lanes have come with another application.
    generation: u32,
    steps: Steps,
    facts: Facts,
    drain_until: Option<u64>,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng);
        Self::with_plan(plan, rng, trace)
    }

    pub(super) fn with_plan(plan: Plan, rng: Rng, trace: bool) -> Self {
        if trace {
            eprintln!("{plan:#?}");
        }
        let timeouts = Timeouts::default();
        let limits = Limits {
            head: HEAD_LIMIT,
            request_line: LINE_LIMIT,
            body: BODY_LIMIT as u64,
            ..Limits::default()
        };
        let topics = Topics::new(1);
        let settings = Settings {
            io_thread: 0,
            io_threads: 1,
            http1: true,
            http2: false,
            extended_connect: true,
            limits,
            timeouts: timeouts.clone(),
            body_memory: plan.body_memory,
            request_timeout: plan.lanes.request_timeout.map(Duration::from_millis),
            in_flight: plan.lanes.in_flight.map(InFlight::new).map(Arc::new).map(Places::new),
            send_budget: plan.send_budget,
            announce: Announce::default(),
            stream_small_bodies: false,
            secured: Secured::default(),
            entrances: Arc::new([]),
            topics: Arc::clone(&topics),
            compress: plan
                .compress
                .then(|| Compress { threshold: 100, ..Compress::default() })
                // Those that the clients can read.
                .map(|compress| Arc::new(compress.with_codings(["br", "gzip"]))),
            health: Arc::default(),
        };
        let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
        let mut clock = Clock::new();
        clock.set(0, EPOCH);
        let table = app(0, 0).compile(&no_stats(), settings.compress.as_deref());
        let mut reactor = Reactor::new(settings, table, counters.clone(), clock);
        reactor.observe(Observer::new(0, counters.clone(), None));
        let facts = Facts {
            traced: trace,
            now: 0,
            timeouts,
            version: 0,
            draining: false,
            forced: false,
            tight: plan.is_tight(),
            fates: HashMap::new(),
            informed: HashMap::new(),
            said: HashMap::new(),
            request_timeout: plan.lanes.request_timeout,
            limited: plan.lanes.in_flight.is_some(),
            lost_lanes: false,
            lanes: LaneTally::default(),
        };
        let lane_inbox = Arc::new(Inbox::new(1, &topics).expect("a descriptor is left"));
        let mut steps = Steps::new(rng.clone());
        steps.cool(&mut reactor);
        let mut world = Self {
            rng,
            now: Rc::new(Cell::new(0)),
            reactor,
            reasons: Reasons::new(counters.clone()),
            counters,
            clients: Vec::new(),
            accepted: Vec::new(),
            owners: HashMap::new(),
            next_id: 0,
            queue: VecDeque::new(),
            running: Vec::new(),
            missing: Vec::new(),
            inbox: VecDeque::new(),
            lane_inbox,
            threads: Vec::new(),
            places: Vec::new(),
            coming: VecDeque::new(),
            generation: 0,
            steps,
            facts,
            drain_until: None,
            tally: Tally::default(),
            plan,
        };
        world.start_lanes();
        world
    }

    /// One run. First everything happens in any order. Then nothing goes wrong any more, and every
    /// request must be answered. Then time passes until nothing is left.
    pub(super) fn run(&mut self) -> Checked {
        for _ in 0..self.plan.steps {
            self.step()?;
        }
        self.settle()?;
        for client in &self.clients {
            if !self.waits_for_missing(client) {
                client.check_served(&self.facts)?;
            }
        }
        self.trace("the missing replies come");
        self.inbox.extend(self.missing.drain(..).map(|task| finish(task, &mut self.facts, false)));
        for thread in &mut self.threads {
            thread.speak();
        }
        self.settle()?;
        for client in &self.clients {
            client.check_served(&self.facts)?;
        }
        self.finish()
    }

    fn trace(&self, what: impl std::fmt::Display) {
        self.facts.trace(what);
    }

    fn step(&mut self) -> Checked {
        let plan = &self.plan;
        let rare = self.rng.below(1_000);
        if rare < plan.jumps {
            self.jump();
        } else if rare < plan.jumps + plan.reloads {
            self.facts.version += 1;
            self.trace("reload");
            let table = self.table();
            self.reactor.reload(table);
        } else if rare < plan.jumps + plan.reloads + plan.drains {
            return self.drain();
        } else if rare < plan.jumps + plan.reloads + plan.drains + plan.stops {
            return self.force();
        }
        if self.rng.below(1_000) < self.plan.lanes.changes {
            self.change_lanes()?;
        }
        match self.rng.below(100) {
            0..6 => self.open(),
            6..40 => self.send(),
            40..45 => self.end(),
            45..60 => self.take(),
            60..68 => self.work(),
            68..75 => return self.lane_work(),
            75..80 => self.pass(self.rng.clone().below(30) as u64),
            80..82 => self.spurious(),
            82..85 => return self.rest(),
            _ => return self.turn(true),
        }
        Ok(())
    }

    /// The table of the present application.
    pub(super) fn table(&self) -> Table {
        let compress = self.reactor.services.settings.compress.as_deref();
        app(self.facts.version, self.generation).compile(&no_stats(), compress)
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.rng.next();
        self.now.set(self.now.get() + millis);
        self.facts.now = self.now.get();
    }

    fn jump(&mut self) {
        let now = self.now.get();
        let span = match (self.rng.below(3), self.reactor.next_timer()) {
            (0, Some(at)) => at.saturating_sub(now),
            (1, _) => self.rng.below(100_000) as u64,
            _ => self.rng.below(2_500) as u64,
        };
        self.pass(span);
        self.trace(format_args!("{span} ms later"));
    }

    /// A client connects.
    fn open(&mut self) {
        if self.clients.len() == self.plan.clients || self.facts.draining {
            return;
        }
        let (input, requests) = self.plan.mix.script(&mut self.rng, &mut self.next_id);
        let ending = if self.rng.percent(self.plan.odd_endings) {
            let at = self.rng.below(input.len() + 1);
            match self.rng.below(4) {
                0 => Ending::Silent(at),
                1 => Ending::Cut(at),
                2 => Ending::Leave(at),
                _ => Ending::Reset(at),
            }
        } else if self.rng.percent(20) {
            // After a whole request, as a client does that waits no longer.
            Ending::Leave(self.rng.pick(&requests).end)
        } else {
            *self.rng.pick(&[Ending::Open, Ending::HalfClose, Ending::Polite, Ending::Close])
        };
        let capacity = self.rng.between(100, self.plan.most_capacity);
        let segment = 1 + self.rng.size(self.plan.most_segment);
        let patient = self.rng.percent(50);
        let sloppy = self.rng.percent(self.plan.sloppy);
        let client = self.client(input, requests, ending, capacity);
        client.segment = segment;
        client.patient = patient;
        client.sloppy = sloppy;
    }

    pub(super) fn client(
        &mut self,
        input: Vec<u8>,
        requests: Vec<Expected>,
        ending: Ending,
        capacity: usize,
    ) -> &mut Client {
        let index = self.clients.len();
        self.trace(format_args!("client {index} connects, {ending:?}, {} bytes", input.len()));
        for (place, request) in requests.iter().enumerate() {
            self.owners.insert(request.id, (index, place));
        }
        let rng = Rng::new(self.rng.next());
        let wire = Wire::new(input, capacity, self.plan.faults, rng, &self.now);
        let wire = Rc::new(RefCell::new(wire));
        self.accepted.push(index);
        self.clients.push(Client::new(wire, requests, ending, self.facts.now));
        self.clients.last_mut().expect("just pushed")
    }

    pub(super) fn wire(&self, client: usize) -> RefMut<'_, Wire> {
        self.clients[client].wire.borrow_mut()
    }

    pub(super) fn deliver(&mut self, client: usize, n: usize) {
        self.clients[client].send(n, &self.facts);
    }

    fn any_client(&mut self) -> Option<usize> {
        (!self.clients.is_empty()).then(|| self.rng.below(self.clients.len()))
    }

    /// A client's bytes arrive.
    fn send(&mut self) {
        let Some(index) = self.any_client() else { return };
        let unsent = self.clients[index].unsent();
        if unsent > 0 {
            let n = self.rng.between(1, self.clients[index].segment).min(unsent);
            self.trace(format_args!("client {index} sends {n}"));
            self.clients[index].send(n, &self.facts);
        }
    }

    /// A client ends its stream.
    fn end(&mut self) {
        let Some(index) = self.any_client() else { return };
        if self.clients[index].may_end() {
            self.trace(format_args!("client {index} ends"));
            let client = &self.clients[index];
            let mut wire = client.wire.borrow_mut();
            match client.ending {
                Ending::Reset(_) => wire.send_reset(),
                Ending::Close => wire.send_close(),
                Ending::Leave(_) => wire.send_leave(),
                _ => wire.send_eof(),
            }
        }
    }

    /// A client reads.
    fn take(&mut self) {
        let Some(index) = self.any_client() else { return };
        if self.rng.percent(self.plan.slow_readers) {
            return;
        }
        let mut wire = self.clients[index].wire.borrow_mut();
        let there = wire.output.len() - wire.taken;
        if there > 0 {
            let n = 1 + self.rng.size(there - 1);
            wire.take(n);
            drop(wire);
            self.trace(format_args!("client {index} takes {n} of {there}"));
        }
    }

    /// A worker takes a task, or finishes one.
    fn work(&mut self) {
        self.steps.work(false);
        if let Some(task) = self.queue.pop_front() {
            self.running.push(task);
        }
        while !self.running.is_empty() && !self.rng.percent(self.plan.slow_workers.max(10)) {
            let task = self.running.swap_remove(self.rng.below(self.running.len()));
            let id = id(&task.request);
            if self.rng.percent(self.plan.missing) {
                self.trace(format_args!("request {id}: its handler does not return"));
                self.missing.push(task);
                continue;
            }
            let failed = self.rng.percent(self.plan.failing);
            self.trace(format_args!("request {id} is handled, failed {failed}"));
            self.inbox.push_back(finish(task, &mut self.facts, failed));
        }
    }

    /// Epoll may report what the reactor knows already.
    fn spurious(&mut self) {
        for client in &self.clients {
            if self.rng.percent(self.plan.spurious) {
                client.wire.borrow_mut().edge = true;
            }
        }
    }

    pub(super) fn drain(&mut self) -> Checked {
        if !self.accepted.is_empty() {
            // What the listener has accepted by now still comes in, in a turn of its own.
            self.turn(false)?;
        }
        self.trace("drain");
        self.facts.draining = true;
        if self.drain_until.is_none() {
            self.drain_until = Some(self.now.get() + 10_000);
            // A loop drains within a turn.
            self.read_clock();
            self.reactor.drain(None);
            self.reactor.expire();
            self.reactor.flush_dirty();
        }
        self.check()
    }

    fn force(&mut self) -> Checked {
        self.trace("stop");
        self.controls();
        self.facts.draining = true;
        self.facts.forced = true;
        self.reactor.close_all();
        self.check()
    }

    fn check(&mut self) -> Checked {
        for (index, client) in self.clients.iter_mut().enumerate() {
            client.read(&self.facts).map_err(|e| format!("client {index}: {e}"))?;
            if client.wire.borrow().closed.is_some() && !client.buried {
                client.buried = true;
                self.facts.trace(format_args!("client {index}: {:?}", client.wire.borrow().closed));
                client.judge_close(&self.facts).map_err(|e| format!("client {index}: {e}"))?;
            }
        }
        let out: Vec<&Task> = [&self.running, &self.missing]
            .into_iter()
            .flatten()
            .chain(&self.queue)
            .chain(&self.inbox)
            .map(|task| &**task)
            .collect();
        self.reactor.check_invariants(&out, &self.outside(), self.plan.longest())?;
        for (index, client) in self.clients.iter().enumerate() {
            let held = self.reactor.held(client.token).unwrap_or(0);
            client.judge_held(held, &self.facts).map_err(|e| format!("client {index}: {e}"))?;
        }
        self.check_threads()?;
        self.reactor.count(&mut self.tally);
        Ok(())
    }
}

/// What a worker does.
fn finish(mut task: Box<Task>, facts: &mut Facts, failed: bool) -> Box<Task> {
    let Task { handler, request, response, .. } = &mut *task;
    handler.as_ref().expect("a task has a handler").handle(request, response);
    if task.response.compression == CompressionState::Done {
        // It had been answered, and was here to be compressed.
        return task;
    }
    task.outcome = if failed { Outcome::Failed } else { Outcome::Answered };
    let fate = if failed { Fate::Failed } else { Fate::Done };
    facts.fates.insert(id(&task.request), fate);
    task
}

fn no_stats() -> Arc<dyn Handler> {
    Arc::new(|_: &Request, _: &mut Response| {})
}
