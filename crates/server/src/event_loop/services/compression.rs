//! Compresses answers before a protocol writes them: small ones on the loop, large ones on a
//! worker, streams as they come.

use std::sync::Arc;

use reactor_proto::Coding;

use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body::Body;
use crate::exchange::compression::coder::{self, Budget};
use crate::exchange::compression::{Compress, Decision, says_vary};
use crate::exchange::handler::{Handler, HandlerCell};
use crate::exchange::request::Request;
use crate::exchange::response::{CompressionState, Response};
use crate::exchange::task::{Outcome, Task};

/// A body from here on is compressed by a worker, in bytes: a loop would take longer for it than
/// others should wait.
const FOR_WORKERS: usize = 64 * 1024;

/// What the streams of one loop may hold together, in bytes. That is about 250 of them.
const STREAMS: usize = 64 * 1024 * 1024;

/// What a loop compresses with.
pub(crate) struct Compressor {
    compress: Arc<Compress>,
    worker: Arc<HandlerCell>,
    pub(crate) budget: Budget,
}

impl Compressor {
    pub(crate) fn new(compress: &Arc<Compress>) -> Self {
        let worker: Arc<dyn Handler> = Arc::new(OnWorker(Arc::clone(compress)));
        Self {
            compress: Arc::clone(compress),
            worker: HandlerCell::new(&worker),
            budget: Budget::new(STREAMS),
        }
    }
}

/// Compresses a response that a handler has made.
struct OnWorker(Arc<Compress>);

impl Handler for OnWorker {
    fn handle(&self, _: &Request, response: &mut Response) {
        if let CompressionState::Away(coding) = response.compression {
            self.0.encode(response, coding);
            response.compression = CompressionState::Done;
        }
    }
}

impl Services {
    /// Compresses a handler's answer, if it is to be. None if a worker does: the answer then comes
    /// back as that worker's reply. A protocol calls this with each answer before it takes it.
    #[inline]
    pub(crate) fn compress(&mut self, answer: Answer) -> Option<Answer> {
        match answer {
            Answer::Task(task) if self.compressor.is_some() => {
                self.compress_task(task).map(Answer::Task)
            }
            answer => Some(answer),
        }
    }

    fn compress_task(&mut self, mut task: Box<Task>) -> Option<Box<Task>> {
        let Some(compressor) = &self.compressor else { return Some(task) };
        if task.outcome != Outcome::Answered
            || task.plain
            || task.response.compression != CompressionState::Open
        {
            return Some(task);
        }
        task.response.compression = CompressionState::Done;
        let compress = &compressor.compress;
        let coding = match compress.decide(&task.request, &task.response) {
            Decision::Leave => return Some(task),
            Decision::Vary => {
                says_vary(&mut task.response);
                return Some(task);
            }
            Decision::Encode(coding) => coding,
        };
        // It is said whatever becomes of the body.
        says_vary(&mut task.response);
        match task.response.content() {
            Body::Stream(_) => {
                let head_only = task.terms.head_only;
                let budget = &compressor.budget;
                coder::begin(compress, &mut task.response, coding, budget, head_only);
            }
            Body::Bytes(bytes) if bytes.len() >= FOR_WORKERS => {
                return self.compress_away(task, coding);
            }
            Body::Shared(bytes) if bytes.len() >= FOR_WORKERS => {
                return self.compress_away(task, coding);
            }
            _ => compress.encode(&mut task.response, coding),
        }
        Some(task)
    }

    /// Gives the task to a worker.
    fn compress_away(&mut self, mut task: Box<Task>, coding: Coding) -> Option<Box<Task>> {
        let Some(compressor) = &self.compressor else { return Some(task) };
        task.response.compression = CompressionState::Away(coding);
        task.handler = Some(Arc::clone(&compressor.worker));
        task.queued_at = self.clock.now();
        self.tasks.new.push(task);
        None
    }

    /// Whether the body that a lane lends is to be copied, because it is compressed.
    pub(crate) fn compresses_lent(&self, task: &Task) -> bool {
        let Some(compressor) = &self.compressor else { return false };
        !task.plain
            && task.outcome == Outcome::Answered
            && matches!(
                compressor.compress.decide(&task.request, &task.response),
                Decision::Encode(_)
            )
    }
}
