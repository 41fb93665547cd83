//! Finds the corpus and reads it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Case;
use crate::parse;

/// All cases, in the order of the file names and then as written.
///
/// # Errors
///
/// When a file cannot be read or a line of it is malformed. The error names the line.
pub fn load() -> Result<Vec<Case>, LoadError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |error| LoadError::Unreadable(path, error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
        let path = entry.map_err(unreadable(&folder))?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        cases.extend(parse_text(&name, &text)?);
    }
    Ok(cases)
}

/// The cases in one text; `file` names it in messages.
///
/// # Errors
///
/// When a line of it is malformed.
pub fn parse_text(file: &str, text: &str) -> Result<Vec<Case>, LoadError> {
    parse::cases(file, text).map_err(|(line, what)| LoadError::Wrong(file.into(), line, what))
}

/// Why the corpus cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// A file or folder cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// A line is malformed: file, line, what is wrong.
    Wrong(String, usize, String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Wrong(file, line, what) => write!(f, "{file}:{line}: {what}"),
        }
    }
}

impl std::error::Error for LoadError {}
