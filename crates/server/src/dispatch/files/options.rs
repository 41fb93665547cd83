//! What a user says about a folder of static files, and what can be wrong with it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::exchange::field_error::FieldError;

/// Names and values of fields.
pub type FolderFields = Vec<(String, Vec<u8>)>;

/// How a folder is served.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// The folder. For [`Folder::of_file`](crate::Folder::of_file) it means nothing.
    pub root: PathBuf,
    /// Names of files that answer for a folder, the first that is there.
    pub index: Vec<String>,
    /// A file in the folder that answers navigations which find nothing, with status 200.
    pub spa: Option<String>,
    /// A file in the folder that is the body of a 404, if it is there.
    pub not_found: Option<String>,
    /// `/about` is `about.html`, and `/about.html` is redirected to `/about`.
    pub clean_urls: bool,
    /// A folder without `/` at the end is redirected to itself with one, if it has an index or
    /// is listed. Otherwise its index is the answer at once.
    pub slash_redirect: bool,
    /// Whether names that begin with a dot are served. `.well-known` always is.
    pub dotfiles: bool,
    /// Whether a folder without an index is answered with a page of its entries.
    pub listing: bool,
    /// The value of Cache-Control.
    pub cache_control: Option<String>,
    /// The value of Cache-Control for names with a hash in them, such as `app-BxK3s9aQ.js`.
    pub immutable: Option<String>,
    /// The value of Access-Control-Allow-Origin.
    pub cors: Option<String>,
    /// Further fields for files whose path in the folder matches a pattern. In a pattern `*`
    /// is any part of a name and `**` any number of folders.
    pub fields: Vec<(String, FolderFields)>,
    /// Whether `app.js.br`, `app.js.zst` and `app.js.gz` are sent in place of `app.js` to
    /// clients that accept the coding. One that is older than the original is not.
    pub siblings: bool,
    /// Whether files without such a sibling may be compressed when they are asked for.
    pub compress: bool,
    /// For tests: opens files as on a kernel without openat2(2). Symbolic links are refused then.
    #[doc(hidden)]
    pub without_openat2: bool,
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self {
            root: PathBuf::new(),
            index: vec!["index.html".to_owned()],
            spa: None,
            not_found: Some("404.html".to_owned()),
            clean_urls: false,
            slash_redirect: true,
            dotfiles: false,
            listing: false,
            cache_control: Some("no-cache".to_owned()),
            immutable: None,
            cors: None,
            fields: Vec::new(),
            siblings: true,
            compress: true,
            without_openat2: false,
        }
    }
}

/// Why a folder or a file cannot be served.
#[derive(Debug)]
pub struct FolderError {
    /// The path that it is about.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FolderProblem,
}

/// What is wrong with a path or an option of [`FolderOptions`].
#[derive(Debug)]
pub enum FolderProblem {
    /// There is nothing at the path.
    Missing,
    /// It is something else than a folder.
    NotAFolder,
    /// It is something else than a regular file.
    NotAFile,
    /// The process may not open it.
    NoPermission,
    /// A path is not absolute.
    Relative,
    /// This option's value is no path of a file beneath the folder.
    Outside(&'static str, String),
    /// A field cannot be sent.
    Field(String, FieldError),
    /// Another cause.
    Io(io::Error),
}

impl FolderProblem {
    /// What an error of opening a path says.
    pub(crate) fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::NotADirectory => Self::NotAFolder,
            io::ErrorKind::PermissionDenied => Self::NoPermission,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            FolderProblem::Missing => write!(f, "{path} does not exist"),
            FolderProblem::NotAFolder => write!(f, "{path} is not a folder"),
            FolderProblem::NotAFile => write!(f, "{path} is not a regular file"),
            FolderProblem::NoPermission => write!(f, "{path} may not be read: permission denied"),
            FolderProblem::Relative => write!(f, "{path} is not an absolute path"),
            FolderProblem::Outside(option, value) => {
                write!(f, "{option} {value:?} is no path of a file in the folder {path}")
            }
            FolderProblem::Field(name, error) => write!(f, "field {name:?} for {path}: {error}"),
            FolderProblem::Io(error) => write!(f, "{path} cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            FolderProblem::Io(error) => Some(error),
            FolderProblem::Field(_, error) => Some(error),
            _ => None,
        }
    }
}
