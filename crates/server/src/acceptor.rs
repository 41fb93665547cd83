//! Accepting connections, and the acceptor thread.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reactor_proto::response::date;
use reactor_sys::{Events, Listener, Poller, Stream, Waker, block_signals};

use crate::inbox::{Control, Inbox};
use crate::stats::Counters;

/// Connections accepted before other work gets its turn.
const BATCH: usize = 256;

/// The first pause after the system ran out of descriptors or memory; it
/// doubles up to the second.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Connections that were turned away and may still be reading why.
const MAX_REFUSED: usize = 64;
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
/// Epoll token of what only wakes: the waker, and the timer of a seat.
pub(crate) const WAKER: u64 = u64::MAX;

/// Listeners and what happens when there are too many connections.
pub(crate) struct Accepting {
    listeners: Vec<Listener>,
    counters: Arc<Counters>,
    max_connections: usize,
    /// Not accepting until then: the system has no more descriptors.
    paused_until: Option<Instant>,
    pause: Duration,
    refused: VecDeque<(Stream, Instant)>,
    exclusive: bool,
}

impl Accepting {
    pub(crate) fn new(
        listeners: Vec<Listener>,
        counters: Arc<Counters>,
        max_connections: usize,
        exclusive: bool,
    ) -> Self {
        Self {
            listeners,
            counters,
            max_connections,
            paused_until: None,
            pause: MIN_PAUSE,
            refused: VecDeque::new(),
            exclusive,
        }
    }

    pub(crate) fn register(&self, poller: &Poller) -> io::Result<()> {
        for (token, listener) in (LISTENER..).zip(&self.listeners) {
            poller.add_listener(listener, token, self.exclusive)?;
        }
        Ok(())
    }

    /// Accepts what waits, up to a batch. `open` is the number of open
    /// connections before.
    pub(crate) fn accept(
        &mut self,
        poller: &Poller,
        open: usize,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) {
        self.accept_up_to(BATCH, Some(poller), open, take);
    }

    /// Accepts everything that waits, then stops listening: whoever got
    /// through to us before the stop is served.
    pub(crate) fn finish(
        &mut self,
        poller: &Poller,
        open: usize,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) {
        self.unlink();
        self.accept_up_to(usize::MAX, None, open, take);
        for listener in &self.listeners {
            // Closing does not end the watch of a unix socket that other loops
            // still have open (epoll(7), question 6). It may be paused already.
            let _ = poller.remove(listener);
        }
        self.listeners.clear();
        self.paused_until = None;
    }

    /// Nobody shall find a listener that will not accept. While it is open its
    /// file's inode is not used again, so only our own file goes.
    fn unlink(&self) {
        for listener in &self.listeners {
            listener.unlink();
        }
    }

    fn accept_up_to(
        &mut self,
        limit: usize,
        poller: Option<&Poller>,
        mut open: usize,
        take: &mut dyn FnMut(Stream, Option<SocketAddr>),
    ) {
        let mut accepted = 0;
        let mut index = 0;
        while index < self.listeners.len() && accepted < limit {
            match self.listeners[index].accept() {
                Ok((stream, peer)) => {
                    accepted += 1;
                    self.pause = MIN_PAUSE;
                    if open < self.max_connections {
                        open += 1;
                        take(stream, peer);
                    } else {
                        self.refuse(stream);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => index += 1,
                // Out of descriptors or memory: trying on would spin, since
                // the listener stays readable (accept(2), EMFILE).
                Err(error) if is_exhaustion(&error) => {
                    if let Some(poller) = poller {
                        self.pause(poller);
                    }
                    return;
                }
                // The connection died in the queue (ECONNABORTED and the
                // network errors that accept(2) passes on): take the next.
                Err(_) => accepted += 1,
            }
        }
    }

    fn pause(&mut self, poller: &Poller) {
        self.counters.accept.pauses.fetch_add(1, Ordering::Relaxed);
        for listener in &self.listeners {
            let _ = poller.remove(listener);
        }
        self.paused_until = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    /// Tells the client, without letting it hold a place.
    fn refuse(&mut self, stream: Stream) {
        self.counters.accept.refused.fetch_add(1, Ordering::Relaxed);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let refusal = [REFUSAL, &date(wall.as_secs()), REFUSAL_BODY].concat();
        // A fresh socket has room for this.
        let _ = stream.write(&refusal);
        let _ = stream.shutdown_write();
        if self.refused.len() >= MAX_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back((stream, Instant::now() + REFUSED_FOR));
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        let refused = (!self.refused.is_empty()).then(|| now + REFUSED_POLL);
        [self.paused_until, refused].into_iter().flatten().min()
    }

    /// Listens again after a pause and lets go of those turned away.
    pub(crate) fn tick(&mut self, poller: &Poller, now: Instant) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            if self.register(poller).is_err() {
                self.pause(poller);
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

fn is_exhaustion(error: &io::Error) -> bool {
    const EXHAUSTED: [nix_errno::Code; 4] =
        [nix_errno::EMFILE, nix_errno::ENFILE, nix_errno::ENOBUFS, nix_errno::ENOMEM];
    error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code))
}

/// Error numbers of accept(2) that std has no name for, the same on every
/// Linux platform that this crate builds for.
mod nix_errno {
    pub(super) type Code = i32;
    pub(super) const ENOMEM: Code = 12;
    pub(super) const ENFILE: Code = 23;
    pub(super) const EMFILE: Code = 24;
    pub(super) const ENOBUFS: Code = 105;
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

    /// Hands over what is queued, tells the loops to drain, and ends.
    pub(crate) fn drain(&self) {
        self.command.fetch_max(DRAIN, Ordering::Release);
        self.waker.wake();
    }

    /// Ends at once.
    pub(crate) fn force(&self) {
        self.command.fetch_max(FORCE, Ordering::Release);
        self.waker.wake();
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
                    inbox.push_control(Control::Drain);
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
            self.accepting.finish(&self.poller, total, &mut take);
        } else {
            self.accepting.accept(&self.poller, total, &mut take);
        }
        for (index, inbox) in inboxes.iter().enumerate() {
            if touched & (1 << index) != 0 {
                inbox.notify();
            }
        }
    }
}
