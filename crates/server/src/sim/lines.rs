//! A second protocol. It proves that what protocols share knows none of them.
//!
//! Clients send lines, and get each back in frames. The frames come in the order in which handlers
//! answer, and those of several exchanges are mixed. So this differs from HTTP/1 as HTTP/2 does.
//!
//! A line is a letter and a text. `i` is answered at once, `w` by a worker, `l` by a lane,
//! and `q` ends the connection behind what is open. A frame is the line's number, a sign and
//! bytes: `:` for a whole answer, `+` for a piece, `.` for the end of pieces, and `!` for an
//! exchange that failed.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use slab::Slab;

use crate::conn::core::{Core, Ending, HIGH_WATER, Used};
use crate::conn::timer::Phase;
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body::Body;
use crate::exchange::entry::{AtLane, Entry};
use crate::exchange::handler::{Handler, HandlerCell};
use crate::exchange::loan::LentMemory;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::task::{Outcome, Task};
use crate::observe::access_log::Outcome as Broken;
use crate::observe::observer::Seen;

/// Exchanges that may be open, or at handlers, at once.
const MOST_OPEN: usize = 8;

/// Bytes of a line at most.
const LONGEST: usize = 1_000;

pub(crate) struct Lines {
    handler: Arc<HandlerCell>,
    open: Slab<Open>,
    /// Exchanges that are over and whose requests lanes have. They hold their places.
    away: BTreeSet<u32>,
    /// Lines read so far.
    count: u32,
    reading: bool,
}

/// An exchange that has not ended.
struct Open {
    entry: Entry,
    link: LaneLink,
    /// A lane has its request, and has not answered.
    is_away: bool,
    /// The number of its line.
    number: u32,
    /// Its key at the observer.
    observed: Option<u32>,
    /// Bytes of its stream that the lane has not been told have left, once it streams.
    unacknowledged: Option<usize>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let echo = |request: &Request, response: &mut Response| response.body(request.body());
        let handler: Arc<dyn Handler> = Arc::new(echo);
        Self {
            handler: HandlerCell::new(&handler),
            open: Slab::new(),
            away: BTreeSet::new(),
            count: 0,
            reading: true,
        }
    }

    /// The exchange of a stream: its place, and the number that tells it from the place's
    /// earlier ones.
    fn place(&self, stream: u32) -> Option<usize> {
        let place = stream as usize % MOST_OPEN;
        let open = self.open.get(place)?;
        (stream_of(place, open.number) == stream).then_some(place)
    }

    fn frame(core: &mut Core, services: &mut Services, number: u32, sign: char, bytes: &[u8]) {
        core.timer.progress = true;
        core.out.lend(&mut services.buffers);
        let buf = core.out.buf();
        write!(buf, "{number}{sign}").unwrap();
        buf.extend_from_slice(bytes);
        buf.push(b'\n');
    }

    /// Ends an exchange with this frame.
    fn finish_with(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        sign: char,
        bytes: &[u8],
    ) {
        let Some(place) = self.place(stream) else { return };
        let mut open = self.open.remove(place);
        if open.unacknowledged.is_some() {
            services.left_handlers();
        }
        if open.is_away {
            self.away.insert(stream);
        }
        services.lanes.gone(&mut open.link, open.is_away);
        let breaks_off = sign == '!' && open.unacknowledged.is_some();
        Self::frame(core, services, open.number, sign, bytes);
        Self::observe(core, services, open.observed, (bytes.len(), breaks_off));
    }

    /// An answer was written, or has broken off.
    fn observe(
        core: &Core,
        services: &mut Services,
        key: Option<u32>,
        (body, breaks_off): (usize, bool),
    ) {
        let (Some(observer), Some(key)) = (&mut services.observer, key) else { return };
        if breaks_off {
            observer.abort_apart(key, Broken::Aborted);
            return;
        }
        observer.answer_apart(key, (0, 200));
        observer.body_apart(key, body);
        observer.written_apart(core.id.slot, key, core.out.unsent());
    }

    fn line(&mut self, core: &mut Core, services: &mut Services, line: &[u8]) {
        let number = self.count;
        self.count += 1;
        core.timer.progress = true;
        let Some((&kind, text)) = line.split_first() else { return };
        if kind == b'q' {
            self.reading = false;
            return;
        }
        let observed = services.observer.as_mut().map(|observer| {
            let (id, start) = (core.id, services.clock.now());
            let seen = Seen::Input(line);
            observer.begin_apart(id.slot, (id.generation, number), core.origin(), start, &seen)
        });
        if kind == b'i' {
            Self::frame(core, services, number, ':', text);
            Self::observe(core, services, observed, (text.len(), false));
            return;
        }
        let mut entry = Entry::default();
        let mut link = LaneLink::default();
        let lane = services.lanes.choose(link, false);
        if kind == b'l' {
            let Some(place) = lane.filter(|_| services.enter_handlers()) else {
                Self::frame(core, services, number, '!', b"");
                Self::observe(core, services, observed, (0, false));
                return;
            };
            link.place = place;
            entry.lane = AtLane::Given;
        }
        let terms = entry.terms;
        let stream = stream_of(self.open.vacant_key(), number);
        let is_away = kind == b'l';
        let place =
            self.open.insert(Open { entry, link, is_away, number, observed, unacknowledged: None });
        let mut task = services.new_task(core, stream, terms);
        assert!(services.memory.collect(text.len()), "there is room for all of it");
        task.request.body.extend_from_slice(text);
        if kind == b'l' {
            services.hand_over(&mut self.open[place].link, task);
        } else {
            task.handler = Some(Arc::clone(&self.handler));
            services.tasks.new.push(task);
        }
    }

    fn is_full(&self, core: &Core) -> bool {
        self.open.len() + self.away.len() >= MOST_OPEN || core.out.len() >= HIGH_WATER
    }
}

fn stream_of(place: usize, number: u32) -> u32 {
    number * MOST_OPEN as u32 + place as u32
}

/// What tests ask of it.
impl Lines {
    /// How many events of each open exchange wait for a full lane.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = (u32, u32)> {
        self.open.iter().map(|(at, open)| (stream_of(at, open.number), open.link.held_back))
    }

    /// The numbers of the open exchanges.
    pub(crate) fn numbers(&self) -> BTreeSet<u32> {
        self.open.iter().map(|(_, open)| open.number).collect()
    }

    /// Exchanges that are over and whose requests have not come back.
    pub(crate) fn away(&self) -> &BTreeSet<u32> {
        &self.away
    }
}

/// What connections ask of it.
impl Lines {
    pub(crate) fn link<'a>(
        &'a mut self,
        core: &'a mut Core,
        stream: u32,
    ) -> Option<&'a mut LaneLink> {
        if stream == u32::MAX {
            return Some(&mut core.lane);
        }
        self.place(stream).map(|place| &mut self.open[place].link)
    }

    pub(crate) fn uses_lane(&self, index: usize) -> bool {
        let uses = |open: &Open| open.entry.lane.has_it() && usize::from(open.link.place) == index;
        self.open.iter().any(|(_, open)| uses(open))
    }

    pub(crate) fn returned(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        assert!(self.away.remove(&stream), "stream {stream} comes back twice");
        services.mark_dirty(core);
    }

    pub(crate) fn input(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) -> Used {
        let mut used = 0;
        while self.reading {
            let Some(length) = bytes[used..].iter().position(|&byte| byte == b'\n') else { break };
            if self.is_full(core) {
                return Used { bytes: used, stalled: true };
            }
            self.line(core, services, &bytes[used..used + length]);
            used += length + 1;
        }
        if self.reading && bytes.len() - used > LONGEST {
            self.timed_out(core, services);
        }
        Used { bytes: if self.reading { used } else { bytes.len() }, stalled: false }
    }

    pub(crate) fn end_of_input(&mut self, core: &mut Core, services: &mut Services) {
        self.tell_left(core, services);
    }

    /// What came is no line, or not all of one.
    pub(crate) fn timed_out(&mut self, core: &mut Core, services: &mut Services) {
        if !std::mem::replace(&mut self.reading, false) {
            return;
        }
        Self::frame(core, services, self.count, '!', b"");
    }

    pub(crate) fn discards(&self) -> bool {
        !self.reading
    }

    pub(crate) fn discarded(&mut self, _bytes: usize) {}

    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        !self.reading || !self.is_full(core)
    }

    pub(crate) fn phase(&self, core: &Core) -> Phase {
        if self.ending().is_some() {
            Phase::Write
        } else if !self.open.is_empty() || core.stalled || !self.reading {
            Phase::Busy
        } else if !core.input.is_empty() {
            Phase::Head
        } else if self.count > 0 {
            Phase::Idle
        } else {
            Phase::Fresh
        }
    }

    pub(crate) fn is_quiet(&self, _: &Core) -> bool {
        // What is left of a line when the client has gone is no exchange.
        self.open.is_empty()
    }

    pub(crate) fn receiving(&self, core: &Core) -> Option<u32> {
        (!core.input.is_empty()).then_some(self.count)
    }

    pub(crate) fn in_body(&self) -> bool {
        false
    }

    pub(crate) fn streams(&self) -> bool {
        self.open.iter().any(|(_, open)| open.unacknowledged.is_some())
    }

    pub(crate) fn is_at_lane(&self) -> bool {
        self.open.iter().any(|(_, open)| open.entry.lane.has_it())
    }

    pub(crate) fn has_lane(&self) -> bool {
        self.is_at_lane()
    }

    pub(crate) fn expects(&self, stream: u32) -> bool {
        self.place(stream).is_some_and(|place| self.open[place].entry.lane.has_it())
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        let over = !self.reading && self.open.is_empty();
        over.then_some(Ending { reset: false, linger: true })
    }

    pub(crate) fn must_reset(&self, _: bool) -> bool {
        false
    }

    pub(crate) fn answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        answer: Answer,
    ) {
        match &answer {
            Answer::Task(task) if task.outcome == Outcome::Answered => {
                let Body::Bytes(bytes) = task.response.content() else { unreachable!() };
                let bytes = bytes.clone();
                self.finish_with(core, services, stream, ':', &bytes);
            }
            _ => self.finish_with(core, services, stream, '!', b""),
        }
        services.recycle_answer(answer);
    }

    pub(crate) fn respond(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        mut task: Box<Task>,
    ) {
        let stream = task.id.stream;
        if let Some(place) = self.place(stream) {
            self.open[place].is_away = false;
        }
        if !task.streams() {
            self.answer(core, services, stream, Answer::Task(task));
            return;
        }
        let early = task.response.stream_body().map(|body| body.early.clone()).unwrap_or_default();
        if let Some(place) = self.place(stream) {
            // The stream counts in its place.
            task.at_handler = false;
            self.open[place].unacknowledged = Some(0);
        }
        services.recycle(task);
        self.piece(core, services, stream, &early);
    }

    pub(crate) fn chunk(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        data: Vec<u8>,
    ) {
        self.piece(core, services, stream, &data);
        drop(data);
    }

    fn piece(&mut self, core: &mut Core, services: &mut Services, stream: u32, data: &[u8]) {
        let Some(place) = self.place(stream) else { return };
        let open = &mut self.open[place];
        *open.unacknowledged.get_or_insert(0) += data.len();
        let (number, observed) = (open.number, open.observed);
        Self::frame(core, services, number, '+', data);
        if let (Some(observer), Some(key)) = (&mut services.observer, observed) {
            observer.answer_apart(key, (0, 200));
            observer.body_apart(key, data.len());
        }
    }

    pub(crate) fn end(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        self.finish_with(core, services, stream, '.', b"");
    }

    pub(crate) fn break_off(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        self.finish_with(core, services, stream, '!', b"");
    }

    pub(crate) fn answer_late(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        services.counters.handlers_timed_out.add(1);
        self.break_off(core, services, stream);
        services.mark_dirty(core);
    }

    pub(crate) fn refuse(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        services.end_deadline(core.id.slot, stream);
        self.break_off(core, services, stream);
        services.mark_dirty(core);
    }

    pub(crate) fn pulled(&mut self, _: &mut Core, _: &mut Services, _stream: u32, _bytes: usize) {}

    pub(crate) fn collect(&mut self, _stream: u32, _memory: Option<Box<dyn LentMemory>>) {}

    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        if core.out.len() > HIGH_WATER / 4 {
            return;
        }
        for (place, open) in &mut self.open {
            if let Some(bytes) = open.unacknowledged.as_mut().filter(|bytes| **bytes > 0) {
                let id = services.id(core, stream_of(place, open.number));
                services.lanes.tell(&mut open.link, LaneEvent::Ack(id, std::mem::take(bytes)));
            }
        }
    }

    pub(crate) fn lane_died(&mut self, core: &mut Core, services: &mut Services, index: usize) {
        let is_there = |open: &Open| usize::from(open.link.place) == index;
        let at_lane =
            self.open.iter().filter(|(_, open)| open.entry.lane.has_it() && is_there(open));
        let streams: Vec<u32> = at_lane.map(|(at, open)| stream_of(at, open.number)).collect();
        for stream in streams {
            self.refuse(core, services, stream);
        }
    }

    pub(crate) fn tell_left(&mut self, core: &mut Core, services: &mut Services) {
        for (place, open) in &mut self.open {
            if open.entry.lane == AtLane::Given {
                open.entry.lane = AtLane::ToldLeft;
                let id = services.id(core, stream_of(place, open.number));
                services.lanes.tell(&mut open.link, LaneEvent::HalfClosed(id));
            }
        }
    }

    pub(crate) fn drain(&mut self, _: &mut Core, _: &mut Services) -> bool {
        self.reading = false;
        true
    }

    pub(crate) fn finish(&mut self, _: &mut Services) {
        self.reading = false;
    }

    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        for (place, mut open) in std::mem::take(&mut self.open) {
            if open.unacknowledged.is_some() {
                services.left_handlers();
            }
            if open.entry.lane.has_it() {
                let id = services.id(core, stream_of(place, open.number));
                services.lanes.tell(&mut open.link, LaneEvent::Gone(id));
            }
            services.lanes.gone(&mut open.link, open.entry.lane.has_it());
        }
        services.lanes.gone(&mut core.lane, false);
    }
}
