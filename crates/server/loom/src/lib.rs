//! The server's wake-up protocols under loom: every schedule of small models,
//! and every value that the memory model lets a load see.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --manifest-path crates/server/loom/Cargo.toml --release
//! ```
//!
//! The files under test are the server's own, included by path. `ownership.rs` finds small
//! stand-ins for loop, lane and epoll in `ownership_world.rs`.
//!
//! The models also run on copies with one line changed (`build.rs`), and must fail there. So each
//! model is known to be able to fail.
//!
//! One producer with one sleeper is checked completely. Larger models are checked up to a number of
//! preemptions, because all their schedules would take hours.
#![cfg(all(test, loom))]

#[path = "../../src/event_loop/wake_flag.rs"]
mod wake_flag;
mod wake_flag_model;
#[path = "../../src/dispatch/worker/idle.rs"]
mod idle;
mod idle_model;
mod queue;
#[path = "../../src/event_loop/ownership.rs"]
mod ownership;
mod ownership_model;
mod ownership_world;

// What `ownership.rs` imports, under the same names.
extern crate self as reactor_sys;
use ownership_world::{Poller, Timer, block_signals, yield_now};

mod dispatch {
    pub(crate) mod lane {
        pub(crate) use crate::ownership_world::lane as channel;
    }
}
mod event_loop {
    pub(crate) use crate::ownership_world::{event_loop as turn, inbox, token};
}

/// Runs a model under every schedule with at most `preemptions` switches away from a thread that
/// could have gone on. `None` is every schedule.
fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}
