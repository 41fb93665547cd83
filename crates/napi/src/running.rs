//! The servers of one Node environment, and what happens to them when it ends.
//!
//! A server must outlive the JavaScript object that names it (a program may
//! drop that object and keep serving), and must not outlive the environment
//! that made it: a `worker_threads` worker that is terminated takes its servers
//! along. Node gives each environment a thread of its own, so a thread-local
//! list is the environment's list.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use napi::{Env, Result};
use reactor_server::{Server, Stop};

#[derive(Default)]
struct Running {
    servers: HashMap<u32, Arc<Server>>,
    next: u32,
    hooked: bool,
}

thread_local! {
    static RUNNING: RefCell<Running> = RefCell::default();
}

/// Keeps `server` until [`forget`] or the end of the environment. The number
/// returned names it.
pub(crate) fn keep(env: &Env, server: Arc<Server>) -> Result<u32> {
    // Taken before the list is borrowed: the hook itself borrows it.
    let hooked = RUNNING.with_borrow(|running| running.hooked);
    if !hooked {
        env.add_env_cleanup_hook((), |()| stop_all())?;
    }
    Ok(RUNNING.with_borrow_mut(|running| {
        running.hooked = true;
        let id = running.next;
        running.next += 1;
        running.servers.insert(id, server);
        id
    }))
}

/// Lets go of a server that has stopped.
pub(crate) fn forget(id: u32) {
    let server = RUNNING.with_borrow_mut(|running| running.servers.remove(&id));
    drop(server);
}

/// Runs as the environment ends. Force, not drain: Node will not wait.
fn stop_all() {
    let running = RUNNING.take();
    for server in running.servers.values() {
        server.stop(Stop::Force);
    }
    for server in running.servers.values() {
        server.wait();
    }
}
