//! The servers and load runs of one Node environment, and what happens to them when it
//! ends.
//!
//! They outlive the JavaScript object that names them: a program may drop that object and
//! keep serving. They do not outlive the environment that made them: a `worker_threads`
//! worker that is terminated stops its servers. Node gives each environment a thread of its
//! own, so a thread-local list is the environment's list.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use napi::{Env, Result};
use reactor_load::Run;
use reactor_server::{Server, Stop};

/// Something with threads of its own.
pub(crate) enum Running {
    /// A server.
    Server(Arc<Server>),
    /// A load run.
    Load(Arc<Run>),
}

#[derive(Default)]
struct List {
    running: HashMap<u32, Running>,
    next: u32,
    hooked: bool,
}

thread_local! {
    static LIST: RefCell<List> = RefCell::default();
}

/// Keeps `running` until [`forget`] or the end of the environment. Returns its number.
pub(crate) fn keep(env: &Env, running: Running) -> Result<u32> {
    // The hook borrows the list too, so the list must not be borrowed here.
    let hooked = LIST.with_borrow(|list| list.hooked);
    if !hooked {
        env.add_env_cleanup_hook((), |()| stop_all())?;
    }
    Ok(LIST.with_borrow_mut(|list| {
        list.hooked = true;
        let id = list.next;
        list.next += 1;
        list.running.insert(id, running);
        id
    }))
}

/// Drops a server or a run that has stopped.
pub(crate) fn forget(id: u32) {
    let running = LIST.with_borrow_mut(|list| list.running.remove(&id));
    drop(running);
}

/// Runs when the environment ends. It forces the stop, because Node does not wait for a
/// drain.
fn stop_all() {
    let list = LIST.take();
    for running in list.running.values() {
        match running {
            Running::Server(server) => server.stop(Stop::Force),
            Running::Load(run) => run.stop(),
        }
    }
    for running in list.running.values() {
        match running {
            Running::Server(server) => server.wait(),
            Running::Load(run) => run.wait(),
        }
    }
}
