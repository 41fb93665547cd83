//! A handler thread behind a lane, as a JavaScript thread is one. It takes events when it likes and
//! answers what it likes, within the rules of lanes.

mod open;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use self::open::{Open, Step};
use super::app::id;
use super::client::{Client, Facts};
use super::request::{Expected, Kind, pattern};
use super::rng::Rng;
use super::said::{Habits, Said, Verdict};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::lane::replies::LaneReplies;
use crate::event_loop::inbox::Inbox;
use crate::exchange::id::ExchangeId;
use crate::exchange::task::Task;

type Checked = Result<(), String>;

/// The requests of all clients, and the answers that threads gave.
pub(super) struct Book<'a> {
    pub(super) clients: &'a [Client],
    pub(super) owners: &'a HashMap<u32, (usize, usize)>,
    pub(super) facts: &'a mut Facts,
    /// The loop's time.
    pub(super) now: Instant,
}

impl<'a> Book<'a> {
    fn request(&self, id: u32) -> Result<(usize, &'a Client, &'a Expected), String> {
        let &(index, place) = self.owners.get(&id).ok_or("a request from nobody")?;
        let client = &self.clients[index];
        Ok((place, client, &client.requests[place]))
    }
}

/// How a request of the thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The thread gave its whole answer.
    Said,
    /// The thread was told that no client waits.
    Told,
}

pub(super) struct Thread {
    pub(super) lane: Arc<Lane>,
    replies: LaneReplies,
    habits: Habits,
    rng: Rng,
    woken: Arc<AtomicBool>,
    rests: bool,
    /// It takes nothing more.
    gone: bool,
    /// It knows the routes of applications of these generations.
    pub(super) routes: Range<u32>,
    open: Vec<Open>,
    over: HashMap<ExchangeId, Over>,
    /// The last request of each client. A client's requests come in their order.
    last: HashMap<usize, u32>,
}

impl Thread {
    pub(super) fn new(
        capacity: usize,
        habits: Habits,
        rng: Rng,
        inbox: &Arc<Inbox>,
        generation: u32,
    ) -> Self {
        let woken = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(&woken);
        let lane = Lane::new(capacity, move || {
            assert!(!wake.swap(true, Ordering::Relaxed), "a thread is woken twice");
        });
        lane.belongs_to(std::slice::from_ref(inbox.replies()));
        let replies = lane.replies().expect("it has just been given to a server");
        Self {
            lane,
            replies,
            habits,
            rng,
            woken,
            rests: true,
            gone: false,
            routes: generation..u32::MAX,
            open: Vec::new(),
            over: HashMap::new(),
            last: HashMap::new(),
        }
    }

    /// Whether it would look for events by itself.
    pub(super) fn is_awake(&self) -> bool {
        !self.gone && (!self.rests || self.woken.load(Ordering::Relaxed))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// The tasks that it has and has not answered.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.open.iter().filter_map(|open| open.task.as_ref()).map(|task| &*task.0)
    }

    /// The exchanges that it has not ended, with their requests' numbers.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = (ExchangeId, u32)> {
        self.open.iter().map(|open| (open.exchange, open.id))
    }

    /// Whether it has been told that the client has sent its last byte.
    pub(super) fn knows_left(&self, exchange: ExchangeId) -> bool {
        self.open.iter().any(|open| open.exchange == exchange && open.half_closed)
    }

    /// Whether it leaves a request of that number unanswered.
    pub(super) fn is_silent(&self, mine: impl Fn(u32) -> bool) -> bool {
        self.open.iter().any(|open| open.silent && mine(open.id))
    }

    /// Takes up to `most` events.
    pub(super) fn turn(&mut self, most: usize, book: &mut Book<'_>) -> Checked {
        if self.gone {
            return Ok(());
        }
        self.lane.turn();
        self.woken.store(false, Ordering::Relaxed);
        self.rests = false;
        for _ in 0..most {
            if let Some(event) = self.lane.pop() {
                self.event(event, book)?;
            } else if self.lane.rest() {
                self.rests = true;
                break;
            }
        }
        self.lane.flush(&mut self.replies);
        Ok(())
    }

    fn event(&mut self, event: LaneEvent, book: &mut Book<'_>) -> Checked {
        let exchange = match event {
            LaneEvent::Request(task) => return self.request(task, book),
            LaneEvent::Body(exchange, _)
            | LaneEvent::Rest(exchange, _)
            | LaneEvent::Filled(exchange, _)
            | LaneEvent::Trailers(exchange, _)
            | LaneEvent::BodyEnd(exchange)
            | LaneEvent::HalfClosed(exchange)
            | LaneEvent::Gone(exchange)
            | LaneEvent::Refused(exchange, _)
            | LaneEvent::TimedOut(exchange)
            | LaneEvent::Ack(exchange, _) => exchange,
            LaneEvent::Message(..)
            | LaneEvent::Ping(..)
            | LaneEvent::Pong(..)
            | LaneEvent::Unsent(..)
            | LaneEvent::SocketEnds(_)
            | LaneEvent::SocketMoved(_)
            | LaneEvent::SocketClosed(..) => return Err("nobody has opened a socket".to_owned()),
            LaneEvent::Connection(_) => return Err("connections are not announced".to_owned()),
        };
        let ends =
            matches!(event, LaneEvent::Gone(_) | LaneEvent::Refused(..) | LaneEvent::TimedOut(_));
        match self.over.get(&exchange) {
            Some(Over::Told) => return Err(format!("{exchange:?} is told of after its end")),
            // The answer and the event have crossed.
            Some(Over::Said) if !ends => return Ok(()),
            _ => {}
        }
        let place = self.open.iter().position(|open| open.exchange == exchange);
        if ends {
            self.over.insert(exchange, Over::Told);
            let Some(place) = place else { return Ok(()) };
            let open = self.open.swap_remove(place);
            let late = matches!(event, LaneEvent::TimedOut(_));
            book.facts.trace(format_args!("  request {} is over, late {late}", open.id));
            let lanes = &mut book.facts.lanes;
            *if late { &mut lanes.timed_out } else { &mut lanes.gone } += 1;
            self.lane.answered(1);
            if let Some(mut task) = open.task {
                // No client may get what it answers now.
                task.response().body("too late");
                self.replies.push(LaneReply::Response(task));
            }
            return Ok(());
        }
        // The loop may have answered the request before it was given. The rest of it may still
        // come.
        let Some(place) = place else { return Ok(()) };
        self.open[place].event(event, &mut self.replies, book)
    }

    fn request(&mut self, task: Exchange, book: &mut Book<'_>) -> Checked {
        let (exchange, id) = (task.id(), id(task.request()));
        let (place, client, request) = book.request(id)?;
        book.facts.trace(format_args!("  request {id} is with its lane"));
        if self.over.contains_key(&exchange) || self.open.iter().any(|o| o.exchange == exchange) {
            return Err(format!("request {id} comes twice, or after its end"));
        }
        client.check_handed(place, &task.0)?;
        if !request.kind.is_lane() {
            return Err(format!("request {id} is for no lane"));
        }
        let whole = !task.body_streams();
        let body = if whole { pattern(id, request.body) } else { b"" };
        if task.request().body() != body || whole && matches!(request.kind, Kind::Spoilt(_)) {
            return Err(format!("request {id} has another body"));
        }
        if !self.routes.contains(&task.route()) {
            let (route, known) = (task.route(), &self.routes);
            return Err(format!("request {id} has route {route}, its lane knows {known:?}"));
        }
        let (owner, _) = book.owners[&id];
        if self.last.insert(owner, id).is_some_and(|last| last >= id) {
            return Err(format!("request {id} is out of order"));
        }
        if task.is_late(book.now) && self.rng.percent(70) {
            book.facts.lanes.late += 1;
            self.over.insert(exchange, Over::Said);
            self.lane.answered(1);
            self.replies.push(LaneReply::Late(task));
            return Ok(());
        }
        let open = Open::new(task, request, &self.habits, &mut self.rng);
        if !open.drops {
            self.open.push(open);
        } else if let Some(task) = open.task {
            book.facts.trace(format_args!("  request {id} is given back unanswered"));
            book.facts.say(id, Verdict::Dropped);
            book.facts.lanes.dropped += 1;
            self.over.insert(exchange, Over::Said);
            self.lane.answered(1);
            self.replies.push(LaneReply::Dropped(task));
        }
        Ok(())
    }

    /// Goes on with one of its requests. If `eager`, with all of them as far as it can. True if
    /// there was something to do.
    pub(super) fn work(&mut self, eager: bool, book: &mut Book<'_>) -> bool {
        let mut moved = false;
        let any = !eager && !self.open.is_empty();
        let mut place = if any { self.rng.below(self.open.len()) } else { 0 };
        while place < self.open.len() {
            let step = self.step(place, eager, book);
            moved |= step != Step::Nothing;
            if !eager {
                break;
            }
            if step == Step::Nothing {
                place += 1;
            }
        }
        moved
    }

    fn step(&mut self, place: usize, eager: bool, book: &mut Book<'_>) -> Step {
        let step = self.open[place].step(eager, &mut self.rng, &mut self.replies, book);
        if step == Step::Ended {
            let open = self.open.swap_remove(place);
            book.facts.trace(format_args!("  request {} is answered", open.id));
            self.over.insert(open.exchange, Over::Said);
            self.lane.answered(1);
        }
        self.lane.flush(&mut self.replies);
        step
    }

    /// Decides how it will answer a request, in the place of chance.
    pub(super) fn mean(&mut self, id: u32, change: impl FnOnce(&mut Said)) {
        let open = self.open.iter_mut().find(|open| open.id == id);
        open.expect("the thread has it").mean(change);
    }

    /// Goes on with one request.
    pub(super) fn step_of(&mut self, id: u32, book: &mut Book<'_>) {
        let place = self.open.iter().position(|open| open.id == id);
        let step = self.step(place.expect("the thread has it"), true, book);
        assert!(step != Step::Nothing, "request {id} cannot go on");
    }

    /// Breaks off an answer that has begun.
    pub(super) fn abort(&mut self, id: u32, book: &mut Book<'_>) {
        let place = self.open.iter().position(|open| open.id == id);
        let open = self.open.swap_remove(place.expect("the thread has it"));
        book.facts.said.get_mut(&id).expect("it has begun").aborted = true;
        self.over.insert(open.exchange, Over::Said);
        self.lane.answered(1);
        self.replies.push(LaneReply::Abort(open.exchange));
        self.lane.flush(&mut self.replies);
    }

    /// Answers what it has left unanswered.
    pub(super) fn speak(&mut self) {
        self.habits.silent = 0;
        for open in &mut self.open {
            open.silent = false;
        }
    }

    /// Ends as `NativeLane::close` does. Requests without an answer get 503, and answers that have
    /// begun are broken off.
    pub(super) fn close(&mut self, book: &mut Book<'_>) -> Checked {
        if std::mem::replace(&mut self.gone, true) {
            return Ok(());
        }
        self.lane.close();
        for open in std::mem::take(&mut self.open) {
            self.lane.answered(1);
            self.over.insert(open.exchange, Over::Said);
            match open.task {
                Some(task) => Self::refuse(task, &mut self.replies, book),
                None => {
                    book.facts.said.get_mut(&open.id).expect("it has begun").aborted = true;
                    self.replies.push(LaneReply::Abort(open.exchange));
                }
            }
        }
        while let Some(event) = self.lane.pop() {
            if let LaneEvent::Request(task) = event {
                self.lane.answered(1);
                Self::refuse(task, &mut self.replies, book);
            }
        }
        self.lane.flush(&mut self.replies);
        self.check_idle()
    }

    fn refuse(mut task: Exchange, replies: &mut LaneReplies, book: &mut Book<'_>) {
        book.facts.say(id(task.request()), Verdict::Refused);
        task.refuse();
        replies.push(LaneReply::Response(task));
    }

    /// Nothing is left of what it was given.
    pub(super) fn check_idle(&self) -> Checked {
        match (self.lane.in_flight(), self.lane.queued(), self.open.len()) {
            (0, 0, 0) => Ok(()),
            counts => Err(format!("left in flight, queued and open: {counts:?}")),
        }
    }

    /// Shows what waits in the lane.
    pub(super) fn waiting(&self, show: impl FnMut(&LaneEvent)) {
        self.lane.look(show);
    }
}
