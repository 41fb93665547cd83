//! Listening on unix sockets, with a file or with an abstract name.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, UnixAddr, bind, listen};
use nix::sys::stat::{Mode, fchmod};

use super::socket_file::{lock_folder, remove_stale, set_mode};
use super::{BindError, Listener, backlog_of, file_at, stream_socket};
use crate::address::{ABSTRACT_BYTES, Address, abstract_name, unix_addr};

/// Permissions of a unix socket's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// Exactly these, whatever the umask.
    Exactly(u32),
    /// These in addition to what the umask leaves.
    AtLeast(u32),
}

impl Listener {
    /// Listens on a unix socket. The file of a server that no longer runs is replaced; a
    /// server that still answers makes this fail with `AddrInUse`. Without `mode` the file
    /// has the permissions that the umask leaves. It has its permissions before a client can
    /// connect, and never more than these.
    ///
    /// Servers that start on one path at the same time wait for each other, also in
    /// different processes. So none takes another's socket for a dead one.
    ///
    /// An abstract name has two listeners. Node before 22 connects to the name padded with
    /// zeros, which the kernel takes for another name (libuv 1.46, mended in 1.48).
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
            Ok(Self::new(fd, Address::Unix(path.to_owned()), None))
        };
        names.into_iter().map(|name| listen_at(name).map_err(failed)).collect()
    }

    fn unix_file(path: &Path, backlog: u32, mode: Option<SocketMode>) -> Result<Self, BindError> {
        let failed = |errno: Errno| BindError::Unix { path: path.to_owned(), source: errno.into() };
        let addr = unix_addr(path).map_err(failed)?;
        let fd = stream_socket(AddressFamily::Unix).map_err(failed)?;
        if let Some(SocketMode::Exactly(mode)) = mode {
            // Linux makes the file with the socket's own permissions, less the umask. So the
            // file never has too many; `set_mode` below adds those that are missing.
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
        let file = file_at(path);
        let listener = Self::new(fd, Address::Unix(path.to_owned()), file);
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

    /// Whether a server listens on the unix socket at `path`, or is about to. The file of a
    /// server that no longer runs is removed. False where there is no file.
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
}
