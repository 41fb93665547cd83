//! Signals that somebody else handles, told to a thread as well.

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

/// The end of the pipe that the handler writes to; -1 before there is one.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// What handled SIGINT and SIGTERM before; 0 where nothing did.
static BEFORE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

const WATCHED: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// Hears of SIGINT and SIGTERM beside whoever handles them already, such as libuv for
/// Node, whose own listeners are only called once JavaScript returns.
///
/// There is one in a process. Where a handler is taken away, nothing is heard of its
/// signal any more: then its default action holds, or another handler.
#[derive(Debug)]
pub struct Signals {
    pipe: OwnedFd,
}

impl Signals {
    /// Hears from now on. None if there is one already.
    ///
    /// # Errors
    /// EMFILE.
    pub fn watch() -> io::Result<Option<Self>> {
        let (ours, handlers) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let fd = handlers.as_raw_fd();
        if PIPE.compare_exchange(-1, fd, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Ok(None);
        }
        // The handler may use it as long as the process lives.
        std::mem::forget(handlers);
        for (signal, before) in WATCHED.into_iter().zip(&BEFORE) {
            let action =
                SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::all());
            // SAFETY: `on_signal` only does what a signal handler may do.
            let old = unsafe { sigaction(signal, &action) }?;
            match old.handler() {
                // Both kinds have the signal's number as their first argument, and libuv
                // installs this one.
                SigHandler::Handler(handler) => before.store(handler as usize, Ordering::SeqCst),
                // Nobody handles it, or in a way that cannot be called from here.
                _ => {
                    // SAFETY: what was there before.
                    unsafe { sigaction(signal, &old) }?;
                }
            }
        }
        Ok(Some(Self { pipe: ours }))
    }

    /// The next signal's number; None if none comes in this time.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<i32> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let mut byte = [0];
            match read(self.pipe.as_fd(), &mut byte) {
                Ok(1) => return Some(i32::from(byte[0])),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // Cannot happen: the other end stays open.
                _ => return None,
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            // Rounded up, or the last millisecond would be a busy one.
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
    // SAFETY: write(2) may be called in a signal handler (signal-safety(7)); the byte lives
    // until it returns. A pipe that is full has enough signals in it.
    unsafe {
        libc::write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
    }
    Errno::set_raw(errno);
    let place = usize::from(number == libc::SIGTERM);
    let before = BEFORE[place].load(Ordering::SeqCst);
    if before != 0 {
        // SAFETY: it was installed as a handler of this kind, in an image that is never
        // unloaded: Node itself, or this one.
        let before: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(before) };
        before(number);
    }
}

/// Ends the process at once, without anything that runs at its end.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: may be called at any time (_exit(2)).
    unsafe { libc::_exit(code) }
}
