//! Static files: from the path of a request to an open file. Knows no loop and no protocol.

pub(crate) mod folder;
pub(crate) mod lookup;
pub(crate) mod mime;
pub(crate) mod options;
pub(crate) mod resource;
