//! One listener, and its pauses after errors.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor_sys::{Listener, Poller};

/// The first pause after an error of the listener. It doubles up to [`MAX_PAUSE`].
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A socket through which connections come in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) socket: Arc<Listener>,
    /// The number of its endpoint in the configuration.
    pub(crate) endpoint: usize,
    /// Its clients speak TLS.
    pub(crate) secured: bool,
    /// Other loops have the same socket, and only one is woken for a client (EPOLLEXCLUSIVE).
    pub(crate) exclusive: bool,
}

/// A listener that is watched, or pauses.
pub(super) struct WatchedListener {
    pub(super) socket: Arc<Listener>,
    /// The number of its endpoint.
    pub(super) endpoint: usize,
    /// Its clients speak TLS.
    pub(super) secured: bool,
    token: u64,
    /// Several loops watch the socket, and only one of them is woken for a client.
    pub(super) exclusive: bool,
    /// `Some` during a pause.
    paused_until: Option<Instant>,
    /// How long the next pause is.
    pause: Duration,
}

impl WatchedListener {
    pub(super) fn new(door: Door, token: u64) -> Self {
        let Door { socket, endpoint, secured, exclusive } = door;
        Self { socket, endpoint, secured, token, exclusive, paused_until: None, pause: MIN_PAUSE }
    }

    pub(super) fn watch(&self, poller: &Poller) -> io::Result<()> {
        poller.add_listener(&self.socket, self.token, self.exclusive)
    }

    /// Lets the other threads that watch the socket be first for the next clients. The kernel wakes
    /// those that sleep in the order in which they began to watch.
    pub(super) fn take_turns(&self, poller: &Poller) -> io::Result<()> {
        poller.remove(&self.socket)?;
        self.watch(poller)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Stops watching for a while.
    pub(super) fn pause(&mut self, poller: &Poller) {
        let _ = poller.remove(&self.socket);
        self.paused_until = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    /// Watches again if the pause is over.
    pub(super) fn resume(&mut self, poller: &Poller, now: Instant) -> io::Result<()> {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            self.watch(poller)?;
        }
        Ok(())
    }

    /// A connection was accepted: the next pause is a short one.
    pub(super) fn works(&mut self) {
        self.pause = MIN_PAUSE;
    }
}

/// Whether an error of `accept4` is that of the connection that it would have returned. That
/// connection is then off the queue: it was aborted, or had a network error, which Linux passes on
/// (accept(2), "Error handling").
///
/// These numbers are the same on every platform that this crate builds for.
pub(super) fn is_connections_own(error: &io::Error) -> bool {
    const EINTR: i32 = 4;
    const ENONET: i32 = 64;
    const EPROTO: i32 = 71;
    const ENOPROTOOPT: i32 = 92;
    const EOPNOTSUPP: i32 = 95;
    const ENETDOWN: i32 = 100;
    const ENETUNREACH: i32 = 101;
    const ECONNABORTED: i32 = 103;
    const ECONNRESET: i32 = 104;
    const ETIMEDOUT: i32 = 110;
    const EHOSTDOWN: i32 = 112;
    const EHOSTUNREACH: i32 = 113;
    matches!(
        error.raw_os_error(),
        Some(
            EINTR
                | ENONET
                | EPROTO
                | ENOPROTOOPT
                | EOPNOTSUPP
                | ENETDOWN
                | ENETUNREACH
                | ECONNABORTED
                | ECONNRESET
                | ETIMEDOUT
                | EHOSTDOWN
                | EHOSTUNREACH
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_befell_one_connection_is_worth_another_try_at_once() {
        let own = |code| is_connections_own(&io::Error::from_raw_os_error(code));
        // EINTR, EPROTO, ENETDOWN, ECONNABORTED, EHOSTUNREACH, and others of accept(2).
        for code in [4, 64, 71, 92, 95, 100, 101, 103, 112, 113] {
            assert!(own(code), "{code}");
        }
        // EPERM, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EINVAL, ENFILE, EMFILE, ENOSYS, ENOTSOCK.
        for code in [1, 9, 11, 12, 13, 14, 22, 23, 24, 38, 88, 105] {
            assert!(!own(code), "{code}");
        }
    }
}
