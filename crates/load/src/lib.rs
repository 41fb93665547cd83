//! The load client behind `reactor-rs bench`.
//!
//! A [`Run`] drives one server with one request over and over, from threads that
//! each own an epoll instance and a share of the connections. It works in one of
//! two ways:
//!
//! - **Closed loop**: a connection sends its next request when an answer has
//!   come. It finds the server's highest rate. Its latencies leave out the requests
//!   that would have come while the server was slow (coordinated omission).
//! - **Open loop**, with [`Plan::rate`]: each request has a time at which it is due,
//!   whatever the server does. A request waits if no connection is free. Its latency
//!   counts from the time at which it was due.
//!
//! Every request that goes out has one outcome: a right answer, or one of
//! [`ErrorClass`].
//!
//! # Resolution
//!
//! A thread reads the clock after every read that brought data. So a latency is exact
//! but for the time that the kernel took to hand the bytes over. Values are kept to
//! three significant digits. In an open loop a timerfd wakes the thread to send. How
//! late it sends is reported as [`OpenLoop::send_delay`] and is part of the latency.

#![forbid(unsafe_code)]

mod broadcast;
mod conn;
mod expect;
mod handshake;
mod http2;
mod peer;
mod plan;
mod report;
mod request;
mod run;
mod source;
mod tally;
mod times;
mod websocket;
mod worker;

pub use http2::Http2;
pub use peer::{Peer, PeerError};
pub use plan::{Plan, PlanError};
pub use report::{
    Bucket, Bytes, CodeCount, Connections, ErrorCounts, FirstError, Http2Report, Latency, OpenLoop,
    Progress, Report, StatusCount, StopReason, TlsReport,
};
pub use request::{Request, RequestError};
pub use run::{Run, StartError};
pub use tally::ErrorClass;
pub use websocket::{Kind, WebSocket};
