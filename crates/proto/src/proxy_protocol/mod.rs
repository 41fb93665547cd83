//! The PROXY protocol, versions 1 and 2: a balancer says where a connection came from, in a header
//! before the connection's first byte (HAProxy's `proxy-protocol.txt`).
//!
//! Reading is strict. A header that is not exactly what the specification says is [`Malformed`],
//! and the connection is to be closed without a word.

mod crc;
mod header;
mod v1;
mod v2;

use std::net::SocketAddr;

pub use header::{Header, LONGEST, Malformed, Origin, Parsed};

/// Reads the header at the beginning of `bytes`, which are all that a connection has brought so far.
///
/// A verdict other than [`Parsed::Incomplete`] stays the same whatever follows, so it does not
/// depend on how the bytes were cut. [`LONGEST`] bytes are enough for a verdict.
///
/// # Errors
/// [`Malformed`]; the connection must be closed.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let mut may_follow = false;
    for (signature, read) in SIGNATURES {
        if bytes.starts_with(signature) {
            return read(bytes);
        }
        may_follow |= signature.starts_with(bytes);
    }
    Ok(if may_follow { Parsed::Incomplete } else { Parsed::Absent })
}

type Read = fn(&[u8]) -> Result<Parsed, Malformed>;

/// Enough to tell a header from HTTP, of which `PROXY` may be a method.
const SIGNATURES: [(&[u8], Read); 3] =
    [(b"PROXY TCP", v1::read), (b"PROXY UNKNOWN", v1::read), (v2::SIGNATURE, v2::read)];

/// Writes the header of a connection from `source` to `destination`, for a client. Without
/// addresses, or if they are of two families, it says that they are not known.
pub fn write(version: u8, addresses: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    let same = addresses.filter(|(source, to)| source.is_ipv4() == to.is_ipv4());
    match version {
        1 => v1::write(same, out),
        _ => v2::write(same, out),
    }
}

#[cfg(test)]
mod tests;
