//! A connected, non-blocking stream socket.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, setsockopt, shutdown, sockopt};
use nix::sys::uio::writev;

/// A connected TCP or unix stream socket in non-blocking mode. Dropping it
/// closes it.
#[derive(Debug)]
pub struct Stream {
    fd: OwnedFd,
}

impl Stream {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Reads what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there yet; those of recv(2).
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.fd.as_raw_fd(), buf, MsgFlags::empty())?)
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now; those of send(2). A closed
    /// peer is an error and never a SIGPIPE.
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Ok(send(self.fd.as_raw_fd(), buf, MsgFlags::MSG_NOSIGNAL)?)
    }

    /// Writes several slices in one call (writev(2)).
    ///
    /// # Errors
    /// As [`write`](Self::write). The calling thread must have SIGPIPE
    /// ignored or blocked (see [`block_signals`](crate::block_signals)).
    pub fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(writev(&self.fd, bufs)?)
    }

    /// Bytes that were written and that the peer has not yet taken: unsent
    /// and unacknowledged ones (tcp(7) and unix(7), SIOCOUTQ).
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn unsent(&self) -> io::Result<usize> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: SIOCOUTQ (TIOCOUTQ is the same number) writes one int
        // through the pointer, which is valid until after the call.
        let done = unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        Errno::result(done)?;
        Ok(usize::try_from(bytes).unwrap_or(0))
    }

    /// Sends the end of the stream and keeps reading (shutdown(2), SHUT_WR).
    ///
    /// # Errors
    /// `NotConnected` when the peer is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(shutdown(self.fd.as_raw_fd(), Shutdown::Write)?)
    }

    /// Makes the close that follows a reset in place of an orderly end, and
    /// drops what has not been sent (socket(7), SO_LINGER with no time). A unix
    /// socket knows no resets: its peer sees an orderly end all the same.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn reset_on_close(&self) -> io::Result<()> {
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        Ok(setsockopt(&self.fd, sockopt::Linger, &at_once)?)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
