//! Where an access log goes, and how that is opened.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::format::LogFormat;
use super::path;
use super::trace::TraceKey;

/// Where the access log goes, and what a line looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// What a line looks like; the default is [`LogFormat::Combined`].
    pub format: LogFormat,
    /// Makes the ids of traces, for [`LogFormat::Json`]. Without it lines have none.
    pub trace: Option<TraceKey>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, which is appended to. It is made, readable for its owner and
    /// group, if it is not there. A symbolic link on the way to it is refused
    /// where another user can write to the folder that holds the link.
    File(PathBuf),
}

/// Why an access log could not be started.
pub(crate) enum LogError {
    /// It could not be opened. The path `-` is standard output.
    Open { path: PathBuf, source: io::Error },
    /// The writer's thread could not be made.
    Thread(io::Error),
}

impl LogTarget {
    pub(super) fn open(&self) -> Result<File, LogError> {
        let failed =
            |path: &Path, source: io::Error| LogError::Open { path: path.to_owned(), source };
        match self {
            Self::File(path) => path::open(path).map_err(|source| failed(path, source)),
            Self::Stdout => {
                use std::os::fd::AsFd;
                let fd = io::stdout().as_fd().try_clone_to_owned();
                fd.map(File::from).map_err(|source| failed(Path::new("-"), source))
            }
        }
    }
}
