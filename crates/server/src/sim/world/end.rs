//! How a run comes to its end.

use super::{Checked, World, finish};
use crate::sim::app::id;
use crate::sim::client::{Client, Ending, Fate};
use crate::sim::wire::Wire;

impl World {
    /// Delivers everything in both directions, while no time passes.
    pub(super) fn settle(&mut self) -> Checked {
        self.trace("settle");
        self.rest()?;
        for _ in 0..100_000 {
            let mut moved = false;
            for index in 0..self.clients.len() {
                let unsent = self.clients[index].unsent();
                if unsent > 0 {
                    self.clients[index].send(unsent, &self.facts);
                    moved = true;
                }
                if self.clients[index].may_end() {
                    let client = &self.clients[index];
                    match client.ending {
                        Ending::Reset(_) => client.wire.borrow_mut().send_reset(),
                        Ending::Close => client.wire.borrow_mut().send_close(),
                        Ending::Leave(_) => client.wire.borrow_mut().send_leave(),
                        _ => client.wire.borrow_mut().send_eof(),
                    }
                    moved = true;
                }
                let mut wire = self.clients[index].wire.borrow_mut();
                let there = wire.output.len() - wire.taken;
                moved |= there > 0;
                wire.take(there);
            }
            moved |= self.steps.work(true);
            self.running.extend(self.queue.drain(..));
            for task in std::mem::take(&mut self.running) {
                self.inbox.push_back(finish(task, &mut self.facts, false));
            }
            moved |= self.settle_lanes()?;
            if self.wakes() {
                self.turn(false)?;
                moved = true;
            }
            if !moved {
                return Ok(());
            }
        }
        Err("it never comes to rest".into())
    }

    /// With nothing new the loop comes to rest.
    pub(in crate::sim) fn rest(&mut self) -> Checked {
        for _ in 0..10_000 {
            if !self.wakes() {
                return Ok(());
            }
            self.turn(false)?;
        }
        Err("the loop turns and turns".into())
    }

    /// Whether a handler that does not return holds back later answers of its client.
    pub(super) fn waits_for_missing(&self, client: &Client) -> bool {
        let of = |id: u32| self.clients[self.owners[&id].0].wire.as_ptr() == client.wire.as_ptr();
        self.missing.iter().any(|task| of(id(&task.request)))
            || self.threads.iter().any(|thread| thread.is_silent(of))
    }

    /// Time passes until every connection is gone.
    pub(super) fn finish(&mut self) -> Checked {
        self.trace("finish");
        for _ in 0..10_000 {
            self.settle()?;
            if self.reactor.connections() == 0 {
                return self.check_end();
            }
            let at = self.reactor.next_timer().ok_or("a connection without a timer")?;
            self.pass(at.saturating_sub(self.now.get()).max(1));
        }
        Err("a connection stays open".into())
    }

    fn check_end(&mut self) -> Checked {
        self.check()?;
        let sum = |of: fn(&Wire) -> usize| -> u64 {
            self.clients.iter().map(|client| of(&client.wire.borrow()) as u64).sum()
        };
        if self.counters.bytes_in.get() != sum(|wire| wire.given()) {
            return Err("bytes_in is wrong".into());
        }
        let (counted, sent) = (self.counters.bytes_out.get(), sum(|wire| wire.output.len()));
        // If a connection was cut off, bytes that its link still held count as sent.
        if counted < sent || counted > sent && self.plan.toy_links + self.plan.tls_links == 0 {
            return Err("bytes_out is wrong".into());
        }
        if let Some((id, _)) = self.facts.fates.iter().find(|&(_, &fate)| fate == Fate::Out) {
            return Err(format!("request {id} is still out"));
        }
        for thread in &self.threads {
            thread.check_idle()?;
        }
        self.tally.add_counters(&self.counters);
        self.tally.lanes.add(&self.facts.lanes);
        self.tally.answers += self.clients.iter().map(|client| client.answered as u64).sum::<u64>();
        Ok(())
    }
}
