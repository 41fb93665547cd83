//! One epoll instance.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// An epoll instance (epoll(7)).
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
}

impl Poller {
    /// Creates an epoll instance.
    ///
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM of epoll_create1(2).
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Watches `fd` edge-triggered for both directions.
    ///
    /// Registering once for reading, writing and hang-up means that no
    /// epoll_ctl(2) is needed while the connection lives. The kernel reports
    /// writability only after a write came up short, so the second direction
    /// costs nothing (epoll(7), "edge-triggered").
    ///
    /// # Errors
    /// ENOSPC when the user's limit of watches is reached, ENOMEM.
    pub fn add_edge(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        Ok(self.epoll.add(fd, EpollEvent::new(flags, token))?)
    }

    /// Watches `fd` level-triggered for reading: a listener with more to accept is reported
    /// again.
    ///
    /// `exclusive` sets EPOLLEXCLUSIVE. Where several pollers watch one listener, the kernel
    /// then wakes only one or a few of them.
    ///
    /// # Errors
    /// ENOSPC when the user's limit of watches is reached, ENOMEM.
    pub fn add_listener(&self, fd: impl AsFd, token: u64, exclusive: bool) -> io::Result<()> {
        let mut flags = EpollFlags::EPOLLIN;
        if exclusive {
            flags |= EpollFlags::EPOLLEXCLUSIVE;
        }
        Ok(self.epoll.add(fd, EpollEvent::new(flags, token))?)
    }

    /// Stops watching `fd`.
    ///
    /// # Errors
    /// ENOENT when it was not watched.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    /// Whether [`wait`](Self::wait) would return events. Waits for the first event or for the
    /// time to pass, and takes no event (poll(2) on the epoll instance itself). `None` and
    /// durations are as for `wait`.
    #[must_use]
    pub fn is_ready(&self, timeout: Option<Duration>) -> bool {
        let timeout = match timeout {
            None => PollTimeout::NONE,
            Some(limit) => PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX),
        };
        let mut fds = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }

    /// Waits for events. `None` waits without limit, zero does not wait at
    /// all; other durations are rounded up to whole milliseconds. A signal
    /// ends the wait with no events.
    ///
    /// # Errors
    /// Those of epoll_wait(2) but EINTR.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match timeout {
            None => EpollTimeout::NONE,
            Some(limit) => {
                let millis = limit.as_nanos().div_ceil(1_000_000);
                EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX))
                    .unwrap_or(EpollTimeout::MAX)
            }
        };
        events.len = match self.epoll.wait(&mut events.list, timeout) {
            Ok(n) => n,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(())
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Room for the events of one wait.
#[derive(Debug)]
pub struct Events {
    list: Box<[EpollEvent]>,
    len: usize,
}

impl Events {
    /// Room for `capacity` events per wait.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: vec![EpollEvent::empty(); capacity].into_boxed_slice(), len: 0 }
    }

    /// Forgets the events of the last wait.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The number of events that the last wait brought.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the last wait brought none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Event `index` of the last wait.
    #[must_use]
    pub fn get(&self, index: usize) -> Event {
        let event = &self.list[..self.len][index];
        Event { token: event.data(), flags: event.events() }
    }
}

/// What one descriptor is ready for.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    token: u64,
    flags: EpollFlags,
}

impl Event {
    /// The token given when the descriptor was added.
    #[must_use]
    pub fn token(self) -> u64 {
        self.token
    }

    /// There is something to read, be it the end of the stream or an error.
    #[must_use]
    pub fn readable(self) -> bool {
        self.flags.intersects(
            EpollFlags::EPOLLIN
                | EpollFlags::EPOLLRDHUP
                | EpollFlags::EPOLLHUP
                | EpollFlags::EPOLLERR,
        )
    }

    /// There is room to write.
    #[must_use]
    pub fn writable(self) -> bool {
        self.flags.intersects(EpollFlags::EPOLLOUT)
    }

    /// The peer has sent its last byte, or the connection is gone. Reading on will meet the
    /// end of the stream or an error.
    #[must_use]
    pub fn read_closed(self) -> bool {
        self.flags.intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR)
    }

    /// The connection was reset, or both directions are shut.
    #[must_use]
    pub fn failed(self) -> bool {
        self.flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP)
    }
}
