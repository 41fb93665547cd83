//! Stand-ins for what `ownership.rs` imports, as small as can be: a loop and an epoll instance. The
//! loop takes items out of its inbox, and ends after the last. The epoll instance is ready or not.

use std::io;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
pub(crate) use loom::thread::yield_now;

pub(crate) fn block_signals() {}

pub(crate) fn sleep(_: Duration) {
    yield_now();
}

/// An epoll instance and the threads that watch it.
pub(crate) struct Poller {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// There is an event that no thread has taken.
    ready: bool,
    /// The lane has been woken.
    woken: bool,
    /// The loop has ended.
    ended: bool,
}

impl Poller {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: Condvar::new() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn until(&self, holds: impl Fn(&State) -> bool, take: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        while !holds(&state) {
            state = self.changed.wait(state).unwrap();
        }
        take(&mut state);
    }

    /// Takes the events. If `waits`, blocks until there are some.
    fn wait(&self, waits: bool) {
        self.until(|state| state.ready || !waits, |state| state.ready = false);
    }

    pub(crate) fn is_ready(&self, timeout: Option<Duration>) -> bool {
        if timeout.is_some() {
            return self.state.lock().unwrap().ready;
        }
        self.until(|state| state.ready, |_| ());
        true
    }

    /// The lane's thread in its own event loop, which watches the instance or not.
    pub(crate) fn rest(&self, watches: bool) {
        self.until(
            |state| state.woken || state.ended || watches && state.ready,
            |state| state.woken = false,
        );
    }

    /// The lane's thread in a handler that never returns.
    pub(crate) fn until_ended(&self) {
        self.until(|state| state.ended, |_| ());
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().unwrap().ended
    }

    pub(crate) fn add_edge(&self, _: &Timer, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing in the models is due at a time.
pub(crate) struct Timer;

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn set(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) mod token {
    pub(crate) const WAKER: u64 = 0;
}

pub(crate) mod inbox {
    use std::sync::Arc;

    use super::Poller;
    use crate::wake_flag::WakeFlag;
    use crate::queue::Queue;

    pub(crate) struct Inbox {
        pub(crate) queue: Queue,
        wake_flag: WakeFlag,
        waker: Waker,
    }

    pub(crate) struct Waker(Arc<Poller>);

    impl Waker {
        pub(crate) fn wake(&self) {
            self.0.change(|state| state.ready = true);
        }
    }

    impl Inbox {
        pub(crate) fn new(poller: &Arc<Poller>) -> Self {
            let waker = Waker(Arc::clone(poller));
            Self { queue: Queue::default(), wake_flag: WakeFlag::new(), waker }
        }

        pub(crate) fn notify(&self) {
            if self.wake_flag.must_wake() {
                self.waker.wake();
            }
        }

        pub(crate) fn wake_flag(&self) -> &WakeFlag {
            &self.wake_flag
        }

        pub(crate) fn waker(&self) -> &Waker {
            &self.waker
        }
    }
}

pub(crate) mod lane {
    use std::sync::Arc;

    use super::Poller;
    use crate::wake_flag::WakeFlag;

    pub(crate) struct Lane {
        pub(crate) wake_flag: WakeFlag,
        pub(crate) poller: Arc<Poller>,
    }

    impl Lane {
        pub(crate) fn notify(&self) {
            if self.wake_flag.must_wake() {
                self.poller.change(|state| state.woken = true);
            }
        }
    }
}

pub(crate) mod event_loop {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::Poller;
    use super::inbox::Inbox;

    #[derive(Clone, Copy, PartialEq)]
    pub(crate) enum Wait {
        Asleep,
        No,
        NoLook,
    }

    pub(crate) struct EventLoop {
        pub(crate) poller: Arc<Poller>,
        pub(crate) inbox: Arc<Inbox>,
        /// Items that are still to come. The last one begins a drain, which the loop's own thread
        /// ends.
        pub(crate) missing: usize,
    }

    impl EventLoop {
        /// In the order of the real turn.
        pub(crate) fn turn(&mut self, wait: Wait) -> bool {
            if wait == Wait::Asleep && self.is_draining() {
                self.poller.change(|state| state.ended = true);
                return false;
            }
            let waits = wait == Wait::Asleep && self.sleep_timeout().is_none();
            self.poller.wait(waits);
            self.inbox.wake_flag().awake();
            self.replies();
            true
        }

        pub(crate) fn sleep_timeout(&mut self) -> Option<Duration> {
            self.inbox.wake_flag().about_to_sleep();
            if self.inbox.queue.is_empty() {
                return None;
            }
            self.inbox.wake_flag().awake();
            Some(Duration::ZERO)
        }

        pub(crate) fn replies(&mut self) {
            while self.inbox.queue.pop() {
                self.missing -= 1;
            }
        }

        pub(crate) fn is_draining(&self) -> bool {
            self.missing == 0
        }

        pub(crate) fn is_this_thread(&self) {}

        pub(crate) fn now(&self) -> Instant {
            Instant::now()
        }
    }
}
