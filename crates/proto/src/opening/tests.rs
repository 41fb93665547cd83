use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::{Decoder, Event, Head, Limits};

/// Openings of other protocols, and how many of their bytes are enough to tell.
const FOREIGN: [(&[u8], Opening, usize); 7] = [
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Opening::Http2, 16),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", Opening::Tls, 1),
    (b"\x16\x03\x03\0\xf4\x01\0\0\xf0\x03\x03", Opening::Tls, 1),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 80\r\nGET / HTTP/1.1\r\n", Opening::Proxy, 9),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 80\r\n", Opening::Proxy, 9),
    (b"PROXY UNKNOWN\r\n", Opening::Proxy, 13),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Opening::Proxy, 5),
];

/// Requests of HTTP/1, and how many of their bytes are enough to tell.
const REQUESTS: [(&[u8], usize); 24] = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    (b"HEAD / HTTP/1.1\r\n", 1),
    (b"OPTIONS * HTTP/1.1\r\n", 1),
    (b"QUERY / HTTP/1.1\r\n", 1),
    (b"TRACE / HTTP/1.1\r\n", 1),
    (b"get / HTTP/1.1\r\n", 1),
    (b"pri * HTTP/2.0\r\n", 1),
    (b"POST / HTTP/1.1\r\n", 2),
    (b"PUT / HTTP/1.1\r\n", 2),
    (b"PATCH / HTTP/1.1\r\n", 2),
    (b"PURGE / HTTP/1.1\r\n", 2),
    (b"PRINT / HTTP/1.1\r\n", 4),
    (b"PRIX / HTTP/1.1\r\n", 4),
    (b"PRI / HTTP/1.1\r\n", 5),
    (b"PRI * HTTP/1.1\r\n", 12),
    (b"PRI * HTTP/2.1\r\n", 14),
    (b"PROPFIND / HTTP/1.1\r\n", 4),
    (b"PROPPATCH / HTTP/1.1\r\n", 4),
    (b"PROXYZ / HTTP/1.1\r\n", 6),
    (b"PROXY /UNKNOWN HTTP/1.1\r\n", 7),
    (b"PROXY http://TCP4/ HTTP/1.1\r\n", 7),
    (b"\r\nGET / HTTP/1.1\r\n", 3),
    (b"\r\n\r\nGET / HTTP/1.1\r\n", 5),
    (b"\r\n\r\n\r\nPRI * HTTP/2.0\r\n", 5),
];

/// The first `enough` bytes decide, and fewer do not.
#[track_caller]
fn decides(bytes: &[u8], expected: Opening, enough: usize) {
    for len in 0..=bytes.len() {
        let expected = if len < enough { Opening::Incomplete } else { expected };
        assert_eq!(opening(&bytes[..len]), expected, "{}", bytes[..len].escape_ascii());
    }
}

/// What the HTTP/1 decoder says first of `bytes`: an event, or a refusal.
fn http1(bytes: &[u8]) -> Option<Event> {
    let mut decoder = Decoder::default();
    decoder.decode(bytes, &mut Head::default(), &Limits::default()).map(|(_, event)| event).ok()
}

#[test]
fn each_protocol_at_each_length() {
    for (bytes, expected, enough) in FOREIGN {
        decides(bytes, expected, enough);
    }
}

#[test]
fn each_request_at_each_length() {
    for (bytes, enough) in REQUESTS {
        decides(bytes, Opening::Http1, enough);
    }
}

#[test]
fn blank_lines_alone_are_decided_as_soon_as_there_are_three() {
    decides(b"\r\n\r\n\r\n\r\n", Opening::Http1, 5);
    decides(b"\r\r", Opening::Http1, 2);
    decides(b"\n", Opening::Http1, 1);
}

#[test]
fn each_signature_with_one_byte_changed() {
    for (signature, _) in SIGNATURES {
        for at in 0..signature.len() {
            for byte in 0..=255u8 {
                let mut bytes = signature.to_vec();
                bytes[at] = byte;
                assert_eq!(opening(&bytes), model(&bytes), "{}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn each_first_byte() {
    for byte in 0..=255u8 {
        let expected = match byte {
            b'P' | b'\r' => Opening::Incomplete,
            0x16 => Opening::Tls,
            _ => Opening::Http1,
        };
        assert_eq!(opening(&[byte]), expected, "{byte:#x}");
    }
}

#[test]
fn what_is_not_http1_would_be_refused_as_a_request() {
    for (bytes, _, enough) in FOREIGN {
        for tail in [&b""[..], b"\r\n\r\n", b" / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let request = [&bytes[..enough], tail].concat();
            assert_ne!(http1(&request), Some(Event::Head), "{}", request.escape_ascii());
        }
    }
}

/// Drops, byte by byte, the signatures that `bytes` can no longer become.
fn model(bytes: &[u8]) -> Opening {
    let mut possible = SIGNATURES.to_vec();
    for (at, byte) in bytes.iter().enumerate() {
        possible.retain(|(signature, _)| signature.get(at) == Some(byte));
        match possible[..] {
            [] => return Opening::Http1,
            [(signature, opening)] if signature.len() == at + 1 => return opening,
            _ => {}
        }
    }
    Opening::Incomplete
}

/// The beginning of an opening or of a request, with or without something behind it.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    let whole: Vec<&[u8]> = FOREIGN
        .iter()
        .map(|(bytes, ..)| *bytes)
        .chain(REQUESTS.iter().map(|(bytes, _)| *bytes))
        .collect();
    (select(whole), any::<Index>(), vec(any::<u8>(), 0..6))
        .prop_map(|(bytes, end, tail)| [&bytes[..end.index(bytes.len() + 1)], &tail].concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4096,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_model(
        bytes in prop_oneof![
            beginnings(),
            vec(any::<u8>(), 0..24),
            "[\r\nPRIOXY *T]{0,12}".prop_map(String::into_bytes),
        ]
    ) {
        prop_assert_eq!(opening(&bytes), model(&bytes));
    }

    #[test]
    fn a_verdict_stays_whatever_follows(bytes in beginnings()) {
        let verdict = opening(&bytes);
        for len in 0..bytes.len() {
            let before = opening(&bytes[..len]);
            prop_assert!(before == verdict || before == Opening::Incomplete);
        }
    }

    #[test]
    fn nobody_waits_whom_http1_would_answer(bytes in beginnings()) {
        if opening(&bytes) == Opening::Incomplete {
            prop_assert_eq!(http1(&bytes), Some(Event::Incomplete));
        }
    }
}
