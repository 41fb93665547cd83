//! What a look-up of a path in a folder finds.

use std::io;
use std::sync::Arc;

use crate::dispatch::files::resource::Resource;

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// A file.
    Found(Arc<Resource>),
    /// Nothing that may be served, and the page that says so, if the folder has one.
    NotFound(Option<Arc<Resource>>),
    /// To be asked for by another path. It is percent-encoded and begins with one `/`; the caller
    /// adds the query.
    Redirect(Vec<u8>),
    /// A folder, as a page of its entries.
    Listing(Vec<u8>),
    /// The kernel would have to wait: to be repeated with [`Mode::Blocking`](crate::dispatch::files::mode::Mode::Blocking), which never gives
    /// this answer.
    WouldBlock,
    /// The file system fails. The answer is 500.
    Failed(io::Error),
}
