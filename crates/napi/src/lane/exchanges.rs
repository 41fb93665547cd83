//! The exchanges that JavaScript has in hand, by number.

use reactor_server::{Exchange, LaneTask};
use rustc_hash::FxHashMap;
use slab::Slab;

/// Requests that JavaScript has been given and not yet answered.
#[derive(Default)]
pub(super) struct Exchanges {
    slab: Slab<Open>,
    ids: FxHashMap<Exchange, u32>,
}

struct Open {
    exchange: Exchange,
    /// None once a streaming response has begun.
    task: Option<LaneTask>,
}

impl Exchanges {
    /// The number that the next exchange will get.
    pub(super) fn next_id(&self) -> u32 {
        id_of(self.slab.vacant_key())
    }

    pub(super) fn insert(&mut self, task: LaneTask) -> u32 {
        let exchange = task.exchange();
        let id = id_of(self.slab.insert(Open { exchange, task: Some(task) }));
        self.ids.insert(exchange, id);
        id
    }

    pub(super) fn id(&self, exchange: Exchange) -> Option<u32> {
        self.ids.get(&exchange).copied()
    }

    pub(super) fn exchange(&self, id: u32) -> Option<Exchange> {
        self.slab.get(id as usize).map(|open| open.exchange)
    }

    /// The task, for a response that will stream; the exchange stays.
    pub(super) fn take_task(&mut self, id: u32) -> Option<LaneTask> {
        self.slab.get_mut(id as usize)?.task.take()
    }

    /// Ends an exchange; gives its task if no response has begun.
    pub(super) fn remove(&mut self, id: u32) -> Option<LaneTask> {
        let open = self.slab.try_remove(id as usize)?;
        self.ids.remove(&open.exchange);
        open.task
    }

    /// Ends them all.
    pub(super) fn take_all(&mut self) -> Vec<(Exchange, Option<LaneTask>)> {
        self.ids.clear();
        self.slab.drain().map(|open| (open.exchange, open.task)).collect()
    }

    pub(super) fn request_body(&self, id: u32) -> Vec<u8> {
        let task = self.slab.get(id as usize).and_then(|open| open.task.as_ref());
        task.map(|task| task.request().body().to_vec()).unwrap_or_default()
    }
}

fn id_of(key: usize) -> u32 {
    // As many as there are requests in flight: far below u32::MAX.
    u32::try_from(key).unwrap_or(u32::MAX)
}
