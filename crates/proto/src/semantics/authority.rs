//! `uri-host [ ":" port ]`, as in Host and in request targets (RFC 9110 §7.2).

use std::net::Ipv6Addr;

use super::{class, punycode};

/// What a valid authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Whether a colon and at least one digit follow the host.
    pub(crate) has_port: bool,
}

/// Checks `bytes`, which must be a non-empty host with an optional numeric port; `None`
/// otherwise.
///
/// A host that no URL can have is refused (URL standard, §3.5), because programs make URLs
/// of it. User information is refused too: it has no place in a request (RFC 9110 §4.2.4).
/// So is IPvFuture, of which no version is defined.
pub(crate) fn parse(bytes: &[u8]) -> Option<Authority> {
    let host_end = if bytes.first() == Some(&b'[') {
        let close = memchr::memchr(b']', bytes)?;
        let address = std::str::from_utf8(&bytes[1..close]).ok()?;
        address.parse::<Ipv6Addr>().ok()?;
        close + 1
    } else {
        name_end(bytes)?
    };
    match &bytes[host_end..] {
        [] => Some(Authority { has_port: false }),
        [b':', port @ ..] => is_port(port).then_some(Authority { has_port: !port.is_empty() }),
        _ => None,
    }
}

/// Where the name or IPv4 address at the start of `bytes` ends; `None` without one.
#[inline]
fn name_end(bytes: &[u8]) -> Option<usize> {
    if let Some(end) = usual_ipv4_end(bytes) {
        return Some(end);
    }
    let mut i = 0;
    let (mut has_percent, mut has_hyphen) = (false, false);
    while let Some(&byte) = bytes.get(i)
        && (class::is_reg_name(byte) || byte == b'%')
    {
        has_percent |= byte == b'%';
        has_hyphen |= byte == b'-';
        i += 1;
    }
    let host = &bytes[..i];
    let is_valid = match host.last() {
        None => false,
        // Such a last letter ends no number, and `%` and `-` are rare: the usual name.
        Some(b'g'..=b'w' | b'y' | b'z') if !has_percent && !has_hyphen => true,
        Some(_) if has_percent => is_encoded_domain(host),
        Some(_) => is_domain(host),
    };
    is_valid.then_some(i)
}

/// Where an IPv4 address in its usual form ends: four decimal numbers with at most a port
/// behind them.
#[inline]
fn usual_ipv4_end(bytes: &[u8]) -> Option<usize> {
    let (mut dots, mut number, mut digits) = (0, 0u32, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                // A leading zero makes it octal.
                if digits == 3 || (digits > 0 && number == 0) {
                    return None;
                }
                number = number * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && number <= 255 => {
                dots += 1;
                (number, digits) = (0, 0);
            }
            b':' if dots == 3 && digits > 0 && number <= 255 => return Some(at),
            _ => return None,
        }
    }
    (dots == 3 && digits > 0 && number <= 255).then_some(bytes.len())
}

/// Checks a partly percent-encoded name. Decoded, it must be ASCII and allowed in a domain;
/// names in other scripts are sent in Punycode (RFC 3986 §3.2.2).
#[cold]
fn is_encoded_domain(host: &[u8]) -> bool {
    let mut plain = Vec::with_capacity(host.len());
    let mut rest = host;
    while let [first, after @ ..] = rest {
        let mut byte = *first;
        rest = after;
        if byte == b'%' {
            let [high, low, after @ ..] = rest else { return false };
            let digit = |byte: u8| (byte as char).to_digit(16).and_then(|n| u8::try_from(n).ok());
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
            byte = high << 4 | low;
            rest = after;
        }
        // The URL standard's forbidden domain code points, and bytes beyond ASCII.
        if byte <= b' ' || byte >= 0x7f || b"#%/:<>?@[\\]^|".contains(&byte) {
            return false;
        }
        plain.push(byte);
    }
    is_domain(&plain)
}

/// Whether a URL may have this domain of allowed characters. A domain that ends in a number
/// must be an IPv4 address. A label that begins with `xn--` must be Punycode.
fn is_domain(host: &[u8]) -> bool {
    is_name_or_ipv4(host) && has_sound_punycode(host)
}

fn is_name_or_ipv4(host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let last = host.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let is_digits = !last.is_empty() && last.iter().all(u8::is_ascii_digit);
    if !is_digits && ipv4_number(last).is_none() {
        return true;
    }
    // One to four numbers; the last fills the bytes that are left.
    let count = host.split(|&byte| byte == b'.').count();
    count <= 4
        && host.split(|&byte| byte == b'.').enumerate().all(|(at, part)| {
            let most = if at + 1 < count { 255 } else { u32::MAX >> (8 * at) };
            ipv4_number(part).is_some_and(|number| number <= u64::from(most))
        })
}

/// A number of an IPv4 address: hexadecimal with `0x`, octal with `0`, else
/// decimal. Saturates.
fn ipv4_number(part: &[u8]) -> Option<u64> {
    let (digits, radix) = match part {
        [] => return None,
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] => (digits, 8),
        digits => (digits, 10),
    };
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = (byte as char).to_digit(radix)?;
        Some(number.saturating_mul(radix.into()).saturating_add(digit.into()))
    })
}

fn has_sound_punycode(host: &[u8]) -> bool {
    host.split(|&byte| byte == b'.').all(|label| match label {
        [b'x' | b'X', b'n' | b'N', b'-', b'-', rest @ ..] => punycode::is_sound(rest),
        _ => true,
    })
}

/// Digits that fit a TCP port. The grammar lets a port be empty.
fn is_port(digits: &[u8]) -> bool {
    let mut port: u32 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return false;
        }
        port = port * 10 + u32::from(digit - b'0');
        if port > u32::from(u16::MAX) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_well_formed() {
        for (host, has_port) in [
            ("a", false),
            ("example.com", false),
            ("example.com:80", true),
            ("example.com:", false),
            ("127.0.0.1:8080", true),
            ("[::1]", false),
            ("[::ffff:1.2.3.4]:0443", true),
            ("a%2Db.ex%61mple", false),
            ("xn--caf-dma.example", false),
            ("XN--LS8H", false),
            ("a--b", false),
            ("1", false),
            ("1.2.3", false),
            ("127.0.0.1.", false),
            ("0x7f.1:80", true),
            ("4294967295", false),
            ("010.0.0.1", false),
            ("255.255.255.255:1", true),
            ("0.0.0.0", false),
            ("1.2.3.4.:80", true),
            ("0x", false),
            ("1..", false),
            ("1.2.3.4.a", false),
            ("1a", false),
            ("a..b.", false),
            ("a_b~!$&'()*+,;=", false),
            ("a:65535", true),
        ] {
            assert_eq!(parse(host.as_bytes()), Some(Authority { has_port }), "{host}");
        }
    }

    #[test]
    fn hosts_that_are_not() {
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "u@a",
            "a:x",
            "a:8x",
            "a:80:80",
            "a:65536",
            "a:-1",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:x",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "a%",
            "a%4",
            "a%zz",
            "::1",
            "a\"b",
            "a<b",
            "a\\b",
            "a?b",
            "a#b",
            "a,b c",
            "caf\u{e9}",
            "a:99999999999",
            "a%00b",
            "a%20b",
            "a%2Fb",
            "a%25b",
            "a%7f",
            "caf%C3%A9.example",
            "%ff",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.3.4.5",
            "a.1",
            "a.1.",
            "a.0x",
            "a.0x1F",
            "08",
            "09.1",
            "4294967296",
            "0.0.0.0x100",
            "%32%35%36.1.1.1",
            "99999999999999999999999999.1",
            "xn--",
            "xn--a",
            "xn--zzzz",
            "xn--99999999",
        ] {
            assert_eq!(parse(host.as_bytes()), None, "{host}");
        }
    }
}
