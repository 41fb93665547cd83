//! Accepting connections, and the acceptor thread.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reactor_proto::response::date;
use reactor_sys::{Events, Listener, Poller, Stream, Waker, block_signals};

use crate::event_loop::inbox::{Control, Inbox};
use crate::event_loop::tuning::MaxConnections;
use crate::observe::counters::Counters;

/// Connections accepted before other work gets its turn.
const BATCH: usize = 256;

/// Failures in a row, of whatever kind, after which a listener is left alone for a while.
const MOST_FAILURES: usize = 64;

/// The first pause after an error that is not one connection's own; it doubles up to the
/// second.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Connections that were turned away and may still be reading why.
pub(crate) const MAX_REFUSED: usize = 64;
const REFUSED_FOR: Duration = Duration::from_millis(500);
const REFUSED_POLL: Duration = Duration::from_millis(50);

/// The answer to a connection too many, around the value of its `Date`.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
Content-Type: text/plain\r\n\
Content-Length: 67\r\n\
Retry-After: 1\r\n\
Connection: close\r\n\
Date: ";
const REFUSAL_BODY: &[u8] = b"\r\n\r\n\
503 Service Unavailable: the server has all the connections it can\n";

/// Epoll token of the first listener; the others follow.
pub(crate) const LISTENER: u64 = u64::MAX - 64;
/// Epoll token of what only wakes: the waker, and the timer of an ownership.
pub(crate) const WAKER: u64 = u64::MAX;

/// Listeners and what happens when there are too many connections.
pub(crate) struct Accepting {
    listeners: Vec<Door>,
    counters: Arc<Counters>,
    most: Arc<Most>,
    backlog: usize,
    max_refused: usize,
    /// Those refused since that was last asked, where somebody asks.
    told: Vec<Option<SocketAddr>>,
    refused: VecDeque<(Stream, Instant)>,
    exclusive: bool,
}

/// The limit on connections, which can be changed while they are accepted.
pub(crate) struct Most {
    /// What the server was started with.
    first: usize,
    most: AtomicUsize,
    silent: AtomicBool,
    /// Somebody wants to hear of those that are refused.
    told: AtomicBool,
}

impl Most {
    pub(crate) fn new(first: usize, told: bool) -> Self {
        Self {
            first,
            most: AtomicUsize::new(first),
            silent: AtomicBool::new(false),
            told: AtomicBool::new(told),
        }
    }

    pub(crate) fn set(&self, limit: Option<MaxConnections>, told: bool) {
        let MaxConnections { most, silent } =
            limit.unwrap_or(MaxConnections { most: self.first, silent: false });
        self.most.store(most, Ordering::Relaxed);
        self.silent.store(silent, Ordering::Relaxed);
        self.told.store(told, Ordering::Relaxed);
    }
}

/// Bounds on connections.
pub(crate) struct AcceptLimits {
    /// Open at once.
    pub(crate) most: Arc<Most>,
    /// Waiting at each listener.
    pub(crate) backlog: u32,
    /// Turned away, and perhaps still reading why.
    pub(crate) refused: usize,
}

/// One listener, and whether it is watched.
struct Door {
    listener: Listener,
    token: u64,
    /// Not accepting until then: it failed.
    paused_until: Option<Instant>,
    pause: Duration,
}

impl Accepting {
    pub(crate) fn new(
        listeners: Vec<Listener>,
        counters: Arc<Counters>,
        limits: &AcceptLimits,
        exclusive: bool,
    ) -> Self {
        let listeners = (LISTENER..).zip(listeners).map(|(token, listener)| Door {
            listener,
            token,
            paused_until: None,
            pause: MIN_PAUSE,
        });
        Self {
            listeners: listeners.collect(),
            counters,
            most: Arc::clone(&limits.most),
            told: Vec::new(),
            backlog: usize::try_from(limits.backlog).unwrap_or(usize::MAX),
            max_refused: limits.refused,
            refused: VecDeque::new(),
            exclusive,
        }
    }

    pub(crate) fn register(&self, poller: &Poller) -> io::Result<()> {
        for Door { listener, token, .. } in &self.listeners {
            poller.add_listener(listener, *token, self.exclusive)?;
        }
        Ok(())
    }

    /// Accepts what waits, up to a batch. `open` is the number of open
    /// connections before.
    pub(crate) fn accept(
        &mut self,
        poller: &Poller,
        mut open: usize,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) {
        let mut room = BATCH;
        for index in 0..self.listeners.len() {
            if self.listeners[index].paused_until.is_some() {
                continue;
            }
            if let Err(error) = self.accept_at(index, &mut room, &mut open, &|| false, take) {
                self.pause(index, &error, poller);
            }
        }
    }

    /// Accepts what waits, then stops listening: clients that got through to us before
    /// the stop are served. No more of them can have waited than the backlog has room
    /// for; of those that come meanwhile there may be no end. `is_forced` cuts it short.
    pub(crate) fn finish(
        &mut self,
        poller: &Poller,
        mut open: usize,
        is_forced: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) {
        self.unlink();
        for index in 0..self.listeners.len() {
            // The kernel takes one more than it is told (listen(2), tcp(7)).
            let mut room = self.backlog.saturating_add(1);
            // What fails now is not tried again.
            let _ = self.accept_at(index, &mut room, &mut open, is_forced, take);
            // Closing does not end the watch of a unix socket that other loops
            // still have open (epoll(7), question 6). It may be paused already.
            let _ = poller.remove(&self.listeners[index].listener);
        }
        self.listeners.clear();
    }

    /// Nobody shall find a listener that will not accept. While it is open its
    /// file's inode is not used again, so only our own file goes.
    fn unlink(&self) {
        for door in &self.listeners {
            door.listener.unlink();
        }
    }

    /// Accepts up to `room` connections at one listener. Fails with an error that says
    /// nothing of one connection alone: a further try would come to the same.
    fn accept_at(
        &mut self,
        index: usize,
        room: &mut usize,
        open: &mut usize,
        is_forced: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) -> io::Result<()> {
        let mut failures = 0;
        while *room > 0 && !is_forced() {
            match self.listeners[index].listener.accept() {
                Ok((stream, peer)) => {
                    failures = 0;
                    *room -= 1;
                    self.listeners[index].pause = MIN_PAUSE;
                    if *open < self.most.most.load(Ordering::Relaxed) {
                        *open += 1;
                        take(stream, peer);
                    } else {
                        self.refuse(stream, peer);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It died in the queue: take the next. If that goes on it is no
                // connection's own error, whatever it is called.
                Err(error) if is_connections_own(&error) && failures < MOST_FAILURES => {
                    failures += 1;
                }
                // Out of descriptors or memory, forbidden, or the listener is dead:
                // trying on would spin, since it stays readable.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn pause(&mut self, index: usize, error: &io::Error, poller: &Poller) {
        let accept = &self.counters.accept;
        accept.pauses.fetch_add(1, Ordering::Relaxed);
        let door = &mut self.listeners[index];
        accept.tell(door.listener.address(), error);
        let _ = poller.remove(&door.listener);
        door.paused_until = Some(Instant::now() + door.pause);
        door.pause = (door.pause * 2).min(MAX_PAUSE);
    }

    /// The clients that were refused, where that is told.
    pub(crate) fn take_refused(&mut self) -> Vec<Option<SocketAddr>> {
        std::mem::take(&mut self.told)
    }

    /// Tells the client, without letting it hold a place.
    fn refuse(&mut self, stream: Stream, peer: Option<SocketAddr>) {
        self.counters.accept.refused.fetch_add(1, Ordering::Relaxed);
        if self.most.told.load(Ordering::Relaxed) {
            self.told.push(peer);
        }
        if self.most.silent.load(Ordering::Relaxed) {
            return;
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let refusal = [REFUSAL, &date(wall.as_secs()), REFUSAL_BODY].concat();
        // A fresh socket has room for this.
        let _ = stream.write(&refusal);
        let _ = stream.shutdown_write();
        if self.refused.len() >= self.max_refused {
            self.refused.pop_front();
        }
        self.refused.push_back((stream, Instant::now() + REFUSED_FOR));
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        let refused = (!self.refused.is_empty()).then(|| now + REFUSED_POLL);
        let paused = self.listeners.iter().filter_map(|door| door.paused_until);
        paused.chain(refused).min()
    }

    /// Listens again after a pause and lets go of those turned away.
    pub(crate) fn tick(&mut self, poller: &Poller, now: Instant) {
        for index in 0..self.listeners.len() {
            let Door { listener, token, paused_until, .. } = &mut self.listeners[index];
            if paused_until.is_some_and(|until| now >= until) {
                *paused_until = None;
                if let Err(error) = poller.add_listener(listener, *token, self.exclusive) {
                    self.pause(index, &error, poller);
                }
            }
        }
        // Read what they sent, or closing would reset the connection under
        // the answer.
        let mut sink = [0; 4096];
        self.refused.retain_mut(|(stream, until)| {
            now < *until
                && match stream.read(&mut sink) {
                    Ok(n) => n > 0,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                }
        });
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.unlink();
    }
}

/// Whether `accept4` tells of the connection that it was to return, which is then off the
/// queue: it was aborted, or had a network error on it, which Linux passes on (accept(2),
/// "Error handling"). The numbers of these are the same on every platform that this
/// crate builds for.
fn is_connections_own(error: &io::Error) -> bool {
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

/// How the acceptor thread is told to stop.
pub(crate) struct AcceptorSignal {
    command: AtomicU8,
    waker: Waker,
}

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const FORCE: u8 = 2;

impl AcceptorSignal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { command: AtomicU8::new(RUN), waker: Waker::new()? })
    }

    /// Hands over what is queued, tells the loops that this was all, and ends.
    pub(crate) fn drain(&self) {
        self.command.fetch_max(DRAIN, Ordering::Release);
        self.waker.wake();
    }

    /// Ends at once.
    pub(crate) fn force(&self) {
        self.command.fetch_max(FORCE, Ordering::Release);
        self.waker.wake();
    }

    fn is_forced(&self) -> bool {
        self.command.load(Ordering::Acquire) == FORCE
    }
}

/// The acceptor thread: hands each connection to the loop that has the
/// fewest.
pub(crate) struct Acceptor {
    pub(crate) poller: Poller,
    pub(crate) signal: Arc<AcceptorSignal>,
    pub(crate) accepting: Accepting,
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) counters: Arc<Counters>,
}

impl Acceptor {
    /// Watches the listeners and the waker.
    pub(crate) fn register(&self) -> io::Result<()> {
        self.poller.add_edge(&self.signal.waker, WAKER)?;
        self.accepting.register(&self.poller)
    }

    pub(crate) fn run(mut self) {
        block_signals();
        self.counters.accept.thread.set_to_this_thread();
        let mut events = Events::with_capacity(8);
        let mut handed = vec![0_u64; self.inboxes.len()];
        loop {
            let now = Instant::now();
            let timeout = self.accepting.next_at(now).map(|at| at.saturating_duration_since(now));
            if self.poller.wait(&mut events, timeout).is_err() {
                // Cannot happen to a valid descriptor; do not spin on it.
                std::thread::sleep(MIN_PAUSE);
            }
            let command = self.signal.command.load(Ordering::Acquire);
            if command == FORCE {
                return;
            }
            if command == DRAIN {
                self.hand_out(&mut handed, true);
                for inbox in &self.inboxes {
                    inbox.push_control(Control::NoMore);
                    inbox.notify();
                }
                return;
            }
            self.accepting.tick(&self.poller, Instant::now());
            if !events.is_empty() {
                self.hand_out(&mut handed, false);
            }
        }
    }

    fn hand_out(&mut self, handed: &mut [u64], finish: bool) {
        let mut open: Vec<u64> = handed
            .iter()
            .zip(&self.counters.loops)
            .map(|(handed, counters)| handed.saturating_sub(counters.closed_total()))
            .collect();
        let total = usize::try_from(open.iter().sum::<u64>()).unwrap_or(usize::MAX);
        let mut touched = 0_u32;
        let inboxes = &self.inboxes;
        let mut take = |stream, peer| {
            let fewest = (0..open.len()).min_by_key(|&index| open[index]).unwrap_or(0);
            open[fewest] += 1;
            handed[fewest] += 1;
            touched |= 1 << fewest;
            inboxes[fewest].push_control(Control::Accepted(stream, peer));
        };
        if finish {
            let signal = &self.signal;
            self.accepting.finish(&self.poller, total, &|| signal.is_forced(), &mut take);
        } else {
            self.accepting.accept(&self.poller, total, &mut take);
        }
        for peer in self.accepting.take_refused() {
            touched |= 1;
            inboxes[0].push_control(Control::Refused(peer));
        }
        for (index, inbox) in inboxes.iter().enumerate() {
            if touched & (1 << index) != 0 {
                inbox.notify();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener whose queue never gets empty: each accepted client brings another.
    fn flood(backlog: u32, is_forced: &dyn Fn(usize) -> bool) -> usize {
        let listeners = Listener::tcp("127.0.0.1", 0, 64, false, false).expect("an address");
        let Some(reactor_sys::Address::Tcp(address)) =
            listeners.first().map(|it| it.address().clone())
        else {
            unreachable!("it is TCP")
        };
        let most = Arc::new(Most::new(usize::MAX, false));
        let limits = AcceptLimits { most, backlog, refused: 1 };
        let counters = Arc::new(Counters::new(1, 1));
        let mut accepting = Accepting::new(listeners, counters, &limits, false);
        let poller = Poller::new().expect("an epoll instance");
        let came = std::cell::Cell::new(0);
        let mut clients = vec![std::net::TcpStream::connect(address).expect("it listens")];
        accepting.finish(&poller, 0, &|| is_forced(came.get()), &mut |_, _| {
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
