//! Compresses answers before a protocol writes them: small ones on the loop, large ones on a
//! worker, streams as they come.

use std::sync::Arc;

use reactor_proto::Coding;

use crate::event_loop::services::Services;
use crate::exchange::body::Body;
use crate::exchange::compression::decision::{Decision, says_vary};
use crate::exchange::response::CompressionState;
use crate::exchange::task::{Outcome, Task};

/// A body from here on is compressed by a worker, in bytes: a loop would take longer for it than
/// others should wait.
const FOR_WORKERS: usize = 64 * 1024;

impl Services {
    /// Compresses a handler's answer, if it is to be. None if a worker does: the answer then comes
    /// back as that worker's reply.
    pub(super) fn compress_task(&mut self, mut task: Box<Task>) -> Option<Box<Task>> {
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

    /// Compresses a response whose body a lane's thread lends, from where it lies. True if the body
    /// must be copied instead, because a worker compresses it.
    pub(crate) fn compress_lent(&mut self, task: &mut Task, body: &[u8]) -> bool {
        let Some(compressor) = &self.compressor else { return false };
        if task.plain || task.outcome != Outcome::Answered {
            return false;
        }
        let compress = &compressor.compress;
        let Decision::Encode(coding) = compress.decide(&task.request, &task.response) else {
            return false;
        };
        if body.len() >= FOR_WORKERS {
            return true;
        }
        task.response.compression = CompressionState::Done;
        says_vary(&mut task.response);
        compress.encode_lent(&mut task.response, coding, body);
        false
    }
}
