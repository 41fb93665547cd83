//! Statistics: the counters of a server, summed at one moment.

pub(crate) mod latency;
mod routes;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use reactor_tls::Error;
use serde::Serialize;

use crate::observe::access_log::AccessLogStats;
use crate::observe::close_reason::CloseReason;
use crate::observe::counter::Counter;
use crate::observe::counters::{Counters, LoopCounters, ProxyFault};
use crate::observe::node::NodeStats;
pub use crate::observe::stats::latency::LatencyStats;
pub use crate::observe::stats::routes::RouteStats;

/// A server's statistics at one moment, all counted since its start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Whether it wants new clients, as `/readyz` says.
    pub ready: bool,
    /// Whether it stops, or has said that it is about to.
    pub stopping: bool,
    /// Connections.
    pub connections: ConnectionStats,
    /// TLS handshakes.
    pub tls: TlsStats,
    /// The PROXY protocol.
    pub proxy_protocol: ProxyStats,
    /// WebSockets.
    pub web_sockets: WebSocketStats,
    /// HTTP/2.
    pub http2: Http2Stats,
    /// Requests and responses.
    pub requests: RequestStats,
    /// Requests by route and method, those that were answered. At most 256.
    pub routes: Vec<RouteStats>,
    /// Bytes on the wire.
    pub bytes: ByteStats,
    /// Requests that went to worker threads.
    pub tasks: TaskStats,
    /// Requests that went to handlers behind lanes.
    pub handlers: HandlerStats,
    /// Each I/O loop.
    pub io_threads: Vec<LoopSnapshot>,
    /// Each worker thread.
    pub worker_threads: Vec<WorkerSnapshot>,
    /// Each lane; a place without one is left out.
    pub lanes: Vec<LaneSnapshot>,
    /// What JavaScript threads have told of themselves.
    pub node: Vec<NodeStats>,
    /// The access log, where there is one.
    pub access_log: Option<AccessLogStats>,
}

/// Connections.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStats {
    /// Accepted and given to a loop.
    pub accepted: u64,
    /// Open now.
    pub open: u64,
    /// Refused with 503 because `max_connections` were open.
    pub refused: u64,
    /// Times that a listener paused after an error: no descriptors or memory, or not allowed.
    pub accept_pauses: u64,
    /// Closed, by reason.
    pub closed: ClosedStats,
}

/// Closed connections, by reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedStats {
    /// The peer closed it, after its last answer.
    pub peer: u64,
    /// An answer said `Connection: close`, as the client had asked.
    pub served: u64,
    /// A request was malformed or over a limit, and was told so.
    pub rejected: u64,
    /// No request came for the idle timeout.
    pub idle: u64,
    /// A head or a body came too slowly.
    pub request_timeout: u64,
    /// The peer took no output for the write timeout.
    pub write_timeout: u64,
    /// The peer reset the connection, left in the middle of a request or before its
    /// answer, or a response could not be completed.
    pub aborted: u64,
    /// The server was stopping.
    pub stopped: u64,
    /// The TLS handshake failed, or took too long.
    pub handshake: u64,
    /// The PROXY protocol: see [`ProxyStats::failed`].
    pub proxy: u64,
}

/// WebSockets.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketStats {
    /// Opened since the start.
    pub opened: u64,
    /// Open now.
    pub open: u64,
    /// Messages from clients.
    pub received: u64,
    /// Messages to clients; one that is published counts for each.
    pub sent: u64,
    /// Published messages that a client had no room for.
    pub dropped: u64,
}

/// HTTP/2. Its requests and their answers are in [`RequestStats`] too.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Http2Stats {
    /// Connections that speak it now.
    pub connections: u64,
    /// Streams that are open now.
    pub streams: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Streams that clients reset.
    pub resets_received: u64,
    /// Streams that the server reset: their request was malformed, or their answer broke off.
    pub resets_sent: u64,
    /// Streams that were refused because too many were open, or because the server stops.
    pub refused: u64,
    /// Connections that were ended because of what the client did.
    pub goaways: u64,
}

/// TLS handshakes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsStats {
    /// Done, with a new session.
    pub full: u64,
    /// Done, with a session of an earlier connection.
    pub resumed: u64,
    /// Failed, by kind; kinds that have not happened are left out.
    pub failed: BTreeMap<&'static str, u64>,
    /// Not done within the handshake timeout.
    pub timed_out: u64,
    /// Closed because too many waited.
    pub shed: u64,
    /// Steps that an I/O loop took because the workers had enough of them.
    pub on_loops: u64,
    /// Configurations that have replaced another.
    pub reloads: u64,
    /// Configurations that were to replace another, and were wrong.
    pub reload_failures: u64,
    /// The certificates that new handshakes get.
    pub certificates: Vec<CertificateStats>,
}

/// The PROXY protocol.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStats {
    /// Headers of version 1.
    pub v1: u64,
    /// Headers of version 2.
    pub v2: u64,
    /// Those of them that a balancer sent for itself, as in a health check.
    pub local: u64,
    /// Connections that were closed because of it.
    pub failed: ProxyFailures,
}

/// Why connections were closed because of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ProxyFailures {
    /// The peer is no trusted balancer.
    pub untrusted: u64,
    /// They began with something else.
    pub missing: u64,
    /// The header was not exactly right, or not whole.
    pub malformed: u64,
    /// It did not come in time.
    pub timeout: u64,
}

/// A certificate of a listener.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStats {
    /// The place of its listener in the configuration.
    pub listener: usize,
    /// Its subject, such as `CN=example.com`.
    pub subject: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// The last second in which it is valid, since 1970.
    pub expires: i64,
}

/// Requests, and final responses by class.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStats {
    /// Request heads read.
    pub total: u64,
    /// 1xx responses.
    pub informational: u64,
    /// 2xx responses.
    pub success: u64,
    /// 3xx responses.
    pub redirect: u64,
    /// 4xx responses.
    pub client_error: u64,
    /// 5xx responses.
    pub server_error: u64,
    /// From a request's head to the last byte of its answer. Counted with an access log or a
    /// metrics listener, and while somebody watches through the control socket.
    pub latency: LatencyStats,
}

/// Bytes on the wire.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByteStats {
    /// Read from peers.
    pub received: u64,
    /// Sent to peers.
    pub sent: u64,
}

/// Requests that went to worker threads.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStats {
    /// Put into the queue.
    pub queued: u64,
    /// Run.
    pub done: u64,
    /// Refused with 503: the queue, or the room for bodies, was full.
    pub rejected: u64,
    /// Answered when the connection was gone.
    pub dropped: u64,
    /// Answered with 500 because the handler panicked.
    pub panics: u64,
    /// How many wait now.
    pub queue_depth: u64,
    /// The most that have waited at once.
    pub queue_peak: u64,
    /// The most that may wait.
    pub queue_capacity: u64,
    /// From the queue to a worker.
    pub queue_wait: LatencyStats,
    /// Inside the handler.
    pub handler_time: LatencyStats,
}

/// Requests that went to handlers behind lanes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerStats {
    /// Handed over.
    pub given: u64,
    /// Handed over and not ended. A request whose client has gone, or that was answered late,
    /// counts until the handler's thread has been told.
    pub in_flight: u64,
    /// Refused with 503: `max_in_flight` requests were at handlers.
    pub rejected: u64,
    /// Answered with 503 because the handler took too long.
    pub timed_out: u64,
}

/// One I/O loop.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopSnapshot {
    /// Connections open now.
    pub connections: u64,
    /// Connections ever.
    pub accepted: u64,
    /// Request heads read.
    pub requests: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Turns that ended in sleep.
    pub sleeps: u64,
    /// Workers woken.
    pub worker_wakes: u64,
}

/// One worker thread.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSnapshot {
    /// Tasks run.
    pub tasks: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Times it was woken.
    pub wakes: u64,
    /// Milliseconds inside handlers.
    pub busy_ms: u64,
}

/// One lane, since its thread made it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneSnapshot {
    /// Its place among the server's lanes.
    pub lane: usize,
    /// The state of its thread.
    pub state: LaneState,
    /// Requests given to it and not yet answered.
    pub in_flight: usize,
    /// Those of them that its thread has not begun.
    pub queued: usize,
    /// From the hand-over of a request to the turn of the thread that takes it.
    pub queue_wait: LatencyStats,
    /// From a wake of the thread to the turn that it leads to.
    pub event_loop_lag: LatencyStats,
}

/// The state of a lane's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// It takes requests.
    Running,
    /// Something has waited for it for more than 100 ms.
    Blocked,
    /// It takes no more requests.
    Stopped,
}

impl Counters {
    /// The sum of a counter over all loops. A function, because statistics are made seldom: as a part
    /// of what calls it, it would be there as many times as there are counters.
    #[inline(never)]
    fn sum(&self, counter: &dyn Fn(&LoopCounters) -> &Counter) -> u64 {
        self.loops.iter().map(|counters| counter(counters).get()).sum()
    }

    pub(crate) fn snapshot(
        &self,
        queue_depth: usize,
        queue_capacity: usize,
        access_log: Option<AccessLogStats>,
    ) -> Stats {
        let loops: Vec<LoopSnapshot> = self.loops.iter().map(|c| loop_snapshot(c)).collect();
        let workers: Vec<WorkerSnapshot> = self
            .workers
            .iter()
            .map(|c| WorkerSnapshot {
                tasks: c.tasks.get(),
                panics: c.panics.get(),
                wakes: c.wakes.get(),
                busy_ms: c.busy.get() / 1_000_000,
            })
            .collect();
        let closed = |reason: CloseReason| self.sum(&|c| &c.closed[reason as usize]);
        let class = |index: usize| self.sum(&|c| &c.responses[index]);
        Stats {
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ready: true,
            stopping: false,
            connections: ConnectionStats {
                accepted: self.sum(&|c| &c.accepted),
                open: loops.iter().map(|l| l.connections).sum(),
                refused: self.accept.refused.load(Ordering::Relaxed),
                accept_pauses: self.accept.pauses.load(Ordering::Relaxed),
                closed: ClosedStats {
                    peer: closed(CloseReason::Peer),
                    served: closed(CloseReason::Served),
                    rejected: closed(CloseReason::Rejected),
                    idle: closed(CloseReason::Idle),
                    request_timeout: closed(CloseReason::RequestTimeout),
                    write_timeout: closed(CloseReason::WriteTimeout),
                    aborted: closed(CloseReason::Aborted),
                    stopped: closed(CloseReason::Stopped),
                    handshake: closed(CloseReason::Handshake),
                    proxy: closed(CloseReason::Proxy),
                },
            },
            tls: self.tls(),
            proxy_protocol: self.proxy(),
            web_sockets: self.web_sockets(),
            http2: self.http2(),
            requests: RequestStats {
                total: self.sum(&|c| &c.requests),
                informational: class(0),
                success: class(1),
                redirect: class(2),
                client_error: class(3),
                server_error: class(4),
                latency: LatencyStats::of(self.loops.iter().map(|c| &c.latency)),
            },
            routes: self.route_totals().into_iter().map(RouteStats::from).collect(),
            bytes: ByteStats {
                received: self.sum(&|c| &c.bytes_in),
                sent: self.sum(&|c| &c.bytes_out),
            },
            tasks: TaskStats {
                queued: self.sum(&|c| &c.queued),
                done: workers.iter().map(|w| w.tasks).sum(),
                rejected: self.sum(&|c| &c.rejected),
                dropped: self.sum(&|c| &c.dropped),
                panics: workers.iter().map(|w| w.panics).sum(),
                queue_depth: queue_depth as u64,
                queue_peak: self.loops.iter().map(|c| c.queue_peak.get()).max().unwrap_or(0),
                queue_capacity: queue_capacity as u64,
                queue_wait: LatencyStats::of(self.workers.iter().map(|c| &c.queue_wait)),
                handler_time: LatencyStats::of(self.workers.iter().map(|c| &c.handler_time)),
            },
            handlers: self.handlers(),
            io_threads: loops,
            worker_threads: workers,
            lanes: Vec::new(),
            node: Vec::new(),
            access_log,
        }
    }

    fn web_sockets(&self) -> WebSocketStats {
        // Closed ones first; see `loop_snapshot`.
        let closed = self.sum(&|c| &c.sockets.closed);
        let opened = self.sum(&|c| &c.sockets.opened);
        WebSocketStats {
            opened,
            open: opened.saturating_sub(closed),
            received: self.sum(&|c| &c.sockets.messages_in),
            sent: self.sum(&|c| &c.sockets.messages_out),
            dropped: self.sum(&|c| &c.sockets.dropped),
        }
    }

    fn http2(&self) -> Http2Stats {
        // Closed ones first; see `loop_snapshot`.
        let closed = self.sum(&|c| &c.http2.closed);
        let opened = self.sum(&|c| &c.http2.opened);
        let streams_closed = self.sum(&|c| &c.http2.streams_closed);
        let streams_opened = self.sum(&|c| &c.http2.streams_opened);
        Http2Stats {
            connections: opened.saturating_sub(closed),
            streams: streams_opened.saturating_sub(streams_closed),
            requests: self.sum(&|c| &c.http2.requests),
            resets_received: self.sum(&|c| &c.http2.resets_received),
            resets_sent: self.sum(&|c| &c.http2.resets_sent),
            refused: self.sum(&|c| &c.http2.refused),
            goaways: self.sum(&|c| &c.http2.goaways),
        }
    }

    fn tls(&self) -> TlsStats {
        let kinds = Error::KINDS.iter().enumerate();
        let failed = kinds.map(|(index, kind)| (*kind, self.sum(&|c| &c.tls.failed[index])));
        TlsStats {
            full: self.sum(&|c| &c.tls.full),
            resumed: self.sum(&|c| &c.tls.resumed),
            failed: failed.filter(|(_, count)| *count > 0).collect(),
            timed_out: self.sum(&|c| &c.tls.timed_out),
            shed: self.sum(&|c| &c.tls.shed),
            on_loops: self.sum(&|c| &c.tls.on_loops),
            ..TlsStats::default()
        }
    }

    fn proxy(&self) -> ProxyStats {
        let failed = |fault: ProxyFault| self.sum(&|c| &c.proxy.failed[fault as usize]);
        ProxyStats {
            v1: self.sum(&|c| &c.proxy.versions[0]),
            v2: self.sum(&|c| &c.proxy.versions[1]),
            local: self.sum(&|c| &c.proxy.local),
            failed: ProxyFailures {
                untrusted: failed(ProxyFault::Untrusted),
                missing: failed(ProxyFault::Missing),
                malformed: failed(ProxyFault::Malformed),
                timeout: failed(ProxyFault::Timeout),
            },
        }
    }

    fn handlers(&self) -> HandlerStats {
        // Ended requests first; see `loop_snapshot`.
        let left: u64 = self.sum(&|c| &c.handlers_left);
        let given: u64 = self.sum(&|c| &c.handlers_given);
        HandlerStats {
            given,
            in_flight: given.saturating_sub(left),
            rejected: self.sum(&|c| &c.handlers_rejected),
            timed_out: self.sum(&|c| &c.handlers_timed_out),
        }
    }
}

fn loop_snapshot(c: &LoopCounters) -> LoopSnapshot {
    // Closed connections first: a connection that opens in between must not make the difference
    // negative.
    let closed = c.closed_total();
    let accepted = c.accepted.get();
    LoopSnapshot {
        connections: accepted.saturating_sub(closed),
        accepted,
        requests: c.requests.get(),
        turns: c.turns.get(),
        sleeps: c.sleeps.get(),
        worker_wakes: c.worker_wakes.get(),
    }
}
