//! The protocol that a connection speaks, and the methods that every protocol has.
//!
//! The loop and its timers see only these methods. None of them looks a connection up: each gets
//! the connection's [`Core`] and the loop's [`Services`] side by side.

mod sockets;

use std::io;

use reactor_proto::{Opening, opening};

use crate::conn::core::{Core, Ending, Used};
use crate::conn::timer::Phase;
use crate::dispatch::lane::side::LaneLink;
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, ServerAnswer, WrongProtocol};
use crate::exchange::fields::FieldList;
use crate::exchange::loan::{BodyRoom, LentMemory};
use crate::exchange::switch::NextProtocol;
use crate::exchange::task::Task;
use crate::http1::machine::Http1;
use crate::http2::machine::Http2;
use crate::observe::close_reason::CloseReason;
use crate::pipe::Pipe;
use crate::websocket::socket::WebSocket;

/// The state machine of a connection. Its methods are all that the loop knows of a
/// protocol. `stream` numbers the exchanges of a connection.
pub(crate) enum Protocol {
    /// Nothing yet: the header of the PROXY protocol comes first, or may come.
    Greeting {
        required: bool,
    },
    /// Nothing yet: its first bytes tell.
    Sniff,
    Http1(Http1),
    /// Bytes between the client and a lane.
    Pipe(Pipe),
    WebSocket(Box<WebSocket>),
    Http2(Box<Http2>),
    /// Echoes lines, in any order; for tests of this contract.
    #[cfg(test)]
    Lines(crate::sim::lines::Lines),
}

/// Calls the method of the connection's protocol. Before the first bytes it is `$nothing`.
macro_rules! call {
    ($self:expr, $nothing:expr, $protocol:ident => $call:expr) => {
        // First, and by itself: a jump table for all of them costs HTTP/1 some percent.
        if let Protocol::Http1($protocol) = $self {
            $call
        } else {
            match $self {
                Protocol::Http2($protocol) => $call,
                Protocol::Pipe($protocol) => $call,
                Protocol::WebSocket($protocol) => $call,
                Protocol::Greeting { .. } | Protocol::Sniff | Protocol::Http1(_) => $nothing,
                #[cfg(test)]
                Protocol::Lines($protocol) => $call,
            }
        }
    };
}

impl Protocol {
    /// Takes input. It begins with what the last call left unused.
    #[inline]
    pub(crate) fn input(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        bytes: &mut [u8],
    ) -> Used {
        if let Self::Sniff = self {
            return self.sniff(core, services, bytes);
        }
        call!(self, Used { bytes: 0, stalled: false }, p => p.input(core, services, bytes))
    }

    /// Chooses the protocol that the first bytes belong to.
    fn sniff(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) -> Used {
        if services.agreed_on_http2(core) {
            return self.http2(services).input(core, services, bytes);
        }
        let wrong = match opening(bytes) {
            Opening::Incomplete => return Used { bytes: 0, stalled: false },
            Opening::Http1 if services.takes_http1(core) => {
                return self.http1().input(core, services, bytes);
            }
            Opening::Http1 => WrongProtocol::Http1,
            Opening::Http2 if services.takes_http2(core) => {
                return self.http2(services).input(core, services, bytes);
            }
            Opening::Http2 => WrongProtocol::Http2,
            Opening::Tls => WrongProtocol::Tls,
            Opening::Proxy => WrongProtocol::Proxy,
        };
        let answer = ServerAnswer::WrongProtocol(wrong);
        // The answer is HTTP/1: a person who looks at the bytes can read it.
        self.http1().fail(core, services, answer, CloseReason::Rejected, bytes);
        Used { bytes: bytes.len(), stalled: false }
    }

    fn http2(&mut self, services: &mut Services) -> &mut Http2 {
        services.counters.http2.opened.add(1);
        *self = Self::Http2(Box::new(Http2::new()));
        match self {
            Self::Http2(http2) => http2,
            _ => unreachable!("it was set in the line above"),
        }
    }

    /// Makes it HTTP/1. So it is also where the server must answer before the first bytes tell.
    fn http1(&mut self) -> &mut Http1 {
        *self = Self::Http1(Http1::default());
        match self {
            Self::Http1(http1) => http1,
            _ => unreachable!("it was set in the line above"),
        }
    }

    /// The peer has sent its last byte.
    pub(crate) fn end_of_input(&mut self, core: &mut Core, services: &mut Services) {
        if matches!(self, Self::Sniff) && has_begun(core) {
            self.http1();
        }
        call!(self, (), p => p.end_of_input(core, services));
    }

    /// The client did not send what it had to in time.
    pub(crate) fn timed_out(&mut self, core: &mut Core, services: &mut Services) {
        if matches!(self, Self::Sniff) {
            self.http1();
        }
        call!(self, (), p => p.timed_out(core, services));
    }

    /// Whether the protocol uses no further input. The loop may still read it, to see whether the
    /// peer leaves.
    #[inline]
    pub(crate) fn discards(&self) -> bool {
        match self {
            Self::Greeting { .. } | Self::Sniff => false,
            Self::Http1(http1) => http1.reading.is_done(),
            Self::Pipe(pipe) => pipe.discards(),
            Self::WebSocket(socket) => socket.discards(),
            Self::Http2(http2) => http2.discards(),
            #[cfg(test)]
            Self::Lines(lines) => lines.discards(),
        }
    }

    /// The loop has read this many bytes, which it throws away.
    pub(crate) fn discarded(&mut self, bytes: usize) {
        call!(self, (), p => p.discarded(bytes));
    }

    /// Whether it has room for more input.
    // Each read asks twice. Left to itself, the compiler makes a call of it.
    #[inline(always)]
    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        call!(self, !self.is_greeting(), p => p.wants_input(core))
    }

    /// What the connection waits for when there is no output.
    #[inline]
    pub(crate) fn phase(&self, core: &Core) -> Phase {
        call!(self, self.opening_phase(core), p => p.phase(core))
    }

    /// What it waits for before its first bytes have told the protocol.
    fn opening_phase(&self, core: &Core) -> Phase {
        match has_begun(core) {
            _ if self.is_greeting() => Phase::Greeting,
            true => Phase::Head,
            false => Phase::Fresh,
        }
    }

    /// Whether the header of the PROXY protocol is awaited.
    #[inline]
    pub(crate) fn is_greeting(&self) -> bool {
        matches!(self, Self::Greeting { .. })
    }

    /// Whether nothing but output is under way.
    pub(crate) fn is_quiet(&self, core: &Core) -> bool {
        call!(self, !has_begun(core), p => p.is_quiet(core))
    }

    /// The exchange whose request is coming in.
    pub(crate) fn receiving(&self, core: &Core) -> Option<u32> {
        call!(self, (!self.is_greeting()).then_some(0), p => p.receiving(core))
    }

    /// Whether the body of a request is coming in.
    pub(crate) fn in_body(&self) -> bool {
        call!(self, false, p => p.in_body())
    }

    /// Whether a streaming response is being sent.
    pub(crate) fn streams(&self) -> bool {
        call!(self, false, p => p.streams())
    }

    /// Whether a lane has been given an exchange and is not done with it.
    pub(crate) fn is_at_lane(&self) -> bool {
        call!(self, false, p => p.is_at_lane())
    }

    /// The tie of an exchange to its lane. None if the exchange has gone, and had one of its own.
    pub(crate) fn link<'a>(
        &'a mut self,
        core: &'a mut Core,
        stream: u32,
    ) -> Option<&'a mut LaneLink> {
        match self {
            Self::Http2(http2) => http2.link(core, stream),
            #[cfg(test)]
            Self::Lines(lines) => lines.link(core, stream),
            // The others' connections have one link.
            _ => Some(&mut core.lane),
        }
    }

    /// Whether the lane in this place has some of the connection's exchanges, or will be given one.
    pub(crate) fn uses_lane(&self, core: &Core, index: usize) -> bool {
        match self {
            Self::Http2(http2) => http2.uses_lane(index),
            #[cfg(test)]
            Self::Lines(lines) => lines.uses_lane(index),
            _ => usize::from(core.lane.place) == index && self.has_lane(),
        }
    }

    /// Whether a lane has some of the connection's exchanges, or will be given one.
    pub(crate) fn has_lane(&self) -> bool {
        call!(self, false, p => p.has_lane())
    }

    /// Whether a lane's reply to this exchange is taken.
    pub(crate) fn expects(&self, stream: u32) -> bool {
        call!(self, false, p => p.expects(stream))
    }

    /// Whether an answer to this exchange is written as soon as it comes.
    pub(crate) fn is_in_turn(&self, stream: u32) -> bool {
        match self {
            Self::Greeting { .. } | Self::Sniff => false,
            Self::Http1(http1) => http1.is_in_turn(stream),
            Self::Pipe(_) | Self::WebSocket(_) | Self::Http2(_) => false,
            #[cfg(test)]
            Self::Lines(_) => false,
        }
    }

    /// How the connection is to end once its output is sent. None if it goes on.
    #[inline]
    pub(crate) fn ending(&self) -> Option<Ending> {
        call!(self, None, p => p.ending())
    }

    /// Why the connection ends, if the protocol knows.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        match self {
            Self::Greeting { .. } | Self::Sniff | Self::Pipe(_) => None,
            Self::WebSocket(socket) => socket.reason(),
            Self::Http2(http2) => http2.reason,
            Self::Http1(http1) => http1.reason,
            #[cfg(test)]
            Self::Lines(_) => None,
        }
    }

    /// Whether, after an orderly end, the peer would take a part of an answer for the whole.
    pub(crate) fn must_reset(&self, has_output: bool) -> bool {
        call!(self, false, p => p.must_reset(has_output))
    }

    /// A worker's answer, or the server's own, has come.
    pub(crate) fn answer(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        answer: Answer,
    ) {
        call!(self, services.recycle_answer(answer), p => p.answer(core, services, stream, answer));
    }

    /// The lane's response has come: all of it, or the beginning of one that streams.
    pub(crate) fn respond(&mut self, core: &mut Core, services: &mut Services, task: Box<Task>) {
        call!(self, services.recycle(task), p => p.respond(core, services, task));
    }

    /// The next bytes of a streaming response have come.
    pub(crate) fn chunk(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        data: Vec<u8>,
    ) {
        call!(self, (), p => p.chunk(core, services, stream, data));
    }

    /// A streaming response is complete.
    pub(crate) fn end(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        call!(self, (), p => p.end(core, services, stream));
    }

    /// The trailers of a streaming response, whose end follows.
    #[inline(never)]
    pub(crate) fn trailers(&mut self, stream: u32, trailers: FieldList) {
        match self {
            Self::Http1(http1) => http1.trailers(stream, trailers),
            Self::Http2(http2) => http2.trailers(stream, trailers),
            #[cfg(test)]
            Self::Lines(_) => {}
            // Their bytes have no such end.
            Self::Greeting { .. } | Self::Sniff | Self::Pipe(_) | Self::WebSocket(_) => {}
        }
    }

    /// An informational answer of a handler. No-op once its response has begun.
    #[inline(never)]
    pub(crate) fn inform(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        status: u16,
        fields: &FieldList,
    ) {
        match self {
            Self::Http1(http1) => http1.inform(core, services, stream, status, fields),
            Self::Http2(http2) => http2.inform(core, services, stream, status, fields),
            #[cfg(test)]
            Self::Lines(_) => {}
            Self::Greeting { .. } | Self::Sniff | Self::Pipe(_) | Self::WebSocket(_) => {}
        }
    }

    /// An exchange gets no answer, or cannot be completed.
    pub(crate) fn break_off(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        call!(self, (), p => p.break_off(core, services, stream));
    }

    /// A handler took too long: the server answers in its place.
    pub(crate) fn answer_late(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        call!(self, (), p => p.answer_late(core, services, stream));
    }

    /// The lane does not take an exchange that was meant for it.
    pub(crate) fn refuse(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        call!(self, (), p => p.refuse(core, services, stream));
    }

    /// The handler has taken this many bytes of a request's body.
    pub(crate) fn pulled(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        bytes: usize,
    ) {
        call!(self, (), p => p.pulled(core, services, stream, bytes));
    }

    /// The handler wants the rest of a request's body in one piece.
    pub(crate) fn collect(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        memory: Option<Box<dyn LentMemory>>,
    ) {
        match self {
            Self::Http1(http1) => http1.collect(stream, memory),
            Self::Http2(http2) => http2.collect(core, services, stream, memory),
            #[cfg(test)]
            Self::Lines(lines) => lines.collect(stream, memory),
            // Its bytes have no end that could be waited for.
            Self::Greeting { .. } | Self::Sniff | Self::Pipe(_) | Self::WebSocket(_) => {}
        }
    }

    /// Where the next bytes of the input belong, and how many may be read into it. None if they are
    /// to come through [`input`](Self::input).
    #[inline]
    pub(crate) fn room<'a>(&'a mut self, services: &'a mut Services) -> Option<BodyRoom<'a>> {
        match self {
            Self::Http1(http1) if http1.reading.in_body() => http1.room(services),
            _ => None,
        }
    }

    /// This many bytes have been read into the [`room`](Self::room).
    pub(crate) fn filled(&mut self, core: &mut Core, services: &mut Services, bytes: usize) {
        if let Self::Http1(http1) = self {
            http1.filled(core, services, bytes);
        }
    }

    /// Output has been sent: streams may get credit for more.
    #[inline]
    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        call!(self, (), p => p.acknowledge(core, services));
    }

    /// The lane in this place is gone, and answers nothing of what it had. Called if the connection
    /// [uses](Self::uses_lane) it.
    pub(crate) fn lane_died(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        index: usize,
        was_retired: bool,
    ) {
        match self {
            Self::Greeting { .. } | Self::Sniff => {}
            Self::Http1(http1) => http1.lane_died(core, services, was_retired),
            Self::Pipe(pipe) => pipe.lane_died(core, services),
            Self::WebSocket(socket) => socket.lane_died(core, services),
            Self::Http2(http2) => http2.lane_died(core, services, index, was_retired),
            #[cfg(test)]
            Self::Lines(lines) => lines.lane_died(core, services, index),
        }
    }

    /// The request of an exchange has come back from its lane without an answer that counts.
    ///
    /// Each request that was [handed over](Services::hand_over) comes back once, with
    /// [`respond`](Self::respond) or with this. It comes behind the verb that its return brings, and
    /// alone where the exchange was over before. So a protocol can hold an exchange's place until
    /// its handler has returned. It may only note this and mark the connection dirty.
    pub(crate) fn returned(&mut self, core: &mut Core, services: &mut Services, stream: u32) {
        match self {
            Self::Http2(http2) => http2.returned(core, services, stream),
            #[cfg(test)]
            Self::Lines(lines) => lines.returned(core, services, stream),
            _ => {}
        }
    }

    /// The client has sent its last byte. Tells the lane, for each exchange that it was not told
    /// of.
    pub(crate) fn tell_left(&mut self, core: &mut Core, services: &mut Services) {
        call!(self, (), p => p.tell_left(core, services));
    }

    /// A program wants the connection to end after what is under way.
    pub(crate) fn finish(&mut self, core: &mut Core, services: &mut Services) {
        match self {
            // No lane knows of it yet.
            Self::Greeting { .. } => {}
            Self::Sniff => self.http1().finish(services),
            Self::Http1(http1) => http1.finish(services),
            Self::Pipe(pipe) => pipe.finish(services),
            Self::WebSocket(socket) => socket.finish(core, services),
            Self::Http2(http2) => http2.finish(core, services),
            #[cfg(test)]
            Self::Lines(lines) => lines.finish(services),
        }
    }

    /// The server stops soon, and goes on meanwhile. Other protocols than HTTP/2 have nothing to say
    /// before their next answer. Returns whether the connection has something to do for it now.
    pub(crate) fn lame_duck(&mut self, core: &mut Core, services: &mut Services) -> bool {
        match self {
            Self::Http2(http2) => http2.lame_duck(core, services),
            _ => false,
        }
    }

    /// The server stops: what is open is finished and nothing new begun, as far as the protocol can
    /// tell its peer so. Returns whether the connection has something to do for it now.
    pub(crate) fn drain(&mut self, core: &mut Core, services: &mut Services) -> bool {
        call!(self, false, p => p.drain(core, services))
    }

    /// The protocol that the connection goes on with, once an answer has switched to it.
    #[inline]
    pub(crate) fn take_next_protocol(&mut self) -> Option<NextProtocol> {
        match self {
            Self::Http1(http1) => http1.writing.take_next_protocol(),
            _ => None,
        }
    }

    /// The beginning of a protocol that an answer has switched to.
    pub(crate) fn begin(next: NextProtocol, services: &Services) -> Self {
        match next {
            NextProtocol::WebSocket(opening) => {
                Self::WebSocket(Box::new(WebSocket::new(*opening, services)))
            }
            NextProtocol::Pipe { stream } => Self::Pipe(Pipe::new(stream)),
            #[cfg(test)]
            NextProtocol::Lines => Self::Lines(crate::sim::lines::Lines::new()),
        }
    }

    /// Whether the end of the output is to be sent, now that all of it is, while input goes on.
    #[inline]
    pub(crate) fn ends_output(&mut self) -> bool {
        match self {
            Self::Pipe(pipe) => pipe.ends_output(),
            _ => false,
        }
    }

    /// When the connection must do something by itself, while it is in [`Phase::Open`].
    pub(crate) fn deadline(&mut self, core: &Core, now: Millis) -> Option<Millis> {
        match self {
            Self::WebSocket(socket) => socket.deadline(core, now),
            Self::Http2(http2) => http2.deadline(),
            _ => None,
        }
    }

    /// Says to an idle client that the connection ends. False if the protocol has no words for that,
    /// or has said so before.
    pub(crate) fn say_farewell(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        reason: CloseReason,
    ) -> bool {
        match self {
            Self::Http2(http2) => http2.say_farewell(core, services, reason),
            _ => false,
        }
    }

    /// A program wants an exchange to end now. False if the connection must end with it.
    pub(crate) fn cut(&mut self, core: &mut Core, services: &mut Services, stream: u32) -> bool {
        match self {
            Self::Http2(http2) => http2.cut(core, services, stream),
            _ => false,
        }
    }

    /// A worker has read the next bytes of a file that a stream sends, or could not.
    pub(crate) fn file_was_read(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        result: io::Result<Vec<u8>>,
        warm_to: u64,
    ) {
        if let Self::Http2(http2) = self {
            http2.file_was_read(core, services, stream, result, warm_to);
        }
    }

    /// Whether an answer has told the client for how long the connection is kept.
    pub(crate) fn told_timeout(&self) -> bool {
        matches!(self, Self::Http1(http1) if http1.told_timeout)
    }

    /// The connection is gone: gives back what the protocol has.
    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        call!(self, services.lanes.gone(&mut core.lane, false), p => p.closed(core, services));
    }
}

/// Whether the client has begun to say something. Blank lines do not count.
fn has_begun(core: &Core) -> bool {
    core.input.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
}
