//! Properties that hold for every input.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A request that is valid by construction, with what the decoder must read.
#[derive(Clone, Debug)]
struct Valid {
    method: String,
    path: String,
    query: Option<String>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Chunk sizes to cut the body at; `None` sends a Content-Length.
    chunks: Option<Vec<usize>>,
    extension: &'static str,
    trailers: &'static str,
}

impl Valid {
    fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {}", self.method, self.path);
        if let Some(query) = &self.query {
            out += &format!("?{query}");
        }
        out += " HTTP/1.1\r\nHost: example.com\r\n";
        for (name, value) in &self.fields {
            out += &format!("{name}: {value}\r\n");
        }
        let mut out = out.into_bytes();
        let Some(chunks) = &self.chunks else {
            out.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).bytes());
            out.extend_from_slice(&self.body);
            return out;
        };
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut rest = &self.body[..];
        for &size in chunks.iter().chain([&usize::MAX]) {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            if !chunk.is_empty() {
                out.extend(format!("{:x}{}\r\n", chunk.len(), self.extension).bytes());
                out.extend_from_slice(chunk);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend(format!("0{}\r\n{}\r\n", self.extension, self.trailers).bytes());
        out
    }
}

fn valid() -> impl Strategy<Value = Valid> {
    let field = ("X-[!#$%&'*+.^_`|~0-9A-Za-z-]{0,12}", "([!-~\u{e9}]([ -~\t\u{e9}]{0,30}[!-~])?)?");
    (
        // CONNECT has its own target form.
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,10}".prop_filter("form", |method| method != "CONNECT"),
        "/[!-\"$->@-\\[\\]-~]{0,40}",
        proptest::option::of("[!-\"$-~]{0,20}"),
        vec(field, 0..8),
        vec(any::<u8>(), 0..200),
        proptest::option::of(vec(1..40usize, 0..6)),
        prop::sample::select(vec!["", ";a", "; a=b;c=\"d\\\"\""]),
        prop::sample::select(vec!["", "Content-Length: 9\r\n", "X: y\r\nZ:\r\n"]),
    )
        .prop_map(|(method, path, query, fields, body, chunks, extension, trailers)| Valid {
            method,
            path,
            query,
            fields,
            body,
            chunks,
            extension,
            trailers,
        })
}

/// Valid and invalid pieces of requests, in any order. Random bytes alone hardly ever get
/// past the first line.
fn requestish() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(
            &[
                "GET / HTTP/1.1\r\n",
                "POST /x?y HTTP/1.1\r\n",
                "GET / HTTP/1.0\r\n",
                "GET ",
                "/",
                " ",
                "HTTP/1.1",
                "\r\n",
                "\r",
                "\n",
                ":",
                "Host: a\r\n",
                "Host: b c\r\n",
                "X: y\r\n",
                "Content-Length: 3\r\n",
                "Content-Length: 0\r\n",
                "Transfer-Encoding: chunked\r\n",
                "Connection: close\r\n",
                "Expect: 100-continue\r\n",
                "\r\n\r\n",
                "3\r\nabc\r\n",
                "0\r\n\r\n",
                "0\r\n",
                "5;a=\"b\"\r\n",
                "abc",
                "\t",
                "\x00",
                "A",
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
                "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            ][..]
        )
        .prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 1..4),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// Limits small enough to be met by small inputs, and the usual ones.
fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::default()),
        (1..60usize, 1..200usize, 0..5usize, 0..20u64, 0..12usize, 0..30usize).prop_map(
            |(request_line, head, fields, body, chunk_extensions, trailers)| Limits {
                request_line,
                head,
                fields,
                body,
                chunk_extensions,
                trailers,
                streams: 1,
            }
        ),
    ]
}

/// `bytes` cut at `cuts`, each taken modulo the length.
fn segments<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut start = 0;
    cuts.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_read_the_same_however_they_are_cut(
        bytes in requestish(),
        cuts in vec(any::<usize>(), 0..12),
        limits in limits(),
    ) {
        let whole = run([&bytes[..]], &limits);
        prop_assert_eq!(&run(segments(&bytes, &cuts), &limits), &whole);
        prop_assert_eq!(&run(bytes.chunks(1), &limits), &whole);
    }

    #[test]
    fn a_damaged_request_reads_the_same_however_it_is_cut(
        requests in vec(valid(), 1..3),
        damage in vec((any::<usize>(), any::<u8>()), 0..3),
        cuts in vec(any::<usize>(), 0..12),
        limits in limits(),
    ) {
        let mut bytes: Vec<u8> = requests.iter().flat_map(Valid::bytes).collect();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = run([&bytes[..]], &limits);
        prop_assert_eq!(&run(segments(&bytes, &cuts), &limits), &whole);
        prop_assert_eq!(&run(bytes.chunks(1), &limits), &whole);
    }

    #[test]
    fn what_is_refused_stays_refused_with_more_bytes(
        bytes in requestish(),
        more in requestish(),
        limits in limits(),
    ) {
        let before = run([&bytes[..]], &limits);
        let after = run([&[&bytes[..], &more[..]].concat()[..]], &limits);
        if let Some(error) = before.error {
            prop_assert_eq!(after.error, Some(error));
            prop_assert_eq!(after.requests, before.requests);
        } else {
            prop_assert!(after.requests.len() >= before.requests.len());
        }
    }

    #[test]
    fn a_valid_request_is_read_as_it_was_written(request in valid(), next in valid()) {
        let first = request.bytes();
        let bytes = [&first[..], &next.bytes()].concat();
        let (mut decoder, mut head) = (Decoder::default(), Head::default());
        let (used, event) = decoder.decode(&bytes, &mut head, &Limits::default())?;
        prop_assert_eq!(event, Event::Head);
        let text = &bytes[..used];
        prop_assert_eq!(head.len(), used);
        prop_assert_eq!(head.method_token().of(text), request.method.as_bytes());
        prop_assert_eq!(head.path().of(text), request.path.as_bytes());
        prop_assert_eq!(
            head.query().map(|query| query.of(text)),
            request.query.as_ref().map(|query| query.as_bytes())
        );
        let fields: Vec<(&[u8], &[u8])> =
            head.fields().iter().map(|field| (field.name.of(text), field.value.of(text))).collect();
        prop_assert_eq!(fields[0], (&b"Host"[..], &b"example.com"[..]));
        let sent: Vec<(&[u8], &[u8])> =
            request.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        prop_assert_eq!(&fields[1..fields.len() - 1], &sent[..]);

        let story = run([&bytes[..]], &Limits::default());
        prop_assert_eq!(story.error, None);
        prop_assert_eq!(story.requests.len(), 2);
        prop_assert_eq!(&story.requests[0].body, &request.body);
        prop_assert_eq!(&story.requests[1].body, &next.body);
        prop_assert!(story.between_requests && story.left == 0);
    }

    #[test]
    fn no_bytes_make_the_decoder_take_more_than_it_was_given(bytes in vec(any::<u8>(), 0..300)) {
        // `run` asserts it for each call.
        run([&bytes[..]], &Limits::default());
        let body = [chunked("").as_bytes(), &bytes].concat();
        run([&body[..]], &Limits::default());
    }
}
