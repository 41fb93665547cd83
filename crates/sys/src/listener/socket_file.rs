//! The file of a unix socket: whether a server still owns it, and its permissions.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::socket::{AddressFamily, UnixAddr, connect};
use nix::sys::stat::{Mode, fstat};

use super::{BindError, SocketMode, stream_socket};

/// Removes the file at `path` if it is a socket that no process owns. The caller holds the
/// folder's lock.
pub(super) fn remove_stale(path: &Path, addr: &UnixAddr) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Unix { path: path.to_owned(), source };
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if !meta.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    let probe = stream_socket(AddressFamily::Unix).map_err(|e| failed(e.into()))?;
    match connect(probe.as_raw_fd(), addr) {
        // A socket that is bound and does not listen yet refuses too. It may belong to a
        // server that takes no lock and is about to listen.
        Err(Errno::ECONNREFUSED) if !is_bound(path) => fs::remove_file(path).map_err(failed),
        // Connected, or the accept queue is full (EAGAIN): a server owns the file.
        _ => Err(failed(Errno::EADDRINUSE.into())),
    }
}

/// Whether a process of this network namespace has bound a socket to this path
/// (proc_net(5), `/proc/net/unix`).
fn is_bound(path: &Path) -> bool {
    let Ok(sockets) = fs::read("/proc/net/unix") else { return false };
    let given = path.as_os_str().as_bytes();
    let absolute = std::path::absolute(path).unwrap_or_default();
    // The path with the folder's symbolic links resolved.
    let real = path
        .parent()
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .and_then(|folder| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
        .unwrap_or_default();
    let names = [given, absolute.as_os_str().as_bytes(), real.as_os_str().as_bytes()];
    sockets.split(|&byte| byte == b'\n').any(|line| {
        // Number, references, protocol, flags, type, state, inode; then the path, which may
        // hold blanks.
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
        // Accepted connections have the path too, even when their listener is gone.
        state == b"01" && !name.is_empty() && names.contains(&name)
    })
}

/// How long to wait for another server that starts in the same folder. It holds the lock
/// for a few system calls.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Locks the folder of a socket against other servers of ours. A lock file would have to be
/// left behind. Returns none where the folder cannot be read, or where another process
/// keeps the lock; the caller then goes on without.
pub(super) fn lock_folder(path: &Path) -> Option<Flock<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let until = Instant::now() + LOCK_TIMEOUT;
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

/// Sets the permissions of the socket file that this listener has just made. Fails with
/// EADDRINUSE if another file has taken its place.
pub(super) fn set_mode(
    path: &Path,
    mode: SocketMode,
    ours: Option<(u64, u64)>,
) -> Result<(), Errno> {
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
        // There is no /proc.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        }
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}
