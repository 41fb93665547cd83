//! How many connections may be open, wait, and be refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::event_loop::tuning::MaxConnections;

/// The most refused clients that the server keeps a socket for at once.
pub(crate) const MAX_REFUSED: usize = 64;

/// Bounds on connections.
pub(crate) struct AcceptLimits {
    /// Open at once.
    pub(crate) open: Arc<OpenLimit>,
    /// Waiting in the kernel's queue of each listener.
    pub(crate) backlog: u32,
    /// Refused, while the client may still be reading why.
    pub(crate) refused: usize,
}

/// The limit on open connections. A running server can change it.
pub(crate) struct OpenLimit {
    /// The limit that the server was started with.
    initial: usize,
    most: AtomicUsize,
    silent: AtomicBool,
    announced: AtomicBool,
}

impl OpenLimit {
    pub(crate) fn new(initial: usize, announced: bool) -> Self {
        Self {
            initial,
            most: AtomicUsize::new(initial),
            silent: AtomicBool::new(false),
            announced: AtomicBool::new(announced),
        }
    }

    pub(crate) fn set(&self, limit: Option<MaxConnections>, announced: bool) {
        let MaxConnections { most, silent } =
            limit.unwrap_or(MaxConnections { most: self.initial, silent: false });
        self.most.store(most, Ordering::Relaxed);
        self.silent.store(silent, Ordering::Relaxed);
        self.announced.store(announced, Ordering::Relaxed);
    }

    /// Whether one more connection may be opened beside `open` others.
    pub(crate) fn admits(&self, open: usize) -> bool {
        open < self.most.load(Ordering::Relaxed)
    }

    /// Whether a refused client gets no 503.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Whether the first lane is told of refused clients.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }
}
