//! A folder as a page of its entries.

mod html;

use std::fs::File;

use reactor_sys::{FileKind, folder_names};

use crate::dispatch::files::listing::html::ListingEntry;
use crate::dispatch::files::path::is_served;
use crate::dispatch::files::root::{Missed, Opened};

/// The page shows no more entries, and says how many it leaves out. With so many, it has two
/// megabytes.
const MOST: usize = 10_000;

/// No more bytes of names are held to choose from. The names after are counted only.
const NAMES: usize = 4 << 20;

/// The page of `folder`, which a request asked for by `request_path`. The last `levels` segments
/// of that are inside the folder that is served. Names that begin with a dot are on it with
/// `dotfiles` only.
///
/// Each entry is opened by `open`, as a request for it would be: what a request would not find
/// is not shown, such as a link that leads out of the folder.
pub(crate) fn page(
    folder: File,
    request_path: &[u8],
    levels: usize,
    dotfiles: bool,
    mut open: impl FnMut(&[u8]) -> Result<Opened, Missed>,
) -> Result<Vec<u8>, Missed> {
    let (names, mut left_out) = names(folder, dotfiles)?;
    let mut entries = Vec::with_capacity(names.len().min(MOST));
    for name in names {
        if entries.len() == MOST {
            left_out += 1;
            continue;
        }
        let stat = match open(&name) {
            Ok(opened) => opened.stat,
            Err(Missed::Nothing) => continue,
            Err(missed) => return Err(missed),
        };
        let is_directory = match stat.kind {
            FileKind::Directory => true,
            FileKind::File => false,
            FileKind::Other => continue,
        };
        entries.push(ListingEntry { name, is_directory, size: stat.size, modified: stat.mtime.0 });
    }
    Ok(html::page(request_path, levels, entries, left_out))
}

/// The names that may be asked for, in their order, and how many more there are.
fn names(folder: File, dotfiles: bool) -> Result<(Vec<Vec<u8>>, usize), Missed> {
    let (mut names, mut bytes, mut left_out) = (Vec::new(), 0, 0);
    folder_names(folder.into(), |name| {
        if !is_served(name, dotfiles) {
            return;
        }
        bytes += name.len() + size_of::<Vec<u8>>();
        if bytes <= NAMES {
            names.push(name.to_vec());
        } else {
            left_out += 1;
        }
    })?;
    names.sort_by_cached_key(|name| (name.to_ascii_lowercase(), name.clone()));
    Ok((names, left_out))
}

#[cfg(test)]
mod tests;
