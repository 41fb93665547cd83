//! Wakes the writer of an access log.

use std::sync::OnceLock;
use std::thread::Thread;

use crate::event_loop::wake_flag::WakeFlag;

/// The writer's thread, and whether it must be woken.
pub(super) struct WriterWaker {
    wake_flag: WakeFlag,
    thread: OnceLock<Thread>,
}

impl WriterWaker {
    pub(super) fn new() -> Self {
        Self { wake_flag: WakeFlag::new(), thread: OnceLock::new() }
    }

    /// Names the writer's thread. Called once, before any record.
    pub(super) fn set_thread(&self, thread: Thread) {
        let first = self.thread.set(thread).is_ok();
        debug_assert!(first);
    }

    /// Wakes the writer if it sleeps until it is woken.
    pub(super) fn notify(&self) {
        if self.wake_flag.must_wake() {
            self.wake();
        }
    }

    /// Wakes the writer, whatever it does.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The writer sleeps until it is woken, unless `has_work` says otherwise. It is asked after
    /// the writer has declared that it sleeps.
    pub(super) fn sleep_unless(&self, has_work: impl FnOnce() -> bool) {
        self.wake_flag.about_to_sleep();
        if !has_work() {
            std::thread::park();
        }
        self.wake_flag.awake();
    }
}
