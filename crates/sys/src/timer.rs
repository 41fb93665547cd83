//! Wakes a thread out of epoll_wait at a given time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// A timerfd(2), because the timeout of epoll_wait(2) has whole milliseconds only.
///
/// Like a [`Waker`](crate::Waker) it is watched edge-triggered and never read: every expiry
/// is an edge.
#[derive(Debug)]
pub struct Timer {
    fd: TimerFd,
}

impl Timer {
    /// Creates a timer that is not set.
    ///
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM of timerfd_create(2).
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { fd: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)? })
    }

    /// Sets the timer to expire once, `after` from now; an earlier setting is replaced. Zero
    /// counts as one nanosecond, since the kernel would take it as "unset".
    ///
    /// # Errors
    /// Those of timerfd_settime(2); none for times below centuries.
    pub fn set(&self, after: Duration) -> io::Result<()> {
        let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
        Ok(self.fd.set(Expiration::OneShot(after), TimerSetTimeFlags::empty())?)
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
