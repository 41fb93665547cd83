//! What the threads of a server count. Each thread writes its own counters, on cache lines of its
//! own. They are summed only when somebody asks for them.

use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use reactor_sys::{Address, block_signals};

use crate::observe::close_reason::CloseReason;
use crate::observe::counter::Counter;
use crate::observe::histogram::Histogram;
use crate::observe::routes::{RouteCounters, RowNames};

/// What one I/O loop counts.
#[derive(Default)]
pub(crate) struct LoopCounters {
    pub(crate) accepted: Counter,
    pub(crate) closed: [Counter; CloseReason::COUNT],
    pub(crate) requests: Counter,
    /// Responses by the first digit of the status; index 0 is 1xx.
    pub(crate) responses: [Counter; 5],
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) queued: Counter,
    pub(crate) rejected: Counter,
    /// Replies that came when their connection was gone.
    pub(crate) dropped: Counter,
    pub(crate) queue_peak: Counter,
    /// Requests given to lanes.
    pub(crate) handlers_given: Counter,
    /// Those of them that have ended.
    pub(crate) handlers_left: Counter,
    pub(crate) handlers_rejected: Counter,
    pub(crate) handlers_timed_out: Counter,
    pub(crate) turns: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) worker_wakes: Counter,
    pub(crate) tls: TlsCounters,
    pub(crate) proxy: ProxyCounters,
    pub(crate) sockets: SocketCounters,
    pub(crate) http2: Http2Counters,
    /// From head to last byte, of requests that were observed.
    pub(crate) latency: Histogram,
    pub(crate) routes: RouteCounters,
    /// The thread's number.
    pub(crate) thread: Counter,
}

/// What one I/O loop counts of TLS handshakes.
#[derive(Default)]
pub(crate) struct TlsCounters {
    /// Done, with a new session.
    pub(crate) full: Counter,
    /// Done, with a session of an earlier connection.
    pub(crate) resumed: Counter,
    /// Failed, by [`reactor_tls::Error::index`].
    pub(crate) failed: [Counter; reactor_tls::Error::KINDS.len()],
    /// Not done within the handshake timeout.
    pub(crate) timed_out: Counter,
    /// Closed because too many waited.
    pub(crate) shed: Counter,
    /// Steps that the loop took itself.
    pub(crate) on_loops: Counter,
}

/// What one I/O loop counts of the PROXY protocol.
#[derive(Default)]
pub(crate) struct ProxyCounters {
    /// Headers that came, by their version.
    pub(crate) versions: [Counter; 2],
    /// Those of them that a balancer sent for itself, as in a health check.
    pub(crate) local: Counter,
    /// Connections that ended for want of one, by [`ProxyFault`].
    pub(crate) failed: [Counter; ProxyFault::COUNT],
}

/// Why the PROXY protocol ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyFault {
    /// The peer is no trusted balancer.
    Untrusted,
    /// The connection began with something else.
    Missing,
    /// The header was not exactly right, or not whole.
    Malformed,
    /// It did not come in time.
    Timeout,
}

impl ProxyFault {
    pub(crate) const COUNT: usize = 4;
}

/// What one I/O loop counts of WebSockets.
#[derive(Default)]
pub(crate) struct SocketCounters {
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    /// Published messages that a socket had no room for.
    pub(crate) dropped: Counter,
}

/// What one I/O loop counts of HTTP/2. Its requests and their answers count with those of HTTP/1 too.
#[derive(Default)]
pub(crate) struct Http2Counters {
    /// Connections that have begun and ended.
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    /// Streams that have begun and ended.
    pub(crate) streams_opened: Counter,
    pub(crate) streams_closed: Counter,
    /// Requests whose head was good.
    pub(crate) requests: Counter,
    /// RST_STREAM frames, but those that refuse.
    pub(crate) resets_received: Counter,
    pub(crate) resets_sent: Counter,
    /// Streams that were not taken (REFUSED_STREAM).
    pub(crate) refused: Counter,
    /// Connections that were ended because of what the client did (GOAWAY with an error).
    pub(crate) goaways: Counter,
}

impl TlsCounters {
    pub(crate) fn opened(&self, resumed: bool) {
        if resumed { &self.resumed } else { &self.full }.add(1);
    }
}

impl LoopCounters {
    /// An interim answer was written.
    pub(crate) fn response(&self, status: u16) {
        self.responses[class(status)].add(1);
    }

    /// The answer to a request in this row of [`routes`](Self::routes) begins.
    #[inline]
    pub(crate) fn answer(&self, row: u16, status: u16) {
        let class = class(status);
        self.responses[class].add(1);
        self.routes.response(row, class);
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        self.closed[reason as usize].add(1);
    }

    /// Requests of this loop that handlers behind lanes have.
    pub(crate) fn at_handlers(&self) -> u64 {
        self.handlers_given.get().saturating_sub(self.handlers_left.get())
    }

    pub(crate) fn closed_total(&self) -> u64 {
        self.closed.iter().map(Counter::get).sum()
    }
}

/// The first digit of a status, less one.
#[inline]
fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5) - 1
}

/// What one worker counts.
pub(crate) struct WorkerCounters {
    pub(crate) tasks: Counter,
    pub(crate) panics: Counter,
    pub(crate) wakes: Counter,
    pub(crate) loop_wakes: Counter,
    /// Nanoseconds inside handlers.
    pub(crate) busy: Counter,
    pub(crate) queue_wait: Histogram,
    pub(crate) handler_time: Histogram,
    /// The thread's number.
    pub(crate) thread: Counter,
}

impl WorkerCounters {
    fn new() -> Self {
        Self {
            tasks: Counter::default(),
            panics: Counter::default(),
            wakes: Counter::default(),
            loop_wakes: Counter::default(),
            busy: Counter::default(),
            queue_wait: Histogram::new(),
            handler_time: Histogram::new(),
            thread: Counter::default(),
        }
    }
}

/// What is counted of accepting, in either accept mode.
#[derive(Default)]
pub(crate) struct AcceptCounters {
    /// Connections turned away with 503 because `max_connections` were open.
    pub(crate) refused: AtomicU64,
    /// Times that a listener paused after an error.
    pub(crate) pauses: AtomicU64,
    /// The numbers of the errors that the operator was told of.
    told: Mutex<Vec<Option<i32>>>,
    /// The number of the acceptor thread, if there is one.
    pub(crate) thread: Counter,
}

impl AcceptCounters {
    /// Tells the operator on standard error why nothing is accepted; once for each error number. A
    /// thread of its own writes, since standard error may be a pipe that nobody reads.
    pub(crate) fn tell(&self, address: &Address, error: &io::Error) {
        let code = error.raw_os_error();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&code) {
            return;
        }
        told.push(code);
        let line = format!(
            "reactor-rs: cannot accept connections on {address}: {error}; \
             trying again, at least once a second\n"
        );
        // Without a thread to spare, only the statistics tell of it.
        let _ = Builder::new().name("rx-notice".to_owned()).spawn(move || {
            block_signals();
            let _ = io::stderr().write_all(line.as_bytes());
        });
    }
}

/// All counters of one server.
pub(crate) struct Counters {
    pub(crate) started: Instant,
    pub(crate) loops: Vec<Arc<CachePadded<LoopCounters>>>,
    pub(crate) workers: Vec<Arc<CachePadded<WorkerCounters>>>,
    pub(crate) accept: AcceptCounters,
    /// The names of what the loops count in [`LoopCounters::routes`].
    pub(crate) rows: Arc<RowNames>,
}

impl Counters {
    pub(crate) fn new(io_threads: usize, worker_threads: usize) -> Self {
        let rows: Arc<RowNames> = Arc::default();
        let of_loop = |_| {
            let routes = RouteCounters::new(&rows);
            Arc::new(CachePadded::new(LoopCounters { routes, ..LoopCounters::default() }))
        };
        Self {
            started: Instant::now(),
            loops: (0..io_threads).map(of_loop).collect(),
            workers: (0..worker_threads)
                .map(|_| Arc::new(CachePadded::new(WorkerCounters::new())))
                .collect(),
            accept: AcceptCounters::default(),
            rows,
        }
    }

    /// Connections that are open now, as the loops count them.
    pub(crate) fn open(&self) -> usize {
        let open = self.loops.iter().map(|c| {
            let closed = c.closed_total();
            c.accepted.get().saturating_sub(closed)
        });
        usize::try_from(open.sum::<u64>()).unwrap_or(usize::MAX)
    }
}
