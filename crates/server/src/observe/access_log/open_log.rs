//! A log that is open and being written.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::queue::LogSender;
use super::target::{AccessLog, LogError, LogTarget};
use super::writer::{AccessLogStats, Writer, WriterShared, lock};

/// How long a stop waits for the writer: its output may be a pipe that nobody reads.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The writer's thread, and what the server asks of it.
pub(crate) struct OpenLog {
    target: LogTarget,
    shared: Arc<WriterShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl OpenLog {
    /// Opens the log and starts its writer. `start` goes into the request ids.
    pub(crate) fn start(log: &AccessLog, io_threads: usize, start: u64) -> Result<Self, LogError> {
        let file = log.target.open()?;
        let shared = Arc::new(WriterShared::new(io_threads, log));
        let writer = Writer::new(Arc::clone(&shared), file, log, start);
        let thread = std::thread::Builder::new()
            .name("rx-log".to_owned())
            .spawn(move || writer.run())
            .map_err(LogError::Thread)?;
        shared.waker().set_thread(thread.thread().clone());
        Ok(Self { target: log.target.clone(), shared, thread: Mutex::new(Some(thread)) })
    }

    /// Where one loop puts its records.
    pub(crate) fn sender(&self, io_thread: usize) -> LogSender {
        self.shared.sender(io_thread)
    }

    /// Opens the file anew, after it was renamed or removed. Records from a few milliseconds
    /// ago may still go into the old one. No-op for standard output.
    pub(crate) fn reopen(&self) -> Result<(), LogError> {
        if matches!(self.target, LogTarget::File(_)) {
            self.shared.replace(self.target.open()?);
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> AccessLogStats {
        self.shared.stats()
    }

    /// The writer writes what is queued, then ends. Called once no loop runs.
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
    /// A server that failed to start has a writer to stop too.
    fn drop(&mut self) {
        self.stop();
    }
}
