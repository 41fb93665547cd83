//! A simulation of the reactor: clients that send right and wrong requests in
//! any pieces, sockets that take and give as little as sockets may, workers
//! that answer late, out of order or never, threads behind lanes that do so and
//! stream, come and go, a clock that jumps. A seed decides all of it, so a run that fails can be run again:
//!
//! ```sh
//! REACTOR_SIM_SEED=7 cargo test -p reactor-server sim    # one seed, traced
//! REACTOR_SIM_RUNS=100000 cargo test --release -p reactor-server sim
//! ```
//!
//! `check` says what must hold after every turn, `client` what every client
//! must see.
#![allow(clippy::cast_possible_truncation, reason = "sizes in a simulation are small")]

mod answer;
mod app;
mod cases;
mod check;
mod client;
mod plan;
mod request;
mod rng;
mod said;
mod tally;
mod thread;
mod wire;
mod world;

use tally::Tally;
use world::World;

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 600;

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
    let mut tally = Tally::default();
    for seed in 0..variable("REACTOR_SIM_RUNS").unwrap_or(RUNS) {
        tally.add(&run(seed, false));
    }
    eprintln!("{tally:?}");
    tally.check_coverage();
}
