//! What must hold of lanes.

use std::collections::HashSet;
use std::sync::Arc;

use super::ensure;
use crate::conn::connection::{Answer, Conn, Incoming, MAX_PIPELINED};
use crate::dispatch::lane::channel::{Exchange, Lane, LaneEvent};
use crate::event_loop::reactor::Reactor;
use crate::event_loop::reactor::lanes::{SWEEP_AFTER, lane_bit};
use crate::exchange::task::Task;
use crate::sim::wire::SimTransport;

/// A request that a lane has.
pub(in crate::sim) struct Given {
    body: usize,
    at_handler: bool,
}

impl Given {
    pub(in crate::sim) fn of(task: &Task) -> Self {
        Self { body: task.request.body.len(), at_handler: task.at_handler }
    }
}

/// What is outside the reactor.
#[derive(Default)]
pub(in crate::sim) struct Outside {
    /// Requests that wait in lanes or are in their threads' hands, with nothing
    /// said of them.
    pub(in crate::sim) given: Vec<Given>,
    /// Requests that threads have been given, or will be, and have not ended.
    pub(in crate::sim) open: usize,
    /// There are replies that the loop has not taken.
    pub(in crate::sim) replies: bool,
    /// The lanes, each in its place.
    pub(in crate::sim) places: Vec<Option<Arc<Lane>>>,
}

/// What may wait of requests that nobody waits for, besides as many as are waited for.
const KEEP: usize = 2 * SWEEP_AFTER * MAX_PIPELINED as usize;

impl Reactor<SimTransport> {
    /// The requests that lanes could not be given yet.
    fn held_back(&self) -> impl Iterator<Item = &Task> {
        self.lanes.iter().flat_map(|side| side.events()).filter_map(|event| match event {
            LaneEvent::Request(task) => Some(&*task.0),
            _ => None,
        })
    }

    /// Bytes of the bodies of lanes' requests.
    pub(super) fn lane_bodies(&self, outside: &Outside) -> usize {
        let held_back: usize = self.held_back().map(|task| task.request.body.len()).sum();
        held_back + outside.given.iter().map(|given| given.body).sum::<usize>()
    }

    pub(super) fn check_lanes(&self, outside: &Outside) -> Result<(), String> {
        let empty = None;
        let count = self.lanes.len().max(outside.places.len());
        for place in 0..count {
            let is = self.lanes.get(place).and_then(|side| side.lane());
            let should = outside.places.get(place).unwrap_or(&empty).as_ref();
            let same = is.map(Arc::as_ptr) == should.map(Arc::as_ptr);
            ensure!(same, "another lane is in place {place}");
        }
        self.check_handlers(outside)?;

        // What cannot be given is bounded by who waits for it, once the loop rests.
        let (mine, gone): (Vec<_>, Vec<_>) = self
            .held_back()
            .filter(|_| !self.has_lane_events())
            .partition(|task| self.is_with_lane(task.address));
        let most = 2 * mine.len() + KEEP;
        ensure!(gone.len() <= most, "{} requests are kept that nobody waits for", gone.len());
        let told = self.lanes.iter().flat_map(|side| side.events()).map(LaneEvent::exchange);
        let over: HashSet<Exchange> = told.filter(|of| !self.is_with_lane(of.0)).collect();
        ensure!(over.len() <= outside.open + KEEP, "{} ends wait to be told", over.len());

        self.check_held_back()
    }

    /// A connection is held back by what waits of its own for a full lane, and by
    /// nothing else.
    fn check_held_back(&self) -> Result<(), String> {
        let mut held = vec![0; self.conns.capacity()];
        for (place, side) in self.lanes.iter().enumerate() {
            let mut parked = HashSet::new();
            for event in side.events().iter().filter(|_| side.is_behind()) {
                let address = event.exchange().0;
                let conn = self.conns.get(address.slot as usize);
                if conn.is_some_and(|conn| conn.generation == address.generation) {
                    held[address.slot as usize] += 1;
                    parked.insert(address.slot);
                }
            }
            ensure!(side.parked() == parked.len(), "{} parked in {place}", side.parked());
            let is_request = |event: &&LaneEvent| matches!(event, LaneEvent::Request(_));
            let waits: HashSet<Exchange> =
                side.events().iter().filter(is_request).map(LaneEvent::exchange).collect();
            for event in side.ahead() {
                let of = event.exchange();
                ensure!(!is_request(&event), "{of:?} jumps the queue");
                ensure!(!waits.contains(&of), "{of:?} overtakes its request");
            }
        }
        for (index, conn) in &self.conns {
            let (is, should) = (conn.held_back, held[index]);
            ensure!(is == should, "slot {index} waits for {is} events, not {should}");
        }
        Ok(())
    }

    /// Each request that has been handed over is in one place until it has left.
    fn check_handlers(&self, outside: &Outside) -> Result<(), String> {
        let waiting = self.conns.iter().flat_map(|(_, conn)| conn.waiting.iter().flatten());
        let waiting = waiting.filter_map(|(answer, _)| match answer {
            Answer::Task(task) => Some(&**task),
            _ => None,
        });
        let streams = self.conns.iter().filter(|(_, conn)| conn.stream.is_some()).count();
        let at_handlers = waiting.chain(self.held_back()).filter(|task| task.at_handler).count()
            + outside.given.iter().filter(|given| given.at_handler).count()
            + streams;
        let (given, left) = (&self.counters.handlers_given, &self.counters.handlers_left);
        let there = (given.get() - left.get()) as usize;
        let right = there == at_handlers || outside.replies && there > at_handlers;
        ensure!(right, "{there} requests are at handlers, and {at_handlers} are found there");
        if let Some(in_flight) = &self.settings.in_flight {
            ensure!(in_flight.now() == there, "{} of {there} at handlers", in_flight.now());
        }
        Ok(())
    }

    /// The requests of a connection that are with its lane and nowhere else.
    pub(super) fn check_with_lane(
        &self,
        slot: u32,
        conn: &Conn<SimTransport>,
        places: &[u32],
    ) -> Result<Vec<u32>, String> {
        let in_flight = conn.next_answer..conn.next_request;
        let is_with = |sequence: &u32| conn.with_lane & lane_bit(*sequence) != 0;
        let mine: Vec<u32> = in_flight.filter(is_with).collect();
        let bits = mine.iter().fold(0, |bits, &sequence| bits | lane_bit(sequence));
        ensure!(conn.with_lane == bits, "requests that are answered are with a lane");
        if let Some(stream) = &conn.stream {
            let address = stream.exchange.0;
            let right = address.sequence == conn.next_answer && address.slot == slot;
            ensure!(right && is_with(&conn.next_answer), "a stream that is nobody's answer");
        }
        for (sequence, place) in (conn.next_answer..).zip(&conn.waiting) {
            let streams = matches!(place, Some((Answer::Task(task), _)) if task.response.streams());
            let waits = place.is_some() && is_with(&sequence);
            ensure!(streams == waits, "request {sequence} is answered: {}", !streams);
        }
        if let Some(Incoming::Stream(exchange, _)) = conn.incoming.as_deref() {
            ensure!(is_with(&exchange.0.sequence), "a body for no lane");
        }
        Ok(mine.into_iter().filter(|sequence| !places.contains(sequence)).collect())
    }

    /// Whether the exchange's client is known to have sent its last byte.
    pub(in crate::sim) fn has_left(&self, exchange: Exchange) -> bool {
        let conn = self.conns.get(exchange.0.slot as usize);
        conn.is_some_and(|conn| conn.generation == exchange.0.generation && conn.has_left())
    }

    /// Whether the lane in this place has been told everything.
    pub(in crate::sim) fn has_told(&self, place: usize) -> bool {
        self.lanes.get(place).is_none_or(|side| side.events().is_empty() && side.ahead().is_empty())
    }
}
