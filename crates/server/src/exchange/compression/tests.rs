use std::sync::Arc;

use reactor_compress::{Stream, supports};
use reactor_proto::{Coding, Codings, Decoder, Event, Head, Limits};

use super::coder::Budget;
use super::decision::{Decision, says_vary};
use super::options::Compress;
use crate::exchange::inline::Inline;
use crate::exchange::request::Request;
use crate::exchange::response::Response;

fn request(accept: &str) -> Request {
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n").into_bytes();
    let mut head = Head::default();
    let read = Decoder::default().decode(&bytes, &mut head, &Limits::default()).unwrap();
    assert_eq!(read, (bytes.len(), Event::Head));
    Request { head, head_bytes: bytes, ..Request::default() }
}

fn answer(fields: &[(&str, &str)], body: &[u8]) -> Response {
    let mut response = Response::default();
    for (name, value) in fields {
        response.field(name, value).unwrap();
    }
    response.body(body);
    response
}

fn text() -> Vec<u8> {
    b"All work and no play makes Jack a dull boy. ".repeat(100)
}

fn lines(response: &Response) -> String {
    String::from_utf8(response.fields().lines().to_vec()).unwrap()
}

/// What a client of [`BOTH`] gets. Where no library of brotli is installed, these tests go by gzip.
fn first() -> Coding {
    if supports(Coding::Brotli) { Coding::Brotli } else { Coding::Gzip }
}

const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
const BOTH: &str = "Accept-Encoding: gzip, br\r\n";

#[test]
fn an_answer_is_compressed_only_where_that_is_right() {
    let compress = Compress::default().with_codings(["br", "gzip"]);
    let decide = |accept: &str, response: &Response| compress.decide(&request(accept), response);
    let br = Decision::Encode(first());
    assert_eq!(decide(BOTH, &answer(&[HTML], &text())), br);
    let clients = [
        ("Accept-Encoding: gzip\r\n", Decision::Encode(Coding::Gzip)),
        ("Accept-Encoding: br;q=0.5, gzip;q=0.9\r\n", Decision::Encode(Coding::Gzip)),
        ("Accept-Encoding: *\r\n", br),
        ("Accept-Encoding: identity;q=0, gzip;q=0.1\r\n", Decision::Encode(Coding::Gzip)),
        ("Accept-Encoding: zstd\r\n", Decision::Vary),
        ("Accept-Encoding: br;q=0, gzip;q=0\r\n", Decision::Vary),
        ("Accept-Encoding: *;q=0\r\n", Decision::Vary),
        ("", Decision::Vary),
    ];
    for (accept, decision) in clients {
        assert_eq!(decide(accept, &answer(&[HTML], &text())), decision, "{accept}");
    }
    let left = [
        ("Content-Encoding", "gzip"),
        ("Content-Range", "bytes 0-1/2"),
        ("Cache-Control", "public, no-transform"),
        ("Cache-Control", "max-age=3, Private=\"x\""),
        ("Set-Cookie", "a=b"),
        ("Content-Digest", "sha-256=:AA==:"),
    ];
    for field in left {
        assert_eq!(decide(BOTH, &answer(&[HTML, field], &text())), Decision::Leave, "{field:?}");
    }
    assert_eq!(decide(BOTH, &answer(&[], &text())), Decision::Leave, "of no type");
    assert_eq!(decide(BOTH, &answer(&[("Content-Type", "image/png")], &text())), Decision::Leave);
    assert_eq!(decide(BOTH, &answer(&[HTML], &[b'a'; 1023])), Decision::Leave);
    assert_eq!(decide(BOTH, &answer(&[HTML], &[b'a'; 1024])), br);
    for (status, decision) in
        [(404, br), (206, Decision::Leave), (304, Decision::Leave), (204, Decision::Leave)]
    {
        let mut response = answer(&[HTML], &text());
        response.status(status).unwrap();
        assert_eq!(decide(BOTH, &response), decision, "{status}");
    }
}

#[test]
fn the_options_decide() {
    let private = answer(&[HTML, ("Set-Cookie", "a=b")], &text());
    let odd = answer(&[("Content-Type", "application/x-odd;a=b")], &text());
    let compress = Compress {
        private: true,
        threshold: 10,
        types: vec!["application/x-odd".to_owned()],
        ..Compress::default()
    };
    assert_eq!(compress.decide(&request(BOTH), &private), Decision::Encode(first()));
    assert_eq!(compress.decide(&request(BOTH), &odd), Decision::Encode(first()));
    let compress = compress.with_codings(["gzip", "zstd", "nothing"]);
    assert_eq!(compress.decide(&request(BOTH), &odd), Decision::Encode(Coding::Gzip));
    assert_eq!(compress.decide(&request("Accept-Encoding: br\r\n"), &odd), Decision::Vary);
}

#[test]
fn the_fields_say_what_was_done() {
    let compress = Compress::default();
    let mut response = answer(&[HTML, ("ETag", "\"x\""), ("Accept-Ranges", "bytes")], &text());
    says_vary(&mut response);
    compress.encode(&mut response, Coding::Gzip);
    assert_eq!(
        lines(&response),
        "Content-Type: text/html; charset=utf-8\r\nETag: W/\"x\"\r\n\
         Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n"
    );
    assert!(response.content().held() < 200);
    for vary in ["*", "Origin, accept-encoding"] {
        let mut response = answer(&[HTML, ("Vary", vary)], &text());
        says_vary(&mut response);
        assert_eq!(lines(&response).matches("ary").count(), 1, "{vary}");
    }
    let mut noise = answer(&[HTML, ("ETag", "\"x\"")], &[]);
    let bytes: Vec<u8> =
        (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    noise.body(&bytes);
    compress.encode(&mut noise, first());
    assert_eq!(lines(&noise).contains("Content-Encoding"), noise.content().held() < 2000);
}

#[test]
fn streams_have_memory_until_they_end_and_no_more_of_them_than_fit() {
    let compress = Compress::default();
    let budget = Budget::new(2 * Stream::WEIGHT);
    let begin = |head_only: bool| {
        let mut response = answer(&[HTML], b"data");
        response.stream(Some(4));
        let coded = compress.encode_stream(&mut response, Coding::Gzip, &budget, head_only);
        (response, coded)
    };
    let (first, second) = (begin(false), begin(false));
    assert!(first.1 && second.1);
    assert!(lines(&first.0).contains("Content-Encoding: gzip"));
    let third = begin(false);
    assert!(!third.1 && !lines(&third.0).contains("Content-Encoding"));
    assert!(begin(true).1, "nothing is sent to HEAD");
    assert_eq!(budget.used(), 2 * Stream::WEIGHT);
    drop(first);
    assert!(begin(false).1);
    let mut cleared = second.0;
    cleared.clear();
    assert_eq!(budget.used(), 0, "a task that is used again holds none");
}

#[test]
fn prerendered_answers_are_compressed_once() {
    let compress = Compress::default();
    let inline =
        Inline::with_phrase(200, b"Fine", &[("Content-Type", b"text/css")], text()).unwrap();
    let set = compress.prepare(&inline);
    let form = |accept: &str| {
        let codings = Codings::of(std::iter::once(accept.as_bytes()));
        compress.form(&set, codings).unwrap()
    };
    let head = |inline: &Inline| String::from_utf8(inline.http1_head.clone()).unwrap();
    let br = form("br");
    assert!(head(&br).starts_with("HTTP/1.1 200 Fine\r\nContent-Type: text/css\r\n"));
    assert!(
        head(&br).contains("Vary: Accept-Encoding\r\n") && head(&br).contains("Encoding: br\r\n")
    );
    assert!(head(&br).ends_with(&format!("Content-Length: {}\r\n", br.body.len())));
    assert!(Arc::ptr_eq(&br, &form("br")) && br.body.len() < 100);
    assert!(head(&form("identity")).contains("Vary: Accept-Encoding"));
    assert_eq!(form("identity").body, inline.body);
    assert!(compress.prepare(&inline.plain()).plain.is_none());
    let small = Inline::new(200, &[("Content-Type", b"text/css")], "a").unwrap();
    assert!(compress.prepare(&small).plain.is_none());
}

#[test]
fn padding_is_random_and_bounded() {
    let compress = Compress { padding: 64, ..Compress::default() };
    let lengths: Vec<usize> = (0..200).map(|_| compress.padding().bytes().len()).collect();
    assert!(lengths.iter().all(|&len| len <= 64));
    assert!(lengths.iter().any(|&len| len < 16) && lengths.iter().any(|&len| len > 48));
    assert!(Compress::default().padding().bytes().is_empty());
}
