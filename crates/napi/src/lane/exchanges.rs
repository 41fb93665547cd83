//! The exchanges that JavaScript has in hand, by number.

use reactor_server::{Exchange, LaneTask};
use rustc_hash::FxHashMap;
use slab::Slab;

/// Requests that JavaScript has been given and not yet answered.
///
/// A number is given again only when JavaScript cannot mean its last owner by
/// it any more. Where JavaScript ends an exchange that is at once. Where the
/// engine does, JavaScript goes on to use the number until it has dispatched
/// the event that says so; its replies from before that come with its next
/// turn, and only then is the number free.
#[derive(Default)]
pub(super) struct Exchanges {
    slab: Slab<Open>,
    ids: FxHashMap<Exchange, u32>,
    /// Those that the engine has ended in this turn.
    over: Vec<u32>,
}

struct Open {
    exchange: Exchange,
    /// None once a streaming response has begun.
    task: Option<LaneTask>,
    /// The engine has ended it: no reply to it counts.
    is_over: bool,
}

impl Exchanges {
    /// The number that the next exchange will get.
    pub(super) fn next_id(&self) -> u32 {
        id_of(self.slab.vacant_key())
    }

    pub(super) fn insert(&mut self, task: LaneTask) -> u32 {
        let exchange = task.exchange();
        let id = id_of(self.slab.insert(Open { exchange, task: Some(task), is_over: false }));
        self.ids.insert(exchange, id);
        id
    }

    pub(super) fn id(&self, exchange: Exchange) -> Option<u32> {
        self.ids.get(&exchange).copied()
    }

    /// What goes by the number, if it still takes replies.
    pub(super) fn exchange(&self, id: u32) -> Option<Exchange> {
        self.slab.get(id as usize).filter(|open| !open.is_over).map(|open| open.exchange)
    }

    /// The task, for a response that will stream; the exchange stays.
    pub(super) fn take_task(&mut self, id: u32) -> Option<LaneTask> {
        self.slab.get_mut(id as usize)?.task.take()
    }

    /// JavaScript ends an exchange; gives its task if no response has begun.
    pub(super) fn remove(&mut self, id: u32) -> Option<LaneTask> {
        let open = self.slab.try_remove(id as usize)?;
        self.ids.remove(&open.exchange);
        open.task
    }

    /// The engine ends an exchange, and tells JavaScript in this turn.
    pub(super) fn end(&mut self, id: u32) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.is_over = true;
            self.ids.remove(&open.exchange);
            self.over.push(id);
        }
    }

    /// Those that the engine had ended in the last turn, whose replies have been
    /// taken by now; with the task where no response has begun.
    pub(super) fn take_over(&mut self) -> impl Iterator<Item = Option<LaneTask>> {
        self.over.drain(..).map(|id| self.slab.try_remove(id as usize)?.task)
    }

    /// Ends them all.
    pub(super) fn take_all(&mut self) -> Vec<(Exchange, Option<LaneTask>)> {
        self.ids.clear();
        self.over.clear();
        self.slab.drain().map(|open| (open.exchange, open.task)).collect()
    }
}

fn id_of(key: usize) -> u32 {
    // As many as there are requests in flight: far below u32::MAX.
    u32::try_from(key).unwrap_or(u32::MAX)
}
