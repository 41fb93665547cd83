//! Static files: from the path of a request to an open file. Knows no loop and no protocol.

mod fields;
mod glob;
mod hashed_name;
mod listing;
mod page;
mod path;
mod root;
pub(crate) mod answer;
pub(crate) mod folder;
pub(crate) mod lookup;
pub(crate) mod mime;
pub(crate) mod mode;
pub(crate) mod multipart;
pub(crate) mod named;
pub(crate) mod options;
pub(crate) mod packed;
pub(crate) mod resource;
pub(crate) mod site;
