//! Lanes as one loop sees them: the events for each, and which lane to choose.
//!
//! Requests of one connection that overlap go to one lane. Only when the connection has none there
//! does the next request go to the lane with the least to do. A full lane stops the reading of the
//! connections that have requests for it, and nothing else: news of requests that it already has
//! overtake those that wait.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{ConnectionChange, ConnectionEvent, LaneEvent};
use crate::exchange::id::ExchangeId;

/// A lane with this many events is not told of further connections without a request.
const MOST_ANNOUNCED: usize = 8192;

/// Pieces of a body are joined up to this many bytes. One read may bring more.
const MAX_PIECE: usize = 16 * 1024;

/// A connection's tie to its lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneLink {
    /// The lane's place.
    pub(crate) place: u8,
    /// The lane knows of the connection, and will be told of its end.
    pub(crate) announced: bool,
    /// How many events of the connection wait because the lane is full. Meanwhile the loop does not
    /// read from the connection.
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
    /// they need no room. A connection with events in `out` has none here.
    pub(crate) ahead: VecDeque<LaneEvent>,
    /// Connections that have events in `out` while that waits. The loop does not read from one
    /// until its events have been given.
    pub(crate) parked: usize,
    /// Connections that have gone since `out` was last swept.
    pub(crate) gone: usize,
    /// Its thread was held up when this turn began.
    stuck: bool,
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
        self.out.len() + self.lane.as_ref().map_or(0, |lane| lane.in_flight())
    }

    /// Whether connections may be announced, because the lane is not far behind.
    fn takes_announcements(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.backlog() < MOST_ANNOUNCED)
    }
}

/// The lanes of one loop, each in its place.
#[derive(Default)]
pub(crate) struct Lanes {
    pub(crate) sides: Vec<LaneSide>,
}

impl Lanes {
    /// Notes which lanes' threads are held up, if there are several. Called at the beginning of a
    /// turn.
    pub(crate) fn look(&mut self, now: Instant) {
        if self.sides.len() > 1 {
            for side in &mut self.sides {
                side.stuck = side.lane.as_ref().is_some_and(|lane| lane.is_stuck(now));
            }
        }
    }

    /// The lane for a connection's next request. With `keeps` it is the lane that has the others,
    /// so that one connection is one order. Otherwise it is the lane with the least to do. Lanes
    /// whose threads are held up come last.
    pub(crate) fn choose(&self, link: LaneLink, keeps: bool) -> Option<u8> {
        if keeps {
            let side = self.sides.get(usize::from(link.place));
            return side.is_some_and(LaneSide::is_open).then_some(link.place);
        }
        let takes = |side: &LaneSide| side.is_open() && !side.retired;
        let candidates = self.sides.iter().enumerate().filter(|(_, side)| takes(side));
        let (index, _) = candidates.min_by_key(|(_, side)| (side.stuck, side.load()))?;
        u8::try_from(index).ok()
    }

    /// Whether the lane finishes what it has and takes no more.
    pub(crate) fn is_retired(&self, link: LaneLink) -> bool {
        self.sides.get(usize::from(link.place)).is_some_and(|side| side.retired)
    }

    /// Appends an event for the connection's lane.
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

    /// A connection of this lane is gone. `had_requests` says whether the lane had requests of it.
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

    /// Whether replies of lanes are still to come.
    pub(crate) fn are_busy(&self) -> bool {
        let busy = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.in_flight() > 0);
        self.sides.iter().any(busy)
    }
}
