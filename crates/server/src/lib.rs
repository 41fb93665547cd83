//! The reactor: an acceptor thread hands connections to I/O loops, each with
//! its own epoll instance; requests go through a bounded queue to worker
//! threads and their responses back to the loop that owns the connection.
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

mod acceptor;
mod access_log;
mod app;
mod builtin;
mod clock;
mod config;
mod conn;
mod control;
mod error;
mod event_loop;
mod gate;
mod histogram;
mod idle;
mod in_flight;
mod inbox;
mod lane;
mod metrics;
mod observe;
mod out;
mod own_hosts;
mod pool;
mod pulse;
mod reactor;
mod seat;
mod secured;
mod server;
mod stats;
mod task;
mod usage;
mod wheel;

pub use access_log::{AccessLog, AccessLogStats, LogFormat, LogTarget, RequestId};
pub use app::{App, Handler, Inline, Target};
pub use config::{
    AcceptMode, Announce, Config, ConfigError, Listen, MaxConnections, Timeouts, Tuning,
};
pub use error::{FieldError, StartError};
pub use lane::{
    ConnectionChange, ConnectionEvent, Exchange, Lane, LaneEvent, LaneReplies, LaneReply, LaneTask,
    QueueWait, WINDOW,
};
pub use reactor_proto::{Framing, Limits, Version};
pub use reactor_route::RouteError;
pub use reactor_sys::{Address, SocketMode};
pub use seat::Seat;
pub use secured::Secured;
pub use server::{Bound, Server, Stop};
pub use stats::{
    CloseReason, HandlerStats, LaneSnapshot, LaneState, LatencyStats, LoopSnapshot, Stats,
    WorkerSnapshot,
};
pub use task::{Request, Response};
