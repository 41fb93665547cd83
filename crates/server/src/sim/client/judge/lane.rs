//! Whether what a client sees of a lane is right.

use super::Closing;
use crate::sim::answer::{Answer, End, Parsed};
use crate::sim::client::{Client, Facts};
use crate::sim::request::{Expected, Kind, pattern, trailer};
use crate::sim::said::{Form, Said, Verdict};

impl Client {
    pub(super) fn judge_lane(
        &self,
        answer: &Answer,
        request: &Expected,
        facts: &Facts,
    ) -> Result<Closing, String> {
        let said = facts.said.get(&request.id);
        if answer.id.is_some() {
            let said = said.ok_or("nobody has said so")?;
            return self.judge_said(answer, request, said);
        }
        let text = String::from_utf8_lossy(&answer.body);
        let verdict = said.map(|said| said.verdict);
        match (answer.status, request.kind) {
            (status, Kind::Spoilt(right)) if status == right => Ok(Closing::Must),
            (500, _) if verdict == Some(Verdict::Failed) => Ok(closing(request, said)),
            (503, _) => {
                let late = self.is_late(request, facts);
                let has_body = request.body > 0;
                let full = verdict == Some(Verdict::Refused)
                    || facts.limited
                    || facts.lost_lanes
                    || facts.tight && has_body;
                let right = match text.contains("in time") {
                    _ if request.head_only => late || full,
                    true => late,
                    false => full,
                };
                if !right {
                    return Err(format!("503 without cause: {text:?}, {said:?}"));
                }
                // Whether its body is read to the end depends on much.
                let may = has_body || said.is_some_and(|said| said.closes);
                Ok(if may { Closing::May } else { Closing::Asked })
            }
            _ => Err(format!("{} to {:?}, {said:?}", answer.status, request.kind)),
        }
    }

    /// Whether the loop may answer it in its lane's place.
    fn is_late(&self, request: &Expected, facts: &Facts) -> bool {
        let Some(span) = facts.request_timeout else { return false };
        let begun = self.arrival(request.head_end - 1).map_or(0, |arrival| arrival.at);
        facts.now - begun >= span
    }

    /// The thread's own answer.
    fn judge_said(
        &self,
        answer: &Answer,
        request: &Expected,
        said: &Said,
    ) -> Result<Closing, String> {
        if answer.id != Some(request.id) {
            return Err(format!("the answer is to {:?}", answer.id));
        }
        if said.verdict != Verdict::Answered || answer.status != said.status {
            return Err(format!("{} and not {said:?}", answer.status));
        }
        if !said.early && self.wire.borrow().known < request.end {
            return Err(format!("{} to half a request", answer.status));
        }
        self.judge_form(answer, said)?;
        if request.head_only {
            return if answer.body.is_empty() {
                Ok(closing(request, Some(said)))
            } else {
                Err("a body to HEAD".into())
            };
        }
        if !said.is_whole() {
            return Err(format!("it looks whole and is not: {said:?}"));
        }
        if answer.body != pattern(request.id, said.bytes) {
            return Err(format!("{} other body bytes", answer.body.len()));
        }
        let has_trailers = said.trailers && request.takes_trailers;
        if answer.trailers != if has_trailers { trailer(request.id) } else { String::new() } {
            return Err(format!("other trailers: {:?}", answer.trailers));
        }
        Ok(closing(request, Some(said)))
    }

    fn judge_form(&self, answer: &Answer, said: &Said) -> Result<(), String> {
        let has_length = matches!(said.form, Form::Whole | Form::Declared);
        if answer.coding.is_some() && !matches!(answer.status, 204 | 304) {
            // How long it is, only the compressor knows: to HEAD nothing of it may be said.
            let right = match said.form {
                Form::Whole => answer.length.is_some() && !answer.chunked,
                Form::Declared | Form::Chunked | Form::UntilClose => answer.length.is_none(),
            };
            return if right { Ok(()) } else { Err(format!("{answer:?} is framed otherwise")) };
        }
        let right = matches!(answer.status, 204 | 304)
            || answer.chunked == (said.form == Form::Chunked)
                && answer.length == has_length.then_some(said.bytes)
                && answer.is_until_close() == (said.form == Form::UntilClose);
        if right { Ok(()) } else { Err(format!("{answer:?} is framed otherwise: {said:?}")) }
    }

    /// An answer of which not all has come.
    pub(in crate::sim::client) fn judge_part(
        &self,
        answer: &Answer,
        end: End,
        facts: &Facts,
    ) -> Result<(), String> {
        let Some(request) = self.requests.get(self.answered).filter(|r| r.kind.is_lane()) else {
            return Ok(());
        };
        let Some(said) = facts.said.get(&request.id).filter(|_| answer.id.is_some()) else {
            return Ok(());
        };
        self.judge_form(answer, said)?;
        if end != End::Open && !pattern(request.id, said.bytes).starts_with(&answer.body) {
            return Err("what there is of its body is wrong".into());
        }
        Ok(())
    }

    /// Whether the connection may end behind the answer to the request, though it
    /// does not say so.
    pub(super) fn may_end_behind(&self, request: &Expected, facts: &Facts) -> bool {
        facts.said.get(&request.id).is_some_and(|said| {
            let end_is_seen = said.form == Form::Chunked && !request.head_only;
            said.streams() && (!end_is_seen || said.early)
        })
    }

    /// Whether one of the client's answers could not be completed.
    pub(super) fn is_broken_off(&self, facts: &Facts) -> bool {
        let wire = self.wire.borrow();
        let from = self.answered.saturating_sub(1);
        self.requests[from..].iter().filter(|request| request.kind.is_lane()).any(|request| {
            facts.said.get(&request.id).is_some_and(|said| {
                let unread = said.early && wire.used() < request.end;
                let spoilt = matches!(request.kind, Kind::Spoilt(_));
                said.aborted
                    || said.streams() && (wire.gone || facts.lost_lanes || unread || spoilt)
            })
        })
    }

    /// The part of an answer that a thread gave before it broke it off has been sent.
    pub(super) fn judge_cut(&self, facts: &Facts) -> Result<(), String> {
        let wire = self.wire.borrow();
        let said_of = |request: &Expected| facts.said.get(&request.id);
        let is_cut = |request: &Expected| said_of(request).is_some_and(|said| said.aborted);
        let (earlier, rest) = self.requests.split_at(self.answered);
        let Some(request) = rest.first().filter(|request| is_cut(request)) else { return Ok(()) };
        // Something else may have ended the connection before it was its turn.
        let may_miss = self.is_ended()
            || facts.lost_lanes
            || earlier.iter().any(is_cut)
            || matches!(request.kind, Kind::Spoilt(_))
            || request.end > wire.used()
            || wire.gone
            || wire.left;
        let Some(said) = said_of(request).filter(|said| said.streams() && !may_miss) else {
            return Ok(());
        };
        let there = match Answer::parse(&wire.output[self.parsed..], request.head_only, wire.end())?
        {
            Parsed::Begun(answer) | Parsed::Whole(answer, _) => Some(answer),
            Parsed::Nothing => None,
        };
        let there = there.ok_or_else(|| format!("not even the head came of {said:?}"))?;
        if !request.head_only && there.body != pattern(request.id, said.bytes)[..said.sent] {
            return Err(format!("{} bytes came of {said:?}", there.body.len()));
        }
        if wire.broken && wire.taken < wire.output.len() {
            return Err("a reset takes along what the client has not got".into());
        }
        Ok(())
    }
}

fn closing(request: &Expected, said: Option<&Said>) -> Closing {
    match said {
        Some(said) if said.closes || said.form == Form::UntilClose => Closing::Must,
        Some(said) if said.early && request.body > 0 => Closing::May,
        // It has come whole all the same, before it was broken off.
        Some(said) if said.aborted => Closing::May,
        _ => Closing::Asked,
    }
}
