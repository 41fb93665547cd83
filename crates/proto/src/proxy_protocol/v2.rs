//! Version 2: sixteen bytes, the addresses, and further facts as type, length and value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc::crc32c;
use super::header::{Header, LONGEST, Malformed, Origin, Parsed};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;

const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;

const LONGEST_UNIQUE_ID: usize = 128;

/// Of PP2_TYPE_SSL: the client spoke TLS.
const CLIENT_SSL: u8 = 1;

/// Reads a header of which the signature is there.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else {
        return Ok(Parsed::Incomplete);
    };
    let len = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let (is_local, has_end) = (command == 0x20, len <= LONGEST);
    // Families 0 to 3, and transports 0 to 2.
    if !(is_local || command == 0x21) || family >> 4 > 3 || family & 15 > 2 || !has_end {
        return Err(Malformed);
    }
    let Some(header) = bytes.get(..len) else { return Ok(Parsed::Incomplete) };
    let (mut origin, mut tls) = (Origin::Local, false);
    if !is_local {
        let (said, used) = addresses(family >> 4, &header[FIXED..]).ok_or(Malformed)?;
        // Only with a transport do the addresses say where a connection came from.
        origin = if family & 15 == 0 { Origin::Unknown } else { said };
        match facts(header, FIXED + used) {
            Ok(facts) => tls = facts,
            // Behind an unspecified family may be anything.
            Err(_) if family >> 4 == 0 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Parsed::Header(Header { len, version: 2, origin, tls }))
}

/// What a family's addresses say, and how many bytes they take.
fn addresses(family: u8, bytes: &[u8]) -> Option<(Origin, usize)> {
    let used = [0, 12, 36, 216][usize::from(family)];
    let bytes = bytes.get(..used)?;
    let origin = match family {
        1 => inet(bytes, |at: [u8; 4]| Ipv4Addr::from(at).into())?,
        2 => inet(bytes, |at: [u8; 16]| Ipv6Addr::from(at).into())?,
        3 => Origin::Unix,
        _ => Origin::Unknown,
    };
    Some((origin, used))
}

/// Two addresses of `N` bytes, then their ports.
fn inet<const N: usize>(bytes: &[u8], ip: impl Fn([u8; N]) -> IpAddr) -> Option<Origin> {
    let (source, rest) = bytes.split_first_chunk()?;
    let (destination, rest) = rest.split_first_chunk()?;
    let (from, rest) = rest.split_first_chunk()?;
    let (to, _) = rest.split_first_chunk()?;
    Some(Origin::Inet {
        source: SocketAddr::new(ip(*source), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(ip(*destination), u16::from_be_bytes(*to)),
    })
}

/// Checks the facts behind the addresses, from `at` on. Returns whether the client spoke TLS.
fn facts(header: &[u8], at: usize) -> Result<bool, Malformed> {
    let (mut tls, mut sum) = (None, None);
    let mut rest = &header[at..];
    while let Some((kind, value, behind)) = next(rest)? {
        match kind {
            CRC32C if value.len() != 4 || sum.is_some() => return Err(Malformed),
            CRC32C => sum = Some((value, header.len() - behind.len() - 4)),
            UNIQUE_ID if value.len() > LONGEST_UNIQUE_ID => return Err(Malformed),
            // The first counts.
            SSL if tls.is_none() => tls = Some(spoke_tls(value)?),
            _ => {}
        }
        rest = behind;
    }
    if let Some((sum, place)) = sum {
        let bytes = header.iter().enumerate();
        let zeroed =
            bytes.map(|(at, &byte)| if (place..place + 4).contains(&at) { 0 } else { byte });
        if crc32c(zeroed).to_be_bytes() != sum {
            return Err(Malformed);
        }
    }
    Ok(tls.unwrap_or(false))
}

/// PP2_TYPE_SSL: flags, whether a certificate was verified, and facts of its own.
fn spoke_tls(value: &[u8]) -> Result<bool, Malformed> {
    let Some(([flags, ..], mut rest)) = value.split_first_chunk::<5>() else {
        return Err(Malformed);
    };
    while let Some((_, _, behind)) = next(rest)? {
        rest = behind;
    }
    Ok(flags & CLIENT_SSL != 0)
}

/// The type and the value of the next fact, and what is behind it. None at the end.
#[allow(clippy::type_complexity, reason = "three parts of one slice")]
fn next(bytes: &[u8]) -> Result<Option<(u8, &[u8], &[u8])>, Malformed> {
    match bytes {
        [] => Ok(None),
        [kind, high, low, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let (value, behind) = rest.split_at_checked(len).ok_or(Malformed)?;
            Ok(Some((*kind, value, behind)))
        }
        _ => Err(Malformed),
    }
}

pub(super) fn write(addresses: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    let Some((from, to)) = addresses else {
        return out.extend_from_slice(&[0x20, 0, 0, 0]);
    };
    let (family, len) = if from.is_ipv4() { (0x11, 4) } else { (0x21, 16) };
    let mut rest = vec![0x21, family, 0, 2 * len + 4];
    for address in [from, to] {
        match address.ip() {
            IpAddr::V4(ip) => rest.extend(ip.octets()),
            IpAddr::V6(ip) => rest.extend(ip.octets()),
        }
    }
    rest.extend([from, to].iter().flat_map(|address| address.port().to_be_bytes()));
    out.append(&mut rest);
}
