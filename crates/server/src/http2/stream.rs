//! One stream: a request and its answer (RFC 9113 §5).

use reactor_proto::h2::{Priority, Window};

use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::clock::Millis;
use crate::exchange::entry::AtLane;
use crate::exchange::rest::Rest;
use crate::exchange::task::Task;
use crate::exchange::terms::Terms;
use crate::http2::content::Outgoing;

/// No record of the observer.
pub(crate) const NO_RECORD: u32 = u32::MAX;

/// A stream that has not ended, or whose place is still taken.
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) terms: Terms,
    /// What the lane that it belongs to knows of it.
    pub(crate) lane: AtLane,
    pub(crate) link: LaneLink,
    /// Its task is with a worker or a lane.
    pub(crate) is_away: bool,
    /// It has been reset, or is answered, and only holds its place: its handler has not returned.
    pub(crate) is_over: bool,
    pub(crate) receiving: Receiving,
    /// It asks for a WebSocket (RFC 8441).
    pub(crate) connects: bool,
    /// What is missing of the declared length of the request's body.
    pub(crate) left: Option<u64>,
    /// Bytes of the request's body so far.
    pub(crate) came: u64,
    /// What the client may still send.
    pub(crate) receive_window: Window,
    /// What it may send again and has not been told of.
    pub(crate) owed: u32,
    /// The window has been made wider, because a lane takes the body as it comes.
    pub(crate) is_wide: bool,
    /// Bytes of the request's body that the lane has been told of and has not taken.
    pub(crate) untaken: usize,
    /// Of these, what the client may send again already.
    pub(crate) credited: usize,
    /// Bytes that were collected for the lane and that it has not taken.
    pub(crate) rest: usize,
    /// What the client takes.
    pub(crate) send_window: Window,
    /// The answer, once its head has been written.
    pub(crate) outgoing: Option<Box<Outgoing>>,
    /// What the client said of its priority, if it said something.
    pub(crate) priority: Option<Priority>,
    /// Since when the answer waits for a window.
    pub(crate) blocked: Option<Millis>,
    /// When it began.
    pub(crate) opened: Millis,
    /// Until when the body has come at the least rate.
    pub(crate) since: Millis,
    /// When its handler got it.
    pub(crate) handed: Millis,
    /// Its record in the observer.
    pub(crate) record: u32,
}

/// What happens with the body of the request.
pub(crate) enum Receiving {
    /// It has come whole, or nothing more of it is wanted.
    Ended,
    /// It is collected for a handler.
    Task(Box<Task>),
    /// Each piece goes on to a lane as it comes.
    Pieces,
    /// The lane wants the rest in one piece.
    Rest(Box<Rest>),
    /// It has been answered already: what still comes is dropped.
    Discard,
    /// It is to become a WebSocket, or is one. These bytes came before the answer.
    Tunnel(Vec<u8>),
    /// The request is whole and waits: the answers before it are too large.
    Waits(Box<Task>),
}

impl Receiving {
    /// Whether more of the body may come.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::Ended | Self::Waits(_))
    }

    /// Whether a lane has the request and gets its body as it comes, or the rest in one piece.
    pub(crate) fn streams(&self) -> bool {
        matches!(self, Self::Pieces | Self::Rest(_))
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            id: 0,
            terms: Terms::default(),
            lane: AtLane::No,
            link: LaneLink::default(),
            is_away: false,
            is_over: false,
            receiving: Receiving::Ended,
            connects: false,
            left: None,
            came: 0,
            receive_window: Window::new(0),
            owed: 0,
            is_wide: false,
            untaken: 0,
            credited: 0,
            rest: 0,
            send_window: Window::new(0),
            outgoing: None,
            priority: None,
            blocked: None,
            opened: 0,
            since: 0,
            handed: 0,
            record: NO_RECORD,
        }
    }
}

impl Stream {
    /// The lane has taken up to `bytes` of the body, or takes no more of it. Returns how many bytes
    /// no longer count as untaken, and how many as collected for it.
    pub(crate) fn take(&mut self, bytes: usize) -> (usize, usize) {
        let taken = bytes.min(self.untaken);
        let collected = (bytes - taken).min(self.rest);
        self.untaken -= taken;
        self.rest -= collected;
        (taken, collected)
    }

    /// Bytes of the request's body that the client may have sent and that have not come.
    pub(crate) fn under_way(&self) -> usize {
        if self.receiving.is_open() { self.receive_window.available() } else { 0 }
    }

    /// Whether its answer streams.
    pub(crate) fn streams(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.streams)
    }
}
