//! The state of HTTP/1 on one connection.

use reactor_proto::Decoder;

use crate::conn::core::{Core, HIGH_WATER};
use crate::conn::timer::Phase;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body_memory::window;
use crate::exchange::entry::{AtLane, Entry};
use crate::exchange::ring::Ring;
use crate::http1::reading::{Incoming, Reading};
use crate::http1::shared::MAX_PIPELINED;
use crate::http1::writing::Writing;
use crate::observe::close_reason::CloseReason;

/// Requests of a new connection that may be at handlers at once. The engine learns how large their
/// answers are only when it gets them.
const FIRST_DEPTH: u32 = 2;

/// The most requests of one connection that may be at handlers. A client may get small answers
/// first and then ask for large ones: handlers then make this many of them at once.
const MOST_DEPTH: u32 = 16;

/// Each answer of a usual size adds this to the depth, which begins with [`FIRST_DEPTH`].
const DEEPER: u32 = 2;

/// HTTP/1 on one connection.
pub(crate) struct Http1 {
    pub(crate) decoder: Decoder,
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
    /// The open requests. None while no request has had to wait for its answer.
    pub(crate) ring: Option<Box<Ring>>,
    /// The number of the next request to be read.
    pub(crate) next_request: u32,
    /// How many requests may be at handlers before the next is read. By the size of the answers so
    /// far, the answers to this many stay within [`HIGH_WATER`].
    pub(crate) depth: u32,
    /// Uploads of all connections filled their memory when that last mattered to this one. So nothing
    /// more is read while the lane has not taken all that came.
    pub(crate) is_short: bool,
    /// The lane is retired: it does not know the present routes. The next request waits until the
    /// lane has answered those that it has.
    pub(crate) awaits_lane: bool,
    /// The newest request has offered another protocol, and its handler may take the offer. What is
    /// behind the request may then be no HTTP, so it waits for the answer.
    pub(crate) offers_upgrade: bool,
    /// The connection ends by a half-close, and discards what still comes. So the peer reads the
    /// answer instead of a reset (RFC 9112 §9.6).
    pub(crate) linger: bool,
    /// The connection ends after the answers that are under way.
    pub(crate) finishing: bool,
    /// An answer has told the client for how long the connection is kept.
    pub(crate) told_timeout: bool,
    /// Why the connection will be closed, if that is known before.
    pub(crate) reason: Option<CloseReason>,
}

impl Default for Http1 {
    fn default() -> Self {
        Self {
            decoder: Decoder::default(),
            reading: Reading::Head,
            writing: Writing::Answers,
            ring: None,
            next_request: 0,
            depth: FIRST_DEPTH,
            is_short: false,
            awaits_lane: false,
            offers_upgrade: false,
            linger: false,
            finishing: false,
            told_timeout: false,
            reason: None,
        }
    }
}

impl Http1 {
    /// Requests that wait for their answers.
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.ring.as_ref().map_or(0, |ring| ring.len())
    }

    /// The number of the request whose answer is in turn.
    pub(crate) fn next_answer(&self) -> u32 {
        self.next_request.wrapping_sub(self.in_flight())
    }

    /// The place of a request in the ring, if it is open.
    pub(crate) fn place(&self, stream: u32) -> Option<usize> {
        let place = stream.wrapping_sub(self.next_answer());
        (place < self.in_flight()).then_some(place as usize)
    }

    /// The number of the newest request.
    pub(crate) fn newest(&self) -> u32 {
        self.next_request.wrapping_sub(1)
    }

    /// Whether further requests must wait until answers have been sent.
    #[inline]
    pub(crate) fn is_full(&self, core: &Core) -> bool {
        let Some(ring) = &self.ring else {
            return core.out.len() >= HIGH_WATER || core.lane.held_back > 0;
        };
        ring.len() >= MAX_PIPELINED
            || core.out.len() + ring.held() >= HIGH_WATER
            || ring.untaken() >= window(self.is_short)
            || core.lane.held_back > 0
            || (!self.reading.in_body()
                && (ring.unanswered() >= self.depth
                    || (self.awaits_lane && ring.has_lane())
                    || self.offers_upgrade))
    }

    /// Whether a lane has some of the connection's requests.
    pub(crate) fn has_lane(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.has_lane())
    }

    /// Whether a lane has been given a request and is not done with it.
    pub(crate) fn is_at_lane(&self) -> bool {
        self.has_lane()
            && self.ring.iter().flat_map(|ring| ring.iter()).any(|entry| entry.lane.has_it())
    }

    /// Adapts the depth to the size of an answer, so that the next answers find room. The depth
    /// grows bit by bit and shrinks at once.
    #[inline]
    pub(crate) fn adapt(&mut self, bytes: usize) {
        let deeper = (self.depth + DEEPER).min(MOST_DEPTH);
        self.depth = if bytes <= HIGH_WATER / MAX_PIPELINED as usize {
            deeper
        } else {
            let most = u32::try_from(HIGH_WATER / bytes).unwrap_or(MAX_PIPELINED);
            deeper.min(most.max(1))
        };
    }

    /// A request is open from now on.
    #[inline]
    pub(crate) fn open(&mut self, services: &mut Services, entry: Entry) {
        self.ring.get_or_insert_with(|| services.rings.take()).push(entry);
    }

    /// Makes the next open request the first. Returns its answer if that has come.
    #[inline]
    pub(crate) fn next(&mut self, services: &mut Services) -> Option<Answer> {
        let ring = self.ring.as_mut()?;
        let answer = ring.advance();
        if ring.len() == 0
            && let Some(ring) = self.ring.take()
        {
            services.rings.put(ring);
        }
        answer
    }

    /// Notes what the lane knows of a request.
    pub(crate) fn set_lane(&mut self, stream: u32, lane: AtLane) {
        if let (Some(place), Some(ring)) = (self.place(stream), &mut self.ring) {
            ring.set_lane(place, lane);
        }
    }

    /// The connection ends with the answer to this request.
    pub(crate) fn close_after(&mut self, stream: u32) {
        if let (Some(place), Some(ring)) = (self.place(stream), &mut self.ring)
            && let Some((terms, _)) = ring.terms_mut(place)
        {
            terms.close = true;
        }
    }

    /// The lane takes no more of a request's body.
    pub(crate) fn forget_upload(&mut self, services: &mut Services, stream: u32) {
        if let (Some(place), Some(ring)) = (self.place(stream), &mut self.ring) {
            services.memory.taken(ring.take(place, usize::MAX));
        }
    }

    /// Whether the body of this request goes to a lane and has not come whole.
    pub(crate) fn body_comes_in(&self, stream: u32) -> bool {
        self.reading.streams() && stream == self.newest()
    }

    /// No further request is read.
    pub(crate) fn stop_reading(&mut self, services: &mut Services) {
        if let Some(Incoming::Task(task)) = self.reading.stop() {
            services.recycle(task);
        }
    }

    /// The lane is done with a request. True if the request's body is still coming in: then the
    /// connection must end after the answer.
    pub(crate) fn leave_lane(&mut self, services: &mut Services, stream: u32) -> bool {
        self.set_lane(stream, AtLane::No);
        self.forget_upload(services, stream);
        let unread = self.body_comes_in(stream);
        if unread {
            self.stop_reading(services);
            self.linger = true;
        }
        unread
    }

    /// The answer in turn cannot be completed. It is the last one.
    pub(crate) fn cut(&mut self, services: &mut Services, delimits: bool) {
        self.writing.finish(true, delimits);
        self.stop_reading(services);
        self.reason = Some(CloseReason::Aborted);
    }

    /// What the connection waits for when there is no output.
    pub(crate) fn phase(&self, core: &Core) -> Phase {
        if self.writing.is_last() {
            return Phase::Write;
        }
        if core.stalled || core.lane.held_back > 0 {
            // A client whose connection waits for room in its lane may have sent more, which
            // the loop does not read.
            return Phase::Busy;
        }
        // A client is not late with what the loop does not read. Nor is it with a body that waits
        // for `100 Continue`.
        match &self.reading {
            Reading::Done { .. } => Phase::Busy,
            Reading::Body { owes_continue: true, .. } => Phase::Busy,
            Reading::Body { .. } if self.is_full(core) => Phase::Busy,
            Reading::Body { .. } => Phase::Body,
            Reading::Head if !core.input.is_empty() => {
                if self.is_full(core) {
                    Phase::Busy
                } else {
                    Phase::Head
                }
            }
            Reading::Head if self.in_flight() > 0 => Phase::Busy,
            Reading::Head if self.next_request > 0 => Phase::Idle,
            Reading::Head => Phase::Fresh,
        }
    }
}
