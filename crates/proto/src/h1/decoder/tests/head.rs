//! The shape of a head: its lines, its parts and its limits.

use super::*;
use crate::{Method, Version};

#[test]
fn a_head_says_where_its_parts_are() {
    let input = b"POST /a/b?x=1?y HTTP/1.1\r\nHost: example.com:80\r\nX-Empty:\r\n\
                  x-TWO: \t a  b \t\r\ncontent-length: 010\r\n\r\n";
    let head = parsed(input);
    assert_eq!(head.method(), Method::Post);
    assert_eq!(head.method_token().of(input), b"POST");
    assert_eq!(head.target().of(input), b"/a/b?x=1?y");
    assert_eq!(head.path().of(input), b"/a/b");
    assert_eq!(head.path_bytes(input), b"/a/b");
    assert_eq!(head.query().map(|span| span.of(input)), Some(&b"x=1?y"[..]));
    assert_eq!(head.host().map(|span| span.of(input)), Some(&b"example.com:80"[..]));
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.framing(), Framing::Length(10));
    assert_eq!(head.len(), input.len());
    assert_eq!(head.fields().len(), 4);
    assert_eq!(head.get(input, "x-empty"), Some(&b""[..]));
    assert_eq!(head.get(input, "X-Two"), Some(&b"a  b"[..]));
    assert_eq!(head.get(input, "x-three"), None);
    assert!(head.keep_alive() && !head.expect_continue() && !head.upgrade());
}

#[test]
fn spans_do_not_count_blank_lines_before_the_head() {
    let (mut decoder, mut head) = (Decoder::default(), Head::default());
    let input = b"\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (used, event) = decoder.decode(input, &mut head, &Limits::default()).expect("valid");
    assert_eq!((used, event), (input.len(), Event::Head));
    let bytes = &input[used - head.len()..used];
    assert!(bytes.starts_with(b"GET /x"));
    assert_eq!(head.target().of(bytes), b"/x");
}

#[test]
fn a_reused_head_keeps_nothing_of_the_one_before() {
    let (mut decoder, mut head) = (Decoder::default(), Head::default());
    let first = b"OPTIONS http://b/x?q HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n\
                  Upgrade: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    decoder.decode(first, &mut head, &Limits::default()).expect("valid");
    assert!(head.upgrade() && head.expect_continue() && !head.keep_alive());
    let room = head.fields.capacity();
    decoder.decode(b"x", &mut head, &Limits::default()).expect("data");
    decoder.decode(b"", &mut head, &Limits::default()).expect("end");
    let second = b"GET / HTTP/1.0\r\n\r\n";
    decoder.decode(second, &mut head, &Limits::default()).expect("valid");
    // The head remembers the last valid host, which is no part of the request.
    head.known_host.clear();
    let fresh = parsed(second);
    assert_eq!(format!("{head:?}"), format!("{fresh:?}"));
    assert_eq!(head.fields.capacity(), room);

    let mut copy = parsed(first);
    let place = copy.fields.as_ptr();
    copy.clone_from(&head);
    copy.known_host.clear();
    assert_eq!(format!("{copy:?}"), format!("{head:?}"));
    assert_eq!(copy.fields.as_ptr(), place);
}

/// A host is compared with the last valid one first. That must not let another one pass.
#[test]
fn a_remembered_host_vouches_for_no_other() {
    let (mut decoder, mut head) = (Decoder::default(), Head::default());
    let mut decode = |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let result = decoder.decode(request.as_bytes(), &mut head, &Limits::default());
        if result.is_err() {
            decoder = Decoder::default();
        }
        result.map(|_| head.host().expect("there").of(request.as_bytes()).to_owned())
    };
    for (host, is_sound) in [
        ("a.example", true),
        ("a.example", true),
        ("a.example/", false),
        ("a.exampl", true),
        ("256.1.1.1", false),
        ("a.exampl", true),
        ("256.1.1.1", false),
        ("A.EXAMPL", true),
    ] {
        let expected = if is_sound { Ok(host.into()) } else { Err(RequestError::HostInvalid) };
        assert_eq!(decode(host), expected, "{host}");
    }
}

// Rows 7 and 8, 17 and 18: line ends.
#[test]
fn line_ends() {
    use RequestError::*;
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf);
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", BareLf);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX\n", BareLf);
    refused("GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", BareLf);
    refused("GET\n", BareLf);
    refused("\n", BareLf);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", BareCr);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", BareCr);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX\ra: b\r\n\r\n", BareCr);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", BareCr);
    refused("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", BareCr);
    refused("GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", BareCr);
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareCr);
    accepted(format!("\r\n{CANARY}"), "");
    accepted(format!("{}{CANARY}", "\r\n".repeat(8)), "");
    refused("\r\n".repeat(9), TooManyBlankLines);
    refused("\r\n".repeat(5000), TooManyBlankLines);
    // The allowance is per request, not per connection.
    let requests = format!("{}{CANARY}", "\r\n".repeat(8)).repeat(3);
    assert_eq!(story(requests).requests.len(), 3);
}

// Rows 9–16: field lines.
#[test]
fn field_lines() {
    use RequestError::*;
    for byte in (0..=31u8).chain([127]).filter(|byte| !b"\t\r\n".contains(byte)) {
        let mut input = get("X: a?b\r\n").into_bytes();
        let at = input.iter().position(|&b| b == b'?').expect("the mark");
        input[at] = byte;
        refused(&input, FieldValueInvalid);
        input[at - 4] = byte;
        refused(&input, FieldNameInvalid);
    }
    let mut input = get("X: ?b?\r\n").into_bytes();
    for byte in 0x80..=0xff {
        input.iter_mut().filter(|b| **b >= 0x80 || **b == b'?').for_each(|b| *b = byte);
        accepted(&input, "");
        assert_eq!(parsed(&input).get(&input, "x"), Some(&[byte, b'b', byte][..]));
    }
    refused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", FieldFolded);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\tX: b\r\n\r\n", FieldFolded);
    refused("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", FieldFolded);
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", LeadingWhitespace);
    refused("GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", LeadingWhitespace);
    refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", FieldNameWhitespace);
    refused(get("X\t: b\r\n"), FieldNameWhitespace);
    refused(get("Content-Length : 5\r\n"), FieldNameWhitespace);
    refused(get("a b: c\r\n"), FieldNameInvalid);
    refused(get("nothing\r\n"), FieldColonMissing);
    refused(get(": b\r\n"), FieldNameEmpty);
    refused(get(":\r\n"), FieldNameEmpty);
    for name in ["a(b", "a\"", "caf\u{e9}", "a/b", "a@b", "[a]", "a\u{7f}"] {
        refused(get(&format!("{name}: x\r\n")), FieldNameInvalid);
    }
    accepted(get("!#$%&'*+-.^_`|~0aZ: x\r\n"), "");
    accepted(get("X:\r\nY:a\tb\r\nZ: :\r\n"), "");
}

// Rows 19–23 and 29: the request line.
#[test]
fn request_line() {
    use RequestError::*;
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    for bad in ["GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1"] {
        let story = story(line(bad));
        assert_eq!(story.error.map(RequestError::status), Some(400), "{bad}");
    }
    refused(line("GET  / HTTP/1.1"), RequestLineInvalid);
    refused(line("GET\x0b/ HTTP/1.1"), MethodInvalid);
    refused(line("GET /\x0bHTTP/1.1"), TargetInvalid);
    refused(line("GET / HTTP/1.1 "), VersionInvalid);
    refused(line(" GET / HTTP/1.1"), MethodInvalid);
    refused(line("GET / a HTTP/1.1"), VersionInvalid);
    refused(line("GET"), RequestLineInvalid);
    refused(line("GET "), RequestLineInvalid);
    refused(line("GET /"), RequestLineInvalid);
    refused(line("GET / "), VersionInvalid);
    for version in [
        "http/1.1",
        "HTTP/1.",
        "HTTP/01.1",
        "HTTP/1.10",
        "HTTP/11",
        "HTTP/1,1",
        "HTTP/a.1",
        "HTTP/1.b",
        "HTTPS/1.1",
        "HTTP/ 1.1",
        "HTTP/+1.1",
        "HTTP",
        "ICY/1.1",
    ] {
        refused(line(&format!("GET / {version}")), VersionInvalid);
    }
    for version in ["HTTP/2.0", "HTTP/9.9", "HTTP/0.9", "HTTP/3.0"] {
        refused(line(&format!("GET / {version}")), VersionUnsupported);
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionUnsupported);
    for minor in 1..=9 {
        let input = line(&format!("GET / HTTP/1.{minor}"));
        assert_eq!(parsed(input.as_bytes()).version(), Version::Http11);
        accepted(input, "");
    }
    refused("GET / HTTP/1.2\r\n\r\n", HostMissing);
    for target in ["/a\x01", "/a\x7f", "/caf\u{e9}", "/a#b", "/#", "#"] {
        refused(line(&format!("GET {target} HTTP/1.1")), TargetInvalid);
    }
    accepted(line("GET /!\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ HTTP/1.1"), "");
}

// Rows 24, 26 and 27: methods.
#[test]
fn methods() {
    use RequestError::*;
    for (token, method) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("TRACE", Method::Trace),
        ("PATCH", Method::Patch),
        ("get", Method::Other),
        ("PROPFIND", Method::Other),
        ("M-SEARCH", Method::Other),
        ("!", Method::Other),
    ] {
        let input = format!("{token} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = parsed(input.as_bytes());
        assert_eq!(head.method(), method);
        assert_eq!(head.method_token().of(input.as_bytes()), token.as_bytes());
    }
    for bad in ["G(T", "G\u{e9}T", "GET/", "GET,", "G\x00T", "\"GET\""] {
        refused(format!("{bad} / HTTP/1.1\r\nHost: a\r\n\r\n"), MethodInvalid);
    }
    refused("A".repeat(9000), MethodTooLong);
    refused(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(65536)), MethodTooLong);
    accepted(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(4000)), "");
}

#[test]
fn what_cannot_start_a_method_is_refused_at_its_first_byte() {
    // A TLS handshake record, and other things that never send an LF.
    for first in [0x16, 0x00, 0x80, b'(', b'{', b' ', b'<'] {
        assert_eq!(
            run([&[first][..]], &Limits::default()).error,
            Some(RequestError::MethodInvalid)
        );
    }
    assert_eq!(run([&b"\rG"[..]], &Limits::default()).error, Some(RequestError::BareCr));
    // But a token byte is given the time to become a request line.
    assert_eq!(run([&b"Z"[..]], &Limits::default()).error, None);
}

// Rows 5, 30 and 31: target forms.
#[test]
fn target_forms() {
    use RequestError::*;
    let path = |line: &str| {
        let input = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let head = parsed(&input);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(head.path_bytes(&input)), head.query().map(|span| text(span.of(&input))))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(path("GET /"), ("/".into(), None));
    assert_eq!(path("GET /?"), ("/".into(), some("")));
    assert_eq!(path("GET //x/..?a/b"), ("//x/..".into(), some("a/b")));
    assert_eq!(path("GET http://b"), ("/".into(), None));
    assert_eq!(path("GET HTTP://b:1?x"), ("/".into(), some("x")));
    assert_eq!(path("GET http://b/p?x"), ("/p".into(), some("x")));
    assert_eq!(path("GET HTTPS://b/p?x"), ("/p".into(), some("x")));
    assert_eq!(path("GET /?a\\b\\\\c/d"), ("/".into(), some("a\\b\\\\c/d")));
    assert_eq!(path("GET http://b?a\\b"), ("/".into(), some("a\\b")));
    let is_secure =
        |line: &str| parsed(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).is_secure();
    assert!(is_secure("GET https://b/") && is_secure("GET HTTPS://b:1?x"));
    assert!(!is_secure("GET http://b/") && !is_secure("GET /https://b/"));
    assert_eq!(path("OPTIONS *"), ("*".into(), None));
    assert_eq!(path("OPTIONS /"), ("/".into(), None));
    assert_eq!(path("CONNECT b:443"), ("b:443".into(), None));

    let refused = |line: &str, error| {
        refused(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), error);
    };
    for line in ["GET /a\\b", "GET /x/..\\a", "GET \\", "GET /\\?x", "GET http://b/a\\b?c"] {
        refused(line, TargetInvalid);
    }
    for line in [
        "GET *",
        "OPTIONS *x",
        "OPTIONS **",
        "GET a",
        "GET ?x",
        "GET a:80",
        "GET ftp://b/",
        "GET http:/b",
        "GET http:",
        "GET urn:x",
        "get *",
    ] {
        refused(line, TargetFormInvalid);
    }
    for line in [
        "GET http:///x",
        "GET http://",
        "GET http://u@b/",
        "GET http://b:x/",
        "GET http://?x",
        "CONNECT b",
        "CONNECT b:",
        "CONNECT /",
        "CONNECT http://b/",
        "CONNECT *",
        "CONNECT u@b:1",
        "CONNECT b:1/x",
        "CONNECT :1",
    ] {
        refused(line, TargetAuthorityInvalid);
    }
}

// Rows 28 and 32: limits of the head, at their exact edges.
#[test]
fn head_limits() {
    use RequestError::*;
    let limits = Limits { request_line: 40, head: 100, fields: 3, ..Limits::default() };
    let line = |len: usize| format!("GET /{} HTTP/1.1", "x".repeat(len - 14));
    let rest = "\r\nHost: a\r\n\r\n";
    let story = |input: String| story_with(input.as_bytes(), &limits);

    assert_eq!(story(line(40) + rest).requests.len(), 1);
    assert_eq!(story(line(41) + rest).error, Some(RequestLineTooLong));
    assert_eq!(story(line(80)).error, Some(RequestLineTooLong));
    assert_eq!(story("A".repeat(41)).error, Some(MethodTooLong));
    assert_eq!(story("A".repeat(40)).error, None);
    // Too long and malformed as well: the length is the verdict, split or not.
    assert_eq!(story(line(40) + "\n").error, Some(BareLf));
    assert_eq!(story(line(40) + "\r").error, None);
    assert_eq!(story(line(40) + "\rx\r\n").error, Some(RequestLineTooLong));
    assert_eq!(story(line(41) + "\n").error, Some(RequestLineTooLong));

    // Nor does a CR win time: what follows it is not LF, so the line is too long now.
    assert_eq!(story(line(40) + "\rx").error, Some(RequestLineTooLong));
    // A request line that the head has no room for is never waited for.
    let narrow = Limits { head: 30, ..limits.clone() };
    assert_eq!(story_with(line(28).as_bytes(), &narrow).error, None);
    assert_eq!(story_with(line(29).as_bytes(), &narrow).error, Some(RequestLineTooLong));

    let head = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
    };
    assert_eq!(head(100).len(), 100);
    assert_eq!(story(head(100)).requests.len(), 1);
    assert_eq!(story(head(101)).error, Some(HeadTooLarge));
    assert_eq!(story(head(102)).error, Some(HeadTooLarge));
    assert_eq!(story(head(103)).error, Some(HeadTooLarge));
    assert_eq!(story(head(500)).error, Some(HeadTooLarge));
    assert_eq!(story(head(500)[..100].to_owned()).error, Some(HeadTooLarge));
    assert_eq!(story(head(500)[..99].to_owned()).error, None);

    // A line that is malformed and crosses the limit, at each place for its LF.
    for len in 96..104 {
        let mut bad = head(len + 2);
        bad.replace_range(len - 2.., "\x01\n");
        let error = if len <= 100 { FieldValueInvalid } else { HeadTooLarge };
        assert_eq!(story(bad).error, Some(error), "{len}");
    }

    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(n - 1));
    assert_eq!(story(fields(3) + "\r\n").requests.len(), 1);
    assert_eq!(story(fields(4)).error, Some(TooManyFields));
    assert_eq!(story(fields(3) + " bad\n").error, Some(TooManyFields));

    // Limits that no request can meet refuse, they do not panic.
    for head in 0..20 {
        let tiny = Limits { head, ..limits.clone() };
        assert!(story_with(CANARY.as_bytes(), &tiny).error.is_some());
    }
    let none = Limits { fields: 0, ..limits.clone() };
    assert_eq!(story_with(CANARY.as_bytes(), &none).error, Some(TooManyFields));
}

#[test]
fn the_default_limits_are_the_documented_ones() {
    use RequestError::*;
    let run = |input: String| run([input.as_bytes()], &Limits::default());
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 14));
    assert_eq!(run(line(8000)).requests.len(), 1);
    assert_eq!(run(line(8192)).requests.len(), 1);
    assert_eq!(run(line(8193)).error, Some(RequestLineTooLong));
    assert_eq!(run(get(&"X: y\r\n".repeat(99))).requests.len(), 1);
    assert_eq!(run(get(&"X: y\r\n".repeat(100))).error, Some(TooManyFields));
    let long = |len: usize| get(&format!("X: {}\r\n", "x".repeat(len - 32)));
    assert_eq!(long(16384).len(), 16384);
    assert_eq!(run(long(16384)).requests.len(), 1);
    assert_eq!(run(long(16385)).error, Some(HeadTooLarge));
    assert_eq!(run(get("Content-Length: 16777217\r\n")).error, Some(BodyTooLarge));
    assert_eq!(run(get("Content-Length: 16777216\r\n")).error, None);
}

#[test]
fn a_head_that_trickles_in_costs_linear_work() {
    // 16 KiB of two-byte-value lines, byte by byte, with the head lent to another
    // connection in between. Quadratic work would take minutes, not milliseconds.
    let limits = Limits { head: 4 << 20, fields: 1 << 20, ..Limits::default() };
    let input = get(&"X: y\r\n".repeat(100_000)).into_bytes();
    let (mut decoder, mut head) = (Decoder::default(), Head::default());
    for end in 1..input.len() {
        let got = decoder.decode(&input[..end], &mut head, &limits);
        assert_eq!(got, Ok((0, Event::Incomplete)));
        if end % 100_000 == 0 {
            head = parsed(CANARY.as_bytes());
        }
    }
    let got = decoder.decode(&input, &mut head, &limits);
    assert_eq!(got, Ok((input.len(), Event::Head)));
    assert_eq!(head.fields().len(), 100_001);
}
