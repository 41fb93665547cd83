//! Lanes by number, for all environments of the process. A JavaScript thread makes its
//! lane; the main thread looks it up by its number and gives it to the server.
//!
//! Used when a lane is made, given to a server, or dropped; never by a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use reactor_server::Lane;

/// Weak, because a lane belongs to its thread.
static LANES: Mutex<BTreeMap<u32, Weak<Lane>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Lists a lane under a number of its own.
pub(crate) fn add(lane: &Arc<Lane>) -> u32 {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    lanes().insert(id, Arc::downgrade(lane));
    id
}

/// The lane of this number; None once its thread has ended.
pub(crate) fn find(id: u32) -> Option<Arc<Lane>> {
    lanes().get(&id).and_then(Weak::upgrade)
}

/// Takes a lane off the list.
pub(crate) fn remove(id: u32) {
    lanes().remove(&id);
}

fn lanes() -> MutexGuard<'static, BTreeMap<u32, Weak<Lane>>> {
    LANES.lock().unwrap_or_else(PoisonError::into_inner)
}
