//! What the operator is told on standard error.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{SystemTime, UNIX_EPOCH};

use reactor_sys::block_signals;

/// When the last line was written, in Unix seconds: a client must not be able to fill a disk.
static LAST: AtomicU64 = AtomicU64::new(0);

/// An answer was broken off, because the rest of its file cannot be read.
#[cold]
pub(crate) fn file_broke_off(file: &Arc<File>, error: &io::Error) {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has become shorter".to_owned(),
        _ => error.to_string(),
    };
    let file = Arc::clone(file);
    tell(move || {
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = std::fs::read_link(link).unwrap_or_default();
        format!("a file was not sent whole: {why}: {}", name.display())
    });
}

/// A file could not be opened or read, and the request was answered with 500.
#[cold]
pub(crate) fn file_failed(name: &[u8], error: &io::Error) {
    let line = format!("cannot serve {}: {error}", String::from_utf8_lossy(name).escape_debug());
    tell(move || line);
}

/// Writes a line, at most one a second. A thread of its own writes, since standard error may be a
/// pipe that nobody reads.
fn tell(line: impl FnOnce() -> String + Send + 'static) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if LAST.swap(now, Ordering::Relaxed) == now {
        return;
    }
    // Without a thread to spare, only the access log tells of it.
    let _ = Builder::new().name("rx-notice".to_owned()).spawn(move || {
        block_signals();
        let _ = io::stderr().write_all(format!("reactor-rs: {}\n", line()).as_bytes());
    });
}
