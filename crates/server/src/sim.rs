//! A simulation of the reactor. A seed decides all that happens in a run, so a run that fails can
//! be run again. In a run:
//!
//! - Clients send right and wrong requests, in pieces of any size.
//! - Sockets take and give as little as sockets may.
//! - Workers answer late, out of order or never.
//! - Handler threads do the same, stream their answers, come and go.
//! - The clock jumps.
//!
//! ```sh
//! REACTOR_SIM_SEED=7 cargo test -p reactor-server sim    # one seed, traced
//! REACTOR_SIM_RUNS=100000 REACTOR_SIM_BASE=5 cargo test --release -p reactor-server sim
//! ```
//!
//! Each test run has some seeds that are always the same, and some new ones, which begin at
//! `REACTOR_SIM_BASE`.
//!
//! `check` has what must hold after every turn, and `client` what every client must see.
#![allow(clippy::cast_possible_truncation, reason = "sizes in a simulation are small")]

mod answer;
mod app;
mod balancers;
mod cases;
mod check;
mod client;
mod h2;
mod handshakes;
mod lending;
pub(crate) mod lines;
mod pipe;
mod plan;
mod request;
mod rng;
mod said;
mod sockets;
mod tally;
mod thread;
mod tls_peer;
pub(crate) mod toy_link;
mod wire;
mod world;

use tally::Tally;
use world::World;

/// Seeds that every `cargo test` runs, from 0 on.
const RUNS: u64 = 600;

/// New seeds that every `cargo test` runs too, from a random one on.
const FRESH: u64 = 150;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
}

/// Says which seed it was, also when the reactor itself panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with REACTOR_SIM_SEED={}", self.0);
        }
    }
}

fn run(seed: u64, trace: bool) -> Tally {
    let shown = Seed(seed);
    let mut world = World::new(seed, trace);
    if let Err(error) = world.run() {
        panic!("{error}");
    }
    std::mem::forget(shown);
    world.tally
}

#[test]
fn whatever_happens_every_request_gets_its_answer() {
    if let Some(seed) = variable("REACTOR_SIM_SEED") {
        run(seed, true);
        return;
    }
    let base = variable("REACTOR_SIM_BASE").unwrap_or_else(fresh);
    let runs = variable("REACTOR_SIM_RUNS");
    eprintln!("fresh seeds begin at REACTOR_SIM_BASE={base}");
    let mut tally = Tally::default();
    let known = if runs.is_some() { 0..0 } else { 0..RUNS };
    let seeds = known.chain((0..runs.unwrap_or(FRESH)).map(|n| base.wrapping_add(n)));
    for seed in seeds {
        tally.add(&run(seed, false));
    }
    eprintln!("{tally:?}");
    tally.check_coverage();
}

/// A number that differs from run to run, short enough to be typed.
fn fresh() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 24
}
