//! What must hold of lanes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ensure;
use crate::conn::connection::Conn;
use crate::conn::protocol::Protocol;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::reactor::lanes::SWEEP_AFTER;
use crate::exchange::answer::Answer;
use crate::exchange::entry::AtLane;
use crate::exchange::id::ExchangeId;
use crate::exchange::task::Task;
use crate::http1::machine::Http1;
use crate::http1::shared::MAX_PIPELINED;
use crate::http1::writing::Writing;
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
    /// Requests that wait in lanes, or that their threads have and have not answered.
    pub(in crate::sim) given: Vec<Given>,
    /// Requests that threads have, or will be given, and that have not ended.
    pub(in crate::sim) open: usize,
    /// There are replies that the loop has not taken.
    pub(in crate::sim) replies: bool,
    /// The lanes, each in its place.
    pub(in crate::sim) places: Vec<Option<Arc<Lane>>>,
}

/// How many requests of clients that have gone may wait, above the number of the others.
const KEEP: usize = 2 * SWEEP_AFTER * MAX_PIPELINED as usize;

impl Conn<SimTransport> {
    /// Its links, by their exchanges where these have their own. With each is how many of its events
    /// wait for a full lane.
    fn links(&self) -> HashMap<Option<u32>, u32> {
        let mut links = HashMap::from([(None, self.core.lane.held_back)]);
        if let Protocol::Lines(lines) = &self.protocol {
            links.extend(lines.held_back().map(|(stream, events)| (Some(stream), events)));
        }
        if let Protocol::Http2(http2) = &self.protocol {
            let open = http2.streams.iter().filter(|stream| !stream.is_over);
            links.extend(open.map(|stream| (Some(stream.id), stream.link.held_back)));
        }
        links
    }

    /// The link of an exchange. None if it is over.
    fn link_of(&self, stream: u32) -> Option<Option<u32>> {
        let link = match &self.protocol {
            Protocol::Lines(_) | Protocol::Http2(_) if stream != u32::MAX => Some(stream),
            _ => None,
        };
        self.links().contains_key(&link).then_some(link)
    }
}

impl Reactor<SimTransport> {
    /// The requests that lanes could not be given yet.
    fn held_back(&self) -> impl Iterator<Item = &Task> {
        self.services.lanes.sides.iter().flat_map(|side| &side.out).filter_map(
            |event| match event {
                LaneEvent::Request(task) => Some(&*task.0),
                _ => None,
            },
        )
    }

    /// Bytes of the bodies of lanes' requests.
    pub(super) fn lane_bodies(&self, outside: &Outside) -> usize {
        let held_back: usize = self.held_back().map(|task| task.request.body.len()).sum();
        held_back + outside.given.iter().map(|given| given.body).sum::<usize>()
    }

    pub(super) fn check_lanes(&self, outside: &Outside) -> Result<(), String> {
        let empty = None;
        let lanes = &self.services.lanes.sides;
        let count = lanes.len().max(outside.places.len());
        for place in 0..count {
            let is = lanes.get(place).and_then(|side| side.lane.as_ref());
            let should = outside.places.get(place).unwrap_or(&empty).as_ref();
            let same = is.map(Arc::as_ptr) == should.map(Arc::as_ptr);
            ensure!(same, "another lane is in place {place}");
        }
        self.check_handlers(outside)?;

        // Once the loop rests, what waits is bounded by the clients that are there.
        let (mine, gone): (Vec<_>, Vec<_>) = self
            .held_back()
            .filter(|_| !self.has_lane_events())
            .partition(|task| self.is_with_lane(task.id));
        let most = 2 * mine.len() + KEEP;
        ensure!(gone.len() <= most, "{} requests are kept that nobody waits for", gone.len());
        let told = self.services.lanes.sides.iter().flat_map(|side| &side.out).map(LaneEvent::id);
        let over: HashSet<ExchangeId> = told.filter(|of| !self.is_with_lane(*of)).collect();
        ensure!(over.len() <= outside.open + KEEP, "{} ends wait to be told", over.len());

        self.check_held_back()
    }

    /// Only a link's own events that wait for a full lane hold it back.
    pub(in crate::sim) fn check_held_back(&self) -> Result<(), String> {
        let mut held: HashMap<(u32, Option<u32>), u32> = HashMap::new();
        for (place, side) in self.services.lanes.sides.iter().enumerate() {
            let mut parked = HashSet::new();
            for event in side.out.iter().filter(|_| side.is_behind) {
                let ExchangeId { conn: id, stream, .. } = event.id();
                let conn = self.conns.get(id.slot as usize).filter(|conn| conn.core.id == id);
                if let Some(link) = conn.and_then(|conn| conn.link_of(stream)) {
                    *held.entry((id.slot, link)).or_default() += 1;
                    parked.insert((id.slot, link));
                }
            }
            ensure!(side.parked == parked.len(), "{} parked in {place}", side.parked);
            let is_request = |event: &&LaneEvent| matches!(event, LaneEvent::Request(_));
            let waits: HashSet<ExchangeId> =
                side.out.iter().filter(is_request).map(LaneEvent::id).collect();
            for event in &side.ahead {
                let of = event.id();
                ensure!(!is_request(&event), "{of:?} jumps the queue");
                ensure!(!waits.contains(&of), "{of:?} overtakes its request");
            }
        }
        for (_, conn) in &self.conns {
            let slot = conn.core.id.slot;
            for (link, is) in conn.links() {
                let should = held.get(&(slot, link)).copied().unwrap_or(0);
                ensure!(is == should, "{link:?} of {slot} waits for {is} events, not {should}");
            }
        }
        Ok(())
    }

    /// Each request that was handed over is in one place until its handler is done with it.
    fn check_handlers(&self, outside: &Outside) -> Result<(), String> {
        let http1s = || self.conns.iter().filter_map(|(_, conn)| conn.http1());
        let waiting = http1s().flat_map(|http1| http1.kept());
        let waiting = waiting.filter_map(|(_, answer)| match answer {
            Answer::Task(task) => Some(&**task),
            _ => None,
        });
        let streams = http1s().filter(|http1| http1.writing.streams()).count();
        let at_handlers = waiting.chain(self.held_back()).filter(|task| task.at_handler).count()
            + outside.given.iter().filter(|given| given.at_handler).count()
            + streams;
        let (given, left) =
            (&self.services.counters.handlers_given, &self.services.counters.handlers_left);
        let there = (given.get() - left.get()) as usize;
        let right = there == at_handlers || outside.replies && there > at_handlers;
        ensure!(right, "{there} requests are at handlers, and {at_handlers} are found there");
        if let Some(in_flight) = &self.services.settings.in_flight {
            let taken = in_flight.taken();
            ensure!(taken == there, "{taken} of {there} at handlers");
        }
        Ok(())
    }

    /// The requests of a connection that are with its lane and nowhere else.
    pub(super) fn check_at_lane(
        &self,
        conn: &Conn<SimTransport>,
        http1: &Http1,
        places: &[u32],
    ) -> Result<Vec<u32>, String> {
        if let Writing::Stream(stream) = &http1.writing {
            let id = stream.id;
            let right = id.stream == http1.next_answer() && id.conn == conn.core.id;
            ensure!(right && http1.expects(id.stream), "a stream that is nobody's answer");
        }
        for (stream, entry) in http1.entries() {
            let Some(answer) = &entry.answer else { continue };
            let streams = !answer.is_whole();
            let waits = entry.lane != AtLane::No;
            ensure!(streams == waits, "request {stream} is answered: {}", !streams);
        }
        if http1.reading.streams() {
            ensure!(http1.expects(http1.newest()), "a body for no lane");
        }
        let mine = http1.entries().filter(|(_, entry)| entry.lane != AtLane::No);
        Ok(mine.map(|(stream, _)| stream).filter(|stream| !places.contains(stream)).collect())
    }

    /// Whether the loop knows that the exchange's client has sent its last byte.
    pub(in crate::sim) fn has_left(&self, id: ExchangeId) -> bool {
        let conn = self.conns.get(id.conn.slot as usize);
        conn.is_some_and(|conn| conn.core.id == id.conn && conn.has_left())
    }

    /// Whether the lane in this place has been told everything.
    pub(in crate::sim) fn has_told(&self, place: usize) -> bool {
        let side = self.services.lanes.sides.get(place);
        side.is_none_or(|side| side.out.is_empty() && side.ahead.is_empty())
    }
}
