//! A run: its threads, and what they share.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reactor_sys::{Address, Waker, block_signals, raise_open_files_limit};

use crate::broadcast::Broadcast;
use crate::conn::Batch;
use crate::handshake::Agreed;
use crate::report::{Http2Report, Latency, Progress, Report, StopReason, TlsReport};
use crate::tally::Tally;
use crate::times::Times;
use crate::worker::{Ended, Worker};
use crate::{PeerError, Plan, PlanError};

/// Files that a process may have open besides the connections.
const OTHER_FILES: u64 = 64;

/// A run on threads of its own. Dropping it stops it.
pub struct Run {
    shared: Arc<Shared>,
    wakers: Vec<Arc<Waker>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Why a run did not start, or failed.
#[derive(Debug)]
pub enum StartError {
    /// The plan cannot be carried out.
    Plan(PlanError),
    /// No server was found.
    Peer(PeerError),
    /// A thread, an epoll instance, an eventfd or a timerfd could not be made.
    System {
        /// What was being made.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Peer(error) => error.fmt(f),
            Self::System { what, source } => write!(f, "cannot make {what}: {source}"),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// A code that is the same in every release.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plan(_) => "ERR_REACTOR_INVALID_OPTION",
            Self::Peer(PeerError::NotFound { .. }) => "ERR_REACTOR_HOST_NOT_FOUND",
            Self::Peer(_) => "ERR_REACTOR_CONNECT",
            Self::System { .. } => "ERR_REACTOR_BENCH",
        }
    }
}

impl Run {
    /// Finds the server, tries one connection to it and starts the threads. That may take as
    /// long as resolving the name and [`Plan::timeout`] together.
    ///
    /// # Errors
    /// [`StartError`]; nothing is running then.
    pub fn start(plan: Plan) -> Result<Self, StartError> {
        plan.check().map_err(StartError::Plan)?;
        check_open_files(plan.connections)?;
        let (address, agreed) = plan
            .peer
            .find(plan.tls.as_deref(), plan.http2.is_some(), plan.proxy_protocol, plan.timeout)
            .map_err(StartError::Peer)?;
        let threads = plan.threads;
        let shared = Arc::new(Shared::new(plan, address, agreed));
        let mut run = Self { shared, wakers: Vec::new(), threads: Mutex::default() };
        for index in 0..threads {
            // If this fails, dropping `run` stops the threads that were started.
            run.spawn(index)
                .map_err(|source| StartError::System { what: "a client thread", source })?;
        }
        Ok(run)
    }

    fn spawn(&mut self, index: usize) -> io::Result<()> {
        let waker = Arc::new(Waker::new()?);
        let shared = Arc::clone(&self.shared);
        let worker = Worker::new(Arc::clone(&shared), index, &waker)?;
        self.wakers.push(waker);
        let thread = thread::Builder::new().name(format!("rx-load-{index}")).spawn(move || {
            block_signals();
            let ended = catch_unwind(AssertUnwindSafe(|| worker.run()));
            shared.end(ended.unwrap_or_else(|_| Err(io::Error::other("a client thread panicked"))));
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// The figures so far, at most 100 ms old.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let tally = self.shared.sum();
        let elapsed = self.shared.epoch().map_or(Duration::ZERO, |epoch| epoch.elapsed());
        Progress {
            elapsed_ms: elapsed.as_secs_f64() * 1e3,
            warming_up: self.shared.epoch().is_none() || elapsed < self.shared.plan.warmup,
            requests: tally.requests(),
            errors: tally.failed(),
            latency: Latency::of(&tally.latency),
        }
    }

    /// Ends the run now. Requests without an answer are not counted. No-op if the run has
    /// ended.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        for waker in &self.wakers {
            waker.wake();
        }
    }

    /// Calls `then` on the run's last thread when the run has ended, or at once if it has
    /// ended already. A second call replaces the first.
    pub fn on_end(&self, then: Box<dyn FnOnce() + Send>) {
        let mut ending = lock(&self.shared.ending);
        if ending.parts.len() < self.shared.plan.threads {
            ending.then = Some(then);
            return;
        }
        drop(ending);
        then();
    }

    /// Waits for all threads to end.
    pub fn wait(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // The thread itself catches its panics.
            let _ = thread.join();
        }
    }

    /// The result, once the run has ended.
    ///
    /// # Errors
    /// The first failure of a thread. Only its poller can fail, which no server causes.
    #[must_use]
    pub fn report(&self) -> Option<io::Result<Report>> {
        let ending = lock(&self.shared.ending);
        let plan = &self.shared.plan;
        if ending.parts.len() < plan.threads {
            return None;
        }
        let mut times = Times::default();
        let mut load = 0.0f64;
        for part in &ending.parts {
            match part {
                Ok(ended) => {
                    times.add(&ended.times);
                    load = load.max(ended.load);
                }
                Err(error) => return Some(Err(io::Error::new(error.kind(), error.to_string()))),
            }
        }
        drop(ending);
        let tally = self.shared.sum();
        let reason = if self.shared.is_stopped() {
            StopReason::Stop
        } else if plan.requests.is_some_and(|n| tally.requests() + tally.unsent >= n) {
            StopReason::Requests
        } else {
            StopReason::Duration
        };
        let tls =
            self.shared.agreed.as_ref().map(|agreed| TlsReport::new(agreed, &tally.handshakes));
        let http2 = plan.http2.is_some().then(|| Http2Report::new(&tally));
        Some(Ok(Report { tls, http2, ..Report::new(&tally, &times, reason, plan.rate, load) }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
        self.wait();
    }
}

fn check_open_files(connections: usize) -> Result<(), StartError> {
    let limit = raise_open_files_limit()
        .map_err(|source| StartError::System { what: "room for open files", source })?;
    if connections as u64 + OTHER_FILES > limit {
        return Err(StartError::Plan(PlanError::OpenFiles { connections, limit }));
    }
    Ok(())
}

/// What the threads and the owner of the run share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) address: Address,
    /// What the first TLS handshake agreed on.
    agreed: Option<Agreed>,
    pub(crate) batch: Batch,
    /// What subscribers wait for.
    pub(crate) broadcast: Option<Broadcast>,
    stopped: AtomicBool,
    /// Threads whose connections are open.
    arrived: AtomicUsize,
    epoch: OnceLock<Instant>,
    tallies: Vec<Mutex<Tally>>,
    ending: Mutex<Ending>,
}

#[derive(Default)]
struct Ending {
    parts: Vec<io::Result<Ended>>,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Shared {
    fn new(plan: Plan, address: Address, agreed: Option<Agreed>) -> Self {
        let tally = || Mutex::new(Tally::new(plan.rate.is_some()));
        Self {
            stopped: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            epoch: OnceLock::new(),
            tallies: (0..plan.threads).map(|_| tally()).collect(),
            ending: Mutex::default(),
            batch: match &plan.websocket {
                Some(websocket) => Batch::new(&websocket.frame(), plan.pipeline),
                None => Batch::new(plan.request.bytes(), plan.pipeline),
            },
            broadcast: plan.is_broadcast().then(Broadcast::new),
            address,
            agreed,
            plan,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// A thread says that its connections are open. The last thread starts the clock.
    pub(crate) fn arrive(&self) {
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.plan.threads {
            self.epoch.get_or_init(Instant::now);
        }
    }

    /// The start of the run, once all threads are ready.
    pub(crate) fn epoch(&self) -> Option<Instant> {
        self.epoch.get().copied()
    }

    /// The counters of thread `index`.
    pub(crate) fn tally(&self, index: usize) -> MutexGuard<'_, Tally> {
        lock(&self.tallies[index])
    }

    fn sum(&self) -> Tally {
        let mut sum = Tally::new(self.plan.rate.is_some());
        for tally in &self.tallies {
            sum.take(&mut lock(tally).clone());
        }
        sum
    }

    /// A thread has ended. If it failed, the others end too.
    fn end(&self, part: io::Result<Ended>) {
        if part.is_err() {
            self.stopped.store(true, Ordering::Release);
        }
        let mut ending = lock(&self.ending);
        ending.parts.push(part);
        if ending.parts.len() == self.plan.threads {
            let then = ending.then.take();
            drop(ending);
            if let Some(then) = then {
                then();
            }
        }
    }
}

/// Ignores poisoning: a panic cannot leave these values in a wrong state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
