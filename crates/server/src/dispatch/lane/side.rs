//! Lanes as one loop sees them: what they are to be told, and which one to choose.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{ConnectionChange, ConnectionEvent, LaneEvent};
use crate::exchange::id::ExchangeId;

/// Events that may wait in a lane when connections without a request are added to them.
const MOST_ANNOUNCED: usize = 8192;

/// Bytes of a body that a lane is told of at once, unless one read brought more.
const MAX_PIECE: usize = 16 * 1024;

/// What a connection has with its lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneLink {
    /// The lane's place.
    pub(crate) place: u8,
    /// The lane knows of the connection and hears of its end.
    pub(crate) announced: bool,
    /// What the lane, which is full, could not be told of the connection yet. The
    /// connection is not read from meanwhile.
    pub(crate) held_back: u32,
}

/// A lane as one loop sees it.
pub(crate) struct LaneSide {
    pub(crate) lane: Option<Arc<Lane>>,
    /// What could not be given yet: the lane is full, or the turn goes on.
    pub(crate) out: VecDeque<LaneEvent>,
    /// The lane is full, and `out` waits for room: its events are counted in
    /// [`LaneLink::held_back`].
    pub(crate) is_behind: bool,
    /// What overtakes `out` while that waits: news of requests that the lane has, so
    /// that it needs no room. Of a connection that has something in `out`, nothing
    /// is here.
    pub(crate) ahead: VecDeque<LaneEvent>,
    /// Connections that have something in `out` while that waits. Each is not read
    /// from until its own has been given.
    pub(crate) parked: usize,
    /// Connections that have gone since `out` was last swept.
    pub(crate) gone: usize,
    /// Its thread was held up when this turn began.
    stuck: bool,
    /// It finishes what it has and gets no more: it knows the routes of an earlier
    /// table.
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

    /// What the lane has not been told, and could be.
    fn has_news(&self) -> bool {
        !self.ahead.is_empty() || !self.out.is_empty() && !self.is_behind
    }

    fn is_open(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| !lane.is_closed())
    }

    fn load(&self) -> usize {
        self.out.len() + self.lane.as_ref().map_or(0, |lane| lane.in_flight())
    }

    /// Whether connections may be announced: the lane is not far behind.
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
    /// Sees which lanes are held up, where there is another to choose. Called at the
    /// beginning of a turn.
    pub(crate) fn look(&mut self, now: Instant) {
        if self.sides.len() > 1 {
            for side in &mut self.sides {
                side.stuck = side.lane.as_ref().is_some_and(|lane| lane.is_stuck(now));
            }
        }
    }

    /// The lane for a connection's next request. With `keeps` it is the one that has its
    /// others, so that one connection is one order. Else it is the one with the least to
    /// do, of those whose threads are not held up if there are any.
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

    /// Puts an event behind the others for the connection's lane.
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

    /// Puts the next bytes of a body behind what its lane is to be told. Pieces that
    /// come in one turn are told as one: a body may come in chunks of a byte each.
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

    /// A connection was accepted: tells its lane, unless that is far behind. It is then
    /// told with the first request.
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

    /// Tells the connection's lane what has become of it.
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

    /// A connection was refused: tells the first lane, unless that is far behind.
    pub(crate) fn refused(&mut self, connection: ExchangeId, peer: Option<SocketAddr>) {
        if let Some(side) = self.sides.first_mut()
            && side.takes_announcements()
        {
            let event = ConnectionEvent { change: ConnectionChange::Refused, connection, peer };
            side.ahead.push_back(LaneEvent::Connection(Box::new(event)));
        }
    }

    /// A connection of this lane is no more. `had_requests` says whether the lane had some
    /// of its requests.
    pub(crate) fn gone(&mut self, link: &mut LaneLink, had_requests: bool) {
        let is_parked = std::mem::take(&mut link.held_back) > 0;
        if let Some(side) = self.sides.get_mut(usize::from(link.place))
            && side.is_behind
        {
            side.gone += usize::from(had_requests || is_parked);
            side.parked -= usize::from(is_parked);
        }
    }

    /// Whether lanes have something to be told that came after this turn's
    /// telling, and room to be told it.
    pub(crate) fn has_news(&self) -> bool {
        self.sides.iter().any(LaneSide::has_news)
    }

    /// Whether a lane has room again for what it could not be given.
    pub(crate) fn has_room(&self) -> bool {
        let has_room = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.has_room());
        self.sides.iter().any(|side| !side.out.is_empty() && has_room(side))
    }

    /// Whether replies are to come.
    pub(crate) fn are_busy(&self) -> bool {
        let busy = |side: &LaneSide| side.lane.as_ref().is_some_and(|lane| lane.in_flight() > 0);
        self.sides.iter().any(busy)
    }
}
