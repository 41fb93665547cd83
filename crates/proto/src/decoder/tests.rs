//! Every case runs whole, at every two-way split and byte by byte, and all of
//! them have to agree.

use super::*;
use crate::{Method, Version};

/// What one run over some input came to, in a form that does not depend on how
/// body bytes were handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Story {
    requests: Vec<Request>,
    error: Option<RequestError>,
    /// Bytes not used up.
    left: usize,
    between_requests: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
    complete: bool,
}

/// Feeds `segments` one after the other, as a connection would.
fn run<'a>(segments: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Story {
    let (mut decoder, mut head, mut story) =
        (Decoder::default(), Head::default(), Story::default());
    let mut pending: Vec<u8> = Vec::new();
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            match decoder.decode(&pending, &mut head, limits) {
                Err(error) => {
                    assert_eq!(decoder.decode(&pending, &mut head, limits), Err(error));
                    story.error = Some(error);
                    return story;
                }
                Ok((used, event)) => {
                    assert!(used <= pending.len());
                    match event {
                        Event::Incomplete => {}
                        Event::Head => story.requests.push(Request {
                            head: pending[used - head.len()..used].to_vec(),
                            body: Vec::new(),
                            complete: head.framing() == Framing::None,
                        }),
                        Event::Data { start, end } => {
                            assert!(start < end && end == used);
                            let request = story.requests.last_mut().expect("a head before data");
                            assert!(!request.complete);
                            request.body.extend_from_slice(&pending[start..end]);
                        }
                        Event::End => {
                            let request = story.requests.last_mut().expect("a head before the end");
                            assert!(!std::mem::replace(&mut request.complete, true));
                        }
                    }
                    assert_eq!(
                        decoder.in_body(),
                        story.requests.last().is_some_and(|request| !request.complete)
                    );
                    pending.drain(..used);
                    if event == Event::Incomplete {
                        break;
                    }
                }
            }
        }
    }
    story.left = pending.len();
    story.between_requests = decoder.is_between_requests();
    story
}

/// The story of `input`, checked to be the same for every way to cut it.
fn story_with(input: &[u8], limits: &Limits) -> Story {
    let whole = run([input], limits);
    assert_eq!(run(input.chunks(1), limits), whole, "byte by byte: {}", input.escape_ascii());
    for at in 0..=input.len().min(2000) {
        let (a, b) = input.split_at(at);
        assert_eq!(run([a, b], limits), whole, "split at {at}: {}", input.escape_ascii());
    }
    whole
}

fn story(input: impl AsRef<[u8]>) -> Story {
    story_with(input.as_ref(), &Limits::default())
}

/// Parses one complete head.
fn parsed(input: &[u8]) -> Head {
    let mut head = Head::default();
    let (used, event) = Decoder::default()
        .decode(input, &mut head, &Limits::default())
        .unwrap_or_else(|error| panic!("{}: {error}", input.escape_ascii()));
    assert_eq!((used, event), (input.len(), Event::Head), "{}", input.escape_ascii());
    head
}

const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";

/// `input` is refused with `error`, and nothing behind it is read as a request.
#[track_caller]
fn refused(input: impl AsRef<[u8]>, error: RequestError) {
    let input = input.as_ref();
    let bytes = [input, CANARY.as_bytes()].concat();
    let story = story(&bytes);
    assert_eq!(story.error, Some(error), "{}", input.escape_ascii());
    assert!(
        story.requests.iter().all(|request| !request.head.starts_with(b"GET /canary")),
        "{}",
        input.escape_ascii()
    );
}

/// `input` is one complete request with `body`, and the next starts right after it.
#[track_caller]
fn accepted(input: impl AsRef<[u8]>, body: &str) {
    let input = input.as_ref();
    let story = story([input, CANARY.as_bytes()].concat());
    assert_eq!(story.error, None, "{}", input.escape_ascii());
    assert_eq!(story.requests.len(), 2, "{}", input.escape_ascii());
    assert_eq!(story.requests[0].body, body.as_bytes(), "{}", input.escape_ascii());
    assert_eq!(story.requests[1].head, CANARY.as_bytes(), "{}", input.escape_ascii());
    assert!(story.between_requests && story.left == 0);
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

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
    let fresh = parsed(second);
    assert_eq!(format!("{head:?}"), format!("{fresh:?}"));
    assert_eq!(head.fields.capacity(), room);

    let mut copy = parsed(first);
    let place = copy.fields.as_ptr();
    copy.clone_from(&head);
    assert_eq!(format!("{copy:?}"), format!("{head:?}"));
    assert_eq!(copy.fields.as_ptr(), place);
}

// Rows 1–6: Host.
#[test]
fn host() {
    use RequestError::*;
    refused("GET / HTTP/1.1\r\n\r\n", HostMissing);
    refused("GET http://b/ HTTP/1.1\r\n\r\n", HostMissing);
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HostRepeated);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n", HostRepeated);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HostRepeated);
    for host in ["a b", "a/b", "u@a", "a:x", ":80", "a, b", "[::1", "a\\b"] {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), HostInvalid);
        refused(format!("GET http://b/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), HostInvalid);
    }
    refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", HostEmpty);
    refused("GET / HTTP/1.1\r\nHost: \t \r\n\r\n", HostEmpty);
    refused("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", HostEmpty);
    accepted("GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n", "");
    accepted("GET / HTTP/1.0\r\n\r\n", "");
    accepted("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "");

    let effective =
        |input: &'static str| parsed(input.as_bytes()).host().map(|span| span.of(input.as_bytes()));
    assert_eq!(effective("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), Some(&b"b"[..]));
    assert_eq!(effective("GET http://b:1?q HTTP/1.0\r\n\r\n"), Some(&b"b:1"[..]));
    assert_eq!(effective("CONNECT c:443 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(&b"c:443"[..]));
    assert_eq!(effective("GET / HTTP/1.0\r\n\r\n"), None);
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
    assert_eq!(path("GET HTTPS://b:1?x"), ("/".into(), some("x")));
    assert_eq!(path("GET http://b/p?x"), ("/p".into(), some("x")));
    assert_eq!(path("OPTIONS *"), ("*".into(), None));
    assert_eq!(path("OPTIONS /"), ("/".into(), None));
    assert_eq!(path("CONNECT b:443"), ("b:443".into(), None));

    let refused = |line: &str, error| {
        refused(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), error);
    };
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

// Rows 33–38: Content-Length.
#[test]
fn content_length() {
    use RequestError::*;
    let post =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    for value in
        ["+5", "-1", "5 5", "0x5", "1_0", "5abc", "", "5, 5", "5,6", "5,", "\u{665}", "5;a"]
    {
        refused(post(&format!("Content-Length: {value}\r\n"), ""), ContentLengthInvalid);
    }
    for value in ["18446744073709551616", "18446744073709551615", "99999999999999999999999999"] {
        refused(post(&format!("Content-Length: {value}\r\n"), ""), BodyTooLarge);
    }
    accepted(post("Content-Length: 010\r\n", "0123456789"), "0123456789");
    accepted(post("Content-Length: 00000000000000000000000005\r\n", "01234"), "01234");
    accepted(post("Content-Length: 0\r\n", ""), "");
    assert_eq!(parsed(post("Content-Length: 00\r\n", "").as_bytes()).framing(), Framing::None);
    accepted(post("cONTENT-lENGTH:\t5 \r\n", "01234"), "01234");
    refused(post("Content-Length: 5\r\nContent-Length: 6\r\n", ""), ContentLengthRepeated);
    refused(post("Content-Length: 5\r\nContent-Length: 5\r\n", ""), ContentLengthRepeated);
    refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ""), LengthWithEncoding);
    refused(post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", ""), LengthWithEncoding);
}

// Rows 39–46: Transfer-Encoding.
#[test]
fn transfer_encoding() {
    use RequestError::*;
    let post =
        |coding: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{coding}\r\n5\r\n01234\r\n0\r\n\r\n");
    let with = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"));
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", EncodingInHttp10);
    refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n",
        EncodingInHttp10,
    );
    refused(with("gzip, chunked"), EncodingUnsupported);
    refused(post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), EncodingUnsupported);
    for value in ["gzip", "identity", "chunked, gzip", "xchunked", "chunked, identity", "chunke"] {
        refused(with(value), ChunkedNotLast);
    }
    refused(with("chunked, chunked"), ChunkedRepeated);
    refused(with("chunked, gzip, chunked"), ChunkedRepeated);
    refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), ChunkedRepeated);
    for value in [
        "\"chunked\"",
        "chunked;a=b",
        "chunked chunked",
        "chunked;",
        "ch\u{fc}nked",
        "",
        ",",
        " , ",
        "\u{85}chunked",
        "chunked\u{a0}",
        "(x), chunked",
    ] {
        refused(with(value), EncodingInvalid);
    }
    for wrapped in ["\x0bchunked", "chunked\x0c", "\x00chunked"] {
        refused(with(wrapped), FieldValueInvalid);
    }
    for value in ["chunked", "cHuNkEd", ",chunked", "chunked,", ", ,\tchunked ,", "\t chunked\t"] {
        accepted(with(value), "01234");
    }
}

// Rows 47–50 and 54: chunks.
#[test]
fn chunks() {
    use RequestError::*;
    accepted(chunked("5\r\n01234\r\n0\r\n\r\n"), "01234");
    accepted(
        chunked("1\r\na\r\nA\r\n0123456789\r\n00b\r\n0123456789a\r\n000\r\n\r\n"),
        "a01234567890123456789a",
    );
    accepted(chunked("0\r\n\r\n"), "");
    accepted(chunked("0000000000000005\r\n01234\r\n0\r\n\r\n"), "01234");
    for size in ["0x5", "+5", "-5", "5_0", " 5", "", "g", "\t5", ";a", "5,"] {
        refused(chunked(&format!("{size}\r\n01234\r\n0\r\n\r\n")), ChunkSizeInvalid);
    }
    for size in ["5 ", "5\t", "5  \t"] {
        refused(chunked(&format!("{size}\r\n01234\r\n0\r\n\r\n")), ChunkExtensionInvalid);
    }
    for size in [
        "8000000000000000",
        "ffffffffffffffff",
        "00000000000000005",
        "10000000000000000",
        "fffffffffffffffff0",
    ] {
        refused(chunked(&format!("{size}\r\n")), ChunkSizeTooLarge);
    }
    refused(chunked("7fffffffffffffff\r\n"), BodyTooLarge);
    refused(chunked("5\n01234\r\n0\r\n\r\n"), ChunkLineEnd);
    refused(chunked("5\r01234\r\n0\r\n\r\n"), ChunkLineEnd);
    refused(chunked("5\rX\n01234\r\n0\r\n\r\n"), ChunkLineEnd);
    refused(chunked("5\r\r\n01234\r\n0\r\n\r\n"), ChunkLineEnd);
    refused(chunked("5;a\n01234\r\n0\r\n\r\n"), ChunkLineEnd);
    for end in ["56\r\n0\r\n\r\n", "XX0\r\n\r\n", "\n0\r\n\r\n", "\r0\r\n\r\n", "\rX0\r\n\r\n"] {
        refused(chunked(&format!("5\r\n01234{end}")), ChunkDataEnd);
    }
    refused(chunked("0\r\nXX"), TrailerInvalid);
    refused(chunked("0\r\n\rX"), TrailerInvalid);
    refused(chunked("0\r\n\n"), TrailerInvalid);
}

#[test]
fn chunked_bodies_are_limited_in_total() {
    let limits = Limits { body: 10, ..Limits::default() };
    let story = |body: &str| story_with(chunked(body).as_bytes(), &limits);
    assert!(story("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n").requests[0].complete);
    let over = story("5\r\n01234\r\n6\r\n");
    assert_eq!(over.error, Some(RequestError::BodyTooLarge));
    assert_eq!(over.requests[0].body, b"01234");
    assert_eq!(story("b\r\n").error, Some(RequestError::BodyTooLarge));
}

// Rows 51–53: chunk extensions.
#[test]
fn chunk_extensions() {
    use RequestError::*;
    for extension in [
        ";a",
        ";a=b",
        ";a=\"b\"",
        ";a=\"\"",
        ";a=\"b;c\\\"\\\\ \t\u{e9}\"",
        ";a;b=c;d",
        " ;a",
        "; a = b ; c",
        " ; a = \"b\" ; c",
        ";a=\"0\"\t;b",
    ] {
        accepted(chunked(&format!("5{extension}\r\n01234\r\n0{extension}\r\n\r\n")), "01234");
    }
    for extension in [
        ";",
        ";;a",
        ";a=",
        ";a;",
        ";=b",
        ";a=b c",
        ";a b",
        ";a=\"b\"c",
        ";a ",
        ";a=b ",
        ";a=\"b\" ",
        ";\x00",
        ";a=\x00",
        ";a=\"\x00\"",
        ";a\x7f",
        ";a=\"b\\\x01\"",
        ";a=\"\r\n",
        "; ",
        ";a=\"\n\"",
        ";\u{e9}",
        ";a= ",
        ";\rX",
    ] {
        refused(chunked(&format!("5{extension}\r\n01234\r\n0\r\n\r\n")), ChunkExtensionInvalid);
    }
    refused(chunked("5;a\rX\n01234\r\n0\r\n\r\n"), ChunkLineEnd);

    let limits = Limits { chunk_extensions: 10, ..Limits::default() };
    let story = |body: &str| story_with(chunked(body).as_bytes(), &limits);
    assert_eq!(story("1;abcd\r\nx\r\n0;efgh\r\n\r\n").error, None);
    assert_eq!(story("1;abcd\r\nx\r\n0;efghi\r\n\r\n").error, Some(ChunkExtensionsTooLarge));
    assert_eq!(story("1;abcdefghij").error, Some(ChunkExtensionsTooLarge));
    let whole =
        run([chunked(&format!("1;{}", "a".repeat(1 << 20))).as_bytes()], &Limits::default());
    assert_eq!(whole.error, Some(ChunkExtensionsTooLarge));
}

// Rows 55 and 56: trailers.
#[test]
fn trailers() {
    use RequestError::*;
    let with = |trailers: &str| chunked(&format!("5\r\n01234\r\n0\r\n{trailers}\r\n"));
    accepted(
        with("Content-Length: 3\r\nTransfer-Encoding: gzip\r\nHost: b\r\nAuthorization: c\r\n"),
        "01234",
    );
    accepted(with("X:\r\nY: \u{e9}\t z \r\n"), "01234");
    for bad in [
        "X\r\n",
        ": y\r\n",
        "X : y\r\n",
        " X: y\r\n",
        "X: y\r\n z\r\n",
        "X: \x00\r\n",
        "X: y\n",
        "X: y\rz\r\n",
        "X(: y\r\n",
        "X: \x7f\r\n",
        "\u{e9}: y\r\n",
    ] {
        refused(with(bad), TrailerInvalid);
    }
    let limits = Limits { trailers: 12, fields: 3, ..Limits::default() };
    let story = |trailers: &str| story_with(with(trailers).as_bytes(), &limits);
    assert!(story("X: 34567\r\n").requests[0].complete);
    assert_eq!(story("X: 345678\r\n").error, Some(TrailersTooLarge));
    assert_eq!(story("X:\r\nY:\r\n").error, None);
    let many = Limits { fields: 3, ..Limits::default() };
    assert_eq!(story_with(with(&"X:\r\n".repeat(3)).as_bytes(), &many).error, None);
    let error = story_with(with(&"X:\r\n".repeat(4)).as_bytes(), &many).error;
    assert_eq!(error, Some(TrailersTooLarge));
    let endless = run([with(&"x".repeat(1 << 20)).as_bytes()], &Limits::default());
    assert_eq!(endless.error, Some(TrailersTooLarge));
}

// Rows 57, 58, 61 and 63: where a request ends.
#[test]
fn bodies_end_where_they_say() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "PROPFIND"] {
        accepted(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), "abc");
    }
    accepted("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "");
    // What looks like a request inside a body is body.
    let body =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{CANARY}", CANARY.len());
    accepted(body, CANARY);

    let story_bad = story(format!("{CANARY}GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n{CANARY}"));
    assert_eq!(story_bad.requests.len(), 1);
    assert_eq!(story_bad.error, Some(RequestError::BareLf));

    let cut = story("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    assert!(!cut.requests[0].complete && !cut.between_requests);
    assert!(!story(&CANARY[..9]).between_requests);
    assert!(story("").between_requests);
    assert!(!story(chunked("0\r\n")).between_requests);
}

// Rows 6, 59, 60 and 64, and RFC 9112 §9.3.
#[test]
fn what_the_client_asks_of_the_connection() {
    let ask = |version: &str, fields: &str| {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let head = parsed(input.as_bytes());
        (head.keep_alive(), head.expect_continue(), head.upgrade())
    };
    assert_eq!(ask("1.1", ""), (true, false, false));
    assert_eq!(ask("1.0", ""), (false, false, false));
    assert!(!ask("1.1", "Connection: close\r\n").0);
    assert!(!ask("1.1", "connection: x,\tCLOSE ,y\r\n").0);
    assert!(!ask("1.1", "Connection: x\r\nConnection: close\r\n").0);
    assert!(ask("1.1", "Connection: closed\r\n").0);
    assert!(ask("1.0", "Connection: Keep-Alive\r\n").0);
    assert!(!ask("1.0", "Connection: keep-alive, close\r\n").0);
    assert!(!ask("1.1", "Connection: keep-alive, close\r\n").0);

    assert!(ask("1.1", "Content-Length: 1\r\nExpect: 100-Continue\r\n").1);
    assert!(ask("1.1", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n").1);
    assert!(!ask("1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n").1);
    assert!(!ask("1.1", "Expect: 100-continue\r\n").1);
    assert!(!ask("1.0", "Content-Length: 1\r\nExpect: foo\r\n").1);
    refused(get("Expect: foo\r\n"), RequestError::ExpectationUnknown);
    refused(get("Expect: 100-continue, foo\r\n"), RequestError::ExpectationUnknown);
    refused(get("Expect: 100-continue=x\r\n"), RequestError::ExpectationUnknown);

    assert!(ask("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n").2);
    assert!(!ask("1.1", "Upgrade: websocket\r\n").2);
    assert!(!ask("1.1", "Connection: upgrade\r\n").2);
    assert!(!ask("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n").2);
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
