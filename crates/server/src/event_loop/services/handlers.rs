//! Requests at handlers behind lanes: how many there may be, and for how long.
//!
//! A request counts from its hand-over, not from its head. Otherwise clients that send slowly would
//! hold places without a handler. It is counted off once: when its task comes back, or when its
//! streaming response or its connection ends. A request that was answered late counts until its
//! lane has been told. So a stuck thread keeps its places, and further requests are refused at
//! once.

use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::services::Services;
use crate::exchange::task::Task;

impl Services {
    /// Whether one more request may be at handlers. If so, it counts from now on, and the caller
    /// hands it over.
    pub(crate) fn enter_handlers(&mut self) -> bool {
        let may = self.settings.in_flight.as_ref().is_none_or(|in_flight| in_flight.enter());
        if !may {
            self.counters.handlers_rejected.add(1);
        }
        may
    }

    /// Gives a request to the lane of its link. It has been counted.
    pub(crate) fn hand_over(&mut self, link: &mut LaneLink, mut task: Box<Task>) {
        self.counters.handlers_given.add(1);
        task.at_handler = true;
        task.lane = link.place;
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.begin(task.id.conn.slot, task.id.stream, self.clock.millis());
            task.deadline = Some(self.clock.now() + deadlines.span());
        }
        self.lanes.tell(link, LaneEvent::Request(Exchange(task)));
    }

    /// A request that was handed over is no longer at a handler.
    pub(crate) fn left_handlers(&self) {
        self.counters.handlers_left.add(1);
        if let Some(in_flight) = &self.settings.in_flight {
            in_flight.leave();
        }
    }

    /// The deadline of an exchange no longer counts.
    pub(crate) fn end_deadline(&mut self, slot: u32, stream: u32) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.end(slot, stream);
        }
    }

    /// No deadline of the connection's exchanges counts any more.
    pub(crate) fn end_deadlines(&mut self, slot: u32) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(slot);
        }
    }
}
