//! One I/O thread: epoll, the inbox and the clock around a reactor.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor_sys::{Events, Poller, Stream, yield_now};

use crate::accept::accepting::Accepting;
use crate::conn::handshake::AskedName;
use crate::conn::step::Step;
use crate::dispatch::app::{App, Table};
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::name_question::NameQuestion;
use crate::dispatch::worker::pool::Pool;
use crate::event_loop::inbox::{Accepted, Control, Inbox};
use crate::event_loop::reactor::steps::MOST_AWAY;
use crate::event_loop::reactor::timers::sooner;
use crate::event_loop::reactor::{Reactor, Ready};
use crate::event_loop::token::{LISTENER, WAKER};
use crate::exchange::handler::Handler;
use crate::exchange::task::Task;
use crate::observe::counters::Counters;

/// Tasks go to the workers in batches: at the end of a turn, or as soon as there are this many.
const POST_BATCH: usize = 32;

/// A loop with tasks at workers looks after them: first after this long, then after twice as long,
/// and so on. `Pool` says why.
const FIRST_RESCUE: Duration = Duration::from_millis(1);
const LAST_RESCUE: Duration = Duration::from_secs(1);

/// How long a loop takes steps itself in one turn.
const OWN_STEPS: Duration = Duration::from_millis(1);

/// Events taken from epoll at once.
pub(crate) const EVENTS: usize = 256;

pub(crate) struct EventLoop {
    pub(crate) index: usize,
    pub(crate) poller: Arc<Poller>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) reactor: Reactor<Stream>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stats: Arc<dyn Handler>,
    /// This loop's own listeners, in the per-loop accept mode.
    pub(crate) accepting: Option<Accepting>,
    /// The most tasks that may be at workers. The inbox has room for as many replies.
    pub(crate) max_tasks: usize,
    /// The worker to wake first.
    pub(crate) home: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) rescue: Duration,
    /// When this loop next looks after its tasks.
    pub(crate) rescue_at: Instant,
    /// When requests in flight are given up, once the server stops.
    pub(crate) drain_until: Option<Instant>,
    /// The acceptor has handed over its last connection.
    pub(crate) has_all: bool,
    /// Room for the events of one wait.
    pub(crate) events: Events,
    /// Tasks on their way to the workers; empty between turns.
    pub(crate) tasks: Vec<Box<Task>>,
    /// Steps on their way to the workers; empty between turns.
    pub(crate) steps: Vec<Box<Step>>,
    /// Replies of lanes that have been taken from the inbox; empty between turns.
    pub(crate) lane_replies: Vec<LaneReply>,
    /// Connections that came in this turn and have not been read yet; empty between turns.
    pub(crate) fresh: Vec<u64>,
    /// Connections that came in the last turn and that epoll does not watch yet. Each has a request
    /// at a lane. Many end with its answer, and are never watched.
    pub(crate) unwatched: Vec<u64>,
}

/// How a turn waits for something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Sleeps as long as nothing happens: for the loop's own thread.
    Asleep,
    /// Does not wait: for a thread that has other things to do.
    No,
    /// Does not even look for events.
    NoLook,
}

impl EventLoop {
    /// Watches the inbox and this loop's listeners.
    pub(crate) fn register(&self) -> io::Result<()> {
        self.poller.add_edge(self.inbox.waker(), WAKER)?;
        match &self.accepting {
            Some(accepting) => accepting.register(&self.poller),
            None => Ok(()),
        }
    }

    /// Runs one turn: waits, reads, hands on and writes. False if it was the last.
    pub(crate) fn turn(&mut self, wait: Wait) -> bool {
        let timeout = match wait {
            Wait::Asleep => self.sleep_timeout(),
            Wait::No | Wait::NoLook => Some(Duration::ZERO),
        };
        self.watch_rest();
        if wait == Wait::NoLook {
            self.events.clear();
        } else if self.poller.wait(&mut self.events, timeout).is_err() {
            // Cannot happen with a valid descriptor. If it does, the loop must not spin.
            std::thread::sleep(FIRST_RESCUE);
        }
        self.inbox.wake_flag().awake();
        self.reactor.services.clock.read();
        self.reactor.look_for_watchers();
        self.reactor.look_at_lanes();
        let counters = &self.counters.loops[self.index];
        counters.turns.add(1);
        if timeout != Some(Duration::ZERO) {
            counters.sleeps.add(1);
        }

        if !self.controls() {
            return false;
        }
        self.replies();
        self.handle();
        self.reactor.go_on_listed();
        self.reactor.expire();
        self.post();
        if self.reactor.has_steps() {
            self.post_steps();
        }
        self.reactor.post_lanes();
        self.reactor.flush_dirty();

        if wait == Wait::Asleep && self.reactor.awaits_others() && self.inbox.is_empty() {
            // On a busy machine a worker shares this core. If it runs now, its replies need no
            // wake.
            yield_now();
            self.replies();
            self.post();
            self.reactor.post_lanes();
            self.reactor.flush_dirty();
        }
        self.watch_new();
        self.rescue();
        self.reactor.give_back_places();
        self.reactor.hand_over_observed();
        // Last, because the steps above may have ended the last connection.
        !self.is_drained()
    }

    /// The calling thread is the loop's own.
    pub(crate) fn is_this_thread(&self) {
        self.counters.loops[self.index].thread.set_to_this_thread();
    }

    /// The time of the last turn.
    pub(crate) fn now(&self) -> Instant {
        self.reactor.services.clock.now()
    }

    /// Whether the server is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain_until.is_some()
    }

    /// How long to sleep. None for as long as nothing happens. Unless it is zero, other threads
    /// know from here on that this one sleeps.
    pub(crate) fn sleep_timeout(&mut self) -> Option<Duration> {
        // After this turn's tasks were posted, replies may have let held-back requests go on.
        if self.reactor.has_listed()
            || self.reactor.new_tasks() > 0
            || self.reactor.has_lane_events()
            || self.reactor.has_steps()
        {
            return Some(Duration::ZERO);
        }
        self.inbox.wake_flag().about_to_sleep();
        // A full lane says only once that it has room again. It may have said so before this.
        if !self.inbox.is_empty() || self.reactor.has_room_in_lanes() {
            self.inbox.wake_flag().awake();
            return Some(Duration::ZERO);
        }
        let now = self.reactor.services.clock.now();
        let timer = self.reactor.next_timer().map(|at| {
            Duration::from_millis(at.saturating_sub(self.reactor.services.clock.millis()))
                .max(FIRST_RESCUE)
        });
        let rescue = self.has_workers_busy().then_some(self.rescue_at);
        let accept = self.accepting.as_ref().and_then(|accepting| accepting.next_at(now));
        let until = sooner(sooner(rescue, accept), self.drain_until);
        let until = until.map(|at| at.saturating_duration_since(now).max(FIRST_RESCUE));
        sooner(until, timer)
    }

    /// Takes the control messages. False if the loop must end at once.
    fn controls(&mut self) -> bool {
        loop {
            // Looked at each time, because other threads may put in messages without end.
            if self.inbox.is_forced() {
                self.reactor.close_all();
                return false;
            }
            let Some(control) = self.inbox.pop_control() else { return true };
            match control {
                Control::Accepted(accepted) => self.insert(accepted),
                Control::Lanes(lanes) => {
                    // A thread's answers from before it went count.
                    self.replies();
                    self.reactor.set_lanes(lanes);
                }
                Control::Reload(app) => self.reactor.reload(self.table_of(&app)),
                Control::Swap(app, lanes) => {
                    self.replies();
                    self.reactor.swap(self.table_of(&app), lanes);
                }
                Control::Retune(tuning) => {
                    self.drain_timeout = tuning.timeouts.drain;
                    self.reactor.retune(&tuning);
                }
                Control::Refused(peer) => self.reactor.refused_connection(peer),
                Control::CloseIdle => self.reactor.close_idle(),
                Control::CloseAll => self.reactor.close_all(),
                Control::LameDuck => self.reactor.lame_duck(),
                Control::DrainWithin(time) => self.drain_within(time),
                Control::Drain => self.drain(false),
                Control::Retire => self.drain(true),
                Control::NoMore => self.has_all = true,
            }
        }
    }

    fn table_of(&self, app: &App) -> Table {
        let settings = &self.reactor.services.settings;
        app.compile_with(&self.stats, settings.compress.as_deref(), &settings.health.checks)
    }

    /// Takes the replies of workers and lanes, and writes the answers.
    pub(crate) fn replies(&mut self) {
        let out = self.reactor.tasks_out() + self.reactor.steps_away();
        while let Some(task) = self.inbox.replies().pop() {
            self.reactor.reply(task);
        }
        if self.reactor.awaits_steps() {
            self.step_replies();
        }
        if self.reactor.tasks_out() + self.reactor.steps_away() < out {
            // The workers get on.
            self.rescue = FIRST_RESCUE;
            self.rescue_at = self.reactor.services.clock.now() + self.rescue;
        }
        self.inbox.replies().take_lanes(&mut self.lane_replies);
        for reply in self.lane_replies.drain(..) {
            self.reactor.lane_reply(reply);
        }
        self.reactor.flush_dirty();
    }

    /// Between two turns, takes a lane's response whose body the caller lends. True if there is
    /// more to do at once.
    pub(crate) fn respond_lent(
        &mut self,
        exchange: Exchange,
        body: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> Arc<[u8]>,
    ) -> bool {
        // The last turn may be long ago. By its time the client would already be late.
        self.reactor.services.clock.read();
        self.reactor.respond_lent(exchange, body, keep);
        self.reactor.flush_dirty();
        self.reactor.has_listed() || self.reactor.new_tasks() > 0 || self.reactor.has_lane_events()
    }

    fn handle(&mut self) {
        for index in 0..self.events.len() {
            let event = self.events.get(index);
            match event.token() {
                WAKER => {}
                token if token >= LISTENER => self.accept(),
                token => {
                    let ready = Ready {
                        readable: event.readable(),
                        writable: event.writable(),
                        hangup: event.read_closed(),
                        failed: event.failed(),
                    };
                    self.reactor.ready(token, ready);
                    if self.reactor.new_tasks() >= POST_BATCH {
                        self.post();
                    }
                }
            }
        }
        if let Some(accepting) = &mut self.accepting {
            accepting.tick(&self.poller, self.reactor.services.clock.now());
        }
        self.read_fresh();
    }

    /// Reads the connections that came in this turn. Most clients send their request at once.
    fn read_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        for token in fresh.drain(..) {
            let ready = Ready { readable: true, writable: false, hangup: false, failed: false };
            self.reactor.ready(token, ready);
            if self.reactor.new_tasks() >= POST_BATCH {
                self.post();
            }
            self.unwatched.push(token);
        }
        self.fresh = fresh;
    }

    /// Watches the connections that came in this turn, unless a lane has their request. A turn that
    /// gave a lane something is followed by another, whoever drives.
    fn watch_new(&mut self) {
        let mut unwatched = std::mem::take(&mut self.unwatched);
        unwatched.retain(|token| {
            let waits = self.reactor.is_at_lane(*token);
            if !waits {
                self.watch(*token);
            }
            waits
        });
        self.unwatched = unwatched;
    }

    /// Watches those that came in the last turn and are still there.
    fn watch_rest(&mut self) {
        let mut unwatched = std::mem::take(&mut self.unwatched);
        for token in unwatched.drain(..) {
            self.watch(token);
        }
        self.unwatched = unwatched;
    }

    /// Queues this turn's tasks and wakes one worker for all of them.
    fn post(&mut self) {
        if self.reactor.new_tasks() == 0 {
            return;
        }
        if self.reactor.tasks_out() + self.reactor.new_tasks() > self.max_tasks {
            // Tasks that are done but not taken back must not count.
            self.replies();
        }
        let waiting = self.reactor.tasks_out() > 0;
        let mut room = self.max_tasks.saturating_sub(self.reactor.tasks_out());
        if !self.pool.start() {
            room = 0;
        }
        self.reactor.take_tasks(&mut self.tasks);
        let mut queued = 0;
        for task in self.tasks.drain(..) {
            let task = if room == 0 { Err(task) } else { self.pool.push(task) };
            match task {
                Ok(()) => {
                    queued += 1;
                    room -= 1;
                }
                Err(task) => self.reactor.refused(task),
            }
        }
        let counters = &self.counters.loops[self.index];
        counters.queued.add(queued);
        counters.queue_peak.raise_to(self.pool.len() as u64);
        if queued > 0 {
            // A look that is due sooner stays. Otherwise tasks that come all the time would put it
            // off for ever.
            let soon = self.reactor.services.clock.now() + FIRST_RESCUE;
            self.rescue_at = if waiting { self.rescue_at.min(soon) } else { soon };
            self.rescue = FIRST_RESCUE;
            if self.pool.wake_one(self.home) {
                counters.worker_wakes.add(1);
            }
        }
    }

    /// Takes back steps that were taken, and what serves names.
    #[cold]
    fn step_replies(&mut self) {
        while let Some(step) = self.inbox.replies().pop_step() {
            self.reactor.step_taken(*step);
        }
        while let Some((conn, choice)) = self.inbox.replies().pop_name() {
            self.reactor.serve_name(conn, &choice);
        }
    }

    /// Gives steps to the workers. Takes some itself if they have enough.
    #[inline(never)]
    fn post_steps(&mut self) {
        for AskedName { conn, endpoint, name } in self.reactor.take_questions() {
            let replies = Arc::clone(self.inbox.replies());
            let question = NameQuestion::new(conn, name, replies);
            let entrance = &self.reactor.services.settings.entrances[endpoint];
            if let Some(names) = entrance.tls.as_ref().and_then(|tls| tls.names()) {
                names.ask(question);
            }
        }
        let most_away = if self.pool.start() { MOST_AWAY } else { 0 };
        self.reactor.take_steps(most_away, &mut self.steps);
        if !self.steps.is_empty() {
            let waiting = self.has_workers_busy();
            for step in self.steps.drain(..) {
                self.pool.push_step(step);
            }
            let soon = self.reactor.services.clock.now() + FIRST_RESCUE;
            self.rescue_at = if waiting { self.rescue_at.min(soon) } else { soon };
            self.rescue = FIRST_RESCUE;
            if self.pool.wake_one(self.home) {
                self.counters.loops[self.index].worker_wakes.add(1);
            }
        }
        let start = Instant::now();
        self.reactor.take_own_steps(|| start.elapsed() < OWN_STEPS);
    }

    /// Whether workers have something of this loop.
    fn has_workers_busy(&self) -> bool {
        self.reactor.tasks_out() + self.reactor.steps_away() > 0
    }

    /// If no reply has come for a while and tasks are still queued, the woken workers are stuck in
    /// long tasks. Then wakes a further worker. This goes by the clock, because other connections
    /// may keep the loop busy without end.
    fn rescue(&mut self) {
        let now = self.reactor.services.clock.now();
        if !self.has_workers_busy() || now < self.rescue_at {
            return;
        }
        self.rescue = (self.rescue * 2).min(LAST_RESCUE);
        if self.pool.len() + self.pool.steps() > 0 && self.pool.wake_one(self.home) {
            self.counters.loops[self.index].worker_wakes.add(1);
            self.rescue = FIRST_RESCUE;
        }
        self.rescue_at = now + self.rescue;
    }

    fn accept(&mut self) {
        let open = self.counters.open();
        let Some(accepting) = &mut self.accepting else { return };
        let mut accepted = Vec::new();
        accepting.accept(&self.poller, open, &mut |one| accepted.push(one));
        for peer in accepting.take_refused() {
            self.reactor.refused_connection(peer);
        }
        accepted.into_iter().for_each(|one| self.insert(one));
    }

    fn insert(&mut self, accepted: Accepted) {
        let Accepted { stream, peer, endpoint } = accepted;
        self.fresh.push(self.reactor.accepted(stream, peer, endpoint));
    }

    fn watch(&mut self, token: u64) {
        if let Some(stream) = self.reactor.socket(token)
            && self.poller.add_edge(stream, token).is_err()
        {
            self.reactor.discard(token);
        }
    }

    fn drain_within(&mut self, time: Duration) {
        self.drain_timeout = self.drain_timeout.min(time);
        if let Some(until) = &mut self.drain_until {
            *until = (*until).min(self.reactor.services.clock.now() + time);
        }
    }

    fn drain(&mut self, leaves: bool) {
        if self.drain_until.is_some() {
            return;
        }
        if let Some(accepting) = &mut self.accepting {
            let open = self.counters.open();
            let mut accepted = Vec::new();
            let inbox = &self.inbox;
            let mut take = |one| accepted.push(one);
            accepting.finish(&self.poller, leaves, open, &|| inbox.is_forced(), &mut take);
            accepted.into_iter().for_each(|one| self.insert(one));
            self.has_all = true;
        }
        self.drain_until = Some(self.reactor.services.clock.now() + self.drain_timeout);
        self.reactor.drain(leaves.then_some(self.drain_timeout));
    }

    fn is_drained(&mut self) -> bool {
        let Some(until) = self.drain_until else { return false };
        if self.reactor.services.clock.now() >= until {
            self.reactor.close_all();
            return true;
        }
        self.has_all && self.reactor.connections() == 0
    }
}
