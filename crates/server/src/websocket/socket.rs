//! The state of one WebSocket.
//!
//! Frames, pings, idle time and the close handshake are the loop's own, so they go on while the
//! lane's thread is blocked. The lane gets whole messages. It has a window of bytes that it was told
//! of and has not taken, as uploads have; beyond that the loop reads no further.

use std::sync::Arc;
use std::time::Duration;

use reactor_proto::ws::{self, Agreed, Assembler, Decoder, Deflater, Inflater, Role, code};

use crate::conn::core::{Core, Ending, HIGH_WATER};
use crate::conn::timer::Phase;
use crate::dispatch::lane::event::{LaneEvent, SocketEnd};
use crate::dispatch::topics::{Publication, Topic};
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body_memory::window;
use crate::exchange::id::ExchangeId;
use crate::exchange::socket::{Opening, SocketSettings};
use crate::exchange::task::Task;
use crate::observe::access_log::SocketMessages;
use crate::observe::close_reason::CloseReason;

/// A connection that speaks WebSocket.
pub(crate) struct WebSocket {
    pub(super) stream: u32,
    pub(super) state: State,
    /// The lane has not been told that it is over, nor said so.
    pub(super) at_lane: bool,
    /// The lane has got a message.
    pub(super) has_told: bool,
    /// The lane wants no messages for now.
    pub(super) is_paused: bool,
    /// A ping has gone out, and nothing has come since.
    pub(super) is_pinged: bool,
    /// The lane knows that output waits.
    pub(super) is_congested: bool,
    /// Uploads of all connections filled their memory when that last mattered to this one.
    is_short: bool,
    pub(super) decoder: Decoder,
    pub(super) assembler: Assembler,
    pub(super) settings: Arc<SocketSettings>,
    pub(super) agreed: Option<Agreed>,
    /// Its own compressors, if they were agreed on and used.
    pub(super) inflater: Option<Box<Inflater>>,
    pub(super) deflater: Option<Box<Deflater>>,
    /// Bytes that the lane has been told of and has not taken,
    pub(super) untaken: usize,
    /// and those of them that count in the loop's memory.
    counted: usize,
    /// Bytes of a message that is not complete.
    pub(super) kept: usize,
    /// Bytes of the lane that it does not know to be sent.
    pub(super) unsent: usize,
    /// Messages that have come and gone.
    pub(super) messages: SocketMessages,
    /// When something last came.
    pub(super) heard: Millis,
    /// When the incomplete message began, or when the close frame was sent.
    pub(super) since: Millis,
    /// When its client is asked to come back, to the server's successor.
    leaves_at: Millis,
    /// How it ends, as the lane is told. None: broken off.
    pub(super) end: Option<Box<End>>,
    pub(super) topics: Vec<Arc<Topic>>,
    /// What is published of topics of which only the latest counts, until there is room.
    pub(super) latest: Vec<Arc<Publication>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// The client has sent its last message. What the lane answers to those before is to come, then
    /// our close frame.
    Answering,
    /// One lane has handed it over, and another is to take it. Nothing is read meanwhile.
    Moving,
    /// Our close frame is in the output. The client's is to come.
    Closing,
    /// The connection ends when all is sent.
    Done,
}

/// How a socket has ended.
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) is_clean: bool,
    pub(super) why: CloseReason,
}

/// The reason for a client that may come back at once.
const COME_BACK: &str = "the server starts again";

/// How long a socket waits for the lane that is to take it.
const MOST_MOVING: Duration = Duration::from_secs(10);

/// How long the lane has for its answers to the last messages.
const MOST_ANSWERING: Duration = Duration::from_secs(1);

/// Memory that each socket may have at its lane without counting. A lane says in steps of half of it
/// what it has taken.
const FREE: usize = 8 * 1024;

impl WebSocket {
    #[inline(never)]
    pub(crate) fn new(opening: Opening, services: &Services) -> Self {
        services.counters.sockets.opened.add(1);
        let Opening { stream, settings, agreed } = opening;
        let now = services.clock.millis();
        Self {
            stream,
            state: State::Open,
            at_lane: true,
            has_told: false,
            is_paused: false,
            is_pinged: false,
            is_congested: false,
            is_short: false,
            decoder: Decoder::new(Role::Server, agreed.is_some()),
            assembler: Assembler::default(),
            settings,
            agreed,
            inflater: None,
            deflater: None,
            untaken: 0,
            counted: 0,
            kept: 0,
            unsent: 0,
            messages: SocketMessages::default(),
            heard: now,
            since: now,
            leaves_at: Millis::MAX,
            end: None,
            topics: Vec::new(),
            latest: Vec::new(),
        }
    }

    pub(super) fn id(&self, core: &Core, services: &Services) -> ExchangeId {
        services.id(core, self.stream)
    }

    /// Whether nothing more is read for now.
    pub(super) fn is_full(&self, core: &Core) -> bool {
        self.is_paused
            || self.state == State::Moving
            || self.untaken >= window(self.is_short)
            || core.lane.held_back > 0
            || core.out.len() > HIGH_WATER
    }

    /// The lane is told of so many bytes.
    pub(super) fn count(&mut self, services: &mut Services, bytes: usize) {
        self.untaken += bytes;
        self.recount(services);
    }

    pub(super) fn recount(&mut self, services: &mut Services) {
        let counts = self.untaken.saturating_sub(FREE);
        let memory = &mut services.memory;
        memory.streamed = memory.streamed + counts - self.counted;
        self.counted = counts;
        self.is_short = memory.is_short();
    }

    /// The message that was coming in is complete, or never will be.
    pub(super) fn forget_kept(&mut self, services: &mut Services) {
        services.memory.taken((0, std::mem::take(&mut self.kept)));
    }

    /// Ends the socket when all is sent. The first reason counts.
    pub(super) fn end_with(&mut self, services: &mut Services, end: End) {
        self.end.get_or_insert_with(|| Box::new(end));
        self.state = State::Done;
        self.forget_kept(services);
        self.assembler.clear();
        self.latest = Vec::new();
    }

    /// Tells the client why it goes no further, and ends the socket.
    pub(super) fn fail(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        code: u16,
        reason: &str,
        why: CloseReason,
    ) {
        self.say_close(core, services, Some(code), reason);
        self.end_with(services, End { code, reason: reason.to_owned(), is_clean: false, why });
    }

    /// The client sends no more: it has closed, or broken the rules. The lane's answers to what it sent
    /// before go first.
    pub(super) fn ends(&mut self, core: &mut Core, services: &mut Services, end: End) {
        let before = self.state;
        self.end_with(services, end);
        if before == State::Open && self.at_lane && self.has_told {
            self.state = State::Answering;
            self.since = services.clock.millis();
            let id = self.id(core, services);
            services.lanes.tell(&mut core.lane, LaneEvent::SocketEnds(id));
        } else {
            self.state = before;
            self.take_leave(core, services);
        }
    }

    /// Says to the client how it ends.
    pub(super) fn take_leave(&mut self, core: &mut Core, services: &mut Services) {
        let Some(end) = self.end.take() else { return };
        if end.is_clean {
            // RFC 6455 section 5.5.1: the answer usually has the same code.
            let code = (end.code != code::NONE).then_some(end.code);
            self.say_close(core, services, code, "");
        } else {
            self.say_close(core, services, Some(end.code), &end.reason);
        }
        self.end = Some(end);
        self.state = State::Done;
    }

    /// The lane has answered, or takes too long.
    pub(super) fn answered(&mut self, core: &mut Core, services: &mut Services) {
        if self.state == State::Answering {
            self.take_leave(core, services);
        }
    }

    pub(super) fn say_close(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        code: Option<u16>,
        reason: &str,
    ) {
        if self.sends() {
            core.out.lend(&mut services.buffers);
            ws::close(core.out.buf(), code, reason);
        }
    }
}

/// What it tells.
impl WebSocket {
    /// How many messages it has had.
    pub(crate) fn messages(&self) -> SocketMessages {
        self.messages
    }

    /// Whether messages go to the client.
    pub(super) fn sends(&self) -> bool {
        matches!(self.state, State::Open | State::Answering | State::Moving)
    }

    pub(super) fn count_sent(&mut self, services: &Services, messages: u64) {
        self.messages.sent += messages;
        services.counters.sockets.messages_out.add(messages);
    }
}

/// What connections ask of it.
impl WebSocket {
    #[inline(never)]
    pub(crate) fn end_of_input(&mut self, _: &mut Core, services: &mut Services) {
        if !matches!(self.state, State::Done | State::Answering) {
            self.break_off_now(services);
        }
    }

    fn break_off_now(&mut self, services: &mut Services) {
        let (code, reason, why) = (code::ABNORMAL, String::new(), CloseReason::Aborted);
        self.end_with(services, End { code, reason, is_clean: false, why });
    }

    pub(crate) fn discards(&self) -> bool {
        matches!(self.state, State::Done | State::Answering)
    }

    pub(crate) fn discarded(&self, _bytes: usize) {}

    #[inline(never)]
    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        self.discards() || !self.is_full(core)
    }

    #[inline(never)]
    pub(crate) fn phase(&self, _: &Core) -> Phase {
        if self.state == State::Done { Phase::Write } else { Phase::Open }
    }

    /// When it must do something by itself.
    #[inline(never)]
    pub(crate) fn deadline(&mut self, core: &Core, now: Millis) -> Option<Millis> {
        let after = |since: Millis, span: Duration| {
            since.saturating_add(Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX))
        };
        match self.state {
            State::Closing => return Some(after(self.since, self.settings.close_timeout)),
            State::Moving => return Some(after(self.since, MOST_MOVING)),
            State::Answering => return Some(after(self.since, MOST_ANSWERING)),
            State::Open | State::Done => {}
        }
        if self.is_full(core) {
            // Nothing can be heard now.
            self.heard = now;
        }
        let idle = self.settings.idle.map(|idle| {
            let pings = self.settings.sends_pings && !self.is_pinged;
            after(self.heard, if pings { idle / 2 } else { idle })
        });
        let leaves = (self.leaves_at != Millis::MAX).then_some(self.leaves_at);
        let own = idle.into_iter().chain(leaves).min();
        if self.decoder.is_between_messages() || self.is_full(core) {
            return own;
        }
        let message = after(self.since, self.settings.message_timeout);
        Some(own.map_or(message, |own| own.min(message)))
    }

    /// One of its deadlines has come.
    #[inline(never)]
    pub(crate) fn timed_out(&mut self, core: &mut Core, services: &mut Services) {
        let now = services.clock.millis();
        if self.state == State::Done || self.deadline(core, now).is_none_or(|at| now < at) {
            return;
        }
        if self.state == State::Closing {
            return self.break_off_now(services);
        }
        if self.state == State::Answering {
            return self.answered(core, services);
        }
        if self.state == State::Moving {
            return self.leave_lane(core, services);
        }
        if now >= self.leaves_at {
            self.leaves_at = Millis::MAX;
            return self.close(core, services, Some(code::RESTART), COME_BACK);
        }
        let settings = Arc::clone(&self.settings);
        let late = |since: Millis, span: Duration| {
            u128::from(now.saturating_sub(since)) >= span.as_millis()
        };
        if !self.decoder.is_between_messages() && late(self.since, settings.message_timeout) {
            let reason = "a message took too long";
            return self.fail(core, services, code::POLICY, reason, CloseReason::RequestTimeout);
        }
        let Some(idle) = settings.idle else { return };
        if settings.sends_pings && !self.is_pinged && !late(self.heard, idle) {
            self.is_pinged = true;
            core.out.lend(&mut services.buffers);
            ws::Frame::PING.write(core.out.buf(), b"");
            return;
        }
        self.say_close(core, services, Some(code::GOING_AWAY), "idle for too long");
        let (code, reason) = (code::ABNORMAL, "idle for too long".to_owned());
        self.end_with(services, End { code, reason, is_clean: false, why: CloseReason::Idle });
    }

    pub(crate) fn is_quiet(&self, _: &Core) -> bool {
        self.state == State::Done
    }

    pub(crate) fn receiving(&self, _: &Core) -> Option<u32> {
        None
    }

    /// Whether more of a message is to come, which may be long.
    pub(crate) fn in_body(&self) -> bool {
        !self.decoder.is_between_messages()
    }

    pub(crate) fn streams(&self) -> bool {
        true
    }

    pub(crate) fn is_at_lane(&self) -> bool {
        self.at_lane
    }

    pub(crate) fn has_lane(&self) -> bool {
        self.at_lane
    }

    pub(crate) fn expects(&self, stream: u32) -> bool {
        // Until the other lane has it, the one before may say its last words.
        (self.at_lane || self.state == State::Moving) && stream == self.stream
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        (self.state == State::Done).then_some(Ending { reset: false, linger: true })
    }

    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.end.as_ref().map(|end| end.why)
    }

    pub(crate) fn must_reset(&self, _has_output: bool) -> bool {
        false
    }

    /// No worker has it, and the server itself says nothing.
    pub(crate) fn answer(&self, _: &Core, services: &mut Services, _: u32, answer: Answer) {
        services.recycle_answer(answer);
    }

    /// The lane has answered already.
    pub(crate) fn respond(&self, _: &Core, services: &mut Services, task: Box<Task>) {
        services.recycle(task);
    }

    /// Its messages come by other replies.
    pub(crate) fn chunk(&mut self, _: &Core, _: &mut Services, _: u32, _: Vec<u8>) {}

    pub(crate) fn end(&mut self, core: &mut Core, services: &mut Services, _: u32) {
        self.close(core, services, Some(code::NORMAL), "");
    }

    pub(crate) fn break_off(&mut self, _: &mut Core, services: &mut Services, _: u32) {
        self.break_off_now(services);
    }

    /// It has no deadline.
    pub(crate) fn answer_late(&self, _: &mut Core, _: &mut Services, _: u32) {}

    #[inline(never)]
    pub(crate) fn refuse(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        self.break_off(core, services, stream);
        services.mark_dirty(core);
    }

    pub(crate) fn pulled(
        &mut self,
        _: &mut Core,
        services: &mut Services,
        stream: u32,
        bytes: usize,
    ) {
        if stream == self.stream {
            self.untaken = self.untaken.saturating_sub(bytes);
            self.recount(services);
            self.heard = services.clock.millis();
        }
    }

    /// Its thread is gone: clients may come back, to another.
    #[inline(never)]
    pub(crate) fn lane_died(&mut self, core: &mut Core, services: &mut Services) {
        self.at_lane = false;
        self.leave_lane(core, services);
        services.mark_dirty(core);
    }

    fn leave_lane(&mut self, core: &mut Core, services: &mut Services) {
        self.fail(core, services, code::RESTART, COME_BACK, CloseReason::Stopped);
    }

    /// The lane hears of the client's end when the connection has closed.
    pub(crate) fn tell_left(&self, _: &mut Core, _: &mut Services) {}

    /// The server stops: the client is told. If a successor goes on, clients are asked one after the
    /// other to come back, since all at once would be a rush.
    #[inline(never)]
    pub(crate) fn drain(&mut self, core: &mut Core, services: &mut Services) -> bool {
        if let Some(leaving) = &services.leaving {
            self.leaves_at = leaving.socket_at(core.id, self.stream);
            return true;
        }
        self.close(core, services, Some(code::GOING_AWAY), "the server stops");
        true
    }

    /// The program wants the connection to end.
    #[inline(never)]
    pub(crate) fn finish(&mut self, core: &mut Core, services: &mut Services) {
        self.close(core, services, Some(code::NORMAL), "");
    }

    #[inline(never)]
    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        if self.end.is_none() {
            self.break_off_now(services);
        }
        services.counters.sockets.closed.add(1);
        let had = std::mem::take(&mut self.at_lane);
        self.untaken = 0;
        self.recount(services);
        for topic in std::mem::take(&mut self.topics) {
            services.sockets.leave((core.id, self.stream), &topic, services.settings.io_thread);
        }
        if had && let Some(end) = self.end.take() {
            let id = self.id(core, services);
            let End { code, reason, is_clean, .. } = *end;
            let end = Box::new(SocketEnd { code, reason, is_clean });
            services.lanes.tell(&mut core.lane, LaneEvent::SocketClosed(id, end));
        }
        services.lanes.gone(&mut core.lane, had);
    }
}
