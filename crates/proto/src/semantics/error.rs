//! Why requests are refused.
//!
//! One list serves every version, so that an answer, a log and a dispatcher know one
//! type. Each version adds the faults of its own syntax.

use std::error::Error;
use std::fmt;

/// Why a request was refused: one variant per fault.
///
/// The connection has to close after any of them: where the next request begins is unknown
/// or cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestError {
    /// More blank lines before the request line than the decoder skips.
    TooManyBlankLines,
    /// A line that ends in LF alone.
    BareLf,
    /// A CR that no LF follows.
    BareCr,
    /// The method is empty or holds a byte that is not allowed in a token.
    MethodInvalid,
    /// The method alone is longer than a request line may be.
    MethodTooLong,
    /// The request line is not three parts with one space between them.
    RequestLineInvalid,
    /// The request line is longer than the limit.
    RequestLineTooLong,
    /// The target holds a space, control, non-ASCII byte or `#`, or its path a `\\`.
    TargetInvalid,
    /// The target has a form that this method does not allow.
    TargetFormInvalid,
    /// The authority in the target is not a host with an optional port.
    TargetAuthorityInvalid,
    /// The target is an `https` URL, and the connection is not secured.
    TargetSchemeInsecure,
    /// An extended CONNECT of HTTP/2 for another protocol than WebSocket.
    ProtocolUnsupported,
    /// The version is not `HTTP/` digit `.` digit.
    VersionInvalid,
    /// The major version is not 1.
    VersionUnsupported,
    /// The first field line starts with whitespace.
    LeadingWhitespace,
    /// A field line continues the one above (obs-fold).
    FieldFolded,
    /// A field line without a colon.
    FieldColonMissing,
    /// A field line whose name is empty.
    FieldNameEmpty,
    /// A field name that is not a token.
    FieldNameInvalid,
    /// Whitespace between a field name and its colon.
    FieldNameWhitespace,
    /// A control byte in a field value.
    FieldValueInvalid,
    /// The head is longer than the limit.
    HeadTooLarge,
    /// More field lines than the limit.
    TooManyFields,
    /// HTTP/1.1 without a Host field.
    HostMissing,
    /// More than one Host field.
    HostRepeated,
    /// The Host field is empty, and the target names no host either.
    HostEmpty,
    /// The Host field is not the host of a URL with an optional port.
    HostInvalid,
    /// Content-Length is not one decimal number, or does not fit 64 bits.
    ContentLengthInvalid,
    /// More than one Content-Length field.
    ContentLengthRepeated,
    /// Content-Length together with Transfer-Encoding.
    LengthWithEncoding,
    /// Transfer-Encoding in HTTP/1.0.
    EncodingInHttp10,
    /// Transfer-Encoding is not a list of coding names.
    EncodingInvalid,
    /// `chunked` more than once.
    ChunkedRepeated,
    /// Transfer-Encoding whose last coding is not `chunked`.
    ChunkedNotLast,
    /// A transfer coding other than `chunked`.
    EncodingUnsupported,
    /// An expectation other than `100-continue`.
    ExpectationUnknown,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// A chunk size that is not plain hexadecimal digits.
    ChunkSizeInvalid,
    /// A chunk size of 2^63 or more, or one with more leading zeros than the limit.
    ChunkSizeTooLarge,
    /// A chunk extension that breaks the grammar.
    ChunkExtensionInvalid,
    /// More chunk extension bytes than the limit.
    ChunkExtensionsTooLarge,
    /// A chunk line that does not end in CRLF.
    ChunkLineEnd,
    /// Chunk data that CRLF does not follow.
    ChunkDataEnd,
    /// A malformed line in the trailer section.
    TrailerInvalid,
    /// A trailer section longer than the limit, or with too many fields.
    TrailersTooLarge,
}

impl RequestError {
    /// The status code to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BodyTooLarge => 413,
            Self::RequestLineTooLong => 414,
            Self::ExpectationUnknown => 417,
            Self::TargetSchemeInsecure => 421,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::MethodTooLong | Self::EncodingUnsupported | Self::ProtocolUnsupported => 501,
            Self::VersionUnsupported => 505,
            _ => 400,
        }
    }

    /// One clear sentence, with the section that the request breaks.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::TooManyBlankLines => {
                "Too many blank lines come before the request line (RFC 9112 section 2.2)."
            }
            Self::BareLf => "A line ends in LF without CR (RFC 9112 section 2.2).",
            Self::BareCr => "A CR is not followed by LF (RFC 9112 section 2.2).",
            Self::MethodInvalid => "The method is not a token (RFC 9110 section 9.1).",
            Self::MethodTooLong => {
                "The method is longer than any this server knows (RFC 9112 section 3)."
            }
            Self::RequestLineInvalid => {
                "The request line is not a method, a target and a version \
                 with one space between them (RFC 9112 section 3)."
            }
            Self::RequestLineTooLong => {
                "The request line is longer than this server accepts (RFC 9112 section 3)."
            }
            Self::TargetInvalid => {
                "The request target holds a byte that must be percent-encoded \
                 (RFC 9112 section 3.2)."
            }
            Self::TargetFormInvalid => {
                "The request target does not have a form that this method allows \
                 (RFC 9112 section 3.2)."
            }
            Self::TargetAuthorityInvalid => {
                "The request target's authority is not the host of a URL with an optional port \
                 (RFC 9112 section 3.2)."
            }
            Self::TargetSchemeInsecure => {
                "The request target is an https URL on a connection that is not secured \
                 (RFC 9110 section 7.4)."
            }
            Self::ProtocolUnsupported => {
                "The :protocol is not websocket, the only one served here (RFC 8441 section 4)."
            }
            Self::VersionInvalid => {
                "The version is not HTTP/ and two digits with a dot between them \
                 (RFC 9112 section 2.3)."
            }
            Self::VersionUnsupported => {
                "Only major version 1 of HTTP is served here (RFC 9110 section 15.6.6)."
            }
            Self::LeadingWhitespace => {
                "Whitespace comes before the first field line (RFC 9112 section 2.2)."
            }
            Self::FieldFolded => "A field line is folded over two lines (RFC 9112 section 5.2).",
            Self::FieldColonMissing => "A field line has no colon (RFC 9112 section 5).",
            Self::FieldNameEmpty => "A field line has an empty name (RFC 9112 section 5).",
            Self::FieldNameInvalid => "A field name is not a token (RFC 9110 section 5.1).",
            Self::FieldNameWhitespace => {
                "Whitespace comes before the colon of a field line (RFC 9112 section 5.1)."
            }
            Self::FieldValueInvalid => "A field value holds a control byte (RFC 9110 section 5.5).",
            Self::HeadTooLarge => {
                "The request head is larger than this server accepts (RFC 6585 section 5)."
            }
            Self::TooManyFields => {
                "The request has more fields than this server accepts (RFC 6585 section 5)."
            }
            Self::HostMissing => "The Host field is missing (RFC 9112 section 3.2).",
            Self::HostRepeated => "There is more than one Host field (RFC 9112 section 3.2).",
            Self::HostEmpty => "The Host field is empty (RFC 9110 section 7.2).",
            Self::HostInvalid => {
                "The Host field is not the host of a URL with an optional port (RFC 9110 section 7.2)."
            }
            Self::ContentLengthInvalid => {
                "Content-Length is not a decimal number (RFC 9112 section 6.3)."
            }
            Self::ContentLengthRepeated => {
                "There is more than one Content-Length (RFC 9112 section 6.3)."
            }
            Self::LengthWithEncoding => {
                "Content-Length and Transfer-Encoding exclude each other (RFC 9112 section 6.3)."
            }
            Self::EncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1).",
            Self::EncodingInvalid => {
                "Transfer-Encoding is not a list of coding names (RFC 9112 section 6.1)."
            }
            Self::ChunkedRepeated => {
                "The chunked coding is applied more than once (RFC 9112 section 6.1)."
            }
            Self::ChunkedNotLast => {
                "The last transfer coding is not chunked (RFC 9112 section 6.3)."
            }
            Self::EncodingUnsupported => {
                "Only the chunked transfer coding is supported (RFC 9112 section 6.1)."
            }
            Self::ExpectationUnknown => {
                "Only the 100-continue expectation can be met (RFC 9110 section 10.1.1)."
            }
            Self::BodyTooLarge => {
                "The request body is larger than this server accepts (RFC 9110 section 15.5.14)."
            }
            Self::ChunkSizeInvalid => {
                "A chunk size is not a hexadecimal number (RFC 9112 section 7.1)."
            }
            Self::ChunkSizeTooLarge => {
                "A chunk size is too large to be true (RFC 9112 section 7.1)."
            }
            Self::ChunkExtensionInvalid => {
                "A chunk extension is malformed (RFC 9112 section 7.1.1)."
            }
            Self::ChunkExtensionsTooLarge => {
                "The chunk extensions are longer than this server accepts \
                 (RFC 9112 section 7.1.1)."
            }
            Self::ChunkLineEnd => "A chunk line does not end in CRLF (RFC 9112 section 7.1).",
            Self::ChunkDataEnd => "Chunk data is not followed by CRLF (RFC 9112 section 7.1).",
            Self::TrailerInvalid => "A trailer field is malformed (RFC 9112 section 7.1.2).",
            Self::TrailersTooLarge => {
                "The trailer section is larger than this server accepts (RFC 6585 section 5)."
            }
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for RequestError {}
