//! Workers that take steps for connections, in any order.

use std::collections::VecDeque;

use super::rng::Rng;
use super::wire::SimTransport;
use crate::conn::handshake::{AskedName, NameChoice};
use crate::conn::step::Step;
use crate::event_loop::reactor::Reactor;
use crate::exchange::id::ConnId;

pub(super) struct Steps {
    /// With its own, it changes no other draw of a seed.
    rng: Rng,
    /// How many workers may have.
    most_away: usize,
    away: Vec<Box<Step>>,
    back: VecDeque<Box<Step>>,
    /// Connections for which somebody was asked what serves their name.
    asked: Vec<ConnId>,
    named: Vec<ConnId>,
}

impl Steps {
    pub(super) fn new(mut rng: Rng) -> Self {
        let most_away = *rng.pick(&[0, 1, 3, 64]);
        Self {
            rng,
            most_away,
            away: Vec::new(),
            back: VecDeque::new(),
            asked: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Has reads of files find nothing in memory, in some runs: then workers read.
    pub(super) fn cool(&mut self, reactor: &mut Reactor<SimTransport>) {
        reactor.services.buffers.cold_every = *self.rng.pick(&[0, 0, 1, 2, 5]);
    }

    /// Whether the loop has something to take.
    pub(super) fn are_back(&self) -> bool {
        !self.back.is_empty() || !self.named.is_empty()
    }

    /// Workers take steps that are away: some of them, or all.
    pub(super) fn work(&mut self, all: bool) -> bool {
        let before = self.away.len();
        for _ in 0..before {
            if all || self.rng.percent(40) {
                let at = self.rng.below(self.away.len());
                let mut step = self.away.swap_remove(at);
                step.take();
                self.back.push_back(step);
            }
        }
        let unnamed = self.asked.len();
        for _ in 0..unnamed {
            if all || self.rng.percent(40) {
                let at = self.rng.below(self.asked.len());
                self.named.push(self.asked.swap_remove(at));
            }
        }
        self.away.len() < before || self.asked.len() < unnamed
    }

    /// The loop takes those that are back.
    pub(super) fn replies(&mut self, reactor: &mut Reactor<SimTransport>) {
        while let Some(step) = self.back.pop_front() {
            reactor.step_taken(*step);
        }
        for conn in self.named.drain(..) {
            reactor.serve_name(conn, &NameChoice::Own);
        }
    }

    /// The loop gives some away, and takes others itself.
    pub(super) fn post(&mut self, reactor: &mut Reactor<SimTransport>) {
        for AskedName { conn, name, .. } in reactor.take_questions() {
            assert_eq!(name.as_deref(), Some("sim.test"));
            self.asked.push(conn);
        }
        reactor.take_steps(self.most_away, &mut self.away);
        let mut own = self.rng.below(3);
        reactor.take_own_steps(|| {
            let has_time = own > 0;
            own = own.saturating_sub(1);
            has_time
        });
    }
}
