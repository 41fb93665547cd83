//! Requests at handlers: how many there may be, and for how long.

use super::Reactor;
use super::deadlines::Due;
use super::lanes::lane_bit;
use crate::conn::connection::{Answer, Limit, Meta, Plain, Transport};
use crate::dispatch::lane::channel::{Exchange, LaneEvent, LaneTask};
use crate::exchange::task::{ReplyAddress, Task};

impl<T: Transport> Reactor<T> {
    /// Gives a request that has its whole body to its lane, or answers it where
    /// no more may be there.
    pub(crate) fn hand_over_whole(&mut self, task: Box<Task>) {
        if self.enter_handlers() {
            self.hand_over(task);
            return;
        }
        let (ReplyAddress { slot, sequence, .. }, meta) = (task.address, task.meta);
        self.recycle(task);
        self.conns[slot as usize].with_lane &= !lane_bit(sequence);
        self.answer(slot, sequence, Answer::Plain(Plain::Overloaded(Limit::InFlight)), meta);
    }

    /// Whether one more request may be at handlers. It counts from now on; the
    /// caller hands it over.
    pub(crate) fn enter_handlers(&mut self) -> bool {
        let may = self.settings.in_flight.as_ref().is_none_or(|in_flight| in_flight.enter());
        if !may {
            self.counters.handlers_rejected.add(1);
        }
        may
    }

    /// Gives a request that has been counted to its lane.
    pub(crate) fn hand_over(&mut self, mut task: Box<Task>) {
        let ReplyAddress { slot, sequence, .. } = task.address;
        self.counters.handlers_given.add(1);
        task.at_handler = true;
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.begin(slot, sequence, task.meta, self.clock.millis());
            task.deadline = Some(self.clock.now() + deadlines.span());
        }
        self.tell_lane(slot, LaneEvent::Request(LaneTask(task)));
    }

    /// A request that had been handed over is no longer at a handler.
    pub(crate) fn left_handlers(&self) {
        self.counters.handlers_left.add(1);
        if let Some(in_flight) = &self.settings.in_flight {
            in_flight.leave();
        }
    }

    /// Request `sequence` is no longer waited for.
    pub(crate) fn end_deadline(&mut self, slot: u32, sequence: u32) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.end(slot, sequence);
        }
    }

    /// None of the connection's requests is.
    pub(crate) fn end_deadlines(&mut self, slot: u32) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(slot);
        }
    }

    /// Answers in place of handlers that have taken too long.
    pub(crate) fn expire_requests(&mut self) {
        let Some(deadlines) = &mut self.deadlines else { return };
        let mut late = std::mem::take(&mut self.late);
        deadlines.expire(self.clock.millis(), &mut late);
        let any = !late.is_empty();
        for (slot, Due { sequence, meta, .. }) in late.drain(..) {
            let exchange = Exchange(ReplyAddress {
                io_thread: self.settings.io_thread,
                slot,
                generation: self.conns[slot as usize].generation,
                sequence,
            });
            self.tell_lane(slot, LaneEvent::TimedOut(exchange));
            self.answer_late(slot, sequence, meta);
        }
        self.late = late;
        if any {
            self.drop_answered();
        }
    }

    /// Answers in place of a handler. What it says from now on is dropped,
    /// because its exchange is no longer with the lane.
    pub(crate) fn answer_late(&mut self, slot: u32, sequence: u32, mut meta: Meta) {
        self.counters.handlers_timed_out.add(1);
        meta.close |= self.lane_answered(slot, sequence);
        self.answer(slot, sequence, Answer::Plain(Plain::HandlerTimeout), meta);
        self.mark_dirty(slot);
    }

    /// A connection whose request was answered late would else not be read from
    /// until its full lane has room.
    fn drop_answered(&mut self) {
        for index in 0..self.lanes.len() {
            if self.lanes[index].has_parked() {
                self.sweep(index);
            }
        }
    }
}
