use super::*;

fn parse(bytes: &[u8], to_head: bool) -> Result<Option<Response>, Malformed> {
    let mut parser = ResponseParser::default();
    parser.feed(bytes);
    parser.next(to_head)
}

fn whole(bytes: &[u8], to_head: bool) -> Response {
    parse(bytes, to_head).expect("well-formed").expect("complete")
}

fn next(parser: &mut ResponseParser) -> Response {
    parser.next(false).expect("well-formed").expect("complete")
}

#[test]
fn responses_are_told_apart() {
    let mut parser = ResponseParser::default();
    parser.feed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 ",
    );
    assert_eq!(next(&mut parser).status, 100);
    let second = next(&mut parser);
    assert_eq!((second.status, second.body.as_slice()), (200, b"hi".as_slice()));
    assert_eq!(parser.next(false), Ok(None));
    parser.feed(b"204 No Content\r\nConnection: x, Close\r\n\r\n");
    let third = next(&mut parser);
    assert!(third.closes() && third.status == 204);
    assert_eq!(parser.unread(), b"");
}

#[test]
fn bodies_that_are_none() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(parse(head, false), Ok(None));
    assert_eq!(whole(head, true).body, b"");
    let unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(whole(unchanged, false).body, b"");
}

#[test]
fn chunked_bodies() {
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nA\r\n0123456789\r\n0\r\n\r\n";
    let response = whole(bytes, false);
    assert!(response.chunked);
    assert_eq!(response.body, b"hi0123456789");
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end], false), Ok(None), "cut at {end}");
    }
}

#[test]
fn anything_malformed_is_refused() {
    let wrong: [&[u8]; 18] = [
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
    ];
    for bytes in wrong {
        assert!(parse(bytes, false).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_body_may_end_with_the_stream_if_the_server_says_so() {
    let mut parser = ResponseParser::default();
    parser.feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhel");
    assert_eq!(parser.next(false), Ok(None));
    parser.feed(b"lo");
    parser.end();
    let response = next(&mut parser);
    assert_eq!((response.body.as_slice(), response.until_close), (&b"hello"[..], true));
    assert_eq!(parser.unread(), b"");
}
