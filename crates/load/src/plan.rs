//! The plan of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reactor_tls::client::Client;

use crate::{Http2, Peer, Request, WebSocket};

/// The plan of a run: the server, the request, how many of them and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub peer: Peer,
    /// The request that is sent over and over.
    pub request: Request,
    /// Messages over WebSockets that `request` opens. Default: requests.
    pub websocket: Option<WebSocket>,
    /// The same request in HTTP/2; `tls` then has to offer `h2`. Default: HTTP/1.1.
    pub http2: Option<Http2>,
    /// Speaks TLS to the server. Default: no TLS.
    pub tls: Option<Arc<Client>>,
    /// Each connection begins with a header of the PROXY protocol, in version 1 or 2. Default: none.
    pub proxy_protocol: Option<u8>,
    /// Threads, 1 to 64. Default 1.
    pub threads: usize,
    /// Connections over all threads, at least one a thread, at most 65,535.
    /// Default 64.
    pub connections: usize,
    /// Requests that one connection of HTTP/1.1 may have under way at once, 1 to 1,024.
    /// Default 1.
    pub pipeline: usize,
    /// Ends sending after this long, warm-up not counted. Default 10 s.
    pub duration: Option<Duration>,
    /// Ends after this many requests, warm-up not counted. Default: no bound.
    pub requests: Option<u64>,
    /// Requests a second over all connections: an open loop, 1 to 10,000,000.
    /// Default: a closed loop.
    pub rate: Option<u32>,
    /// Load that is not counted, before what is. Default none.
    pub warmup: Duration,
    /// How long a connection may take to open, with its TLS handshake, and an answer to come after
    /// its request was sent. Checked every twentieth of it, or every 100 ms if that is sooner. Default 5 s.
    pub timeout: Duration,
    /// The one right status. Default: any from 200 to 399.
    pub expect_status: Option<u16>,
    /// The one right body, of every answer. Default: any.
    pub expect_body: Option<Vec<u8>>,
}

/// The most threads of a run.
const MAX_THREADS: usize = 64;
/// The ports that one client address has.
const MAX_CONNECTIONS: usize = 65_535;
const MAX_PIPELINE: usize = 1024;
const MAX_STREAMS: usize = 10_000;
const MAX_RATE: u32 = 10_000_000;

impl Plan {
    /// A plan with the defaults.
    #[must_use]
    pub fn new(peer: Peer, request: Request) -> Self {
        Self {
            peer,
            request,
            websocket: None,
            http2: None,
            tls: None,
            proxy_protocol: None,
            threads: 1,
            connections: 64,
            pipeline: 1,
            duration: Some(Duration::from_secs(10)),
            requests: None,
            rate: None,
            warmup: Duration::ZERO,
            timeout: Duration::from_secs(5),
            expect_status: None,
            expect_body: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), PlanError> {
        // Without keep-alive a connection carries one request.
        let streams = if self.request.keeps_alive() { MAX_STREAMS } else { 1 };
        let bounded = [
            ("threads", self.threads, MAX_THREADS),
            ("connections", self.connections, MAX_CONNECTIONS),
            ("pipeline", self.pipeline, MAX_PIPELINE),
            ("streams", self.http2.as_ref().map_or(1, |http2| http2.streams), streams),
            ("rate", self.rate.unwrap_or(1) as usize, MAX_RATE as usize),
        ];
        for (name, value, max) in bounded {
            if !(1..=max).contains(&value) {
                return Err(PlanError::Range { name, value, max });
            }
        }
        if self.threads > self.connections {
            let (threads, connections) = (self.threads, self.connections);
            return Err(PlanError::IdleThreads { threads, connections });
        }
        if self.pipeline > 1 && !self.request.keeps_alive() {
            return Err(PlanError::PipelineWithoutKeepAlive);
        }
        if self.is_broadcast() && self.rate.is_none() {
            return Err(PlanError::BroadcastWithoutRate);
        }
        if self.is_broadcast() && self.connections < 2 {
            return Err(PlanError::NoSubscribers);
        }
        if self.duration.is_none_or(|duration| duration.is_zero()) && self.requests.is_none() {
            return Err(PlanError::Endless);
        }
        if self.requests == Some(0) {
            return Err(PlanError::Range { name: "requests", value: 0, max: usize::MAX });
        }
        if self.timeout.is_zero() {
            return Err(PlanError::NoTimeout);
        }
        Ok(())
    }

    /// Requests that one connection may have under way at once.
    pub(crate) fn at_once(&self) -> usize {
        self.http2.as_ref().map_or(self.pipeline, |http2| http2.streams)
    }

    /// One connection sends, the others receive.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.websocket.as_ref().is_some_and(|websocket| websocket.subscribers)
    }
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A number is out of its range.
    Range {
        /// The field of [`Plan`].
        name: &'static str,
        /// Its value.
        value: usize,
        /// Its largest value; the smallest is 1.
        max: usize,
    },
    /// A thread would have no connection.
    IdleThreads {
        /// As asked for.
        threads: usize,
        /// As asked for.
        connections: usize,
    },
    /// Several requests on a connection that is only for one.
    PipelineWithoutKeepAlive,
    /// A broadcast without a pace: no answer tells the publisher when to send.
    BroadcastWithoutRate,
    /// A broadcast to nobody.
    NoSubscribers,
    /// Neither a duration nor a number of requests.
    Endless,
    /// A timeout of zero.
    NoTimeout,
    /// More connections than the limit of open files allows.
    OpenFiles {
        /// As asked for.
        connections: usize,
        /// The limit of this process.
        limit: u64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { name, value, max } => {
                write!(f, "{name} must be from 1 to {max}, got {value}")
            }
            Self::IdleThreads { threads, connections } => write!(
                f,
                "threads must be at most the number of connections, which is {connections}, \
                 got {threads}"
            ),
            Self::PipelineWithoutKeepAlive => f.write_str(
                "pipeline must be 1 without keep-alive: a connection then carries one request",
            ),
            Self::BroadcastWithoutRate => f.write_str("a broadcast needs a rate"),
            Self::NoSubscribers => f.write_str("a broadcast needs a subscriber"),
            Self::Endless => f.write_str("a run needs a duration or a number of requests"),
            Self::NoTimeout => f.write_str("timeout must be more than zero"),
            Self::OpenFiles { connections, limit } => write!(
                f,
                "connections must fit the limit on open files, which is {limit} \
                 (see ulimit -n), got {connections}"
            ),
        }
    }
}

impl std::error::Error for PlanError {}
