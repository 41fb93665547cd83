//! Calls about the whole process or the calling thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};

/// Raises the soft limit of open files to the hard one and returns it
/// (getrlimit(2), RLIMIT_NOFILE).
///
/// # Errors
/// Those of getrlimit(2). A limit that cannot be raised is no error; the limit in force is
/// returned then.
pub fn raise_open_files_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}

/// Takes note of a child that has ended (waitpid(2)). No-op for one that goes on, and for what is no
/// child.
pub fn reap(pid: i32) {
    // Others are groups of processes.
    if pid > 0 {
        // SAFETY: without a place for the status, waitpid touches no memory.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

/// Gives other runnable threads of this core their turn (sched_yield(2)).
pub fn yield_now() {
    std::thread::yield_now();
}

/// Opens a log for appending. A log that does not exist is made, readable for its owner and
/// group.
///
/// # Errors
/// Those of open(2). A FIFO without a reader is ENXIO, because a reader may never come.
pub fn open_log(path: &Path, links: Links) -> io::Result<File> {
    let links = match links {
        Links::Follow => 0,
        Links::Refuse => libc::O_NOFOLLOW,
    };
    // O_NONBLOCK matters to a FIFO or a device only: a full one fails with EAGAIN instead of
    // blocking the thread.
    File::options()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | links)
        .open(path)
}

/// What [`open_log`] does where the last part of its path is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Opens the file that the link leads to.
    Follow,
    /// Fails with ELOOP (`O_NOFOLLOW`, open(2)).
    Refuse,
}

/// The user whose rights the process has (geteuid(2)).
#[must_use]
pub fn user_id() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The calling thread's number (gettid(2)), as `/proc/self/task` names it.
#[must_use]
pub fn thread_id() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// CPU time that a thread of this process has used so far, by its [`thread_id`]
/// (clock_gettime(2)). None where there is no such thread.
#[must_use]
pub fn cpu_time_of(thread: i32) -> Option<Duration> {
    // As pthread_getcpuclockid(3) makes it: of one thread (4), by the scheduler (2).
    let clock = ClockId::from_raw((!thread << 3) | 6);
    clock_gettime(clock).ok().map(Duration::from)
}

/// CPU time that the calling thread has used so far (clock_gettime(2),
/// CLOCK_THREAD_CPUTIME_ID); zero where the kernel does not say.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_is_the_same_by_its_number() {
        let before = thread_cpu_time();
        let by_number = cpu_time_of(thread_id()).expect("this thread runs");
        assert!(before <= by_number && by_number <= thread_cpu_time());
        // More than the kernel gives out (PID_MAX_LIMIT).
        assert!(cpu_time_of(1 << 23).is_none());
    }
}
