//! What must hold between two turns, whatever has happened.

mod lanes;

pub(super) use lanes::{Given, Outside};

use super::wire::SimTransport;
use crate::conn::connection::{Answer, Conn, HIGH_WATER, Incoming, MAX_PIPELINED, Phase};
use crate::event_loop::clock::Millis;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::reactor::lanes::lane_bit;
use crate::exchange::task::Task;

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

impl Reactor<SimTransport> {
    /// `out` are the tasks that workers have and have not given back, `outside` is
    /// what lanes have. No answer is longer than `longest`.
    pub(super) fn check_invariants(
        &self,
        out: &[&Task],
        outside: &Outside,
        longest: usize,
    ) -> Result<(), String> {
        let conns = || self.conns.iter().map(|(_, conn)| conn);
        let waiting = conns().flat_map(|conn| conn.waiting.iter().flatten());
        let held = conns()
            .filter_map(|conn| conn.incoming.as_deref())
            .filter_map(|incoming| match incoming {
                Incoming::Task(task) => Some(&**task),
                Incoming::Discard(..) | Incoming::Stream(..) => None,
            })
            .chain(waiting.filter_map(|(answer, _)| match answer {
                Answer::Task(task) => Some(&**task),
                _ => None,
            }))
            .chain(out.iter().copied())
            .chain(self.tasks.iter().map(|task| &**task));
        let bodies: usize = held.map(|task| task.request.body.len()).sum();
        let bodies = bodies + self.lane_bodies(outside);
        let right = self.body_bytes == bodies || outside.replies && self.body_bytes > bodies;
        ensure!(right, "{} of {bodies} body bytes", self.body_bytes);
        self.check_lanes(outside)?;
        let streams: usize = conns().map(Conn::streamed).sum();
        ensure!(self.stream_bytes == streams, "{} of {streams} streamed", self.stream_bytes);
        // The last that found room, and one piece each of the others.
        let most = self.settings.body_memory / 2 + self.conns.len() * self.scratch.len();
        ensure!(self.stream_bytes <= most, "{} of {most} may stream", self.stream_bytes);
        ensure!(self.body_bytes <= self.settings.body_memory, "too many bodies are held");
        ensure!(self.tasks_out == out.len(), "{} of {} tasks out", self.tasks_out, out.len());
        ensure!(self.dirty.is_empty(), "the loop would sleep on unsent answers");
        ensure!(
            self.free_tasks.iter().all(|task| task.request.body.is_empty()
                && task.request.head_bytes.is_empty()
                && task.handler.is_none()
                && !task.at_handler
                && !task.failed),
            "a task is used again with what was in it"
        );
        let open = self.counters.accepted.get() - self.counters.closed_total();
        ensure!(open == self.conns.len() as u64, "{open} of {} open", self.conns.len());
        for (index, conn) in &self.conns {
            let slot = u32::try_from(index).map_err(|e| e.to_string())?;
            self.check_conn(slot, conn, out, longest).map_err(|e| {
                format!("{e}; slot {slot}, {:?}, {} in flight", conn.phase, conn.in_flight())
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
        self.find(token).map(|slot| self.conns[slot as usize].held())
    }

    fn observed(&self, slot: u32) -> Vec<(u32, bool)> {
        self.observer.as_ref().map(|observer| observer.open(slot)).unwrap_or_default()
    }

    fn check_conn(
        &self,
        slot: u32,
        conn: &Conn<SimTransport>,
        out: &[&Task],
        longest: usize,
    ) -> Result<(), String> {
        // Requests: each is in one place.
        let mut places: Vec<u32> = out
            .iter()
            .copied()
            .chain(self.tasks.iter().map(|task| &**task))
            .map(|task| task.address)
            .filter(|address| address.slot == slot && address.generation == conn.generation)
            .map(|address| address.sequence)
            .collect();
        let tasks = places.len();
        for (sequence, place) in (conn.next_answer..).zip(&conn.waiting) {
            places.extend(place.is_some().then_some(sequence));
        }
        let kept = || conn.waiting.iter().flatten().map(|(answer, _)| answer);
        let bytes: usize = kept().map(Answer::bytes).sum();
        ensure!(conn.waiting_bytes == bytes, "{} of {bytes} bytes wait", conn.waiting_bytes);
        let whole = kept().filter(|answer| answer.is_whole()).count();
        ensure!(conn.waiting_whole as usize == whole, "{} of {whole} wait", conn.waiting_whole);
        let last = conn.next_request.wrapping_sub(1);
        // Its answer may have begun, and wait for its turn.
        if conn.incoming.is_some() && !(conn.body_comes_in(last) && places.contains(&last)) {
            places.push(last);
        }
        let with_lane = self.check_with_lane(slot, conn, &places)?;
        places.extend(with_lane);
        places.sort_unstable();
        let expected: Vec<u32> = (conn.next_answer..conn.next_request).collect();
        ensure!(places == expected, "requests {places:?} instead of {expected:?}");
        ensure!(conn.in_flight() <= MAX_PIPELINED, "more in flight than may be");
        ensure!(conn.out.len() <= HIGH_WATER + longest, "{} bytes unsent", conn.out.len());

        // Each is observed until its answer has left.
        let observed = self.observed(slot);
        let is_open = |&(sequence, written): &(u32, bool)| (!written).then_some(sequence);
        let open: Vec<u32> = observed.iter().filter_map(is_open).collect();
        ensure!(conn.closing || open == expected, "{open:?} are observed, not {expected:?}");
        let written = observed.len() - open.len();
        ensure!(written == 0 || !conn.out.is_empty(), "{written} answers have left unobserved");

        // Nothing that could go on has been forgotten.
        let wire = conn.io.wire.borrow();
        let unread = wire.notified > wire.read || wire.eof && !wire.edge && !conn.read_closed;
        let at_work = conn.listed || wire.edge;
        ensure!(conn.listed == self.listed.contains(&slot), "listed is {}", conn.listed);
        ensure!(!conn.dirty, "answers are forgotten");
        ensure!(!conn.readable || !conn.wants_read() || conn.listed, "input is forgotten");
        ensure!(!unread || conn.readable || at_work, "unread input is forgotten");
        let held = conn.is_full() || conn.last_request_read || conn.listed;
        ensure!(!conn.stalled || held, "a stall without cause");
        ensure!(conn.out.is_empty() || wire.blocked || at_work, "output is forgotten");
        let waits_for_peer = conn.phase == Phase::Linger || conn.cut && conn.delimits;
        ensure!(!conn.closing || !conn.out.is_empty() || waits_for_peer, "not closed");

        // A client that leaves is noticed, and does not keep its place.
        let has_left = wire.eof && !at_work;
        ensure!(!has_left || conn.hangup, "a client has left unnoticed");
        ensure!(!has_left || conn.phase != Phase::Busy, "a client that has left keeps its place");
        let collects = matches!(conn.incoming.as_deref(), Some(Incoming::Task(_)));
        let untold = conn.with_lane & !conn.told_left;
        let untold = if collects { untold & !lane_bit(last) } else { untold };
        let noticed = !has_left || !conn.has_left() || untold == 0;
        ensure!(noticed, "a lane is not told that a client has left");

        // Timers.
        let phase = conn.current_phase();
        ensure!(conn.phase == phase, "the timer is for another phase than {phase:?}");
        let deadline = self.wheel.deadline(slot);
        ensure!(deadline.is_none() == (phase == Phase::Busy), "the timer is {deadline:?}");
        let now = self.clock.millis();
        ensure!(deadline.is_none_or(|at| at > now && at <= now + FAR), "due at {deadline:?}");
        let waits = tasks > 0 || conn.with_lane != 0 || conn.held_back > 0 || conn.listed;
        ensure!(
            phase != Phase::Busy || waits,
            "it waits for nothing, stalled {}, the last read {}",
            conn.stalled,
            conn.last_request_read
        );

        // Memory.
        // A handler behind a lane may close on top of requests that are in flight.
        let lingers = phase == Phase::Linger && conn.in_flight() == 0;
        if lingers || matches!(phase, Phase::Idle | Phase::Fresh) {
            ensure!(conn.tail.capacity() == 0, "an idle connection owns a tail");
            ensure!(conn.waiting.capacity() == 0, "an idle connection owns places");
            ensure!(conn.out.owns_nothing(), "an idle connection owns output");
            ensure!(conn.incoming.is_none(), "an idle connection has a body");
        }
        ensure!(conn.tail.len() <= self.scratch.len(), "a tail longer than a read");
        Ok(())
    }
}
