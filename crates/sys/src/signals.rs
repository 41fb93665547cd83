//! SIGINT and SIGTERM for a thread of ours, beside the handlers that the process has.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{pipe2, read};

/// The end of the pipe that the signal handler writes to; -1 before there is one.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The earlier handlers of SIGINT and SIGTERM; 0 where there was none.
static BEFORE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

const WATCHED: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// Receives SIGINT and SIGTERM in addition to the handlers that are installed already. Node
/// has libuv's handlers, and calls its listeners only when JavaScript returns.
///
/// A process has one `Signals`. If our handler of a signal is replaced later, that signal is
/// received no more: its default action or the new handler applies.
#[derive(Debug)]
pub struct Signals {
    pipe: OwnedFd,
}

impl Signals {
    /// Starts receiving. None if the process has a `Signals` already.
    ///
    /// # Errors
    /// EMFILE.
    pub fn watch() -> io::Result<Option<Self>> {
        let (ours, handlers) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let fd = handlers.as_raw_fd();
        if PIPE.compare_exchange(-1, fd, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Ok(None);
        }
        // The signal handler may use it as long as the process lives.
        std::mem::forget(handlers);
        for (signal, before) in WATCHED.into_iter().zip(&BEFORE) {
            let action =
                SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::all());
            // SAFETY: `on_signal` only does what a signal handler may do.
            let old = unsafe { sigaction(signal, &action) }?;
            match old.handler() {
                // libuv installs this kind. Its argument is the signal's number.
                SigHandler::Handler(handler) => before.store(handler as usize, Ordering::SeqCst),
                // There was no handler, or one of a kind that `on_signal` cannot call.
                _ => {
                    // SAFETY: restores the action that was there before.
                    unsafe { sigaction(signal, &old) }?;
                }
            }
        }
        Ok(Some(Self { pipe: ours }))
    }

    /// Waits for the next signal and returns its number; None if none comes in this time.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<i32> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let mut byte = [0];
            match read(self.pipe.as_fd(), &mut byte) {
                Ok(1) => return Some(i32::from(byte[0])),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // Cannot happen, because the other end stays open.
                _ => return None,
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            // Rounded up, or the loop would spin for the last millisecond.
            let left = left.map_or(PollTimeout::NONE, |left| {
                let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1);
                PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
            });
            let _ = poll(&mut [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)], left);
        }
    }
}

extern "C" fn on_signal(number: libc::c_int) {
    let errno = Errno::last_raw();
    let byte = u8::try_from(number).unwrap_or(0);
    // SAFETY: write(2) may be called in a signal handler (signal-safety(7)). The byte lives
    // until the call returns. If the pipe is full, the reader has enough signals to read.
    unsafe {
        libc::write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
    }
    Errno::set_raw(errno);
    let place = usize::from(number == libc::SIGTERM);
    let before = BEFORE[place].load(Ordering::SeqCst);
    if before != 0 {
        // SAFETY: it was installed as a handler of this kind. Its code is never unloaded: it
        // is Node's own or this library's.
        let before: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(before) };
        before(number);
    }
}

/// Ends the process at once, without exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: may be called at any time (_exit(2)).
    unsafe { libc::_exit(code) }
}
