//! Wakes a thread out of epoll_wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd(2) that ends another thread's [`Poller::wait`](crate::Poller::wait).
///
/// It is watched edge-triggered and never read: each write is an edge, and its 64-bit count
/// would take centuries to fill.
#[derive(Debug)]
pub struct Waker {
    fd: EventFd,
}

impl Waker {
    /// Creates the eventfd.
    ///
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM of eventfd(2).
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self { fd: EventFd::from_value_and_flags(0, flags)? })
    }

    /// Wakes the thread whose poller watches this waker.
    pub fn wake(&self) {
        // The write fails only with EAGAIN, at a count of 2^64 - 2. The waker is readable
        // then.
        let _ = self.fd.write(1);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
