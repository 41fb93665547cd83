//! What other threads hand to an I/O loop.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::{ArrayQueue, SegQueue};
use reactor_sys::{Stream, Waker};

use crate::dispatch::app::App;
use crate::dispatch::lane::channel::{Lane, LaneReply};
use crate::event_loop::tuning::Tuning;
use crate::event_loop::wake_flag::WakeFlag;
use crate::exchange::task::Task;

/// One loop's inbox.
///
/// Replies of workers are the hot path, so they have a queue of their own. It is an array with room
/// for every task that can be under way. So putting a task back never allocates, never waits and
/// never fails.
pub(crate) struct Inbox {
    replies: ArrayQueue<Box<Task>>,
    controls: SegQueue<Control>,
    lanes: Mutex<Vec<LaneReply>>,
    wake_flag: WakeFlag,
    waker: Waker,
    forced: AtomicBool,
}

/// Messages that are no replies.
pub(crate) enum Control {
    /// A connection for this loop to own.
    Accepted(Stream, Option<SocketAddr>),
    /// A new application, for requests whose head comes from now on.
    Reload(Arc<App>),
    /// The lanes from now on, each in its place.
    Lanes(Vec<Option<Arc<Lane>>>),
    /// Another application and its lanes, both from the same request on.
    Swap(Arc<App>, Vec<Option<Arc<Lane>>>),
    /// Other limits and timeouts, for connections that are open too.
    Retune(Arc<Tuning>),
    /// A client was refused, and the first lane is to be told.
    Refused(Option<SocketAddr>),
    /// Close connections that wait for their next request.
    CloseIdle,
    /// Close every connection, and go on.
    CloseAll,
    /// Finish the requests in flight. Then end, once [`NoMore`](Self::NoMore) has come.
    Drain,
    /// The acceptor has handed over its last connection.
    NoMore,
}

impl Inbox {
    /// `tasks` is the most tasks that can be queued or running at once.
    pub(crate) fn new(tasks: usize) -> std::io::Result<Self> {
        Ok(Self {
            replies: ArrayQueue::new(tasks),
            controls: SegQueue::new(),
            lanes: Mutex::new(Vec::new()),
            wake_flag: WakeFlag::new(),
            waker: Waker::new()?,
            forced: AtomicBool::new(false),
        })
    }

    /// Puts a finished task in. After the last of a batch, the caller calls
    /// [`notify`](Self::notify).
    pub(crate) fn push_reply(&self, task: Box<Task>) {
        // There is room for every task that can exist; see `new`.
        let full = self.replies.push(task).is_err();
        debug_assert!(!full, "more replies than tasks");
    }

    /// Puts a control message in. After the last of a batch, the caller calls
    /// [`notify`](Self::notify).
    pub(crate) fn push_control(&self, control: Control) {
        self.controls.push(control);
    }

    /// Ends the loop at once, whatever else is in its inbox.
    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Release);
        // The wake flag is for what is in a queue, and this is in none.
        self.waker.wake();
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }

    /// Wakes the loop if it sleeps. True if this call sent the wake.
    pub(crate) fn notify(&self) -> bool {
        let wake = self.wake_flag.must_wake();
        if wake {
            self.waker.wake();
        }
        wake
    }

    pub(crate) fn pop_reply(&self) -> Option<Box<Task>> {
        self.replies.pop()
    }

    /// Puts a lane's replies in, and leaves `batch` empty. Afterwards the caller calls
    /// [`notify`](Self::notify). How much is in here is bounded by what lanes have in flight, and
    /// by each exchange's window.
    pub(crate) fn give_lane(&self, batch: &mut Vec<LaneReply>) {
        let mut replies = self.lanes();
        if replies.is_empty() {
            std::mem::swap(&mut *replies, batch);
        } else {
            replies.append(batch);
        }
    }

    /// Takes all replies of lanes; `into` must be empty.
    pub(crate) fn take_lanes(&self, into: &mut Vec<LaneReply>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut *self.lanes(), into);
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<LaneReply>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pop_control(&self) -> Option<Control> {
        self.controls.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.controls.is_empty() && self.lanes().is_empty()
    }

    pub(crate) fn wake_flag(&self) -> &WakeFlag {
        &self.wake_flag
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}
