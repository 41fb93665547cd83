//! The options of `start`, and their translation into the engine's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use reactor_server::{
    AcceptMode, AccessLog, Address, Announce, App, Compress, Config, Effort, Endpoint,
    HealthChecks, Inline, Lane, Limits, Listen, LogFormat, LogTarget, MaxConnections,
    ProxyProtocol, Redirect, Secured, SocketMode, Target, Timeouts, TraceKey, Tuning,
};

use crate::files::NativeFiles;
use crate::proxied::NativeProxyProtocol;
use crate::server::Failure;
use crate::tls::NativeTls;

/// Where and how to serve. Checked by `ts/options/options.ts`; times are milliseconds,
/// sizes are bytes.
#[napi(object)]
pub struct NativeOptions {
    /// 1 to 16 of them; the first is the server's main address.
    pub listen: Vec<NativeEndpoint>,
    /// 1 to 16.
    pub io_threads: u32,
    /// 1 to 32.
    pub worker_threads: u32,
    /// Each I/O loop has a listener of its own; otherwise one acceptor thread accepts.
    pub accept_per_loop: bool,
    /// Length of the kernel's accept queue.
    pub backlog: u32,
    /// Tasks that may wait for a worker.
    pub queue: u32,
    /// Absent: derived from the limit on open files.
    pub max_connections: Option<u32>,
    /// Bytes of request bodies held at once, over all connections.
    pub body_memory: i64,
    /// Requests at JavaScript handlers at once. Absent: no limit.
    pub max_in_flight: Option<u32>,
    /// Milliseconds that a JavaScript handler may take. Absent: no limit.
    pub request_timeout: Option<u32>,
    /// HTTP/1.0 and HTTP/1.1 are spoken.
    pub http1: bool,
    /// HTTP/2 is spoken. One of both is.
    pub http2: bool,
    /// Clients of HTTP/2 are told that WebSockets may be streams. Absent: they are.
    pub extended_connect: Option<bool>,
    /// Bounds on one request.
    pub limits: NativeLimits,
    /// How long the server waits.
    pub timeouts: NativeTimeouts,
    /// Which events of connections the first lane gets. Absent: none.
    pub announce: Option<NativeAnnounce>,
    /// Small bodies stream too, if they did not come with their head. Absent: no.
    pub stream_small_bodies: Option<bool>,
    /// Absent: the built-in application.
    pub routes: Option<Vec<NativeRoute>>,
    /// Absent: no access log.
    pub access_log: Option<NativeAccessLog>,
    /// Absent: metrics are not served.
    pub metrics: Option<NativeListen>,
    /// The program has metrics of its own; see `askProgram`. Absent: no.
    pub program_metrics: Option<bool>,
    /// A page in HTML for `/` of the metrics listener. Absent: there is none.
    pub dashboard: Option<Uint8Array>,
    /// As `inherited` of an endpoint, for metrics.
    pub metrics_inherited: Option<Vec<i32>>,
    /// Path of the control socket. Absent: there is none.
    pub control: Option<String>,
    /// Peers that may ask for https URLs: `*` for all peers, `unix` for unix sockets, and
    /// ranges as `address/bits`.
    pub secured: Vec<String>,
    /// How answers are compressed. Absent: they are not.
    pub compress: Option<NativeCompress>,
    /// Health checks that the engine answers. Absent: none, but beside the metrics.
    pub health: Option<NativeHealth>,
}

/// Health checks that the engine answers.
#[napi(object)]
pub struct NativeHealth {
    /// The path that tells whether the server wants clients. Absent: none does.
    pub ready: Option<String>,
    /// The path that tells whether it is alive. Absent: none does.
    pub live: Option<String>,
    /// A handler that has held up its thread for so many milliseconds counts as dead. Absent: none
    /// does.
    pub handlers: Option<u32>,
    /// The server is not ready before `setReady`.
    pub waits: bool,
}

impl NativeHealth {
    fn into_checks(self) -> HealthChecks {
        let Self { ready, live, handlers, waits } = self;
        let handlers = handlers.map(|ms| Duration::from_millis(ms.into()));
        HealthChecks { ready, live, handlers, waits }
    }
}

/// How answers are compressed.
#[napi(object)]
pub struct NativeCompress {
    /// Shorter bodies are left alone.
    pub threshold: u32,
    /// `br`, `zstd` and `gzip`, or some of them.
    pub codings: Vec<String>,
    /// Media types in lower case, besides those that the engine knows.
    pub types: Vec<String>,
    /// Answers with cookies, or that are private, too.
    pub private_too: bool,
    /// Random bytes at most, up to 256.
    pub padding: u32,
    /// More time for shorter answers.
    pub dense: bool,
}

impl NativeCompress {
    fn into_compress(self) -> Compress {
        let mut compress = Compress::default();
        compress.threshold = self.threshold as usize;
        compress.types = self.types;
        compress.private = self.private_too;
        compress.padding = self.padding as usize;
        compress.effort = if self.dense { Effort::Cached } else { Effort::Fast };
        compress.with_codings(self.codings.iter().map(String::as_str))
    }
}

/// A place to listen at, and how connections are served there.
#[napi(object)]
pub struct NativeEndpoint {
    /// Path of a unix socket. Wins over `hostname` and `port`.
    pub unix: Option<String>,
    /// Permissions of its file. Absent: what the umask leaves.
    pub unix_mode: Option<u32>,
    /// Permissions of its file in addition to what the umask leaves.
    pub unix_mode_adds: Option<u32>,
    /// `::` takes IPv6 connections only.
    pub ipv6_only: Option<bool>,
    /// Host name or IP address; `::` takes IPv4 connections too.
    pub hostname: String,
    /// TCP port; 0 lets the kernel choose.
    pub port: u16,
    /// Descriptor of a socket that the process has inherited. Wins over `unix`, `hostname`
    /// and `port`.
    pub fd: Option<i32>,
    /// Another process listens at the address of `unix` or `hostname` and `port`. `handOver` gets
    /// the connections that are for this server.
    pub elsewhere: Option<bool>,
    /// Other processes of this user may listen on the port too, if they say so (SO_REUSEPORT).
    pub reuse_port: Option<bool>,
    /// Descriptors of sockets that are bound there already. They are used in place of binding,
    /// unless they have another port or path. They stay open; the server has copies.
    pub inherited: Option<Vec<i32>>,
    /// The file of an inherited unix socket is this server's: it removes it when it stops.
    pub adopt: Option<bool>,
    /// How connections are secured. Absent: they are in clear.
    pub tls: Option<NativeTls>,
    /// Requests are sent to a URL over TLS. Absent: they are served.
    pub redirect: Option<NativeRedirect>,
    /// Connections begin with a header of the PROXY protocol. Absent: they do not.
    pub proxy_protocol: Option<NativeProxyProtocol>,
}

/// Where requests in clear are sent to.
#[napi(object)]
pub struct NativeRedirect {
    /// The port of the new URL; 0 is the port that the first endpoint with TLS has got.
    pub port: u16,
}

/// The access log.
#[napi(object)]
pub struct NativeAccessLog {
    /// Absent: standard output.
    pub file: Option<String>,
    /// `common`, `combined` or `json`.
    pub format: String,
    /// Lines of `json` tell the trace. Absent: they do not.
    pub trace: Option<NativeTrace>,
}

/// How the ids of traces are made.
#[napi(object)]
pub struct NativeTrace {
    /// 32 random bytes.
    pub key: Uint8Array,
    /// How many of 2^32 traces that begin here are sampled.
    pub below: i64,
}

/// Where a further listener of the server listens.
#[napi(object)]
pub struct NativeListen {
    /// Path of a unix socket. Wins over `hostname` and `port`.
    pub unix: Option<String>,
    /// Host name or IP address.
    pub hostname: String,
    /// TCP port; 0 lets the kernel choose.
    pub port: u16,
    /// Descriptor of a socket that the process has inherited. Wins over the others.
    pub fd: Option<i32>,
}

/// Bounds on one request.
#[napi(object)]
pub struct NativeLimits {
    /// Request line, without its line end.
    pub request_line: u32,
    /// Whole head, with its final empty line.
    pub head: u32,
    /// Number of header fields.
    pub fields: u32,
    /// Body, decoded.
    pub body: i64,
    /// Chunk extensions of one message in total.
    pub chunk_extensions: u32,
    /// Requests of one HTTP/2 connection at once.
    pub streams: u32,
}

/// How long the server waits, in milliseconds.
#[napi(object)]
pub struct NativeTimeouts {
    /// For the whole head to arrive.
    pub head: u32,
    /// For the next bytes of a body to arrive.
    pub body: u32,
    /// For the next request of an idle connection.
    pub keep_alive: u32,
    /// For the client to take more output.
    pub write: u32,
    /// For requests under way, when the server stops.
    pub drain: u32,
    /// For a request to arrive, from its first byte to its last. Absent: no limit.
    pub receive: Option<u32>,
    /// Without a byte in either direction, while no handler has a request of the
    /// connection. Absent: no limit.
    pub inactive: Option<u32>,
}

/// Which events of connections a lane gets.
#[napi(object)]
pub struct NativeAnnounce {
    /// A connection was opened or closed.
    pub connections: bool,
    /// Nothing has happened on a connection for `timeouts.inactive`. The server then leaves
    /// closing it to the handler.
    pub inactive: bool,
    /// A connection was refused.
    pub refused: bool,
}

/// The settings that can be changed while a server runs.
#[napi(object)]
pub struct NativeTuning {
    /// Bounds on one request.
    pub limits: NativeLimits,
    /// How long the server waits.
    pub timeouts: NativeTimeouts,
    /// Which events of connections the first lane gets.
    pub announce: NativeAnnounce,
    /// Connections past this many are closed without an answer. Absent: the limit that the
    /// server was started with.
    pub max_connections: Option<u32>,
}

impl NativeTuning {
    pub(crate) fn into_tuning(self) -> Tuning {
        Tuning {
            limits: self.limits.into_limits(),
            timeouts: self.timeouts.into_timeouts(),
            announce: self.announce.into_announce(),
            max_connections: self
                .max_connections
                .map(|most| MaxConnections { most: most as usize, silent: true }),
        }
    }
}

impl NativeAnnounce {
    fn into_announce(self) -> Announce {
        let Self { connections, inactive, refused } = self;
        Announce { connections, inactive, refused }
    }
}

/// One pre-rendered response.
#[napi(object)]
pub struct NativeRoute {
    /// Absent: any method.
    pub method: Option<String>,
    /// Path pattern: `/`, `/users/:id`, `/assets/*`.
    pub pattern: String,
    /// Status code, 200 to 599.
    pub status: u16,
    /// Reason phrase, bytes as sent. Absent or empty: the phrase of the status.
    pub phrase: Option<Uint8Array>,
    /// Response fields, in order.
    pub fields: Vec<NativeField>,
    /// Response body.
    pub body: Uint8Array,
    /// The JavaScript handler with this number answers instead.
    pub handler: Option<u32>,
    /// Files answer instead, to GET, HEAD and OPTIONS.
    pub files: Option<NativeFiles>,
    /// Whether its answers may be compressed. Absent: yes.
    pub compress: Option<bool>,
}

/// One response field.
#[napi(object)]
pub struct NativeField {
    /// Field name, a token.
    pub name: String,
    /// Field value, bytes as sent.
    pub value: Uint8Array,
}

impl NativeOptions {
    /// The engine's configuration for these options.
    pub(crate) fn into_config(self, lanes: Vec<Arc<Lane>>) -> Result<Config, Failure> {
        let accept = if self.accept_per_loop { AcceptMode::PerLoop } else { AcceptMode::Acceptor };
        let listen: Result<_, _> =
            self.listen.into_iter().map(NativeEndpoint::into_endpoint).collect();
        Ok(Config {
            listen: listen?,
            io_threads: self.io_threads as usize,
            worker_threads: self.worker_threads as usize,
            accept,
            backlog: self.backlog,
            queue: self.queue as usize,
            max_connections: self.max_connections.map(|n| n as usize),
            body_memory: usize::try_from(self.body_memory).unwrap_or(0),
            max_in_flight: self.max_in_flight.map(|n| n as usize),
            request_timeout: self.request_timeout.map(|ms| Duration::from_millis(ms.into())),
            http1: self.http1,
            http2: self.http2,
            extended_connect: self.extended_connect.unwrap_or(true),
            limits: self.limits.into_limits(),
            timeouts: self.timeouts.into_timeouts(),
            announce: self.announce.map(NativeAnnounce::into_announce).unwrap_or_default(),
            stream_small_bodies: self.stream_small_bodies.unwrap_or(false),
            app: app(self.routes)?,
            lanes,
            access_log: self.access_log.map(NativeAccessLog::into_access_log),
            metrics: self.metrics.map(|m| Endpoint {
                inherited: self.metrics_inherited.unwrap_or_default(),
                adopt: true,
                ..m.fd
                    .map_or_else(|| listen_at(m.unix, m.hostname, m.port), Listen::Inherited)
                    .into()
            }),
            program_metrics: self.program_metrics.unwrap_or(false),
            dashboard: self.dashboard.map(|page| page.to_vec().into()),
            control: self.control.map(PathBuf::from),
            secured: secured(&self.secured),
            compress: self.compress.map(|compress| Arc::new(compress.into_compress())),
            health: self.health.map(NativeHealth::into_checks).unwrap_or_default(),
            ..Config::default()
        })
    }
}

impl NativeEndpoint {
    fn into_endpoint(self) -> Result<Endpoint, Failure> {
        let listen = match self.fd {
            Some(fd) => Listen::Inherited(fd),
            None => listen_at(self.unix, self.hostname, self.port),
        };
        let listen = match (listen, self.elsewhere) {
            (Listen::Unix(path), Some(true)) => Listen::Elsewhere(Address::Unix(path)),
            (Listen::Tcp { host, port }, Some(true)) => {
                let ip = host.parse().map_err(|_| {
                    Failure::new("ERR_REACTOR_START", format!("'{host}' is no IP address"))
                })?;
                Listen::Elsewhere(Address::Tcp(SocketAddr::new(ip, port)))
            }
            (listen, _) => listen,
        };
        let redirect = self.redirect.map(|to| match to.port {
            HTTPS => Redirect { port: None },
            port => Redirect { port: Some(port) },
        });
        Ok(Endpoint {
            socket_mode: match (self.unix_mode, self.unix_mode_adds) {
                (Some(mode), _) => Some(SocketMode::Exactly(mode)),
                (None, adds) => adds.map(SocketMode::AtLeast),
            },
            ipv6_only: self.ipv6_only.unwrap_or(false),
            reuse_port: self.reuse_port.unwrap_or(false),
            inherited: self.inherited.unwrap_or_default(),
            adopt: self.adopt.unwrap_or(false),
            tls: self.tls.map(NativeTls::into_tls).transpose()?,
            redirect,
            proxy_protocol: self.proxy_protocol.map(|given| ProxyProtocol {
                required: given.required,
                trusted: secured(&given.trusted),
            }),
            ..listen.into()
        })
    }
}

/// The port that a URL over TLS leaves out.
const HTTPS: u16 = 443;

fn listen_at(unix: Option<String>, host: String, port: u16) -> Listen {
    match unix {
        Some(path) => Listen::Unix(PathBuf::from(path)),
        None => Listen::Tcp { host, port },
    }
}

/// Trusted peers. TypeScript has checked the ranges; a malformed
/// one is left out, so that no peer is trusted by mistake.
fn secured(peers: &[String]) -> Secured {
    if peers.is_empty() {
        return Secured::None;
    }
    if peers.iter().any(|peer| peer == "*") {
        return Secured::All;
    }
    let range = |peer: &String| {
        let (address, bits) = peer.split_once('/')?;
        Some((address.parse().ok()?, bits.parse().ok()?))
    };
    Secured::Some {
        ranges: peers.iter().filter_map(range).collect(),
        unix: peers.iter().any(|peer| peer == "unix"),
    }
}

impl NativeAccessLog {
    fn into_access_log(self) -> AccessLog {
        let target = match self.file {
            Some(path) => LogTarget::File(PathBuf::from(path)),
            None => LogTarget::Stdout,
        };
        let format = match self.format.as_str() {
            "common" => LogFormat::Common,
            "json" => LogFormat::Json,
            _ => LogFormat::Combined,
        };
        let trace = self.trace.map(|NativeTrace { key, below }| {
            TraceKey::new(&key, u64::try_from(below).unwrap_or_default())
        });
        AccessLog { target, format, trace }
    }
}

impl NativeLimits {
    fn into_limits(self) -> Limits {
        Limits {
            request_line: self.request_line as usize,
            head: self.head as usize,
            fields: self.fields as usize,
            body: u64::try_from(self.body).unwrap_or(0),
            chunk_extensions: self.chunk_extensions as usize,
            streams: self.streams,
            trailers: self.head as usize,
        }
    }
}

impl NativeTimeouts {
    fn into_timeouts(self) -> Timeouts {
        let ms = |n: u32| Duration::from_millis(n.into());
        Timeouts {
            head: ms(self.head),
            body: ms(self.body),
            idle: ms(self.keep_alive),
            write: ms(self.write),
            drain: ms(self.drain),
            receive: self.receive.map(ms),
            inactive: self.inactive.map(ms),
        }
    }
}

/// The number of the handler that takes what no route does; `FETCH` in `ts/lane/handlers.ts`.
const FETCH: u32 = 0;

/// The application with these routes, or the built-in one if there are none.
pub(crate) fn app(routes: Option<Vec<NativeRoute>>) -> Result<App, Failure> {
    let Some(routes) = routes else { return Ok(App::builtin()) };
    let mut app = App::new();
    app.fall_through(FETCH);
    for route in routes {
        if let Some(handler) = route.handler {
            app.route(route.method.as_deref(), &route.pattern, Target::Lane(handler))
                .map_err(|error| Failure::route(error.to_string()))?;
            if route.compress == Some(false) {
                app.plain(handler);
            }
            continue;
        }
        if let Some(files) = route.files {
            let folder = files
                .into_folder()
                .map_err(|error| Failure::route(format!("route \"{}\": {error}", route.pattern)))?;
            app.route(route.method.as_deref(), &route.pattern, Target::Files(Arc::new(folder)))
                .map_err(|error| Failure::route(error.to_string()))?;
            continue;
        }
        let fields: Vec<(&str, &[u8])> =
            route.fields.iter().map(|field| (field.name.as_str(), &field.value[..])).collect();
        let phrase = route.phrase.as_deref().unwrap_or_default();
        let inline = Inline::with_phrase(route.status, phrase, &fields, route.body.to_vec())
            .map_err(|error| Failure::route(format!("route \"{}\": {error}", route.pattern)))?;
        let inline = if route.compress == Some(false) { inline.plain() } else { inline };
        app.route(route.method.as_deref(), &route.pattern, Target::Inline(inline))
            .map_err(|error| Failure::route(error.to_string()))?;
    }
    Ok(app)
}
