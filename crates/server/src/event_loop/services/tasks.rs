//! Tasks of one loop: taken for a request, and kept for the next.

use crate::conn::core::Core;
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
        task.request.tls.clone_from(&core.tls);
        task
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
