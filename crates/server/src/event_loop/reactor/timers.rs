//! One timeout a connection, by what it waits for. Requests at handlers have deadlines of their
//! own, in `exchange::deadlines`.

use std::time::Duration;

use crate::conn::connection::Conn;
use crate::conn::core::Inflow;
use crate::conn::link::Transport;
use crate::conn::timer::{Phase, Receiving};
use crate::dispatch::lane::event::ConnectionChange;
use crate::event_loop::clock::Millis;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::Services;
use crate::event_loop::tuning::Timeouts;
use crate::observe::close_reason::CloseReason;

/// How long a half-closed connection may go on sending.
const LINGER: Duration = Duration::from_secs(2);

/// When the server stops, a connection without a request in flight is kept for this long after its
/// last answer. A client that has just read an answer may already have written its next request.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How much longer than announced a connection is kept. A client may use it until the last moment,
/// and its request takes a while to come.
const ANNOUNCED_GRACE: Duration = Duration::from_secs(1);

/// The time that each byte of a collected body buys: 250 bytes a second. Without such a rate, a few
/// bytes now and then would hold memory for hours. The slowest mobile networks are several times
/// faster.
pub(crate) const MILLIS_PER_BYTE: Millis = 4;

/// How long a client that has sent its last byte waits for its answer. It counts from that byte, or
/// from the last byte that was sent to it. Nearly all such clients have gone, and each holds a
/// place until the time is over.
pub(crate) const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// The same if the answer streams and gives nothing. Only sending something would show that the
/// client has gone.
pub(crate) const STREAM_GRACE: Duration = Duration::from_millis(500);

/// How often the loop looks whether a client has got the last byte of a response that was broken
/// off. In milliseconds.
const CUT_LOOK: Millis = 20;

/// How often in one write timeout the loop looks at what the peer takes.
const WRITE_LOOKS: Millis = 4;

impl<T: Transport> Conn<T> {
    /// Notes since when the present request has been coming in.
    fn note_receiving(&mut self, now: Millis) {
        let handshakes = self.link.handshake_timeout().is_some();
        let Some(stream) = self.protocol.receiving(&self.core).filter(|_| !handshakes) else {
            self.core.timer.receiving = None;
            return;
        };
        if self.core.timer.receiving.is_none_or(|receiving| receiving.stream != stream) {
            self.core.timer.receiving = Some(Receiving { stream, since: now });
        }
    }

    /// When the request that is coming in must be complete.
    fn receive_limit(&self, timeouts: &Timeouts) -> Option<Millis> {
        let receive = timeouts.receive?;
        let since = self.core.timer.receiving?.since;
        let reads = self.core.timer.phase != Phase::Linger
            && self.core.inflow != Inflow::Ended
            && !self.protocol.discards();
        reads.then(|| since.saturating_add(millis(receive)))
    }

    /// Whether the timeout for inactivity counts. A lane sees to the requests that it has, and an
    /// idle connection has a timeout of its own.
    fn may_be_inactive(&self) -> bool {
        matches!(self.core.timer.phase, Phase::Fresh | Phase::Head | Phase::Body)
            && !self.protocol.is_at_lane()
    }

    /// How long it may stay in its phase. None if that has no limit.
    fn span(&self, services: &Services) -> Option<Duration> {
        let timeouts = &services.settings.timeouts;
        let draining = services.draining;
        Some(match self.core.timer.phase {
            Phase::Busy | Phase::Open => return None,
            Phase::Greeting | Phase::Handshake | Phase::Fresh | Phase::Idle
                if draining && services.leaving.is_none() =>
            {
                DRAIN_GRACE
            }
            Phase::Handshake => return self.link.handshake_timeout(),
            Phase::Greeting | Phase::Fresh | Phase::Head => timeouts.head,
            Phase::Idle if self.protocol.told_timeout() => timeouts.idle + ANNOUNCED_GRACE,
            Phase::Idle => timeouts.idle,
            Phase::Body => timeouts.body,
            Phase::Write => self.write_span(timeouts),
            Phase::Left => self.leave_span(timeouts, draining),
            Phase::Linger => LINGER,
        })
    }

    /// How long the peer may take nothing. While a lane has a request, the limit on inactivity does
    /// not count.
    fn write_span(&self, timeouts: &Timeouts) -> Duration {
        match timeouts.inactive {
            Some(inactive) if !self.protocol.is_at_lane() => timeouts.write.min(inactive),
            _ => timeouts.write,
        }
    }

    /// How long a client that has sent its last byte waits for its answer.
    fn leave_span(&self, timeouts: &Timeouts, draining: bool) -> Duration {
        // The rest of its body may have come, and its handler may be slow to take it.
        if self.protocol.in_body() && !draining {
            timeouts.write
        } else if self.protocol.streams() {
            timeouts.write.min(STREAM_GRACE)
        } else {
            timeouts.write.min(LEAVE_GRACE)
        }
    }
}

impl<T: Transport> Reactor<T> {
    /// Sets the connection's timer by what it waits for now:
    ///
    /// - A peer that does not take output is late, whatever it sends.
    /// - A body that the loop collects must come at a least rate.
    /// - A head has one time from its first byte to its last.
    pub(super) fn rearm(&mut self, slot: u32) {
        let Self { conns, services, wheel, .. } = self;
        let now = services.clock.millis();
        let conn = &mut conns[slot as usize];
        let phase = conn.current_phase();
        let timer = &mut conn.core.timer;
        let progress = std::mem::take(&mut timer.progress);
        let sent = std::mem::take(&mut timer.sent);
        let collected = std::mem::take(&mut timer.collected) as Millis;
        let begins_anew = match phase {
            _ if phase != timer.phase => true,
            Phase::Linger | Phase::Handshake | Phase::Greeting => false,
            Phase::Write => sent,
            Phase::Left => sent || progress,
            _ => progress,
        };
        timer.phase = phase;
        if begins_anew {
            timer.since = now;
        } else if phase == Phase::Body {
            timer.since = now.min(timer.since + collected * MILLIS_PER_BYTE);
        }
        let timeouts = &services.settings.timeouts;
        if timeouts.receive.is_some() {
            conn.note_receiving(now);
        }
        let since = conn.core.timer.since;
        let mut at =
            if phase == Phase::Open { conn.protocol.deadline(&conn.core, now) } else { None };
        at = at.or_else(|| {
            conn.span(services).map(|span| {
                let span = millis(span);
                let at = since.saturating_add(span);
                if phase != Phase::Write {
                    return at;
                }
                let look = if conn.has_output() { span / WRITE_LOOKS } else { CUT_LOOK };
                at.min(now.saturating_add(look))
            })
        });
        if services.draining
            && let Some(leaving) = &services.leaving
            && matches!(phase, Phase::Greeting | Phase::Handshake | Phase::Fresh | Phase::Idle)
        {
            let limit = leaving.idle_until();
            at = Some(at.map_or(limit, |at| at.min(limit)));
        }
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
            Some(at) => wheel.set(slot, at),
            None => wheel.clear(slot),
        }
    }

    /// Ends what has taken too long.
    pub(crate) fn expire(&mut self) {
        self.expire_exchanges();
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.services.clock.millis(), &mut due);
        for slot in due.drain(..) {
            if self.expire_otherwise(slot) {
                continue;
            }
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            match conn.core.timer.phase {
                Phase::Handshake if self.services.draining => {
                    self.close(slot, CloseReason::Stopped);
                }
                Phase::Handshake => {
                    self.services.counters.tls.timed_out.add(1);
                    self.close(slot, CloseReason::Handshake);
                }
                Phase::Greeting => self.greeting_expired(slot),
                Phase::Fresh | Phase::Idle => self.close_quiet(slot),
                Phase::Head | Phase::Body | Phase::Open => self.time_out(slot),
                Phase::Write => self.look_at_writing(slot),
                Phase::Linger => {
                    let reason = conn.protocol.reason().unwrap_or(CloseReason::Served);
                    self.close(slot, reason);
                }
                Phase::Left => self.close(slot, CloseReason::Aborted),
                Phase::Busy => {}
            }
        }
        self.due = due;
    }

    /// The client did not send what it had to in time.
    fn time_out(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        conn.protocol.timed_out(&mut conn.core, &mut self.services);
        self.work(slot);
    }

    /// Ends a connection whose request as a whole came too slowly, or on which nothing happened.
    /// True if that is what the timer was for.
    fn expire_otherwise(&mut self, slot: u32) -> bool {
        let Self { conns, services, wheel, .. } = self;
        let now = services.clock.millis();
        let Some(conn) = conns.get_mut(slot as usize) else { return true };
        let timeouts = &services.settings.timeouts;
        let receive_limit = conn.receive_limit(timeouts);
        if receive_limit.is_some_and(|limit| now >= limit) {
            self.time_out(slot);
            return true;
        }
        let own = match conn.core.timer.phase {
            Phase::Fresh | Phase::Head if !services.draining => timeouts.head,
            Phase::Body => timeouts.body,
            _ => return false,
        };
        let own = conn.core.timer.since.saturating_add(millis(own));
        if timeouts.inactive.is_none() || !conn.may_be_inactive() || now >= own {
            return false;
        }
        if services.settings.announce.inactive && conn.core.lane.announced {
            let next = receive_limit.map_or(own, |limit| own.min(limit));
            wheel.set(slot, next);
            services.announce(&mut conn.core, ConnectionChange::Inactive);
        } else {
            self.close(slot, CloseReason::Idle);
        }
        true
    }

    /// The socket has taken nothing for a while. The peer may take something all the same. The
    /// kernel asks for more only when a third of a send buffer of some MiB is free. A slow peer
    /// needs minutes for that.
    fn look_at_writing(&mut self, slot: u32) {
        let now = self.services.clock.millis();
        let conn = &mut self.conns[slot as usize];
        let unsent = conn.link.unsent();
        let span = conn.write_span(&self.services.settings.timeouts);
        let timer = &mut conn.core.timer;
        timer.sent |= unsent < timer.unsent;
        timer.unsent = unsent;
        // The loop has not tried to send to a connection that waits for its turn.
        let waits = conn.core.listed.next_turn;
        let late = !waits && now >= timer.since.saturating_add(millis(span));
        if late && !timer.sent {
            self.close(slot, CloseReason::WriteTimeout);
        } else if self.settle(slot) {
            self.rearm(slot);
        }
    }

    /// Closes a connection on which nothing happens. A request may come at this very moment; it is
    /// answered first.
    pub(super) fn close_quiet(&mut self, slot: u32) {
        let stopped = self.services.draining;
        let reason = if stopped { CloseReason::Stopped } else { CloseReason::Idle };
        let conn = &mut self.conns[slot as usize];
        let since = conn.core.timer.since;
        conn.core.readable = true;
        self.work(slot);
        if let Some(conn) = self.conns.get(slot as usize)
            && conn.is_quiet()
            // If it is readable, there may be more to read, and its turn is over.
            && !conn.core.readable
            && conn.core.timer.since == since
            && matches!(conn.core.timer.phase, Phase::Fresh | Phase::Idle)
        {
            let Self { conns, services, .. } = self;
            let Conn { core, protocol, .. } = &mut conns[slot as usize];
            if protocol.say_farewell(core, services, reason) {
                self.work(slot);
            } else {
                self.close(slot, reason);
            }
        }
    }

    /// When [`expire`](Self::expire) should next be called.
    #[inline]
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let deadlines = self.services.deadlines.as_ref();
        let exchanges = deadlines.and_then(|deadlines| deadlines.next_at());
        sooner(self.wheel.next_at(), exchanges)
    }
}

/// The sooner of two times that there may be. An iterator's `min` takes three times as long, in each
/// turn.
#[inline]
pub(crate) fn sooner<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}
