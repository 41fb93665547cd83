//! Opening files beneath a folder: never one outside it, whatever the path says and whoever
//! renames folders meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// Fail with `WouldBlock` where the kernel would have to wait for a disk. It does so too
    /// where it cannot tell (before Linux 5.12).
    pub cached: bool,
    /// Fail with ENOTDIR where it is no folder.
    pub directory: bool,
    /// For tests: do as on a kernel without openat2(2).
    pub walk: bool,
}

/// Opens `path` beneath `dir`, for reading. Neither `..` nor an absolute path nor a symbolic
/// link leads out of `dir`, nor does a folder that is renamed during the call. Links
/// that stay inside are followed. Mount points beneath `dir` are entered. A FIFO opens at once,
/// and no terminal becomes the process's own.
///
/// That is openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS. Where the kernel lacks it
/// (before Linux 5.6) or a sandbox forbids it, the folders on the way are opened one after
/// another, and every symbolic link is refused.
///
/// # Errors
/// - EXDEV, ELOOP: the path leads out of `dir`, or there are too many or forbidden links.
/// - `WouldBlock`: only with `cached`.
/// - EBUSY: other programs rename folders on the way all the time.
/// - ENXIO: it is a socket, or a device that is not there.
/// - Those of openat(2).
pub fn open_beneath(dir: BorrowedFd<'_>, path: &[u8], how: Open) -> io::Result<OwnedFd> {
    Ok(OPENER.open(dir, path, how, ResolveFlag::RESOLVE_BENEATH)?)
}

/// Opens the absolute `path` for reading, as [`open_beneath`] does, wherever links lead. Only the
/// magic links of /proc are refused, and not by the kernels that lack openat2(2).
///
/// # Errors
/// As [`open_beneath`]; EINVAL where `path` is not absolute.
pub fn open_absolute(path: &[u8], how: Open) -> io::Result<OwnedFd> {
    if path.first() != Some(&b'/') {
        return Err(Errno::EINVAL.into());
    }
    Ok(OPENER.open(AT_FDCWD, path, how, ResolveFlag::empty())?)
}

/// Opens a folder, only as a place to open files beneath it (O_PATH, open(2)). This needs no
/// right to list it.
///
/// # Errors
/// `WouldBlock` as with [`Open::cached`]; ENOTDIR where it is no folder; those of openat(2).
pub fn open_folder(path: &[u8], cached: bool) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    if cached {
        if OPENER.support(AT_FDCWD) != Support::Cached {
            return Err(Errno::EAGAIN.into());
        }
        let how = OpenHow::new().flags(flags).resolve(resolve_cached());
        return Ok(openat2(AT_FDCWD, path, how)?);
    }
    Ok(openat(AT_FDCWD, path, flags, Mode::empty())?)
}

/// Whether an error of [`open_beneath`] or [`open_absolute`] means that the path leads to no file
/// that this process may read. Any other error says that the system has failed.
#[must_use]
pub fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::EISDIR
                | Errno::EACCES
                | Errno::EPERM
                | Errno::ELOOP
                | Errno::EXDEV
                | Errno::ENAMETOOLONG
                | Errno::EINVAL
                // A socket, or a device that is not there.
                | Errno::ENXIO
                | Errno::ENODEV
        )
    )
}

/// RESOLVE_CACHED (Linux 5.12), which nix does not name.
fn resolve_cached() -> ResolveFlag {
    ResolveFlag::from_bits_retain(0x20)
}

/// For reading. O_NONBLOCK is for FIFOs, which would wait for a writer. O_NOCTTY is for terminals.
fn flags(how: Open) -> OFlag {
    let mut flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    flags.set(OFlag::O_DIRECTORY, how.directory);
    flags
}

/// How much of openat2(2) there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Support {
    Unknown,
    None,
    /// All but RESOLVE_CACHED.
    Beneath,
    Cached,
}

static OPENER: Opener = Opener::new();

/// Opens files, and remembers what the kernel can do.
struct Opener {
    support: AtomicU8,
}

impl Opener {
    const fn new() -> Self {
        Self { support: AtomicU8::new(Support::Unknown as u8) }
    }

    fn open(
        &self,
        dir: BorrowedFd<'_>,
        path: &[u8],
        how: Open,
        confine: ResolveFlag,
    ) -> nix::Result<OwnedFd> {
        let support = if how.walk { Support::None } else { self.support(dir) };
        if how.cached && support != Support::Cached {
            return Err(Errno::EAGAIN);
        }
        if support == Support::None {
            return open_without(dir, path, how, confine);
        }
        match open_with(dir, path, how, confine) {
            // A sandbox may have been put up after the first call.
            Err(Errno::ENOSYS | Errno::EPERM) if self.ask(dir) == Support::None => {
                if how.cached {
                    return Err(Errno::EAGAIN);
                }
                open_without(dir, path, how, confine)
            }
            result => result,
        }
    }

    fn support(&self, dir: BorrowedFd<'_>) -> Support {
        match self.support.load(Ordering::Relaxed) {
            1 => Support::None,
            2 => Support::Beneath,
            3 => Support::Cached,
            _ => self.ask(dir),
        }
    }

    /// Asks the kernel by opening `dir` itself.
    #[cold]
    fn ask(&self, dir: BorrowedFd<'_>) -> Support {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opens = |resolve| {
            let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH | resolve);
            openat2(dir, &b"."[..], how)
        };
        let support = match opens(ResolveFlag::RESOLVE_NO_MAGICLINKS) {
            // EINVAL and E2BIG are no answers of a kernel that has the call, but of sandboxes.
            Err(Errno::ENOSYS | Errno::EPERM | Errno::EINVAL | Errno::E2BIG) => Support::None,
            _ => match opens(resolve_cached()) {
                Err(Errno::EINVAL) => Support::Beneath,
                _ => Support::Cached,
            },
        };
        self.support.store(support as u8, Ordering::Relaxed);
        support
    }
}

/// With openat2(2).
fn open_with(
    dir: BorrowedFd<'_>,
    path: &[u8],
    how: Open,
    confine: ResolveFlag,
) -> nix::Result<OwnedFd> {
    let mut resolve = confine | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if how.cached {
        let open = OpenHow::new().flags(flags(how)).resolve(resolve | resolve_cached());
        return openat2(dir, path, open);
    }
    resolve.remove(resolve_cached());
    let open = OpenHow::new().flags(flags(how)).resolve(resolve);
    // EAGAIN: a folder was renamed while the kernel followed a `..` of a link, so that it cannot
    // tell whether it is still inside. It is also the answer while another program has a lease on
    // the file. A lease ends in a moment, or after 45 s.
    for _ in 0..64 {
        match openat2(dir, path, open) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
    Err(Errno::EBUSY)
}

/// Without openat2(2).
fn open_without(
    dir: BorrowedFd<'_>,
    path: &[u8],
    how: Open,
    confine: ResolveFlag,
) -> nix::Result<OwnedFd> {
    let opened = if confine.contains(ResolveFlag::RESOLVE_BENEATH) {
        walk(dir, path, how)
    } else {
        openat(dir, path, flags(how), Mode::empty())
    };
    match opened {
        Err(Errno::EAGAIN) => Err(Errno::EBUSY),
        result => result,
    }
}

/// Opens the folders of `path` one after another, each beneath the one before, and follows no link.
fn walk(dir: BorrowedFd<'_>, path: &[u8], how: Open) -> nix::Result<OwnedFd> {
    const FOLDER: OFlag =
        OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path[0] == b'/' {
        return Err(Errno::EXDEV);
    }
    let mut how = how;
    // `a/` is the folder `a`.
    let path = path.strip_suffix(b"/").map_or(path, |path| {
        how.directory = true;
        path
    });
    let mut names = path.split(|&byte| byte == b'/').peekable();
    let mut folder: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        // The kernel takes empty names as `.`; callers have no use for either.
        if name == b".." {
            return Err(Errno::EXDEV);
        }
        let name = if name.is_empty() { &b"."[..] } else { name };
        let beneath = folder.as_ref().map_or(dir, OwnedFd::as_fd);
        if names.peek().is_none() {
            return openat(beneath, name, flags(how) | OFlag::O_NOFOLLOW, Mode::empty());
        }
        // A link that is no folder itself is ENOTDIR here.
        folder = Some(openat(beneath, name, FOLDER, Mode::empty())?);
    }
    Err(Errno::ENOENT)
}

#[cfg(test)]
mod tests;
