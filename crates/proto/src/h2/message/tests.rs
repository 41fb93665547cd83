use super::*;
use crate::{Decoder, Event};

type Fields<'a> = &'a [(&'a str, &'a str)];

const GET: Fields<'_> =
    &[(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/p?q")];

fn limits() -> Limits {
    Limits {
        request_line: 100,
        head: 1000,
        fields: 5,
        body: 1000,
        trailers: 200,
        ..Limits::default()
    }
}

fn read_with(
    reader: &mut HeadReader,
    fields: Fields<'_>,
    end_stream: bool,
) -> Result<(String, Head), Refused> {
    // What a head before left must not matter.
    let (mut text, mut head) = (b"old".to_vec(), Head::default());
    head.fields.push(Field::default());
    head.query = Some(Span::new(1, 2));
    reader.begin(&limits());
    for (name, value) in fields {
        reader.field(name.as_bytes(), value.as_bytes(), &mut text, &mut head);
    }
    reader.finish(end_stream, &mut text, &mut head)?;
    assert_eq!(head.len(), text.len());
    Ok((String::from_utf8(text).unwrap(), head))
}

fn read(fields: Fields<'_>, end_stream: bool) -> Result<(String, Head), Refused> {
    read_with(&mut HeadReader::default(), fields, end_stream)
}

fn extended(fields: Fields<'_>) -> Result<(String, Head), Refused> {
    let mut reader = HeadReader::default();
    reader.takes_extended_connect(true);
    read_with(&mut reader, fields, false)
}

fn with<'a>(start: Fields<'a>, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [start, more].concat()
}

#[test]
fn a_head_is_written_as_http1_would_be() {
    let cookies = [("cookie", "a=1"), ("accept", "*/*"), ("x", "")];
    let (text, head) = read(&with(GET, &cookies), true).unwrap();
    assert_eq!(
        text,
        "GET /p?q HTTP/2.0\r\nhost: a.example\r\ncookie: a=1\r\naccept: */*\r\nx: \r\n\r\n"
    );
    let bytes = text.as_bytes();
    assert_eq!(head.method(), Method::Get);
    assert_eq!(head.method_token().of(bytes), b"GET");
    assert_eq!(head.version(), Version::Http2);
    assert_eq!(head.target().of(bytes), b"/p?q");
    assert_eq!(head.path_bytes(bytes), b"/p");
    assert_eq!(head.query().map(|span| span.of(bytes)), Some(&b"q"[..]));
    assert_eq!(head.host().map(|span| span.of(bytes)), Some(&b"a.example"[..]));
    assert_eq!(head.fields().len(), 4);
    for (name, value) in [("host", "a.example"), ("cookie", "a=1"), ("accept", "*/*"), ("x", "")] {
        assert_eq!(head.get(bytes, name), Some(value.as_bytes()), "{name}");
    }
    assert!(head.is_secure() && head.keep_alive());
    assert!(!head.upgrade() && !head.extended_connect() && !head.expect_continue());
}

#[test]
fn the_order_of_the_pseudo_fields_does_not_matter() {
    let (expected, _) = read(GET, true).unwrap();
    for turn in 0..4 {
        let mut fields = GET.to_vec();
        fields.rotate_left(turn);
        assert_eq!(read(&fields, true).unwrap().0, expected);
        fields.reverse();
        assert_eq!(read(&fields, true).unwrap().0, expected);
    }
}

/// The same fields on both versions mean the same.
#[test]
fn equal_facts_as_in_http1() {
    let rows: &[(&str, &str, &str, Fields<'_>, bool)] = &[
        ("GET", "/", "a", &[], true),
        ("POST", "/p/%20?x=\\&y", "a.example:80", &[("content-length", "12")], false),
        ("PUT", "/", "[::1]:8080", &[("content-length", "5"), ("expect", "100-continue")], false),
        ("GET", "/", "127.0.0.1", &[("content-length", "0")], true),
        ("GET", "/", "127.0.0.1", &[("content-length", "0"), ("expect", "100-continue")], false),
        ("OPTIONS", "*", "a", &[], true),
        ("CONNECT", "a.example:443", "a.example:443", &[], true),
        ("QUERY", "/x", "a", &[("accept", "a, b"), ("te", "trailers")], true),
        ("get", "/?", "a", &[("x", "caf\u{e9}")], true),
    ];
    for (method, target, host, fields, end_stream) in rows {
        let mut block = vec![(":method", *method)];
        if *method != "CONNECT" {
            block.extend([(":scheme", "http"), (":path", *target)]);
        }
        block.push((":authority", host));
        block.extend_from_slice(fields);
        let (text, head) = read(&block, *end_stream).unwrap();

        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in *fields {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let mut other = Head::default();
        let event = Decoder::default().decode(request.as_bytes(), &mut other, &limits());
        assert_eq!(event, Ok((request.len(), Event::Head)));
        // A version is one byte shorter or longer nowhere: all spans are equal.
        assert_eq!(text, request.replacen("HTTP/1.1", "HTTP/2.0", 1));
        assert_eq!(head.fields(), other.fields());
        assert_eq!(head.method(), other.method());
        assert_eq!(head.method_token(), other.method_token());
        assert_eq!(head.target(), other.target());
        assert_eq!(head.path(), other.path());
        assert_eq!(head.query(), other.query());
        assert_eq!(head.host(), other.host());
        assert_eq!(head.framing(), other.framing(), "{request}");
        assert_eq!(head.expect_continue(), other.expect_continue());
        assert_eq!(head.keep_alive(), other.keep_alive());
        assert_eq!(head.upgrade(), other.upgrade());
        assert_eq!(head.is_secure(), other.is_secure());
        assert_eq!(head.len(), other.len());
    }
}

#[test]
fn how_the_body_is_framed() {
    for (fields, end_stream, framing) in [
        (&[][..], true, Framing::None),
        (&[], false, Framing::Chunked),
        (&[("content-length", "3")], false, Framing::Length(3)),
        (&[("content-length", "0")], false, Framing::None),
        (&[("content-length", "0")], true, Framing::None),
    ] {
        assert_eq!(read(&with(GET, fields), end_stream).unwrap().1.framing(), framing);
    }
}

#[test]
fn malformed_heads() {
    use MessageError::*;
    let line = |field| [GET, &[field][..]].concat();
    let rows: &[(Vec<(&str, &str)>, MessageError)] = &[
        (vec![], PseudoMissing),
        (GET[1..].to_vec(), PseudoMissing),
        (vec![GET[0], GET[2], GET[3]], PseudoMissing),
        (GET[..3].to_vec(), PseudoMissing),
        (vec![("accept", "x")], PseudoMissing),
        (vec![(":method", "CONNECT")], PseudoMissing),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")], PseudoUnexpected),
        (
            vec![(":method", "CONNECT"), (":authority", "a:1"), (":scheme", "http")],
            PseudoUnexpected,
        ),
        (with(GET, &[(":method", "GET")]), PseudoRepeated),
        (with(GET, &[(":path", "/")]), PseudoRepeated),
        (with(GET, &[(":authority", "a.example")]), PseudoRepeated),
        (with(GET, &[(":status", "200")]), PseudoUnknown),
        (with(GET, &[(":protocol", "websocket")]), PseudoUnknown),
        (with(GET, &[(":Path", "/")]), PseudoUnknown),
        (with(GET, &[(":", "/")]), PseudoUnknown),
        (with(&[("accept", "x")], GET), PseudoMissing),
        (with(GET, &[("accept", "x"), (":path", "/")]), PseudoLate),
        (vec![(":method", "G T"), GET[1], GET[2], GET[3]], MethodInvalid),
        (vec![(":method", ""), GET[1], GET[2], GET[3]], MethodInvalid),
        (vec![GET[0], (":scheme", ""), GET[2], GET[3]], SchemeInvalid),
        (vec![GET[0], (":scheme", "ht tp"), GET[2], GET[3]], SchemeInvalid),
        (vec![GET[0], GET[1], GET[2], (":path", "")], PathEmpty),
        (vec![GET[0], GET[1], GET[2], (":path", "/\r\nx: y")], ValueInvalid),
        (vec![GET[0], GET[1], GET[2], (":path", " /")], ValueInvalid),
        (line(("", "x")), NameInvalid),
        (line(("a b", "x")), NameInvalid),
        (line(("a:b", "x")), NameInvalid),
        (line(("a\r\n", "x")), NameInvalid),
        (line(("caf\u{e9}", "x")), NameInvalid),
        (line(("Accept", "x")), NameUpperCase),
        (line(("x", "a\r\nb")), ValueInvalid),
        (line(("x", "a\nb")), ValueInvalid),
        (line(("x", "a\0b")), ValueInvalid),
        (line(("x", "a\x7fb")), ValueInvalid),
        (line(("x", " a")), ValueInvalid),
        (line(("x", "a\t")), ValueInvalid),
        (line(("x", " ")), ValueInvalid),
        (line(("cookie", "a\rb")), ValueInvalid),
        (line(("connection", "close")), ConnectionField),
        (line(("proxy-connection", "close")), ConnectionField),
        (line(("keep-alive", "1")), ConnectionField),
        (line(("transfer-encoding", "chunked")), ConnectionField),
        (line(("upgrade", "h2c")), ConnectionField),
        (line(("te", "gzip")), TeInvalid),
        (line(("te", "trailers, gzip")), TeInvalid),
        (line(("te", "")), TeInvalid),
        (line(("host", "b.example")), HostDiffers),
        (line(("content-length", "1")), LengthWithoutBody),
    ];
    for (fields, error) in rows {
        let refused = read(fields, true).map(|(text, _)| text);
        assert_eq!(refused, Err(Refused::Malformed(*error)), "{fields:?}");
        assert!(error.message().contains("(RFC 9113 section 8."));
    }
}

#[test]
fn heads_that_get_an_answer() {
    use RequestError::*;
    let (long_path, long_method, long) =
        ("/123456789".repeat(10), "M".repeat(101), "y".repeat(800));
    let line = |field| [GET, &[field][..]].concat();
    let path = |path| vec![GET[0], GET[1], GET[2], (":path", path)];
    let host = |host| vec![GET[0], GET[1], (":authority", host), GET[3]];
    let rows: &[(Vec<(&str, &str)>, RequestError)] = &[
        (path("/a b"), TargetInvalid),
        (path("/a#b"), TargetInvalid),
        (path("/a\\b"), TargetInvalid),
        (path("/caf\u{e9}"), TargetInvalid),
        (path("a"), TargetFormInvalid),
        (path("*"), TargetFormInvalid),
        (path("http://a.example/"), TargetFormInvalid),
        (path(&long_path), RequestLineTooLong),
        (host("a@b"), HostInvalid),
        (host("a b"), HostInvalid),
        (host("a:b"), HostInvalid),
        (host("256.0.0.1"), HostInvalid),
        (host(""), HostEmpty),
        (vec![GET[0], GET[1], GET[3]], HostMissing),
        (vec![GET[0], GET[1], GET[3], ("host", "")], HostEmpty),
        (vec![GET[0], GET[1], GET[3], ("host", "a/")], HostInvalid),
        (vec![GET[0], GET[1], GET[3], ("host", "a"), ("host", "a")], HostRepeated),
        (with(GET, &[("host", "a.example"), ("host", "a.example")]), HostRepeated),
        (vec![(":method", "CONNECT"), (":authority", "a")], TargetAuthorityInvalid),
        (vec![(":method", "CONNECT"), (":authority", "")], TargetAuthorityInvalid),
        (vec![(":method", &long_method), GET[1], GET[3]], MethodTooLong),
        (vec![GET[0], (":scheme", "ftp"), GET[2], GET[3]], TargetFormInvalid),
        (line(("content-length", "")), ContentLengthInvalid),
        (line(("content-length", "+1")), ContentLengthInvalid),
        (line(("content-length", "1, 1")), ContentLengthInvalid),
        (line(("content-length", "99999999999999999999")), ContentLengthInvalid),
        (with(GET, &[("content-length", "1"), ("content-length", "1")]), ContentLengthRepeated),
        (line(("content-length", "1001")), BodyTooLarge),
        (line(("expect", "200-ok")), ExpectationUnknown),
        (with(GET, &[("a", "b"); 5]), TooManyFields),
        (line(("x", &long)), HeadTooLarge),
        (with(GET, &[("cookie", ""); 24]), HeadTooLarge),
    ];
    for (fields, error) in rows {
        let refused = read(fields, false).map(|(text, _)| text);
        assert_eq!(refused, Err(Refused::Answer(*error)), "{fields:?}");
    }
    assert!(read(&with(GET, &[("a", "b"); 4]), true).is_ok());
}

#[test]
fn what_is_over_four_times_the_limit_is_too_much() {
    let long = "y".repeat(1000);
    let mut fields = GET.to_vec();
    for count in 1..6 {
        fields.push(("x", &long));
        let refused = read(&fields, true).map(|(text, _)| text);
        let expected = match count {
            1..=3 => Refused::Answer(RequestError::HeadTooLarge),
            _ => Refused::TooMuch,
        };
        assert_eq!(refused, Err(expected), "{count}");
    }
    // Also if another fault came before.
    fields[0] = (":method", "");
    assert_eq!(read(&fields, true).map(|(text, _)| text), Err(Refused::TooMuch));
}

#[test]
fn what_is_over_the_limit_is_not_stored() {
    let (mut reader, mut text, mut head) = (HeadReader::default(), Vec::new(), Head::default());
    reader.begin(&limits());
    for _ in 0..10_000 {
        reader.field(b"x", &[b'y'; 500], &mut text, &mut head);
        reader.field(b":x", &[b'y'; 500], &mut text, &mut head);
    }
    assert!(text.capacity() < 4000 && head.fields.capacity() < 64);
    reader.begin(&limits());
    for (name, value) in GET {
        reader.field(name.as_bytes(), value.as_bytes(), &mut text, &mut head);
    }
    for _ in 0..10_000 {
        reader.field(b"cookie", b"", &mut text, &mut head);
        reader.field(b"x", b"", &mut text, &mut head);
    }
    assert!(text.capacity() < 4000 && head.fields.capacity() < 64);
}

#[test]
fn host_stands_for_authority() {
    let fields = [GET[0], GET[1], GET[3], ("accept", "*/*"), ("host", "a:80"), ("x", "y")];
    let (text, head) = read(&fields, true).unwrap();
    assert_eq!(text, "GET /p?q HTTP/2.0\r\naccept: */*\r\nhost: a:80\r\nx: y\r\n\r\n");
    assert_eq!(head.host().map(|span| span.of(text.as_bytes())), Some(&b"a:80"[..]));
    // Beside `:authority` an equal one adds nothing.
    let (text, head) = read(&with(GET, &[("host", "A.example")]), true).unwrap();
    assert_eq!(text, "GET /p?q HTTP/2.0\r\nhost: a.example\r\n\r\n");
    assert_eq!(head.fields().len(), 1);
}

#[test]
fn crumbs_of_a_cookie_are_one_line() {
    let c = |value| ("cookie", value);
    for (fields, expected) in [
        (&[c("a=1"), c("b=2"), c("c=3")][..], "cookie: a=1; b=2; c=3\r\n"),
        (&[c("a"), c("b"), ("x", "y")], "cookie: a; b\r\nx: y\r\n"),
        (&[c(""), c("a"), c(""), c("b"), c("")], "cookie: a; b\r\n"),
        (&[c("")], "cookie: \r\n"),
        (&[c("a"), ("x", "y"), c("b")], "cookie: a; b\r\nx: y\r\n"),
        (
            &[("v", "w"), c("a"), c("b"), ("x", "y"), c("c"), c("d")],
            "v: w\r\ncookie: a; b; c; d\r\nx: y\r\n",
        ),
        (&[c(""), ("x", ""), c("b"), ("y", ""), c("")], "cookie: b\r\nx: \r\ny: \r\n"),
    ] {
        let (text, head) = read(&with(GET, fields), true).unwrap();
        assert_eq!(text, format!("GET /p?q HTTP/2.0\r\nhost: a.example\r\n{expected}\r\n"));
        let written = head.fields().iter().map(|field| {
            let bytes = text.as_bytes();
            [field.name.of(bytes), b": ", field.value.of(bytes), b"\r\n"].concat()
        });
        let lines = written.collect::<Vec<_>>().concat();
        assert_eq!(lines, format!("host: a.example\r\n{expected}").into_bytes());
    }
    // Crumbs are one field, wherever they are; a host that comes late moves with the others.
    let fields = [
        GET[0],
        GET[1],
        GET[3],
        c("a"),
        ("x", ""),
        c("b"),
        ("host", "h"),
        c("c"),
        ("y", ""),
        c("d"),
    ];
    let (text, head) = read(&fields, true).unwrap();
    assert_eq!(text, "GET /p?q HTTP/2.0\r\ncookie: a; b; c; d\r\nx: \r\nhost: h\r\ny: \r\n\r\n");
    assert_eq!(head.host().map(|span| span.of(text.as_bytes())), Some(&b"h"[..]));
}

#[test]
fn extended_connect_is_a_request_to_upgrade() {
    const CONNECT: Fields<'_> = &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
        ("sec-websocket-version", "13"),
    ];
    let (text, head) = extended(&with(CONNECT, &[("sec-websocket-key", "x")])).unwrap();
    assert_eq!(
        text,
        "GET /chat HTTP/2.0\r\nhost: a\r\nsec-websocket-version: 13\r\nupgrade: websocket\r\n\
         connection: upgrade\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    assert!(head.upgrade() && head.extended_connect());
    assert_eq!((head.method(), head.framing()), (Method::Get, Framing::None));
    let upgrade = crate::ws::Upgrade::of(&head, text.as_bytes());
    assert!(upgrade.is_ok());

    let replaced = |at: usize, field| {
        let mut fields = CONNECT.to_vec();
        fields[at] = field;
        extended(&fields).map(|(text, _)| text)
    };
    let malformed = |error| Err(Refused::Malformed(error));
    assert_eq!(replaced(0, (":method", "GET")), malformed(MessageError::PseudoUnexpected));
    assert_eq!(replaced(5, ("upgrade", "websocket")), malformed(MessageError::ConnectionField));
    assert_eq!(replaced(5, ("content-length", "1")), malformed(MessageError::LengthWithoutBody));
    let other = Err(Refused::Answer(RequestError::ProtocolUnsupported));
    assert_eq!(replaced(1, (":protocol", "connect-udp")), other);
    for missing in [2, 3] {
        let mut fields = CONNECT.to_vec();
        fields.remove(missing);
        assert_eq!(extended(&fields).map(|(text, _)| text), malformed(MessageError::PseudoMissing));
    }
    // What follows on the same reader is an ordinary request.
    let mut reader = HeadReader::default();
    reader.takes_extended_connect(true);
    read_with(&mut reader, CONNECT, false).unwrap();
    let (_, head) = read_with(&mut reader, GET, true).unwrap();
    assert!(!head.upgrade() && !head.extended_connect());
}

/// A field is checked once; then its entry in the table is known to be sound, or not to be.
#[test]
fn what_was_not_sound_is_not_when_it_comes_from_the_table() {
    use crate::h2::hpack::{HpackDecoder, HpackEncoder, Indexing};

    let (mut encoder, mut decoder) = (HpackEncoder::new(), HpackDecoder::new(4096));
    let (mut text, mut head) = (Vec::new(), Head::default());
    let mut exchange = |fields: Fields<'_>| {
        let mut block = Vec::new();
        for (name, value) in fields {
            encoder.field(&mut block, name.as_bytes(), value.as_bytes(), Indexing::Index);
        }
        let mut reader = HeadReader::default();
        reader.begin(&limits());
        decoder
            .decode_known(&block, &mut |name, value, is_sound| {
                reader.known_field(name, value, is_sound, &mut text, &mut head)
            })
            .unwrap();
        (block.len(), reader.finish(true, &mut text, &mut head))
    };
    let malformed = Err(Refused::Malformed(MessageError::ValueInvalid));
    let (sound, bad) = (("x", "a"), ("x", "a\nb"));
    // The second turn is indices only; a fault before leaves the later fields unchecked.
    for len in [100, 7] {
        let (written, result) = exchange(&with(GET, &[bad, sound]));
        assert!(written <= len && result == malformed);
    }
    for _ in 0..2 {
        assert_eq!(exchange(&with(GET, &[sound])), (5, Ok(())));
        assert_eq!(exchange(&with(GET, &[bad])), (5, malformed));
    }
    let late = [(":path", "/"), sound];
    let pseudo = Err(Refused::Malformed(MessageError::PseudoRepeated));
    assert_eq!(exchange(&with(GET, &late)).1, pseudo);
}

/// A log shows the line of a refused request, and never that of another.
#[test]
fn what_is_left_of_a_refused_head() {
    let (mut reader, mut head) = (HeadReader::default(), Head::default());
    head.method = Method::Head;
    let mut left = |fields: Fields<'_>, limits: &Limits| {
        let mut text = b"HEAD /secret HTTP/2.0\r\nhost: other.example\r\n\r\n".repeat(20);
        reader.begin(limits);
        for (name, value) in fields {
            reader.field(name.as_bytes(), value.as_bytes(), &mut text, &mut head);
        }
        assert!(reader.finish(false, &mut text, &mut head).is_err());
        (String::from_utf8(text).unwrap(), head.method())
    };
    let short = Limits { request_line: 5, ..limits() };
    let line = "GET /p?q HTTP/2.0\r\nhost: a.example\r\n";
    assert_eq!(left(&[], &short), (String::new(), Method::Other));
    assert_eq!(left(&GET[..2], &short), (String::new(), Method::Get));
    assert_eq!(left(GET, &short), (line.to_owned(), Method::Get));
    assert_eq!(left(&with(GET, &[("x", "y")]), &short), (line.to_owned(), Method::Get));
    let lines = format!("{line}x: y\r\n");
    assert_eq!(left(&with(GET, &[("x", "y"), ("X", "z")]), &limits()), (lines, Method::Get));
    let twice = with(GET, &[(":path", "/another/path/that/is/longer")]);
    assert_eq!(left(&twice, &limits()), (line.to_owned(), Method::Get));
    let tiny = Limits { head: 130, ..limits() };
    assert_eq!(left(GET, &tiny).0, "");
    let spaced = [(":method", "POST"), (":scheme", "http"), (":path", "/a b")];
    assert_eq!(left(&spaced, &limits()).1, Method::Post);
    assert_eq!(left(&spaced, &short), (String::new(), Method::Post));
    let (text, _) = left(&with(GET, &[("expect", "x")]), &limits());
    assert_eq!(text, format!("{line}expect: x\r\n"));
}

fn trailers(fields: Fields<'_>) -> Result<String, Refused> {
    let (mut reader, mut text) = (HeadReader::default(), b"old".to_vec());
    reader.begin_trailers(&limits());
    for (name, value) in fields {
        reader.trailer(name.as_bytes(), value.as_bytes(), &mut text);
    }
    reader.finish_trailers(&mut text)?;
    Ok(String::from_utf8(text).unwrap())
}

#[test]
fn trailer_sections() {
    assert_eq!(trailers(&[]), Ok(String::new()));
    let fields = [("grpc-status", "0"), ("grpc-message", "")];
    assert_eq!(trailers(&fields), Ok("grpc-status: 0\r\ngrpc-message: \r\n".to_owned()));
    for (field, error) in [
        ((":path", "/"), MessageError::PseudoLate),
        (("A", "b"), MessageError::NameUpperCase),
        (("a ", "b"), MessageError::NameInvalid),
        (("a", "b\r\nc"), MessageError::ValueInvalid),
        (("connection", "x"), MessageError::ConnectionField),
        (("te", "x"), MessageError::TeInvalid),
    ] {
        assert_eq!(trailers(&[fields[0], field]), Err(Refused::Malformed(error)), "{field:?}");
    }
    let too_large = Err(Refused::Answer(RequestError::TrailersTooLarge));
    assert_eq!(trailers(&[("a", "b"); 6]), too_large);
    let long = &*"x".repeat(100);
    assert_eq!(trailers(&[("a", long); 2]), too_large);
    assert_eq!(trailers(&[("a", long); 7]), Err(Refused::TooMuch));
}
