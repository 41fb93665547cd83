//! The state of HTTP/2 on one connection.

use std::collections::VecDeque;

use reactor_proto::h2::abuse::Guard;
use reactor_proto::h2::{Decoder, ErrorCode, Priority, Setting, Window, frame};

use crate::conn::core::{Core, HIGH_WATER};
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::http2::outward::Outward;
use crate::http2::stream::{Receiving, Stream};
use crate::http2::streams::Streams;
use crate::http2::tunnel::Tunnel;
use crate::observe::close_reason::CloseReason;

/// What a client may send on all streams together before it gets credit. In bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Replies to SETTINGS and PING, and resets, that wait for the client to read them. The loop reads no
/// more from a client that has so many.
const MOST_REPLIES: u32 = 1000;

/// Streams that wait because their lanes are full. The loop reads no more from a client that has so
/// many.
const MOST_PARKED: usize = 32;

/// Requests wait while so many bytes of answers do. In bytes.
const MOST_PENDING: usize = 1024 * 1024;

/// Answers that may wait for the windows of their own streams without keeping further requests back.
const MOST_STALLED: usize = 8;

/// For so long after a large answer each handler may be about to make another. One that takes longer
/// waits for something, and keeps no other request back. In milliseconds.
pub(crate) const LARGE_ANSWER_TAKES: Millis = 50;

/// Streams whose resets are remembered, counted back from the last one. More than most clients have
/// open at once: all of them may be reset together, and frames for them still come.
const RECENT: usize = 256;

/// HTTP/2 on one connection.
pub(crate) struct Http2 {
    pub(crate) decoder: Decoder,
    pub(crate) outward: Outward,
    pub(crate) streams: Streams,
    /// Streams that are WebSockets.
    #[allow(clippy::vec_box, reason = "a WebSocket is large")]
    pub(crate) tunnels: Vec<Box<Tunnel>>,
    pub(crate) guard: Guard,
    pub(crate) stage: Stage,
    /// The last stream that the client was told of, which never becomes a later one
    /// (RFC 9113 §6.8).
    said_last: u32,
    /// What the client may still send on all streams together.
    pub(crate) receive_window: Window,
    /// What it may send again and has not been told of.
    pub(crate) owed: u32,
    /// Replies in the output that the client has made this side owe.
    pub(crate) replies: u32,
    /// The client has acknowledged the settings of this side.
    pub(crate) is_settled: bool,
    /// The client has made a request.
    pub(crate) has_begun: bool,
    /// Streams whose requests wait until answers have been sent.
    pub(crate) waiting: VecDeque<u32>,
    /// Streams with bodies that may go on to their lanes as they come, of this input.
    pub(crate) begun: Vec<u32>,
    /// Streams whose bodies are still to come.
    pub(crate) receiving: u32,
    /// Streams that this side has reset. Empty before the first.
    recent: Box<[u32]>,
    /// Bytes of DATA that the clients of these streams may have sent before they knew.
    under_way: u32,
    /// The highest of them.
    last_reset: u32,
    /// The priority of a stream that has not begun.
    pub(crate) early_priority: Option<(u32, Priority)>,
    /// Since when a head has been coming in.
    pub(crate) head_since: Option<Millis>,
    /// When streams are looked at next.
    pub(crate) look_at: Option<Millis>,
    /// Bytes behind the end of the connection.
    pub(crate) discarded: usize,
    /// Why the connection will be closed, if that is known before.
    pub(crate) reason: Option<CloseReason>,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The client's preface has not come whole.
    Preface,
    Open,
    /// The client has been told that the server stops, and its requests of before that are still
    /// taken (RFC 9113 §6.8).
    Announced,
    /// The client has been told which of its streams is the last.
    Closing,
    /// Nothing more is read or answered. The connection ends when its output has been sent.
    Over,
}

impl Http2 {
    pub(crate) fn new() -> Self {
        let mut decoder = Decoder::new();
        decoder.takes_extended_connect(true);
        Self {
            decoder,
            outward: Outward::new(),
            streams: Streams::default(),
            tunnels: Vec::new(),
            guard: Guard::default(),
            stage: Stage::Preface,
            said_last: i32::MAX as u32,
            receive_window: Window::new(CONNECTION_WINDOW),
            owed: 0,
            replies: 0,
            is_settled: false,
            has_begun: false,
            waiting: VecDeque::new(),
            begun: Vec::new(),
            receiving: 0,
            recent: Box::default(),
            under_way: 0,
            last_reset: 0,
            early_priority: None,
            head_since: None,
            look_at: None,
            discarded: 0,
            reason: None,
        }
    }

    /// The client's preface has come: sends this side's (RFC 9113 §3.4).
    pub(crate) fn begin(&mut self, core: &mut Core, services: &mut Services) {
        let limits = &services.settings.limits;
        let head = u32::try_from(limits.head).unwrap_or(u32::MAX);
        self.guard = Guard::new(limits.streams);
        core.out.lend(&mut services.buffers);
        let buf = core.out.buf();
        frame::settings(
            buf,
            &[
                (Setting::MAX_CONCURRENT_STREAMS, limits.streams),
                (Setting::MAX_HEADER_LIST_SIZE, head),
                (Setting::ENABLE_CONNECT_PROTOCOL, services.settings.extended_connect.into()),
                (Setting::NO_RFC7540_PRIORITIES, 1),
            ],
        );
        frame::window_update(buf, 0, CONNECTION_WINDOW - Window::DEFAULT);
        self.stage = Stage::Open;
        if services.draining {
            self.announce_end(core, services);
        }
    }

    /// Whether no further frame is read for now.
    #[inline]
    pub(crate) fn is_full(&self, core: &Core) -> bool {
        core.out.len() >= HIGH_WATER
            || self.replies >= MOST_REPLIES
            || (self.streams.len() >= MOST_PARKED && self.parked() >= MOST_PARKED)
    }

    /// Streams with events that wait because their lanes are full.
    fn parked(&self) -> usize {
        self.streams.iter().filter(|stream| stream.link.held_back > 0).count()
    }

    /// Whether a further request must wait until answers have been sent.
    pub(crate) fn must_wait(&self, services: &mut Services) -> bool {
        if self.outward.pending >= MOST_PENDING && self.has_too_much() {
            return true;
        }
        let now = services.clock.millis();
        let deepest = services.large_answers.deepest(now);
        deepest.is_some_and(|most| {
            let is_new = |stream: &&Stream| {
                stream.is_away && !stream.is_over && now < stream.handed + LARGE_ANSWER_TAKES
            };
            self.streams.iter().filter(is_new).count() >= most as usize
        })
    }

    /// Whether the answers that wait keep back further requests. A few that wait for the windows of
    /// their own streams do not: the client may not want them now.
    fn has_too_much(&self) -> bool {
        let (mut stalled, mut held) = (0, 0);
        for stream in self.streams.iter().filter(|stream| stream.blocked.is_some()) {
            stalled += 1;
            held += stream.outgoing.as_ref().map_or(0, |outgoing| outgoing.held);
        }
        stalled > MOST_STALLED || self.outward.pending.saturating_sub(held) >= MOST_PENDING
    }

    /// Takes in a stream.
    pub(crate) fn open(&mut self, services: &mut Services, stream: Box<Stream>) {
        self.receiving += u32::from(stream.receiving.is_open());
        services.counters.http2.streams_opened.add(1);
        services.http2.lend_list(&mut self.streams);
        self.streams.push(stream);
    }

    /// What happens with a request's body from now on. Returns what did until now.
    pub(crate) fn receive(&mut self, id: u32, next: Receiving) -> Option<Receiving> {
        let stream = self.streams.get_mut(id)?;
        let opens = next.is_open();
        let before = std::mem::replace(&mut stream.receiving, next);
        self.receiving += u32::from(opens);
        self.receiving -= u32::from(before.is_open());
        Some(before)
    }

    /// Remembers that this side has reset a stream, of which more may come: up to `under_way` bytes
    /// of DATA.
    pub(crate) fn note_reset(&mut self, id: u32, under_way: usize) {
        // No more can be under way than the window of the connection allows.
        let more = u32::try_from(under_way).unwrap_or(CONNECTION_WINDOW);
        self.under_way = self.under_way.saturating_add(more).min(CONNECTION_WINDOW);
        if self.recent.is_empty() {
            self.recent = Box::new([0; RECENT]);
        }
        self.recent[id as usize / 2 % RECENT] = id;
        self.last_reset = self.last_reset.max(id);
    }

    /// DATA has come that counts for so many bytes in the windows, on a stream that is over. Returns
    /// whether the client can have sent it before it knew that this side has reset the stream.
    pub(crate) fn was_under_way(&mut self, id: u32, flow: u32) -> bool {
        let Some(left) = self.under_way.checked_sub(flow).filter(|_| self.was_reset(id)) else {
            return false;
        };
        self.under_way = left;
        true
    }

    /// Whether this side may have reset a stream: it has if that was of late.
    pub(crate) fn may_have_been_reset(&self, id: u32) -> bool {
        id <= self.last_reset
    }

    /// Whether this side has reset a stream of late.
    pub(crate) fn was_reset(&self, id: u32) -> bool {
        self.recent.get(id as usize / 2 % RECENT) == Some(&id)
    }

    /// Tells the client that the server stops. A ping follows: its answer shows that the client
    /// knows, and that its earlier requests have come.
    pub(crate) fn announce_end(&mut self, core: &mut Core, services: &mut Services) {
        if self.stage >= Stage::Announced {
            return;
        }
        self.stage = Stage::Announced;
        core.out.lend(&mut services.buffers);
        let buf = core.out.buf();
        frame::goaway(buf, i32::MAX as u32, ErrorCode::NO_ERROR, b"");
        frame::ping(buf, LAST_PING);
    }

    /// The last stream that is taken, for GOAWAY.
    pub(crate) fn last_stream(&mut self) -> u32 {
        self.said_last = self.said_last.min(self.decoder.highest_stream());
        self.said_last
    }

    /// Tells the client which stream is the last. The connection ends with those that are open.
    pub(crate) fn last_call(&mut self, core: &mut Core, services: &mut Services) {
        if self.stage >= Stage::Closing {
            return;
        }
        self.stage = Stage::Closing;
        core.out.lend(&mut services.buffers);
        let last = self.last_stream();
        frame::goaway(core.out.buf(), last, ErrorCode::NO_ERROR, b"");
    }
}

/// The payload of the ping that follows the announcement of a stop.
pub(crate) const LAST_PING: [u8; 8] = *b"lastcall";

#[cfg(test)]
mod tests {
    use super::*;

    /// One of these is kept for every open connection that speaks HTTP/2, idle ones too, beside the
    /// tables of HPACK.
    #[test]
    fn an_idle_connection_is_small() {
        let size = size_of::<Http2>();
        assert!(size <= 768, "{size} bytes");
    }
}
