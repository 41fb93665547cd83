//! Workers that take steps of TLS handshakes, in any order.

use std::collections::VecDeque;

use super::rng::Rng;
use super::wire::SimTransport;
use crate::conn::handshake::HandshakeStep;
use crate::event_loop::reactor::Reactor;

pub(super) struct Steps {
    /// With its own, it changes no other draw of a seed.
    rng: Rng,
    /// How many workers may have.
    most_away: usize,
    away: Vec<Box<HandshakeStep>>,
    back: VecDeque<Box<HandshakeStep>>,
}

impl Steps {
    pub(super) fn new(mut rng: Rng) -> Self {
        let most_away = *rng.pick(&[0, 1, 3, 64]);
        Self { rng, most_away, away: Vec::new(), back: VecDeque::new() }
    }

    /// Whether the loop has something to take.
    pub(super) fn are_back(&self) -> bool {
        !self.back.is_empty()
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
        self.away.len() < before
    }

    /// The loop takes those that are back.
    pub(super) fn replies(&mut self, reactor: &mut Reactor<SimTransport>) {
        while let Some(step) = self.back.pop_front() {
            reactor.handshake_step(*step);
        }
    }

    /// The loop gives some away, and takes others itself.
    pub(super) fn post(&mut self, reactor: &mut Reactor<SimTransport>) {
        reactor.take_steps(self.most_away, &mut self.away);
        let mut own = self.rng.below(3);
        reactor.take_own_steps(|| {
            let has_time = own > 0;
            own = own.saturating_sub(1);
            has_time
        });
    }
}
