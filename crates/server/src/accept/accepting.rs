//! Accepting at the listeners of one thread: of the acceptor, or of a loop with its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use reactor_sys::{Poller, Stream};

use crate::accept::limits::{AcceptLimits, OpenLimit};
use crate::accept::refusal::Refused;
pub(crate) use crate::accept::watched_listener::Door;
use crate::accept::watched_listener::{WatchedListener, is_connections_own};
use crate::event_loop::inbox::Accepted;
use crate::event_loop::token::LISTENER;
use crate::observe::counters::Counters;

/// Connections accepted in a row, before the thread does its other work.
const BATCH: usize = 256;

/// The same where other threads have the socket too. The one that is first would otherwise take all
/// of a burst.
const SHARED_BATCH: usize = 4;

/// After so many failures in a row, of whatever kind, the listener pauses.
const MOST_FAILURES: usize = 64;

/// Listeners, and the limit on the connections that come through them.
pub(crate) struct Accepting {
    listeners: Vec<WatchedListener>,
    counters: Arc<Counters>,
    limit: Arc<OpenLimit>,
    backlog: usize,
    refused: Refused,
    /// Addresses of refused clients that the first lane has not been told of.
    announced: Vec<Option<SocketAddr>>,
}

impl Accepting {
    pub(crate) fn new(doors: Vec<Door>, counters: Arc<Counters>, limits: &AcceptLimits) -> Self {
        let doors = (LISTENER..).zip(doors);
        Self {
            listeners: doors.map(|(token, door)| WatchedListener::new(door, token)).collect(),
            counters,
            limit: Arc::clone(&limits.open),
            backlog: usize::try_from(limits.backlog).unwrap_or(usize::MAX),
            refused: Refused::new(limits.refused),
            announced: Vec::new(),
        }
    }

    /// Watches the listeners.
    pub(crate) fn register(&self, poller: &Poller) -> io::Result<()> {
        self.listeners.iter().try_for_each(|listener| listener.watch(poller))
    }

    /// Accepts the clients that wait, up to a batch. `open` is the number of connections that
    /// are open before.
    pub(crate) fn accept(
        &mut self,
        poller: &Poller,
        mut open: usize,
        take: &mut dyn FnMut(Accepted),
    ) {
        let mut room = BATCH;
        for index in 0..self.listeners.len() {
            if self.listeners[index].is_paused() {
                continue;
            }
            let taken = if self.listeners[index].exclusive {
                let mut share = room.min(SHARED_BATCH);
                let before = share;
                let taken = self.accept_at(index, &mut share, &mut open, &|| false, take);
                room -= before - share;
                taken.and_then(|()| match before - share {
                    0 => Ok(()),
                    _ => self.listeners[index].take_turns(poller),
                })
            } else {
                self.accept_at(index, &mut room, &mut open, &|| false, take)
            };
            if let Err(error) = taken {
                self.pause(index, &error, poller);
            }
        }
    }

    /// Accepts the clients that wait, then closes the listeners.
    ///
    /// Clients that the kernel accepted before the stop are served. At most a backlog of them
    /// waited; new ones may come without end. `is_forced` cuts it short.
    ///
    /// With `leaves` a successor has the same sockets, and serves those who wait.
    pub(crate) fn finish(
        &mut self,
        poller: &Poller,
        leaves: bool,
        mut open: usize,
        is_forced: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Accepted),
    ) {
        self.unlink();
        for index in 0..self.listeners.len() {
            // Closing does not end the watch of a socket that others have open too (epoll(7),
            // question 6). Removing fails, harmlessly, if it is paused.
            let _ = poller.remove(&self.listeners[index].socket);
            // The kernel may have woken this thread, and no other, for those who wait here.
            if leaves && !self.listeners[index].exclusive {
                continue;
            }
            // The kernel queues one more than the backlog says (listen(2), tcp(7)).
            let mut room = self.backlog.saturating_add(1);
            // After an error there is no second try: the listener is closed anyway.
            let _ = self.accept_at(index, &mut room, &mut open, is_forced, take);
        }
        self.listeners.clear();
    }

    /// Removes the files of unix sockets, so that no client finds a listener that will not
    /// accept. An open listener's inode is not used again, so only our own file is removed.
    fn unlink(&self) {
        for listener in &self.listeners {
            listener.socket.unlink();
        }
    }

    /// Accepts up to `room` connections at one listener. Fails with an error of the listener
    /// itself: the next try would meet the same one.
    fn accept_at(
        &mut self,
        index: usize,
        room: &mut usize,
        open: &mut usize,
        is_forced: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Accepted),
    ) -> io::Result<()> {
        let (endpoint, secured) = (self.listeners[index].endpoint, self.listeners[index].secured);
        let mut failures = 0;
        while *room > 0 && !is_forced() {
            match self.listeners[index].socket.accept() {
                Ok((stream, peer)) => {
                    failures = 0;
                    *room -= 1;
                    self.listeners[index].works();
                    if self.limit.admits(*open) {
                        *open += 1;
                        take(Accepted { stream, peer, endpoint: Some(endpoint) });
                    } else {
                        self.refuse(stream, peer, secured);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The connection died in the queue: take the next one. Many such errors in a
                // row are the listener's, whatever their number says.
                Err(error) if is_connections_own(&error) && failures < MOST_FAILURES => {
                    failures += 1;
                }
                // No descriptor or memory is left, accepting is forbidden, or the listener is
                // dead. It stays readable, so that trying on would spin.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn pause(&mut self, index: usize, error: &io::Error, poller: &Poller) {
        let accept = &self.counters.accept;
        accept.pauses.fetch_add(1, Ordering::Relaxed);
        let listener = &mut self.listeners[index];
        accept.tell(listener.socket.address(), error);
        listener.pause(poller);
    }

    /// The clients refused since the last call, where the first lane is told of them.
    pub(crate) fn take_refused(&mut self) -> Vec<Option<SocketAddr>> {
        std::mem::take(&mut self.announced)
    }

    fn refuse(&mut self, stream: Stream, peer: Option<SocketAddr>, secured: bool) {
        self.counters.accept.refused.fetch_add(1, Ordering::Relaxed);
        if self.limit.is_announced() {
            self.announced.push(peer);
        }
        // A client that speaks TLS could not read a 503.
        if !self.limit.is_silent() && !secured {
            self.refused.answer(stream);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        let paused = self.listeners.iter().filter_map(WatchedListener::paused_until);
        paused.chain(self.refused.next_at(now)).min()
    }

    /// Ends pauses that are over, and closes refused connections.
    pub(crate) fn tick(&mut self, poller: &Poller, now: Instant) {
        for index in 0..self.listeners.len() {
            if let Err(error) = self.listeners[index].resume(poller, now) {
                self.pause(index, &error, poller);
            }
        }
        self.refused.close_read(now);
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.unlink();
    }
}

#[cfg(test)]
mod tests {
    use reactor_sys::Listener;

    use super::*;

    /// A listener whose queue never gets empty: each accepted client brings another.
    fn flood(backlog: u32, is_forced: &dyn Fn(usize) -> bool) -> usize {
        let listeners = Listener::tcp("127.0.0.1", 0, 64, false, false).expect("an address");
        let Some(reactor_sys::Address::Tcp(address)) =
            listeners.first().map(|it| it.address().clone())
        else {
            unreachable!("it is TCP")
        };
        let door = |socket| Door {
            socket: Arc::new(socket),
            endpoint: 0,
            secured: false,
            exclusive: false,
        };
        let doors = listeners.into_iter().map(door).collect();
        let open = Arc::new(OpenLimit::new(usize::MAX, false));
        let limits = AcceptLimits { open, backlog, refused: 1 };
        let counters = Arc::new(Counters::new(1, 1));
        let mut accepting = Accepting::new(doors, counters, &limits);
        let poller = Poller::new().expect("an epoll instance");
        let came = std::cell::Cell::new(0);
        let mut clients = vec![std::net::TcpStream::connect(address).expect("it listens")];
        accepting.finish(&poller, false, 0, &|| is_forced(came.get()), &mut |_| {
            came.set(came.get() + 1);
            assert!(came.get() < 10_000, "without end");
            clients.push(std::net::TcpStream::connect(address).expect("it listens"));
        });
        came.get()
    }

    #[test]
    fn a_stop_takes_no_more_connections_than_can_have_waited() {
        assert_eq!(flood(16, &|_| false), 17);
        assert_eq!(flood(5000, &|came| came == 3), 3);
    }
}
