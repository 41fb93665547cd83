//! Proof that the judge notices: servers that each do one thing wrong.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reactor_conformance::{Segments, parse_text};

use crate::apps::Records;
use crate::client::{Tail, converse};

/// A case that wants a 400 and the end of the connection.
const REFUSED: &str = r"
case 1 refused
| GET / HTTP/1.1\r\n\r\n
-> 400
";

/// A case that wants a 200 without a handler, and then the next request answered.
const SERVED: &str = r"
case - served
| GET /inline HTTP/1.1\r\nHost: a\r\n\r\n
-> 200 above
unseen
content hi
";

const HEAD: &str = r"
case - head
| HEAD /inline HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n
-> 200 above close
unseen
head
";

/// The verdict on a server that sends `answer`, where `DATE` stands for the Date field. Then
/// it closes, with `reset` without having read all bytes.
fn verdict(text: &str, answer: &str, reset: bool) -> Result<(), String> {
    let case = parse_text("proof", text).expect("well-formed").remove(0);
    let answer = answer.replace("DATE", &format!("Date: {}", now()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        // With one byte read the rest is unread, so closing resets the connection.
        let mut buffer = vec![0; if reset { 1 } else { 4096 }];
        thread::sleep(Duration::from_millis(20));
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(answer.as_bytes());
    });
    let verdict = converse(&case, Segments::Whole, Tail::Behind, address, &Records::default());
    server.join().expect("the server ends");
    verdict
}

/// The current time as in a Date field.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    String::from_utf8(reactor_proto::response::date(now).to_vec()).expect("ASCII")
}

#[test]
fn the_right_answer_passes() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\
                  DATE\r\nConnection: close\r\n\r\nno";
    assert_eq!(verdict(REFUSED, answer, false), Ok(()));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDATE\r\nConnection: close\r\n\r\n";
    assert_eq!(verdict(HEAD, answer, false), Ok(()));
}

#[test]
fn each_fault_is_noticed() {
    let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n";
    let close = "Connection: close\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    let after = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nDATE\r\n\r\nGET /after\n";
    for (text, answer, notice) in [
        (REFUSED, String::new(), "the stream ends where [400] is due"),
        (REFUSED, format!("{ok}DATE\r\n{close}hi"), "not [400]"),
        (REFUSED, format!("{refusal}{close}no"), "Date"),
        (REFUSED, format!("{refusal}DATE\r\nDATE\r\n{close}no"), "Date"),
        (REFUSED, format!("{refusal}Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n{close}no"), "Date"),
        (REFUSED, format!("{refusal}DATE\r\n\r\nno"), "does not say Connection: close"),
        (REFUSED, format!("{refusal}DATE\r\n{close}no!"), "1 bytes after"),
        (REFUSED, format!("{refusal}DATE\r\n{close}no{after}"), "bytes after"),
        (REFUSED, format!("{refusal}DATE\r\n{close}n"), "ends inside"),
        (REFUSED, format!("{refusal}DATE\n{close}no"), "bare LF"),
        (SERVED, format!("{ok}DATE\r\n{close}hi"), "says Connection: close"),
        (SERVED, format!("{ok}DATE\r\n\r\nho{after}"), "the body is"),
        (SERVED, format!("{ok}DATE\r\n\r\nhi"), "not answered"),
        (SERVED, format!("HTTP/1.1 200 OK\r\nDATE\r\n{close}hi"), "end of the connection ends"),
        (SERVED, "HTTP/1.1 200 OK\r\nDATE\r\n\r\nhi".to_owned(), "without an end"),
        // Right on the wire, but no handler recorded the next request.
        (SERVED, format!("{ok}DATE\r\n\r\nhi{after}"), "no handler saw"),
        (HEAD, format!("{ok}DATE\r\n{close}hi"), "2 bytes after"),
    ] {
        let what = verdict(text, &answer, false).expect_err(notice);
        assert!(what.contains(notice), "{answer:?} gives {what:?}, not {notice:?}");
    }
}

#[test]
fn a_reset_behind_an_error_is_noticed() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\
                  DATE\r\nConnection: close\r\n\r\nno";
    let what = verdict(REFUSED, answer, true).expect_err("a reset");
    assert!(what.contains("reset"), "{what}");
}
