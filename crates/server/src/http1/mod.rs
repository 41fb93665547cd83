//! HTTP/1 on one connection: it reads requests one after the other, and writes their answers in
//! the same order (RFC 9112 §9.3.2).
//!
//! At most 64 requests are open at once. An answer that comes before its turn waits in the ring,
//! whose bytes count together with the unsent output. `reading` and `writing` are the two halves
//! of the state; each has all of its transitions in one place.

pub(crate) mod answers;
pub(crate) mod framing;
pub(crate) mod head;
mod interim;
pub(crate) mod machine;
pub(crate) mod reading;
pub(crate) mod requests;
pub(crate) mod shared;
pub(crate) mod streaming;
pub(crate) mod uploads;
pub(crate) mod verbs;
pub(crate) mod writing;
