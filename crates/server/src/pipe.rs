//! A connection whose bytes go to a lane as they are, and the lane's to the client.
//!
//! It begins as an exchange of HTTP/1 whose request offers another protocol. The lane takes the
//! connection over with its answer. From then on the client's bytes are the body of that exchange,
//! and the lane's pieces are its answer, without any framing. Both directions have credit, as other
//! bodies do, and either may end before the other.

use crate::conn::core::{Core, Ending, HIGH_WATER, Used};
use crate::conn::out::Out;
use crate::conn::pieces::Content;
use crate::conn::timer::Phase;
use crate::dispatch::lane::event::LaneEvent;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body_memory::window;
use crate::exchange::id::ExchangeId;
use crate::exchange::task::Task;

/// The lane gets credit for more while there is at most this much unsent output. In bytes.
const LOW_WATER: usize = HIGH_WATER / 4;

/// A connection that a lane has taken over.
pub(crate) struct Pipe {
    stream: u32,
    /// The lane has not been told that it is over, nor said so.
    at_lane: bool,
    /// Bytes that the lane has been told of and has not taken.
    untaken: usize,
    /// Bytes of the lane that it has got no credit for.
    unacknowledged: usize,
    /// Uploads of all connections filled their memory when that last mattered to this one. So nothing
    /// more is read while the lane has not taken all that came.
    is_short: bool,
    input: Side,
    output: Side,
}

/// How far one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Open,
    /// The lane has said its last byte, and the client is to be told when all is sent.
    Ending,
    Ended,
    /// The connection is closed when all is sent, whatever the client does.
    Closing,
}

impl Pipe {
    pub(crate) fn new(stream: u32) -> Self {
        Self {
            stream,
            at_lane: true,
            untaken: 0,
            unacknowledged: 0,
            is_short: false,
            input: Side::Open,
            output: Side::Open,
        }
    }

    fn id(&self, core: &Core, services: &Services) -> ExchangeId {
        services.id(core, self.stream)
    }

    fn is_full(&self, core: &Core) -> bool {
        self.untaken >= window(self.is_short) || core.lane.held_back > 0
    }

    /// The lane takes nothing more.
    fn forget_untaken(&mut self, services: &mut Services) {
        services.memory.taken((std::mem::take(&mut self.untaken), 0));
    }

    fn close_soon(&mut self, services: &mut Services) {
        self.at_lane = false;
        self.forget_untaken(services);
        self.output = Side::Closing;
    }
}

/// What connections ask of it.
impl Pipe {
    pub(crate) fn input(&mut self, core: &mut Core, services: &mut Services, bytes: &[u8]) -> Used {
        if bytes.is_empty() || self.discards() {
            return Used { bytes: bytes.len(), stalled: false };
        }
        if self.is_full(core) {
            return Used { bytes: 0, stalled: true };
        }
        self.untaken += bytes.len();
        services.memory.streamed += bytes.len();
        self.is_short = services.memory.is_short();
        let id = self.id(core, services);
        services.lanes.tell_body(&mut core.lane, id, bytes);
        Used { bytes: bytes.len(), stalled: false }
    }

    pub(crate) fn end_of_input(&mut self, core: &mut Core, services: &mut Services) {
        if self.input == Side::Open {
            self.input = Side::Ended;
            if self.at_lane {
                let id = self.id(core, services);
                services.lanes.tell(&mut core.lane, LaneEvent::BodyEnd(id));
            }
        }
    }

    /// Nothing is late here.
    pub(crate) fn timed_out(&self, _: &mut Core, _: &mut Services) {}

    pub(crate) fn discards(&self) -> bool {
        !self.at_lane
    }

    pub(crate) fn discarded(&self, _bytes: usize) {}

    #[inline(never)]
    pub(crate) fn wants_input(&self, core: &Core) -> bool {
        self.discards() || !self.is_full(core)
    }

    #[inline(never)]
    pub(crate) fn phase(&self, _: &Core) -> Phase {
        if self.ending().is_some() || self.output == Side::Ending {
            Phase::Write
        } else {
            Phase::Open
        }
    }

    /// When both sides have ended theirs, the socket says that it has hung up. That is no failure.
    pub(crate) fn is_quiet(&self, _: &Core) -> bool {
        !self.at_lane || self.output == Side::Ended
    }

    pub(crate) fn receiving(&self, _: &Core) -> Option<u32> {
        None
    }

    pub(crate) fn in_body(&self) -> bool {
        false
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
        self.at_lane && stream == self.stream
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        match (self.input, self.output) {
            (_, Side::Closing) | (Side::Ended, Side::Ended) => {
                Some(Ending { reset: false, linger: false })
            }
            _ => None,
        }
    }

    /// Whether the end of the output is to be sent now that all of it is.
    pub(crate) fn ends_output(&mut self) -> bool {
        let ends = self.output == Side::Ending;
        if ends {
            self.output = Side::Ended;
        }
        ends
    }

    pub(crate) fn must_reset(&self, has_output: bool) -> bool {
        has_output
    }

    /// No worker has it, and the server itself says nothing.
    pub(crate) fn answer(&self, _: &Core, services: &mut Services, _: u32, answer: Answer) {
        services.recycle_answer(answer);
    }

    /// The lane has answered already.
    pub(crate) fn respond(&self, _: &Core, services: &mut Services, task: Box<Task>) {
        services.recycle(task);
    }

    pub(crate) fn chunk(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: u32,
        data: Vec<u8>,
    ) {
        if stream != self.stream || self.output != Side::Open {
            return;
        }
        self.unacknowledged += data.len();
        core.timer.progress = true;
        let out = &mut core.out;
        out.lend(&mut services.buffers);
        if Out::goes_apart(data.len()) {
            out.put(Content::Owned(data), &mut services.buffers);
        } else {
            out.buf().extend_from_slice(&data);
        }
    }

    /// The lane has said its last byte. The client may go on.
    pub(crate) fn end(&mut self, _: &mut Core, _: &mut Services, stream: u32) {
        if stream == self.stream && self.output == Side::Open {
            self.output = Side::Ending;
        }
    }

    pub(crate) fn break_off(&mut self, _: &mut Core, services: &mut Services, stream: u32) {
        if stream == self.stream {
            self.close_soon(services);
        }
    }

    /// It has no deadline.
    pub(crate) fn answer_late(&self, _: &mut Core, _: &mut Services, _: u32) {}

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
            let bytes = bytes.min(self.untaken);
            self.untaken -= bytes;
            services.memory.taken((bytes, 0));
            self.is_short = services.memory.is_short();
        }
    }

    pub(crate) fn acknowledge(&mut self, core: &mut Core, services: &mut Services) {
        if self.at_lane && self.unacknowledged > 0 && core.out.len() <= LOW_WATER {
            let sent = std::mem::take(&mut self.unacknowledged);
            let id = self.id(core, services);
            services.lanes.tell(&mut core.lane, LaneEvent::Ack(id, sent));
        }
    }

    /// Nobody is there any more whom the client talks to.
    pub(crate) fn lane_died(&mut self, core: &mut Core, services: &mut Services) {
        self.close_soon(services);
        services.mark_dirty(core);
    }

    /// The lane hears of the client's end with the end of its bytes.
    pub(crate) fn tell_left(&self, _: &mut Core, _: &mut Services) {}

    /// The program ends it by itself, within the drain timeout.
    pub(crate) fn drain(&self, _: &mut Core, _: &mut Services) -> bool {
        false
    }

    pub(crate) fn finish(&mut self, _: &mut Services) {
        if self.output == Side::Open {
            self.output = Side::Ending;
        }
    }

    pub(crate) fn closed(&mut self, core: &mut Core, services: &mut Services) {
        let had = std::mem::take(&mut self.at_lane);
        self.forget_untaken(services);
        if had {
            let id = self.id(core, services);
            services.lanes.tell(&mut core.lane, LaneEvent::Gone(id));
        }
        services.lanes.gone(&mut core.lane, had);
    }
}
