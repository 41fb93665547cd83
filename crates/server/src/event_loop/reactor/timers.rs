//! One timeout per connection, by what it is waiting for.

use std::time::Duration;

use super::Reactor;
use super::lanes::lane_bit;
use crate::conn::connection::{Answer, Conn, Incoming, Phase, Plain, Transport};
use crate::dispatch::lane::channel::ConnectionChange;
use crate::event_loop::clock::Millis;
use crate::event_loop::tuning::Timeouts;
use crate::observe::close_reason::CloseReason;

/// How long a half-closed connection may go on sending.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection without a request in flight still gets when the server
/// stops, counted from its last answer: a client that has just read an answer
/// may already have written its next request.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How much longer than announced a connection is kept: a client uses it until the
/// last moment, and its request takes a while to come.
const ANNOUNCED_GRACE: Duration = Duration::from_secs(1);

/// What each byte of a body that is collected buys of time: without a least rate,
/// of 250 bytes a second, a few bytes now and then would hold memory for hours.
/// The slowest of mobile networks bring several times that.
pub(crate) const MILLIS_PER_BYTE: Millis = 4;

/// How long a client that has sent its last byte still gets to be answered, counted
/// from then, or from the last that was sent to it. Nearly all that do so have gone,
/// and until it is over their places are taken.
pub(crate) const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// As long, where the answer streams and gives nothing. A client that has gone says so
/// when something is sent to it, and nothing is.
pub(crate) const STREAM_GRACE: Duration = Duration::from_millis(500);

/// How often we look whether a client has got the last of what there is of a
/// response that is broken off.
const CUT_LOOK: Millis = 20;

/// How often a write timeout looks at what the peer takes.
const WRITE_LOOKS: Millis = 4;

impl<T> Conn<T> {
    pub(crate) fn current_phase(&self) -> Phase {
        match self.phase_while_there() {
            Phase::Busy if self.has_left() => Phase::Left,
            phase => phase,
        }
    }

    fn phase_while_there(&self) -> Phase {
        if self.phase == Phase::Linger {
            Phase::Linger
        } else if !self.out.is_empty() || self.closing {
            Phase::Write
        } else if self.last_request_read || self.stalled || self.held_back > 0 {
            // Of a connection that waits for room in its lane there may be more that
            // we do not read.
            Phase::Busy
        } else if self.incoming.is_some() {
            // A body that we keep waiting, or that waits for its 100, is not
            // late.
            if self.is_full() || self.owes_continue { Phase::Busy } else { Phase::Body }
        } else if !self.tail.is_empty() {
            // The rest of a head that we do not read is not late.
            if self.is_full() { Phase::Busy } else { Phase::Head }
        } else if self.in_flight() > 0 {
            Phase::Busy
        } else if self.served {
            Phase::Idle
        } else {
            Phase::Fresh
        }
    }
}

impl<T> Conn<T> {
    /// Notes since when the request that is coming in does.
    fn note_receiving(&mut self, now: Millis) {
        let partial = !self.tail.is_empty() && !self.stalled;
        let sequence = match &self.incoming {
            Some(_) => self.next_request.wrapping_sub(1),
            None if partial || !self.served => self.next_request,
            None => {
                self.receiving = None;
                return;
            }
        };
        if self.receiving.is_none_or(|(of, _)| of != sequence) {
            self.receiving = Some((sequence, now));
        }
    }

    /// When the request that is coming in has to be there.
    fn receive_limit(&self, timeouts: &Timeouts) -> Option<Millis> {
        let receive = timeouts.receive?;
        let (_, since) = self.receiving?;
        let reads = self.phase != Phase::Linger && !self.last_request_read && !self.read_closed;
        reads.then(|| since.saturating_add(millis(receive)))
    }

    /// Whether it is for the loop to say that nothing happens on it: a lane sees to
    /// what it has, and an idle connection has a time of its own.
    fn may_be_inactive(&self) -> bool {
        !self.is_at_lane() && matches!(self.phase, Phase::Fresh | Phase::Head | Phase::Body)
    }

    /// A lane has been given a request of it. One whose body is being collected has a
    /// lane, but has not been given to it.
    fn is_at_lane(&self) -> bool {
        let collected = match self.incoming.as_deref() {
            Some(Incoming::Task(_)) => lane_bit(self.next_request.wrapping_sub(1)),
            _ => 0,
        };
        self.with_lane & !collected != 0
    }
}

impl Timeouts {
    /// How long the peer may take nothing. A lane that has a request sees to it itself
    /// that something happens.
    fn write_span(&self, with_lane: bool) -> Duration {
        match self.inactive {
            Some(inactive) if !with_lane => self.write.min(inactive),
            _ => self.write,
        }
    }
}

impl<T: Transport> Reactor<T> {
    /// Sets the connection's timer by what it is waiting for now. A peer that is to
    /// take output is late whatever it sends; a body must come at a least rate,
    /// where no handler takes it as it comes; a head and a first byte have one span
    /// for all.
    pub(crate) fn rearm(&mut self, slot: u32) {
        let now = self.clock.millis();
        let conn = &mut self.conns[slot as usize];
        let phase = conn.current_phase();
        let progress = std::mem::take(&mut conn.progress);
        let sent = std::mem::take(&mut conn.sent);
        let collected = std::mem::take(&mut conn.collected) as Millis;
        let begins_anew = match phase {
            _ if phase != conn.phase => true,
            Phase::Linger => false,
            Phase::Write => sent,
            Phase::Left => sent || progress,
            _ => progress,
        };
        conn.phase = phase;
        if begins_anew {
            conn.since = now;
        } else if phase == Phase::Body {
            conn.since = now.min(conn.since + collected * MILLIS_PER_BYTE);
        }
        let timeouts = &self.settings.timeouts;
        if timeouts.receive.is_some() {
            conn.note_receiving(now);
        }
        let span = match phase {
            Phase::Busy => None,
            Phase::Fresh | Phase::Idle if self.draining => Some(DRAIN_GRACE),
            Phase::Fresh | Phase::Head => Some(timeouts.head),
            Phase::Idle if conn.told_timeout => Some(timeouts.idle + ANNOUNCED_GRACE),
            Phase::Idle => Some(timeouts.idle),
            Phase::Body => Some(timeouts.body),
            Phase::Write => Some(timeouts.write_span(conn.is_at_lane())),
            // The rest of its body may be there, and its handler slow to take it.
            Phase::Left if conn.incoming.is_some() && !self.draining => Some(timeouts.write),
            Phase::Left if conn.stream.is_some() => Some(timeouts.write.min(STREAM_GRACE)),
            Phase::Left => Some(timeouts.write.min(LEAVE_GRACE)),
            Phase::Linger => Some(LINGER),
        };
        let mut at = span.map(|span| {
            let span = millis(span);
            let at = conn.since.saturating_add(span);
            if phase != Phase::Write {
                return at;
            }
            let look = if conn.out.is_empty() { CUT_LOOK } else { span / WRITE_LOOKS };
            at.min(now.saturating_add(look))
        });
        if let Some(limit) = conn.receive_limit(timeouts) {
            at = Some(at.map_or(limit, |at| at.min(limit)));
        }
        if let Some(inactive) = timeouts.inactive
            && conn.may_be_inactive()
        {
            let limit = now.saturating_add(millis(inactive));
            at = Some(at.map_or(limit, |at| at.min(limit)));
        }
        match at {
            Some(at) => self.wheel.set(slot, at),
            None => self.wheel.clear(slot),
        }
    }

    /// Ends what has taken too long.
    pub(crate) fn expire(&mut self) {
        self.expire_requests();
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.clock.millis(), &mut due);
        for slot in due.drain(..) {
            if self.expire_otherwise(slot) {
                continue;
            }
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            match conn.phase {
                Phase::Fresh | Phase::Idle => self.close_quiet(slot),
                Phase::Head | Phase::Body => {
                    let answer = Answer::Plain(Plain::Timeout);
                    self.fail(slot, answer, CloseReason::RequestTimeout, &[]);
                    self.work(slot);
                }
                Phase::Write => self.look_at_writing(slot),
                Phase::Linger => {
                    let reason = conn.reason.unwrap_or(CloseReason::Served);
                    self.close(slot, reason);
                }
                Phase::Left => self.close(slot, CloseReason::Aborted),
                Phase::Busy => {}
            }
        }
        self.due = due;
    }

    /// Ends what has come too slowly as a whole, and what nothing has happened on. True
    /// if that is what the timer was for.
    fn expire_otherwise(&mut self, slot: u32) -> bool {
        let now = self.clock.millis();
        let Some(conn) = self.conns.get_mut(slot as usize) else { return true };
        let timeouts = &self.settings.timeouts;
        let receive_limit = conn.receive_limit(timeouts);
        if receive_limit.is_some_and(|limit| now >= limit) {
            let answer = Answer::Plain(Plain::Timeout);
            self.fail(slot, answer, CloseReason::RequestTimeout, &[]);
            self.work(slot);
            return true;
        }
        let own = match conn.phase {
            Phase::Fresh | Phase::Head if !self.draining => timeouts.head,
            Phase::Body => timeouts.body,
            _ => return false,
        };
        let own = conn.since.saturating_add(millis(own));
        if timeouts.inactive.is_none() || !conn.may_be_inactive() || now >= own {
            return false;
        }
        if self.settings.announce.inactive && conn.announced {
            let next = receive_limit.map_or(own, |limit| own.min(limit));
            self.wheel.set(slot, next);
            self.announce(slot, ConnectionChange::Inactive);
        } else {
            self.close(slot, CloseReason::Idle);
        }
        true
    }

    /// The socket has taken nothing for a while. That need not mean that the
    /// peer takes nothing: the kernel asks for more only when a third of a
    /// send buffer of some MiB is free, and a slow peer needs minutes for that.
    fn look_at_writing(&mut self, slot: u32) {
        let now = self.clock.millis();
        let conn = &mut self.conns[slot as usize];
        let unsent = conn.io.unsent();
        conn.sent |= unsent < conn.unsent;
        conn.unsent = unsent;
        let span = self.settings.timeouts.write_span(conn.is_at_lane());
        let late = now >= conn.since.saturating_add(millis(span));
        if late && !conn.sent {
            self.close(slot, CloseReason::WriteTimeout);
        } else if self.settle(slot) {
            self.rearm(slot);
        }
    }

    /// A request may have come in this very moment; it is still answered.
    pub(crate) fn close_quiet(&mut self, slot: u32) {
        let reason = if self.draining { CloseReason::Stopped } else { CloseReason::Idle };
        let conn = &mut self.conns[slot as usize];
        let since = conn.since;
        conn.readable = true;
        self.work(slot);
        if let Some(conn) = self.conns.get(slot as usize)
            && conn.is_quiet()
            && conn.since == since
            && matches!(conn.phase, Phase::Fresh | Phase::Idle)
        {
            self.close(slot, reason);
        }
    }

    /// When [`expire`](Self::expire) should next be called.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let requests = self.deadlines.as_ref().and_then(|deadlines| deadlines.next_at());
        self.wheel.next_at().into_iter().chain(requests).min()
    }
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}
