use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{SockaddrStorage, UnixAddr};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; the port is the real one when port 0 was asked for.
    Tcp(SocketAddr),
    /// A unix socket's path. One that begins with a zero byte is a name in Linux's abstract
    /// namespace, which has no file (unix(7)).
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => match abstract_name(path) {
                // ss(8) and socat write it like this.
                Some(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
                None => write!(f, "{}", path.display()),
            },
        }
    }
}

/// The longest abstract name (unix(7), sun_path), less its zero byte.
pub(crate) const ABSTRACT_BYTES: usize = 107;

/// What follows the zero byte of an abstract name; None for a path.
pub(crate) fn abstract_name(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_bytes().strip_prefix(b"\0")
}

/// The address of a path or of an abstract name.
pub(crate) fn unix_addr(path: &Path) -> Result<UnixAddr, Errno> {
    match abstract_name(path) {
        Some(name) => UnixAddr::new_abstract(name),
        None => UnixAddr::new(path),
    }
}

/// The TCP address in `storage`, if it holds one.
pub(crate) fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}
