//! What other threads hand to an I/O loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_queue::SegQueue;
use reactor_sys::{Stream, Waker};

use crate::dispatch::app::App;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::reply_box::ReplyBox;
use crate::dispatch::topics::Topics;
use crate::event_loop::tuning::Tuning;
use crate::event_loop::wake_flag::WakeFlag;

/// One loop's inbox: replies, which are the hot path, and everything else.
pub(crate) struct Inbox {
    replies: Arc<ReplyBox>,
    controls: SegQueue<Control>,
    forced: AtomicBool,
}

/// A connection that was just accepted.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    /// The number of the endpoint that it came through; none for one from this process.
    pub(crate) endpoint: Option<usize>,
}

/// Messages that are no replies.
pub(crate) enum Control {
    /// A connection for this loop to own.
    Accepted(Accepted),
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
    /// The server stops soon.
    LameDuck,
    /// A drain takes no longer than this, from now on or from when it begins.
    DrainWithin(Duration),
    /// Finish the requests in flight. Then end, once [`NoMore`](Self::NoMore) has come.
    Drain,
    /// As [`Drain`](Self::Drain), but those who wait are left to a successor.
    Retire,
    /// The acceptor has handed over its last connection.
    NoMore,
}

impl Inbox {
    /// `tasks` is the most tasks that can be queued or running at once.
    pub(crate) fn new(tasks: usize, topics: &Arc<Topics>) -> std::io::Result<Self> {
        Ok(Self {
            replies: Arc::new(ReplyBox::new(tasks, topics)?),
            controls: SegQueue::new(),
            forced: AtomicBool::new(false),
        })
    }

    /// Where workers and lanes put their replies.
    pub(crate) fn replies(&self) -> &Arc<ReplyBox> {
        &self.replies
    }

    /// Puts a control message in. After the last of a batch, the caller calls
    /// [`notify`](Self::notify).
    pub(crate) fn push_control(&self, control: Control) {
        self.controls.push(control);
    }

    pub(crate) fn pop_control(&self) -> Option<Control> {
        self.controls.pop()
    }

    /// The loop drops everything and ends, whatever else is in here.
    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Release);
        // The wake flag tells of what is in a queue; this is none.
        self.waker().wake();
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }

    /// Wakes the loop if it sleeps. True if this call sent the wake.
    pub(crate) fn notify(&self) -> bool {
        self.replies.notify()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.controls.is_empty() && self.replies.is_empty()
    }

    pub(crate) fn wake_flag(&self) -> &WakeFlag {
        self.replies.wake_flag()
    }

    pub(crate) fn waker(&self) -> &Waker {
        self.replies.waker()
    }
}

/// Where workers and lanes put what goes back to these loops.
pub(crate) fn reply_boxes(inboxes: &[Arc<Inbox>]) -> Vec<Arc<ReplyBox>> {
    inboxes.iter().map(|inbox| Arc::clone(&inbox.replies)).collect()
}
