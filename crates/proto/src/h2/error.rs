use std::error::Error;
use std::fmt;

/// Why a stream or a connection ends (RFC 9113 §7). Unknown codes are allowed, and mean no
/// more than `INTERNAL_ERROR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// The end is no error.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer broke the protocol in a way that no other code tells.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The sender of the code failed.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// The peer sent more than its window allowed, or made a window too large.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// Settings were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame came for a stream that is half-closed or closed.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame has a length that its type does not allow, or that is over the limit.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was refused before anything was done for it. It can be tried again.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer needed.
    pub const CANCEL: Self = Self(0x8);
    /// A field block could not be decoded, so the compression state is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The connection that a CONNECT request asked for was reset.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer may be causing excessive load.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The transport is less secure than HTTP/2 requires.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// HTTP/1.1 has to be used instead.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// The name in RFC 9113; `UNKNOWN` for a code that it does not define.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::CONNECT_ERROR => "CONNECT_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => "UNKNOWN",
        }
    }
}

/// A fault of the peer that ends the connection: a GOAWAY with `code` and `why` as its debug
/// data is due (RFC 9113 §5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// The code for GOAWAY.
    pub code: ErrorCode,
    /// What the peer did, in a few words.
    pub why: &'static str,
}

impl ConnectionError {
    pub(crate) const fn protocol(why: &'static str) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, why }
    }

    pub(crate) const fn frame_size(why: &'static str) -> Self {
        Self { code: ErrorCode::FRAME_SIZE_ERROR, why }
    }

    pub(crate) const fn calm(why: &'static str) -> Self {
        Self { code: ErrorCode::ENHANCE_YOUR_CALM, why }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl Error for ConnectionError {}
