//! One request that a thread has, and the answer that it means to give.

use super::Book;
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::lane::replies::LaneReplies;
use crate::exchange::body::WINDOW;
use crate::exchange::fields::FieldList;
use crate::exchange::id::ExchangeId;
use crate::sim::lending::Lending;
use crate::sim::request::{Expected, Kind, pattern, trailer};
use crate::sim::rng::Rng;
use crate::sim::said::{Form, Habits, Said, Verdict};
use reactor_proto::{Framing, Version};

/// Bytes that one read may bring after the window is full.
const ONE_READ: usize = 140_000;

/// How a streaming answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Said,
    /// It ends before its declared length.
    Short,
    /// It goes on after its declared length.
    Long,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Some,
    /// It was the last.
    Ended,
}

pub(super) struct Open {
    pub(super) exchange: ExchangeId,
    pub(super) id: u32,
    /// None once its answer has begun.
    pub(super) task: Option<Exchange>,
    /// The thread never answers it.
    pub(super) silent: bool,
    /// The thread gives it back without an answer.
    pub(super) drops: bool,
    // The request.
    expected: Expected,
    body: usize,
    body_ended: bool,
    trailed: bool,
    pub(super) half_closed: bool,
    unpulled: usize,
    /// It may yet ask for the rest of the body in one piece.
    may_collect: bool,
    /// It lends memory for that.
    lends: bool,
    lending: Option<Lending>,
    /// Bytes that came so.
    rest: usize,
    // The answer.
    answer: Said,
    abort: Option<(usize, Abort)>,
    /// It has trailers.
    trails: bool,
    /// So many informational answers come before it.
    informs: usize,
    /// Says no body to HEAD, where it streams.
    bodiless: bool,
    unacknowledged: usize,
}

impl Open {
    pub(super) fn new(task: Exchange, request: &Expected, habits: &Habits, rng: &mut Rng) -> Self {
        let bytes = match request.kind {
            Kind::Lane { bytes } => bytes,
            _ => rng.size(5_000),
        };
        let mut form = Form::Whole;
        if rng.percent(habits.streams) {
            form = match task.request().version() {
                _ if rng.percent(40) => Form::Declared,
                Version::Http11 | Version::Http2 => Form::Chunked,
                Version::Http10 => Form::UntilClose,
            };
        }
        let verdict = match rng.below(3) {
            _ if !rng.percent(habits.fails) => Verdict::Answered,
            0 => Verdict::Refused,
            _ => Verdict::Failed,
        };
        if verdict != Verdict::Answered {
            form = Form::Whole;
        }
        let empty = form == Form::Whole && rng.percent(10);
        let abort = (form != Form::Whole && rng.percent(habits.aborts)).then(|| {
            let kind = match form {
                Form::Declared => *rng.pick(&[Abort::Said, Abort::Short, Abort::Long]),
                _ => Abort::Said,
            };
            (rng.below(bytes + 1), kind)
        });
        Self {
            exchange: task.id(),
            id: request.id,
            silent: rng.percent(habits.silent),
            drops: habits.aborts > 0 && rng.percent(habits.aborts / 2),
            expected: request.clone(),
            body: if task.body_streams() { 0 } else { request.body },
            body_ended: !task.body_streams(),
            trailed: !task.body_streams() && request.trailers,
            half_closed: false,
            unpulled: 0,
            may_collect: task.body_streams() && rng.percent(habits.collects),
            lends: matches!(task.request().head().framing(), Framing::Length(_)) && rng.percent(60),
            lending: None,
            rest: 0,
            answer: Said {
                verdict,
                status: if empty { *rng.pick(&[204, 304]) } else { *rng.pick(&[200, 201, 404]) },
                form,
                bytes: if empty { 0 } else { bytes },
                sent: 0,
                ended: false,
                aborted: false,
                closes: rng.percent(habits.closes),
                early: rng.percent(habits.early),
                trailers: false,
            },
            trails: form == Form::Chunked && habits.trails > 0 && rng.percent(habits.trails),
            informs: if habits.informs > 0 && rng.percent(habits.informs) {
                1 + rng.below(3)
            } else {
                0
            },
            abort,
            bodiless: request.head_only && rng.percent(50),
            unacknowledged: 0,
            task: Some(task),
        }
    }

    /// Decides the answer, in the place of chance.
    pub(super) fn mean(&mut self, change: impl FnOnce(&mut Said)) {
        (self.answer.status, self.answer.bytes) = (200, 100);
        change(&mut self.answer);
        self.bodiless = self.expected.head_only;
    }

    /// What the lane tells of it, but not that it is over.
    pub(super) fn event(
        &mut self,
        event: LaneEvent,
        replies: &mut LaneReplies,
        book: &mut Book<'_>,
    ) -> Result<(), String> {
        let id = self.id;
        let fail = |what: &str| Err(format!("request {id}: {what}"));
        if let LaneEvent::Rest(exchange, data) = &event {
            replies.push(LaneReply::Spare(*exchange, data.clone()));
            self.rest += data.len();
            book.facts.lanes.rests += 1;
        } else if matches!(event, LaneEvent::Body(..)) && self.rest > 0 {
            book.facts.lanes.broken_rests += 1;
        }
        let event = match event {
            LaneEvent::Filled(_, bytes) => {
                let lent = self.lending.as_ref();
                let Some(data) = lent.map(|lent| lent.read(self.body..self.body + bytes)) else {
                    return fail("memory is filled that it has not lent");
                };
                self.rest += bytes;
                book.facts.lanes.loans += 1;
                LaneEvent::Body(self.exchange, data)
            }
            event => event,
        };
        match event {
            LaneEvent::Body(_, data) | LaneEvent::Rest(_, data) => {
                let whole = pattern(id, self.expected.body);
                if self.body_ended || whole.get(self.body..self.body + data.len()) != Some(&data) {
                    return fail("another body");
                }
                self.body += data.len();
                self.unpulled += data.len();
                book.facts.lanes.bodies += 1;
                if self.unpulled.saturating_sub(self.rest) > WINDOW + ONE_READ {
                    return fail("its body comes without credit");
                }
            }
            LaneEvent::Trailers(_, lines) => {
                let right = self.body == self.expected.body && *lines == *trailer(id).as_bytes();
                if self.body_ended || self.trailed || !self.expected.trailers || !right {
                    return fail("other trailers");
                }
                self.trailed = true;
                book.facts.lanes.trailers += 1;
            }
            LaneEvent::BodyEnd(_) => {
                let spoilt = matches!(self.expected.kind, Kind::Spoilt(_));
                if self.body_ended
                    || spoilt
                    || self.body != self.expected.body
                    || self.trailed != self.expected.trailers
                {
                    return fail("its body ends where it does not");
                }
                self.body_ended = true;
            }
            LaneEvent::HalfClosed(_) => {
                if std::mem::replace(&mut self.half_closed, true) {
                    return fail("the client has half-closed twice");
                }
            }
            LaneEvent::Ack(_, n) => {
                if n == 0 || n > self.unacknowledged {
                    return fail("more is acknowledged than was said");
                }
                self.unacknowledged -= n;
                book.facts.lanes.acknowledged += 1;
            }
            _ => return fail("an event for no open request"),
        }
        Ok(())
    }

    /// Goes on with it, if it can.
    pub(super) fn step(
        &mut self,
        eager: bool,
        rng: &mut Rng,
        replies: &mut LaneReplies,
        book: &mut Book<'_>,
    ) -> Step {
        if self.may_collect && !self.body_ended && (eager || rng.percent(50)) {
            self.may_collect = false;
            if self.lends {
                self.lending = Some(Lending::new(self.expected.body));
            }
            let memory = self.lending.as_ref().map(Lending::handle);
            replies.push(LaneReply::Collect(self.exchange, memory));
            return Step::Some;
        }
        if self.unpulled > 0 && (eager || rng.percent(50)) {
            let n = if eager { self.unpulled } else { rng.between(1, self.unpulled) };
            self.unpulled -= n;
            replies.push(LaneReply::Pull(self.exchange, n));
            return Step::Some;
        }
        if self.informs > 0 && self.task.is_some() && (eager || rng.percent(50)) {
            self.informs -= 1;
            let mut fields = FieldList::default();
            fields.field("X-Id", self.id.to_string()).expect("a good field");
            replies.push(LaneReply::Inform(self.exchange, 103, fields));
            *book.facts.informed.entry(self.id).or_default() += 1;
            book.facts.lanes.informed += 1;
            return Step::Some;
        }
        if self.silent || !self.body_ended && !self.answer.early {
            return Step::Nothing;
        }
        match self.task.take() {
            Some(task) => self.begin(task, eager, rng, replies, book),
            None => self.go_on(eager, rng, replies, book),
        }
    }

    fn begin(
        &mut self,
        mut task: Exchange,
        eager: bool,
        rng: &mut Rng,
        replies: &mut LaneReplies,
        book: &mut Book<'_>,
    ) -> Step {
        let answer = &mut self.answer;
        answer.early = !self.body_ended;
        book.facts.lanes.early += u64::from(answer.early);
        let response = task.response();
        response.status(answer.status).expect("a good status");
        response.field("X-Id", self.id.to_string()).expect("a good field");
        response.field("Content-Type", "text/plain").expect("a good field");
        let first = match answer.form {
            Form::Whole => answer.bytes,
            _ if self.abort.is_some() || self.bodiless => 0,
            _ => Self::piece(answer.bytes, eager, rng),
        };
        answer.sent = first;
        response.body(&pattern(self.id, answer.bytes)[..first]);
        match answer.form {
            Form::Whole => answer.ended = true,
            Form::Declared => response.stream(Some(answer.bytes as u64)),
            Form::Chunked | Form::UntilClose => response.stream(None),
        }
        if self.trails {
            response.trailers_follow();
        }
        match answer.verdict {
            Verdict::Answered | Verdict::Dropped => {}
            Verdict::Failed => task.fail(),
            Verdict::Refused => task.refuse(),
        }
        if answer.closes {
            task.close();
        }
        replies.push(LaneReply::Response(task));
        book.facts.said.insert(self.id, answer.clone());
        book.facts.trace(format_args!("  request {}: {:?}", self.id, self.answer));
        if self.answer.ended {
            return Step::Ended;
        }
        self.unacknowledged = first;
        book.facts.lanes.streamed += 1;
        Step::Some
    }

    fn go_on(
        &mut self,
        eager: bool,
        rng: &mut Rng,
        replies: &mut LaneReplies,
        book: &mut Book<'_>,
    ) -> Step {
        let said = book.facts.said.get_mut(&self.id).expect("it has begun");
        let sent = said.sent;
        let left = said.bytes - sent;
        let credit = WINDOW.saturating_sub(self.unacknowledged);
        if let Some((_, kind)) = self.abort.filter(|(at, _)| sent >= *at) {
            book.facts.lanes.aborted += 1;
            said.aborted = kind != Abort::Short || left > 0;
            said.ended = !said.aborted;
            replies.push(match kind {
                Abort::Said => LaneReply::Abort(self.exchange),
                Abort::Short => LaneReply::End(self.exchange),
                Abort::Long => LaneReply::Chunk(self.exchange, vec![b'!'; left + 1]),
            });
            return Step::Ended;
        }
        if left == 0 || self.bodiless {
            said.ended = true;
            if self.trails {
                said.trailers = true;
                book.facts.lanes.trailed += 1;
                let mut trailers = FieldList::default();
                trailers.trailer("X-Trailer", format!("t{}", self.id)).expect("a good field");
                replies.push(LaneReply::Trailers(self.exchange, trailers));
            }
            replies.push(LaneReply::End(self.exchange));
            return Step::Ended;
        }
        let most = self.abort.map_or(left, |(at, _)| at - sent).min(credit);
        if most == 0 {
            return Step::Nothing;
        }
        let n = Self::piece(most, eager, rng).max(1);
        let piece = &pattern(self.id, said.bytes)[sent..sent + n];
        said.sent += n;
        self.unacknowledged += n;
        replies.push(LaneReply::Chunk(self.exchange, piece.to_vec()));
        Step::Some
    }

    fn piece(most: usize, eager: bool, rng: &mut Rng) -> usize {
        let n = if eager { most } else { rng.size(most) };
        n.min(WINDOW)
    }
}
