//! What a connection begins with: HTTP/1, or a protocol that its first bytes give away.

/// What the first bytes of a connection begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// HTTP/1, or anything else that is none of the others: its decoder judges.
    Http1,
    /// The preface of HTTP/2 (RFC 9113 §3.4), of which the first line is enough.
    Http2,
    /// A TLS handshake (RFC 8446 §5.1).
    Tls,
    /// The header of a PROXY protocol, version 1 or 2.
    Proxy,
    /// The bytes may become more than one of these: ask again when there are more.
    Incomplete,
}

/// The type of a TLS record that holds a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;

/// As much of each opening as rules out a request of HTTP/1, and no more. A client that
/// has sent this much may wait for an answer already.
const SIGNATURES: [(&[u8], Opening); 5] = [
    // No request has this version, and HTTP/1 judges a request line at its end.
    (b"PRI * HTTP/2.0\r\n", Opening::Http2),
    // No method begins with a control byte. The bytes behind it are not looked at:
    // a receiver ignores the version of a record, and the rest is the handshake's.
    (&[TLS_HANDSHAKE], Opening::Tls),
    // `PROXY` may be a method, but no target begins as the protocol's families do.
    (b"PROXY TCP", Opening::Proxy),
    (b"PROXY UNKNOWN", Opening::Proxy),
    // Version 2 begins as two blank lines do, which HTTP/1 skips before a request.
    (b"\r\n\r\n\0", Opening::Proxy),
];

/// Tells what `bytes`, all that a connection has brought so far, begin.
///
/// A verdict other than [`Opening::Incomplete`] stays the same whatever follows, so it
/// does not depend on how the bytes were cut. [`Opening::Incomplete`] is said only of
/// bytes to which the HTTP/1 decoder has no answer yet either: no client that it would
/// answer waits for longer.
#[inline]
#[must_use]
pub fn opening(bytes: &[u8]) -> Opening {
    match bytes {
        [] => Opening::Incomplete,
        // GET, HEAD, DELETE, OPTIONS.
        [b'A'..=b'O', ..] => Opening::Http1,
        [b'P' | b'\r' | TLS_HANDSHAKE, ..] => compare(bytes),
        _ => Opening::Http1,
    }
}

/// A `POST` differs from every signature at its second byte, a `PROPFIND` at its fourth.
fn compare(bytes: &[u8]) -> Opening {
    let mut is_beginning = false;
    for (signature, opening) in SIGNATURES {
        if bytes.starts_with(signature) {
            return opening;
        }
        is_beginning |= signature.starts_with(bytes);
    }
    if is_beginning { Opening::Incomplete } else { Opening::Http1 }
}

#[cfg(test)]
mod tests;
