//! An exchange on its way to a handler, and on the way back.
//!
//! One box makes the whole round: the loop fills in the request, a handler fills in the response,
//! and the loop sends it. Every task comes back to the loop that made it, run or refused, and the
//! loop uses the box again. So in steady state a request allocates nothing, and no thread frees
//! what another allocated.

use std::sync::Arc;
use std::time::Instant;

use crate::exchange::handler::HandlerCell;
use crate::exchange::id::ExchangeId;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::exchange::terms::Terms;

pub(crate) struct Task {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// The worker's handler. A lane's request has none.
    pub(crate) handler: Option<Arc<HandlerCell>>,
    pub(crate) id: ExchangeId,
    pub(crate) terms: Terms,
    /// The turn in which it was queued.
    pub(crate) queued_at: Instant,
    pub(crate) outcome: Outcome,
    /// For a lane: which of its routes.
    pub(crate) route: u32,
    /// Its answer is not compressed.
    pub(crate) plain: bool,
    /// For a lane: its place.
    pub(crate) lane: u8,
    /// For a lane: the body follows in events.
    pub(crate) body_streams: bool,
    /// For a lane: counts among the requests at handlers.
    pub(crate) at_handler: bool,
    /// For a lane: until when it has to be answered.
    pub(crate) deadline: Option<Instant>,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The response is the answer.
    Answered,
    /// It failed: 500.
    Failed,
    /// No thread takes the request: 503.
    Refused,
}

impl Task {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            request: Request::default(),
            response: Response::default(),
            handler: None,
            id: ExchangeId::default(),
            terms: Terms::default(),
            queued_at: now,
            outcome: Outcome::Answered,
            route: 0,
            plain: false,
            lane: 0,
            body_streams: false,
            at_handler: false,
            deadline: None,
        }
    }

    /// Whether the response is the answer, and more of its body is to come.
    pub(crate) fn streams(&self) -> bool {
        self.outcome == Outcome::Answered && self.response.streams()
    }

    /// Empties it for the next request. Buffers of a usual size are kept.
    pub(crate) fn recycle(&mut self) {
        self.request.clear();
        self.response.clear();
        self.handler = None;
        self.outcome = Outcome::Answered;
        self.body_streams = false;
        self.plain = false;
        self.deadline = None;
    }
}

/// The tasks of one loop, wherever they are.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "tasks travel between threads in their boxes")]
pub(crate) struct Tasks {
    /// For the workers, of this turn.
    pub(crate) new: Vec<Box<Task>>,
    /// For further requests.
    pub(crate) free: Vec<Box<Task>>,
    /// How many are queued or being run.
    pub(crate) out: usize,
}
