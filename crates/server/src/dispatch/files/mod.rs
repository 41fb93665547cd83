//! Static files: from the path of a request to an open file. Knows no loop and no protocol.

pub(crate) mod answer;
mod fields;
pub(crate) mod folder;
mod glob;
mod hashed_name;
mod listing;
pub(crate) mod lookup;
pub(crate) mod mime;
pub(crate) mod mode;
pub(crate) mod multipart;
pub(crate) mod named;
pub(crate) mod options;
pub(crate) mod packed;
mod page;
mod path;
pub(crate) mod resource;
mod root;
pub(crate) mod site;
