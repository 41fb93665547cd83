//! Version 1: a line of text.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::header::{Header, Malformed, Origin, Parsed};

/// The longest line, with its end.
const LONGEST_LINE: usize = 107;

/// Reads a line of which the signature is there.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let there = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = there.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if there.len() < LONGEST_LINE { Ok(Parsed::Incomplete) } else { Err(Malformed) };
    };
    match &there[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if there.len() < LONGEST_LINE => return Ok(Parsed::Incomplete),
        _ => return Err(Malformed),
    }
    let line = std::str::from_utf8(&there[..end]).map_err(|_| Malformed)?;
    let origin = origin(line).ok_or(Malformed)?;
    Ok(Parsed::Header(Header { len: end + 2, version: 1, origin, tls: false }))
}

fn origin(line: &str) -> Option<Origin> {
    let mut words = line.split(' ');
    let family = words.by_ref().nth(1)?;
    if family == "UNKNOWN" {
        // The receiver must ignore anything behind it.
        return Some(Origin::Unknown);
    }
    let (from, to) = (address(family, words.next()?)?, address(family, words.next()?)?);
    let source = SocketAddr::new(from, port(words.next()?)?);
    let destination = SocketAddr::new(to, port(words.next()?)?);
    words.next().is_none().then_some(Origin::Inet { source, destination })
}

fn address(family: &str, text: &str) -> Option<IpAddr> {
    let address = IpAddr::from_str(text).ok()?;
    let named = if address.is_ipv4() { "TCP4" } else { "TCP6" };
    (named == family).then_some(address)
}

/// Without a sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    if is_plain && is_short { text.parse().ok() } else { None }
}

pub(super) fn write(addresses: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    match addresses {
        None => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        Some((from, to)) => {
            let family = if from.is_ipv4() { 4 } else { 6 };
            let (source, destination) = (from.ip(), to.ip());
            let (from, to) = (from.port(), to.port());
            let line = format!("PROXY TCP{family} {source} {destination} {from} {to}\r\n");
            out.extend_from_slice(line.as_bytes());
        }
    }
}
