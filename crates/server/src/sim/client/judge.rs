//! Whether what a client sees is right.

mod lane;

use reactor_proto::response::date;

use super::{Client, EPOCH, Facts, Fate};
use crate::conn::core::HIGH_WATER;
use crate::event_loop::reactor::timers::{LEAVE_GRACE, MILLIS_PER_BYTE, STREAM_GRACE};
use crate::observe::close_reason::CloseReason;
use crate::sim::answer::Answer;
use crate::sim::request::{BODY_LIMIT, Expected, INLINE, Kind, LARGE, pattern};
use crate::sim::said::Said;

/// Whether an answer must say that it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// If its request asks for it.
    Asked,
    Must,
    /// It may.
    May,
}

impl Client {
    pub(super) fn judge(&mut self, answer: &Answer, facts: &Facts) -> Result<(), String> {
        let read = self.wire.borrow().known;
        let index = self.answered;
        let request = self.requests.get(index).ok_or("an answer to no request")?.clone();
        if read <= request.begin {
            return Err("an answer before its request".into());
        }
        if answer.status == 100 {
            if !request.expects || read < request.head_end {
                return Err("a 100 that nobody waits for".into());
            }
            if self.continued > index {
                return Err("a second 100".into());
            }
            self.continued = index + 1;
            self.continued_at = facts.now;
            return Ok(());
        }
        if answer.status == 103 {
            let given = facts.informed.get(&request.id).copied().unwrap_or_default();
            let before = if self.informed.0 == index { self.informed.1 } else { 0 };
            self.informed = (index, before + 1);
            let right = answer.id == Some(request.id) && request.takes_interim && before < given;
            return if right { Ok(()) } else { Err("a 103 that nobody gave".into()) };
        }
        self.judge_date(answer, &request, facts)?;
        let closing = self.judge_content(answer, &request, facts)?;
        let right = match closing {
            Closing::Must => answer.close,
            Closing::Asked => answer.close == request.close,
            // The server may not have known what goes wrong after this answer.
            Closing::May => {
                answer.close || !request.close || matches!(request.kind, Kind::Spoilt(_))
            }
        };
        if !(right || answer.close && facts.draining) {
            return Err(format!("close is {}, {closing:?}: {}", answer.close, answer.status));
        }
        self.open_ended = request.kind.is_lane() && self.may_end_behind(&request, facts);
        if !answer.close && answer.keep_alive != request.told {
            return Err(format!("keep-alive is {}", answer.keep_alive));
        }
        Ok(())
    }

    /// Checks the size of the answers that the server holds for this client, whatever the client
    /// sends and does not read. They are bounded by the high-water mark and by the answers to the
    /// requests that were at handlers then. These are two, and two more for each small answer
    /// before.
    pub(in crate::sim) fn judge_held(&self, held: usize, facts: &Facts) -> Result<(), String> {
        const LONGEST: usize = BODY_LIMIT + 2_000;
        if held <= HIGH_WATER + 2 * LONGEST {
            return Ok(());
        }
        let is_small = |request: &&Expected| match request.kind {
            Kind::Sized { bytes, .. } => bytes < LARGE,
            // It may end as a stream of which nothing is left, or without a body.
            Kind::Lane { bytes } => {
                bytes < LARGE || facts.said.get(&request.id).is_some_and(|said| said.is_light())
            }
            _ => true,
        };
        let small = self.requests.iter().filter(is_small).count();
        if held > HIGH_WATER + (2 + 2 * small) * LONGEST {
            return Err(format!("{held} bytes are held, after {small} small answers"));
        }
        Ok(())
    }

    /// Checks the answer's status and body.
    fn judge_content(
        &self,
        answer: &Answer,
        request: &Expected,
        facts: &Facts,
    ) -> Result<Closing, String> {
        let wire = self.wire.borrow();
        let fate = facts.fates.get(&request.id);
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            408 => {
                self.judge_timeout(request, facts)?;
                return Ok(Closing::Must);
            }
            400 if text.contains("inside the request")
                || answer.body.is_empty() && answer.id.is_none() =>
            {
                let cut = wire.eof && wire.known == wire.arrived && wire.known < request.end;
                return if cut { Ok(Closing::Must) } else { Err("its input is complete".into()) };
            }
            _ if request.kind.is_lane() => return self.judge_lane(answer, request, facts),
            503 if fate.is_none() && facts.tight && request.kind.is_worker() => {
                return if request.body > 0 {
                    Ok(Closing::Must)
                } else {
                    Err("it has no body".into())
                };
            }
            // The part of its body before the fault may find no memory.
            503 if facts.tight
                && matches!(request.kind, Kind::Bad(_))
                && request.head_end < request.end =>
            {
                return Ok(Closing::Must);
            }
            _ => {}
        }
        let early = matches!(request.kind, Kind::Bad(_)) || request.expects && answer.close;
        if wire.known < request.end && !early {
            return Err(format!("{} to half a request", answer.status));
        }
        let (status, body): (u16, Option<&[u8]>) = match (request.kind, fate) {
            (Kind::Bad(status), None) => (status, None),
            (Kind::NotFound, None) => (404, None),
            (Kind::NotAllowed, None) => (405, None),
            (Kind::Unknown, None) => (501, None),
            (Kind::Options, None) => (204, None),
            (Kind::Inline(index), None) => (200, Some(pattern(index as u32, INLINE[index]))),
            (Kind::Version, None) => {
                self.judge_version(text.parse().ok(), request, facts, answer.body.is_empty())?;
                (200, None)
            }
            (kind, Some(Fate::Refused)) if kind.is_worker() => (503, None),
            (kind, Some(Fate::Failed)) if kind.is_worker() => (500, None),
            (kind, Some(Fate::Done)) if kind.is_worker() => {
                if answer.id != Some(request.id) {
                    return Err(format!("the answer is to {:?}", answer.id));
                }
                self.judge_version(answer.version, request, facts, false)?;
                match kind {
                    Kind::Empty(status) => (status, None),
                    Kind::Sized { bytes, .. } => (200, Some(pattern(request.id, bytes))),
                    _ => (200, Some(pattern(request.id, request.body))),
                }
            }
            (kind, fate) => return Err(format!("{} to {kind:?}, {fate:?}", answer.status)),
        };
        if answer.status != status {
            return Err(format!("{} instead of {status}", answer.status));
        }
        if let Some(body) = body
            && answer.body != if request.head_only { b"" } else { body }
        {
            return Err(format!("{} other body bytes", answer.body.len()));
        }
        Ok(if matches!(request.kind, Kind::Bad(_)) { Closing::Must } else { Closing::Asked })
    }

    fn judge_date(&self, answer: &Answer, request: &Expected, facts: &Facts) -> Result<(), String> {
        let text = answer.date.as_deref().ok_or("no Date")?;
        let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<u64>().ok());
        let seconds = match (number(5..7), number(17..19), number(20..22), number(23..25)) {
            (Some(d), Some(h), Some(m), Some(s)) => (d - 1) * 86_400 + h * 3_600 + m * 60 + s,
            _ => return Err(format!("no date: {text}")),
        };
        let since = self.arrival(request.begin).map_or(0, |arrival| arrival.at / 1_000);
        if date(EPOCH + seconds) != text.as_bytes()
            || !(since..=facts.now / 1_000).contains(&seconds)
        {
            return Err(format!("the wrong date: {text}"));
        }
        Ok(())
    }

    fn judge_version(
        &self,
        version: Option<u32>,
        request: &Expected,
        facts: &Facts,
        hidden: bool,
    ) -> Result<(), String> {
        if hidden && request.head_only {
            return Ok(());
        }
        let since = self.arrival(request.begin).map_or(0, |arrival| arrival.version);
        match version {
            Some(version) if (since..=facts.version).contains(&version) => Ok(()),
            _ => Err(format!("from version {version:?}")),
        }
    }

    /// A request may be given up only if its client was late.
    fn judge_timeout(&self, request: &Expected, facts: &Facts) -> Result<(), String> {
        let wire = self.wire.borrow();
        let begun = self.arrival(request.begin).ok_or("it has not begun")?.at;
        let (since, span) = if wire.known < request.head_end {
            (begun, facts.timeouts.head)
        } else if request.expects
            && self.continued <= self.answered
            && wire.known == request.head_end
        {
            // A client whose body has begun to come does not wait.
            return Err("its client was never told to go on".into());
        } else if request.chunked {
            // Framing without data is no progress.
            (begun, facts.timeouts.body)
        } else {
            let since = self.body_since(request.head_end, wire.known).unwrap_or(begun);
            (since.max(self.continued_at), facts.timeouts.body)
        };
        if wire.known >= request.end {
            return Err("it is complete".into());
        }
        if facts.now - since < span.as_millis() as u64 {
            return Err(format!("given up after {} ms", facts.now - since));
        }
        Ok(())
    }

    /// Until when the bytes up to `upto` were in time, of a body that begins at `from`.
    fn body_since(&self, from: usize, upto: usize) -> Option<u64> {
        let mut since = self.arrival(from - 1)?.at;
        let mut counted = from;
        for arrival in self.arrivals.iter().filter(|arrival| arrival.upto > from) {
            let bytes = arrival.upto.min(upto).saturating_sub(counted);
            counted += bytes;
            since = arrival.at.min(since + bytes as u64 * MILLIS_PER_BYTE);
        }
        Some(since)
    }

    /// Whether a client that has sent its last byte has waited for its answer as long as it may.
    fn is_left_alone(&self, at: u64, facts: &Facts) -> bool {
        let wire = self.wire.borrow();
        let near = self.requests[self.answered.saturating_sub(1)..].iter().take(2);
        let streams = |request: &Expected| facts.said.get(&request.id).is_some_and(Said::streams);
        let grace = if near.into_iter().any(streams) { STREAM_GRACE } else { LEAVE_GRACE };
        let span = grace.min(facts.timeouts.write).as_millis() as u64;
        wire.eof && at - wire.eof_at.max(wire.wrote_at) >= span
    }

    /// Whether every request has its answer that came in whole and that the server was told of.
    fn is_served(&self, upto: usize) -> bool {
        self.is_ended() || self.requests.get(self.answered).is_none_or(|next| next.end > upto)
    }

    /// Whether the server owes nothing: no answer, and no `100 Continue`.
    pub(in crate::sim) fn check_served(&self, facts: &Facts) -> Result<(), String> {
        let wire = self.wire.borrow();
        if wire.reset || wire.closed.is_some() {
            // Judged by `judge_close`.
            return Ok(());
        }
        if self.is_broken_off(facts) {
            // Its connection waits until the client has all that was sent.
            return Ok(());
        }
        if !self.is_served(wire.arrived) {
            let request = &self.requests[self.answered];
            return Err(format!("never answered: {request:?}"));
        }
        if wire.eof {
            return Err("it stays open after the client's last byte".into());
        }
        let waiting = self.requests.get(self.answered).filter(|_| !self.is_ended());
        if let Some(request) = waiting
            && request.expects
            && wire.arrived == request.head_end
            && self.continued <= self.answered
        {
            return Err(format!("never told to go on: {request:?}"));
        }
        Ok(())
    }

    /// Whether the server may have ended the connection as it did.
    pub(in crate::sim) fn judge_close(&self, facts: &Facts) -> Result<(), String> {
        let wire = self.wire.borrow();
        let Some((reason, at)) = wire.closed else { return Ok(()) };
        let reason = reason.ok_or("closed for no reason")?;
        if wire.reset || facts.forced && reason == CloseReason::Stopped {
            return Ok(());
        }
        // Over TLS, an end that is meant is said. There may be no room for it.
        let met = !wire.handshakes() && !wire.is_unheard();
        let could_say = met && !(wire.broken || wire.left || wire.gone || wire.was_full);
        if could_say && wire.peer.is_some() && !wire.said_end() {
            return Err(format!("closed as {reason:?} without close_notify"));
        }
        let millis = |span: std::time::Duration| span.as_millis() as u64;
        // There may be room that the reactor was not told of yet.
        let blocked = wire.blocked || wire.edge || wire.broken && wire.taken < wire.output.len();
        if reason == CloseReason::WriteTimeout {
            let late = at - wire.moved_at >= millis(facts.timeouts.write);
            let idle = at - wire.moved_at;
            return if blocked && late {
                Ok(())
            } else {
                Err(format!("given up, blocked {blocked}, {idle} ms after it last moved"))
            };
        }
        if reason == CloseReason::Aborted && self.is_left_alone(at, facts) {
            return Ok(());
        }
        if reason == CloseReason::Aborted && self.is_broken_off(facts) {
            return self.judge_cut(facts);
        }
        if self.parsed < wire.output.len() {
            return Err(format!("{reason:?} within an answer"));
        }
        let behind = match self.answered {
            0 => 0,
            n => self.requests[n - 1].end,
        };
        // A blank line before a request is no part of one.
        let begun = wire.input[behind.min(wire.notified)..wire.notified]
            .iter()
            .any(|byte| !b"\r\n".contains(byte));
        let quiet = self.is_served(wire.notified) && !begun;
        let since = self.answered_at.max(self.opened_at);
        let right = match reason {
            CloseReason::Served | CloseReason::Rejected | CloseReason::RequestTimeout => {
                self.ended || self.open_ended
            }
            CloseReason::Peer => wire.eof && quiet,
            CloseReason::Idle => {
                let span =
                    if self.answered == 0 { facts.timeouts.head } else { facts.timeouts.idle };
                quiet && at - since >= millis(span)
            }
            CloseReason::Aborted if wire.gone => !quiet,
            CloseReason::Aborted => {
                // The last answer may be a lane's, on top of requests behind it.
                let is_cut = |request: &Expected| request.end > wire.arrived;
                let last = &self.requests[self.answered.max(1) - 1];
                let cut = is_cut(last) || last.kind.is_lane() && self.requests.iter().any(is_cut);
                wire.eof && self.ended && cut
            }
            // The last look takes in what the reactor was not told of yet, but not what comes
            // right behind it.
            CloseReason::Stopped => {
                // Over TLS, a client says nothing before the handshake is done.
                let says_later = wire.is_unsaid() || wire.is_unheard() || wire.came_behind;
                let has_seen_all = wire.arrived == wire.given() || says_later;
                facts.draining && (self.is_ended() || quiet && has_seen_all)
            }
            CloseReason::Handshake => {
                wire.given() == 0 && at - self.opened_at >= millis(facts.timeouts.head)
            }
            CloseReason::WriteTimeout | CloseReason::Proxy => false,
        };
        if !right {
            return Err(format!(
                "closed as {reason:?}; ended {}, quiet {quiet}, eof {}",
                self.ended, wire.eof
            ));
        }
        // The kernel answers unread input with a reset. A reset throws away what the client has
        // not read yet.
        let lost = wire.output.len() > wire.taken && wire.notified > wire.read;
        let lingered = wire.shut_at.is_some_and(|shut_at| at - shut_at >= 2_000);
        // A client that closed both directions reads nothing more.
        if lost && !lingered && !wire.gone {
            return Err(format!("{reason:?} with unread input: the client may see a reset"));
        }
        Ok(())
    }
}
