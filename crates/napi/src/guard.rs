//! Ends the process on a signal where JavaScript does not.
//!
//! Node calls its signal listeners between two turns of JavaScript. A handler that never
//! returns would therefore make the process deaf to SIGTERM. A thread of ours hears the
//! same signals. It begins the drain, and cuts it short at the second signal. It ends the
//! process if JavaScript has not done so in time.

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

/// Guards `server` until the process ends.
pub(crate) fn guard(server: Arc<Server>, drain: Duration) -> io::Result<()> {
    let Some(signals) = Signals::watch()? else { return Ok(()) };
    let run = move || {
        block_signals();
        run(&server, &signals, drain);
    };
    Builder::new().name("rx-signals".to_owned()).spawn(run).map(|_| ())
}

fn run(server: &Server, signals: &Signals, drain: Duration) {
    let mut first: Option<Instant> = None;
    let mut end: Option<(Instant, i32)> = None;
    loop {
        let now = Instant::now();
        if let Some((at, signal)) = end
            && now >= at
        {
            let line = "reactor-rs: JavaScript does not come to an end; ended without it\n";
            // A thread of its own writes: stderr may be a pipe that blocks.
            let _ = Builder::new().spawn(move || io::stderr().write_all(line.as_bytes()));
            std::thread::sleep(Duration::from_millis(50));
            exit_now(128 + signal);
        }
        let timeout = end.map(|(at, _)| at.saturating_duration_since(now));
        let Some(signal) = signals.wait(timeout) else { continue };
        let now = Instant::now();
        match first {
            None => {
                first = Some(now);
                end = Some((now + drain + AFTER_DRAIN, signal));
                server.stop(Stop::Drain);
            }
            Some(at) if now - at > SAME_SIGNAL => {
                let at = now + AFTER_FORCE;
                // A third signal does not postpone the end.
                end = end
                    .map(|(before, code)| if at < before { (at, signal) } else { (before, code) });
                server.stop(Stop::Force);
            }
            Some(_) => {}
        }
    }
}
