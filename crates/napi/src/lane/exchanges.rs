//! The exchanges that JavaScript works on, by number. An exchange is one request and its
//! answer.

use std::collections::VecDeque;
use std::sync::Arc;

use reactor_server::{Exchange, ExchangeId, Facts, LentMemory};
use slab::Slab;

use super::lent::Lent;

/// Requests that JavaScript has been given and has not answered.
///
/// A number is used again only when JavaScript can no longer mean the exchange that had it.
/// If JavaScript ends an exchange, its number is free at once. If the engine ends it,
/// JavaScript uses the number until it has dispatched the event that says so. Its replies
/// from before that event come with its next turn; after them the number is free.
#[derive(Default)]
pub(super) struct Exchanges {
    slab: Slab<Open>,
    /// The newest of each connection, by I/O thread and slot. A connection has few
    /// exchanges, so walking through them costs less than hashing.
    newest: Vec<Vec<Option<u32>>>,
    /// Numbers of the exchanges that the engine has ended in this turn.
    over: Vec<u32>,
    /// How many have ended since [`take_ended`](Self::take_ended) was last called.
    ended: usize,
    /// Why responses could not be sent, by the numbers of their exchanges.
    unsendable: Vec<(u32, String)>,
    /// WebSockets whose clients send no more after what this batch tells.
    ending: Vec<ExchangeId>,
}

struct Open {
    exchange: ExchangeId,
    /// None once a streaming response has begun.
    task: Option<Exchange>,
    /// What is known of its connection.
    facts: Option<Arc<Facts>>,
    /// Large pieces of its request's body, until JavaScript takes them.
    pieces: VecDeque<Vec<u8>>,
    /// Memory that JavaScript has lent for its request's body.
    lent: Option<Lent>,
    /// It is a WebSocket now.
    socket: Option<Socket>,
    /// The engine has ended it: replies to it are dropped.
    is_over: bool,
    /// The exchanges of the same slot before and after this one.
    older: Option<u32>,
    newer: Option<u32>,
}

/// What the lane's end knows of a WebSocket.
#[derive(Clone, Copy)]
pub(super) struct Socket {
    /// From this many bytes on its messages are compressed. None: never.
    pub(super) compressed_from: Option<usize>,
    /// What JavaScript has been given of it, and the engine has not been told of. In bytes.
    taken: usize,
}

/// The engine is told of what was taken in steps of this many bytes.
const TAKEN_STEP: usize = 4 * 1024;

/// The exchanges that [`Exchanges::take_all`] ends.
pub(super) struct Ended {
    pub(super) exchange: ExchangeId,
    pub(super) task: Option<Exchange>,
    pub(super) is_socket: bool,
}

impl Exchanges {
    /// The number that the next exchange will get.
    pub(super) fn next_id(&self) -> u32 {
        id_of(self.slab.vacant_key())
    }

    pub(super) fn insert(&mut self, task: Exchange) -> u32 {
        self.add(task.id(), task.request().facts().cloned(), Some(task), None)
    }

    fn add(
        &mut self,
        exchange: ExchangeId,
        facts: Option<Arc<Facts>>,
        task: Option<Exchange>,
        socket: Option<Socket>,
    ) -> u32 {
        let id = self.next_id();
        let newest = self.newest_of(exchange);
        let older = newest.replace(id);
        if let Some(open) = older.and_then(|older| self.slab.get_mut(older as usize)) {
            open.newer = Some(id);
        }
        let (pieces, lent) = (VecDeque::new(), None);
        let (is_over, newer) = (false, None);
        let open = Open { exchange, task, facts, pieces, lent, socket, is_over, older, newer };
        self.slab.insert(open);
        id
    }

    /// A WebSocket that another lane has handed over. Returns its number.
    pub(super) fn adopt(&mut self, exchange: ExchangeId, compressed_from: Option<usize>) -> u32 {
        self.add(exchange, None, None, Some(Socket { compressed_from, taken: 0 }))
    }

    pub(super) fn id(&self, exchange: ExchangeId) -> Option<u32> {
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

    /// The exchange with this number, if it still takes replies.
    pub(super) fn exchange(&self, id: u32) -> Option<ExchangeId> {
        self.slab.get(id as usize).filter(|open| !open.is_over).map(|open| open.exchange)
    }

    /// What is known of the exchange's connection.
    pub(super) fn facts(&self, id: u32) -> Option<&Facts> {
        self.slab.get(id as usize).filter(|open| !open.is_over)?.facts.as_deref()
    }

    /// The task, for a response that will stream; the exchange stays.
    pub(super) fn take_task(&mut self, id: u32) -> Option<Exchange> {
        self.slab.get_mut(id as usize)?.task.take()
    }

    /// The task, if no response has begun.
    pub(super) fn task(&mut self, id: u32) -> Option<&mut Exchange> {
        self.slab.get_mut(id as usize).filter(|open| !open.is_over)?.task.as_mut()
    }

    /// The exchange is a WebSocket from now on.
    pub(super) fn open_socket(&mut self, id: u32, compressed_from: Option<usize>) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.socket = Some(Socket { compressed_from, taken: 0 });
        }
    }

    pub(super) fn socket(&self, id: u32) -> Option<Socket> {
        self.slab.get(id as usize)?.socket
    }

    /// JavaScript is given so many bytes of a WebSocket. Returns how many the engine is to be told of.
    pub(super) fn take(&mut self, id: u32, bytes: usize) -> Option<usize> {
        let socket = self.slab.get_mut(id as usize)?.socket.as_mut()?;
        socket.taken += bytes;
        (socket.taken >= TAKEN_STEP).then(|| std::mem::take(&mut socket.taken))
    }

    /// JavaScript lends memory for a request's body.
    pub(super) fn lend(&mut self, id: u32, lent: Lent) {
        if let Some(open) = self.slab.get_mut(id as usize).filter(|open| !open.is_over) {
            open.lent = Some(lent);
        }
    }

    /// What the engine gets of the memory that JavaScript has lent.
    pub(super) fn lent(&self, id: u32) -> Option<Box<dyn LentMemory>> {
        self.slab.get(id as usize)?.lent.as_ref().map(Lent::handle)
    }

    /// The body has come whole, so the engine needs the memory no longer.
    pub(super) fn take_back(&mut self, id: u32) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.lent = None;
        }
    }

    /// Keeps a large piece of a request's body for JavaScript.
    pub(super) fn keep_piece(&mut self, id: u32, piece: Vec<u8>) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.pieces.push_back(piece);
        }
    }

    /// Copies the next large piece of a request's body, or else the body that came with its head.
    /// False if there is nothing of this length. Returns the memory of the piece, for its loop.
    pub(super) fn take_body(
        &mut self,
        id: u32,
        into: &mut [u8],
    ) -> (bool, Option<(ExchangeId, Vec<u8>)>) {
        let Some(open) = self.slab.get_mut(id as usize) else { return (false, None) };
        let piece = open.pieces.pop_front();
        let whole = || open.task.as_ref().map(|task| task.request().body());
        let body = piece.as_deref().or_else(whole).filter(|body| body.len() == into.len());
        if let Some(body) = body {
            into.copy_from_slice(body);
        }
        (body.is_some(), piece.map(|piece| (open.exchange, piece)))
    }

    /// JavaScript ends an exchange. Returns its task if no response has begun.
    pub(super) fn remove(&mut self, id: u32) -> Option<Exchange> {
        let open = self.slab.try_remove(id as usize)?;
        self.unlink(&open);
        self.ended += 1;
        open.task
    }

    /// The engine ends an exchange and tells JavaScript in this turn.
    pub(super) fn end(&mut self, id: u32) {
        if let Some(open) = self.slab.get_mut(id as usize) {
            open.is_over = true;
            open.lent = None;
            self.over.push(id);
        }
    }

    /// Frees the numbers of exchanges that the engine ended in the last turn; the caller
    /// has taken their replies. Returns the tasks of those without a response.
    pub(super) fn take_over(&mut self) -> Vec<Exchange> {
        let mut over = std::mem::take(&mut self.over);
        let tasks = over.drain(..).filter_map(|id| self.remove(id)).collect();
        self.over = over;
        tasks
    }

    /// Notes that the response to `id` cannot be sent.
    pub(super) fn note_unsendable(&mut self, id: u32, why: String) {
        self.unsendable.push((id, why));
    }

    /// What has been noted since the last call.
    pub(super) fn take_unsendable(&mut self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.unsendable)
    }

    /// The client of a WebSocket sends no more after what this batch tells.
    pub(super) fn note_ending(&mut self, exchange: ExchangeId) {
        self.ending.push(exchange);
    }

    /// What has been noted of the last batch.
    pub(super) fn take_ending(&mut self) -> std::vec::Drain<'_, ExchangeId> {
        self.ending.drain(..)
    }

    /// Ends all exchanges.
    pub(super) fn take_all(&mut self) -> Vec<Ended> {
        self.newest.clear();
        self.over.clear();
        self.ended += self.slab.len();
        let ended = |Open { exchange, task, socket, .. }| Ended {
            exchange,
            task,
            is_socket: socket.is_some(),
        };
        self.slab.drain().map(ended).collect()
    }

    /// How many have ended since the last call.
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

    fn newest_of(&mut self, exchange: ExchangeId) -> &mut Option<u32> {
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
    // Keys are bounded by the requests in flight, far below u32::MAX.
    u32::try_from(key).unwrap_or(u32::MAX)
}
