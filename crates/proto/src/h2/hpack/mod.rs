//! HPACK (RFC 7541): how HTTP/2 compresses the fields of a head.
//!
//! Each side of a connection has a dynamic table that the blocks of the other side change. So
//! every block must be decoded, in order, even one whose request is refused.

mod decoder;
mod encoder;
mod error;
mod huffman;
mod indexing;
mod integer;
mod static_table;
mod table;

pub use decoder::HpackDecoder;
pub use encoder::{HpackEncoder, literal, status_literal};
pub use error::HpackError;
pub use indexing::Indexing;

#[cfg(test)]
mod vectors;
