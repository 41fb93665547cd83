//! Cases of HTTP/1 as requests of HTTP/2: the same request has to get the same answer.

use reactor_conformance::{Answer, Case, Layer, Sight};

/// A request as HTTP/2 says it: pseudo-fields first, names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// The body's end is a frame of its own.
    pub(crate) has_body: bool,
    pub(crate) trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sent {
    /// Whether a server with the default limits need not look at its fields.
    pub(crate) fn is_large(&self) -> bool {
        let all = self.fields.iter().chain(&self.trailers);
        all.map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() > 16_384
    }
}

/// What HTTP/2 does not carry (RFC 9113 §8.2.2): a case about it is HTTP/1's alone.
const HOP_BY_HOP: [&[u8]; 6] =
    [b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"te", b"http2-settings"];

/// Limits that count the bytes of HTTP/1, or what only it has.
const BYTE_LIMITS: [&str; 4] = ["request_line", "head", "chunk_extensions", "trailers"];

/// Where the size of heads is looked at, which HTTP/2 counts in its own way.
const SIZES: &str = "04-limits.txt";

/// What a stream takes before it gives credit. Longer bodies have tests of their own.
const WINDOW: usize = 65_535;

/// The requests of a case and the case that judges their answers; `None` where HTTP/2 cannot
/// say what the case says.
pub(crate) fn translate(case: &Case) -> Option<(Vec<Sent>, Case)> {
    let counts_bytes = case.limits.iter().any(|(name, _)| BYTE_LIMITS.contains(&name.as_str()))
        || (case.limits.is_empty() && case.source.starts_with(SIZES));
    if case.layer == Layer::Codec || case.eof || counts_bytes || !case.waits.is_empty() {
        return None;
    }
    let answers: Vec<Answer> =
        case.answers.iter().filter(|answer| !answer.is_interim()).cloned().collect();
    let mut requests = Vec::new();
    let mut rest = case.bytes.as_slice();
    while !rest.is_empty() && requests.len() < answers.len() {
        let (request, after) = one(rest)?;
        if request.body.len() > WINDOW {
            return None;
        }
        requests.push(request);
        rest = after;
    }
    let is_whole = requests.len() == answers.len() && answers.iter().all(|answer| !answer.optional);
    if !is_whole {
        return None;
    }
    let mut judged = case.clone();
    judged.answers = answers;
    for answer in &mut judged.answers {
        if answer.with.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade")) {
            return None;
        }
        if let Sight::Exactly(expected) = &mut answer.sight {
            expected.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
        }
        // What HTTP/1 says of the connection no answer of HTTP/2 says.
        answer.with.retain(|(name, _)| {
            !HOP_BY_HOP.contains(&name.to_ascii_lowercase().as_bytes())
                && !name.eq_ignore_ascii_case("transfer-encoding")
        });
        answer.without.extend(
            ["connection", "keep-alive", "transfer-encoding", "upgrade"].map(str::to_owned),
        );
    }
    Some((requests, judged))
}

/// The first request in `bytes`, and what is behind it.
fn one(bytes: &[u8]) -> Option<(Sent, &[u8])> {
    let end = find(bytes, b"\r\n\r\n")?;
    let (head, mut rest) = (&bytes[..end], &bytes[end + 4..]);
    // A CR or LF by itself has no place in lines that are parted already.
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    });
    let ends = head.iter().filter(|byte| **byte == b'\n').count();
    let pairs = head.windows(2).filter(|pair| pair == b"\r\n").count();
    let returns = head.iter().filter(|byte| **byte == b'\r').count();
    if ends != pairs || returns != pairs {
        return None;
    }
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_path = target.starts_with(b"/") || target == b"*";
    if words.next().is_some() || version != b"HTTP/1.1" || method == b"CONNECT" || !is_path {
        return None;
    }
    let mut hosts = Vec::new();
    let mut others = Vec::new();
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = &line[..colon];
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let value = trimmed(&line[colon + 1..]).to_vec();
        if HOP_BY_HOP.contains(&name.as_slice()) || name == b"trailer" {
            return None;
        }
        match name.as_slice() {
            b"host" => hosts.push(value),
            b"transfer-encoding" if value == b"chunked" && !chunked => chunked = true,
            b"transfer-encoding" => return None,
            b"content-length" => {
                length.get_or_insert(value.clone());
                others.push((name, value));
            }
            _ => others.push((name, value)),
        }
    }
    if chunked && length.is_some() {
        return None;
    }
    let mut sent =
        Sent { fields: Vec::new(), body: Vec::new(), has_body: false, trailers: Vec::new() };
    if chunked {
        sent.has_body = true;
        rest = unchunk(rest, &mut sent)?;
    } else if let Some(length) = length {
        // A length that is none: the request is refused whatever follows.
        let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        let length = String::from_utf8(length).ok()?.parse::<usize>();
        match length {
            Ok(length) if is_number => {
                sent.has_body = length > 0;
                sent.body = rest.get(..length)?.to_vec();
                rest = &rest[length..];
            }
            _ => rest = &[],
        }
    }
    sent.fields =
        vec![(b":method".to_vec(), method.to_vec()), (b":scheme".to_vec(), b"http".to_vec())];
    // Two of them stay two fields of one name.
    let name = if hosts.len() > 1 { "host" } else { ":authority" };
    let (mut hosts, path) = (hosts.into_iter(), (b":path".to_vec(), target.to_vec()));
    if name == ":authority" {
        sent.fields.extend(hosts.next().map(|host| (name.into(), host)));
    }
    sent.fields.push(path);
    sent.fields.extend(hosts.map(|host| (name.into(), host)));
    sent.fields.extend(others);
    Some((sent, rest))
}

/// Takes a plain chunked body apart: no extensions, no odd sizes.
fn unchunk<'b>(mut rest: &'b [u8], sent: &mut Sent) -> Option<&'b [u8]> {
    loop {
        let end = find(rest, b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        if size.is_empty()
            || (size.len() > 1 && size.starts_with('0'))
            || !size.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        sent.body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let end = find(rest, b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        if line.is_empty() {
            return Some(rest);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = &line[..colon];
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || line.contains(&b'\r') {
            return None;
        }
        let (name, value) = (name.to_ascii_lowercase(), trimmed(&line[colon + 1..]).to_vec());
        if HOP_BY_HOP.contains(&name.as_slice()) || name == b"transfer-encoding" {
            return None;
        }
        sent.trailers.push((name, value));
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[test]
fn a_request_is_told_as_http_2_tells_it() {
    let bytes = b"POST /p HTTP/1.1\r\nHost: a\r\nX-A:  b \r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\nhello\r\n0\r\nX-T: u\r\n\r\nGET /";
    let (sent, rest) = one(bytes).expect("a request");
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(
        sent.fields,
        [
            field(":method", "POST"),
            field(":scheme", "http"),
            field(":authority", "a"),
            field(":path", "/p"),
            field("x-a", "b"),
        ]
    );
    assert_eq!((sent.body.as_slice(), sent.has_body), (&b"hello"[..], true));
    assert_eq!(sent.trailers, [field("x-t", "u")]);
    assert_eq!(rest, b"GET /");
    assert_eq!(one(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"), None);
    assert_eq!(one(b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), None);
    assert_eq!(one(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), None);
}
