//! The box into which workers and lanes put replies for one loop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::{ArrayQueue, SegQueue};
use crossbeam_utils::CachePadded;
use reactor_sys::Waker;

use crate::conn::handshake::NameChoice;
use crate::conn::step::Step;
use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::topics::Topics;
use crate::event_loop::wake_flag::WakeFlag;
use crate::exchange::id::ConnId;
use crate::exchange::task::Task;

/// The replies to one loop. Workers put theirs into an array that has room for every task that can
/// be under way. So a reply never allocates, never waits and never fails.
pub(crate) struct ReplyBox {
    tasks: ArrayQueue<Box<Task>>,
    /// Steps that workers have taken. Each loop bounds its own.
    steps: SegQueue<Box<Step>>,
    /// What serves the names of clients. Each loop bounds what it asks.
    names: SegQueue<(ConnId, NameChoice)>,
    /// How many are in the last two. Every turn looks whether there are any, and few have some.
    steps_and_names: AtomicUsize,
    lanes: CachePadded<Mutex<Vec<LaneReply>>>,
    wake_flag: CachePadded<WakeFlag>,
    waker: Waker,
    /// The topics of the server, which lanes' threads look into.
    topics: Arc<Topics>,
}

impl ReplyBox {
    /// `tasks` is the most that can be queued or running at once.
    pub(crate) fn new(tasks: usize, topics: &Arc<Topics>) -> std::io::Result<Self> {
        Ok(Self {
            tasks: ArrayQueue::new(tasks),
            steps: SegQueue::new(),
            names: SegQueue::new(),
            steps_and_names: AtomicUsize::new(0),
            lanes: CachePadded::default(),
            wake_flag: CachePadded::new(WakeFlag::new()),
            waker: Waker::new()?,
            topics: Arc::clone(topics),
        })
    }

    pub(crate) fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// Puts a finished task in. The caller calls [`notify`](Self::notify)
    /// after the last of a batch.
    pub(crate) fn push(&self, task: Box<Task>) {
        // Room for every task there can be; see `new`.
        let full = self.tasks.push(task).is_err();
        debug_assert!(!full, "more replies than tasks");
    }

    /// Puts a step in that was taken; see [`push`](Self::push).
    pub(crate) fn push_step(&self, step: Box<Step>) {
        self.steps.push(step);
        self.steps_and_names.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn pop_step(&self) -> Option<Box<Step>> {
        self.taken(self.steps.pop())
    }

    /// Puts in what serves a client's name; see [`push`](Self::push).
    pub(crate) fn push_name(&self, conn: ConnId, choice: NameChoice) {
        self.names.push((conn, choice));
        self.steps_and_names.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn pop_name(&self) -> Option<(ConnId, NameChoice)> {
        self.taken(self.names.pop())
    }

    fn taken<R>(&self, reply: Option<R>) -> Option<R> {
        if reply.is_some() {
            self.steps_and_names.fetch_sub(1, Ordering::Relaxed);
        }
        reply
    }

    pub(crate) fn pop(&self) -> Option<Box<Task>> {
        self.tasks.pop()
    }

    /// Puts a lane's replies in, and leaves `batch` empty; see [`push`](Self::push). Their number
    /// is bounded by what lanes have in flight, their bytes by each exchange's window.
    pub(crate) fn give_lane(&self, batch: &mut Vec<LaneReply>) {
        let mut replies = self.lanes();
        if replies.is_empty() {
            std::mem::swap(&mut *replies, batch);
        } else {
            replies.append(batch);
        }
    }

    /// Takes all replies of lanes. `into` must be empty.
    pub(crate) fn take_lanes(&self, into: &mut Vec<LaneReply>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut *self.lanes(), into);
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<LaneReply>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.steps_and_names.load(Ordering::Acquire) == 0
            && self.lanes().is_empty()
    }

    /// Wakes the loop if it sleeps. True if this call sent the wake.
    pub(crate) fn notify(&self) -> bool {
        let wake = self.wake_flag.must_wake();
        if wake {
            self.waker.wake();
        }
        wake
    }

    pub(crate) fn wake_flag(&self) -> &WakeFlag {
        &self.wake_flag
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}
