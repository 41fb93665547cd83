//! Bodies: chunks, extensions, trailers, and where a request ends.

use super::*;

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
    for size in ["8000000000000000", "ffffffffffffffff", "10000000000000000", "fffffffffffffffff0"]
    {
        refused(chunked(&format!("{size}\r\n")), ChunkSizeTooLarge);
    }
    let zeros = |count: usize| "0".repeat(count);
    accepted(chunked(&format!("{}5\r\n01234\r\n{}\r\n\r\n", zeros(16), zeros(400))), "01234");
    accepted(chunked(&format!("{}5\r\n01234\r\n0\r\n\r\n", zeros(16 * 1024))), "01234");
    refused(chunked(&zeros(20 * 1024)), ChunkSizeTooLarge);
    refused(chunked(&format!("{}8000000000000000\r\n", zeros(9))), ChunkSizeTooLarge);
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
    // They come as they were sent, and are no fields of the head.
    let lines = "X-a: 1\r\nhost:b \r\n";
    let told = story(with(lines));
    assert_eq!(told.requests[0].trailers, lines.as_bytes());
    assert!(told.requests[0].complete && story(with("")).requests[0].trailers.is_empty());
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

/// A caller that reads a body of a known length by itself, in part or all of it.
#[test]
fn what_is_read_past_the_decoder_is_skipped() {
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n012345678";
    let (mut head, limits) = (Head::default(), Limits::default());
    for read in 0..=9 {
        for skipped in 0..=9 - read {
            let mut decoder = Decoder::default();
            assert_eq!(decoder.body_left(), None);
            let (used, event) = decoder.decode(input, &mut head, &limits).unwrap();
            assert_eq!((event, decoder.body_left()), (Event::Head, Some(9)));
            let body = &input[used..];
            if read > 0 {
                let data = Event::Data { start: 0, end: read };
                assert_eq!(decoder.decode(&body[..read], &mut head, &limits), Ok((read, data)));
            }
            decoder.skip_body(skipped);
            let left = 9 - read - skipped;
            assert_eq!(decoder.body_left(), Some(left as u64));
            if left > 0 {
                let data = Event::Data { start: 0, end: left };
                let rest = &body[9 - left..];
                assert_eq!(decoder.decode(&[], &mut head, &limits), Ok((0, Event::Incomplete)));
                assert_eq!(decoder.decode(rest, &mut head, &limits), Ok((left, data)));
            }
            assert_eq!(decoder.decode(&[], &mut head, &limits), Ok((0, Event::End)));
            assert!(decoder.is_between_requests());
            assert_eq!(decoder.body_left(), None);
        }
    }
    // Chunks have no length of the whole, and nothing of them is skipped.
    let mut decoder = Decoder::default();
    decoder.decode(chunked("").as_bytes(), &mut head, &limits).unwrap();
    assert_eq!(decoder.body_left(), None);
    decoder.skip_body(5);
    assert_eq!(decoder.decode(b"0\r\n\r\n", &mut head, &limits), Ok((5, Event::End)));
}
