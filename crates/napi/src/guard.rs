//! Ends the command when JavaScript does not.
//!
//! Node calls its signal listeners between two turns of JavaScript, so a handler that
//! never returns would make the process deaf to SIGTERM. A thread of ours hears the
//! same signals: it begins the drain, cuts it short at the second signal, and ends the
//! process where JavaScript does not come to it.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use reactor_server::{Server, Stop};
use reactor_sys::{Signals, block_signals, exit_now};

/// A terminal and npm both deliver one Ctrl-C to the same process; see `ts/cli/serve.ts`.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// What JavaScript has, once the drain's time is over, to end its threads and run what is
/// registered for the exit.
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
            // It may be a pipe that nobody reads, and this must not wait.
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
                // A third one does not put it off.
                end = end
                    .map(|(before, code)| if at < before { (at, signal) } else { (before, code) });
                server.stop(Stop::Force);
            }
            Some(_) => {}
        }
    }
}
