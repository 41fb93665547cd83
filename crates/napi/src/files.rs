//! Folders and files that the engine serves by itself.

use std::path::{Path, PathBuf};

use napi_derive::napi;
use reactor_server::{Folder, FolderError, FolderOptions};

use crate::options::NativeField;

/// A folder, or a single file. `ts/options/files.ts` has checked the options.
#[napi(object)]
pub struct NativeFiles {
    /// An absolute path.
    pub path: String,
    /// The path is that of one file.
    pub single: bool,
    /// Names of files that answer for a folder, the first that is there.
    pub index: Vec<String>,
    /// A file in the folder that answers navigations which find nothing.
    pub spa: Option<String>,
    /// A file in the folder that is the body of a 404, if it is there.
    pub not_found: Option<String>,
    /// `/about` is `about.html`.
    pub clean_urls: bool,
    /// A folder without `/` at the end is redirected to itself with one.
    pub slash_redirect: bool,
    /// Whether names that begin with a dot are served.
    pub dotfiles: bool,
    /// Whether a folder without an index is answered with a page of its entries.
    pub listing: bool,
    /// The value of Cache-Control.
    pub cache_control: Option<String>,
    /// The value of Cache-Control for names with a hash in them.
    pub immutable: Option<String>,
    /// The value of Access-Control-Allow-Origin.
    pub cors: Option<String>,
    /// Further fields for some of the files.
    pub fields: Vec<NativeFileFields>,
    /// Whether files with `.br`, `.zst` and `.gz` are sent in place of those without.
    pub siblings: bool,
    /// Whether files may be compressed when they are asked for.
    pub compress: bool,
}

/// Fields for files whose path in the folder matches a pattern.
#[napi(object)]
pub struct NativeFileFields {
    /// `*` is any part of a name, `**` any number of folders.
    pub glob: String,
    /// The fields, in order.
    pub fields: Vec<NativeField>,
}

impl NativeFiles {
    pub(crate) fn into_folder(self) -> Result<Folder, FolderError> {
        let options = FolderOptions {
            root: PathBuf::from(&self.path),
            index: self.index,
            spa: self.spa,
            not_found: self.not_found,
            clean_urls: self.clean_urls,
            slash_redirect: self.slash_redirect,
            dotfiles: self.dotfiles,
            listing: self.listing,
            cache_control: self.cache_control,
            immutable: self.immutable,
            cors: self.cors,
            fields: self.fields.into_iter().map(NativeFileFields::into_pair).collect(),
            siblings: self.siblings,
            compress: self.compress,
            without_openat2: std::env::var_os("REACTOR_RS_WITHOUT_OPENAT2").is_some(),
        };
        if self.single {
            Folder::of_file(Path::new(&self.path), &options)
        } else {
            Folder::open(&options)
        }
    }
}

impl NativeFileFields {
    fn into_pair(self) -> (String, Vec<(String, Vec<u8>)>) {
        let fields = self.fields.into_iter();
        (self.glob, fields.map(|field| (field.name, field.value.to_vec())).collect())
    }
}
