//! The access log: one line for each request, written by a thread of its own.
//!
//! Each I/O loop puts its records into a bounded queue, once a turn, and never
//! waits: what finds no room is dropped and counted. The writer looks every few
//! milliseconds while there is something to write, so under load no loop has to
//! wake it.

mod format;
mod path;
mod queue;
mod record;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::format::LogFormat;
pub(crate) use self::queue::LogSender;
pub use self::record::RequestId;
pub(crate) use self::record::{Entry, Lengths, Outcome};
use self::writer::{Writer, WriterShared};
use crate::server::error::StartError;

/// How long the writer is waited for when the server stops: its output may be a
/// pipe that nobody reads.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Where the access log goes, and what a line looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// What a line looks like; the default is [`LogFormat::Combined`].
    pub format: LogFormat,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, which is appended to. It is made, readable for its owner and
    /// group, if it is not there. A symbolic link on the way to it is refused
    /// where another user can write to the folder that holds the link.
    File(PathBuf),
}

/// What became of the records so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogStats {
    /// Records written.
    pub written: u64,
    /// Records lost: the writer was too slow, or could not write.
    pub lost: u64,
    /// Writes that failed.
    pub errors: u64,
}

/// A log that is open and being written.
pub(crate) struct OpenLog {
    target: LogTarget,
    shared: Arc<WriterShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl OpenLog {
    /// Opens the log and starts its writer. `start` goes into the request ids.
    pub(crate) fn start(
        log: &AccessLog,
        io_threads: usize,
        start: u64,
    ) -> Result<Self, StartError> {
        let file = open(&log.target)?;
        let shared = Arc::new(WriterShared::new(io_threads, log.format));
        let writer = Writer::new(Arc::clone(&shared), file, log, start);
        let thread = std::thread::Builder::new()
            .name("rx-log".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StartError::System { what: "a thread", source })?;
        shared.set_thread(thread.thread().clone());
        Ok(Self { target: log.target.clone(), shared, thread: Mutex::new(Some(thread)) })
    }

    /// Where one loop puts its records.
    pub(crate) fn sender(&self, io_thread: usize) -> LogSender {
        self.shared.sender(io_thread)
    }

    /// Opens the file anew, after it was renamed or removed. Records from a few
    /// milliseconds ago may still go into the old one. Does nothing for standard
    /// output.
    pub(crate) fn reopen(&self) -> Result<(), StartError> {
        if matches!(self.target, LogTarget::File(_)) {
            self.shared.replace(open(&self.target)?);
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> AccessLogStats {
        self.shared.stats()
    }

    /// Writes what there is and ends. To be called when no loop runs any more.
    pub(crate) fn stop(&self) {
        self.shared.stop();
        let Some(thread) = lock(&self.thread).take() else { return };
        let until = Instant::now() + STOP_GRACE;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

impl Drop for OpenLog {
    /// A server that did not get to run has a writer all the same.
    fn drop(&mut self) {
        self.stop();
    }
}

fn open(target: &LogTarget) -> Result<File, StartError> {
    let failed = |path: &Path, source: io::Error| StartError::Log { path: path.to_owned(), source };
    match target {
        LogTarget::File(path) => path::open(path).map_err(|source| failed(path, source)),
        LogTarget::Stdout => {
            use std::os::fd::AsFd;
            let fd = io::stdout().as_fd().try_clone_to_owned();
            fd.map(File::from).map_err(|source| failed(Path::new("-"), source))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
