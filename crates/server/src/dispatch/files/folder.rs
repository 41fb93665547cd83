//! A folder of static files, or a single one.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use reactor_proto::CodingSet;
use reactor_sys::{FileKind, Open};

use crate::dispatch::files::fields::{FieldRules, FileLines};
use crate::dispatch::files::listing;
use crate::dispatch::files::lookup::Lookup;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::options::{FolderError, FolderOptions, FolderProblem};
use crate::dispatch::files::page::Page;
use crate::dispatch::files::path::{FilePath, location};
use crate::dispatch::files::resource::{Offer, Resource};
use crate::dispatch::files::root::{Base, Missed, Opened, Root};

/// A folder, or a single file, that is served.
///
/// Nothing outside the folder is ever opened, whatever the path of a request, and whoever renames
/// folders or makes links meanwhile. Symbolic links are followed if they stay in the folder; where
/// the kernel has no openat2(2), none is followed. Hard links and mount points in the folder are
/// part of it.
#[derive(Debug)]
pub struct Folder {
    place: Place,
    fields: FieldRules,
    offer: Offer,
    /// Names, as [`FilePath`] has them.
    index: Vec<Vec<u8>>,
    spa: Option<Page>,
    not_found: Option<Page>,
    clean_urls: bool,
    slash_redirect: bool,
    dotfiles: bool,
    listing: bool,
    cors: Option<String>,
    without_openat2: bool,
}

#[derive(Debug)]
enum Place {
    Folder(Root),
    /// The absolute path of a file.
    File(PathBuf),
}

/// The ending that clean URLs leave out.
const HTML: &[u8] = b".html";

impl Folder {
    /// Opens the folder `options.root`.
    ///
    /// # Errors
    /// [`FolderError`] names the path or the option, and what is wrong with it. That `spa` is not
    /// there is an error, too.
    pub fn open(options: &FolderOptions) -> Result<Self, FolderError> {
        let root = Root::open(&options.root)?;
        let folder = Self::new(Place::Folder(root), options)?;
        if let (Some(page), Place::Folder(root)) = (&folder.spa, &folder.place) {
            let opened = root.held().open(page.path(), folder.how(Mode::Blocking));
            let path = root.path().join(OsStr::from_bytes(page.path()));
            must_be_file(opened).map_err(|problem| FolderError { path, problem })?;
        }
        Ok(folder)
    }

    /// Serves the file at `path`, whatever the path of a request. `path` may be a symbolic link
    /// to any place. Of the options only those apply that are about the file's fields and codings.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn of_file(path: &Path, options: &FolderOptions) -> Result<Self, FolderError> {
        let fault = |problem| FolderError { path: path.to_owned(), problem };
        if !path.is_absolute() {
            return Err(fault(FolderProblem::Relative));
        }
        let folder = Self::new(Place::File(path.to_owned()), options)?;
        let how = folder.how(Mode::Blocking);
        must_be_file(Base::Anywhere.open(path.as_os_str().as_bytes(), how)).map_err(fault)?;
        Ok(folder)
    }

    fn new(place: Place, options: &FolderOptions) -> Result<Self, FolderError> {
        let path = match &place {
            Place::Folder(root) => root.path(),
            Place::File(path) => path,
        };
        let fault = |problem| FolderError { path: path.to_owned(), problem };
        let fields = FieldRules::new(options)
            .map_err(|(name, error)| fault(FolderProblem::Field(name, error)))?;
        // Options have paths as they are, and may name dotfiles.
        let beneath = |option: &'static str, value: &String| {
            let path = value.strip_prefix("./").unwrap_or(value);
            if is_beneath(path.as_bytes()) {
                Ok(path.as_bytes().to_vec())
            } else {
                Err(fault(FolderProblem::Outside(option, value.clone())))
            }
        };
        let index: Result<Vec<_>, _> =
            options.index.iter().map(|value| beneath("index", value)).collect();
        let page = |option, value: &Option<String>| {
            value.as_ref().map(|value| beneath(option, value).map(Page::new)).transpose()
        };
        Ok(Self {
            index: index?,
            spa: page("spa", &options.spa)?,
            not_found: page("notFound", &options.not_found)?,
            fields,
            offer: Offer {
                siblings: options.siblings,
                wanted: CodingSet::all(),
                compress: options.compress,
            },
            clean_urls: options.clean_urls,
            slash_redirect: options.slash_redirect,
            dotfiles: options.dotfiles,
            listing: options.listing,
            cors: options.cors.clone(),
            without_openat2: options.without_openat2,
            place,
        })
    }

    /// Finds what a request is for. `request_path` is its whole path, which a redirect starts
    /// from, `rest` the part that is a path in this folder. Both are percent-encoded. A
    /// `navigation` is a request that a browser makes for a page, and `wanted` are the codings that
    /// the client takes.
    pub(crate) fn look_up(
        &self,
        request_path: &[u8],
        rest: &[u8],
        navigation: bool,
        wanted: CodingSet,
        mode: Mode,
    ) -> Lookup {
        self.look_up_at(request_path, rest, navigation, wanted, mode, Instant::now())
    }

    fn look_up_at(
        &self,
        request_path: &[u8],
        rest: &[u8],
        navigation: bool,
        wanted: CodingSet,
        mode: Mode,
        now: Instant,
    ) -> Lookup {
        let root = match &self.place {
            Place::Folder(root) => root,
            Place::File(path) => return self.look_up_file(path, wanted, mode),
        };
        let found = root.base(mode, now).and_then(|base| {
            let search = Search { folder: self, base: &base, request_path, wanted, mode };
            match search.find(rest) {
                Err(Missed::Nothing) => search.nothing(navigation, now),
                found => found,
            }
        });
        found.unwrap_or_else(answer)
    }

    fn look_up_file(&self, path: &Path, wanted: CodingSet, mode: Mode) -> Lookup {
        let path = path.as_os_str().as_bytes();
        let found = self
            .open_file(&Base::Anywhere, path, mode)
            .and_then(|opened| self.resource(opened, &Base::Anywhere, path, wanted, mode));
        found.map_or_else(answer, |resource| Lookup::Found(Arc::new(resource)))
    }

    /// The value of Access-Control-Allow-Origin.
    pub(crate) fn cors(&self) -> Option<&str> {
        self.cors.as_deref()
    }

    /// Opens the file at the absolute `path`, which a handler named, as it is: with its
    /// Content-Type, without siblings and without other fields.
    ///
    /// # Errors
    /// Why it cannot be read; `WouldBlock` with [`Mode::Cached`] only.
    pub(crate) fn open_alone(path: &[u8], mode: Mode) -> io::Result<Resource> {
        let how = Open { cached: mode == Mode::Cached, ..Open::default() };
        let opened = Base::Anywhere.open(path, how)?;
        if opened.stat.kind != FileKind::File {
            return Err(io::Error::other("it is not a regular file"));
        }
        let fields = FileLines::of_type(path);
        let offer = Offer { siblings: false, wanted: CodingSet::default(), compress: false };
        Resource::new(opened, &Base::Anywhere, path, fields, offer, how).map_err(|missed| {
            match missed {
                Missed::Nothing => io::ErrorKind::NotFound.into(),
                Missed::WouldBlock => io::ErrorKind::WouldBlock.into(),
                Missed::Failed(error) => error,
            }
        })
    }

    fn how(&self, mode: Mode) -> Open {
        Open { cached: mode == Mode::Cached, directory: false, walk: self.without_openat2 }
    }

    fn open_file(&self, base: &Base, path: &[u8], mode: Mode) -> Result<Opened, Missed> {
        base.open_file(path, self.how(mode))
    }

    fn resource(
        &self,
        opened: Opened,
        base: &Base,
        path: &[u8],
        wanted: CodingSet,
        mode: Mode,
    ) -> Result<Resource, Missed> {
        let fields = self.fields.of(path);
        let offer = Offer { wanted, ..self.offer };
        Resource::new(opened, base, path, fields, offer, self.how(mode))
    }
}

/// What an error is to whoever asked for a path.
fn answer(missed: Missed) -> Lookup {
    match missed {
        Missed::Nothing => Lookup::NotFound(None),
        Missed::WouldBlock => Lookup::WouldBlock,
        Missed::Failed(error) => Lookup::Failed(error),
    }
}

/// A path that a user gave must lead to a regular file.
fn must_be_file(opened: io::Result<Opened>) -> Result<(), FolderProblem> {
    match opened.map_err(FolderProblem::of)?.stat.kind {
        FileKind::File => Ok(()),
        _ => Err(FolderProblem::NotAFile),
    }
}

/// Whether an option's value is a relative path without `..`.
fn is_beneath(path: &[u8]) -> bool {
    !path.contains(&0)
        && path.split(|&byte| byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

/// One look-up in a folder.
struct Search<'a> {
    folder: &'a Folder,
    base: &'a Base,
    /// Where a redirect starts from.
    request_path: &'a [u8],
    /// The codings that the client takes.
    wanted: CodingSet,
    mode: Mode,
}

impl Search<'_> {
    fn find(&self, rest: &[u8]) -> Result<Lookup, Missed> {
        let path = FilePath::parse(rest, self.folder.dotfiles).ok_or(Missed::Nothing)?;
        if path.as_bytes().is_empty() && !self.request_path.ends_with(b"/") {
            // The route itself, `/docs` for a folder at `/docs/*`.
            return self.folder_without_slash(b"");
        }
        if path.is_folder() { self.folder_with_slash(&path) } else { self.file(&path) }
    }

    /// `/a/b`: a file, or a folder that is asked for without `/`.
    fn file(&self, path: &FilePath) -> Result<Lookup, Missed> {
        let bytes = path.as_bytes();
        let clean = self.folder.clean_urls;
        match self.open(bytes) {
            Ok(opened) if opened.stat.kind == FileKind::File => {
                if clean && let Some(redirect) = self.clean_redirect(path)? {
                    return Ok(redirect);
                }
                self.found(opened, bytes)
            }
            Ok(opened) if opened.stat.kind == FileKind::Directory => {
                // `about.html` goes before a folder `about`, which is `/about/`.
                match self.html_of(bytes) {
                    Err(Missed::Nothing) => self.folder_without_slash(bytes),
                    page => page,
                }
            }
            Err(Missed::Nothing) => self.html_of(bytes),
            Ok(_) => Err(Missed::Nothing),
            Err(missed) => Err(missed),
        }
    }

    /// With clean URLs, `path.html`.
    fn html_of(&self, path: &[u8]) -> Result<Lookup, Missed> {
        if !self.folder.clean_urls || path.is_empty() {
            return Err(Missed::Nothing);
        }
        let path = [path, HTML].concat();
        let opened = self.open_file(&path)?;
        self.found(opened, &path)
    }

    /// With clean URLs, where the file at `path` is asked for by its clean path. None where that
    /// leads to another file.
    fn clean_redirect(&self, path: &FilePath) -> Result<Option<Lookup>, Missed> {
        if let Some((index, _)) = self.index_of(path.parent())?
            && index == path.as_bytes()
        {
            return Ok(Some(self.redirect(b"")));
        }
        let Some(stem) = path.name().strip_suffix(HTML).filter(|stem| !stem.is_empty()) else {
            return Ok(None);
        };
        match self.open_file(&path.as_bytes()[..path.as_bytes().len() - HTML.len()]) {
            Ok(_) => Ok(None),
            Err(Missed::Nothing) => Ok(Some(self.redirect(stem))),
            Err(missed) => Err(missed),
        }
    }

    /// `/a/`, and `/` itself.
    fn folder_with_slash(&self, path: &FilePath) -> Result<Lookup, Missed> {
        let bytes = path.as_bytes();
        let inside = if bytes.is_empty() { Vec::new() } else { [bytes, b"/"].concat() };
        if let Some((index, opened)) = self.index_of(&inside)? {
            return self.found(opened, &index);
        }
        if self.folder.slash_redirect && self.folder.clean_urls && !bytes.is_empty() {
            match self.open_file(&[bytes, HTML].concat()) {
                Ok(_) => {
                    let path = self.request_path;
                    return Ok(Lookup::Redirect(location(&path[..path.len() - 1], b"")));
                }
                Err(Missed::Nothing) => {}
                Err(missed) => return Err(missed),
            }
        }
        self.list(bytes)
    }

    /// `/a`, where `a` is a folder.
    fn folder_without_slash(&self, path: &[u8]) -> Result<Lookup, Missed> {
        let inside = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let index = self.index_of(&inside)?;
        if self.folder.slash_redirect {
            if index.is_none() && !self.folder.listing {
                return Err(Missed::Nothing);
            }
            return Ok(Lookup::Redirect(location(&[self.request_path, b"/"].concat(), b"")));
        }
        match index {
            Some((index, opened)) => self.found(opened, &index),
            None => self.list(path),
        }
    }

    /// The first index that is there, of the folder `inside`, which ends with `/` or is empty.
    fn index_of(&self, inside: &[u8]) -> Result<Option<(Vec<u8>, Opened)>, Missed> {
        for name in &self.folder.index {
            let path = [inside, name].concat();
            match self.open_file(&path) {
                Ok(opened) => return Ok(Some((path, opened))),
                Err(Missed::Nothing) => {}
                Err(missed) => return Err(missed),
            }
        }
        Ok(None)
    }

    fn list(&self, path: &[u8]) -> Result<Lookup, Missed> {
        if !self.folder.listing {
            return Err(Missed::Nothing);
        }
        // Reading a folder may always wait.
        if self.mode == Mode::Cached {
            return Err(Missed::WouldBlock);
        }
        let (place, inside, levels) = match path {
            b"" => (&b"."[..], Vec::new(), 0),
            _ => (path, [path, b"/"].concat(), path.split(|&byte| byte == b'/').count()),
        };
        let how = Open { directory: true, ..self.folder.how(self.mode) };
        let folder = self.base.open(place, how)?.file;
        let dotfiles = self.folder.dotfiles;
        let page = listing::page(folder, self.request_path, levels, dotfiles, |name| {
            self.open(&[&inside, name].concat())
        })?;
        Ok(Lookup::Listing(page))
    }

    /// Nothing is there.
    fn nothing(&self, navigation: bool, now: Instant) -> Result<Lookup, Missed> {
        if navigation && let Some(page) = self.page(self.folder.spa.as_ref(), now)? {
            return Ok(Lookup::Found(page));
        }
        Ok(Lookup::NotFound(self.page(self.folder.not_found.as_ref(), now)?))
    }

    fn page(&self, page: Option<&Page>, now: Instant) -> Result<Option<Arc<Resource>>, Missed> {
        let Some(page) = page else { return Ok(None) };
        page.get(now, |path| {
            let all = self.folder.offer.wanted;
            self.folder.resource(self.open_file(path)?, self.base, path, all, self.mode)
        })
    }

    /// To `name` in the folder that the request's path is in.
    fn redirect(&self, name: &[u8]) -> Lookup {
        let path = self.request_path;
        let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        Lookup::Redirect(location(&path[..end], name))
    }

    fn found(&self, opened: Opened, path: &[u8]) -> Result<Lookup, Missed> {
        let resource = self.folder.resource(opened, self.base, path, self.wanted, self.mode)?;
        Ok(Lookup::Found(Arc::new(resource)))
    }

    fn open(&self, path: &[u8]) -> Result<Opened, Missed> {
        Ok(self.base.open(path, self.folder.how(self.mode))?)
    }

    fn open_file(&self, path: &[u8]) -> Result<Opened, Missed> {
        self.folder.open_file(self.base, path, self.mode)
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
