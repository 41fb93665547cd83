//! What a connection and its streams wait for, and for how long.

use std::time::Duration;

use reactor_proto::h2::{ConnectionError, ErrorCode, frame};

use crate::conn::core::{Core, Inflow};
use crate::conn::timer::Phase;
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::event_loop::tuning::Timeouts;
use crate::exchange::answer::ServerAnswer;
use crate::http2::machine::{Http2, LARGE_ANSWER_TAKES, Stage};
use crate::observe::close_reason::CloseReason;

/// How often in one timeout the streams are looked at.
const LOOKS: u32 = 8;

/// The shortest time between two looks, in milliseconds.
const SHORTEST_LOOK: Millis = 20;

impl Http2 {
    /// What the connection waits for when there is no output.
    #[inline(never)]
    pub(crate) fn phase(&self, core: &Core) -> Phase {
        if self.stage == Stage::Over {
            return Phase::Write;
        }
        if self.head_since.is_some() {
            return Phase::Open;
        }
        if self.streams.is_empty() {
            return if self.has_begun { Phase::Idle } else { Phase::Fresh };
        }
        if core.inflow == Inflow::Ended || self.look_at.is_none() {
            return Phase::Busy;
        }
        Phase::Open
    }

    /// Notes whether streams must be looked at, and when.
    pub(crate) fn set_look(&mut self, services: &Services) {
        let waits = self.head_since.is_some() || self.receiving > 0 || self.outward.pending > 0;
        if !self.tunnels.is_empty() {
            let now = services.clock.millis();
            let look = self.look_at.unwrap_or(now + pause(&services.settings.timeouts));
            self.look_at = Some(self.tunnel_deadline(now).map_or(look, |at| at.min(look)));
        } else if !waits {
            self.look_at = None;
        } else if self.look_at.is_none() {
            self.look_at = Some(services.clock.millis() + pause(&services.settings.timeouts));
        }
        if !self.waiting.is_empty() {
            // Time alone may let them go on.
            let soon = services.clock.millis() + LARGE_ANSWER_TAKES;
            self.look_at = Some(self.look_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// When the connection must do something by itself.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.look_at
    }

    /// A look at what takes too long; in [`Phase::Open`] only.
    #[inline(never)]
    pub(crate) fn timed_out(&mut self, core: &mut Core, services: &mut Services) {
        let now = services.clock.millis();
        let timeouts = services.settings.timeouts.clone();
        self.look_at = Some(now + pause(&timeouts));
        self.go_on_waiting(core, services);
        if late(self.head_since, timeouts.head, now) {
            let why = "a head did not come whole in time";
            let error = ConnectionError { code: ErrorCode::ENHANCE_YOUR_CALM, why };
            self.fail(core, services, &error);
            self.reason = Some(CloseReason::RequestTimeout);
            return;
        }
        self.time_out_tunnels(core, services);
        let all_blocked = late(self.outward.blocked, timeouts.write, now);
        for id in self.streams.ids() {
            let Some(stream) = self.streams.get(id).filter(|stream| !stream.is_over) else {
                continue;
            };
            let waits_for_window =
                stream.outgoing.as_ref().is_some_and(|it| it.held > 0 || it.is_tunnel);
            if late(stream.blocked, timeouts.write, now) || all_blocked && waits_for_window {
                self.reset(core, services, id, ErrorCode::CANCEL);
                continue;
            }
            if !stream.receiving.is_open() || stream.connects {
                continue;
            }
            // A client is not late with what it may not send.
            let may_send = stream.receive_window.available() > 0 && stream.untaken == 0;
            // Once it is being answered, it is a conversation, and its handler knows how long a
            // silence may be.
            let may_send = may_send && stream.outgoing.is_none();
            let slow = may_send && late(Some(stream.since), timeouts.body, now);
            let long = timeouts.receive.is_some_and(|most| late(Some(stream.opened), most, now));
            if slow || long {
                self.refuse_body(core, services, id, ServerAnswer::Timeout);
            }
        }
    }

    /// The client has been idle for long, or the server stops: says so before the connection ends.
    #[inline(never)]
    pub(crate) fn say_farewell(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        reason: CloseReason,
    ) -> bool {
        if self.stage >= Stage::Closing {
            return false;
        }
        self.reason = Some(reason);
        if self.stage == Stage::Preface {
            core.out.lend(&mut services.buffers);
            frame::settings(core.out.buf(), &[]);
        }
        self.last_call(core, services);
        true
    }
}

/// Whether it has taken longer than it may.
fn late(since: Option<Millis>, most: Duration, now: Millis) -> bool {
    let most = Millis::try_from(most.as_millis()).unwrap_or(Millis::MAX);
    since.is_some_and(|since| now >= since.saturating_add(most))
}

/// The time between two looks.
fn pause(timeouts: &Timeouts) -> Millis {
    let mut shortest = timeouts.head.min(timeouts.body).min(timeouts.write);
    if let Some(receive) = timeouts.receive {
        shortest = shortest.min(receive);
    }
    Millis::try_from((shortest / LOOKS).as_millis()).unwrap_or(Millis::MAX).max(SHORTEST_LOOK)
}
