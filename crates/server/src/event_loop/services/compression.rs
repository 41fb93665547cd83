//! Compresses answers before a protocol writes them: small ones on the loop, large ones on a
//! worker, streams as they come.

use std::sync::Arc;

use reactor_proto::Coding;

use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::body::Body;
use crate::exchange::compression::decision::{Decision, says_vary};
use crate::exchange::response::CompressionState;
use crate::exchange::task::{Outcome, Task};

/// A body from here on is compressed by a worker, in bytes: a loop would take longer for it than
/// others should wait.
const FOR_WORKERS: usize = 64 * 1024;

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
                compress.encode_stream(&mut task.response, coding, budget, head_only);
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
