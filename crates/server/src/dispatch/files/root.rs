//! The place that files are served from, and how they are opened there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reactor_sys::{
    FileKind, FileStat, Open, file_stat, leads_nowhere, open_absolute, open_beneath, open_folder,
};

use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::options::{FolderError, FolderProblem};

/// How long a look at the file system is believed.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// Why nothing was opened.
#[derive(Debug)]
pub(crate) enum Missed {
    /// The path leads to nothing that may be served.
    Nothing,
    /// [`Mode::Cached`] only: the kernel would have to wait.
    WouldBlock,
    /// The file system fails, or there are no descriptors left.
    Failed(io::Error),
}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            _ if leads_nowhere(&error) => Self::Nothing,
            _ => Self::Failed(error),
        }
    }
}

/// What was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) stat: FileStat,
}

/// Where a look-up opens files.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    /// Beneath this folder, which is a descriptor of O_PATH.
    Beneath(Arc<OwnedFd>),
    /// By absolute paths, which a user or a handler named.
    Anywhere,
}

impl Base {
    /// Opens what `path` leads to. A FIFO or a device is opened without waiting and is
    /// [`FileKind::Other`] then.
    pub(crate) fn open(&self, path: &[u8], how: Open) -> io::Result<Opened> {
        let fd = match self {
            Self::Beneath(folder) => open_beneath(folder.as_fd(), path, how),
            Self::Anywhere => open_absolute(path, how),
        };
        let file = File::from(fd?);
        let stat = file_stat(file.as_fd())?;
        Ok(Opened { file, stat })
    }

    /// As [`open`](Self::open), but only a regular file.
    pub(crate) fn open_file(&self, path: &[u8], how: Open) -> Result<Opened, Missed> {
        let opened = self.open(path, how)?;
        if opened.stat.kind == FileKind::File { Ok(opened) } else { Err(Missed::Nothing) }
    }
}

/// The folder that is served.
///
/// It is held open, so that to open a file beneath it needs no look at the folders above. Once a
/// second a look-up asks whether its path still leads to it: a deployment may put another folder
/// or link in its place.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    held: RwLock<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    folder: Arc<OwnedFd>,
    stat: FileStat,
    looked: Instant,
}

impl Root {
    /// Opens the folder at `path`, and tries whether files in it may be opened.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let fault = |problem| FolderError { path: path.to_owned(), problem };
        if !path.is_absolute() {
            return Err(fault(FolderProblem::Relative));
        }
        let opened = open_folder(path.as_os_str().as_bytes(), false);
        let folder = opened.map_err(|error| fault(FolderProblem::of(error)))?;
        // Every look-up needs the right to search the folder; no name shows it better than one
        // that is not there.
        match open_beneath(folder.as_fd(), b".reactor-rs", Open::default()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(fault(FolderProblem::NoPermission));
            }
            _ => {}
        }
        let stat = file_stat(folder.as_fd()).map_err(|error| fault(FolderProblem::Io(error)))?;
        let held = Held { folder: Arc::new(folder), stat, looked: Instant::now() };
        Ok(Self { path: path.to_owned(), held: RwLock::new(held) })
    }

    /// The folder that its path leads to, as seen within the last second.
    pub(crate) fn base(&self, mode: Mode, now: Instant) -> Result<Base, Missed> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if now.saturating_duration_since(held.looked) < FRESH {
            return Ok(Base::Beneath(held.folder));
        }
        let path = self.path.as_os_str().as_bytes();
        let found = match open_folder(path, mode == Mode::Cached) {
            Ok(folder) => {
                let stat = file_stat(folder.as_fd())?;
                let same = (stat.dev, stat.ino) == (held.stat.dev, held.stat.ino);
                let folder = if same { held.folder } else { Arc::new(folder) };
                Held { folder, stat, looked: now }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(Missed::WouldBlock);
            }
            // It may be about to be replaced. What is gone from it is not found anyway.
            Err(_) => Held { looked: now, ..held },
        };
        let folder = found.folder.clone();
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(Base::Beneath(folder))
    }

    /// The folder as it was seen last.
    pub(crate) fn held(&self) -> Base {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Base::Beneath(held.folder.clone())
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
