use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::unistd::mkfifo;

use super::*;

/// A folder for one test: `served` beside `outside`, which holds the canary.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("reactor-sys-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("served/folder/deep")).expect("the temporary folder is ours");
        fs::create_dir_all(path.join("outside")).expect("the temporary folder is ours");
        for (file, content) in [
            ("outside/canary", "canary"),
            ("served/file", "file"),
            ("served/folder/file", "folder/file"),
            ("served/folder/deep/file", "folder/deep/file"),
        ] {
            fs::write(path.join(file), content).expect("the temporary folder is ours");
        }
        Self(path)
    }

    fn root(&self) -> File {
        File::from(open_folder(self.path("served").as_os_str().as_encoded_bytes(), false).unwrap())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The content that `path` leads to.
fn content(root: &File, path: &str, how: Open) -> Result<String, Errno> {
    let opened = open_beneath(root.as_fd(), path.as_bytes(), how);
    let file = opened.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))?;
    let mut text = String::new();
    match File::from(file).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) => Err(Errno::from_raw(e.raw_os_error().unwrap_or(0))),
    }
}

const WALK: Open = Open { cached: false, directory: false, walk: true };
const OPENAT2: Open = Open { cached: false, directory: false, walk: false };

#[test]
fn files_beneath_are_opened_and_none_outside() {
    let place = Place::new("beneath");
    let root = place.root();
    let absolute = place.path("outside/canary");
    for (link, to) in [
        ("served/out", Path::new("../outside/canary")),
        ("served/out-folder", Path::new("../outside")),
        ("served/absolute", &absolute),
        ("served/slash", Path::new("/")),
        ("served/in", Path::new("folder/file")),
        ("served/in-folder", Path::new("folder")),
        ("served/folder/up", Path::new("../file")),
        ("served/chain", Path::new("chain-2")),
        ("served/chain-2", Path::new("out")),
        ("served/out-and-in", Path::new("../served/file")),
        ("served/self", Path::new("self")),
        ("served/dangling", Path::new("nothing")),
        ("served/proc", Path::new("/proc/self/root")),
    ] {
        symlink(to, place.path(link)).unwrap();
    }
    symlink(format!("/proc/self/fd/{}", root.as_raw_fd()), place.path("served/fd")).unwrap();
    mkfifo(&place.path("served/fifo"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(place.path("served/socket")).unwrap();

    let long = "x".repeat(256);
    for (path, with, without) in [
        ("file", Ok("file"), Ok("file")),
        ("folder/file", Ok("folder/file"), Ok("folder/file")),
        ("folder/deep/file", Ok("folder/deep/file"), Ok("folder/deep/file")),
        ("folder", Err(Errno::EISDIR), Err(Errno::EISDIR)),
        ("folder/", Err(Errno::EISDIR), Err(Errno::EISDIR)),
        ("file/", Err(Errno::ENOTDIR), Err(Errno::ENOTDIR)),
        ("file/file", Err(Errno::ENOTDIR), Err(Errno::ENOTDIR)),
        ("", Err(Errno::ENOENT), Err(Errno::ENOENT)),
        ("/", Err(Errno::EXDEV), Err(Errno::EXDEV)),
        ("/file", Err(Errno::EXDEV), Err(Errno::EXDEV)),
        ("..", Err(Errno::EXDEV), Err(Errno::EXDEV)),
        ("../outside/canary", Err(Errno::EXDEV), Err(Errno::EXDEV)),
        ("folder/../../outside/canary", Err(Errno::EXDEV), Err(Errno::EXDEV)),
        ("file\0", Err(Errno::EINVAL), Err(Errno::EINVAL)),
        ("nothing", Err(Errno::ENOENT), Err(Errno::ENOENT)),
        (&*long, Err(Errno::ENAMETOOLONG), Err(Errno::ENAMETOOLONG)),
        ("fifo", Ok(""), Ok("")),
        ("socket", Err(Errno::ENXIO), Err(Errno::ENXIO)),
        ("in", Ok("folder/file"), Err(Errno::ELOOP)),
        ("in-folder/file", Ok("folder/file"), Err(Errno::ENOTDIR)),
        ("in-folder/deep/file", Ok("folder/deep/file"), Err(Errno::ENOTDIR)),
        ("folder/up", Ok("file"), Err(Errno::ELOOP)),
        ("out", Err(Errno::EXDEV), Err(Errno::ELOOP)),
        ("out-folder/canary", Err(Errno::EXDEV), Err(Errno::ENOTDIR)),
        ("absolute", Err(Errno::EXDEV), Err(Errno::ELOOP)),
        ("slash/etc/passwd", Err(Errno::EXDEV), Err(Errno::ENOTDIR)),
        ("chain", Err(Errno::EXDEV), Err(Errno::ELOOP)),
        ("out-and-in", Err(Errno::EXDEV), Err(Errno::ELOOP)),
        ("self", Err(Errno::ELOOP), Err(Errno::ELOOP)),
        ("dangling", Err(Errno::ENOENT), Err(Errno::ELOOP)),
        ("proc/etc/passwd", Err(Errno::EXDEV), Err(Errno::ENOTDIR)),
        ("fd/file", Err(Errno::EXDEV), Err(Errno::ENOTDIR)),
    ] {
        assert_eq!(content(&root, path, OPENAT2), with.map(str::to_owned), "{path}");
        assert_eq!(content(&root, path, WALK), without.map(str::to_owned), "walk: {path}");
    }
    // Only the walk accepts what lies inside after a `..`.
    assert_eq!(content(&root, "folder/../file", OPENAT2), Ok("file".into()));
    assert_eq!(content(&root, "folder/../file", WALK), Err(Errno::EXDEV));
}

#[test]
fn a_folder_can_be_asked_for() {
    let place = Place::new("directory");
    let root = place.root();
    for how in [OPENAT2, WALK] {
        let how = Open { directory: true, ..how };
        assert_eq!(content(&root, "folder", how), Err(Errno::EISDIR), "it was opened");
        assert_eq!(content(&root, ".", how), Err(Errno::EISDIR), "it was opened");
        assert_eq!(content(&root, "file", how), Err(Errno::ENOTDIR));
    }
}

#[test]
fn what_is_in_memory_is_opened_without_waiting() {
    let place = Place::new("cached");
    let root = place.root();
    let cached = Open { cached: true, ..OPENAT2 };
    // It was made just now. A kernel that cannot tell says that it would wait.
    let can = OPENER.support(root.as_fd()) == Support::Cached;
    let expected = if can { Ok("folder/file".to_owned()) } else { Err(Errno::EAGAIN) };
    assert_eq!(content(&root, "folder/file", cached), expected);
    // Where a path leads out, the kernel need not be able to say so at once.
    for path in ["../outside/canary", "/file", "folder/../../outside/canary"] {
        let got = content(&root, path, cached);
        assert!(matches!(got, Err(Errno::EAGAIN | Errno::EXDEV)), "{path}: {got:?}");
    }
    // The walk cannot tell.
    assert_eq!(content(&root, "file", Open { walk: true, ..cached }), Err(Errno::EAGAIN));
}

#[test]
fn an_absolute_path_may_lead_through_links() {
    let place = Place::new("absolute");
    symlink("../outside/canary", place.path("served/link")).unwrap();
    let path = place.path("served/link");
    let path = path.as_os_str().as_encoded_bytes();
    for how in [OPENAT2, WALK] {
        let mut text = String::new();
        File::from(open_absolute(path, how).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "canary");
        assert!(open_absolute(b"served/link", how).is_err());
    }
    assert!(open_folder(path, false).is_err());
    let folder = place.path("served/folder");
    assert!(open_folder(folder.as_os_str().as_encoded_bytes(), false).is_ok());
}

/// Refuses a system call in the calling thread, as sandboxes do (seccomp(2)).
fn refuse(call: libc::c_long, errno: Errno) {
    let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(errno as i32).unwrap();
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::try_from(call).unwrap(), 0, 1),
        step(libc::BPF_RET | libc::BPF_K, refused, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: numbers only, and a program that lives until the calls return.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        assert_eq!(libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program), 0);
    }
}

#[test]
fn a_sandbox_that_forbids_openat2_gets_the_walk() {
    let place = Place::new("sandbox");
    symlink("../outside/canary", place.path("served/out")).unwrap();
    let root = place.root();
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        for late in [false, true] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    // One of its own: what it learns is true of this thread only.
                    let opener = Opener::new();
                    let open = |path: &[u8], cached| {
                        let how = Open { cached, ..OPENAT2 };
                        opener.open(root.as_fd(), path, how, ResolveFlag::RESOLVE_BENEATH).map(drop)
                    };
                    if late {
                        assert_eq!(open(b"file", false), Ok(()));
                    }
                    refuse(libc::SYS_openat2, errno);
                    assert_eq!(open(b"folder/deep/file", true), Err(Errno::EAGAIN));
                    assert_eq!(open(b"folder/deep/file", false), Ok(()));
                    assert_eq!(open(b"out", false), Err(Errno::ELOOP));
                    assert_eq!(open(b"../outside/canary", false), Err(Errno::EXDEV));
                    assert_eq!(opener.support(root.as_fd()), Support::None);
                });
            });
        }
    }
}

/// Another program swaps a folder for a link that leads out, and moves the folder out and back,
/// while the file in it is opened.
#[test]
fn no_race_leads_out() {
    let place = Place::new("race");
    let root = place.root();
    fs::create_dir(place.path("outside/deep")).unwrap();
    fs::write(place.path("outside/deep/file"), "canary").unwrap();
    fs::write(place.path("outside/file"), "canary").unwrap();
    symlink("../outside", place.path("served/link")).unwrap();
    symlink("folder/../folder/deep/../file", place.path("served/winding")).unwrap();
    let swap = |one: &str, other: &str| {
        let name = |path: &str| std::ffi::CString::new(place.path(path).to_str().unwrap()).unwrap();
        let (one, other) = (name(one), name(other));
        // SAFETY: both names live until the call returns.
        let done = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                one.as_ptr(),
                libc::AT_FDCWD,
                other.as_ptr(),
                libc::RENAME_EXCHANGE,
            )
        };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap("served/folder", "served/link");
                swap("served/folder", "served/link");
                fs::rename(place.path("served/folder"), place.path("outside/moved")).unwrap();
                fs::rename(place.path("outside/moved"), place.path("served/folder")).unwrap();
            }
        });
        let until = Instant::now() + Duration::from_millis(300);
        let mut opened = 0;
        while Instant::now() < until || opened == 0 {
            for how in [OPENAT2, WALK] {
                for path in ["folder/file", "folder/deep/file", "winding", "link/file"] {
                    let got = content(&root, path, how);
                    assert_ne!(got.as_deref(), Ok("canary"), "{path} {how:?}");
                    opened += usize::from(got.is_ok());
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
