//! The access log: one line for each request, written by a thread of its own.
//!
//! Once a turn, each I/O loop puts its records into a bounded queue. It never waits: a record
//! that finds no room is dropped and counted. The writer looks every few milliseconds while
//! there is something to write, so that under load no loop has to wake it.

mod format;
mod hex;
mod open_log;
mod path;
mod queue;
mod record;
mod target;
mod trace;
mod writer;
mod writer_waker;

pub use self::format::LogFormat;
pub(crate) use self::open_log::OpenLog;
pub(crate) use self::queue::LogSender;
pub use self::record::RequestId;
pub(crate) use self::record::{Entry, Lengths, LoggedTls, Outcome, SocketMessages};
pub(crate) use self::target::LogError;
pub use self::target::{AccessLog, LogTarget};
pub use self::trace::TraceKey;
pub use self::writer::AccessLogStats;
