//! The opening handshake over HTTP/1.1 (RFC 6455 §4).

use std::error::Error;
use std::fmt;

use sha1::{Digest, Sha1};

use crate::semantics::{Framing, Head, Method, Version, class, list};

/// What every server appends to the key, to show that it knows the protocol.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that asks for a WebSocket as it should.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'b> {
    head: &'b Head,
    bytes: &'b [u8],
    key: &'b [u8],
}

/// Why a request is not given a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpgradeError {
    /// The method is not GET.
    Method,
    /// No HTTP/1.1 request to upgrade to `websocket`.
    NotUpgrade,
    /// The version is missing, repeated or not 13.
    Version,
    /// The key is missing, repeated or not 16 bytes in Base64.
    Key,
    /// The request has a body, which would be the beginning of the first frame.
    Body,
    /// The list of subprotocols is malformed, or names one twice.
    Protocols,
}

impl UpgradeError {
    /// The status code to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NotUpgrade | Self::Version => 426,
            Self::Key | Self::Body | Self::Protocols => 400,
        }
    }

    /// Fields that the answer has to have, names and values.
    #[must_use]
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            Self::NotUpgrade => &[("Upgrade", "websocket")],
            Self::Version => &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
            Self::Key | Self::Body | Self::Protocols => &[],
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket begins with GET",
            Self::NotUpgrade => "this takes only requests to upgrade to websocket",
            Self::Version => "Sec-WebSocket-Version has to be 13",
            Self::Key => "Sec-WebSocket-Key has to be 16 bytes in Base64",
            Self::Body => "a request for a WebSocket has no body",
            Self::Protocols => "Sec-WebSocket-Protocol has to be a list of different tokens",
        })
    }
}

impl Error for UpgradeError {}

impl<'b> Upgrade<'b> {
    /// Reads a request: its head, and the bytes that the head was parsed from.
    ///
    /// # Errors
    ///
    /// If it does not ask for a WebSocket as RFC 6455 §4.2.1 says.
    pub fn of(head: &'b Head, bytes: &'b [u8]) -> Result<Self, UpgradeError> {
        let values = |name| values(head, bytes, name);
        let asks = head.upgrade()
            && head.version() != Version::Http10
            && values("upgrade").flat_map(list).any(|each| each.eq_ignore_ascii_case(b"websocket"));
        if !asks {
            return Err(UpgradeError::NotUpgrade);
        }
        if head.method() != Method::Get {
            return Err(UpgradeError::Method);
        }
        if head.framing() != Framing::None {
            return Err(UpgradeError::Body);
        }
        if only(values("sec-websocket-version")) != Some(b"13") {
            return Err(UpgradeError::Version);
        }
        let key = only(values("sec-websocket-key")).filter(|key| is_key(key));
        let upgrade = Self { head, bytes, key: key.ok_or(UpgradeError::Key)? };
        upgrade.check_protocols()?;
        Ok(upgrade)
    }

    /// The value of the response's Sec-WebSocket-Accept.
    #[must_use]
    pub fn accept(&self) -> [u8; 28] {
        accept(self.key)
    }

    /// The subprotocols that the client speaks, the best first. The response names one of them
    /// in Sec-WebSocket-Protocol, or has no such field.
    pub fn protocols(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        values(self.head, self.bytes, "sec-websocket-protocol").flat_map(list)
    }

    /// The values of the Sec-WebSocket-Extensions fields, for
    /// [`negotiate`](super::negotiate).
    pub fn extensions(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        values(self.head, self.bytes, "sec-websocket-extensions")
    }

    /// The value of Origin. Browsers always send one, and no page can change it.
    #[must_use]
    pub fn origin(&self) -> Option<&'b [u8]> {
        self.head.get(self.bytes, "origin")
    }

    fn check_protocols(&self) -> Result<(), UpgradeError> {
        for (at, protocol) in self.protocols().enumerate() {
            let is_token = class::token_end(protocol, 0) == protocol.len();
            if !is_token || at == MOST_PROTOCOLS || self.protocols().take(at).any(|p| p == protocol)
            {
                return Err(UpgradeError::Protocols);
            }
        }
        Ok(())
    }
}

/// Subprotocols that one request may name. Each is compared with those before.
const MOST_PROTOCOLS: usize = 64;

/// The values of all fields called `name`, which is in lower case.
fn values<'b>(
    head: &'b Head,
    bytes: &'b [u8],
    name: &'static str,
) -> impl Iterator<Item = &'b [u8]> + use<'b> {
    head.fields()
        .iter()
        .filter(move |field| {
            field.name.len() == name.len()
                && field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes())
        })
        .map(|field| field.value.of(bytes))
}

fn only<'b>(mut values: impl Iterator<Item = &'b [u8]>) -> Option<&'b [u8]> {
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is the Base64 of 16 bytes: 22 digits and two signs of padding.
fn is_key(value: &[u8]) -> bool {
    value.len() == 24
        && value.ends_with(b"==")
        && value[..22]
            .iter()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/'))
}

/// What Sec-WebSocket-Accept says to a Sec-WebSocket-Key.
#[must_use]
pub fn accept(key: &[u8]) -> [u8; 28] {
    let digest: [u8; 20] = Sha1::new().chain_update(key).chain_update(GUID).finalize().into();
    base64(&digest)
}

/// What a client sends as Sec-WebSocket-Key, of 16 bytes that it has not used before.
#[must_use]
pub fn key(nonce: [u8; 16]) -> [u8; 24] {
    base64(&nonce)
}

/// Base64 with padding (RFC 4648 §4). `N` is four for each three bytes that have begun.
fn base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = [b'='; N];
    for (digits, three) in out.chunks_mut(4).zip(bytes.chunks(3)) {
        let mut word = [0; 4];
        word[1..=three.len()].copy_from_slice(three);
        let word = u32::from_be_bytes(word);
        for (at, digit) in digits.iter_mut().take(three.len() + 1).enumerate() {
            *digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
        }
    }
    out
}
