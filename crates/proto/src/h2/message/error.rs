use std::error::Error;
use std::fmt;

use crate::semantics::RequestError;

/// Why a section of fields was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The message is malformed: RST_STREAM with PROTOCOL_ERROR (RFC 9113 §8.1.1).
    Malformed(MessageError),
    /// A server of any version answers this so, on the stream.
    Answer(RequestError),
    /// Far more than the limit: the connection ends with ENHANCE_YOUR_CALM.
    TooMuch,
}

/// Why a message is malformed: one variant per fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageError {
    /// A pseudo-field that no request has, or `:protocol` where it was not offered.
    PseudoUnknown,
    /// A pseudo-field that comes twice.
    PseudoRepeated,
    /// A pseudo-field after another field, or in a trailer section.
    PseudoLate,
    /// `:method`, `:scheme` or `:path` is missing, or `:authority` of CONNECT.
    PseudoMissing,
    /// CONNECT with `:scheme` or `:path`, or `:protocol` without CONNECT.
    PseudoUnexpected,
    /// `:method` is not a token.
    MethodInvalid,
    /// `:scheme` is not the scheme of a URL.
    SchemeInvalid,
    /// `:path` is empty.
    PathEmpty,
    /// A field name is not a token.
    NameInvalid,
    /// A field name has an upper-case letter.
    NameUpperCase,
    /// A value holds a control byte, or begins or ends with whitespace.
    ValueInvalid,
    /// A field that is about an HTTP/1 connection.
    ConnectionField,
    /// TE with anything but `trailers`.
    TeInvalid,
    /// Host and `:authority` differ.
    HostDiffers,
    /// Content-Length is not 0, and the stream has ended.
    LengthWithoutBody,
}

impl MessageError {
    /// One clear sentence, with the section that the message breaks.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::PseudoUnknown => "A pseudo-field is unknown (RFC 9113 section 8.3).",
            Self::PseudoRepeated => "A pseudo-field comes twice (RFC 9113 section 8.3).",
            Self::PseudoLate => {
                "A pseudo-field is not before all other fields (RFC 9113 section 8.3)."
            }
            Self::PseudoMissing => "A pseudo-field is missing (RFC 9113 section 8.3.1).",
            Self::PseudoUnexpected => {
                "This method does not have all these pseudo-fields (RFC 9113 section 8.5)."
            }
            Self::MethodInvalid => "The :method is not a token (RFC 9113 section 8.3.1).",
            Self::SchemeInvalid => "The :scheme is not a URL's (RFC 9113 section 8.3.1).",
            Self::PathEmpty => "The :path is empty (RFC 9113 section 8.3.1).",
            Self::NameInvalid => "A field name is not a token (RFC 9113 section 8.2.1).",
            Self::NameUpperCase => {
                "A field name has an upper-case letter (RFC 9113 section 8.2.1)."
            }
            Self::ValueInvalid => {
                "A field value holds a control byte or is surrounded by whitespace \
                 (RFC 9113 section 8.2.1)."
            }
            Self::ConnectionField => {
                "A field is about an HTTP/1 connection (RFC 9113 section 8.2.2)."
            }
            Self::TeInvalid => "TE is not \"trailers\" (RFC 9113 section 8.2.2).",
            Self::HostDiffers => "Host and :authority differ (RFC 9113 section 8.3.1).",
            Self::LengthWithoutBody => {
                "The request ends without the body of its Content-Length \
                 (RFC 9113 section 8.1.1)."
            }
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for MessageError {}

impl From<MessageError> for Refused {
    fn from(error: MessageError) -> Self {
        Self::Malformed(error)
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self::Answer(error)
    }
}
