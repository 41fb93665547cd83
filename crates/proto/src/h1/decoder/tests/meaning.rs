//! What fields mean: host, framing, persistence, expectations.

use super::*;

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
    for value in ["18446744073709551616", "18446744073709551621", "99999999999999999999999999"] {
        refused(post(&format!("Content-Length: {value}\r\n"), ""), ContentLengthInvalid);
    }
    refused(post("Content-Length: 18446744073709551615\r\n", ""), BodyTooLarge);
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
