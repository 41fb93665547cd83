//! A connected, non-blocking stream socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, connect, getpeername,
    getsockname, getsockopt, recv, send, sendmsg, setsockopt, shutdown, socket, socketpair,
    sockopt,
};

use crate::Address;
use crate::address::{socket_addr, unix_addr};
use crate::listener::limit_unsent;

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

    /// Starts to connect to `address`, with TCP_NODELAY, and returns at once. The flag says
    /// whether it is connected already, as happens over the loopback interface. Otherwise a
    /// poller reports the stream writable when connecting has ended;
    /// [`connect_error`](Self::connect_error) then says how.
    ///
    /// # Errors
    /// Those of socket(2) and connect(2). `WouldBlock` only for a unix socket
    /// whose accept queue is full: nothing was started (unix(7)).
    pub fn connect(address: &Address) -> io::Result<(Self, bool)> {
        let family = match address {
            Address::Unix(_) => AddressFamily::Unix,
            Address::Tcp(addr) if addr.is_ipv6() => AddressFamily::Inet6,
            Address::Tcp(_) => AddressFamily::Inet,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Stream, flags, None)?;
        let started = match address {
            Address::Unix(path) => connect(fd.as_raw_fd(), &unix_addr(path)?),
            Address::Tcp(addr) => {
                setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
                connect(fd.as_raw_fd(), &SockaddrStorage::from(*addr))
            }
        };
        match started {
            Ok(()) => Ok((Self { fd }, true)),
            Err(Errno::EINPROGRESS) => Ok((Self { fd }, false)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Two connected sockets: one to serve, and one in non-blocking mode for a client in this
    /// process.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let (fd, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        Ok((Self { fd }, other))
    }

    /// A connection that somebody else has accepted for this process: a copy of a descriptor of it,
    /// and the peer's address. The peer's address is none on a unix socket. The descriptor stays
    /// open.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EMFILE, and ENOTCONN where the peer has left.
    pub fn accepted(fd: i32) -> io::Result<(Self, Option<SocketAddr>)> {
        // SAFETY: fcntl does not touch memory; a number that is no descriptor is EBADF.
        let copy = Errno::result(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })?;
        // SAFETY: fcntl returned a new descriptor that nobody else owns.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        let peer: SockaddrStorage = getpeername(copy.as_raw_fd())?;
        let peer =
            socket_addr(&peer).map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()));
        if peer.is_some() {
            setsockopt(&copy, sockopt::TcpNoDelay, &true)?;
            limit_unsent(&copy);
        }
        let flags = OFlag::from_bits_truncate(fcntl(&copy, FcntlArg::F_GETFL)?);
        fcntl(&copy, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok((Self { fd: copy }, peer))
    }

    /// Its own TCP address, once it is connected; none for a unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        let own: SockaddrStorage = getsockname(self.fd.as_raw_fd()).ok()?;
        socket_addr(&own)
    }

    /// Why connecting failed, if it has (socket(7), SO_ERROR). Asking clears it.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn connect_error(&self) -> io::Result<Option<io::Error>> {
        let errno = getsockopt(&self.fd, sockopt::SocketError)?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }

    /// Reads what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there yet; those of recv(2).
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.fd.as_raw_fd(), buf, MsgFlags::empty())?)
    }

    /// Reads what is there, and leaves it there to be read again.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.fd.as_raw_fd(), buf, MsgFlags::MSG_PEEK)?)
    }

    /// Reads up to `most` bytes behind those that are in `buf`, and what is there after them to
    /// `more`; 0 is the end of the stream. Returns how many it has read to both. The memory must be
    /// there, and need not have been written before.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_to(&self, buf: &mut Vec<u8>, most: usize, more: &mut [u8]) -> io::Result<usize> {
        let room = buf.spare_capacity_mut();
        let most = most.min(room.len());
        // SAFETY: `room` is memory of `buf` for at least `most` bytes, which nothing else uses now.
        let n = unsafe { self.read_at(room.as_mut_ptr().cast(), most, more) }?;
        // SAFETY: the kernel has written to these bytes.
        unsafe { buf.set_len(buf.len() + n.min(most)) };
        Ok(n)
    }

    /// Reads to `buf`, and what is there after that to `more`. Returns how many bytes it has read to
    /// both; 0 is the end of the stream.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_both(&self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `buf` is memory of this length, and borrowed for the call.
        unsafe { self.read_at(buf.as_mut_ptr(), buf.len(), more) }
    }

    /// Safety: nothing else uses the `len` bytes at `at` during the call. The kernel only writes to
    /// them, at most as many as it returns.
    unsafe fn read_at(&self, at: *mut u8, len: usize, more: &mut [u8]) -> io::Result<usize> {
        let fd = self.fd.as_raw_fd();
        let first = libc::iovec { iov_base: at.cast(), iov_len: len };
        let n = if more.is_empty() {
            // SAFETY: of the caller.
            unsafe { libc::recv(fd, first.iov_base, first.iov_len, 0) }
        } else {
            let second = libc::iovec { iov_base: more.as_mut_ptr().cast(), iov_len: more.len() };
            // SAFETY: of the caller for `first`. `more` is borrowed for the call. The array holds two.
            unsafe { libc::readv(fd, [first, second].as_ptr(), 2) }
        };
        Ok(usize::try_from(Errno::result(n)?).unwrap_or_default())
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing now; those of send(2). A closed peer is an
    /// error and never a SIGPIPE.
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Ok(send(self.fd.as_raw_fd(), buf, MsgFlags::MSG_NOSIGNAL)?)
    }

    /// Writes several slices in one call.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        // writev(2) has no MSG_NOSIGNAL, and the calling thread may be Node's, where SIGPIPE
        // belongs to the program.
        let flags = MsgFlags::MSG_NOSIGNAL;
        Ok(sendmsg::<()>(self.fd.as_raw_fd(), bufs, &[], flags, None)?)
    }

    /// The same where more follows at once: the kernel may wait for that before it sends a packet
    /// that is not full (send(2), MSG_MORE).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_before_more(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::from_bits_retain(libc::MSG_MORE);
        Ok(sendmsg::<()>(self.fd.as_raw_fd(), bufs, &[], flags, None)?)
    }

    /// Written bytes that the peer has not taken: unsent and unacknowledged ones (tcp(7) and
    /// unix(7), SIOCOUTQ).
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn unsent(&self) -> io::Result<usize> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: SIOCOUTQ (TIOCOUTQ is the same number) writes one int through the pointer,
        // which is valid until after the call.
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

    /// Makes the close that follows a reset, which drops unsent bytes (socket(7), SO_LINGER
    /// with no time). A unix socket has no resets; its peer sees an orderly end.
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;
    use crate::send_file;

    static SIGNALS: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn count(_: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn what_is_behind_the_room_comes_in_the_other() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let stream = Stream::new(ours.into());
        let mut buf = Vec::with_capacity(6);
        buf.extend_from_slice(b"so ");
        let mut more = [0; 4];
        theirs.write_all(b"ab").expect("there is room");
        assert_eq!(stream.read_to(&mut buf, 3, &mut more).expect("it is there"), 2);
        assert_eq!((&buf[..], more), (&b"so ab"[..], [0; 4]));
        theirs.write_all(b"cdefghij").expect("there is room");
        assert_eq!(stream.read_to(&mut buf, 1, &mut more).expect("it is there"), 5);
        assert_eq!((&buf[..], more), (&b"so abc"[..], *b"defg"));
        assert_eq!(stream.read_both(&mut more, &mut []).expect("it is there"), 3);
        assert_eq!(&more, b"hijg");
        drop(theirs);
        assert_eq!(stream.read_both(&mut [0], &mut more).expect("the end"), 0);
    }

    #[test]
    fn writing_to_a_closed_peer_raises_no_signal() {
        let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing but count.
        unsafe { sigaction(Signal::SIGPIPE, &action) }.expect("a handler");
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let stream = Stream::new(ours.into());
        let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
        assert_eq!(stream.write_vectored(&slices).expect("there is room"), 6);
        drop(theirs);
        let program = File::open("/proc/self/exe").expect("it runs");
        let sent = send_file(stream.as_fd(), program.as_fd(), 0, 1);
        for wrote in [stream.write(b"one"), stream.write_vectored(&slices), sent] {
            assert_eq!(wrote.map_err(|e| e.kind()), Err(io::ErrorKind::BrokenPipe));
        }
        assert_eq!(SIGNALS.load(Ordering::Relaxed), 0);
    }
}
