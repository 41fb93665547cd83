//! Clients of HTTP/2 over links of both kinds, fair ones and hostile ones.
//!
//! Fair clients have small windows that grow late, change their settings midway, upload in
//! frames of any size, cancel requests, and judge each frame of the server. Hostile clients do so
//! too, until they attack: then the connection must end with the right code. Workers and lanes
//! answer whole or in pieces, in any order; lanes are replaced, and the server stops midway.
//!
//! ```sh
//! REACTOR_SIM_SEED=7 cargo test -p reactor-server sim::h2
//! REACTOR_SIM_RUNS=10000 cargo test --release -p reactor-server sim::h2
//! ```

mod attack;
mod client;
mod handlers;
mod judge;
mod stream;
mod world;

use std::collections::HashMap;

use world::World;

use super::variable;

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 300;

/// What is known of requests, by their numbers.
#[derive(Default)]
struct Book {
    wanted: HashMap<u32, Wanted>,
    said: HashMap<u32, Said>,
}

/// What a client sends.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    kind: Kind,
    /// Bytes of its body, if it has one.
    body: Option<usize>,
    trailers: bool,
    head_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A worker sends the body back.
    Echo,
    /// A worker sends so many bytes.
    Sized(usize),
    /// A lane answers.
    Lane,
    Inline,
    /// No route leads there.
    Nowhere,
}

/// What a handler has answered.
#[derive(Clone, Debug, Default)]
struct Said {
    status: u16,
    /// Bytes of its body.
    bytes: usize,
    trailers: bool,
    /// Before the answer.
    informed: u32,
    /// The answer is complete.
    ended: bool,
    /// It will not be.
    broken: bool,
}

/// Seeds that were faulty once, or that are rare: see the comment of each.
const KNOWN: [u64; 0] = [];

#[test]
fn fair_clients_get_what_they_must_and_hostile_ones_the_right_end() {
    let (base, seeds) =
        (variable("REACTOR_SIM_BASE").unwrap_or(0), variable("REACTOR_SIM_RUNS").unwrap_or(RUNS));
    let one = variable("REACTOR_SIM_SEED");
    let all = one.map_or(base..base + seeds, |seed| seed..seed + 1);
    let known = KNOWN.into_iter().filter(|_| one.is_none());
    let mut tally = Tally::default();
    for seed in known.chain(all) {
        let shown = super::Seed(seed);
        World::new(seed).run(&mut tally);
        std::mem::forget(shown);
    }
    if variable("REACTOR_SIM_TALLY").is_some() {
        println!("{tally:?}");
    }
    if one.is_none() && seeds >= RUNS {
        tally.check();
    }
}

/// What all runs together have met.
#[derive(Debug, Default)]
struct Tally {
    /// Answers that came whole, and their bytes.
    answers: u64,
    bytes: u64,
    uploads: u64,
    trailers: u64,
    informed: u64,
    cancelled: u64,
    /// Streams that the server has reset.
    resets: u64,
    refused: u64,
    /// Times that a client was stopped by a window of the server, or the server by the client's.
    windows: u64,
    settings: u64,
    /// Attacks, of these such as ended with their code.
    attacks: u64,
    punished: u64,
    goaways: u64,
}

impl Tally {
    fn check(&self) {
        let Self {
            answers,
            bytes,
            uploads,
            trailers,
            informed,
            cancelled,
            resets,
            refused: _,
            windows,
            settings,
            attacks,
            punished,
            goaways,
        } = *self;
        let rare = [
            answers, bytes, uploads, trailers, informed, cancelled, resets, windows, settings,
            attacks, punished, goaways,
        ];
        assert!(rare.iter().all(|&count| count > 0), "something was never met: {self:?}");
    }
}
