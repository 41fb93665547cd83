//! Listening sockets: TCP over IPv4, IPv6 or both, and unix sockets.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind,
    connect, getsockname, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod, fstat};

use crate::Stream;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; the port is the real one when port 0 was asked for.
    Tcp(SocketAddr),
    /// A unix socket's path; one that begins with a zero byte is a name in Linux's abstract
    /// namespace, without a file (unix(7)).
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => match abstract_name(path) {
                // As ss(8) and socat write it.
                Some(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
                None => write!(f, "{}", path.display()),
            },
        }
    }
}

/// The longest abstract name (unix(7), sun_path), less its zero byte.
const ABSTRACT_BYTES: usize = 107;

/// What follows the zero byte of an abstract name; None for a path.
fn abstract_name(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_bytes().strip_prefix(b"\0")
}

/// The address of a path or of an abstract name.
pub(crate) fn unix_addr(path: &Path) -> Result<UnixAddr, Errno> {
    match abstract_name(path) {
        Some(name) => UnixAddr::new_abstract(name),
        None => UnixAddr::new(path),
    }
}

/// Permissions of a unix socket's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// These, whatever the umask.
    Exactly(u32),
    /// What the umask leaves, and these.
    AtLeast(u32),
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
    /// process may share the port (socket(7), SO_REUSEPORT). With `ipv6_only`, `::` takes
    /// no IPv4 and does not fall back (ipv6(7), IPV6_V6ONLY).
    ///
    /// # Errors
    /// [`BindError`] with the address and the cause.
    pub fn tcp(
        host: &str,
        port: u16,
        backlog: u32,
        reuse_port: bool,
        ipv6_only: bool,
    ) -> Result<Vec<Self>, BindError> {
        let addresses = resolve(host, port)?;
        let mut listeners: Vec<Self> = Vec::with_capacity(addresses.len());
        for mut addr in addresses {
            // Port 0: the system chooses once, all addresses share the choice.
            if let Some(Address::Tcp(first)) = listeners.first().map(Self::address) {
                addr.set_port(first.port());
            }
            let fall_back = !ipv6_only && addr.ip() == IpAddr::from([0u16; 8]);
            match bind_tcp(addr, backlog, reuse_port, ipv6_only) {
                Ok(listener) => listeners.push(listener),
                Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if fall_back => {
                    let any = SocketAddr::from(([0, 0, 0, 0], addr.port()));
                    let listener = bind_tcp(any, backlog, reuse_port, false)
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
    /// replaced; one that still answers is `AddrInUse`. Without `mode` the file has all
    /// permissions, less what the umask takes away. It has its permissions before anybody
    /// can connect, and never more.
    ///
    /// Servers that start on one path at the same time, also in different processes, do so
    /// one after the other, so that none takes another's for a dead one's.
    ///
    /// An abstract name has two listeners: Node before 22 connects to the name filled up with
    /// zeros, which is another to the kernel (libuv 1.46, mended in 1.48).
    ///
    /// # Errors
    /// [`BindError`] with the path and the cause.
    pub fn unix(
        path: &Path,
        backlog: u32,
        mode: Option<SocketMode>,
    ) -> Result<Vec<Self>, BindError> {
        let Some(name) = abstract_name(path) else {
            return Ok(vec![Self::unix_file(path, backlog, mode)?]);
        };
        let failed = |errno: Errno| BindError::Unix { path: path.to_owned(), source: errno.into() };
        let mut filled = [0; ABSTRACT_BYTES];
        let names = match filled.get_mut(..name.len()) {
            Some(place) if name.len() < ABSTRACT_BYTES => {
                place.copy_from_slice(name);
                vec![name, &filled[..]]
            }
            _ => vec![name],
        };
        let listen_at = |name: &[u8]| {
            let fd = stream_socket(AddressFamily::Unix)?;
            bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
            listen(&fd, backlog_of(backlog))?;
            Ok(Self { fd, address: Address::Unix(path.to_owned()), file: None })
        };
        names.into_iter().map(|name| listen_at(name).map_err(failed)).collect()
    }

    fn unix_file(path: &Path, backlog: u32, mode: Option<SocketMode>) -> Result<Self, BindError> {
        let failed = |errno: Errno| BindError::Unix { path: path.to_owned(), source: errno.into() };
        let addr = unix_addr(path).map_err(failed)?;
        let fd = stream_socket(AddressFamily::Unix).map_err(failed)?;
        if let Some(SocketMode::Exactly(mode)) = mode {
            // Linux makes the file with the socket's own permissions, less the umask: what
            // is missing is added below, what is too much is never there.
            fchmod(&fd, Mode::from_bits_truncate(mode)).map_err(failed)?;
        }
        let lock = lock_folder(path);
        match bind(fd.as_raw_fd(), &addr) {
            Err(Errno::EADDRINUSE) => {
                remove_stale(path, &addr)?;
                bind(fd.as_raw_fd(), &addr).map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        let file = fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let listener = Self { fd, address: Address::Unix(path.to_owned()), file };
        let ready = mode
            .map_or(Ok(()), |mode| set_mode(path, mode, file))
            .and_then(|()| listen(&listener.fd, backlog_of(backlog)));
        if let Err(errno) = ready {
            listener.unlink();
            return Err(failed(errno));
        }
        drop(lock);
        Ok(listener)
    }

    /// Whether a server listens, or is about to, on the unix socket at `path`; the file of
    /// one that no longer runs is removed. False where there is nothing.
    ///
    /// # Errors
    /// As [`unix`](Self::unix), but for `AddrInUse`.
    pub fn is_alive(path: &Path) -> Result<bool, BindError> {
        let failed = |errno: Errno| BindError::Unix { path: path.to_owned(), source: errno.into() };
        let addr = unix_addr(path).map_err(failed)?;
        let _lock = lock_folder(path);
        match remove_stale(path, &addr) {
            Ok(()) => Ok(false),
            Err(BindError::Unix { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                Ok(true)
            }
            Err(BindError::Unix { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
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
            let unix = bound.as_unix_addr();
            let path = unix.and_then(UnixAddr::path).map(Path::to_owned);
            let name = unix.and_then(UnixAddr::as_abstract);
            let name = name.map(|name| OsStr::from_bytes(&[b"\0", name].concat()).into());
            Address::Unix(path.or(name).unwrap_or_default())
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

fn bind_tcp(
    addr: SocketAddr,
    backlog: u32,
    reuse_port: bool,
    ipv6_only: bool,
) -> Result<Listener, Errno> {
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
        setsockopt(&fd, sockopt::Ipv6V6Only, &(ipv6_only || !addr.ip().is_unspecified()))?;
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

/// Removes the file at `path` if it is a socket that belongs to nobody. The caller holds
/// the folder's lock.
fn remove_stale(path: &Path, addr: &UnixAddr) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Unix { path: path.to_owned(), source };
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if !meta.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    let probe = stream_socket(AddressFamily::Unix).map_err(|e| failed(e.into()))?;
    match connect(probe.as_raw_fd(), addr) {
        // So does one that is bound and does not listen yet: a server that takes no lock may
        // be about to.
        Err(Errno::ECONNREFUSED) if !is_bound(path) => fs::remove_file(path).map_err(failed),
        // Connected, or a full accept queue (EAGAIN): somebody lives there.
        _ => Err(failed(Errno::EADDRINUSE.into())),
    }
}

/// Whether some process of this network namespace has a socket of this path
/// (proc_net(5), `/proc/net/unix`).
fn is_bound(path: &Path) -> bool {
    let Ok(sockets) = fs::read("/proc/net/unix") else { return false };
    let given = path.as_os_str().as_bytes();
    let absolute = std::path::absolute(path).unwrap_or_default();
    // The path as it is without links, as far as the folder goes.
    let real = path
        .parent()
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .and_then(|folder| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
        .unwrap_or_default();
    let names = [given, absolute.as_os_str().as_bytes(), real.as_os_str().as_bytes()];
    sockets.split(|&byte| byte == b'\n').any(|line| {
        // Number, references, protocol, flags, type, state, inode; then the path, blanks and
        // all.
        let (mut rest, mut state) = (line, &line[..0]);
        for field in 0..7 {
            rest = rest.trim_ascii_start();
            let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
            if field == 5 {
                state = &rest[..end];
            }
            rest = &rest[end..];
        }
        let name = rest.strip_prefix(b" ").unwrap_or(rest);
        // Connections have the path too, of a listener that may be gone.
        state == b"01" && !name.is_empty() && names.contains(&name)
    })
}

/// How long another server that starts in the same folder is waited for. It has the lock
/// for a few system calls.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Locks the folder that a socket is in against other servers of ours: a lock file would
/// have to be left behind. Without permission to read the folder, or where somebody keeps
/// the lock, it goes without.
fn lock_folder(path: &Path) -> Option<Flock<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let until = Instant::now() + LOCK_PATIENCE;
    let mut file = File::open(folder.unwrap_or(Path::new("."))).ok()?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, Errno::EAGAIN | Errno::EINTR)) if Instant::now() < until => file = back,
            Err(_) => return None,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sets the permissions of the socket file that we have just made, and of no other that
/// somebody puts in its place.
fn set_mode(path: &Path, mode: SocketMode, ours: Option<(u64, u64)>) -> Result<(), Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if Some((stat.st_dev, stat.st_ino)) != ours {
        return Err(Errno::EADDRINUSE);
    }
    let now = stat.st_mode & 0o7777;
    let mode = match mode {
        SocketMode::Exactly(mode) => mode,
        SocketMode::AtLeast(mode) => now | mode,
    };
    if mode == now {
        return Ok(());
    }
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    match fs::set_permissions(&link, fs::Permissions::from_mode(mode)) {
        Ok(()) => Ok(()),
        // Where there is no /proc.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        }
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::Barrier;

    use super::*;

    /// A path of its own, in a folder that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rx-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("a socket")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// As a server that was killed leaves it.
    fn leave_dead(path: &Path) {
        let fd = stream_socket(AddressFamily::Unix).expect("a socket");
        bind(fd.as_raw_fd(), &UnixAddr::new(path).expect("a short path")).expect("no file");
    }

    #[test]
    fn of_many_that_start_on_a_dead_servers_path_one_listens() {
        const SERVERS: usize = 8;
        let folder = Folder::new("race");
        let path = folder.socket();
        for _ in 0..100 {
            leave_dead(&path);
            let start = Barrier::new(SERVERS);
            let listeners: Vec<Listener> = std::thread::scope(|scope| {
                let servers = (0..SERVERS).map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        Listener::unix(&path, 8, None)
                    })
                });
                let servers: Vec<_> = servers.collect();
                let joined = servers.into_iter().map(|server| server.join().expect("no panic"));
                joined.flatten().flatten().collect()
            });
            assert_eq!(listeners.len(), 1);
            UnixStream::connect(&path).expect("it is the one that can be reached");
            assert!(Listener::is_alive(&path).expect("a socket"));
            fs::remove_file(&path).expect("it is there");
        }
    }

    #[test]
    fn a_socket_between_bind_and_listen_is_not_dead() {
        let folder = Folder::new("bound");
        let path = folder.socket();
        let fd = stream_socket(AddressFamily::Unix).expect("a socket");
        bind(fd.as_raw_fd(), &UnixAddr::new(&path).expect("a short path")).expect("no file");
        let in_use = |result: Result<Vec<Listener>, BindError>| match result {
            Err(BindError::Unix { source, .. }) => source.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        };
        assert!(in_use(Listener::unix(&path, 8, None)));
        assert!(Listener::is_alive(&path).expect("a socket"));
        drop(fd);
        assert!(!Listener::is_alive(&path).expect("a socket"));
        assert!(!path.exists(), "it has been removed");
        assert!(!Listener::is_alive(&path).expect("nothing"));
    }

    #[test]
    fn a_connection_that_outlives_its_listener_does_not_keep_the_path() {
        let folder = Folder::new("connection");
        let path = folder.socket();
        let before = Listener::unix(&path, 8, None).expect("a free path").remove(0);
        let _client = UnixStream::connect(&path).expect("it listens");
        let _served = before.accept().expect("a client");
        drop(before);
        Listener::unix(&path, 8, None).expect("the file is dead");
    }

    #[test]
    fn a_socket_has_the_permissions_that_were_asked_for() {
        let folder = Folder::new("mode");
        let path = folder.socket();
        let mode = |mode| {
            let listener = Listener::unix(&path, 8, mode).expect("a free path").remove(0);
            let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
            listener.unlink();
            mode
        };
        let usual = mode(None);
        for exactly in [0o600, 0o660, 0o666, 0o777, 0o000, 0o422] {
            assert_eq!(mode(Some(SocketMode::Exactly(exactly))), exactly);
        }
        assert_eq!(mode(Some(SocketMode::AtLeast(0o222))), usual | 0o222);
        assert_eq!(mode(Some(SocketMode::AtLeast(0))), usual);
    }

    #[test]
    fn an_abstract_name_has_no_file_and_ends_with_its_socket() {
        let name = PathBuf::from(format!("\0reactor sys {}", std::process::id()));
        let listeners = Listener::unix(&name, 8, None).expect("a free name");
        assert!(listeners[0].address().to_string().starts_with("@reactor sys "));
        let (_client, connected) = Stream::connect(listeners[0].address()).expect("it listens");
        assert!(connected);
        listeners[0].accept().expect("a client");
        assert!(Listener::unix(&name, 8, None).is_err(), "it is taken");
        // As Node 20 connects.
        let mut filled = name.as_os_str().as_bytes().to_vec();
        filled.resize(ABSTRACT_BYTES + 1, 0);
        let filled = Address::Unix(OsStr::from_bytes(&filled).into());
        let (_client, connected) = Stream::connect(&filled).expect("it listens");
        assert!(connected);
        listeners[1].accept().expect("a client");
        drop(listeners);
        Listener::unix(&name, 8, None).expect("it is free");
        let longest = format!("\0{:x<1$}", std::process::id(), ABSTRACT_BYTES);
        let listeners = Listener::unix(Path::new(&longest), 8, None).expect("a free name");
        assert_eq!(listeners.len(), 1);
        assert!(Listener::unix(Path::new(&(longest + "x")), 8, None).is_err(), "too long");
    }

    #[test]
    fn with_ipv6_alone_the_port_is_free_on_ipv4() {
        let listens = |host, port, ipv6_only| Listener::tcp(host, port, 8, false, ipv6_only);
        let Ok(six) = listens("::", 0, true) else { return };
        let Address::Tcp(address) = six[0].address() else { unreachable!("it is TCP") };
        if address.is_ipv4() {
            // No IPv6 on this machine.
            return;
        }
        let port = address.port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        listens("0.0.0.0", port, false).expect("it is free");
        let both = listens("::", 0, false).expect("a free port");
        let Address::Tcp(address) = both[0].address() else { unreachable!("it is TCP") };
        std::net::TcpStream::connect(("127.0.0.1", address.port())).expect("IPv4 too");
    }
}
