//! What a server is started with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reactor_proto::Limits;
use reactor_sys::{Address, SocketMode};

use crate::conn::entrance::{ProxyProtocol, Redirect, Tls};
use crate::dispatch::app::App;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::secured::Secured;
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::compression::options::Compress;
use crate::observe::access_log::AccessLog;
use crate::observe::health::HealthChecks;

/// Everything that [`Server::start`](crate::Server::start) wants to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; the default is port 8080 on every address, in clear.
    pub listen: Vec<Endpoint>,
    /// I/O loops, 1 to 16; the default is 4.
    pub io_threads: usize,
    /// Worker threads, 1 to 32; the default is 8. They start with the first application that has a
    /// route to them.
    pub worker_threads: usize,
    /// Who accepts connections; the default is one acceptor thread.
    pub accept: AcceptMode,
    /// Length of the kernel's accept queue (listen(2)); the default is 511.
    pub backlog: u32,
    /// Requests that may wait for a worker, 1 to 1,000,000; one more gets a 503. The default is
    /// 4096.
    pub queue: usize,
    /// Connections open at once; one more gets a 503. `None` derives it from
    /// the limit of open files (RLIMIT_NOFILE).
    pub max_connections: Option<usize>,
    /// Bytes of request bodies held in memory at once, over all connections;
    /// a request past it gets a 503. The default is 256 MiB.
    pub body_memory: usize,
    /// Requests at handlers behind lanes at once, over all loops, 1 to
    /// 1,000,000; one more gets a 503. The default is no limit.
    pub max_in_flight: Option<usize>,
    /// How long a handler behind a lane may take, from the hand-over of its request to the head of
    /// its response. After that the loop answers with 503 in its place, up to 50 ms late. The
    /// default is no limit.
    pub request_timeout: Option<Duration>,
    /// Whether HTTP/1.0 and HTTP/1.1 are spoken; the default is yes.
    pub http1: bool,
    /// Whether HTTP/2 is spoken; the default is yes. One of both must be.
    pub http2: bool,
    /// Whether clients of HTTP/2 are told that WebSockets may be streams (RFC 8441); the default is yes.
    pub extended_connect: bool,
    /// Limits on what one request may bring.
    pub limits: Limits,
    /// How long the peer may take.
    pub timeouts: Timeouts,
    /// The peers that may ask for `https` URLs in absolute-form, because they terminate TLS. Others
    /// get a 421 (RFC 9110 §7.4). The default is none.
    pub secured: Secured,
    /// What answers.
    pub app: App,
    /// How answers are compressed; by default they are not.
    pub compress: Option<Arc<Compress>>,
    /// What lanes are told of connections; nothing by default.
    pub announce: Announce,
    /// Lanes get also small bodies of a declared length as they come, unless they came with their
    /// head. By default lanes get them whole.
    pub stream_small_bodies: bool,
    /// Lanes for [`Target::Lane`](crate::Target); more can be set later.
    pub lanes: Vec<Arc<Lane>>,
    /// One line for each request; none by default.
    pub access_log: Option<AccessLog>,
    /// Where metrics are served, under `/metrics`; the default is nowhere. `/snapshot` is what the
    /// control socket serves.
    pub metrics: Option<Endpoint>,
    /// Whether the program has metrics of its own; see
    /// [`Server::ask_program`](crate::Server::ask_program).
    pub program_metrics: bool,
    /// A page in HTML that shows the snapshot to people; `/` of the metrics listener, if there is one.
    pub dashboard: Option<Arc<[u8]>>,
    /// Path of the control socket, which only this user may connect to; none by default. Over HTTP
    /// it serves a snapshot of everything that is counted, as one line of JSON.
    pub control: Option<PathBuf>,
    /// The paths of health checks that loops answer themselves; by default there are none. Those of
    /// the metrics are always there.
    pub health: HealthChecks,
    /// What the names of the threads begin with, at most 5 characters. The default is `rx`, for
    /// `rx-io-0` and so on.
    pub thread_prefix: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp { host: "::".to_owned(), port: 8080 }.into()],
            io_threads: 4,
            worker_threads: 8,
            accept: AcceptMode::Acceptor,
            backlog: 511,
            queue: 4096,
            max_connections: None,
            body_memory: 256 * 1024 * 1024,
            max_in_flight: None,
            request_timeout: None,
            http1: true,
            http2: true,
            extended_connect: true,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            secured: Secured::default(),
            app: App::builtin(),
            compress: None,
            announce: Announce::default(),
            stream_small_bodies: false,
            lanes: Vec::new(),
            access_log: None,
            metrics: None,
            program_metrics: false,
            dashboard: None,
            control: None,
            health: HealthChecks::default(),
            thread_prefix: "rx",
        }
    }
}

impl Config {
    /// The most I/O loops that a server may have.
    pub const MAX_IO_THREADS: usize = 16;
    /// The most places that a server may listen at.
    pub const MAX_ENDPOINTS: usize = 16;
    /// The most worker threads that a server may have.
    pub const MAX_WORKER_THREADS: usize = 32;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let within = |option, value, min, max| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError { option, value, min, max })
            }
        };
        within("listen", self.listen.len(), 1, Self::MAX_ENDPOINTS)?;
        within("io_threads", self.io_threads, 1, Self::MAX_IO_THREADS)?;
        within("worker_threads", self.worker_threads, 1, Self::MAX_WORKER_THREADS)?;
        within("queue", self.queue, 1, 1_000_000)?;
        within("max_connections", self.max_connections.unwrap_or(1), 1, 10_000_000)?;
        within("max_in_flight", self.max_in_flight.unwrap_or(1), 1, 1_000_000)?;
        within("limits.request_line", self.limits.request_line, 16, 1 << 20)?;
        within("limits.head", self.limits.head, 32, 1 << 20)?;
        within("limits.fields", self.limits.fields, 1, 10_000)?;
        within("limits.chunk_extensions", self.limits.chunk_extensions, 0, 1 << 24)?;
        within("limits.trailers", self.limits.trailers, 0, 1 << 20)?;
        within("limits.streams", self.limits.streams as usize, 1, 10_000)?;
        within("http1 + http2", usize::from(self.http1) + usize::from(self.http2), 1, 2)
    }
}

/// A place where a server listens, and how it speaks there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where.
    pub listen: Listen,
    /// Permissions of the file of a unix socket; by default what the umask leaves.
    pub socket_mode: Option<SocketMode>,
    /// Whether `::` is every IPv6 address and no IPv4 one; by default it is both.
    pub ipv6_only: bool,
    /// Whether other processes of this user may listen on the same port beside this one, if they
    /// say so too (socket(7), SO_REUSEPORT). The kernel spreads connections over them.
    pub reuse_port: bool,
    /// Descriptors of sockets that are bound to this place already, such as those of a predecessor.
    /// They are used in place of binding, unless they are bound to another port or path than
    /// `listen` says. The server listens on copies, and leaves the descriptors open.
    ///
    /// In [`AcceptMode::PerLoop`] they are dealt out to the loops. If there are fewer sockets than
    /// loops, the others bind more where the sockets have SO_REUSEPORT, and share them otherwise.
    pub inherited: Vec<i32>,
    /// Whether the file of an inherited unix socket is this server's from now on, so that its end
    /// removes it. By default, and with [`Listen::Inherited`], the file stays its maker's.
    pub adopt: bool,
    /// Connections are secured with this; by default they are in clear.
    pub tls: Option<Arc<Tls>>,
    /// Requests are sent to a URL over TLS; by default they are served.
    pub redirect: Option<Redirect>,
    /// Connections begin with a header of the PROXY protocol; by default they do not.
    pub proxy_protocol: Option<ProxyProtocol>,
}

impl From<Listen> for Endpoint {
    fn from(listen: Listen) -> Self {
        Self {
            listen,
            socket_mode: None,
            ipv6_only: false,
            reuse_port: false,
            inherited: Vec::new(),
            adopt: false,
            tls: None,
            redirect: None,
            proxy_protocol: None,
        }
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port. `::` means every address, IPv4 included.
    Tcp {
        /// An address or a name that resolves to one or more.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A unix socket. A path that begins with a zero byte is an abstract name (unix(7)).
    Unix(PathBuf),
    /// A socket that this process has inherited, by its descriptor. The server listens on a copy,
    /// and leaves the descriptor open.
    Inherited(i32),
    /// Nowhere: another process listens at this address, and
    /// [`Server::hand_over`](crate::Server::hand_over) gets the connections that are for this one.
    Elsewhere(Address),
}

/// Who accepts connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptMode {
    /// One acceptor thread hands each connection to the loop with the fewest.
    #[default]
    Acceptor,
    /// Each I/O loop has a listener of its own on the shared port (SO_REUSEPORT), and there is no
    /// acceptor thread. This is better for short connections. The kernel spreads them by hash, not
    /// by load.
    PerLoop,
}

/// A number that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field of [`Config`].
    pub option: &'static str,
    /// What it was given.
    pub value: usize,
    /// The least that is allowed.
    pub min: usize,
    /// The most that is allowed.
    pub max: usize,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, value, min, max } = self;
        write!(f, "{option} is {value}; it must be from {min} to {max}")
    }
}
