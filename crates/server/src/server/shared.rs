//! What the threads of a server, its handle and its handlers share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use reactor_sys::{Address, Listener, block_signals};

use crate::accept::acceptor::AcceptorSignal;
use crate::accept::limits::OpenLimit;
use crate::conn::entrance::Tls;
use crate::dispatch::app::App;
use crate::dispatch::lane::channel::{Lane, Lanes};
use crate::dispatch::worker::pool::{self, Pool};
use crate::event_loop::inbox::{Control, Inbox, reply_boxes};
use crate::event_loop::ownership::Ownership;
use crate::observe::access_log::OpenLog;
use crate::observe::counters::Counters;
use crate::observe::health::Health;
use crate::observe::stats::{CertificateStats, Stats, TlsStats};
use crate::observe::watch::Watch;
use crate::server::error::StartError;
use crate::server::metrics::program::Program;
use crate::server::thread_times::thread_of_lane;

/// How long a stop waits for handlers that go on, once all connections are closed. Then it
/// leaves their threads behind.
const WORKER_GRACE: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    /// The first address of each endpoint; there is one at least.
    pub(super) addresses: Vec<Address>,
    /// What each endpoint is secured with, if it is.
    pub(super) tls: Vec<Option<Arc<Tls>>>,
    /// The sockets that the threads accept from, with the number of their endpoint. Empty once a
    /// stop begins.
    pub(super) sockets: Mutex<Vec<(usize, Arc<Listener>)>>,
    pub(super) open_limit: Arc<OpenLimit>,
    pub(super) counters: Arc<Counters>,
    pub(super) health: Arc<Health>,
    pub(super) pool: Arc<Pool>,
    /// Capacity of the workers' queue.
    pub(super) queue: usize,
    /// How many connections have been handed over.
    pub(super) handed: AtomicUsize,
    pub(super) thread_prefix: &'static str,
    pub(super) log: Option<OpenLog>,
    /// Tells this server's request ids from those of others.
    pub(super) start_id: u64,
    /// Whether somebody watches through the control socket or the metrics listener, if there is one.
    pub(super) watch: Option<Arc<Watch>>,
    pub(super) metrics_address: OnceLock<Address>,
    /// A program that has metrics of its own.
    pub(super) program: Option<Program>,
    /// The page that shows snapshots to people, in HTML.
    pub(super) dashboard: Option<Arc<[u8]>>,
    /// The inboxes of the loops. They hold descriptors, as `ownerships` and `acceptor` do. A
    /// program may keep a server that it has stopped, so a stop empties all three.
    pub(super) inboxes: Mutex<Vec<Arc<Inbox>>>,
    pub(super) ownerships: Mutex<Vec<Arc<Ownership>>>,
    pub(super) acceptor: Mutex<Option<Arc<AcceptorSignal>>>,
    pub(super) lanes: Mutex<Vec<Option<Arc<Lane>>>>,
    pub(super) threads: Mutex<Threads>,
    pub(super) stopping: AtomicBool,
    pub(super) finished: Mutex<Finished>,
    /// `finished` has changed.
    pub(super) finish: Condvar,
    /// The small servers of metrics and of the control socket; dropping one stops it. They
    /// stop last, so that the stop itself can be watched.
    pub(super) watchers: Mutex<Vec<Box<dyn Watcher>>>,
}

/// A small server beside this one.
pub(super) trait Watcher: Send {
    /// The descriptors that a successor listens on too; none if it listens elsewhere.
    fn descriptors(&self) -> Vec<i32>;

    /// Leaves its sockets to a successor, and ends.
    fn retire(&self);
}

#[derive(Default)]
pub(super) struct Threads {
    /// The acceptor and the loops.
    pub(super) io: Vec<JoinHandle<()>>,
    pub(super) workers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
pub(super) struct Finished {
    /// The server has stopped.
    pub(super) done: bool,
    /// Called when it has.
    pub(super) callbacks: Vec<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Shared {
    /// The statistics of this moment.
    pub(super) fn stats(&self) -> Stats {
        let log = self.log.as_ref().map(OpenLog::stats);
        let mut stats = self.counters.snapshot(self.pool.len(), self.queue, log);
        stats.ready = self.health.is_ready();
        stats.stopping = self.health.is_ending();
        self.tls_stats(&mut stats.tls);
        let lanes = self.lanes();
        stats.lanes = lanes.iter().map(|(index, lane)| lane.snapshot(*index)).collect();
        let told = lanes.iter().zip(&stats.lanes).filter_map(|((index, lane), snapshot)| {
            let thread = thread_of_lane(*index, lane);
            Some(lane.node_report()?.stats(thread, &snapshot.event_loop_lag))
        });
        stats.node = told.collect();
        stats
    }

    fn tls_stats(&self, stats: &mut TlsStats) {
        let listeners = self.tls.iter().enumerate();
        for (listener, tls) in listeners.filter_map(|(at, tls)| Some((at, tls.as_ref()?))) {
            stats.reloads += tls.reloads();
            stats.reload_failures += tls.reload_failures();
            let current = tls.current();
            stats.certificates.extend(current.certificates().map(|one| {
                CertificateStats {
                    listener,
                    subject: one.subject.clone(),
                    serial: one.serial.clone(),
                    names: (one.dns_names.iter().cloned())
                        .chain(one.addresses.iter().map(ToString::to_string))
                        .collect(),
                    expires: one.not_after,
                }
            }));
        }
    }

    pub(super) fn lanes(&self) -> Lanes {
        let lanes = lock(&self.lanes);
        let lanes = lanes.iter().enumerate();
        lanes.filter_map(|(index, lane)| Some((index, Arc::clone(lane.as_ref()?)))).collect()
    }

    /// Makes each loop have a turn. Returns how long a lane's thread has been held up.
    pub(super) fn nudge(&self) -> Duration {
        for inbox in lock(&self.inboxes).iter() {
            inbox.notify();
        }
        let now = Instant::now();
        let lanes = lock(&self.lanes);
        lanes.iter().flatten().map(|lane| lane.held_up(now)).max().unwrap_or_default()
    }

    /// Says that the server stops soon. No-op if it has been said, or the server stops.
    pub(super) fn lame_duck(&self) {
        if !self.health.is_ending() {
            self.health.end();
            self.tell_loops(|| Control::LameDuck);
        }
    }

    /// Begins a drain.
    pub(super) fn drain(&self) {
        self.health.drain();
        lock(&self.sockets).clear();
        let acceptor = lock(&self.acceptor);
        // The loops first: the acceptor may have many connections to hand over.
        self.tell_loops(|| Control::Drain);
        if let Some(acceptor) = &*acceptor {
            acceptor.drain();
        }
    }

    /// Begins a drain. The sockets are a successor's from now on.
    pub(super) fn retire(&self) {
        self.health.drain();
        for (_, socket) in lock(&self.sockets).drain(..) {
            socket.leave_file();
        }
        for watcher in lock(&self.watchers).iter() {
            watcher.retire();
        }
        let acceptor = lock(&self.acceptor);
        self.tell_loops(|| Control::Retire);
        if let Some(acceptor) = &*acceptor {
            acceptor.retire();
        }
    }

    /// Ends the acceptor and the loops at once.
    pub(super) fn force(&self) {
        self.health.drain();
        lock(&self.sockets).clear();
        if let Some(acceptor) = &*lock(&self.acceptor) {
            acceptor.force();
        }
        for inbox in lock(&self.inboxes).iter() {
            inbox.force();
        }
    }

    /// Starts the worker threads, unless they run. Most applications do not need them, so this
    /// waits for one that does.
    pub(super) fn start_workers(&self) -> Result<(), StartError> {
        let finished = lock(&self.finished);
        let mut threads = lock(&self.threads);
        if finished.done || self.stopping.load(Ordering::Acquire) || self.pool.has_threads() {
            return Ok(());
        }
        let loops = reply_boxes(&lock(&self.inboxes));
        let mut names = Vec::with_capacity(self.counters.workers.len());
        let spawned = self.counters.workers.iter().enumerate().try_for_each(|(index, counters)| {
            let (pool, loops) = (Arc::clone(&self.pool), loops.clone());
            let counters = Arc::clone(counters);
            let worker = spawn(format!("{}-worker-{index}", self.thread_prefix), move || {
                block_signals();
                counters.thread.set_to_this_thread();
                pool::run(index, &pool, &loops, &counters);
            })?;
            names.push(worker.thread().clone());
            threads.workers.push(worker);
            Ok::<(), StartError>(())
        });
        // Also after a failure: the threads that did start must be able to end.
        if !names.is_empty() {
            self.pool.set_threads(names);
        }
        spawned
    }

    /// Starts the worker threads for an application that replaces the first one. If the system
    /// has no thread to spare, the server goes on with the threads that it has.
    pub(super) fn start_workers_for(&self, app: &App) {
        if app.has_workers() {
            let _ = self.start_workers();
        }
    }

    pub(super) fn tell_loops(&self, control: impl Fn() -> Control) {
        for inbox in lock(&self.inboxes).iter() {
            inbox.push_control(control());
            inbox.notify();
        }
    }

    /// Tells the loops of lanes. No-op once the server has stopped: a lane holds the inboxes,
    /// and no loop would ever take it out of one again.
    pub(super) fn give_lanes(&self, lanes: &[Option<Arc<Lane>>], control: impl Fn() -> Control) {
        let finished = lock(&self.finished);
        if finished.done {
            return;
        }
        for lane in lanes.iter().flatten() {
            lane.belongs_to(&reply_boxes(&lock(&self.inboxes)));
            lane.watched_through(self.watch.as_ref());
        }
        let before = std::mem::replace(&mut *lock(&self.lanes), lanes.to_vec());
        self.tell_loops(control);
        drop(finished);
        // Dropping the last reference to a lane runs its code; no lock may be held then.
        drop(before);
    }

    /// Waits for every thread, then calls the callbacks and wakes those who wait.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads.io {
            // A thread that panicked has printed why. The others must still end in order.
            let _ = thread.join();
        }
        for inbox in lock(&self.inboxes).iter() {
            // Connections that the acceptor handed over after the loop had ended.
            while inbox.pop_control().is_some() {}
        }
        self.pool.stop();
        let until = Instant::now() + WORKER_GRACE;
        for worker in threads.workers {
            while !worker.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if worker.is_finished() {
                let _ = worker.join();
            }
        }
        if let Some(log) = &self.log {
            log.stop();
        }
        if let Some(program) = &self.program {
            program.close();
        }
        let watchers = std::mem::take(&mut *lock(&self.watchers));
        drop(watchers);
        let mut finished = lock(&self.finished);
        finished.done = true;
        let inboxes = std::mem::take(&mut *lock(&self.inboxes));
        for inbox in &inboxes {
            // Lanes that came after the loops had ended.
            while inbox.pop_control().is_some() {}
        }
        for lane in lock(&self.lanes).iter().flatten() {
            lane.belongs_to_none();
        }
        let ownerships = std::mem::take(&mut *lock(&self.ownerships));
        let callbacks = std::mem::take(&mut finished.callbacks);
        drop(finished);
        // Before anybody hears of it, so that a caller who counts descriptors finds none left.
        drop((inboxes, ownerships, lock(&self.acceptor).take()));
        self.finish.notify_all();
        for callback in callbacks {
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }
}

pub(super) fn spawn(
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    Builder::new().name(name).spawn(run).map_err(StartError::system("a thread"))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
