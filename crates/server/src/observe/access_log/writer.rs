//! The thread that formats and writes.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crossbeam_utils::CachePadded;
use reactor_sys::block_signals;
use serde::Serialize;

use super::format::{Formatter, LogFormat};
use super::queue::{LogQueue, LogSender};
use super::target::{AccessLog, LogTarget};
use super::writer_waker::WriterWaker;
use crate::observe::counter::Counter;

/// How often the writer looks while there is something to write.
const TICK: Duration = Duration::from_millis(10);
/// After this many looks that found nothing, the writer sleeps until it is woken.
const IDLE_TICKS: u32 = 20;
/// How many bytes are written at once.
const BUFFER: usize = 64 * 1024;
/// How long the writer waits when the output, perhaps a pipe, is full.
const RETRY: Duration = Duration::from_millis(5);

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

/// What the writer shares with the loops and the server.
pub(crate) struct WriterShared {
    queues: Vec<Arc<LogQueue>>,
    format: LogFormat,
    with_trace: bool,
    waker: Arc<WriterWaker>,
    stopping: AtomicBool,
    /// The file to write to from now on.
    replacement: Mutex<Option<File>>,
    counters: CachePadded<WriterCounters>,
}

/// Written by the writer alone.
#[derive(Default)]
struct WriterCounters {
    written: Counter,
    unwritten: Counter,
    errors: Counter,
}

impl WriterShared {
    pub(super) fn new(io_threads: usize, log: &AccessLog) -> Self {
        Self {
            format: log.format,
            with_trace: log.trace.is_some() && log.format == LogFormat::Json,
            queues: (0..io_threads).map(|_| Arc::new(LogQueue::new())).collect(),
            waker: Arc::new(WriterWaker::new()),
            stopping: AtomicBool::new(false),
            replacement: Mutex::new(None),
            counters: CachePadded::default(),
        }
    }

    pub(super) fn waker(&self) -> &WriterWaker {
        &self.waker
    }

    pub(super) fn sender(&self, io_thread: usize) -> LogSender {
        let queue = Arc::clone(&self.queues[io_thread]);
        LogSender::new(Arc::clone(&self.waker), queue, self.format.has_forwarded(), self.with_trace)
    }

    pub(super) fn replace(&self, file: File) {
        *lock(&self.replacement) = Some(file);
        self.waker.wake();
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn lost(&self) -> u64 {
        self.queues.iter().map(|queue| queue.lost()).sum::<u64>() + self.counters.unwritten.get()
    }

    pub(super) fn stats(&self) -> AccessLogStats {
        AccessLogStats {
            written: self.counters.written.get(),
            lost: self.lost(),
            errors: self.counters.errors.get(),
        }
    }
}

pub(super) struct Writer {
    shared: Arc<WriterShared>,
    file: File,
    target: LogTarget,
    formatter: Formatter,
    buf: Vec<u8>,
    /// Whole records in `buf`.
    records: u64,
    /// Lost records that a line of the log has told of.
    told: u64,
    /// The last write failed.
    failing: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<WriterShared>, file: File, log: &AccessLog, start: u64) -> Self {
        Self {
            shared,
            file,
            target: log.target.clone(),
            formatter: Formatter::new(log.format, start, log.trace),
            buf: Vec::with_capacity(BUFFER + 8 * 1024),
            records: 0,
            told: 0,
            failing: false,
        }
    }

    pub(super) fn run(mut self) {
        block_signals();
        let mut idle = 0;
        loop {
            // Read before the queues: after a stop, no record comes.
            let stopping = self.shared.is_stopping();
            let found = self.drain();
            let replacement = lock(&self.shared.replacement).take();
            if let Some(file) = replacement {
                self.file = file;
            }
            if stopping {
                return;
            }
            idle = if found { 0 } else { idle + 1 };
            if idle < IDLE_TICKS {
                std::thread::park_timeout(TICK);
            } else {
                self.rest();
                idle = 0;
            }
        }
    }

    /// Sleeps until there is something to do.
    fn rest(&self) {
        let shared = &self.shared;
        shared.waker.sleep_unless(|| {
            shared.queues.iter().any(|queue| !queue.is_empty())
                || shared.is_stopping()
                || lock(&shared.replacement).is_some()
        });
    }

    /// Writes all that is queued. True if there was something.
    fn drain(&mut self) -> bool {
        let mut found = false;
        for index in 0..self.shared.queues.len() {
            let queue = Arc::clone(&self.shared.queues[index]);
            while let Some(batch) = queue.take() {
                found = true;
                let mut text = &batch.text[..];
                for entry in &batch.entries {
                    let (own, rest) = text.split_at(entry.text.total().min(text.len()));
                    text = rest;
                    let time = batch.time_of(entry.start);
                    self.formatter.record(entry, own, time, &mut self.buf);
                    self.records += 1;
                    if self.buf.len() >= BUFFER {
                        self.write();
                    }
                }
                queue.give_back(batch);
            }
        }
        self.write();
        let lost = self.shared.lost();
        if !self.failing && lost > self.told {
            self.formatter.lost(lost - self.told, SystemTime::now(), &mut self.buf);
            self.write();
            if !self.failing {
                self.told = lost;
            }
        }
        found
    }

    /// Writes the buffer. What cannot be written is lost, except the rest of a line that was begun.
    /// So the file has whole lines again once writing works.
    fn write(&mut self) {
        if self.buf.is_empty() {
            return;
        }
        let (done, result) = self.write_buf();
        let counters = &self.shared.counters;
        match result {
            Ok(()) => {
                counters.written.add(self.records);
                self.failing = false;
                self.buf.clear();
            }
            Err(error) => {
                counters.errors.add(1);
                let ended = self.buf[..done].iter().filter(|byte| **byte == b'\n').count() as u64;
                let begun = done > 0 && self.buf[done - 1] != b'\n';
                let rest = &self.buf[done..];
                let kept = if begun { rest.iter().position(|byte| *byte == b'\n') } else { None };
                let kept = kept.map_or(0, |end| end + 1);
                self.buf.drain(..done);
                self.buf.truncate(kept);
                // A line that was begun counts as written: its rest will follow.
                let written = (ended + u64::from(begun)).min(self.records);
                counters.written.add(written);
                counters.unwritten.add(self.records - written);
                if !self.failing {
                    self.failing = true;
                    report(&self.target, &error);
                }
            }
        }
        self.records = 0;
    }

    /// How much was written, and whether that was everything.
    fn write_buf(&mut self) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < self.buf.len() {
            match self.file.write(&self.buf[done..]) {
                Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A full pipe that another process has made non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.shared.is_stopping() {
                        return (done, Err(error));
                    }
                    std::thread::park_timeout(RETRY);
                }
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }
}

/// Says once that writing fails. No caller is there to return it to.
fn report(target: &LogTarget, error: &io::Error) {
    let line = match target {
        LogTarget::Stdout => format!("cannot write the access log to standard output: {error}"),
        LogTarget::File(path) => {
            format!("cannot write the access log '{}': {error}", path.display())
        }
    };
    let _ = writeln!(io::stderr(), "reactor-rs: {line}; records are lost until it works again");
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
