//! SIGPIPE, for the calls that cannot leave it out. Node ignores the signal, but a program in it
//! may have a listener of its own, and must not hear of our sockets.

use std::cell::Cell;
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

thread_local! {
    /// Whether this thread has blocked every signal, which then need not be done for a call.
    static BLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// Blocks every signal in the calling thread. Signals then reach the program's own threads
/// (Node's main thread) and interrupt none of the engine's.
pub fn block_signals() {
    // Fails only for an invalid `how`.
    let done = SigSet::all().thread_block();
    BLOCKED.set(done.is_ok());
}

/// Makes a call that raises SIGPIPE when its socket's peer has closed. The signal is not
/// delivered. Costs two system calls, and none in a thread of [`block_signals`].
pub(crate) fn without_sigpipe<T>(call: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    if BLOCKED.get() {
        return call();
    }
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let Ok(before) = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK) else { return call() };
    if before.contains(Signal::SIGPIPE) {
        return call();
    }
    let result = call();
    if matches!(result, Err(Errno::EPIPE)) {
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // Takes the signal that is pending for this thread.
        // SAFETY: set and time live until the call returns; it may be told to write no siginfo.
        unsafe { libc::sigtimedwait(sigpipe.as_ref(), ptr::null_mut(), &raw const at_once) };
    }
    // Fails only for an invalid `how`.
    let _ = before.thread_set_mask();
    result
}
