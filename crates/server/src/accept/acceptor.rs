//! The acceptor thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use reactor_sys::{Events, Poller, Waker, block_signals};

use crate::accept::accepting::Accepting;
use crate::event_loop::inbox::{Control, Inbox};
use crate::event_loop::token::WAKER;
use crate::observe::counters::Counters;

/// How long the thread sleeps when epoll itself fails.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// How the acceptor thread is told to stop.
pub(crate) struct AcceptorSignal {
    command: AtomicU8,
    waker: Waker,
}

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const RETIRE: u8 = 2;
const FORCE: u8 = 3;

impl AcceptorSignal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { command: AtomicU8::new(RUN), waker: Waker::new()? })
    }

    /// The thread hands over the connections that are queued, tells the loops that these were all,
    /// and ends.
    pub(crate) fn drain(&self) {
        self.command.fetch_max(DRAIN, Ordering::Release);
        self.waker.wake();
    }

    /// As [`drain`](Self::drain), but those who wait are left to a successor.
    pub(crate) fn retire(&self) {
        self.command.fetch_max(RETIRE, Ordering::Release);
        self.waker.wake();
    }

    /// The thread ends at once.
    pub(crate) fn force(&self) {
        self.command.fetch_max(FORCE, Ordering::Release);
        self.waker.wake();
    }

    fn is_forced(&self) -> bool {
        self.command.load(Ordering::Acquire) == FORCE
    }
}

/// The acceptor thread. It hands each connection to the loop that has the fewest.
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
                // This cannot happen to a valid descriptor. If it does, the thread must not spin.
                std::thread::sleep(AFTER_ERROR);
            }
            let command = self.signal.command.load(Ordering::Acquire);
            if command == FORCE {
                return;
            }
            if command == DRAIN || command == RETIRE {
                self.hand_out(&mut handed, Some(command));
                for inbox in &self.inboxes {
                    inbox.push_control(Control::NoMore);
                    inbox.notify();
                }
                return;
            }
            self.accepting.tick(&self.poller, Instant::now());
            if !events.is_empty() {
                self.hand_out(&mut handed, None);
            }
        }
    }

    /// Hands out those who wait. With a command, they are the last ones.
    fn hand_out(&mut self, handed: &mut [u64], command: Option<u8>) {
        let mut open: Vec<u64> = handed
            .iter()
            .zip(&self.counters.loops)
            .map(|(handed, counters)| handed.saturating_sub(counters.closed_total()))
            .collect();
        let total = usize::try_from(open.iter().sum::<u64>()).unwrap_or(usize::MAX);
        let mut touched = 0_u32;
        let inboxes = &self.inboxes;
        let mut take = |accepted| {
            let fewest = (0..open.len()).min_by_key(|&index| open[index]).unwrap_or(0);
            open[fewest] += 1;
            handed[fewest] += 1;
            touched |= 1 << fewest;
            inboxes[fewest].push_control(Control::Accepted(accepted));
        };
        if let Some(command) = command {
            let (signal, leaves) = (&self.signal, command == RETIRE);
            self.accepting.finish(&self.poller, leaves, total, &|| signal.is_forced(), &mut take);
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
