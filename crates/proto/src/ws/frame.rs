//! Frames as bytes (RFC 6455 §5.2).

use super::{Kind, mask};

pub(crate) const FIN: u8 = 0x80;
/// Marks a compressed message, in its first frame (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const MASKED: u8 = 0x80;

/// Bytes that a control frame's payload may have.
pub(crate) const MOST_CONTROL: usize = 125;

/// A kind of frame: opcode and flags. Lengths, masks and payloads are arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame(u8);

impl Frame {
    /// A whole text message.
    pub const TEXT: Self = Self(FIN | 1);
    /// A whole binary message.
    pub const BINARY: Self = Self(FIN | 2);
    /// The last frame of a message that earlier ones began.
    pub const CONTINUATION: Self = Self(FIN);
    /// A close frame. [`close`] writes one with a code.
    pub const CLOSE: Self = Self(FIN | 8);
    /// A ping; its payload has 125 bytes at most.
    pub const PING: Self = Self(FIN | 9);
    /// A pong; its payload has 125 bytes at most.
    pub const PONG: Self = Self(FIN | 10);

    /// A whole message.
    #[must_use]
    pub const fn message(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::TEXT,
            Kind::Binary => Self::BINARY,
        }
    }

    /// The same, of a compressed message. Only a message's first frame says so.
    #[must_use]
    pub const fn compressed(self) -> Self {
        Self(self.0 | RSV1)
    }

    /// The same, with more frames of the message to come.
    #[must_use]
    pub const fn unfinished(self) -> Self {
        Self(self.0 & !FIN)
    }

    /// The bytes before a payload of `len` bytes, as a server sends them.
    #[inline]
    #[must_use]
    pub fn header(self, len: usize) -> Header {
        let mut bytes = [0; Header::LONGEST];
        bytes[0] = self.0;
        let used = match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ ..=125), _) => {
                bytes[1] = len;
                2
            }
            (_, Ok(len)) => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&len.to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        Header { bytes, len: used }
    }

    /// The bytes before a payload of `len` bytes, as a client sends them. The payload still
    /// has to be masked, with [`mask`].
    #[must_use]
    pub fn masked_header(self, len: usize, key: [u8; 4]) -> Header {
        let mut header = self.header(len);
        header.bytes[1] |= MASKED;
        let at = usize::from(header.len);
        header.bytes[at..at + 4].copy_from_slice(&key);
        header.len += 4;
        header
    }

    /// Appends a frame as a server sends it.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>, payload: &[u8]) {
        out.reserve(Header::LONGEST + payload.len());
        out.extend_from_slice(self.header(payload.len()).as_bytes());
        out.extend_from_slice(payload);
    }

    /// Appends a frame as a client sends it. `key` has to be unpredictable for whoever chose
    /// the payload (RFC 6455 §10.3), where proxies may be on the way.
    pub fn write_masked(self, out: &mut Vec<u8>, key: [u8; 4], payload: &[u8]) {
        out.reserve(Header::LONGEST + payload.len());
        out.extend_from_slice(self.masked_header(payload.len(), key).as_bytes());
        let at = out.len();
        out.extend_from_slice(payload);
        mask(key, &mut out[at..]);
    }
}

/// The bytes of a frame before its payload.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; Self::LONGEST],
    len: u8,
}

impl Header {
    /// Bytes of the longest header.
    pub const LONGEST: usize = 14;

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Appends a close frame as a server sends it. A reason of more than 123 bytes is cut at the
/// end of a character. With `None` the frame has no payload, and no reason either.
///
/// Whether a peer accepts `code` is what [`code::can_send`](super::code::can_send) says.
pub fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let (payload, len) = close_payload(code, reason);
    Frame::CLOSE.write(out, &payload[..len]);
}

/// Appends a close frame as a client sends it; otherwise like [`close`].
pub fn close_masked(out: &mut Vec<u8>, key: [u8; 4], code: Option<u16>, reason: &str) {
    let (payload, len) = close_payload(code, reason);
    Frame::CLOSE.write_masked(out, key, &payload[..len]);
}

fn close_payload(code: Option<u16>, reason: &str) -> ([u8; MOST_CONTROL], usize) {
    let mut payload = [0; MOST_CONTROL];
    let Some(code) = code else {
        return (payload, 0);
    };
    let mut end = reason.len().min(MOST_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
    (payload, 2 + end)
}
