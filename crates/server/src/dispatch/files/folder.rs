//! A folder of static files.

use std::path::Path;

use crate::dispatch::files::lookup::{Lookup, Mode};
use crate::dispatch::files::options::{FolderError, FolderOptions};

/// A folder, or a single file, that is served.
#[derive(Debug)]
pub struct Folder {
    options: FolderOptions,
}

impl Folder {
    /// Opens the folder `options.root`.
    ///
    /// # Errors
    /// [`FolderError`] names the path or the option, and what is wrong with it.
    pub fn open(options: FolderOptions) -> Result<Self, FolderError> {
        Ok(Self { options })
    }

    /// Serves the file at `path`, whatever the path of a request. `path` may be a symbolic link
    /// to any place. Of the options only those apply that are about the file's fields and codings.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn of_file(path: &Path, options: FolderOptions) -> Result<Self, FolderError> {
        let _ = path;
        Ok(Self { options })
    }

    /// Finds what a request is for. `request_path` is its whole path, which a redirect starts
    /// from, `rest` the part that is a path in this folder. Both are percent-encoded. A
    /// `navigation` is a request that a browser makes for a page.
    pub(crate) fn look_up(
        &self,
        request_path: &[u8],
        rest: &[u8],
        navigation: bool,
        mode: Mode,
    ) -> Lookup {
        let _ = (request_path, rest, navigation, mode, &self.options);
        Lookup::NotFound(None)
    }

    /// Opens the file at the absolute `path`, which a handler named, as it is: with its
    /// Content-Type, without siblings and without other fields.
    pub(crate) fn open_alone(path: &[u8], mode: Mode) -> Lookup {
        let _ = (path, mode);
        Lookup::NotFound(None)
    }
}
