//! A socket as links see it.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;

use reactor_sys::Stream as Socket;

/// A socket, or what stands for one in the simulation.
pub(crate) trait Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Reads what stays to be read.
    fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Reads up to `most` bytes behind those that are in `buf`, which has memory for them, and what
    /// is there after them to `more`.
    fn read_to(&mut self, buf: &mut Vec<u8>, most: usize, more: &mut [u8]) -> io::Result<usize> {
        read_behind(buf, most, |room| self.read_both(room, more), |n| *n)
    }
    /// Reads to `buf`, and what is there after that to `more`.
    fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize>;
    /// Reads what is thrown away.
    fn discard(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    /// The same where more follows at once.
    fn write_before_more(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(bufs)
    }
    /// Whether [`send_file`](Self::send_file) works.
    fn sends_files(&self) -> bool {
        false
    }
    /// Sends up to `len` bytes of a file from `at` on, which do not pass through this process. 0 is
    /// the end of the file.
    fn send_file(&mut self, _file: &File, _at: u64, _len: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// Makes the close that follows a reset, so that the peer does not take it for an orderly end.
    fn reset_on_close(&mut self) {}
    /// Bytes written that the peer has not yet taken, as far as is known.
    fn unsent(&self) -> usize {
        0
    }
    /// The link tells the simulation what became of bytes that it has read. It still holds
    /// `in_link` of them, and the connection threw `discarded` away.
    #[cfg(test)]
    fn given(&mut self, _in_link: usize, _discarded: usize) {}
    /// A link that cannot tell how much plaintext it holds tells the simulation that the connection
    /// got `n` bytes, and threw `discarded` of them away.
    #[cfg(test)]
    fn took(&mut self, _n: usize, _discarded: usize) {}
    /// What is written from now on only takes leave.
    #[cfg(test)]
    fn leaves(&mut self) {}
}

impl Transport for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Socket::read(self, buf)
    }
    fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Socket::peek(self, buf)
    }
    fn read_to(&mut self, buf: &mut Vec<u8>, most: usize, more: &mut [u8]) -> io::Result<usize> {
        Socket::read_to(self, buf, most, more)
    }
    fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize> {
        Socket::read_both(self, buf, more)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Socket::write(self, buf)
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Socket::write_vectored(self, bufs)
    }
    fn write_before_more(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Socket::write_before_more(self, bufs)
    }
    fn sends_files(&self) -> bool {
        true
    }
    fn send_file(&mut self, file: &File, at: u64, len: usize) -> io::Result<usize> {
        reactor_sys::send_file(self.as_fd(), file.as_fd(), at, len)
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Socket::shutdown_write(self)
    }
    fn reset_on_close(&mut self) {
        // If this fails, the close is an orderly one. The connection must be closed all the same.
        let _ = Socket::reset_on_close(self);
    }
    fn unsent(&self) -> usize {
        Socket::unsent(self).unwrap_or(0)
    }
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// Bytes. 0 is the end of the input.
    pub(crate) n: usize,
    /// The next read brings nothing before there is another event.
    pub(crate) drained: bool,
}

/// Reads up to `most` bytes behind those that are in `buf`. `count` tells how many came.
pub(crate) fn read_behind<R>(
    buf: &mut Vec<u8>,
    most: usize,
    read: impl FnOnce(&mut [u8]) -> io::Result<R>,
    count: impl Fn(&R) -> usize,
) -> io::Result<R> {
    let before = buf.len();
    buf.resize(before + most, 0);
    let result = read(&mut buf[before..]);
    buf.truncate(before + result.as_ref().map_or(0, count).min(most));
    result
}
