//! Method and path to route: [`Routes::find`].
//!
//! A pattern is `/` and segments. A segment is literal text, `:name` for any one
//! segment that is not empty, or, as the last one, `*` for the rest of the path,
//! which may be empty. Where several patterns match a path, the earliest segment
//! in which they differ decides: literal text over `:name` over `*`. Only then
//! is the method looked at, so a path always belongs to one pattern, whose
//! methods are all that it allows.
//!
//! Literal text is compared byte for byte with what a URL parser would write,
//! so a route matches just what a program sees in its request's URL: `/%61` is
//! not `/a`. A pattern may be written as a person writes it: `/café` and `/a b`
//! stand for `/caf%C3%A9` and `/a%20b`. `%2F` is a byte of a segment and never a
//! border (RFC 3986 §2.2). Parameters are decoded. A trailing slash makes a
//! different path. Look paths up by their [`normal_path`].

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
