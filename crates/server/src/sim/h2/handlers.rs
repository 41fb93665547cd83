//! The threads of lanes. They take requests and bodies when they like, and answer in any way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use reactor_proto::Framing;

use super::{Book, Said, Wanted};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::dispatch::lane::exchange::Exchange;
use crate::event_loop::reactor::Reactor;
use crate::exchange::body::WINDOW;
use crate::exchange::fields::FieldList;
use crate::exchange::id::ExchangeId;
use crate::sim::lending::Lending;
use crate::sim::request::pattern;
use crate::sim::rng::Rng;
use crate::sim::wire::SimTransport;

/// How its handlers are, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) streams: u32,
    pub(super) fails: u32,
    pub(super) large: u32,
    /// It leaves some unanswered until it must.
    pub(super) is_slow: bool,
}

/// The thread of a lane.
pub(super) struct Thread {
    pub(super) lane: Arc<Lane>,
    pub(super) open: Vec<Open>,
    /// What it has been given, and what became of it.
    known: HashMap<ExchangeId, State>,
    /// It takes nothing until it must.
    is_stuck: bool,
    habits: Habits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It has given its whole answer.
    Said,
    /// It has been told that no one waits.
    Told,
}

/// A request that it has.
pub(super) struct Open {
    pub(super) id: ExchangeId,
    /// Of the request; none for one of an attack.
    number: Option<u32>,
    wanted: Option<Wanted>,
    /// None once its answer has begun.
    task: Option<Exchange>,
    body: usize,
    body_ended: bool,
    had_trailers: bool,
    unpulled: usize,
    collects: bool,
    lending: Option<Lending>,
    // The answer.
    answer: Said,
    sent: usize,
    form: Form,
    /// Where it breaks off.
    breaks: Option<usize>,
    drops: bool,
    informs: bool,
    early: bool,
    waits: bool,
    unacknowledged: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Declared,
    Pieces,
}

type Loop = Reactor<SimTransport>;

impl Thread {
    pub(super) fn new(rng: &mut Rng, habits: Habits) -> Self {
        Self {
            lane: Lane::new(*rng.pick(&[1, 5, 1_000]), || {}),
            open: Vec::new(),
            known: HashMap::new(),
            is_stuck: rng.percent(10),
            habits,
        }
    }

    /// Whether it has been told that an exchange is over.
    pub(super) fn knows_end(&self, id: ExchangeId) -> bool {
        self.known.get(&id) == Some(&State::Told)
    }

    /// Takes what there is, and goes on with some of it, or with all.
    pub(super) fn work(&mut self, all: bool, rng: &mut Rng, reactor: &mut Loop, book: &mut Book) {
        if self.is_stuck && !all {
            return;
        }
        let mut events = VecDeque::new();
        self.lane.take(&mut events);
        let requests = events.iter().filter(|e| matches!(e, LaneEvent::Request(_))).count();
        self.lane.begun(requests);
        for event in events {
            self.event(event, rng, reactor, book);
        }
        for at in (0..self.open.len()).rev() {
            let mut steps = if all { 1_000 } else { rng.below(4) };
            while steps > 0 && self.open[at].step(all, rng, reactor, book) {
                steps -= 1;
                if self.open[at].answer.ended || self.open[at].answer.broken {
                    let open = self.open.swap_remove(at);
                    self.known.insert(open.id, State::Said);
                    self.lane.answered(1);
                    break;
                }
            }
        }
    }

    fn event(&mut self, event: LaneEvent, rng: &mut Rng, reactor: &mut Loop, book: &mut Book) {
        let id = event.id();
        let ends =
            matches!(event, LaneEvent::Gone(_) | LaneEvent::Refused(..) | LaneEvent::TimedOut(_));
        let before = self.known.get(&id).copied();
        if let LaneEvent::Request(exchange) = event {
            assert_eq!(before, None, "{id:?} comes twice");
            self.known.insert(id, State::Open);
            self.open.push(Open::new(exchange, &self.habits, rng, book));
            return;
        }
        let before = before.unwrap_or_else(|| panic!("{id:?} is unknown"));
        assert!(before != State::Told, "{id:?} is told of after its end");
        let at = self.open.iter().position(|open| open.id == id);
        if ends {
            self.known.insert(id, State::Told);
            let Some(at) = at else { return };
            let open = self.open.swap_remove(at);
            self.lane.answered(1);
            if let Some(mut exchange) = open.task {
                // It comes back all the same, and no client may get it.
                exchange.response().body("too late");
                reactor.lane_reply(LaneReply::Response(exchange));
            }
            return;
        }
        // The answer and the event may have crossed.
        if let Some(at) = at {
            self.open[at].event(event, reactor, book);
        }
    }

    /// It ends, and answers nothing more. What it has comes back too late.
    pub(super) fn end(&mut self, reactor: &mut Loop) {
        let mut events = VecDeque::new();
        self.lane.take(&mut events);
        let given = self.open.drain(..).filter_map(|open| open.task);
        let queued = events.into_iter().filter_map(|event| match event {
            LaneEvent::Request(exchange) => Some(exchange),
            _ => None,
        });
        for mut exchange in given.chain(queued) {
            exchange.response().body("too late");
            reactor.lane_reply(LaneReply::Response(exchange));
        }
    }
}

impl Open {
    fn new(exchange: Exchange, habits: &Habits, rng: &mut Rng, book: &Book) -> Self {
        let request = exchange.request();
        let number = request.get("x-id").map(|number| {
            std::str::from_utf8(number).expect("it is text").parse().expect("it is a number")
        });
        let wanted = number.map(|number| book.wanted[&number]);
        let streams = exchange.body_streams();
        if let (Some(number), Some(wanted), false) = (number, wanted, streams) {
            assert!(!book.said.contains_key(&number), "request {number} comes twice");
            let body = pattern(number, wanted.body.unwrap_or(0));
            assert!(request.body() == body, "request {number} has another body");
            let trailers = format!("x-trailer: {number}\r\n");
            let trailers = if wanted.trailers { trailers.as_bytes() } else { b"" };
            assert_eq!(request.trailers(), trailers, "request {number}");
        }
        let form = match rng.below(2) {
            _ if !rng.percent(habits.streams) => Form::Whole,
            0 => Form::Declared,
            _ => Form::Pieces,
        };
        let bytes = if rng.percent(habits.large) { rng.size(250_000) } else { rng.size(5_000) };
        let fails = |rng: &mut Rng| rng.percent(habits.fails);
        let lends = matches!(request.head().framing(), Framing::Length(_)) && rng.percent(60);
        let size = wanted.and_then(|wanted| wanted.body).filter(|_| lends);
        Self {
            id: exchange.id(),
            number,
            wanted,
            body: 0,
            body_ended: !streams,
            had_trailers: false,
            unpulled: 0,
            collects: streams && rng.percent(40),
            lending: size.map(Lending::new),
            answer: Said {
                status: *rng.pick(&[200, 200, 201, 404]),
                bytes,
                trailers: form != Form::Whole && rng.percent(30),
                ..Said::default()
            },
            sent: 0,
            form,
            breaks: (form != Form::Whole && fails(rng)).then(|| rng.below(bytes + 1)),
            drops: fails(rng) && rng.percent(50),
            informs: rng.percent(15),
            early: rng.percent(20),
            waits: habits.is_slow && rng.percent(50),
            unacknowledged: 0,
            task: Some(exchange),
        }
    }

    fn event(&mut self, event: LaneEvent, reactor: &mut Loop, book: &mut Book) {
        let id = self.id;
        match event {
            LaneEvent::Body(_, data) => self.piece(&data),
            LaneEvent::Rest(_, data) => {
                self.piece(&data);
                reactor.lane_reply(LaneReply::Spare(id, data));
            }
            LaneEvent::Filled(_, bytes) => {
                let lending = self.lending.as_ref().expect("it has lent nothing");
                let data = lending.read(self.body..self.body + bytes);
                assert_eq!(data.len(), bytes, "more is filled than was lent");
                self.piece(&data);
            }
            LaneEvent::Trailers(_, lines) => {
                assert!(!self.body_ended && !self.had_trailers, "{id:?}: trailers come late");
                if let Some(number) = self.number {
                    assert!(book.wanted[&number].trailers, "{id:?}: trailers from nowhere");
                    assert_eq!(*lines, *format!("x-trailer: {number}\r\n").as_bytes());
                }
                self.had_trailers = true;
            }
            LaneEvent::BodyEnd(_) => {
                assert!(!self.body_ended, "{id:?}: the body ends twice");
                self.body_ended = true;
                if let Some(wanted) = self.wanted {
                    assert_eq!(Some(self.body), wanted.body, "{id:?}: a part of a body");
                    assert_eq!(self.had_trailers, wanted.trailers, "{id:?}: trailers are lost");
                }
            }
            LaneEvent::HalfClosed(_) => {}
            LaneEvent::Ack(_, bytes) => {
                assert!(bytes > 0 && bytes <= self.unacknowledged, "{id:?}: too much is sent");
                self.unacknowledged -= bytes;
            }
            _ => panic!("{id:?}: an event of another kind"),
        }
    }

    fn piece(&mut self, data: &[u8]) {
        assert!(!self.body_ended && !data.is_empty(), "{:?}: it has ended", self.id);
        if let (Some(number), Some(wanted)) = (self.number, self.wanted) {
            let body = pattern(number, wanted.body.unwrap_or(0));
            let part = body.get(self.body..self.body + data.len());
            assert!(part == Some(data), "{:?}: another body", self.id);
        }
        self.body += data.len();
        self.unpulled += data.len();
        // One window, and what it was before it grew.
        let most = WINDOW + 65_535;
        assert!(self.unpulled <= most || !self.collects, "{:?}: without credit", self.id);
    }

    /// Goes on with it. Returns whether there was something to do.
    fn step(&mut self, all: bool, rng: &mut Rng, reactor: &mut Loop, book: &mut Book) -> bool {
        let id = self.id;
        if self.collects && !self.body_ended && (all || rng.percent(50)) {
            self.collects = false;
            let memory = self.lending.as_ref().map(Lending::handle);
            reactor.lane_reply(LaneReply::Collect(id, memory));
            return true;
        }
        if self.unpulled > 0 && (all || rng.percent(60)) {
            let n = if all { self.unpulled } else { rng.between(1, self.unpulled) };
            self.unpulled -= n;
            reactor.lane_reply(LaneReply::Pull(id, n));
            return true;
        }
        if self.waits && !all || !self.body_ended && !self.early {
            return false;
        }
        let Some(exchange) = self.task.take() else { return self.go_on(all, rng, reactor, book) };
        if std::mem::take(&mut self.informs) {
            let mut fields = FieldList::default();
            fields.field("Link", "</style.css>; rel=preload").expect("it is right");
            reactor.lane_reply(LaneReply::Inform(id, 103, fields));
            self.answer.informed = 1;
            self.task = Some(exchange);
            return true;
        }
        self.begin(exchange, rng, reactor, book);
        true
    }

    fn begin(
        &mut self,
        mut exchange: Exchange,
        rng: &mut Rng,
        reactor: &mut Loop,
        book: &mut Book,
    ) {
        let number = self.number.unwrap_or(0);
        let is_broken = std::mem::take(&mut self.drops);
        let bytes = self.answer.bytes;
        let response = exchange.response();
        response.status(self.answer.status).expect("it is right");
        response.field("X-Id", number.to_string()).expect("it is right");
        let first = match self.form {
            Form::Whole => bytes,
            _ => rng.size(self.breaks.unwrap_or(bytes)).min(WINDOW),
        };
        self.sent = first;
        match rng.below(2) {
            0 if self.form == Form::Whole => response.body_shared(pattern(number, bytes).into()),
            _ => response.body(&pattern(number, bytes)[..first]),
        }
        match self.form {
            Form::Whole => {}
            Form::Declared => response.stream(Some(bytes as u64)),
            Form::Pieces => response.stream(None),
        }
        self.unacknowledged = first;
        self.answer.broken = is_broken;
        self.answer.ended = self.form == Form::Whole && !is_broken;
        self.note(book);
        reactor.lane_reply(if is_broken {
            LaneReply::Dropped(exchange)
        } else {
            LaneReply::Response(exchange)
        });
    }

    fn note(&self, book: &mut Book) {
        if let Some(number) = self.number {
            book.said.insert(number, self.answer.clone());
        }
    }

    fn go_on(&mut self, all: bool, rng: &mut Rng, reactor: &mut Loop, book: &mut Book) -> bool {
        let id = self.id;
        if self.breaks.is_some_and(|at| self.sent >= at) {
            self.answer.broken = true;
            self.note(book);
            reactor.lane_reply(LaneReply::Abort(id));
            return true;
        }
        let left = self.breaks.unwrap_or(self.answer.bytes) - self.sent;
        if left == 0 {
            if self.answer.trailers {
                let mut fields = FieldList::default();
                let number = self.number.unwrap_or(0).to_string();
                fields.trailer("X-End", number).expect("it is right");
                reactor.lane_reply(LaneReply::Trailers(id, fields));
            }
            self.answer.ended = true;
            self.note(book);
            reactor.lane_reply(LaneReply::End(id));
            return true;
        }
        let most = left.min(WINDOW.saturating_sub(self.unacknowledged));
        if most == 0 {
            return false;
        }
        let n = if all { most } else { rng.size(most).max(1) };
        let piece = pattern(self.number.unwrap_or(0), self.answer.bytes)[self.sent..][..n].to_vec();
        self.sent += n;
        self.unacknowledged += n;
        reactor.lane_reply(LaneReply::Chunk(id, piece));
        true
    }
}
