//! The exchanges that JavaScript has in hand, by number.

use reactor_server::{Exchange, LaneTask};
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
    /// The newest of each connection, by I/O thread and slot. A connection has
    /// few, so that to look through them is less than to hash.
    newest: Vec<Vec<Option<u32>>>,
    /// Those that the engine has ended in this turn.
    over: Vec<u32>,
    /// How many have ended since that was last asked.
    ended: usize,
    /// Why responses could not be sent, with the numbers that their exchanges had.
    unsendable: Vec<(u32, String)>,
}

struct Open {
    exchange: Exchange,
    /// None once a streaming response has begun.
    task: Option<LaneTask>,
    /// The engine has ended it: no reply to it counts.
    is_over: bool,
    /// Those of the same slot that came before and after it.
    older: Option<u32>,
    newer: Option<u32>,
}

impl Exchanges {
    /// The number that the next exchange will get.
    pub(super) fn next_id(&self) -> u32 {
        id_of(self.slab.vacant_key())
    }

    pub(super) fn insert(&mut self, task: LaneTask) -> u32 {
        let exchange = task.exchange();
        let id = self.next_id();
        let newest = self.newest_of(exchange);
        let older = newest.replace(id);
        if let Some(open) = older.and_then(|older| self.slab.get_mut(older as usize)) {
            open.newer = Some(id);
        }
        let open = Open { exchange, task: Some(task), is_over: false, older, newer: None };
        self.slab.insert(open);
        id
    }

    pub(super) fn id(&self, exchange: Exchange) -> Option<u32> {
        let (io_thread, slot) = exchange.place();
        let mut next = *self.newest.get(io_thread)?.get(slot)?;
        while let Some(id) = next {
            let open = self.slab.get(id as usize)?;
            if open.exchange == exchange {
                return (!open.is_over).then_some(id);
            }
            next = open.older;
        }
        None
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
        self.unlink(&open);
        self.ended += 1;
        open.task
    }

    /// The engine ends an exchange, and tells JavaScript in this turn.
    pub(super) fn end(&mut self, id: u32) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.is_over = true;
            self.over.push(id);
        }
    }

    /// Those that the engine had ended in the last turn, whose replies have been
    /// taken by now: their tasks, where no response has begun.
    pub(super) fn take_over(&mut self) -> Vec<LaneTask> {
        let mut over = std::mem::take(&mut self.over);
        let tasks = over.drain(..).filter_map(|id| self.remove(id)).collect();
        self.over = over;
        tasks
    }

    /// The response to this one cannot be sent.
    pub(super) fn note_unsendable(&mut self, id: u32, why: String) {
        self.unsendable.push((id, why));
    }

    /// What was noted since that was last asked.
    pub(super) fn take_unsendable(&mut self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.unsendable)
    }

    /// Ends them all.
    pub(super) fn take_all(&mut self) -> Vec<(Exchange, Option<LaneTask>)> {
        self.newest.clear();
        self.over.clear();
        self.ended += self.slab.len();
        self.slab.drain().map(|open| (open.exchange, open.task)).collect()
    }

    /// How many have ended since this was last called.
    pub(super) fn take_ended(&mut self) -> usize {
        std::mem::take(&mut self.ended)
    }

    fn unlink(&mut self, open: &Open) {
        if let Some(older) = open.older.and_then(|older| self.slab.get_mut(older as usize)) {
            older.newer = open.newer;
        }
        if let Some(newer) = open.newer.and_then(|newer| self.slab.get_mut(newer as usize)) {
            newer.older = open.older;
        } else {
            *self.newest_of(open.exchange) = open.older;
        }
    }

    fn newest_of(&mut self, exchange: Exchange) -> &mut Option<u32> {
        let (io_thread, slot) = exchange.place();
        if self.newest.len() <= io_thread {
            self.newest.resize_with(io_thread + 1, Vec::new);
        }
        let slots = &mut self.newest[io_thread];
        if slots.len() <= slot {
            slots.resize(slot + 1, None);
        }
        &mut slots[slot]
    }
}

fn id_of(key: usize) -> u32 {
    // As many as there are requests in flight: far below u32::MAX.
    u32::try_from(key).unwrap_or(u32::MAX)
}
