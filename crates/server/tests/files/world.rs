//! A folder to be served, with everything in it and around it that may lead out of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

/// What is in every file that no request may get.
pub(crate) const CANARY: &str = "CANARY";

/// Files that are served; each one's content is its path.
pub(crate) const INSIDE: [&str; 20] = [
    "index.html",
    "a.txt",
    "sub/index.html",
    "sub/b.txt",
    "sub/deep/c.txt",
    "with blank.txt",
    "caf\u{e9}.txt",
    "100%.txt",
    "a..b.txt",
    "plus+plus.txt",
    "dot.",
    "blank ",
    "%2e%2e%2fa.txt",
    "semi;colon.txt",
    "~user/x.txt",
    "C:/x.txt",
    "Case.txt",
    "evil.js",
    ".well-known/ok.txt",
    "new\nline.txt",
];

pub(crate) struct World {
    path: PathBuf,
    _socket: UnixListener,
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("reactor-world-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let root = path.join("served");
        for file in INSIDE {
            write(&root.join(file), file);
        }
        // Inside, but never served.
        for file in [".env", ".git/config", "sub/.hidden", ".well-known/.hidden", "back\\slash.txt"]
        {
            write(&root.join(file), CANARY);
        }
        for file in [
            "canary.txt",
            "index.html",
            "a.txt",
            "outside/canary.txt",
            "outside/index.html",
            "outside/b.txt",
            "outside/deep/c.txt",
            "served-evil/canary.txt",
            "served.txt",
        ] {
            write(&path.join(file), CANARY);
        }
        write(&path.join("outside/linked.txt"), "hard.txt");
        fs::hard_link(path.join("outside/linked.txt"), root.join("hard.txt")).expect("ours");
        // Nothing but links: to where, from where.
        let absolute = |file: &str| path.join(file).to_str().expect("UTF-8").to_owned();
        for (link, to) in [
            ("in-file", "a.txt".to_owned()),
            ("in-folder", "sub".into()),
            ("in-winding", "sub/../sub/deep/../b.txt".into()),
            ("in-chain", "in-chain-2".into()),
            ("in-chain-2", "./in-chain-3".into()),
            ("in-chain-3", "sub/../in-file".into()),
            ("sub/up-in", "../a.txt".into()),
            ("in-absolute", absolute("served/a.txt")),
            ("in-through-outside", "../served/a.txt".into()),
            ("out-file", "../canary.txt".into()),
            ("out-folder", "../outside".into()),
            ("out-absolute-file", absolute("canary.txt")),
            ("out-absolute-folder", absolute("outside")),
            ("out-parent", "..".into()),
            ("out-parents", "../../../../../../../../../..".into()),
            ("out-etc", "/etc".into()),
            ("out-slash", "/".into()),
            ("out-passwd", "/etc/passwd".into()),
            ("out-chain", "out-chain-2".into()),
            ("out-chain-2", "sub/../out-chain-3".into()),
            ("out-chain-3", "out-file".into()),
            ("out-winding", "sub/deep/../../../canary.txt".into()),
            ("sub/up-out", "../../canary.txt".into()),
            ("sub/up-folder", "../..".into()),
            ("loop", "loop".into()),
            ("loop-a", "loop-b".into()),
            ("loop-b", "loop-a".into()),
            ("dangling", "nothing".into()),
            ("dangling-out", "../nothing".into()),
            ("to-hidden", ".env.txt".into()),
            ("proc-root", "/proc/self/root".into()),
            ("proc-cwd", "/proc/self/cwd".into()),
            ("proc-fd", "/proc/self/fd".into()),
            ("proc-exe", "/proc/self/exe".into()),
            ("proc-environ", "/proc/self/environ".into()),
            ("dev-stdin", "/dev/stdin".into()),
            ("dev-zero-link", "/dev/zero".into()),
            ("evil.js.gz", "../canary.txt".into()),
            ("evil.js.br", "/etc/passwd".into()),
            ("evil.js.zst", "out-chain".into()),
            ("page.html", "../canary.txt".into()),
            ("404.html", "../canary.txt".into()),
        ] {
            symlink(to, root.join(link)).expect("ours");
        }
        fs::create_dir(root.join("linked-index")).expect("ours");
        symlink("../../canary.txt", root.join("linked-index/index.html")).expect("ours");
        // The kernel follows 40 links at most.
        symlink("a.txt", root.join("long-0")).expect("ours");
        for at in 1..=50 {
            symlink(format!("long-{}", at - 1), root.join(format!("long-{at}"))).expect("ours");
        }
        mkfifo(&root.join("fifo"), Mode::S_IRWXU).expect("ours");
        let socket = UnixListener::bind(root.join("socket")).expect("ours");
        // Only root may make devices; what is not there is not found either.
        for (device, minor) in [("dev-null", 3), ("dev-zero", 5)] {
            let mode = Mode::S_IRUSR | Mode::S_IROTH;
            let _ = mknod(&root.join(device), SFlag::S_IFCHR, mode, makedev(1, minor));
        }
        write(&root.join("locked.txt"), CANARY);
        write(&root.join("locked/x.txt"), CANARY);
        Self { path, _socket: socket }
    }

    /// Around the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// The folder that is served.
    pub(crate) fn root(&self) -> PathBuf {
        self.path.join("served")
    }

    /// Takes away all rights to what is called `locked`. Root has them still.
    pub(crate) fn lock(&self) {
        for file in ["locked.txt", "locked"] {
            let none = fs::Permissions::from_mode(0o000);
            fs::set_permissions(self.root().join(file), none).expect("ours");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let all = fs::Permissions::from_mode(0o700);
        let _ = fs::set_permissions(self.root().join("locked"), all);
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("ours");
    fs::write(path, content).expect("the folder for temporary files can be written");
}

/// Whether the kernel has openat2(2), and no sandbox forbids it.
pub(crate) fn has_openat2() -> bool {
    let how = OpenHow::new().flags(OFlag::O_PATH).resolve(ResolveFlag::RESOLVE_BENEATH);
    openat2(AT_FDCWD, ".", how).is_ok()
}

/// One attempt of the corpus.
pub(crate) struct Attempt {
    /// Of the corpus, from 1.
    pub(crate) line: usize,
    /// What follows `GET `.
    pub(crate) target: Vec<u8>,
    /// Further field lines.
    pub(crate) fields: String,
    pub(crate) with_openat2: Outcome,
    pub(crate) without: Outcome,
}

/// What must come of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with this status, and nothing of a file.
    Status(u16),
    /// 200 with this content.
    Content(String),
    /// A redirect to this path.
    Redirect(String),
}

/// The attempts of `traversal.txt`, for a folder whose route is `prefix` and `*`. In the corpus
/// the prefix is `/s/`.
pub(crate) fn attempts(prefix: &str) -> Vec<Attempt> {
    let corpus = include_str!("traversal.txt").lines().enumerate();
    let rows = corpus.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let attempt = |(index, row): (usize, &str)| {
        let mut columns = row.split('\t').filter(|column| !column.is_empty());
        let mut column = || columns.next().map(|text| text.replace("/s/", prefix));
        let outcomes = column().expect("an outcome");
        let target = bytes(&column().unwrap_or_else(|| panic!("line {} has no target", index + 1)));
        let fields = column().map_or(String::new(), |field| field + "\r\n");
        let (with, without) = outcomes.split_once(" | ").unwrap_or((&outcomes, &outcomes));
        let with = if has_openat2() { with } else { without };
        let (with_openat2, without) = (outcome(with), outcome(without));
        Attempt { line: index + 1, target, fields, with_openat2, without }
    };
    rows.map(attempt).collect()
}

fn outcome(text: &str) -> Outcome {
    if let Some(content) = text.strip_prefix('=') {
        return Outcome::Content(content.replace("\\n", "\n"));
    }
    if let Some(location) = text.strip_prefix('>') {
        return Outcome::Redirect(location.to_owned());
    }
    Outcome::Status(text.parse().unwrap_or_else(|_| panic!("{text} is no outcome")))
}

/// `\xHH` is a byte, `{n*text}` is the text n times.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x") {
            out.push(u8::from_str_radix(&hex[..2], 16).expect("two hexadecimal digits"));
            rest = &hex[2..];
        } else if let Some(repeated) = rest.strip_prefix('{')
            && let Some((count, after)) = repeated.split_once('*')
            && let Ok(count) = count.parse()
        {
            let (text, after) = after.split_once('}').expect("an end");
            out.extend(text.repeat(count).bytes());
            rest = after;
        } else {
            out.extend(first.to_string().bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
