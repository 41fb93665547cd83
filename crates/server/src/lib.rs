//! The engine. An acceptor thread hands connections to I/O loops, each with its own epoll instance.
//! Requests go through a bounded queue to worker threads, or through lanes to JavaScript threads.
//! Their responses go back to the loop that owns the connection.
//!
//! ```no_run
//! use reactor_server::{App, Config, Server};
//!
//! let server = Server::start(Config { app: App::builtin(), ..Config::default() })?;
//! println!("http://{}", server.address());
//! server.wait();
//! # Ok::<(), reactor_server::StartError>(())
//! ```
#![forbid(unsafe_code)]

mod accept;
mod conn;
mod dispatch;
mod event_loop;
mod exchange;
mod http1;
mod http2;
mod observe;
mod pipe;
mod server;
#[cfg(test)]
mod sim;
mod websocket;

pub use conn::entrance::{ProxyProtocol, Redirect, ServesNames, Tls};
pub use conn::handshake::NameChoice;
pub use dispatch::app::{App, Target};
pub use dispatch::files::folder::Folder;
pub use dispatch::files::mime::{content_type, is_compressible};
pub use dispatch::files::options::{FolderError, FolderFields, FolderOptions, FolderProblem};
pub use dispatch::lane::channel::Lane;
pub use dispatch::lane::event::{
    ConnectionChange, ConnectionEvent, Framed, LaneEvent, LaneKey, LaneReply, Outgoing,
    OutgoingKind, SocketEnd,
};
pub use dispatch::lane::exchange::Exchange;
pub use dispatch::lane::queue_wait::QueueWait;
pub use dispatch::lane::replies::LaneReplies;
pub use dispatch::name_question::NameQuestion;
pub use dispatch::secured::Secured;
pub use dispatch::topics::{LONGEST_TOPIC, Publication, Publishing, Topic, Topics};
pub use event_loop::ownership::Ownership;
pub use event_loop::tuning::{Announce, MaxConnections, Timeouts, Tuning};
pub use exchange::body::WINDOW;
pub use exchange::compression::options::Compress;
pub use exchange::facts::Facts;
pub use exchange::field_error::FieldError;
pub use exchange::fields::FieldList;
pub use exchange::handler::Handler;
pub use exchange::id::ExchangeId;
pub use exchange::inline::Inline;
pub use exchange::loan::LentMemory;
pub use exchange::proxied::Proxied;
pub use exchange::request::Request;
pub use exchange::response::Response;
pub use exchange::socket::{Compression, SocketSettings, WhenFull};
pub use exchange::tls_info::TlsInfo;
pub use exchange::upgrade::NoUpgrade;
pub use observe::access_log::{
    AccessLog, AccessLogStats, LogFormat, LogTarget, RequestId, TraceKey,
};
pub use observe::close_reason::CloseReason;
pub use observe::health::pulse::Pulse;
pub use observe::health::{HealthChecks, Standstill};
pub use observe::node::{EventLoopStats, GcStats, NodeStats};
pub use observe::stats::{
    CertificateStats, HandlerStats, Http2Stats, LaneSnapshot, LaneState, LatencyStats,
    LoopSnapshot, RouteStats, Stats, TlsStats, WebSocketStats, WorkerSnapshot,
};
pub use reactor_compress::Effort;
pub use reactor_proto::ws::{Frame, Limits as SocketLimits};
pub use reactor_proto::{Framing, Limits, Version};
pub use reactor_route::RouteError;
pub use reactor_sys::{Address, SocketMode};
pub use server::config::{AcceptMode, Config, ConfigError, Endpoint, Listen};
pub use server::error::StartError;
pub use server::listeners::Bound;
pub use server::running::{Server, Stop};
