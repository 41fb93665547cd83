use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use ppp::v2::{Builder, Command, Protocol};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::crc::crc32c;
use super::*;

const V4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb";

fn inet(source: &str, destination: &str) -> Origin {
    Origin::Inet { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// The verdict is the same with anything behind it, and does not come before the last byte.
#[track_caller]
fn reads(header: &[u8], version: u8, origin: Origin, tls: bool) {
    let expected = Ok(Parsed::Header(Header { len: header.len(), version, origin, tls }));
    for len in 0..header.len() {
        assert_eq!(parse(&header[..len]), Ok(Parsed::Incomplete), "{len} bytes");
    }
    for behind in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\n", &[0; 5000]] {
        assert_eq!(parse(&[header, behind].concat()), expected);
    }
}

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, payload].concat()
}

/// A fact of version 2.
fn fact(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

#[test]
fn lines_of_version_1() {
    let v4 = inet("192.0.2.1:56324", "192.0.2.2:443");
    reads(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", 1, v4, false);
    let ends = inet("255.255.255.255:65535", "0.0.0.0:0");
    reads(b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", 1, ends, false);
    let v6 = inet("[2001:db8::1]:1", "[::ffff:1.2.3.4]:2");
    reads(b"PROXY TCP6 2001:DB8::1 ::ffff:1.2.3.4 1 2\r\n", 1, v6, false);
    reads(b"PROXY UNKNOWN\r\n", 1, Origin::Unknown, false);
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
    assert_eq!(longest.len(), 107);
    reads(longest.as_bytes(), 1, Origin::Unknown, false);
}

#[test]
fn lines_that_are_not_exactly_right() {
    for line in [
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\rX",
        "PROXY TCP4  192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2  443\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 443\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 443\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
    }
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat();
    assert_eq!(endless.len(), 107);
    assert_eq!(parse(&endless), Err(Malformed));
    assert_eq!(parse(&endless[..106]), Ok(Parsed::Incomplete));
}

#[test]
fn what_begins_otherwise_is_no_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"P",
        b"PROXY",
        b"PROXY /TCP HTTP/1.1\r\n",
        b"proxy TCP4",
        b"\r\n",
        b"\r\nGET / HTTP/1.1",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0",
    ] {
        let may_follow = [&b"PROXY TCP"[..], v2::SIGNATURE].iter().any(|s| s.starts_with(bytes));
        let expected = if may_follow { Parsed::Incomplete } else { Parsed::Absent };
        assert_eq!(parse(bytes), Ok(expected), "{}", bytes.escape_ascii());
    }
}

#[test]
fn headers_of_version_2() {
    reads(V4, 2, inet("192.0.2.1:56324", "192.0.2.2:443"), false);
    let mut datagram = V4.to_vec();
    datagram[13] = 0x12;
    reads(&datagram, 2, inet("192.0.2.1:56324", "192.0.2.2:443"), false);
    let v6 = [[0; 15].as_slice(), &[1], &[0xfe, 0x80], &[0; 13], &[2, 0, 7, 0, 8]].concat();
    reads(&v2(0x21, 0x21, &v6), 2, inet("[::1]:7", "[fe80::2]:8"), false);
    reads(&v2(0x21, 0x31, &[b'/'; 216]), 2, Origin::Unix, false);
    // The addresses of no transport say nothing.
    reads(&v2(0x21, 0x10, &V4[16..]), 2, Origin::Unknown, false);
    reads(&v2(0x21, 0, &[]), 2, Origin::Unknown, false);
    // Nothing of LOCAL is looked at.
    reads(&v2(0x20, 0, &[]), 2, Origin::Local, false);
    reads(&v2(0x20, 0x11, b"?"), 2, Origin::Local, false);
    reads(&v2(0x21, 0, b"?"), 2, Origin::Unknown, false);
    reads(&v2(0x21, 0, &vec![0; LONGEST - 16]), 2, Origin::Unknown, false);
}

#[test]
fn a_fact_says_whether_the_client_spoke_tls() {
    let version = fact(0x21, b"TLSv1.3");
    let ssl = |flags: u8, inner: &[u8]| fact(0x20, &[&[flags, 0, 0, 0, 0], inner].concat());
    for (facts, expected) in [
        (ssl(1, &version), Some(true)),
        (ssl(7, &[]), Some(true)),
        (ssl(0, &version), Some(false)),
        // The first counts.
        ([ssl(0, &[]), ssl(1, &[])].concat(), Some(false)),
        (ssl(1, b"\x21\0"), None),
        (ssl(1, b"\x21\0\x02x"), None),
        (fact(0x20, &[1, 0, 0, 0]), None),
        (fact(0x04, &[0; 9]), Some(false)),
        (fact(0x05, &[7; 128]), Some(false)),
        (fact(0x05, &[7; 129]), None),
        (b"\x04".to_vec(), None),
        (b"\x04\0\x01".to_vec(), None),
    ] {
        let header = v2(0x21, 0x11, &[&V4[16..], &facts].concat());
        match expected {
            Some(tls) => reads(&header, 2, inet("192.0.2.1:56324", "192.0.2.2:443"), tls),
            None => assert_eq!(parse(&header), Err(Malformed), "{}", facts.escape_ascii()),
        }
        let unspecified = v2(0x21, 0, &facts);
        reads(&unspecified, 2, Origin::Unknown, expected.unwrap_or(false));
    }
}

#[test]
fn headers_of_version_2_that_are_not_exactly_right() {
    for (at, byte) in [(12, 0x22), (12, 0x2f), (12, 0x11), (12, 0x31), (13, 0x41), (13, 0x13)] {
        let mut header = V4.to_vec();
        header[at] = byte;
        assert_eq!(parse(&header[..16]), Err(Malformed), "{byte:#x} at {at}");
    }
    assert_eq!(parse(&v2(0x21, 0x11, &V4[16..27])), Err(Malformed));
    assert_eq!(parse(&v2(0x21, 0x21, &[0; 35])), Err(Malformed));
    assert_eq!(parse(&v2(0x21, 0x31, &[0; 215])), Err(Malformed));
    assert_eq!(parse(&v2(0x20, 0, &vec![0; LONGEST - 15])[..16]), Err(Malformed));
}

#[test]
fn a_checksum_must_be_right() {
    // RFC 3720, B.4, and the check value of the algorithm.
    assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
    assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
    let with = |sum: &[u8]| {
        let behind = fact(0x04, b"pad");
        v2(0x21, 0x11, &[&V4[16..], &fact(3, sum), &behind].concat())
    };
    let sum = crc32c(with(&[0; 4]).into_iter()).to_be_bytes();
    let good = with(&sum);
    reads(&good, 2, inet("192.0.2.1:56324", "192.0.2.2:443"), false);
    // Byte 28 is the type of the fact itself.
    for at in (16..good.len()).filter(|at| *at != 28) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(parse(&bad).ok().filter(|it| *it != Parsed::Incomplete), None, "byte {at}");
    }
    assert_eq!(parse(&with(&sum[..3])), Err(Malformed));
    let twice = [&V4[16..], &fact(3, &sum), &fact(3, &sum)].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &twice)), Err(Malformed));
}

/// What `ppp` makes of the same bytes, in our words. None if it wants more or refuses them.
fn by_ppp(bytes: &[u8]) -> Option<(usize, Origin)> {
    use ppp::{v1, v2};
    if bytes.starts_with(v2::PROTOCOL_PREFIX) {
        let header = v2::Header::try_from(bytes).ok()?;
        let addresses = match header.addresses {
            v2::Addresses::IPv4(it) => Some((
                SocketAddr::from((it.source_address, it.source_port)),
                SocketAddr::from((it.destination_address, it.destination_port)),
            )),
            v2::Addresses::IPv6(it) => Some((
                SocketAddr::from((it.source_address, it.source_port)),
                SocketAddr::from((it.destination_address, it.destination_port)),
            )),
            _ => None,
        };
        let origin = match (header.command, header.protocol, addresses) {
            (Command::Local, ..) => Origin::Local,
            (_, Protocol::Unspecified, _) => Origin::Unknown,
            (.., Some((source, destination))) => Origin::Inet { source, destination },
            _ if matches!(header.addresses, v2::Addresses::Unix(_)) => Origin::Unix,
            _ => Origin::Unknown,
        };
        return Some((header.len(), origin));
    }
    let header = v1::Header::try_from(bytes).ok()?;
    let origin = match header.addresses {
        v1::Addresses::Tcp4(it) => Origin::Inet {
            source: (it.source_address, it.source_port).into(),
            destination: (it.destination_address, it.destination_port).into(),
        },
        v1::Addresses::Tcp6(it) => Origin::Inet {
            source: (it.source_address, it.source_port).into(),
            destination: (it.destination_address, it.destination_port).into(),
        },
        v1::Addresses::Unknown => Origin::Unknown,
    };
    Some((header.header.len(), origin))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = (any::<u32>(), any::<u16>())
        .prop_map(|(ip, port)| SocketAddrV4::new(Ipv4Addr::from(ip), port).into());
    let v6 = (any::<u128>(), any::<u16>())
        .prop_map(|(ip, port)| SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, 0).into());
    prop_oneof![v4, v6]
}

/// Headers, and what is close to one.
fn near_header() -> impl Strategy<Value = Vec<u8>> {
    let written =
        (1u8..=2, proptest::option::of((address(), address()))).prop_map(|(version, to)| {
            let mut header = Vec::new();
            write(version, to, &mut header);
            header
        });
    let words =
        ["PROXY", "TCP4", "TCP6", "UNKNOWN", "1.2.3.4", "::1", "0", "80", "65536", "", "\r"];
    let line = vec(select(words.to_vec()), 0..8)
        .prop_map(|words| format!("PROXY {}\r\n", words.join(" ")).into_bytes());
    let facts = vec((any::<u8>(), vec(any::<u8>(), 0..9)), 0..4);
    let binary = (select(vec![0x20u8, 0x21, 0x22]), 0u8..4, 0u8..4, facts, vec(any::<u8>(), 0..3))
        .prop_map(|(command, family, transport, facts, rest)| {
            let addresses = vec![9; [0, 12, 36, 216][usize::from(family)]];
            let facts = facts.iter().flat_map(|(kind, value)| fact(*kind, value));
            let payload: Vec<u8> = addresses.into_iter().chain(facts).chain(rest).collect();
            v2(command, family << 4 | transport, &payload)
        });
    (prop_oneof![written, line, binary], proptest::option::of((any::<usize>(), any::<u8>())))
        .prop_map(|(mut bytes, change)| {
            if let Some((at, byte)) = change {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_by_ppp_too(
        version in 1u8..=2,
        addresses in proptest::option::of((address(), address())),
    ) {
        let mut header = Vec::new();
        write(version, addresses, &mut header);
        let origin = match addresses {
            Some((source, destination)) if source.is_ipv4() == destination.is_ipv4() => {
                Origin::Inet { source, destination }
            }
            _ if version == 1 => Origin::Unknown,
            _ => Origin::Local,
        };
        reads(&header, version, origin, false);
        prop_assert_eq!(by_ppp(&header), Some((header.len(), origin)));
    }

    /// This reader is stricter; what it takes, `ppp` takes for the same. What must be ignored in a
    /// header without addresses, `ppp` looks at.
    #[test]
    fn what_is_read_is_what_ppp_reads(bytes in near_header()) {
        if let Ok(Parsed::Header(header)) = parse(&bytes)
            && !matches!(header.origin, Origin::Local | Origin::Unknown)
        {
            prop_assert_eq!(by_ppp(&bytes), Some((header.len, header.origin)));
        }
    }

    #[test]
    fn a_verdict_does_not_depend_on_how_bytes_were_cut(bytes in near_header()) {
        let whole = parse(&bytes);
        for len in 0..bytes.len() {
            let part = parse(&bytes[..len]);
            prop_assert!(part == Ok(Parsed::Incomplete) || part == whole, "{} bytes", len);
        }
    }

    #[test]
    fn facts_made_by_ppp_are_read(kind in 0xe0u8..0xf8, value in vec(any::<u8>(), 0..300)) {
        let header = Builder::with_addresses(
            0x21,
            Protocol::Stream,
            ppp::v2::IPv4::new([1, 2, 3, 4], [5, 6, 7, 8], 9, 10),
        )
        .write_tlv(kind, &value)
        .and_then(Builder::build)
        .unwrap();
        reads(&header, 2, inet("1.2.3.4:9", "5.6.7.8:10"), false);
    }

    #[test]
    fn any_bytes_get_a_verdict(bytes in vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[v2::SIGNATURE, &bytes].concat());
        let _ = parse(&[b"PROXY TCP6 ", &bytes[..]].concat());
    }
}
