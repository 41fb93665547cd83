//! Tasks of one loop: taken for a request, and kept for the next.

use std::sync::Arc;

use crate::conn::core::Core;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::named;
use crate::event_loop::services::Services;
use crate::exchange::answer::Answer;
use crate::exchange::task::Task;
use crate::exchange::terms::Terms;

/// Tasks kept for further requests.
const KEEP: usize = 1024;

impl Services {
    /// A task for one exchange of a connection.
    pub(crate) fn new_task(&mut self, core: &Core, stream: u32, terms: Terms) -> Box<Task> {
        let now = self.clock.now();
        let mut task = self.tasks.free.pop().unwrap_or_else(|| Box::new(Task::new(now)));
        task.id = self.id(core, stream);
        task.terms = terms;
        task.queued_at = now;
        task.request.peer = core.peer;
        task.request.facts.clone_from(&core.facts);
        task
    }

    /// Does what is left to do to a handler's response before its protocol gets it. None if a worker
    /// does that; then it comes back as a worker's answer.
    #[inline]
    pub(crate) fn finish(&mut self, task: Box<Task>) -> Option<Box<Task>> {
        if task.response.has_named_file() || self.compressor.is_some() {
            self.finish_slowly(task)
        } else {
            Some(task)
        }
    }

    #[inline(never)]
    fn finish_slowly(&mut self, task: Box<Task>) -> Option<Box<Task>> {
        let task = if task.response.has_named_file() { self.open_file(task)? } else { task };
        self.compress_task(task)
    }

    fn open_file(&mut self, mut task: Box<Task>) -> Option<Box<Task>> {
        let Task { request, response, .. } = &mut *task;
        if named::open(request, response, Mode::Cached) {
            return Some(task);
        }
        task.handler = Some(Arc::clone(&self.opener));
        task.queued_at = self.clock.now();
        self.tasks.new.push(task);
        None
    }

    /// Keeps a task for a further request. If it counted as one at a handler, it no longer does.
    pub(crate) fn recycle(&mut self, mut task: Box<Task>) {
        self.memory.collected -= task.request.body.len();
        if std::mem::take(&mut task.at_handler) {
            self.left_handlers();
        }
        task.recycle();
        if self.tasks.free.len() < KEEP {
            self.tasks.free.push(task);
        }
    }

    /// The same for the task of an answer that is not sent.
    pub(crate) fn recycle_answer(&mut self, answer: Answer) {
        if let Answer::Task(task) = answer {
            self.recycle(task);
        }
    }
}
