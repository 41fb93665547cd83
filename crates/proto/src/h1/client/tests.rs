use proptest::prelude::*;

use super::*;
use crate::response;
use crate::semantics::RequestError;

/// A response as a reader saw it.
type Seen = (u16, Vec<u8>, bool);

/// Reads a whole connection that comes in these pieces. The end of the connection may end
/// the last response.
fn read<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    to_head: bool,
) -> Result<Vec<Seen>, ResponseError> {
    let (mut decoder, mut cache) = (Decoder::default(), HeadCache::new(to_head));
    let (mut seen, mut body) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let step = decoder.decode(rest, &mut cache)?;
            assert!(step.used > 0 && step.body.end <= step.used, "{step:?}");
            body.extend_from_slice(&rest[step.body.clone()]);
            rest = &rest[step.used..];
            if let Some(head) = step.end {
                assert!(!decoder.is_inside());
                seen.push((head.status, std::mem::take(&mut body), head.keep_alive));
            }
        }
    }
    if let Some(head) = decoder.finish()? {
        seen.push((head.status, std::mem::take(&mut body), head.keep_alive));
    }
    assert!(body.is_empty());
    Ok(seen)
}

/// Reads `bytes` at once, byte by byte, and split at every place. Each must give the same.
fn read_every_way(bytes: &[u8], to_head: bool) -> Result<Vec<Seen>, ResponseError> {
    let whole = read([bytes], to_head);
    assert_eq!(read(bytes.chunks(1), to_head), whole, "{}", bytes.escape_ascii());
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(read([a, b], to_head), whole, "{} cut at {cut}", bytes.escape_ascii());
    }
    whole
}

fn one(bytes: &[u8]) -> Result<Seen, ResponseError> {
    let mut seen = read_every_way(bytes, false)?;
    assert_eq!(seen.len(), 1, "{}", bytes.escape_ascii());
    Ok(seen.remove(0))
}

#[test]
fn bodies_are_delimited_in_each_of_the_ways() {
    for (bytes, status, body, keep_alive) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"[..], 200, &b"hi"[..], true),
        (b"HTTP/1.1 200 OK\r\ncontent-length:  0 \r\n\r\n", 200, b"", true),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, b"x", true),
        (b"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", 404, b"x", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: a, Close\r\n\r\nhi", 200, b"hi", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", false),
        (
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi",
            200,
            b"hi",
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
            200,
            b"abc0123456789",
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
            200,
            b"z",
            true,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end", false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil", 200, b"until", false),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", true),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b"", true),
        (b"HTTP/1.9 599 Caf\xe9\r\nContent-Length: 0\r\nX:\t\r\n\r\n", 599, b"", true),
    ] {
        assert_eq!(one(bytes), Ok((status, body.to_vec(), keep_alive)), "{}", bytes.escape_ascii());
    }
}

/// RFC 9112 §5.2: a client reads a folded line as one with a space.
#[test]
fn folded_lines_are_one_value() {
    for (bytes, body, keep_alive) in [
        (&b"HTTP/1.1 200 OK\r\nA: b,\r\n c\r\nContent-Length: 2\r\n\r\nhi"[..], &b"hi"[..], true),
        (b"HTTP/1.1 200 OK\r\nA:\r\n\tb\r\n \r\n c\r\nContent-Length: 2\r\n\r\nhi", b"hi", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nhi", b"hi", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: a,\r\n\t close\r\n\r\nhi", b"hi", false),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n2\r\nhi\r\n0\r\nT: u\r\n v\r\n\r\n",
            b"hi",
            true,
        ),
        // What looks like a field of its own is part of the value above it.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n Connection: close\r\n\r\nhi", b"hi", true),
    ] {
        assert_eq!(one(bytes), Ok((200, body.to_vec(), keep_alive)), "{}", bytes.escape_ascii());
    }
    // A fold is no part of a Date that may change.
    let folded =
        b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970\r\n 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n";
    let mut cache = HeadCache::new(false);
    let parsed = cache.parse(folded).unwrap();
    assert_eq!(cache.find(folded), Some((folded.len(), parsed)));
    let later = String::from_utf8(folded.to_vec()).unwrap().replace("00:00:00", "00:00:01");
    assert_eq!(cache.find(later.as_bytes()), None);
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_says() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
                  HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let empty = (200, Vec::new(), true);
    assert_eq!(read_every_way(bytes, true), Ok(vec![empty.clone(), empty]));
}

#[test]
fn interim_responses_are_passed_over() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
                  HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let expected = vec![(200, b"hi".to_vec(), true), (204, Vec::new(), true)];
    assert_eq!(read_every_way(bytes, false), Ok(expected));
}

#[test]
fn what_is_no_response_is_refused_however_it_is_cut() {
    use ResponseError as E;
    for (bytes, error) in [
        (&b"HTTP/2.0 200 OK\r\n\r\n"[..], E::StatusLine),
        (b"\x15\x03\x01\x00\x02\x02", E::StatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", E::StatusLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", E::StatusLine),
        (b"HTTP/1.1 099 OK\r\n\r\n", E::StatusLine),
        (b"HTTP/1.1  200 OK\r\n\r\n", E::StatusLine),
        (b"HTTP/1.x 200 OK\r\n\r\n", E::StatusLine),
        (b"HTTP/1.1 200 O\x01K\r\n\r\n", E::StatusLine),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", E::BareLf),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", E::BareLf),
        (b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\nA\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n \0\r\n\r\n", E::Field),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n", E::ContentLength),
        (b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", E::Field),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", E::SwitchedProtocols),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", E::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", E::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", E::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", E::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", E::ContentLength),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            E::TransferEncoding,
        ),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", E::TransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", E::TransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: a b\r\n\r\n", E::TransferEncoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ,\r\n\r\n", E::TransferEncoding),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            E::Chunked(RequestError::ChunkSizeInvalid),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n T: u\r\n\r\n",
            E::Chunked(RequestError::TrailerInvalid),
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", E::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", E::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Le", E::Truncated),
        (b"H", E::Truncated),
    ] {
        assert_eq!(read_every_way(bytes, false), Err(error), "{}", bytes.escape_ascii());
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_head_has_a_longest_length_and_no_more_is_kept() {
    let fixed = b"HTTP/1.1 200 OK\r\nA: \r\nContent-Length: 0\r\n\r\n".len();
    for (extra, fits) in [(0, true), (1, false), (5000, false)] {
        let value = "x".repeat(MAX_HEAD - fixed + extra);
        let head = format!("HTTP/1.1 200 OK\r\nA: {value}\r\nContent-Length: 0\r\n\r\n");
        for piece in [1, 1000, MAX_HEAD, head.len()] {
            let result = read(head.as_bytes().chunks(piece), false);
            match fits {
                true => assert_eq!(result, Ok(vec![(200, Vec::new(), true)]), "{piece}"),
                false => assert_eq!(result, Err(ResponseError::HeadTooLarge), "{piece}"),
            }
        }
    }
    let (mut decoder, mut cache) = (Decoder::default(), HeadCache::new(false));
    let flood = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &vec![b'x'; 10 * MAX_HEAD]].concat();
    for piece in flood.chunks(MAX_HEAD * 2) {
        if decoder.decode(piece, &mut cache).is_err() {
            break;
        }
    }
    assert!(decoder.kept.capacity() <= 4 * MAX_HEAD);
}

#[test]
fn a_known_head_is_one_whose_every_other_byte_is_equal() {
    let head =
        b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n";
    let mut cache = HeadCache::new(false);
    assert_eq!(cache.find(head), None);
    let parsed = cache.parse(head).unwrap();
    assert_eq!(cache.find(head), Some((head.len(), parsed)));
    assert_eq!(cache.find(&head[..head.len() - 1]), None);
    let later = String::from_utf8(head.to_vec()).unwrap().replace("00:00:00", "00:00:01");
    assert_eq!(cache.find(later.as_bytes()), Some((head.len(), parsed)));
    assert_eq!(cache.find(later.as_bytes()), Some((head.len(), parsed)));
    // A Date that is two lines, one of them about the body.
    let smuggled = later.replace(" 01 Jan 1970 00:00:01 GMT", "\r\nConnection: close\r\nA: a");
    assert_eq!(smuggled.len(), head.len());
    assert_eq!(cache.find(smuggled.as_bytes()), None);
    assert!(!cache.parse(smuggled.as_bytes()).unwrap().keep_alive);
}

/// Heads that servers send and heads that are a byte away from them.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Content-Length: 3\r\n".to_owned()),
        Just("Content-Length: 4\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("Connection: close\r\n".to_owned()),
        "Date: [ -~]{0,29}\r\n",
        "Date: Thu, 01 Jan 1970 00:00:0[0-9] GMT\r\n",
        "X-[a-z]{1,5}: [ -~]{0,20}\r\n",
    ];
    let status = prop_oneof![Just(200u16), Just(404), Just(204), Just(100)];
    (status, prop::collection::vec(line, 0..5)).prop_map(|(status, lines)| {
        let mut head = Vec::new();
        response::status_line(&mut head, status);
        head.extend_from_slice(lines.concat().as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    })
}

proptest! {
    /// What the cache says is what the parser says, for any bytes after any head.
    #[test]
    fn the_cache_never_disagrees_with_the_parser(
        first in heads(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        other in heads(),
        use_other in any::<bool>(),
    ) {
        let mut cache = HeadCache::new(false);
        prop_assume!(cache.parse(&first).is_ok());
        let mut second = if use_other { other } else { first };
        for (at, byte) in edits {
            let at = at.index(second.len());
            second[at] = byte;
        }
        if let Some((len, head)) = cache.find(&second) {
            prop_assert_eq!(head::length(&second, 0), Ok(Some(len)));
            prop_assert_eq!(head::parse(&second[..len], false).map(|(head, _)| head), Ok(head));
        }
    }

    /// Any responses are read as they were written, in whatever pieces they come.
    #[test]
    fn responses_survive_any_cut(
        responses in prop::collection::vec(
            (200u16..600, prop::collection::vec(any::<u8>(), 0..60), 0usize..20), 1..6,
        ),
        cuts in prop::collection::vec(1usize..40, 1..40),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (status, body, chunk) in responses {
            let body = if response::has_body(status) { body } else { Vec::new() };
            response::status_line(&mut bytes, status);
            response::field(&mut bytes, "Date", &response::date(u64::from(status))).unwrap();
            if chunk > 0 && response::has_body(status) {
                response::field(&mut bytes, "Transfer-Encoding", b"chunked").unwrap();
                bytes.extend_from_slice(b"\r\n");
                for part in body.chunks(chunk) {
                    response::chunk(&mut bytes, part);
                }
                response::last_chunk(&mut bytes);
            } else {
                if response::has_body(status) {
                    response::content_length(&mut bytes, body.len() as u64);
                }
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&body);
            }
            expected.push((status, body, true));
        }
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read(pieces, false), Ok(expected));
    }

    /// Any bytes are used up or refused, without a panic.
    #[test]
    fn any_bytes_are_survived(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        looks_right in any::<bool>(),
    ) {
        if looks_right {
            bytes.splice(0..0, *b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        }
        prop_assert_eq!(read([&bytes[..]], false), read(bytes.chunks(7), false));
    }
}
