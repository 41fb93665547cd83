//! `uri-host [ ":" port ]`, as in Host and in request targets (RFC 9110 §7.2).

use std::net::Ipv6Addr;

use crate::class;

/// What a valid authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Whether a colon and at least one digit follow the host.
    pub(crate) has_port: bool,
}

/// Checks `bytes`; `None` if they are not a non-empty host with an optional
/// numeric port. User information is refused: it has no place in a request
/// (RFC 9110 §4.2.4). IPvFuture is refused too, as nothing defines one.
pub(crate) fn parse(bytes: &[u8]) -> Option<Authority> {
    let host_end = if bytes.first() == Some(&b'[') {
        let close = memchr::memchr(b']', bytes)?;
        let address = std::str::from_utf8(&bytes[1..close]).ok()?;
        address.parse::<Ipv6Addr>().ok()?;
        close + 1
    } else {
        reg_name_end(bytes)?
    };
    match &bytes[host_end..] {
        [] => Some(Authority { has_port: false }),
        [b':', port @ ..] => is_port(port).then_some(Authority { has_port: !port.is_empty() }),
        _ => None,
    }
}

/// Where the name at the start of `bytes` ends; `None` if it is empty or has a
/// broken percent-encoding. IPv4 addresses are names as far as bytes go.
fn reg_name_end(bytes: &[u8]) -> Option<usize> {
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        if class::is_reg_name(byte) {
            i += 1;
        } else if byte == b'%' {
            let digits = bytes.get(i + 1..i + 3)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            i += 3;
        } else {
            break;
        }
    }
    (i > 0).then_some(i)
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
            ("caf%C3%A9.example", false),
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
        ] {
            assert_eq!(parse(host.as_bytes()), None, "{host}");
        }
    }
}
