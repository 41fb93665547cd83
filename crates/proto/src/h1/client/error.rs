//! What can be wrong with a response.

use std::fmt;

use crate::semantics::RequestError;

/// Why a response was refused. Where the next one would begin is then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseError {
    /// The first line is not `HTTP/1.x`, a status of three digits and a reason.
    StatusLine,
    /// A line that ends in LF alone.
    BareLf,
    /// A field line that is not a name, a colon and a value.
    Field,
    /// The head is longer than [`MAX_HEAD`](super::MAX_HEAD).
    HeadTooLarge,
    /// Content-Length is not one decimal number of at most 64 bits.
    ContentLength,
    /// Transfer-Encoding in HTTP/1.0, beside Content-Length, or no list of codings.
    TransferEncoding,
    /// 101: the bytes after it are not HTTP/1.
    SwitchedProtocols,
    /// The chunked coding is broken.
    Chunked(RequestError),
    /// The connection ended inside a response.
    Truncated,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatusLine => "the first line is no HTTP/1 status line (RFC 9112 section 4)",
            Self::BareLf => "a line ends in LF without CR (RFC 9112 section 2.2)",
            Self::Field => "a field line is malformed (RFC 9112 section 5)",
            Self::HeadTooLarge => "the head is longer than 64 KiB",
            Self::ContentLength => "Content-Length is not one number (RFC 9112 section 6.3)",
            Self::TransferEncoding => "Transfer-Encoding is not valid here (RFC 9112 section 6.1)",
            Self::SwitchedProtocols => {
                "the server switched protocols, which the request did not ask for"
            }
            Self::Chunked(error) => error.message(),
            Self::Truncated => "the connection was closed before the response ended",
        })
    }
}

impl std::error::Error for ResponseError {}
