//! Method and path to route: [`Routes::find`].
//!
//! A pattern is `/` and segments. A segment is literal text, or `:name` for any one segment
//! that is not empty. The last segment may be `*`, for the rest of the path, which may be
//! empty. Where several patterns match a path, the earliest segment in which they differ
//! decides: literal text over `:name` over `*`. The method counts only after that. So a path
//! always belongs to one pattern, whose methods are all that it allows.
//!
//! Literal text is compared byte for byte with the path as a URL parser writes it. So a
//! route matches exactly what a program sees in its request's URL: `/%61` is not `/a`. A
//! pattern may be written in plain text: `/café` and `/a b` stand for `/caf%C3%A9` and
//! `/a%20b`. `%2F` is a byte of a segment and never separates segments (RFC 3986 §2.2).
//! Parameters are decoded. A trailing slash makes a different path. Look paths up by their
//! [`normal_path`].

#![forbid(unsafe_code)]

mod endpoint;
mod error;
mod normal;
mod params;
mod pattern;
mod percent;
mod routes;
mod tree;

pub use error::RouteError;
pub use normal::normal_path;
pub use params::Params;
pub use routes::{Found, Routes};
