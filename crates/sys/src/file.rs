//! Files that a server sends: what the kernel says of one, bytes of it that are in memory, and
//! bytes of it to a socket without a copy.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;
use nix::sys::sendfile::sendfile;
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::uio::pread;

use crate::sigpipe::without_sigpipe;

/// What a path leads to, as far as a server must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A FIFO, a socket, a device.
    Other,
}

/// What fstat(2) says of a file. Two that are equal show the same file with, as far as the
/// kernel's clock can tell, the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The file system that the file is on.
    pub dev: u64,
    /// The number of the file there.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed last: seconds since 1970, and nanoseconds.
    pub mtime: (i64, u32),
    /// When its content, its names or its rights changed last: seconds since 1970, and
    /// nanoseconds. Unlike `mtime`, no program can set it.
    pub ctime: (i64, u32),
    /// Names that the file has; 0 when it was deleted.
    pub nlink: u64,
    /// What it is.
    pub kind: FileKind,
}

/// What the kernel says of an open file (fstat(2)). It never waits for a disk, because an open
/// file's inode is in memory. (A network file system may ask its server.)
///
/// # Errors
/// Those of fstat(2).
pub fn file_stat(file: BorrowedFd<'_>) -> io::Result<FileStat> {
    let stat = fstat(file)?;
    let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => FileKind::File,
        SFlag::S_IFDIR => FileKind::Directory,
        _ => FileKind::Other,
    };
    let nanoseconds = |ns: i64| u32::try_from(ns).unwrap_or(0);
    Ok(FileStat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
        ctime: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        // 32 bits on arm64.
        #[allow(clippy::useless_conversion, reason = "its width depends on the processor")]
        nlink: u64::from(stat.st_nlink),
        kind,
    })
}

/// Reads bytes of `file` from `offset` on, as far as they are in memory, and returns how many.
/// 0 is the end of the file.
///
/// # Errors
/// - `WouldBlock`: the kernel would have to wait for the byte at `offset`. It is also the answer
///   of a kernel or a file system that cannot tell (preadv2(2), RWF_NOWAIT: before Linux 4.14;
///   overlayfs, network file systems). Read it on a thread that may wait.
/// - Those of preadv2(2).
pub fn read_cached(file: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = position(offset)?;
    let part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // Glibc has preadv2 since 2.26, which is newer than the oldest that we support.
    // SAFETY: `part` is one slice that is borrowed for the call. On 64 bits the kernel takes the
    // offset from the fourth argument and ignores the fifth.
    let n = unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            file.as_raw_fd(),
            &raw const part,
            1,
            offset,
            0,
            libc::RWF_NOWAIT,
        )
    };
    match Errno::result(n) {
        Ok(n) => Ok(usize::try_from(n).unwrap_or(0)),
        // It cannot tell, but all of its files are in memory, or in swap at the worst.
        Err(Errno::EOPNOTSUPP) if is_in_memory(file) => Ok(pread(file, buf, offset)?),
        // EINVAL is how Linux before 4.14 refuses the flag, ENOSYS how it and sandboxes refuse
        // the call.
        Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Has the kernel start to bring `len` bytes of `file` from `offset` on to memory, as far as it likes
/// (posix_fadvise(2), POSIX_FADV_WILLNEED). Whoever reads them then waits less.
pub fn read_ahead(file: BorrowedFd<'_>, offset: u64, len: u64) {
    if let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) {
        // It is advice: where it fails, reading takes longer.
        let _ = posix_fadvise(file, offset, len, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
    }
}

/// Sends up to `len` bytes of `file` from `offset` on (sendfile(2)), and returns how many the
/// socket has taken. 0 is the end of the file. Waits for the disk where the bytes are not in
/// memory.
///
/// # Errors
/// `WouldBlock` when the socket takes nothing now; those of sendfile(2). A closed peer is an
/// error and never a SIGPIPE.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut offset = position(offset)?;
    Ok(without_sigpipe(|| sendfile(socket, file, Some(&mut offset), len))?)
}

/// Whether a disk or a file system has failed, and not a socket that the bytes were to go to.
#[must_use]
pub fn is_of_disk(error: &io::Error) -> bool {
    use Errno::{EBADMSG, EIO, ENODATA, ENXIO, EREMOTEIO, ESTALE, EUCLEAN};
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(EBADMSG | EIO | ENODATA | ENXIO | EREMOTEIO | ESTALE | EUCLEAN)
    )
}

/// Whether the process or the system may open no more files.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// Calls `each` with every name in `folder` but `.` and `..`, in no order (readdir(3)).
///
/// # Errors
/// ENOTDIR where it is no folder; those of getdents(2).
pub fn folder_names(folder: OwnedFd, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    for entry in Dir::from_fd(folder)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => each(name),
        }
    }
    Ok(())
}

/// Whether the file is on a file system that has no disk.
fn is_in_memory(file: BorrowedFd<'_>) -> bool {
    /// RAMFS_MAGIC, which nix does not name.
    const RAMFS: u64 = 0x8584_58f6;
    fstatfs(file).is_ok_and(|system| {
        let kind = system.filesystem_type();
        // Signed with glibc, unsigned with musl.
        #[allow(clippy::unnecessary_cast, reason = "the C library decides the type")]
        let number = kind.0 as u64;
        kind == TMPFS_MAGIC || number == RAMFS
    })
}

/// The kernel's positions are signed. One that is too high is behind the end of every file.
fn position(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| Errno::EOVERFLOW.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::unistd::mkfifo;

    use super::*;

    /// A file without a name.
    fn file_of(content: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!(
            "reactor-sys-file-{}-{}",
            std::process::id(),
            crate::thread_id()
        ));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("the folder for temporary files can be written");
        fs::remove_file(&path).expect("it was made just now");
        file.write_all(content).expect("there is room");
        file
    }

    #[test]
    fn the_names_in_a_folder() {
        let path = std::env::temp_dir().join(format!("reactor-sys-names-{}", std::process::id()));
        fs::create_dir(&path).expect("the folder for temporary files can be written");
        for name in ["b", ".a", "\u{fc} <"] {
            fs::write(path.join(name), name).expect("there is room");
        }
        let names = || {
            let mut names = Vec::new();
            let folder = File::open(&path).expect("it is there");
            folder_names(folder.into(), |name| names.push(name.to_vec())).expect("it is a folder");
            names.sort();
            names
        };
        assert_eq!(names(), [&b".a"[..], b"b", "\u{fc} <".as_bytes()]);
        fs::remove_dir_all(&path).expect("it was made here");
        let error = folder_names(file_of(b"").into(), |_| {}).expect_err("it is a file");
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_stat_shows_each_change_of_a_file() {
        let mut file = file_of(b"abc");
        let before = file_stat(file.as_fd()).expect("it is open");
        assert_eq!((before.size, before.kind, before.nlink), (3, FileKind::File, 0));
        assert_eq!(file_stat(file.as_fd()).expect("it is open"), before);
        file.write_all(b"d").expect("there is room");
        let after = file_stat(file.as_fd()).expect("it is open");
        assert_eq!((after.size, after.ino, after.dev), (4, before.ino, before.dev));
        assert!(after.mtime >= before.mtime && after.ctime >= before.ctime);

        let time = std::time::UNIX_EPOCH + std::time::Duration::new(86_400, 7);
        file.set_modified(time).expect("it is ours");
        let set = file_stat(file.as_fd()).expect("it is open");
        assert_eq!(set.mtime, (86_400, 7));
        assert!(set.ctime >= after.ctime);
    }

    #[test]
    fn a_stat_tells_files_folders_and_the_rest_apart() {
        let kind = |file: &File| file_stat(file.as_fd()).expect("it is open").kind;
        let folder = std::env::temp_dir().join(format!("reactor-sys-kind-{}", std::process::id()));
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        assert_eq!(kind(&File::open(&folder).expect("it is there")), FileKind::Directory);
        mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("the folder is ours");
        let fifo = File::options().read(true).write(true).open(folder.join("fifo"));
        assert_eq!(kind(&fifo.expect("it is there")), FileKind::Other);
        fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn cached_bytes_are_read_without_waiting() {
        let file = file_of(b"0123456789");
        let mut buf = [0; 4];
        match read_cached(file.as_fd(), &mut buf, 3) {
            Ok(n) => assert_eq!((n, &buf), (4, b"3456")),
            // The folder for temporary files is on a file system without RWF_NOWAIT.
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
        match read_cached(file.as_fd(), &mut buf, 10) {
            Ok(n) => assert_eq!(n, 0, "the end"),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(read_cached(file.as_fd(), &mut buf, u64::MAX).is_err());
        // Advice has no answer.
        read_ahead(file.as_fd(), 3, 1 << 20);
        read_ahead(file.as_fd(), u64::MAX, u64::MAX);
    }

    #[test]
    fn a_file_in_shared_memory_is_read_at_once() {
        // A file of tmpfs without a name (memfd_create(2)).
        let memory = nix::sys::memfd::memfd_create(c"test", nix::sys::memfd::MFdFlags::empty());
        let mut file = File::from(memory.expect("there is memory"));
        file.write_all(b"0123456789").expect("there is room");
        let mut buf = [0; 4];
        assert_eq!(read_cached(file.as_fd(), &mut buf, 7).expect("it is in memory"), 3);
        assert_eq!(&buf[..3], b"789");
    }

    #[test]
    fn a_file_goes_to_a_socket_and_its_own_position_stays() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut file = file_of(b"0123456789");
        file.seek(SeekFrom::Start(1)).expect("it is a file");
        assert_eq!(send_file(ours.as_fd(), file.as_fd(), 7, 100).expect("there is room"), 3);
        assert_eq!(send_file(ours.as_fd(), file.as_fd(), 10, 100).expect("the end"), 0);
        assert_eq!(send_file(ours.as_fd(), file.as_fd(), 0, 2).expect("there is room"), 2);
        let mut got = [0; 5];
        theirs.read_exact(&mut got).expect("they were sent");
        assert_eq!(&got, b"78901");
        assert_eq!(file.stream_position().expect("it is a file"), 1);
    }

    #[test]
    fn a_full_socket_would_block_and_a_closed_one_is_an_error() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("it is a socket");
        let file = file_of(&[b'x'; 1 << 20]);
        let full = loop {
            match send_file(ours.as_fd(), file.as_fd(), 0, 1 << 20) {
                Ok(n) => assert!(n > 0),
                Err(e) => break e,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        let gone = send_file(ours.as_fd(), file.as_fd(), 0, 1).expect_err("nobody reads");
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    }
}
