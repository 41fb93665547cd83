//! The worker pool: a bounded queue of tasks and the threads that run them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use crossbeam_queue::SegQueue;
use reactor_sys::yield_now;

use crate::conn::step::Step;
use crate::dispatch::reply_box::ReplyBox;
use crate::dispatch::worker::idle::Idle;
use crate::exchange::task::{Outcome, Task};
use crate::observe::counters::WorkerCounters;
use crate::observe::histogram::nanos;

/// A worker tells the loops of its replies after at most this many.
const BATCH: usize = 16;

/// Queued work that takes longer than this is worth waking another worker for. Waking a thread on a
/// sleeping core takes about as long. In nanoseconds.
const WORTH_A_WAKE: u64 = 60_000;

/// The queue and who is idle.
///
/// Waking a thread costs more than a small handler takes. So a loop wakes one worker for all tasks
/// of a turn. A worker that has more work before it than [`WORTH_A_WAKE`] wakes the next.
///
/// That estimate can be wrong, so each loop comes to the rescue. A loop with tasks out sleeps at
/// most a millisecond at first. If tasks are still queued then, it wakes a further worker.
pub(crate) struct Pool {
    sender: Sender<Box<Task>>,
    receiver: Receiver<Box<Task>>,
    /// Steps for connections. Each loop bounds its own.
    steps: SegQueue<Box<Step>>,
    idle: Idle,
    stopping: AtomicBool,
    threads: OnceLock<Vec<Thread>>,
    /// Starts the threads.
    starter: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Pool {
    pub(crate) fn new(queue: usize) -> Self {
        let (sender, receiver) = bounded(queue);
        Self {
            sender,
            receiver,
            steps: SegQueue::new(),
            idle: Idle::new(),
            stopping: AtomicBool::new(false),
            threads: OnceLock::new(),
            starter: OnceLock::new(),
        }
    }

    /// Names the workers' threads, by index. Called once, before the first task.
    pub(crate) fn set_threads(&self, threads: Vec<Thread>) {
        let first = self.threads.set(threads).is_ok();
        debug_assert!(first);
    }

    /// Says how to start the threads, for a loop that has a task before they run.
    pub(crate) fn set_starter(&self, starter: impl Fn() + Send + Sync + 'static) {
        let first = self.starter.set(Box::new(starter)).is_ok();
        debug_assert!(first);
    }

    /// Starts the threads. True if they run; the system may have none to spare.
    pub(crate) fn start(&self) -> bool {
        if !self.has_threads()
            && let Some(starter) = self.starter.get()
        {
            starter();
        }
        self.has_threads()
    }

    /// Whether the workers have been started.
    pub(crate) fn has_threads(&self) -> bool {
        self.threads.get().is_some()
    }

    /// How many tasks wait.
    pub(crate) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Queues a task. Gives it back if the queue is full, and never waits. After the last of a
    /// batch, the caller calls [`wake_one`](Self::wake_one).
    pub(crate) fn push(&self, task: Box<Task>) -> Result<(), Box<Task>> {
        self.sender.try_send(task).map_err(|error| match error {
            TrySendError::Full(task) | TrySendError::Disconnected(task) => task,
        })
    }

    /// Queues a step for a connection. After the last of a batch, the caller calls
    /// [`wake_one`](Self::wake_one).
    pub(crate) fn push_step(&self, step: Box<Step>) {
        self.steps.push(step);
    }

    /// How many steps wait.
    pub(crate) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.receiver.is_empty() && self.steps.is_empty()
    }

    /// Wakes an idle worker: `home`, or the next one after it. True if there was one.
    pub(crate) fn wake_one(&self, home: usize) -> bool {
        let Some(worker) = self.idle.choose(home) else { return false };
        if let Some(thread) = self.threads.get().and_then(|threads| threads.get(worker)) {
            thread.unpark();
        }
        true
    }

    /// Lets the workers end once the queue is empty.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.get().into_iter().flatten() {
            thread.unpark();
        }
    }

    fn park(&self, index: usize) {
        self.idle.enter(index);
        while self.idle.contains(index) && self.is_empty() && !self.stopping.load(Ordering::Relaxed)
        {
            std::thread::park();
        }
        self.idle.leave(index);
    }
}

/// What one worker thread runs until the pool stops.
pub(crate) fn run(index: usize, pool: &Pool, loops: &[Arc<ReplyBox>], counters: &WorkerCounters) {
    let mut worker = Worker { index, pool, loops, counters, finished: 0, batch: 0, usual: 0 };
    let mut now = Instant::now();
    loop {
        let step = pool.steps.pop();
        let has_step = step.is_some();
        if let Some(step) = step {
            now = worker.take(step);
        }
        match pool.receiver.try_recv() {
            Ok(task) => now = worker.run(task, now),
            Err(_) if has_step => {}
            Err(_) => {
                worker.notify();
                if pool.stopping.load(Ordering::Relaxed) && pool.is_empty() {
                    return;
                }
                // On a busy machine a loop shares this core. It can now take the replies and queue
                // further tasks, and neither side needs a wake.
                yield_now();
                if pool.is_empty() {
                    pool.park(index);
                    counters.wakes.add(1);
                }
                now = Instant::now();
            }
        }
    }
}

struct Worker<'p> {
    index: usize,
    pool: &'p Pool,
    loops: &'p [Arc<ReplyBox>],
    counters: &'p WorkerCounters,
    /// One bit for each loop that may not know of its replies yet.
    finished: u32,
    /// Replies since the last notification.
    batch: usize,
    /// How long tasks have usually taken of late, in nanoseconds.
    usual: u64,
}

impl Worker<'_> {
    /// Runs one task that was taken from the queue at `start`. Returns when it ended.
    fn run(&mut self, mut task: Box<Task>, start: Instant) -> Instant {
        let queued = self.pool.len();
        if queued > 0 && self.usual.saturating_mul(queued as u64) > WORTH_A_WAKE {
            self.pool.wake_one(self.index + 1);
        }
        if self.usual > WORTH_A_WAKE {
            // Finished tasks must not wait for this one.
            self.notify();
        }
        let Task { handler, request, response, .. } = &mut *task;
        if let Some(handler) = handler {
            // A handler that panics loses its response and nothing else: the task is cleared before
            // it is used again.
            let done = catch_unwind(AssertUnwindSafe(|| {
                handler.handle(request, response);
            }));
            if done.is_err() {
                self.counters.panics.add(1);
                task.outcome = Outcome::Failed;
            }
        }
        let end = Instant::now();
        let took = nanos(end - start);
        let waited = nanos(start.saturating_duration_since(task.queued_at));
        self.counters.tasks.add(1);
        self.counters.queue_wait.record_nanos(waited, 1);
        self.counters.handler_time.record_nanos(took, 1);
        self.counters.busy.add(took);
        self.usual = (self.usual.saturating_mul(7).saturating_add(took)) / 8;

        let io_thread = task.id.io_thread();
        self.loops[io_thread].push(task);
        self.finished |= 1 << io_thread;
        self.batch += 1;
        if self.batch >= BATCH {
            self.notify();
        }
        end
    }

    /// Takes one step. Returns when it ended.
    fn take(&mut self, mut step: Box<Step>) -> Instant {
        if self.pool.steps() > 0 {
            self.pool.wake_one(self.index + 1);
        }
        step.take();
        let io_thread = step.io_thread;
        self.loops[io_thread].push_step(step);
        self.finished |= 1 << io_thread;
        // It took as long as many requests do.
        self.notify();
        Instant::now()
    }

    /// Wakes the loops that have replies and sleep.
    fn notify(&mut self) {
        while self.finished != 0 {
            let io_thread = self.finished.trailing_zeros() as usize;
            self.finished &= self.finished - 1;
            if self.loops[io_thread].notify() {
                self.counters.loop_wakes.add(1);
            }
        }
        self.batch = 0;
    }
}
