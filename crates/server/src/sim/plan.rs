//! The plan of one run. Each seed draws its own, and most plans leave most troubles out. One run in
//! which everything goes wrong reaches less than many runs in which a few things do.

use super::request::Mix;
use super::rng::Rng;
use super::said::Habits;
use super::wire::Faults;
use crate::event_loop::services::SendBudget;

/// SendBudget so small that the answers of a simulation need several.
const SMALL_PIECES: SendBudget = SendBudget {
    large: 20_000,
    usual: 3_000,
    small: 100,
    busy: 30_000,
    full: 60_000,
    leftover: 9_000,
};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) steps: usize,
    pub(super) mix: Mix,
    pub(super) faults: Faults,
    /// Tasks that may wait for a worker, and tasks that may be at workers in all.
    pub(super) queue: usize,
    pub(super) max_tasks: usize,
    pub(super) body_memory: usize,
    pub(super) lanes: LanePlan,
    pub(super) send_budget: SendBudget,
    /// The most bytes that a client's receive buffer holds.
    pub(super) most_capacity: usize,
    /// The most bytes that arrive at once.
    pub(super) most_segment: usize,
    /// Percentages.
    pub(super) odd_endings: u32,
    pub(super) sloppy: u32,
    pub(super) spurious: u32,
    pub(super) held_events: u32,
    pub(super) failing: u32,
    pub(super) missing: u32,
    pub(super) slow_workers: u32,
    pub(super) slow_readers: u32,
    /// Connections whose link splits bytes and holds them back.
    pub(super) toy_links: u32,
    /// Of the others, those that go through TLS.
    pub(super) tls_links: u32,
    /// Answers are compressed for clients that accept it.
    pub(super) compress: bool,
    /// How many of a thousand steps are of these kinds.
    pub(super) jumps: usize,
    pub(super) reloads: usize,
    pub(super) drains: usize,
    pub(super) stops: usize,
}

/// What the lanes of a run are like.
#[derive(Clone, Debug)]
pub(super) struct LanePlan {
    pub(super) count: usize,
    /// Requests that may wait in each.
    pub(super) capacity: usize,
    /// Events that a thread takes in a turn, at most.
    pub(super) batch: usize,
    /// Requests that may be with lanes.
    pub(super) in_flight: Option<usize>,
    /// How long they may be there, in milliseconds.
    pub(super) request_timeout: Option<u64>,
    pub(super) habits: Habits,
    /// A thread drives the loop: then it does not look once more before it sleeps.
    pub(super) drives: bool,
    /// Percentage.
    pub(super) slow: u32,
    /// In how many of a thousand steps a thread comes or goes.
    pub(super) changes: usize,
}

impl LanePlan {
    fn new(rng: &mut Rng) -> Self {
        Self {
            count: rng.between(1, 3),
            capacity: *rng.pick(&[1, 2, 5, 4_096, 4_096]),
            batch: *rng.pick(&[1, 3, 1_000]),
            in_flight: *rng.pick(&[None, None, None, Some(1), Some(4), Some(30)]),
            request_timeout: *rng.pick(&[None, None, Some(100), Some(5_000)]),
            habits: Habits::new(rng),
            drives: rng.percent(30),
            slow: *rng.pick(&[0, 50, 90]),
            changes: if rng.percent(70) { 0 } else { *rng.pick(&[5, 20, 60]) },
        }
    }

    fn calm() -> Self {
        Self {
            count: 1,
            capacity: 4_096,
            batch: 1_000,
            in_flight: None,
            request_timeout: None,
            habits: Habits::default(),
            drives: false,
            slow: 0,
            changes: 0,
        }
    }
}

impl Plan {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut seldom = |values: &[usize]| if rng.percent(70) { 0 } else { *rng.pick(values) };
        let jumps = seldom(&[5, 20, 100]);
        let reloads = seldom(&[5, 30]);
        let drains = seldom(&[2, 10]);
        let stops = seldom(&[1, 3]);
        let mut plan = Self {
            clients: rng.between(1, 8),
            steps: rng.between(50, 700),
            mix: Mix::new(rng),
            faults: Faults {
                short_read: *rng.pick(&[0, 0, 10, 70]),
                short_write: *rng.pick(&[0, 0, 10, 70]),
                interrupted: *rng.pick(&[0, 0, 0, 5, 20]),
            },
            queue: *rng.pick(&[1, 3, 20, 1_000, 1_000]),
            max_tasks: *rng.pick(&[2, 100, 4_096, 4_096]),
            body_memory: *rng.pick(&[10_000, 300_000, 100_000_000, 100_000_000]),
            lanes: LanePlan::new(rng),
            send_budget: *rng.pick(&[SendBudget::default(), SMALL_PIECES]),
            most_capacity: *rng.pick(&[300, 10_000, 200_000, 2_000_000]),
            most_segment: *rng.pick(&[1, 30, 2_000, 100_000, 1_000_000]),
            odd_endings: *rng.pick(&[0, 20, 60]),
            sloppy: *rng.pick(&[0, 0, 50]),
            spurious: *rng.pick(&[0, 0, 5, 40]),
            held_events: *rng.pick(&[0, 0, 20]),
            failing: *rng.pick(&[0, 0, 10]),
            missing: *rng.pick(&[0, 0, 0, 5]),
            slow_workers: *rng.pick(&[0, 50, 90]),
            slow_readers: *rng.pick(&[0, 50, 95]),
            toy_links: *rng.pick(&[0, 0, 50, 100]),
            // From a copy, so that it changes no other draw of a seed.
            tls_links: *rng.clone().pick(&[0, 0, 50, 100]),
            compress: rng.clone().percent(40),
            jumps,
            reloads,
            drains,
            stops,
        };
        plan.mix.accepts = plan.compress;
        if rng.percent(15) {
            plan.answer_uploads_early();
        } else if rng.percent(10) {
            plan.pipeline_large_answers();
        } else if rng.clone().percent(6) {
            plan.pipeline_small_answers();
        }
        plan
    }

    /// Many requests at once. Each has an answer that fills much of what a connection may hold, and
    /// the client reads it slowly.
    fn pipeline_large_answers(&mut self) {
        self.mix.downloads = true;
        self.clients = self.clients.min(3);
        self.mix.lane = 70;
        self.mix.bad = 0;
        self.mix.bodies = 0;
        self.mix.closes = 0;
        self.mix.bursts = 90;
        self.most_segment = 100_000;
        self.slow_readers = 95;
        self.lanes.capacity = 4_096;
        self.lanes.in_flight = None;
        self.lanes.habits.streams = 0;
        self.lanes.habits.silent = 20;
    }

    /// More requests at once than a connection may have open. Their answers are small, so that their
    /// number is what stops it.
    fn pipeline_small_answers(&mut self) {
        self.mix.most_answer = 100;
        self.mix.large = 0;
        self.mix.lane = 0;
        self.mix.bad = 0;
        self.mix.bodies = 0;
        self.mix.closes = 0;
        self.mix.bursts = 95;
        self.steps = self.steps.max(400);
        self.queue = 1_000;
        self.most_segment = 100_000;
        self.slow_workers = 90;
    }

    /// An upload that is answered while it comes goes wrong only if many things happen at once.
    fn answer_uploads_early(&mut self) {
        self.mix.lane = 80;
        self.mix.bodies = 80;
        self.mix.chunks = 95;
        self.most_segment = 200;
        self.mix.closes = 0;
        self.mix.bad = 30;
        self.lanes.habits.early = 80;
        self.lanes.habits.streams = 80;
        self.lanes.habits.silent = 30;
    }

    /// Nothing happens but what a test makes happen.
    pub(super) fn calm() -> Self {
        let mut rng = Rng::new(0);
        Self {
            clients: 0,
            steps: 0,
            mix: Mix::new(&mut rng),
            faults: Faults::default(),
            queue: 1_000,
            max_tasks: 1_000,
            body_memory: 100_000_000,
            lanes: LanePlan::calm(),
            send_budget: SendBudget::default(),
            most_capacity: 100_000,
            most_segment: 100_000,
            odd_endings: 0,
            sloppy: 0,
            spurious: 0,
            held_events: 0,
            failing: 0,
            missing: 0,
            slow_workers: 0,
            slow_readers: 0,
            toy_links: 0,
            tls_links: 0,
            compress: false,
            jumps: 0,
            reloads: 0,
            drains: 0,
            stops: 0,
        }
    }

    /// Less than this in memory may refuse a body.
    pub(super) fn is_tight(&self) -> bool {
        self.body_memory < 100_000_000
    }

    /// No more than this is written above the high-water mark. The mark does not hold back the
    /// answers of workers and lanes: each request in flight may bring one.
    pub(super) fn longest(&self) -> usize {
        if self.mix.inline == 100 && self.mix.lane == 0 { 101_000 } else { 64 * 301_000 }
    }
}
