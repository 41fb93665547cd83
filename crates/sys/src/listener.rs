//! Listening sockets: TCP over IPv4, IPv6 or both, and unix sockets.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind,
    connect, getsockname, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

use crate::Stream;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; the port is the real one when port 0 was asked for.
    Tcp(SocketAddr),
    /// A unix socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

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
    /// An inherited descriptor is no socket that can listen.
    Inherited {
        /// The descriptor as given.
        fd: i32,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is no socket stands at the path; it is left alone.
    NotASocket {
        /// The path that was tried.
        path: PathBuf,
    },
}

/// Unsent bytes of a connection that the kernel takes.
static UNSENT: libc::c_int = 64 * 1024;

/// A listening, non-blocking socket. Dropping it closes it; a unix socket's
/// file is removed by [`unlink`](Self::unlink).
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    /// Device and inode of the unix socket's file, so that only our own file
    /// is ever removed.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Listens on every address that `host` stands for. `::` takes IPv4 too
    /// (dual stack), and falls back to `0.0.0.0` where there is no IPv6.
    ///
    /// `backlog` is the length of the accept queue, capped by the system's
    /// `net.core.somaxconn`. With `reuse_port`, further listeners of this
    /// process may share the port (socket(7), SO_REUSEPORT).
    ///
    /// # Errors
    /// [`BindError`] with the address and the cause.
    pub fn tcp(
        host: &str,
        port: u16,
        backlog: u32,
        reuse_port: bool,
    ) -> Result<Vec<Self>, BindError> {
        let addresses = resolve(host, port)?;
        let mut listeners: Vec<Self> = Vec::with_capacity(addresses.len());
        for mut addr in addresses {
            // Port 0: the system chooses once, all addresses share the choice.
            if let Some(Address::Tcp(first)) = listeners.first().map(Self::address) {
                addr.set_port(first.port());
            }
            let fall_back = addr.ip() == IpAddr::from([0u16; 8]);
            match bind_tcp(addr, backlog, reuse_port) {
                Ok(listener) => listeners.push(listener),
                Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if fall_back => {
                    let any = SocketAddr::from(([0, 0, 0, 0], addr.port()));
                    let listener = bind_tcp(any, backlog, reuse_port)
                        .map_err(|errno| BindError::Tcp { addr: any, source: errno.into() })?;
                    listeners.push(listener);
                }
                // `localhost` may resolve to ::1 on a machine without IPv6.
                Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if !listeners.is_empty() => {}
                Err(errno) => return Err(BindError::Tcp { addr, source: errno.into() }),
            }
        }
        Ok(listeners)
    }

    /// Listens on a unix socket. The file of a server that no longer runs is
    /// replaced; one that still answers is `AddrInUse`. The file has the
    /// permissions `mode`, by default all, less what the umask takes away.
    ///
    /// # Errors
    /// [`BindError`] with the path and the cause.
    pub fn unix(path: &Path, backlog: u32, mode: Option<u32>) -> Result<Self, BindError> {
        let failed = |errno: Errno| BindError::Unix { path: path.to_owned(), source: errno.into() };
        let addr = UnixAddr::new(path).map_err(failed)?;
        let fd = stream_socket(AddressFamily::Unix).map_err(failed)?;
        if let Some(mode) = mode {
            // Linux makes the file with the socket's own permissions, so that there
            // is no moment at which others could connect.
            fchmod(&fd, Mode::from_bits_truncate(mode)).map_err(failed)?;
        }
        match bind(fd.as_raw_fd(), &addr) {
            Err(Errno::EADDRINUSE) => {
                remove_stale(path, &addr)?;
                bind(fd.as_raw_fd(), &addr).map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        listen(&fd, backlog_of(backlog)).map_err(failed)?;
        let file = fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()));
        Ok(Self { fd, address: Address::Unix(path.to_owned()), file })
    }

    /// Listens on a copy of a descriptor that the process has, such as one that a
    /// supervisor left open. The socket must be bound; it need not listen yet. The
    /// descriptor itself stays open.
    ///
    /// # Errors
    /// [`BindError::Inherited`], with EBADF or ENOTSOCK above all.
    pub fn inherited(fd: i32, backlog: u32) -> Result<Self, BindError> {
        let failed = |errno: Errno| BindError::Inherited { fd, source: errno.into() };
        // SAFETY: fcntl does not touch memory; a number that is no descriptor is EBADF.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        let copy: RawFd = Errno::result(copy).map_err(failed)?;
        // SAFETY: fcntl returned a new descriptor that nobody else owns.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        let bound: SockaddrStorage = getsockname(copy.as_raw_fd()).map_err(failed)?;
        let address = if let Some(addr) = socket_addr(&bound) {
            // As for our own listeners; connections inherit it.
            setsockopt(&copy, sockopt::TcpNoDelay, &true).map_err(failed)?;
            limit_unsent(&copy);
            Address::Tcp(addr)
        } else {
            let path = bound.as_unix_addr().and_then(UnixAddr::path);
            Address::Unix(path.map(Path::to_owned).unwrap_or_default())
        };
        let flags = OFlag::from_bits_truncate(fcntl(&copy, FcntlArg::F_GETFL).map_err(failed)?);
        fcntl(&copy, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map_err(failed)?;
        listen(&copy, backlog_of(backlog)).map_err(failed)?;
        Ok(Self { fd: copy, address, file: None })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next waiting connection and its peer's address (none for unix
    /// sockets). Linux hands TCP_NODELAY down from the listener.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; those of accept4(2), EMFILE above all.
    pub fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        let mut storage = std::mem::MaybeUninit::<libc::sockaddr_storage>::zeroed();
        let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>())
            .unwrap_or(libc::socklen_t::MAX);
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the pointer and the length describe `storage`, which lives
        // until after the call; the kernel writes at most `len` bytes.
        let fd = unsafe {
            libc::accept4(self.fd.as_raw_fd(), storage.as_mut_ptr().cast(), &raw mut len, flags)
        };
        let fd: RawFd = Errno::result(fd)?;
        // SAFETY: accept4 returned a new descriptor that nobody else owns.
        let stream = Stream::new(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: `storage` was zeroed, so all of it is initialised, and the
        // kernel filled `len` bytes of it with an address of the family it
        // names; from_raw checks family and length.
        let peer = unsafe { SockaddrStorage::from_raw(storage.as_ptr().cast(), Some(len)) };
        // A dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d.
        let peer = peer
            .as_ref()
            .and_then(socket_addr)
            .map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()));
        Ok((stream, peer))
    }

    /// A second handle on the same socket, for another thread.
    ///
    /// # Errors
    /// EMFILE.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, address: self.address.clone(), file: self.file })
    }

    /// Removes a unix socket's file if it is still the one this listener
    /// made. Does nothing for TCP. To be called before it is closed: after that
    /// the file of another may have the same inode.
    pub fn unlink(&self) {
        if let (Address::Unix(path), Some(ours)) = (&self.address, self.file)
            && fs::symlink_metadata(path).is_ok_and(|m| (m.dev(), m.ino()) == ours)
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

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    // `[::1]` is how URLs write it.
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let not_found = |source| BindError::HostNotFound { host: host.to_owned(), source };
    let mut found: Vec<SocketAddr> = Vec::new();
    for addr in (bare, port).to_socket_addrs().map_err(not_found)? {
        if !found.contains(&addr) {
            found.push(addr);
        }
    }
    // IPv4 first: with port 0 it is the family whose port is chosen.
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(not_found(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(found)
}

fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, SockType::Stream, flags, None)
}

/// The kernel takes no more of a connection than this beside what is on its way to the
/// peer; connections inherit it. Its send buffers may else be some MiB each, and a few
/// thousand slow readers would fill the memory that the system has for TCP. From then
/// on it drops segments of every connection, which come again after 0.2 s at the least.
fn limit_unsent(fd: &OwnedFd) {
    // SAFETY: the kernel reads an integer of the length that it is told.
    let _ = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const UNSENT).cast(),
            libc::socklen_t::try_from(size_of_val(&UNSENT)).unwrap_or(0),
        )
    };
    // A kernel that does not know it (before 3.12) goes on as it does.
}

fn bind_tcp(addr: SocketAddr, backlog: u32, reuse_port: bool) -> Result<Listener, Errno> {
    let family = if addr.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let fd = stream_socket(family)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    limit_unsent(&fd);
    if reuse_port {
        setsockopt(&fd, sockopt::ReusePort, &true)?;
    }
    if addr.is_ipv6() {
        // Only the wildcard takes IPv4 as well, whatever the system's default.
        setsockopt(&fd, sockopt::Ipv6V6Only, &!addr.ip().is_unspecified())?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(addr))?;
    listen(&fd, backlog_of(backlog))?;
    let bound: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    let address = Address::Tcp(socket_addr(&bound).unwrap_or(addr));
    Ok(Listener { fd, address, file: None })
}

fn backlog_of(backlog: u32) -> Backlog {
    i32::try_from(backlog).ok().and_then(|n| Backlog::new(n).ok()).unwrap_or(Backlog::MAXCONN)
}

fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}

/// Removes the file at `path` if it is a socket on which nobody listens.
fn remove_stale(path: &Path, addr: &UnixAddr) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Unix { path: path.to_owned(), source };
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if !meta.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    let probe = stream_socket(AddressFamily::Unix).map_err(|e| failed(e.into()))?;
    match connect(probe.as_raw_fd(), addr) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(failed),
        // Connected, or a full accept queue (EAGAIN): somebody lives there.
        _ => Err(failed(Errno::EADDRINUSE.into())),
    }
}
