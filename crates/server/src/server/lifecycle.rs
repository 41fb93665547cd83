//! A running server.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use reactor_sys::{
    Address, Events, Listener, Poller, SocketMode, Stream, block_signals, raise_open_files_limit,
};

use crate::accept::accepting::Accepting;
use crate::accept::acceptor::{Acceptor, AcceptorSignal};
use crate::accept::limits::{AcceptLimits, MAX_REFUSED, OpenLimit};
use crate::dispatch::app::{App, Handler, Target};
use crate::dispatch::lane::channel::{Lane, LaneReplies, Lanes};
use crate::dispatch::worker::pool::{self, Pool};
use crate::event_loop::clock::Clock;
use crate::event_loop::inbox::{Control, Inbox};
use crate::event_loop::ownership::Ownership;
use crate::event_loop::reactor::{Pieces, Reactor, Settings};
use crate::event_loop::tuning::Tuning;
use crate::event_loop::turn::{EVENTS, EventLoop};
use crate::exchange::in_flight::InFlight;
use crate::exchange::task::{Request, Response};
use crate::observe::access_log::OpenLog;
use crate::observe::counters::Counters;
use crate::observe::observer::Observer;
use crate::observe::stats::Stats;
use crate::observe::watch::Watch;
use crate::server::config::{AcceptMode, Config, Listen};
use crate::server::control::{self};
use crate::server::error::StartError;
use crate::server::metrics;
use crate::server::own_hosts::OwnHosts;

/// Descriptors left to the rest of the process when the number of
/// connections is derived from the limit of open files: so many, or of a low limit
/// a fifth.
const RESERVED_FILES: u64 = 256;
const RESERVED_SHARE: u64 = 5;

/// How long handlers that ignore a stop are waited for, once all connections
/// are closed, before their threads are left behind.
const WORKER_GRACE: Duration = Duration::from_secs(1);

/// A running server. Dropping it stops it by force and waits.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Accept nothing more, finish requests in flight within the drain
    /// timeout.
    Drain,
    /// Close every connection at once.
    Force,
}

/// Sockets that listen and that nobody accepts from yet. Dropping it closes them.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<Listener>,
    address: Address,
}

impl Bound {
    /// Where clients can connect; the first address if there are several.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Listens no more; a unix socket's file is removed.
    pub fn close(self) {
        for listener in &self.listeners {
            listener.unlink();
        }
    }
}

struct Shared {
    address: Address,
    open_limit: Arc<OpenLimit>,
    counters: Arc<Counters>,
    pool: Arc<Pool>,
    queue: usize,
    /// Empty once the server has stopped, as `ownerships` and `acceptor` are: they have
    /// descriptors, and a program may keep a server that it has stopped.
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    ownerships: Mutex<Vec<Arc<Ownership>>>,
    acceptor: Mutex<Option<Arc<AcceptorSignal>>>,
    stopping: AtomicBool,
    thread_prefix: &'static str,
    threads: Mutex<Threads>,
    finished: Mutex<Finished>,
    finish: Condvar,
    log: Option<OpenLog>,
    /// Tells this server's request ids from those of others.
    start_id: u64,
    lanes: Mutex<Vec<Option<Arc<Lane>>>>,
    /// The small servers of metrics and of the control socket. They stop last, so
    /// that the stop itself can be watched.
    watchers: Mutex<Vec<Server>>,
    metrics_address: OnceLock<Address>,
    watch: Option<Arc<Watch>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("address", &self.address).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Threads {
    /// The acceptor and the loops.
    io: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Finished {
    done: bool,
    callbacks: Vec<Box<dyn FnOnce() + Send>>,
}

/// One more than the server before it in this process had, from a number that differs between
/// processes: random numbers alone would meet after some 2^32 servers.
fn next_start_id() -> u64 {
    static FIRST: OnceLock<u64> = OnceLock::new();
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let first = *FIRST.get_or_init(|| RandomState::new().build_hasher().finish());
    first.wrapping_add(STARTED.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// Starts listening and serving. Blocks while a host name is resolved.
    ///
    /// # Errors
    /// [`StartError`] for a number out of range, an address that cannot be
    /// had, or a system out of threads, descriptors or memory.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let bound = Self::bind(&config)?;
        Self::start_on(config, bound)
    }

    /// Binds what [`start`](Self::start) would listen on. From here on clients can
    /// connect; they wait for a server.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn bind(config: &Config) -> Result<Bound, StartError> {
        config.check()?;
        let per_loop = config.accept == AcceptMode::PerLoop;
        let listeners = bind(config, per_loop && config.io_threads > 1)?;
        let Some(address) = listeners.first().map(|first| first.address().clone()) else {
            return Err(system("a listener")(io::ErrorKind::NotFound.into()));
        };
        Ok(Bound { listeners, address })
    }

    /// Starts serving on what [`bind`](Self::bind) has bound for the same configuration.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(config: Config, bound: Bound) -> Result<Self, StartError> {
        config.check()?;
        let files = raise_open_files_limit().map_err(system("the limit of open files"))?;
        let reserved = RESERVED_FILES.min(files / RESERVED_SHARE);
        let derived = usize::try_from(files - reserved).unwrap_or(usize::MAX);
        let max_refused = usize::try_from(reserved / 4).unwrap_or(MAX_REFUSED).min(MAX_REFUSED);
        let most = config.max_connections.unwrap_or(derived.max(16));
        let accept_limits = AcceptLimits {
            open: Arc::new(OpenLimit::new(most, config.announce.refused)),
            backlog: config.backlog,
            refused: max_refused.max(1),
        };
        let Bound { listeners, address } = bound;
        Assembly { config, listeners, address, accept_limits }.start()
    }

    /// Where the server listens; the first address if there are several.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Where metrics are served, if they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<&Address> {
        self.shared.metrics_address.get()
    }

    /// Opens the access log's file anew, after it was renamed or removed.
    /// Records of the last milliseconds may still go into the old one. Does
    /// nothing without a log, and for standard output.
    ///
    /// # Errors
    /// [`StartError::Log`]; the old file stays in use.
    pub fn reopen_log(&self) -> Result<(), StartError> {
        self.shared.log.as_ref().map_or(Ok(()), |log| Ok(log.reopen()?))
    }

    /// The statistics of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Answers from another application from now on. Requests whose head has
    /// been read are answered by the earlier one.
    pub fn reload(&self, app: App) {
        self.shared.start_workers_for(&app);
        let app = Arc::new(app);
        self.shared.tell_loops(|| Control::Reload(Arc::clone(&app)));
    }

    /// Other limits, timeouts and announcements from now on. They count for
    /// connections that are open too.
    pub fn retune(&self, tuning: Tuning) {
        self.shared.open_limit.set(tuning.max_connections, tuning.announce.refused);
        let tuning = Arc::new(tuning);
        self.shared.tell_loops(|| Control::Retune(Arc::clone(&tuning)));
    }

    /// A connection of this process to the server, past the listener. It is one like those
    /// that are accepted from a unix socket.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let (stream, other) = Stream::pair()?;
        if let Some(inbox) = lock(&self.shared.inboxes).first() {
            inbox.push_control(Control::Accepted(stream, None));
            inbox.notify();
        }
        Ok(other)
    }

    /// Closes connections that wait for their next request.
    pub fn close_idle_connections(&self) {
        self.shared.tell_loops(|| Control::CloseIdle);
    }

    /// Closes every connection, whatever is under way there, and goes on.
    pub fn close_all_connections(&self) {
        self.shared.tell_loops(|| Control::CloseAll);
    }

    /// The lanes from now on, each in its place; at most 255. A lane that is
    /// left out, or replaced by `None`, gets no more requests; those it had
    /// are answered with 503.
    pub fn set_lanes(&self, lanes: &[Option<Arc<Lane>>]) {
        self.shared.give_lanes(lanes, || Control::Lanes(lanes.to_vec()));
    }

    /// A number of this start of a server, which begins the ids of its requests
    /// in the access log, with sixteen hexadecimal digits. No other server of this process
    /// has it, and hardly one of any other.
    #[must_use]
    pub fn start_id(&self) -> u64 {
        self.shared.start_id
    }

    /// Answers from another application, through further lanes, from now on: each
    /// request has either the earlier application and its lanes or the new ones.
    /// `lanes` has the earlier ones too, in their places. They finish what they have
    /// and get no more; take them away with [`set_lanes`](Self::set_lanes) when nothing
    /// is in flight there.
    pub fn swap(&self, app: App, lanes: &[Option<Arc<Lane>>]) {
        self.shared.start_workers_for(&app);
        let app = Arc::new(app);
        self.shared.give_lanes(lanes, || Control::Swap(Arc::clone(&app), lanes.to_vec()));
    }

    /// Where lanes put their replies.
    #[must_use]
    pub fn lane_replies(&self) -> LaneReplies {
        LaneReplies::new(&lock(&self.shared.inboxes))
    }

    /// Ownership of the one I/O loop, which a lane's thread may take; None if
    /// there are several.
    #[must_use]
    pub fn ownership(&self) -> Option<Arc<Ownership>> {
        match &lock(&self.shared.ownerships)[..] {
            [ownership] => Some(Arc::clone(ownership)),
            _ => None,
        }
    }

    /// Begins to stop, and returns at once. A second call with
    /// [`Stop::Force`] cuts a drain short.
    pub fn stop(&self, how: Stop) {
        self.shared.tell(how);
        if !self.shared.stopping.swap(true, Ordering::AcqRel) {
            let shared = Arc::clone(&self.shared);
            let finish = move || {
                block_signals();
                shared.join();
            };
            // Detached: a thread that is to be joined keeps its stack.
            if Builder::new().name("rx-stop".to_owned()).spawn(finish).is_err() {
                // Without a thread to spare, the caller's must do.
                self.shared.join();
            }
        }
    }

    /// Waits until the server has stopped.
    pub fn wait(&self) {
        let mut finished = lock(&self.shared.finished);
        while !finished.done {
            finished = self.shared.finish.wait(finished).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls `callback` once the server has stopped, on a thread of the
    /// server's; at once if it has stopped already.
    pub fn on_stopped(&self, callback: Box<dyn FnOnce() + Send>) {
        let mut finished = lock(&self.shared.finished);
        if finished.done {
            drop(finished);
            callback();
        } else {
            finished.callbacks.push(callback);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Stop::Force);
        self.wait();
    }
}

impl Shared {
    fn stats(&self) -> Stats {
        let log = self.log.as_ref().map(OpenLog::stats);
        let mut stats = self.counters.snapshot(self.pool.len(), self.queue, log);
        stats.lanes = self.lanes().iter().map(|(index, lane)| lane.snapshot(*index)).collect();
        stats
    }

    fn lanes(&self) -> Lanes {
        let lanes = lock(&self.lanes);
        let lanes = lanes.iter().enumerate();
        lanes.filter_map(|(index, lane)| Some((index, Arc::clone(lane.as_ref()?)))).collect()
    }

    fn metrics(&self) -> String {
        metrics::render(&self.stats(), &self.counters, &self.lanes())
    }

    fn tell(&self, how: Stop) {
        let acceptor = lock(&self.acceptor);
        match how {
            // The loops first: the acceptor may have much to hand over.
            Stop::Drain => {
                self.tell_loops(|| Control::Drain);
                if let Some(acceptor) = &*acceptor {
                    acceptor.drain();
                }
            }
            Stop::Force => {
                if let Some(acceptor) = &*acceptor {
                    acceptor.force();
                }
                for inbox in lock(&self.inboxes).iter() {
                    inbox.force();
                }
            }
        }
    }

    /// Starts the worker threads if there are none: most applications have no use for
    /// them.
    fn start_workers(&self) -> Result<(), StartError> {
        let finished = lock(&self.finished);
        let mut threads = lock(&self.threads);
        if finished.done || self.stopping.load(Ordering::Acquire) || self.pool.has_threads() {
            return Ok(());
        }
        let inboxes = lock(&self.inboxes).clone();
        let mut names = Vec::with_capacity(self.counters.workers.len());
        let spawned = self.counters.workers.iter().enumerate().try_for_each(|(index, counters)| {
            let (pool, inboxes) = (Arc::clone(&self.pool), inboxes.clone());
            let counters = Arc::clone(counters);
            let worker = spawn(format!("{}-worker-{index}", self.thread_prefix), move || {
                block_signals();
                counters.thread.set_to_this_thread();
                pool::run(index, &pool, &inboxes, &counters);
            })?;
            names.push(worker.thread().clone());
            threads.workers.push(worker);
            Ok::<(), StartError>(())
        });
        // Also where a thread was missing: those that are there must end.
        if !names.is_empty() {
            self.pool.set_threads(names);
        }
        spawned
    }

    /// The same for another application than the one that the server was started with. Where
    /// the system has no thread to spare, those that it had must do.
    fn start_workers_for(&self, app: &App) {
        if app.has_workers() {
            let _ = self.start_workers();
        }
    }

    fn tell_loops(&self, control: impl Fn() -> Control) {
        for inbox in lock(&self.inboxes).iter() {
            inbox.push_control(control());
            inbox.notify();
        }
    }

    /// Tells the loops of lanes, unless they are no more: a lane holds their inboxes, and
    /// must not lie in one that nobody empties.
    fn give_lanes(&self, lanes: &[Option<Arc<Lane>>], control: impl Fn() -> Control) {
        let finished = lock(&self.finished);
        if finished.done {
            return;
        }
        for lane in lanes.iter().flatten() {
            lane.belongs_to(&lock(&self.inboxes));
        }
        let before = std::mem::replace(&mut *lock(&self.lanes), lanes.to_vec());
        self.tell_loops(control);
        drop(finished);
        // What the last owner of a lane drops must not be dropped under a lock.
        drop(before);
    }

    /// Waits for every thread, then tells whoever waits.
    fn join(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads.io {
            // A panic of one of ours has been printed; the rest must still
            // come down in order.
            let _ = thread.join();
        }
        for inbox in lock(&self.inboxes).iter() {
            // A connection that the acceptor handed over too late.
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
        // Before anybody is told: who counts descriptors then finds none of ours.
        drop((inboxes, ownerships, lock(&self.acceptor).take()));
        self.finish.notify_all();
        for callback in callbacks {
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }
}

/// Everything that a server is made from, once its address is had.
struct Assembly {
    config: Config,
    listeners: Vec<Listener>,
    address: Address,
    accept_limits: AcceptLimits,
}

impl Assembly {
    fn start(self) -> Result<Server, StartError> {
        let Self { config, listeners, address, accept_limits } = self;
        let io_threads = config.io_threads;
        let counters = Arc::new(Counters::new(io_threads, config.worker_threads));
        let pool = Arc::new(Pool::new(config.queue));
        // The queue is for those that wait; one more runs on each worker.
        let max_tasks = config.queue + config.worker_threads;
        let inboxes = (0..io_threads)
            .map(|_| Inbox::new(max_tasks).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(system("an eventfd"))?;
        let acceptor = match config.accept {
            AcceptMode::Acceptor => {
                Some(Arc::new(AcceptorSignal::new().map_err(system("an eventfd"))?))
            }
            AcceptMode::PerLoop => None,
        };
        let start_id = next_start_id();
        let log = config.access_log.as_ref();
        let log = log.map(|log| OpenLog::start(log, io_threads, start_id)).transpose()?;
        let shared = Arc::new(Shared {
            address,
            open_limit: Arc::clone(&accept_limits.open),
            counters: Arc::clone(&counters),
            pool: Arc::clone(&pool),
            queue: config.queue,
            inboxes: Mutex::new(inboxes.clone()),
            ownerships: Mutex::default(),
            start_id,
            acceptor: Mutex::new(acceptor.clone()),
            stopping: AtomicBool::new(false),
            thread_prefix: config.thread_prefix,
            threads: Mutex::default(),
            finished: Mutex::default(),
            finish: Condvar::new(),
            log,
            lanes: Mutex::new(config.lanes.iter().cloned().map(Some).collect()),
            watchers: Mutex::default(),
            metrics_address: OnceLock::new(),
            watch: config.control.is_some().then(|| Arc::new(Watch::new())),
        });
        let stats: Arc<dyn Handler> = Arc::new(StatsHandler(Arc::downgrade(&shared)));

        let in_flight = config.max_in_flight.map(|most| Arc::new(InFlight::new(most)));

        // Whatever can fail comes before the first thread.
        if let Some(listen) = &config.metrics {
            let name = match listen {
                Listen::Tcp { host, .. } => Some(host.as_str()),
                Listen::Unix(_) | Listen::Inherited(_) => None,
            };
            let handler = MetricsHandler(Arc::downgrade(&shared), OwnHosts::new(name));
            let metrics = serve_watchers(listen.clone(), None, "/metrics", handler)
                .map_err(of_option("metrics"))?;
            let _ = shared.metrics_address.set(metrics.address().clone());
            lock(&shared.watchers).push(metrics);
        }
        if let Some(path) = &config.control {
            let control = {
                let handler = ControlHandler(Arc::downgrade(&shared), OwnHosts::new(None));
                serve_watchers(
                    Listen::Unix(path.clone()),
                    Some(SocketMode::Exactly(0o600)),
                    "/",
                    handler,
                )
                .map_err(of_option("control"))?
            };
            lock(&shared.watchers).push(control);
        }
        let accepting = |listeners, exclusive| {
            let counters = Arc::clone(&counters);
            Accepting::new(listeners, counters, &accept_limits, exclusive)
        };
        let mut loops = Vec::with_capacity(io_threads);
        for (index, inbox) in inboxes.iter().enumerate() {
            let accepting = match config.accept {
                AcceptMode::Acceptor => None,
                AcceptMode::PerLoop => {
                    let own = listeners_for_loop(index, &config, &listeners)?;
                    let unix = matches!(config.listen, Listen::Unix(_) | Listen::Inherited(_));
                    Some(accepting(own, unix))
                }
            };
            let settings = Settings {
                io_thread: index,
                limits: config.limits.clone(),
                timeouts: config.timeouts.clone(),
                body_memory: config.body_memory / io_threads,
                request_timeout: config.request_timeout,
                in_flight: in_flight.clone(),
                pieces: Pieces::default(),
                announce: config.announce,
                stream_small_bodies: config.stream_small_bodies,
                secured: config.secured.clone(),
            };
            let mut reactor = Reactor::new(
                settings,
                config.app.compile(&stats),
                Arc::clone(&counters.loops[index]),
                Clock::new(),
            );
            if shared.log.is_some() || config.metrics.is_some() {
                let log = shared.log.as_ref().map(|log| log.sender(index));
                reactor.observe(Observer::new(index, Arc::clone(&counters.loops[index]), log));
            } else if let Some(watch) = &shared.watch {
                reactor.observe_while(Arc::clone(watch));
            }
            reactor.set_lanes(config.lanes.iter().cloned().map(Some).collect());
            let event_loop = EventLoop {
                index,
                poller: Arc::new(Poller::new().map_err(system("an epoll instance"))?),
                inbox: Arc::clone(inbox),
                pool: Arc::clone(&pool),
                reactor,
                counters: Arc::clone(&counters),
                stats: Arc::clone(&stats),
                accepting,
                max_tasks,
                home: index * config.worker_threads / io_threads,
                drain_timeout: config.timeouts.drain,
                rescue: Duration::ZERO,
                rescue_at: Instant::now(),
                drain_until: None,
                has_all: false,
                events: Events::with_capacity(EVENTS),
                tasks: Vec::new(),
                lane_replies: Vec::new(),
            };
            event_loop.register().map_err(system("an epoll watch"))?;
            loops.push(event_loop);
        }
        let acceptor = match acceptor {
            None => None,
            Some(signal) => {
                let own = clones(&listeners)?;
                let acceptor = Acceptor {
                    poller: Poller::new().map_err(system("an epoll instance"))?,
                    signal,
                    accepting: accepting(own, false),
                    inboxes: inboxes.clone(),
                    counters: Arc::clone(&counters),
                };
                acceptor.register().map_err(system("an epoll watch"))?;
                Some(acceptor)
            }
        };

        let prefix = config.thread_prefix;
        // From here on dropping the server stops what has been started.
        let server = Server { shared: Arc::clone(&shared) };
        for lane in &config.lanes {
            lane.belongs_to(&inboxes);
        }
        if config.app.has_workers() {
            shared.start_workers()?;
        }
        let mut threads = lock(&shared.threads);
        for event_loop in loops {
            let name = format!("{prefix}-io-{}", event_loop.index);
            let ownership = Arc::new(Ownership::new(event_loop));
            lock(&shared.ownerships).push(Arc::clone(&ownership));
            threads.io.push(spawn(name, move || ownership.run())?);
        }
        if let Some(acceptor) = acceptor {
            threads.io.push(spawn(format!("{prefix}-accept"), move || acceptor.run())?);
        }
        drop(threads);
        // `listeners` are closed here: the threads have their own, and one that
        // were kept would go on listening when theirs are closed.
        Ok(server)
    }
}

/// A small server of its own, so that those who watch are answered whatever the
/// other's threads are busy with.
fn serve_watchers(
    listen: Listen,
    socket_mode: Option<SocketMode>,
    path: &str,
    handler: impl Handler,
) -> Result<Server, StartError> {
    let mut app = App::new();
    let added = app.route(Some("GET"), path, Target::worker(handler));
    debug_assert!(added.is_ok());
    Server::start(Config {
        listen,
        io_threads: 1,
        worker_threads: 1,
        accept: AcceptMode::PerLoop,
        queue: 64,
        max_connections: Some(64),
        body_memory: 0,
        socket_mode,
        thread_prefix: "rxw",
        app,
        ..Config::default()
    })
}

fn bind(config: &Config, reuse_port: bool) -> Result<Vec<Listener>, StartError> {
    let Config { backlog, ipv6_only, .. } = *config;
    Ok(match &config.listen {
        Listen::Tcp { host, port } => {
            if reuse_port {
                // SO_REUSEPORT would let a second server of the same user in
                // beside a running one. Trying without it first keeps "the
                // address is in use" an error.
                let probe = Listener::tcp(host, *port, backlog, false, ipv6_only)?;
                let port = match probe.first().map(Listener::address) {
                    Some(Address::Tcp(addr)) => addr.port(),
                    _ => *port,
                };
                drop(probe);
                return Ok(Listener::tcp(host, port, backlog, true, ipv6_only)?);
            }
            Listener::tcp(host, *port, backlog, false, ipv6_only)?
        }
        Listen::Unix(path) => Listener::unix(path, backlog, config.socket_mode)?,
        Listen::Inherited(fd) => vec![Listener::inherited(*fd, backlog)?],
    })
}

/// The first loop takes the listeners that are there; each further one makes
/// its own on the same port. A unix socket cannot be had twice and is shared.
fn listeners_for_loop(
    index: usize,
    config: &Config,
    first: &[Listener],
) -> Result<Vec<Listener>, StartError> {
    match (&config.listen, first.first().map(Listener::address)) {
        (Listen::Tcp { host, .. }, Some(Address::Tcp(addr))) if index > 0 => {
            Ok(Listener::tcp(host, addr.port(), config.backlog, true, config.ipv6_only)?)
        }
        _ => clones(first),
    }
}

fn clones(listeners: &[Listener]) -> Result<Vec<Listener>, StartError> {
    listeners
        .iter()
        .map(Listener::try_clone)
        .collect::<Result<_, _>>()
        .map_err(system("a descriptor"))
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    Builder::new().name(name).spawn(run).map_err(system("a thread"))
}

fn of_option(option: &'static str) -> impl Fn(StartError) -> StartError {
    move |source| StartError::Option { option, source: Box::new(source) }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers `/stats`.
struct StatsHandler(Weak<Shared>);

impl Handler for StatsHandler {
    fn handle(&self, _: &Request, response: &mut Response) {
        let json = self.0.upgrade().and_then(|shared| serde_json::to_vec(&shared.stats()).ok());
        // Both can fail only while the server is coming down.
        let _ = response.field("Content-Type", "application/json");
        let _ = response.field("Cache-Control", "no-store");
        response.body_vec(json.unwrap_or_else(|| b"{}".to_vec()));
    }
}

/// Answers `/metrics`.
struct MetricsHandler(Weak<Shared>, OwnHosts);

impl Handler for MetricsHandler {
    fn handle(&self, request: &Request, response: &mut Response) {
        if !self.1.admits(request, response) {
            return;
        }
        let Some(shared) = self.0.upgrade() else {
            // The server is coming down.
            let _ = response.status(503);
            return;
        };
        // Cannot fail: both are sound.
        let _ = response.field("Content-Type", metrics::CONTENT_TYPE);
        response.body_vec(shared.metrics().into_bytes());
    }
}

/// Answers on the control socket.
struct ControlHandler(Weak<Shared>, OwnHosts);

impl Handler for ControlHandler {
    fn handle(&self, request: &Request, response: &mut Response) {
        if !self.1.admits(request, response) {
            return;
        }
        let shared = self.0.upgrade();
        let Some((shared, watch)) = shared.as_ref().and_then(|s| Some((s, s.watch.as_ref()?)))
        else {
            // The server is coming down.
            let _ = response.status(503);
            return;
        };
        // Cannot fail: both are sound.
        let _ = response.field("Content-Type", "application/json");
        let address = shared.address.to_string();
        let (stats, lanes) = (shared.stats(), shared.lanes());
        response.body_vec(control::snapshot(address, &stats, &shared.counters, &lanes, watch));
    }
}
