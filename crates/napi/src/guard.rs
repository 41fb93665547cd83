//! Ends the process on a signal where JavaScript does not.
//!
//! Node calls its signal listeners between two turns of JavaScript. A handler that never
//! returns would therefore make the process deaf to SIGTERM. A thread of ours hears the
//! same signals. It begins the drain, and cuts it short at the second signal. If the drain is
//! delayed, the second signal begins it. The thread ends the process if JavaScript has not done so
//! in time.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use reactor_server::{Server, Stop};
use reactor_sys::{Signals, block_signals, exit_now};

/// Signals closer than this are one: a terminal and npm both deliver the same Ctrl-C; see
/// `ts/cli/serve.ts`.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// How long JavaScript may take after the drain's time to end its threads and to run its
/// exit listeners.
const AFTER_DRAIN: Duration = Duration::from_secs(10);
/// The same after a second signal.
const AFTER_FORCE: Duration = Duration::from_secs(3);

/// Guards `server` until the process ends. A stop begins with `delay`, in which the server only says
/// that it stops soon.
pub(crate) fn guard(server: Arc<Server>, drain: Duration, delay: Duration) -> io::Result<()> {
    let Some(signals) = Signals::watch()? else { return Ok(()) };
    let run = move || {
        block_signals();
        Guard { server, drain, delay, heard: None, drain_at: None, end: None }.run(&signals);
    };
    Builder::new().name("rx-signals".to_owned()).spawn(run).map(|_| ())
}

struct Guard {
    server: Arc<Server>,
    drain: Duration,
    delay: Duration,
    /// When a signal last took the stop a step further.
    heard: Option<Instant>,
    /// When the drain begins, during the delay.
    drain_at: Option<Instant>,
    /// When the process must have ended, and the signal that it ends by.
    end: Option<(Instant, i32)>,
}

impl Guard {
    fn run(&mut self, signals: &Signals) {
        loop {
            let now = Instant::now();
            if let Some((at, signal)) = self.end
                && now >= at
            {
                let line = "reactor-rs: JavaScript does not come to an end; ended without it\n";
                // A thread of its own writes: stderr may be a pipe that blocks.
                let _ = Builder::new().spawn(move || io::stderr().write_all(line.as_bytes()));
                std::thread::sleep(Duration::from_millis(50));
                exit_now(128 + signal);
            }
            if self.drain_at.is_some_and(|at| now >= at) {
                self.begin_drain();
            }
            let next = self.drain_at.or(self.end.map(|(at, _)| at));
            let timeout = next.map(|at| at.saturating_duration_since(now));
            if let Some(signal) = signals.wait(timeout) {
                self.hear(signal);
            }
        }
    }

    fn hear(&mut self, signal: i32) {
        let now = Instant::now();
        if self.heard.is_some_and(|at| now - at <= SAME_SIGNAL) {
            return;
        }
        if self.heard.replace(now).is_none() {
            self.end = Some((now + self.delay + self.drain + AFTER_DRAIN, signal));
            if self.delay.is_zero() {
                self.server.stop(Stop::Drain);
            } else {
                self.drain_at = Some(now + self.delay);
                self.server.lame_duck();
            }
        } else if self.drain_at.is_some() {
            self.end = self.end.map(|(_, first)| (now + self.drain + AFTER_DRAIN, first));
            self.begin_drain();
        } else {
            let at = now + AFTER_FORCE;
            // A further signal does not postpone the end.
            self.end = (self.end)
                .map(|(before, code)| if at < before { (at, signal) } else { (before, code) });
            self.server.stop(Stop::Force);
        }
    }

    fn begin_drain(&mut self) {
        self.drain_at = None;
        self.server.stop(Stop::Drain);
    }
}
