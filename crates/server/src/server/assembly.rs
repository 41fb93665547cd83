//! Starts a server: makes its parts from a configuration, then its threads.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use reactor_sys::{Events, Poller, raise_open_files_limit};

use crate::accept::accepting::{Accepting, Door};
use crate::accept::acceptor::{Acceptor, AcceptorSignal};
use crate::accept::limits::{AcceptLimits, MAX_REFUSED, OpenLimit};
use crate::conn::entrance::Entrance;
use crate::dispatch::topics::Topics;
use crate::dispatch::worker::pool::Pool;
use crate::event_loop::clock::Clock;
use crate::event_loop::inbox::{Inbox, reply_boxes};
use crate::event_loop::ownership::Ownership;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::turn::{EVENTS, EventLoop};
use crate::exchange::handler::Handler;
use crate::exchange::in_flight::{InFlight, Places};
use crate::observe::access_log::OpenLog;
use crate::observe::counters::Counters;
use crate::observe::health::Health;
use crate::observe::observer::Observer;
use crate::observe::watch::Watch;
use crate::server::config::{AcceptMode, Config};
use crate::server::error::StartError;
use crate::server::listeners::{Bound, doors, sockets_of};
use crate::server::metrics::program::Program;
use crate::server::running::{Inheritable, Server};
use crate::server::shared::{Shared, lock, spawn};
use crate::server::watchers;

/// Descriptors that are left to the rest of the process, where the limit on connections is derived
/// from the limit of open files. Of a low limit it is the share below.
const RESERVED_FILES: u64 = 256;
const RESERVED_SHARE: u64 = 5;

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

    /// Binds what [`start`](Self::start) would listen on. From here on clients can connect, and
    /// wait for the server.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn bind(config: &Config) -> Result<Bound, StartError> {
        config.check()?;
        Bound::new(config)
    }

    /// Starts serving on what [`bind`](Self::bind) has bound for the same configuration.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(config: Config, bound: Bound) -> Result<Self, StartError> {
        config.check()?;
        let files =
            raise_open_files_limit().map_err(StartError::system("the limit of open files"))?;
        let reserved = RESERVED_FILES.min(files / RESERVED_SHARE);
        let derived = usize::try_from(files - reserved).unwrap_or(usize::MAX);
        let max_refused = usize::try_from(reserved / 4).unwrap_or(MAX_REFUSED).min(MAX_REFUSED);
        let most = config.max_connections.unwrap_or(derived.max(16));
        let accept_limits = AcceptLimits {
            open: Arc::new(OpenLimit::new(most, config.announce.refused)),
            backlog: config.backlog,
            refused: max_refused.max(1),
        };
        Assembly::new(config, bound, accept_limits)?.start()
    }
}

/// The parts of a server that has no thread yet.
struct Assembly {
    config: Config,
    /// Of each thread that accepts, until it takes them.
    doors: Vec<Vec<Door>>,
    entrances: Arc<[Entrance]>,
    accept_limits: AcceptLimits,
    inboxes: Vec<Arc<Inbox>>,
    /// `None` where each loop accepts for itself.
    acceptor: Option<Arc<AcceptorSignal>>,
    in_flight: Option<Arc<InFlight>>,
    shared: Arc<Shared>,
    /// What answers routes to the statistics.
    stats: Arc<dyn Handler>,
}

impl Assembly {
    fn new(config: Config, bound: Bound, accept_limits: AcceptLimits) -> Result<Self, StartError> {
        let Bound { listeners, addresses } = bound;
        let entrances = config.listen.iter().map(|endpoint| Entrance {
            tls: endpoint.tls.clone(),
            redirect: endpoint.redirect,
            proxy_protocol: endpoint.proxy_protocol.clone(),
        });
        let entrances = entrances.collect();
        let io_threads = config.io_threads;
        let topics = Topics::new(io_threads);
        let inboxes = (0..io_threads)
            .map(|_| Inbox::new(max_tasks(&config), &topics).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::system("an eventfd"))?;
        let acceptor = match config.accept {
            AcceptMode::Acceptor => {
                Some(Arc::new(AcceptorSignal::new().map_err(StartError::system("an eventfd"))?))
            }
            AcceptMode::PerLoop => None,
        };
        let start_id = next_start_id();
        let log = config.access_log.as_ref();
        let log = log.map(|log| OpenLog::start(log, io_threads, start_id)).transpose()?;
        let counters = Arc::new(Counters::new(io_threads, config.worker_threads));
        let health = Arc::new(Health::new(config.health.clone(), counters.loops.clone()));
        let doors = doors(&config, &listeners);
        let shared = Arc::new(Shared {
            addresses,
            sockets: Mutex::new(sockets_of(&doors)),
            tls: config.listen.iter().map(|endpoint| endpoint.tls.clone()).collect(),
            open_limit: Arc::clone(&accept_limits.open),
            counters,
            health,
            pool: Arc::new(Pool::new(config.queue)),
            queue: config.queue,
            handed: AtomicUsize::new(0),
            thread_prefix: config.thread_prefix,
            log,
            start_id,
            watch: (config.control.is_some() || config.metrics.is_some())
                .then(|| Arc::new(Watch::new())),
            metrics_address: OnceLock::new(),
            program: config.program_metrics.then(Program::default),
            dashboard: config.dashboard.clone(),
            inboxes: Mutex::new(inboxes.clone()),
            ownerships: Mutex::default(),
            acceptor: Mutex::new(acceptor.clone()),
            lanes: Mutex::new(config.lanes.iter().cloned().map(Some).collect()),
            threads: Mutex::default(),
            stopping: AtomicBool::new(false),
            finished: Mutex::default(),
            finish: Condvar::new(),
            watchers: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        shared.health.nudge_with(Box::new(move || {
            weak.upgrade().map(|shared| shared.nudge()).unwrap_or_default()
        }));
        let weak = Arc::downgrade(&shared);
        shared.pool.set_starter(move || {
            if let Some(shared) = weak.upgrade() {
                let _ = shared.start_workers();
            }
        });
        let in_flight = config.max_in_flight.map(|most| Arc::new(InFlight::new(most)));
        let stats = watchers::stats(&shared);
        Ok(Self {
            config,
            doors,
            entrances,
            accept_limits,
            inboxes,
            acceptor,
            in_flight,
            shared,
            stats,
        })
    }

    fn start(mut self) -> Result<Server, StartError> {
        let mut doors = std::mem::take(&mut self.doors).into_iter();
        // Most of what can fail comes before the first thread.
        self.start_watchers()?;
        let loops = (0..self.config.io_threads)
            .map(|index| {
                let own = self.acceptor.is_none().then(|| doors.next()).flatten();
                self.event_loop(index, own)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let acceptor = self.acceptor(doors.next().unwrap_or_default())?;
        self.start_threads(loops, acceptor)
    }

    fn start_watchers(&self) -> Result<(), StartError> {
        let shared = &self.shared;
        if let Some(listen) = &self.config.metrics {
            let metrics = watchers::serve_metrics(shared, listen)?;
            let _ = shared.metrics_address.set(metrics.address().clone());
            lock(&shared.watchers).push(Box::new(Inheritable(metrics)));
        }
        if let Some(path) = &self.config.control {
            let control = watchers::serve_control(shared, path)?;
            lock(&shared.watchers).push(Box::new(control));
        }
        Ok(())
    }

    fn accepting(&self, doors: Vec<Door>) -> Accepting {
        Accepting::new(doors, Arc::clone(&self.shared.counters), &self.accept_limits)
    }

    /// `doors` are the loop's own, where each loop has some.
    fn event_loop(&self, index: usize, doors: Option<Vec<Door>>) -> Result<EventLoop, StartError> {
        let Self { config, shared, stats, .. } = self;
        let counters = &shared.counters;
        let io_threads = config.io_threads;
        let settings = Settings {
            io_thread: index,
            io_threads,
            http1: config.http1,
            http2: config.http2,
            extended_connect: config.extended_connect,
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            body_memory: config.body_memory / io_threads,
            request_timeout: config.request_timeout,
            in_flight: self.in_flight.clone().map(Places::new),
            send_budget: SendBudget::default(),
            announce: config.announce,
            stream_small_bodies: config.stream_small_bodies,
            secured: config.secured.clone(),
            entrances: Arc::clone(&self.entrances),
            topics: Arc::clone(self.inboxes[index].replies().topics()),
            compress: config.compress.clone(),
            health: Arc::clone(&shared.health),
        };
        let mut reactor = Reactor::new(
            settings,
            config.app.compile_with(stats, config.compress.as_deref(), &config.health),
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
            poller: Arc::new(Poller::new().map_err(StartError::system("an epoll instance"))?),
            inbox: Arc::clone(&self.inboxes[index]),
            pool: Arc::clone(&shared.pool),
            reactor,
            counters: Arc::clone(counters),
            stats: Arc::clone(stats),
            accepting: doors.map(|doors| self.accepting(doors)),
            max_tasks: max_tasks(config),
            home: index * config.worker_threads / io_threads,
            drain_timeout: config.timeouts.drain,
            rescue: Duration::ZERO,
            rescue_at: Instant::now(),
            drain_until: None,
            has_all: false,
            events: Events::with_capacity(EVENTS),
            tasks: Vec::new(),
            steps: Vec::new(),
            lane_replies: Vec::new(),
            fresh: Vec::new(),
            unwatched: Vec::new(),
        };
        event_loop.register().map_err(StartError::system("an epoll watch"))?;
        Ok(event_loop)
    }

    fn acceptor(&self, doors: Vec<Door>) -> Result<Option<Acceptor>, StartError> {
        let Some(signal) = &self.acceptor else { return Ok(None) };
        let acceptor = Acceptor {
            poller: Poller::new().map_err(StartError::system("an epoll instance"))?,
            signal: Arc::clone(signal),
            accepting: self.accepting(doors),
            inboxes: self.inboxes.clone(),
            counters: Arc::clone(&self.shared.counters),
        };
        acceptor.register().map_err(StartError::system("an epoll watch"))?;
        Ok(Some(acceptor))
    }

    fn start_threads(
        &self,
        loops: Vec<EventLoop>,
        acceptor: Option<Acceptor>,
    ) -> Result<Server, StartError> {
        let Self { config, shared, .. } = self;
        let prefix = config.thread_prefix;
        // After a failure from here on, dropping the server stops the threads that run.
        let server = Server { shared: Arc::clone(shared) };
        for lane in &config.lanes {
            lane.belongs_to(&reply_boxes(&self.inboxes));
            lane.watched_through(shared.watch.as_ref());
        }
        let has_tls = config.listen.iter().any(|endpoint| endpoint.tls.is_some());
        if config.app.has_workers() || has_tls || config.compress.is_some() {
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
        Ok(server)
    }
}

/// The most tasks that can be on their way: those that fill the queue, and one on each worker.
fn max_tasks(config: &Config) -> usize {
    config.queue + config.worker_threads
}

/// The number of this start of a server. It is one more than that of the start before it in this
/// process. The first one is random, so that processes differ. (If all were random, two would be
/// equal after about 2^32 starts.)
fn next_start_id() -> u64 {
    static FIRST: OnceLock<u64> = OnceLock::new();
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let first = *FIRST.get_or_init(|| RandomState::new().build_hasher().finish());
    first.wrapping_add(STARTED.fetch_add(1, Ordering::Relaxed))
}
