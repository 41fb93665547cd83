//! What the runs have met with, so that it is known if they stop to.

use super::wire::SimTransport;
use crate::conn::core::HIGH_WATER;
use crate::conn::timer::Phase;
use crate::event_loop::reactor::Reactor;
use crate::exchange::body::WINDOW;
use crate::http1::shared::MAX_PIPELINED;
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
    /// Connections with input, or output, that is in their link.
    pub(super) link_input: u64,
    pub(super) link_output: u64,
    /// Connections over TLS whose handshake was done.
    pub(super) secure: u64,
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
    /// Bodies whose rest came in one piece, and those of them that went on behind it.
    pub(super) rests: u64,
    pub(super) broken_rests: u64,
    /// Whole answers whose bodies were lent.
    pub(super) lent: u64,
    /// Times that memory was filled which a thread had lent.
    pub(super) loans: u64,
    /// Requests with trailers, answers with some, and informational answers.
    pub(super) trailers: u64,
    pub(super) trailed: u64,
    pub(super) informed: u64,
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
    fn all(&mut self) -> [&mut u64; 30] {
        [
            &mut self.given,
            &mut self.left,
            &mut self.rejected,
            &mut self.gone,
            &mut self.timed_out,
            &mut self.bodies,
            &mut self.rests,
            &mut self.broken_rests,
            &mut self.lent,
            &mut self.loans,
            &mut self.trailers,
            &mut self.trailed,
            &mut self.informed,
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
        self.link_input += other.link_input;
        self.link_output += other.link_output;
        self.secure += other.secure;
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
            self.link_input,
            self.link_output,
            self.secure,
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
            let core = &conn.core;
            tally.stalled += u64::from(core.stalled);
            tally.high += u64::from(core.out.len() >= HIGH_WATER);
            tally.listed += u64::from(core.listed.next_turn);
            tally.blocked += u64::from(core.timer.phase == Phase::Write);
            tally.lingering += u64::from(core.timer.phase == Phase::Linger);
            tally.reused += u64::from(core.id.generation as usize > index);
            tally.peak = tally.peak.max(core.out.len());
            let wire = conn.link.socket().wire.borrow();
            let listed = core.listed.next_turn;
            tally.paused += u64::from(listed && !core.out.is_empty() && !wire.blocked);
            tally.link_input += u64::from(wire.in_link > 0);
            tally.link_output += u64::from(conn.link.held() > 0);
            tally.secure += u64::from(wire.peer.is_some() && !wire.handshakes());
            let lanes = &mut tally.lanes;
            lanes.parked += u64::from(core.lane.held_back > 0);
            lanes.left_early += u64::from(core.timer.phase == Phase::Left);
            let Some(http1) = conn.http1() else { continue };
            lanes.cut += u64::from(http1.writing.is_cut());
            lanes.streams += u64::from(http1.writing.streams());
            let Some(ring) = &http1.ring else { continue };
            tally.full += u64::from(ring.len() >= MAX_PIPELINED);
            tally.early += u64::from(ring.held() >= HIGH_WATER);
            tally.deep += u64::from(core.stalled && ring.unanswered() >= http1.depth);
            tally.out_of_order += u64::from(http1.kept().next().is_some());
            lanes.narrow += u64::from(http1.is_short && ring.untaken() > 0);
            lanes.windows += u64::from(ring.untaken() >= WINDOW);
            lanes.waiting_streams += u64::from(http1.kept().any(|(_, answer)| !answer.is_whole()));
        }
    }
}
