//! What must hold between two turns, whatever has happened.

mod lanes;

pub(super) use lanes::{Given, Outside};

use super::wire::SimTransport;
use crate::conn::connection::Conn;
use crate::conn::core::{HIGH_WATER, Inflow};
use crate::conn::protocol::Protocol;
use crate::conn::timer::Phase;
use crate::event_loop::clock::Millis;
use crate::event_loop::reactor::Reactor;
use crate::exchange::answer::Answer;
use crate::exchange::compression::coder::Coder;
use crate::exchange::entry::{AtLane, Entry};
use crate::exchange::ring::Ring;
use crate::exchange::task::{Outcome, Task};
use crate::http1::machine::Http1;
use crate::http1::reading::Incoming;
use crate::http1::shared::MAX_PIPELINED;
use crate::http1::writing::Writing;

/// Room for blank lines before the client has said anything.
const BLANKS: usize = 8;

/// Fails the run with a sentence.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

use ensure;

/// Longer than any timeout.
const FAR: Millis = 80_000;

impl Conn<SimTransport> {
    /// The state of a connection that speaks HTTP/1.
    pub(super) fn http1(&self) -> Option<&Http1> {
        match &self.protocol {
            Protocol::Http1(http1) => Some(http1),
            Protocol::Greeting { .. }
            | Protocol::Sniff
            | Protocol::Pipe(_)
            | Protocol::WebSocket(_)
            | Protocol::Http2(_)
            | Protocol::Lines(_) => None,
        }
    }
}

impl Http1 {
    /// The open requests, with their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (self.next_answer()..).zip(self.ring.iter().flat_map(|ring| ring.iter()))
    }

    /// The answers that wait, with the numbers of their requests.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u32, &Answer)> {
        self.entries().filter_map(|(stream, entry)| Some((stream, entry.answer.as_ref()?)))
    }
}

impl Reactor<SimTransport> {
    /// The connections that speak HTTP/1.
    fn http1s(&self) -> impl Iterator<Item = &Http1> {
        self.conns.iter().filter_map(|(_, conn)| conn.http1())
    }

    /// Workers have not given back `out`, and lanes have `outside`. No answer is longer than
    /// `longest`.
    pub(super) fn check_invariants(
        &self,
        out: &[&Task],
        outside: &Outside,
        longest: usize,
    ) -> Result<(), String> {
        let services = &self.services;
        let kept = self.http1s().flat_map(|http1| http1.kept());
        let held = self
            .http1s()
            .filter_map(|http1| http1.incoming())
            .filter_map(|incoming| match incoming {
                Incoming::Task(task) => Some(&**task),
                Incoming::Discard(..)
                | Incoming::Stream
                | Incoming::Rest(_)
                | Incoming::Trailers(_) => None,
            })
            .chain(kept.filter_map(|(_, answer)| match answer {
                Answer::Task(task) => Some(&**task),
                _ => None,
            }))
            .chain(out.iter().copied())
            .chain(services.tasks.new.iter().map(|task| &**task));
        let bodies: usize = held.map(|task| task.request.body.len()).sum();
        let rings = || self.http1s().filter_map(|http1| http1.ring.as_ref());
        let bodies = bodies + self.lane_bodies(outside);
        let collected = services.memory.collected;
        let right = collected == bodies || outside.replies && collected > bodies;
        ensure!(right, "{collected} of {bodies} body bytes");
        self.check_lanes(outside)?;
        let streams: usize = rings().map(|ring| ring.untaken()).sum();
        let streamed = services.memory.streamed;
        let rests: usize = rings().map(|ring| ring.rests()).sum();
        let kept = services.memory.rests;
        ensure!(kept == rests, "{kept} of {rests} collected for lanes");
        ensure!(streamed == streams, "{streamed} of {streams} streamed");
        // The last upload that found room, and one piece of each other.
        let most = services.settings.body_memory / 2 + self.conns.len() * self.scratch.len();
        ensure!(streamed + rests <= most, "{streamed} and {rests} of {most} may stream");
        ensure!(collected <= services.settings.body_memory, "too many bodies are held");
        let there = services.tasks.out;
        ensure!(there == out.len(), "{there} of {} tasks out", out.len());
        let deadlines = services.deadlines.iter().flat_map(|deadlines| deadlines.waits());
        for (slot, stream) in deadlines {
            let conn = self.conns.get(slot as usize);
            let expects = conn.is_some_and(|conn| conn.protocol.expects(stream));
            ensure!(expects, "request {stream} of slot {slot} is over and waited for");
        }
        if let Some(compressor) = &services.compressor {
            let coded = self.http1s().filter(|http1| match &http1.writing {
                Writing::Stream(stream) => stream.coder.is_some(),
                _ => false,
            });
            let kept = self.http1s().flat_map(|http1| http1.kept());
            let waiting = kept.filter(|(_, answer)| match answer {
                Answer::Task(task) => {
                    task.response.stream_body().is_some_and(|body| body.coder.is_some())
                }
                _ => false,
            });
            let memory = (coded.count() + waiting.count()) * Coder::WEIGHT;
            let used = compressor.budget.used();
            ensure!(used == memory, "{used} of {memory} bytes are taken by compressors");
        }
        ensure!(services.dirty.is_empty(), "the loop would sleep on unsent answers");
        ensure!(
            services.tasks.free.iter().all(|task| task.request.body.is_empty()
                && task.request.head_bytes.is_empty()
                && task.handler.is_none()
                && !task.at_handler
                && task.outcome == Outcome::Answered),
            "a task is used again with what was in it"
        );
        let open = services.counters.accepted.get() - services.counters.closed_total();
        ensure!(open == self.conns.len() as u64, "{open} of {} open", self.conns.len());
        for (index, conn) in &self.conns {
            let slot = u32::try_from(index).map_err(|e| e.to_string())?;
            ensure!(conn.core.id.slot == slot, "a connection is in another's slot");
            self.check_conn(conn, out, longest).map_err(|e| {
                let phase = conn.core.timer.phase;
                let in_flight = conn.http1().map_or(0, Http1::in_flight);
                format!("{e}; slot {slot}, {phase:?}, {in_flight} in flight")
            })?;
        }
        for slot in (0..32).filter(|&slot| !self.conns.contains(slot as usize)) {
            ensure!(self.wheel.deadline(slot).is_none(), "slot {slot} is gone and has a timer");
            ensure!(self.observed(slot).is_empty(), "slot {slot} is gone and has open requests");
        }
        Ok(())
    }

    /// Bytes of answers that a connection holds, if it is there.
    pub(super) fn held(&self, token: u64) -> Option<usize> {
        self.find(token).map(|slot| {
            let conn = &self.conns[slot as usize];
            let ring = conn.http1().and_then(|http1| http1.ring.as_ref());
            conn.core.out.len() + ring.map_or(0, |ring| ring.held())
        })
    }

    fn observed(&self, slot: u32) -> Vec<(u32, bool)> {
        let observer = self.services.observer.as_ref();
        observer.map(|observer| observer.open(slot)).unwrap_or_default()
    }

    /// Each request of an HTTP/1 connection is in exactly one place. Returns how many are with
    /// workers.
    fn check_requests(
        &self,
        conn: &Conn<SimTransport>,
        http1: &Http1,
        out: &[&Task],
    ) -> Result<usize, String> {
        let mut places: Vec<u32> = out
            .iter()
            .copied()
            .chain(self.services.tasks.new.iter().map(|task| &**task))
            .filter(|task| task.id.conn == conn.core.id)
            .map(|task| task.id.stream)
            .collect();
        let tasks = places.len();
        places.extend(http1.kept().map(|(stream, _)| stream));
        let ring = http1.ring.as_deref();
        let bytes: usize = http1.kept().map(|(_, answer)| answer.held()).sum();
        let held = ring.map_or(0, Ring::held);
        ensure!(held == bytes, "{held} of {bytes} bytes wait");
        let whole = http1.kept().filter(|(_, answer)| answer.is_whole()).count();
        let open = http1.in_flight() as usize - whole;
        let unanswered = ring.map_or(0, Ring::unanswered) as usize;
        ensure!(unanswered == open, "{unanswered} of {open} are unanswered");
        let untaken: usize = http1.entries().map(|(_, entry)| entry.untaken).sum();
        ensure!(ring.map_or(0, Ring::untaken) == untaken, "{untaken} bytes are untaken");
        let rests: usize = http1.entries().map(|(_, entry)| entry.rest).sum();
        ensure!(ring.map_or(0, Ring::rests) == rests, "{rests} bytes are collected for lanes");
        let at_lane = http1.entries().any(|(_, entry)| entry.lane != AtLane::No);
        ensure!(http1.has_lane() == at_lane, "requests at lanes are counted wrong");
        ensure!(ring.is_none_or(|ring| ring.len() > 0), "a connection owns an empty ring");
        let last = http1.newest();
        // Its answer may have begun, and wait for its turn.
        if http1.reading.in_body() && !(http1.body_comes_in(last) && places.contains(&last)) {
            places.push(last);
        }
        let at_lane = self.check_at_lane(conn, http1, &places)?;
        places.extend(at_lane);
        places.sort_unstable();
        let expected: Vec<u32> = (http1.next_answer()..http1.next_request).collect();
        // A connection that reads no more has given up the body that was coming in.
        let given_up = http1.reading.is_done()
            && expected.split_last().is_some_and(|(_, others)| places == others);
        ensure!(given_up || places == expected, "requests {places:?} instead of {expected:?}");
        ensure!(http1.in_flight() <= MAX_PIPELINED, "more in flight than may be");

        // Each is observed until its answer has left.
        let observed = self.observed(conn.core.id.slot);
        let is_open = |&(sequence, written): &(u32, bool)| (!written).then_some(sequence);
        let open: Vec<u32> = observed.iter().filter_map(is_open).collect();
        let last = http1.writing.is_last();
        ensure!(last || open == expected, "{open:?} are observed, not {expected:?}");
        let written = observed.len() - open.len();
        ensure!(written == 0 || conn.has_output(), "{written} answers have left unobserved");
        Ok(tasks)
    }

    fn check_conn(
        &self,
        conn: &Conn<SimTransport>,
        out: &[&Task],
        longest: usize,
    ) -> Result<(), String> {
        let services = &self.services;
        let core = &conn.core;
        let slot = core.id.slot;
        let tasks = match conn.http1() {
            Some(http1) => self.check_requests(conn, http1, out)?,
            None => 0,
        };
        ensure!(core.out.len() <= HIGH_WATER + longest, "{} bytes unsent", core.out.len());

        // Nothing that could go on has been forgotten.
        let wire = conn.link.socket().wire.borrow();
        let ended = core.inflow == Inflow::Ended;
        let unread = wire.notified > wire.read || wire.eof && !wire.edge && !ended;
        let is_at_step = conn.link.is_at_step() || core.out.is_read_elsewhere();
        let at_work = core.listed.next_turn || wire.edge || is_at_step;
        let listed = core.listed.next_turn;
        ensure!(listed == self.listed.contains(&slot), "listed is {listed}");
        ensure!(!core.listed.dirty, "answers are forgotten");
        let wants_read = conn.wants_read();
        ensure!(!core.readable || !wants_read || listed, "input is forgotten");
        ensure!(wire.in_link == 0 || core.readable, "input in the link is forgotten");
        ensure!(!unread || core.readable || at_work, "unread input is forgotten");
        let held = !wants_read || conn.protocol.discards() || listed;
        ensure!(!core.stalled || held, "a stall without cause");
        ensure!(
            !conn.has_output() || wire.blocked || wire.handshakes() || at_work,
            "output is forgotten"
        );
        let phase = core.timer.phase;
        let ending = conn.protocol.ending();
        let waits_for_peer = phase == Phase::Linger || ending.is_some_and(|ending| ending.reset);
        ensure!(ending.is_none() || conn.has_output() || waits_for_peer, "not closed");

        // A client that leaves is noticed, and does not keep its place.
        let has_left = wire.eof && !at_work;
        ensure!(!has_left || core.inflow != Inflow::Open, "a client has left unnoticed");
        ensure!(!has_left || phase != Phase::Busy, "a client that has left keeps its place");
        let untold = conn
            .http1()
            .is_some_and(|http1| http1.entries().any(|(_, entry)| entry.lane == AtLane::Given));
        let noticed = !has_left || !conn.has_left() || !untold;
        ensure!(noticed, "a lane is not told that a client has left");

        // Timers.
        let now_phase = conn.current_phase();
        ensure!(phase == now_phase, "the timer is for another phase than {now_phase:?}");
        let deadline = self.wheel.deadline(slot);
        ensure!(deadline.is_none() == (phase == Phase::Busy), "the timer is {deadline:?}");
        let now = services.clock.millis();
        ensure!(deadline.is_none_or(|at| at > now && at <= now + FAR), "due at {deadline:?}");
        let at_lane = conn.protocol.has_lane();
        let waits = tasks > 0 || at_lane || core.lane.held_back > 0 || listed || is_at_step;
        ensure!(
            phase != Phase::Busy || waits,
            "it waits for nothing, stalled {}, the last read {}",
            core.stalled,
            conn.protocol.discards()
        );

        // Memory.
        // A handler behind a lane may close on top of requests that are in flight.
        let in_flight = conn.http1().map_or(0, Http1::in_flight);
        let lingers = phase == Phase::Linger && in_flight == 0;
        if lingers || matches!(phase, Phase::Idle | Phase::Fresh) {
            ensure!(core.input.capacity() <= BLANKS, "an idle connection owns input");
            ensure!(in_flight == 0, "an idle connection owns places");
            ensure!(core.out.owns_nothing(), "an idle connection owns output");
            ensure!(!conn.protocol.in_body(), "an idle connection has a body");
        }
        ensure!(core.input.len() <= self.scratch.len(), "more input than a read");
        Ok(())
    }
}
