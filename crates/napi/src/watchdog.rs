//! What a service manager is told of this process (sd_notify(3)): by JavaScript, and by a thread that
//! goes on while JavaScript is blocked.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;

use napi::{Error, Result};
use napi_derive::napi;
use reactor_server::{Pulse, Server};
use reactor_sys::{Notify, block_signals};

/// The thread looks this often at least. A look says nothing of a longer time.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// Sends lines such as `READY=1` to the service manager at this socket: a path, or `@` and an
/// abstract name. It never waits. Throws if the message cannot be sent.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
pub fn notify_manager(socket: String, state: String) -> Result<()> {
    Notify::to(&socket)
        .and_then(|notify| notify.send(&state))
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// Takes note of a child that has ended, if it has: for process 1 of a container, whose children are
/// all processes that have lost their parent. Node takes note of those that it has started.
#[napi]
pub fn reap(pid: i32) {
    reactor_sys::reap(pid);
}

/// Another process feeds the service manager from now on.
static RETIRED: AtomicBool = AtomicBool::new(false);

/// Ends the feeding of the service manager by this process.
#[napi]
pub fn end_watchdog() {
    RETIRED.store(true, Ordering::Relaxed);
}

/// How a service manager is fed.
pub(crate) struct Watchdog {
    pub(crate) notify: Notify,
    /// The manager ends the process if it hears nothing for so long.
    pub(crate) period: Duration,
    /// It is told nothing either while a handler thread has been held up for so long.
    pub(crate) handlers: Option<Duration>,
}

impl Watchdog {
    /// Feeds the manager while the server's loops turn, until the server is gone.
    pub(crate) fn start(self, server: &Arc<Server>) -> io::Result<()> {
        let server = Arc::downgrade(server);
        let run = move || {
            block_signals();
            self.run(&server);
        };
        Builder::new().name("rx-watchdog".to_owned()).spawn(run).map(|_| ())
    }

    /// Looks four times a period. Nobody is fed once a loop has been still for half of it.
    fn run(&self, server: &Weak<Server>) {
        let pause = (self.period / 4).min(LONGEST_LOOK).max(Duration::from_millis(1));
        let mut pulse = Pulse::default();
        while let Some(server) = server.upgrade()
            && !RETIRED.load(Ordering::Relaxed)
        {
            let still = server.look(&mut pulse);
            drop(server);
            let is_held_up = self.handlers.is_some_and(|most| still.handlers >= most);
            if still.loops < self.period / 2 && !is_held_up {
                // A message that is lost is followed by others.
                let _ = self.notify.send("WATCHDOG=1");
            }
            std::thread::sleep(pause);
        }
    }
}
