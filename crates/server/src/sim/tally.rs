//! What the runs have met with, so that it is known if they stop to.

use super::wire::SimTransport;
use crate::conn::connection::{Answer, HIGH_WATER, MAX_PIPELINED, Meta, Phase};
use crate::dispatch::lane::channel::WINDOW;
use crate::event_loop::reactor::Reactor;
use crate::observe::counter::Counter;
use crate::observe::counters::LoopCounters;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answers: u64,
    pub(super) continues: u64,
    pub(super) refused: u64,
    /// Replies to connections that were gone.
    pub(super) dropped: u64,
    /// By reason.
    pub(super) closed: [u64; 8],
    /// Turns after which a connection was in such a state.
    pub(super) stalled: u64,
    pub(super) full: u64,
    pub(super) high: u64,
    /// Answers that wait for their turn were as much as may be.
    pub(super) early: u64,
    /// As many requests were at handlers as may be.
    pub(super) deep: u64,
    pub(super) listed: u64,
    pub(super) paused: u64,
    pub(super) blocked: u64,
    pub(super) lingering: u64,
    pub(super) out_of_order: u64,
    pub(super) reused: u64,
    /// The most unsent output.
    pub(super) peak: usize,
    pub(super) lanes: LaneTally,
}

/// Of lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneTally {
    pub(super) given: u64,
    pub(super) left: u64,
    /// Found as many at handlers as may be.
    pub(super) rejected: u64,
    /// What threads have been told, and have said.
    pub(super) gone: u64,
    pub(super) timed_out: u64,
    pub(super) bodies: u64,
    pub(super) acknowledged: u64,
    pub(super) late: u64,
    pub(super) early: u64,
    pub(super) streamed: u64,
    pub(super) aborted: u64,
    pub(super) dropped: u64,
    /// Turns in which a cut answer waited for its client, and in which one had left.
    pub(super) cut: u64,
    pub(super) left_early: u64,
    /// Lanes that were closed, replaced, left out, and followed by others.
    pub(super) closed: u64,
    pub(super) replaced: u64,
    pub(super) left_out: u64,
    pub(super) swapped: u64,
    /// Turns after which a connection was in such a state.
    pub(super) parked: u64,
    pub(super) windows: u64,
    /// Uploads that had to wait because others filled the room.
    pub(super) narrow: u64,
    pub(super) streams: u64,
    pub(super) waiting_streams: u64,
}

impl LaneTally {
    fn all(&mut self) -> [&mut u64; 23] {
        [
            &mut self.given,
            &mut self.left,
            &mut self.rejected,
            &mut self.gone,
            &mut self.timed_out,
            &mut self.bodies,
            &mut self.acknowledged,
            &mut self.late,
            &mut self.early,
            &mut self.streamed,
            &mut self.aborted,
            &mut self.dropped,
            &mut self.cut,
            &mut self.left_early,
            &mut self.closed,
            &mut self.replaced,
            &mut self.left_out,
            &mut self.swapped,
            &mut self.parked,
            &mut self.windows,
            &mut self.narrow,
            &mut self.streams,
            &mut self.waiting_streams,
        ]
    }

    pub(super) fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (sum, more) in self.all().into_iter().zip(other.all()) {
            *sum += *more;
        }
    }
}

impl Tally {
    pub(super) fn add_counters(&mut self, counters: &LoopCounters) {
        self.continues += counters.responses[0].get();
        self.refused += counters.rejected.get();
        self.dropped += counters.dropped.get();
        self.lanes.given += counters.handlers_given.get();
        self.lanes.left += counters.handlers_left.get();
        self.lanes.rejected += counters.handlers_rejected.get();
        for (sum, closed) in
            self.closed.iter_mut().zip(counters.closed.each_ref().map(Counter::get))
        {
            *sum += closed;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.continues += other.continues;
        self.refused += other.refused;
        self.dropped += other.dropped;
        for (sum, closed) in self.closed.iter_mut().zip(other.closed) {
            *sum += closed;
        }
        self.stalled += other.stalled;
        self.full += other.full;
        self.high += other.high;
        self.early += other.early;
        self.deep += other.deep;
        self.listed += other.listed;
        self.paused += other.paused;
        self.blocked += other.blocked;
        self.lingering += other.lingering;
        self.out_of_order += other.out_of_order;
        self.reused += other.reused;
        self.peak = self.peak.max(other.peak);
        self.lanes.add(&other.lanes);
    }

    /// Fails if some part of the reactor was never put to the test.
    pub(super) fn check_coverage(&self) {
        let Self { closed, .. } = self;
        let met = [
            self.answers,
            self.continues,
            self.refused,
            self.dropped,
            self.stalled,
            self.full,
            self.high,
            self.early,
            self.deep,
            self.listed,
            self.paused,
            self.blocked,
            self.lingering,
            self.out_of_order,
            self.reused,
        ];
        let mut lanes = self.lanes.clone();
        let lanes = lanes.all();
        let mut met = met.iter().chain(closed).chain(lanes.iter().map(|times| &**times));
        assert!(met.all(|&times| times > 0), "never met with: {self:?}");
    }
}

impl Reactor<SimTransport> {
    pub(super) fn count(&self, tally: &mut Tally) {
        for (index, conn) in &self.conns {
            tally.stalled += u64::from(conn.stalled);
            tally.full += u64::from(conn.in_flight() >= MAX_PIPELINED);
            tally.high += u64::from(conn.out.len() >= HIGH_WATER);
            tally.early += u64::from(conn.waiting_bytes >= HIGH_WATER);
            tally.deep += u64::from(conn.stalled && conn.unanswered() >= conn.depth);
            tally.listed += u64::from(conn.listed);
            tally.paused += u64::from(conn.paused);
            tally.blocked += u64::from(conn.phase == Phase::Write);
            tally.lingering += u64::from(conn.phase == Phase::Linger);
            tally.out_of_order += u64::from(conn.waiting.iter().any(Option::is_some));
            tally.reused += u64::from(conn.generation as usize > index);
            tally.peak = tally.peak.max(conn.out.len());
            let lanes = &mut tally.lanes;
            lanes.parked += u64::from(conn.held_back > 0);
            lanes.cut += u64::from(conn.cut);
            lanes.left_early += u64::from(conn.phase == Phase::Left);
            lanes.narrow += u64::from(conn.streamed() >= conn.window && conn.window < WINDOW);
            lanes.windows += u64::from(conn.streamed() >= WINDOW);
            lanes.streams += u64::from(conn.stream.is_some());
            let streams = |(answer, _): &(Answer, Meta)| matches!(answer, Answer::Task(task) if task.response.streams());
            lanes.waiting_streams += u64::from(conn.waiting.iter().flatten().any(streams));
        }
    }
}
