use std::error::Error;
use std::fmt;

use super::code;

/// Why what a peer sent ends its connection: one variant per fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiveError {
    /// A reserved bit that no extension has given a meaning, or where it has none.
    ReservedBit,
    /// A reserved opcode: 3 to 7, or 11 to 15.
    ReservedOpcode,
    /// A client's frame without a mask.
    MaskMissing,
    /// A server's frame with a mask.
    MaskUnexpected,
    /// A control frame that is not the last of its message.
    ControlFragmented,
    /// A control frame with more than 125 bytes.
    ControlTooLong,
    /// A continuation where no message has begun.
    ContinuationUnexpected,
    /// A new message before the one before has ended.
    ContinuationMissing,
    /// A length in more bytes than it needs.
    LengthNotMinimal,
    /// A length of 2^63 or more.
    LengthInvalid,
    /// A close frame with one byte of payload.
    CloseLength,
    /// A close code that no peer may send.
    CloseCode,
    /// A close reason that is not UTF-8.
    CloseReason,
    /// A text message that is not UTF-8.
    TextInvalid,
    /// A message longer than the limit, compressed or inflated.
    MessageTooLarge,
    /// More frames in a message than the limit.
    TooManyFragments,
    /// More empty frames in a message than the limit.
    TooManyEmptyFragments,
    /// More control frames inside a message than the limit.
    TooManyControls,
    /// A compressed message that does not inflate.
    DeflateInvalid,
    /// A message that inflates to more times its size than the limit.
    DeflateRatio,
}

impl ReceiveError {
    /// The code to close the connection with (RFC 6455 §7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::CloseReason | Self::TextInvalid | Self::DeflateInvalid => code::INVALID_DATA,
            Self::TooManyFragments | Self::TooManyEmptyFragments | Self::TooManyControls => {
                code::POLICY
            }
            Self::MessageTooLarge | Self::DeflateRatio => code::TOO_LARGE,
            _ => code::PROTOCOL_ERROR,
        }
    }

    /// What is wrong, as the reason of a close frame can say it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBit => "a reserved bit is set",
            Self::ReservedOpcode => "the opcode is reserved",
            Self::MaskMissing => "the frame is not masked",
            Self::MaskUnexpected => "the frame is masked",
            Self::ControlFragmented => "a control frame is fragmented",
            Self::ControlTooLong => "a control frame has more than 125 bytes",
            Self::ContinuationUnexpected => "a continuation without a message",
            Self::ContinuationMissing => "a message inside another",
            Self::LengthNotMinimal => "the length takes more bytes than it needs",
            Self::LengthInvalid => "the length is 2^63 or more",
            Self::CloseLength => "the payload of the close frame has one byte",
            Self::CloseCode => "the close code is not valid",
            Self::CloseReason => "the close reason is not UTF-8",
            Self::TextInvalid => "the text is not UTF-8",
            Self::MessageTooLarge => "the message is too large",
            Self::TooManyFragments => "the message has too many fragments",
            Self::TooManyEmptyFragments => "the message has too many empty fragments",
            Self::TooManyControls => "too many control frames inside a message",
            Self::DeflateInvalid => "the compressed message is not valid",
            Self::DeflateRatio => "the message is compressed too much",
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for ReceiveError {}
