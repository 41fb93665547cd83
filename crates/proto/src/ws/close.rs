//! Close frames' payloads (RFC 6455 §5.5.1).

use simdutf8::basic::from_utf8;

use super::ReceiveError;
use super::code::can_send;

/// What a close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'b> {
    /// The code, if there is one. [`code::NONE`](super::code::NONE) is how programs see its absence.
    pub code: Option<u16>,
    /// The reason; empty in most.
    pub reason: &'b str,
}

impl<'b> Close<'b> {
    /// Reads the unmasked payload of a close frame.
    pub(crate) fn read(payload: &'b [u8]) -> Result<Self, ReceiveError> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload.len() {
                0 => Ok(Self { code: None, reason: "" }),
                _ => Err(ReceiveError::CloseLength),
            };
        };
        let code = u16::from_be_bytes(*code);
        if !can_send(code) {
            return Err(ReceiveError::CloseCode);
        }
        let reason = from_utf8(reason).map_err(|_| ReceiveError::CloseReason)?;
        Ok(Self { code: Some(code), reason })
    }
}
