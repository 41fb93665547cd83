//! Listening sockets: TCP over IPv4, IPv6 or both, and unix sockets.

mod socket_file;
mod tcp;
mod unix;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, getpeername,
    getsockname, getsockopt, listen, setsockopt, socket, sockopt,
};

pub use unix::SocketMode;

use crate::Stream;
use crate::address::{Address, socket_addr};
pub(crate) use tcp::limit_unsent;

/// Why a listening socket could not be made.
#[derive(Debug)]
pub enum BindError {
    /// The host name has no address.
    HostNotFound {
        /// The name as given.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A call failed for this TCP address.
    Tcp {
        /// The address that was tried.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A call failed for this unix socket path.
    Unix {
        /// The path that was tried.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The inherited descriptor is no socket that can listen.
    Inherited {
        /// The descriptor as given.
        fd: i32,
        /// The system's reason.
        source: io::Error,
    },
    /// The path leads to a file that is no socket. The file stays as it is.
    NotASocket {
        /// The path that was tried.
        path: PathBuf,
    },
}

/// A listening, non-blocking socket. Dropping it closes it. The file of a unix socket stays
/// until [`unlink`](Self::unlink).
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    /// Device and inode of the unix socket's file, so that `unlink` removes no other.
    file: Option<(u64, u64)>,
    /// The file belongs to another process from now on.
    left: AtomicBool,
}

impl Listener {
    fn new(fd: OwnedFd, address: Address, file: Option<(u64, u64)>) -> Self {
        Self { fd, address, file, left: AtomicBool::new(false) }
    }

    /// Listens on a copy of a descriptor of this process, such as one that a supervisor left
    /// open. The socket must be bound; it need not listen yet. The descriptor stays open in this
    /// process, and is closed in the programs that it starts: they must not keep the port.
    ///
    /// With `adopt`, the file of a unix socket is this listener's from now on: [`unlink`] removes
    /// it. Otherwise it stays its maker's.
    ///
    /// [`unlink`]: Self::unlink
    ///
    /// # Errors
    /// [`BindError::Inherited`], with EBADF or ENOTSOCK above all. ESOCKTNOSUPPORT says that it is
    /// no stream socket, EISCONN that it is connected, EAFNOSUPPORT that it is neither TCP nor unix,
    /// EDESTADDRREQ that it is bound to no address: the kernel would choose one that nobody knows.
    pub fn inherited(fd: i32, backlog: u32, adopt: bool) -> Result<Self, BindError> {
        let failed = |errno: Errno| BindError::Inherited { fd, source: errno.into() };
        // SAFETY: fcntl does not touch memory; a number that is no descriptor is EBADF.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        let copy: RawFd = Errno::result(copy).map_err(failed)?;
        // SAFETY: fcntl returned a new descriptor that nobody else owns.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        // SAFETY: as above.
        let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        let bound: SockaddrStorage = getsockname(copy.as_raw_fd()).map_err(failed)?;
        if getsockopt(&copy, sockopt::SockType).map_err(failed)? != SockType::Stream {
            return Err(failed(Errno::ESOCKTNOSUPPORT));
        }
        if getpeername::<SockaddrStorage>(copy.as_raw_fd()).is_ok() {
            return Err(failed(Errno::EISCONN));
        }
        let mut file = None;
        let address = if let Some(addr) = socket_addr(&bound) {
            if addr.port() == 0 {
                return Err(failed(Errno::EDESTADDRREQ));
            }
            // Connections inherit both, as from our own listeners.
            setsockopt(&copy, sockopt::TcpNoDelay, &true).map_err(failed)?;
            limit_unsent(&copy);
            Address::Tcp(addr)
        } else {
            let unix = bound.as_unix_addr().ok_or_else(|| failed(Errno::EAFNOSUPPORT))?;
            let path = unix.path().map(Path::to_owned);
            if let Some(path) = path.as_ref().filter(|_| adopt) {
                file = file_at(path);
            }
            let name = unix.as_abstract();
            let name = name.map(|name| OsStr::from_bytes(&[b"\0", name].concat()).into());
            Address::Unix(path.or(name).unwrap_or_default())
        };
        let flags = OFlag::from_bits_truncate(fcntl(&copy, FcntlArg::F_GETFL).map_err(failed)?);
        fcntl(&copy, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map_err(failed)?;
        listen(&copy, backlog_of(backlog)).map_err(failed)?;
        Ok(Self::new(copy, address, file))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the next waiting connection. Its peer's address is none on a unix socket. The
    /// connection inherits the listener's TCP_NODELAY (Linux).
    ///
    /// # Errors
    /// `WouldBlock` when none waits; those of accept4(2), EMFILE above all.
    pub fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        let mut storage = std::mem::MaybeUninit::<libc::sockaddr_storage>::zeroed();
        let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>())
            .unwrap_or(libc::socklen_t::MAX);
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the pointer and the length describe `storage`, which outlives the call. The
        // kernel writes at most `len` bytes.
        let fd = unsafe {
            libc::accept4(self.fd.as_raw_fd(), storage.as_mut_ptr().cast(), &raw mut len, flags)
        };
        let fd: RawFd = Errno::result(fd)?;
        // SAFETY: accept4 returned a new descriptor that nobody else owns.
        let stream = Stream::new(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: `storage` was zeroed, so all of it is initialised. The kernel filled `len`
        // bytes of it with an address. `from_raw` checks its family and length.
        let peer = unsafe { SockaddrStorage::from_raw(storage.as_ptr().cast(), Some(len)) };
        // A dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d.
        let peer = peer
            .as_ref()
            .and_then(socket_addr)
            .map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()));
        Ok((stream, peer))
    }

    /// Leaves the unix socket's file to another process, which has a descriptor of the same
    /// socket: [`unlink`](Self::unlink) is a no-op from now on.
    pub fn leave_file(&self) {
        self.left.store(true, Ordering::Release);
    }

    /// Removes the unix socket's file if this listener made it; no-op for TCP. Call it
    /// before the listener is closed: afterwards another file may get the same inode.
    pub fn unlink(&self) {
        if let (Address::Unix(path), Some(ours)) = (&self.address, self.file)
            && !self.left.load(Ordering::Acquire)
            && file_at(path) == Some(ours)
        {
            let _ = fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Device and inode of the file.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, SockType::Stream, flags, None)
}

fn backlog_of(backlog: u32) -> Backlog {
    i32::try_from(backlog).ok().and_then(|n| Backlog::new(n).ok()).unwrap_or(Backlog::MAXCONN)
}

#[cfg(test)]
mod tests;
