//! A folder as a page of its entries.

use std::fs::File;
use std::io;

/// The page of `folder`, which a request asked for by `request_path`. Names that begin with a dot
/// are on it with `dotfiles` only.
pub(crate) fn page(folder: &File, request_path: &[u8], dotfiles: bool) -> io::Result<Vec<u8>> {
    let _ = (folder, request_path, dotfiles);
    Ok(Vec::new())
}
