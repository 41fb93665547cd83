//! What HTTP means whatever its version (RFC 9110): methods, statuses, fields, targets,
//! hosts, dates, content codings, conditions, ranges, and why a request is refused.
//!
//! Nothing here knows how a version puts these on the wire. The module of a version uses
//! this one, never the other way around.

pub(crate) mod authority;
pub(crate) mod class;
mod coding;
pub mod date;
mod entity_tag;
mod error;
pub(crate) mod field;
mod head;
mod limits;
mod method;
mod preconditions;
mod punycode;
mod ranges;
mod span;
mod status;
pub(crate) mod target;
mod version;
mod wishes;

pub use coding::{Coding, CodingSet, Codings};
pub use error::RequestError;
pub use field::{Field, FieldError};
pub use head::{Framing, Head};
pub use limits::Limits;
pub use method::Method;
pub use preconditions::{Validators, Verdict};
pub use ranges::{RangeList, Ranges};
pub use span::Span;
pub use status::{has_body, has_content, reason};
pub use version::Version;
pub use wishes::Wishes;

pub(crate) use field::{content_length, list};
