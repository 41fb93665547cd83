//! HTTP/1 on one connection: requests are read one behind the other, and their answers are
//! written in the same order (RFC 9112 §9.3.2).

pub(crate) mod answers;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod machine;
pub(crate) mod reading;
pub(crate) mod requests;
pub(crate) mod shared;
pub(crate) mod streaming;
pub(crate) mod verbs;
pub(crate) mod writing;
