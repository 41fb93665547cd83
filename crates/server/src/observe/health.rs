//! Whether a server wants clients, and whether it is alive, as health checks ask.

pub(crate) mod pulse;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::observe::counters::LoopCounters;
use crate::observe::health::pulse::Pulse;

/// How long a loop may have no turn until the server counts as stuck. No call on a loop blocks, so
/// this is far more than a busy machine takes.
const LOOP_STUCK: Duration = Duration::from_secs(10);

/// The paths under which loops tell of the server's health themselves, and what they tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthChecks {
    /// Answers 200 while the server wants clients, and 503 else.
    pub ready: Option<String>,
    /// Answers 200 while the loops turn, and 503 else.
    pub live: Option<String>,
    /// A handler thread that is held up for longer than this counts against `live` too. By default
    /// none does.
    pub handlers: Option<Duration>,
    /// The server is not ready before the program says so.
    pub waits: bool,
}

impl HealthChecks {
    /// Whether one of them has this path.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        [&self.ready, &self.live].into_iter().flatten().any(|check| check.as_bytes() == path)
    }
}

/// What a health check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Ready,
    Live,
}

/// How long parts of a server have stood still. Zero for those that are well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standstill {
    /// The loop that has had no turn for longest.
    pub loops: Duration,
    /// The handler thread that has been held up for longest.
    pub handlers: Duration,
}

/// Nudges the loops, and returns how long a handler thread has been held up.
pub(crate) type Nudge = Box<dyn Fn() -> Duration + Send + Sync>;

/// The health of one server.
#[derive(Default)]
pub(crate) struct Health {
    pub(crate) checks: HealthChecks,
    /// The program says that it is not ready.
    unready: AtomicBool,
    /// The server is about to stop, or stops.
    ending: AtomicBool,
    /// It drains: loops end one by one, so their standing still says nothing.
    draining: AtomicBool,
    loops: Vec<Arc<CachePadded<LoopCounters>>>,
    nudge: OnceLock<Nudge>,
    /// What those who ask over HTTP see.
    pulse: Mutex<Pulse>,
}

impl Health {
    pub(crate) fn new(checks: HealthChecks, loops: Vec<Arc<CachePadded<LoopCounters>>>) -> Self {
        let unready = AtomicBool::new(checks.waits);
        Self { checks, unready, loops, ..Self::default() }
    }

    /// Sets what nudges the loops. Without it none is ever taken for stuck.
    pub(crate) fn nudge_with(&self, nudge: Nudge) {
        let _ = self.nudge.set(nudge);
    }

    /// The program's own word.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.unready.store(!ready, Ordering::Relaxed);
    }

    /// From now on it wants no new clients.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// It drains.
    pub(crate) fn drain(&self) {
        self.end();
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to stop, or stops.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether it wants new clients.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_ending() && !self.unready.load(Ordering::Relaxed)
    }

    /// Looks how long parts of the server have stood still, as far as `pulse` has seen.
    pub(crate) fn look(&self, pulse: &mut Pulse, now: Instant) -> Standstill {
        let Some(nudge) = self.nudge.get() else { return Standstill::default() };
        if self.draining.load(Ordering::Relaxed) {
            return Standstill::default();
        }
        let loops = pulse.look(self.loops.iter().map(|one| one.turns.get()), now);
        Standstill { loops, handlers: nudge() }
    }

    /// The answer to a health check: whether all is well, and a word about it.
    pub(crate) fn answer(&self, question: Question, now: Instant) -> (bool, &'static str) {
        match question {
            Question::Ready if self.is_ready() => (true, "ready\n"),
            Question::Ready if self.is_ending() => (false, "stopping\n"),
            Question::Ready => (false, "not ready\n"),
            Question::Live => {
                let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
                let Standstill { loops, handlers } = self.look(&mut pulse, now);
                if loops >= LOOP_STUCK {
                    (false, "an I/O thread is stuck\n")
                } else if self.checks.handlers.is_some_and(|most| handlers >= most) {
                    (false, "a handler is stuck\n")
                } else {
                    (true, "alive\n")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn health(checks: HealthChecks, held_up: Duration) -> Health {
        let health = Health::new(checks, vec![Arc::default(), Arc::default()]);
        health.nudge_with(Box::new(move || held_up));
        health
    }

    fn turn(health: &Health, which: usize) {
        health.loops[which].turns.add(1);
    }

    #[test]
    fn it_is_ready_until_the_program_or_a_stop_says_otherwise() {
        let health = health(HealthChecks::default(), Duration::ZERO);
        let now = Instant::now();
        assert_eq!(health.answer(Question::Ready, now), (true, "ready\n"));
        health.set_ready(false);
        assert_eq!(health.answer(Question::Ready, now), (false, "not ready\n"));
        health.set_ready(true);
        assert!(health.is_ready());
        health.end();
        assert_eq!(health.answer(Question::Ready, now), (false, "stopping\n"));
        assert_eq!(health.answer(Question::Live, now), (true, "alive\n"));
    }

    #[test]
    fn it_may_wait_for_the_program() {
        let health = health(HealthChecks { waits: true, ..HealthChecks::default() }, S);
        assert!(!health.is_ready());
        health.set_ready(true);
        assert!(health.is_ready());
    }

    #[test]
    fn a_loop_without_a_turn_is_stuck_though_the_others_turn() {
        let health = health(HealthChecks::default(), 3600 * S);
        let mut now = Instant::now();
        for _ in 0..3 {
            turn(&health, 0);
            assert_eq!(health.answer(Question::Live, now), (true, "alive\n"));
            now += 4 * S;
        }
        turn(&health, 0);
        assert_eq!(health.answer(Question::Live, now), (false, "an I/O thread is stuck\n"));
        turn(&health, 1);
        assert!(health.answer(Question::Live, now + S).0, "it has come back");
    }

    #[test]
    fn loops_that_end_with_the_server_are_not_stuck() {
        let health = health(HealthChecks::default(), Duration::ZERO);
        let now = Instant::now();
        health.drain();
        for seconds in 0..30 {
            assert!(health.answer(Question::Live, now + seconds * S).0);
        }
    }

    #[test]
    fn a_handler_counts_only_if_that_was_asked_for() {
        let checks = HealthChecks { handlers: Some(30 * S), ..HealthChecks::default() };
        let now = Instant::now();
        assert!(health(checks.clone(), 29 * S).answer(Question::Live, now).0);
        let stuck = health(checks, 30 * S).answer(Question::Live, now);
        assert_eq!(stuck, (false, "a handler is stuck\n"));
    }
}
