//! Lanes as one loop sees them: the events for each, and which lane to choose.
//!
//! A request goes to the lane with the least to do. HTTP/1 answers in order, so there the requests
//! of one connection that overlap go to one lane. Each loop has lanes that it prefers, as long as
//! they have hardly more to do than others. So under load a lane's queue is written by few threads,
//! and events come to it in larger batches. A full lane stops the reading of the HTTP/1 connections
//! that have requests for it, and nothing else: news of requests that it already has overtake those
//! that wait.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{ConnectionChange, ConnectionEvent, LaneEvent};
use crate::event_loop::clock::Millis;
use crate::exchange::id::ExchangeId;

/// A lane with this many events is not told of further connections without a request.
const MOST_ANNOUNCED: usize = 8192;

/// Pieces of a body are joined up to this many bytes. One read may bring more.
const MAX_PIECE: usize = 16 * 1024;

/// A tie to a lane. Where answers go out in order, a connection has one for all of its exchanges;
/// otherwise each exchange has its own. Then a lane that is full or gone disturbs no exchange at
/// another. [`Protocol::link`](crate::conn::protocol::Protocol::link) finds that of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneLink {
    /// The lane's place.
    pub(crate) place: u8,
    /// The lane knows of the connection, and will be told of its end.
    pub(crate) announced: bool,
    /// How many events wait because the lane is full. Meanwhile the loop does not read what would
    /// bring more of them.
    pub(crate) held_back: u32,
}

/// A lane as one loop sees it.
pub(crate) struct LaneSide {
    pub(crate) lane: Option<Arc<Lane>>,
    /// Events that have not been given yet: the lane is full, or the turn goes on.
    pub(crate) out: VecDeque<LaneEvent>,
    /// The lane is full, and `out` waits for room. Its events are counted in
    /// [`LaneLink::held_back`].
    pub(crate) is_behind: bool,
    /// Events that overtake `out` while that waits. They are news of requests that the lane has, so
    /// they need no room. A link with events in `out` has none here.
    pub(crate) ahead: VecDeque<LaneEvent>,
    /// Links that have events in `out` while that waits.
    pub(crate) parked: usize,
    /// Links that have gone since `out` was last swept.
    pub(crate) gone: usize,
    /// Its thread was held up when the loop last looked.
    stuck: bool,
    /// Requests that the lane had then, and what this loop has given and got back since.
    load: usize,
    /// It finishes what it has and gets no more, because it knows the routes of an earlier table.
    pub(crate) retired: bool,
}

impl LaneSide {
    pub(crate) fn new(lane: Option<Arc<Lane>>) -> Self {
        Self {
            lane,
            out: VecDeque::new(),
            is_behind: false,
            ahead: VecDeque::new(),
            parked: 0,
            gone: 0,
            stuck: false,
            load: 0,
            retired: false,
        }
    }

    /// Whether the lane could be given events now.
    fn has_news(&self) -> bool {
        !self.ahead.is_empty() || !self.out.is_empty() && !self.is_behind
    }

    fn is_open(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| !lane.is_closed())
    }

    fn load(&self) -> usize {
        self.out.len() + self.load
    }

    /// The lane has been given so many requests.
    pub(crate) fn given(&mut self, requests: usize) {
        self.load += requests;
    }

    /// Whether connections may be announced, because the lane is not far behind.
    fn takes_announcements(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.backlog() < MOST_ANNOUNCED)
    }
}

/// The lanes of one loop, each in its place.
pub(crate) struct Lanes {
    pub(crate) sides: Vec<LaneSide>,
    io_thread: usize,
    io_threads: usize,
    /// When this loop last looked what the lanes have to do.
    looked_at: Millis,
}

impl Lanes {
    pub(crate) fn of_loop(io_thread: usize, io_threads: usize) -> Self {
        Self { sides: Vec::new(), io_thread, io_threads, looked_at: 0 }
    }

    /// Notes how much the lanes have to do and which are held up, if there are several. Called at
    /// the beginning of a turn. It looks once a millisecond, because it reads what all other
    /// threads write.
    pub(crate) fn look(&mut self, now: Instant, millis: Millis) {
        if self.sides.len() > 1 && self.looked_at != millis {
            self.looked_at = millis;
            for side in &mut self.sides {
                let Some(lane) = &side.lane else { continue };
                side.stuck = lane.is_stuck(now);
                side.load = lane.in_flight();
            }
        }
    }

    /// The lane in this place has given back a request.
    pub(crate) fn returned(&mut self, place: u8) {
        if let Some(side) = self.sides.get_mut(usize::from(place)) {
            side.load = side.load.saturating_sub(1);
        }
    }

    /// The places of the lanes that this loop prefers: an equal share of all, at least one.
    fn near(&self) -> std::ops::Range<usize> {
        let begin = |io_thread| io_thread * self.sides.len() / self.io_threads.max(1);
        let first = begin(self.io_thread);
        first..begin(self.io_thread + 1).max(first + 1)
    }

    /// The lane for a connection's next request. With `keeps` it is the lane that has the others,
    /// so that one connection is one order. Otherwise it is the lane with the least to do, or one of
    /// the loop's own share with at most half as much again. Lanes whose threads are held up come
    /// last.
    pub(crate) fn choose(&self, link: LaneLink, keeps: bool) -> Option<u8> {
        if keeps {
            let side = self.sides.get(usize::from(link.place));
            return side.is_some_and(LaneSide::is_open).then_some(link.place);
        }
        if let [side] = &self.sides[..] {
            return (side.is_open() && !side.retired).then_some(0);
        }
        let near = self.near();
        let (mut least, mut nearest) = (None, None);
        for (place, side) in self.sides.iter().enumerate() {
            if side.retired || !side.is_open() {
                continue;
            }
            let work = (side.stuck, side.load(), place);
            least = least.filter(|least| *least < work).or(Some(work));
            if near.contains(&place) {
                nearest = nearest.filter(|nearest| *nearest < work).or(Some(work));
            }
        }
        let least = least?;
        let is_near_enough = |&(stuck, load, _): &(bool, usize, usize)| {
            stuck == least.0 && load <= least.1 + least.1 / 2
        };
        let (_, _, place) = nearest.filter(is_near_enough).unwrap_or(least);
        u8::try_from(place).ok()
    }

    /// Whether the lane finishes what it has and takes no more.
    pub(crate) fn is_retired(&self, link: LaneLink) -> bool {
        self.sides.get(usize::from(link.place)).is_some_and(|side| side.retired)
    }

    /// Appends an event for the link's lane.
    pub(crate) fn tell(&mut self, link: &mut LaneLink, event: LaneEvent) {
        let Some(side) = self.sides.get_mut(usize::from(link.place)) else { return };
        if side.is_behind {
            let overtakes = link.held_back == 0 && !matches!(event, LaneEvent::Request(_));
            if overtakes {
                side.ahead.push_back(event);
                return;
            }
            side.parked += usize::from(link.held_back == 0);
            link.held_back += 1;
        }
        side.out.push_back(event);
    }

    /// Appends the next bytes of a body for its lane. Pieces of one turn become one event, because
    /// a body may come in chunks of a byte each.
    pub(crate) fn tell_body(&mut self, link: &mut LaneLink, id: ExchangeId, data: &[u8]) {
        let Some(side) = self.sides.get_mut(usize::from(link.place)) else { return };
        for queue in [&mut side.out, &mut side.ahead] {
            if let Some(LaneEvent::Body(last, piece)) = queue.back_mut()
                && *last == id
                && piece.len() + data.len() <= MAX_PIECE
            {
                piece.extend_from_slice(data);
                return;
            }
        }
        self.tell(link, LaneEvent::Body(id, data.to_vec()));
    }

    /// A connection was accepted: tells its lane. If the lane is far behind, it is told with the
    /// first request.
    pub(crate) fn opened(
        &mut self,
        link: &mut LaneLink,
        connection: ExchangeId,
        peer: Option<SocketAddr>,
    ) {
        if self.sides.first().is_some_and(LaneSide::takes_announcements) {
            self.announce(link, connection, peer, ConnectionChange::Opened);
        }
    }

    /// Tells the connection's lane that something happened to the connection.
    pub(crate) fn announce(
        &mut self,
        link: &mut LaneLink,
        connection: ExchangeId,
        peer: Option<SocketAddr>,
        change: ConnectionChange,
    ) {
        link.announced = true;
        let event = ConnectionEvent { change, connection, peer };
        self.tell(link, LaneEvent::Connection(Box::new(event)));
    }

    /// The acceptor refused a connection: tells the first lane, unless that is far behind.
    pub(crate) fn refused(&mut self, connection: ExchangeId, peer: Option<SocketAddr>) {
        if let Some(side) = self.sides.first_mut()
            && side.takes_announcements()
        {
            let event = ConnectionEvent { change: ConnectionChange::Refused, connection, peer };
            side.ahead.push_back(LaneEvent::Connection(Box::new(event)));
        }
    }

    /// A link is over: its connection is gone, or its exchange. `had_requests` says whether the
    /// lane had requests of it. Events that still wait for the lane remain there.
    pub(crate) fn gone(&mut self, link: &mut LaneLink, had_requests: bool) {
        let is_parked = std::mem::take(&mut link.held_back) > 0;
        if let Some(side) = self.sides.get_mut(usize::from(link.place))
            && side.is_behind
        {
            side.gone += usize::from(had_requests || is_parked);
            side.parked -= usize::from(is_parked);
        }
    }

    /// Whether a lane could be given events that came after this turn's were given.
    pub(crate) fn has_news(&self) -> bool {
        self.sides.iter().any(LaneSide::has_news)
    }

    /// Whether a lane has room again for events that wait.
    pub(crate) fn has_room(&self) -> bool {
        let has_room = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.has_room());
        self.sides.iter().any(|side| !side.out.is_empty() && has_room(side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::lane::exchange::Exchange;
    use crate::exchange::task::Task;

    /// The lanes of loop `io_thread` of four. Each lane has so many requests.
    fn lanes(io_thread: usize, loads: &[usize]) -> Lanes {
        let mut lanes = Lanes::of_loop(io_thread, 4);
        for &load in loads {
            let lane = Lane::new(4096, || {});
            let mut requests = LaneSide::new(Some(lane));
            requests.given(load);
            lanes.sides.push(requests);
        }
        lanes
    }

    fn chosen(io_thread: usize, loads: &[usize]) -> Option<u8> {
        lanes(io_thread, loads).choose(LaneLink::default(), false)
    }

    #[test]
    fn each_loop_prefers_a_lane_of_its_own() {
        let own: Vec<_> = (0..4).map(|io_thread| chosen(io_thread, &[8, 8, 8, 8])).collect();
        assert_eq!(own, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(chosen(2, &[8, 8, 12, 8]), Some(2), "hardly more to do");
        assert_eq!(chosen(2, &[8, 9, 13, 8]), Some(0), "much more");
    }

    #[test]
    fn a_request_never_waits_while_a_lane_has_nothing_to_do() {
        assert_eq!(chosen(2, &[1, 1, 1, 0]), Some(3));
        assert_eq!(chosen(2, &[9, 0, 0, 0]), Some(2));
    }

    #[test]
    fn loops_share_few_lanes_and_each_has_several_of_many() {
        let few: Vec<_> = (0..4).map(|io_thread| chosen(io_thread, &[5, 5])).collect();
        assert_eq!(few, [Some(0), Some(0), Some(1), Some(1)]);
        assert_eq!(chosen(1, &[5, 5, 5, 4, 5, 5, 5, 5]), Some(3), "the least of its own two");
        assert_eq!(chosen(3, &[5]), Some(0));
        assert_eq!(chosen(3, &[]), None);
    }

    #[test]
    fn a_lane_that_is_held_up_comes_last() {
        let mut lanes = lanes(1, &[6, 4, 6, 6]);
        lanes.sides[1].stuck = true;
        assert_eq!(lanes.choose(LaneLink::default(), false), Some(0));
        lanes.returned(2);
        assert_eq!(lanes.choose(LaneLink::default(), false), Some(2));
    }

    #[test]
    fn a_loop_looks_at_lanes_once_a_millisecond() {
        let mut lanes = lanes(0, &[0, 0]);
        let lane = lanes.sides[0].lane.clone().expect("there is one");
        let mut elsewhere = VecDeque::new();
        elsewhere.push_back(LaneEvent::Request(Exchange(Box::new(Task::new(Instant::now())))));
        lane.give(&mut elsewhere, 1);
        lanes.look(Instant::now(), 0);
        assert_eq!(lanes.choose(LaneLink::default(), false), Some(0), "it does not know yet");
        lanes.look(Instant::now(), 1);
        assert_eq!(lanes.choose(LaneLink::default(), false), Some(1));
    }
}
