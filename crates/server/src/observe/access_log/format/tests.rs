use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::super::record::{Lengths, LoggedTls, Outcome};
use super::*;
use crate::exchange::facts::Facts;
use crate::exchange::proxied::Proxied;
use crate::exchange::tls_info::TlsInfo;

/// 2026-11-22T23:59:44.000123Z
fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_795_391_984_000_123)
}

fn entry(text: Lengths) -> Entry {
    Entry {
        id: RequestId { io_thread: 3, connection: 0x1a, request: 2 },
        peer: Some(([192, 0, 2, 7], 50_000).into()),
        start: Instant::now(),
        duration: Duration::from_nanos(1_234_567),
        status: 200,
        bytes: 13,
        outcome: Outcome::Complete,
        tls: None,
        messages: None,
        text,
    }
}

/// Request line, Referer, User-Agent and X-Forwarded-For.
fn text(line: &[u8], fields: [Option<&[u8]>; 3]) -> (Lengths, Vec<u8>) {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap();
    let lengths = Lengths {
        line: length(line),
        referer: fields[0].map(length),
        agent: fields[1].map(length),
        forwarded: fields[2].map(length),
        version: Some(Version::Http11),
        foreign: None,
        truncated: false,
        trace: None,
        server_name: None,
        balancer: None,
    };
    (lengths, [&[line][..], &fields.map(Option::unwrap_or_default)].concat().concat())
}

fn line(format: LogFormat, entry: &Entry, text: &[u8]) -> String {
    let mut out = Vec::new();
    Formatter::new(format, 0xbeef, None).record(entry, text, time(), &mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn the_formats_are_those_that_log_readers_know() {
    let (lengths, text) = text(
        b"GET /a?b=c HTTP/1.1",
        [Some(b"http://from/"), Some(b"curl/8.1"), Some(b"192.0.2.9, 10.0.0.1")],
    );
    let entry = entry(lengths);
    assert_eq!(
        line(LogFormat::Common, &entry, &text),
        "192.0.2.7 - - [22/Nov/2026:23:59:44 +0000] \"GET /a?b=c HTTP/1.1\" 200 13\n"
    );
    assert_eq!(
        line(LogFormat::Combined, &entry, &text),
        "192.0.2.7 - - [22/Nov/2026:23:59:44 +0000] \"GET /a?b=c HTTP/1.1\" 200 13 \
         \"http://from/\" \"curl/8.1\"\n"
    );
    assert_eq!(
        line(LogFormat::Json, &entry, &text),
        "{\"time\":\"2026-11-22T23:59:44.000123Z\",\"id\":\"000000000000beef-3-1a-2\",\
         \"remote\":\"192.0.2.7\",\"port\":50000,\"method\":\"GET\",\"target\":\"/a?b=c\",\
         \"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":13,\"duration_us\":1234,\
         \"referer\":\"http://from/\",\"user_agent\":\"curl/8.1\",\"forwarded_for\":\"192.0.2.9, 10.0.0.1\",\"outcome\":\"complete\"}\n"
    );
}

#[test]
fn the_version_is_that_of_the_request() {
    for (version, name) in
        [(Version::Http10, "HTTP/1.0"), (Version::Http11, "HTTP/1.1"), (Version::Http2, "HTTP/2.0")]
    {
        let (mut lengths, text) = text(format!("GET / {name}").as_bytes(), [None; 3]);
        lengths.version = Some(version);
        let entry = entry(lengths);
        let json: Value = serde_json::from_str(&line(LogFormat::Json, &entry, &text)).unwrap();
        assert_eq!(json["version"], name);
        assert!(line(LogFormat::Common, &entry, &text).contains(&format!("\"GET / {name}\" 200")));
    }
}

#[test]
fn what_is_missing_is_said_to_be() {
    let mut entry = entry(Lengths::default());
    entry.peer = None;
    entry.status = 408;
    entry.text.truncated = true;
    assert_eq!(
        line(LogFormat::Combined, &entry, b""),
        "- - - [22/Nov/2026:23:59:44 +0000] \"-\" 408 13 \"-\" \"-\"\n"
    );
    let json: Value = serde_json::from_str(&line(LogFormat::Json, &entry, b"")).unwrap();
    let field = ["referer", "user_agent", "forwarded_for"];
    for name in ["remote", "port", "method", "target", "version"].into_iter().chain(field) {
        assert_eq!(json[name], Value::Null, "{name}");
    }
    assert_eq!(json["input"], "");
    assert_eq!(json["truncated"], true);
}

#[test]
fn a_client_cannot_write_lines_of_its_own() {
    let evil = b"GET /\"\\\r\n192.0.2.1 - - \"\x00\x1b[31m\x7f\xff\xc3\xa9 HTTP/1.1";
    let (lengths, text) = text(evil, [Some(b"\n"), Some(b"\" \"forged"), None]);
    let entry = entry(lengths);
    assert_eq!(
        line(LogFormat::Combined, &entry, &text),
        "192.0.2.7 - - [22/Nov/2026:23:59:44 +0000] \
         \"GET /\\x22\\x5c\\x0d\\x0a192.0.2.1 - - \\x22\\x00\\x1b[31m\\x7f\\xff\\xc3\\xa9 HTTP/1.1\" \
         200 13 \"\\x0a\" \"\\x22 \\x22forged\"\n"
    );
}

#[test]
fn a_line_says_how_many_records_were_lost() {
    let mut out = Vec::new();
    Formatter::new(LogFormat::Common, 0, None).lost(7, time(), &mut out);
    assert_eq!(out, b"# [22/Nov/2026:23:59:44 +0000] 7 records lost\n");
    out.clear();
    Formatter::new(LogFormat::Json, 0, None).lost(7, time(), &mut out);
    assert_eq!(
        out,
        b"{\"time\":\"2026-11-22T23:59:44.000123Z\",\"event\":\"lost\",\"records\":7}\n"
    );
}

#[test]
fn every_month_has_its_number() {
    let mut formatter = Formatter::new(LogFormat::Json, 0, None);
    for month in 0..12 {
        let time = UNIX_EPOCH + Duration::from_hours(24 * (15 + 30 * month));
        formatter.set_time(time);
        let expected = format!("1970-{:02}-", month + 1);
        assert!(formatter.iso.starts_with(expected.as_bytes()), "{expected}");
    }
}

/// The characters of a JSON string as the bytes that they stand for.
fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| text.chars().map(|c| u8::try_from(c).expect("a byte")).collect())
}

proptest! {
    /// Every line is one line, and valid; from JSON every byte comes back.
    #[test]
    fn any_bytes_make_one_valid_line(
        input in proptest::collection::vec(any::<u8>(), 0..300),
        referer in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        agent in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        forwarded in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        is_request in any::<bool>(),
    ) {
        let (mut lengths, text) =
            text(&input, [referer.as_deref(), agent.as_deref(), forwarded.as_deref()]);
        if !is_request {
            lengths.version = None;
        }
        let entry = entry(lengths);
        for format in [LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
            let line = line(format, &entry, &text);
            let inner = line.strip_suffix('\n').expect("a line");
            prop_assert!(inner.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
            match format {
                LogFormat::Common => prop_assert_eq!(inner.matches('"').count(), 2),
                LogFormat::Combined => prop_assert_eq!(inner.matches('"').count(), 6),
                LogFormat::Json => {
                    let json: Value = serde_json::from_str(inner).expect("valid JSON");
                    prop_assert_eq!(bytes_of(&json["referer"]), referer.clone());
                    prop_assert_eq!(bytes_of(&json["user_agent"]), agent.clone());
                    prop_assert_eq!(bytes_of(&json["forwarded_for"]), forwarded.clone());
                    if !is_request {
                        prop_assert_eq!(bytes_of(&json["input"]), Some(input.clone()));
                    }
                }
            }
        }
    }
}

#[test]
fn a_json_line_tells_of_messages() {
    let (lengths, text) = text(b"GET / HTTP/1.1", [None; 3]);
    let messages = Some(SocketMessages { received: 3, sent: 40 });
    let entry = Entry { status: 101, messages, ..entry(lengths) };
    let mut out = Vec::new();
    Formatter::new(LogFormat::Json, 0, None).record(&entry, &text, UNIX_EPOCH, &mut out);
    let value: Value = serde_json::from_slice(&out).expect("it is JSON");
    assert_eq!((&value["status"], &value["messages"]["sent"]), (&101.into(), &40.into()));
    assert_eq!(value["messages"]["received"], 3);
}

#[test]
fn a_json_line_tells_of_the_balancer_in_front() {
    for (balancer, expected) in
        [(Some(([10, 0, 0, 5], 4000).into()), "10.0.0.5:4000"), (None, "unix")]
    {
        let (mut lengths, mut text) = text(b"GET / HTTP/1.1", [None; 3]);
        let proxied = Proxied { header: Box::default(), balancer, tls: false };
        lengths.add_facts(&Facts { tls: None, proxied: Some(proxied) }, &mut text);
        let mut out = Vec::new();
        let mut formatter = Formatter::new(LogFormat::Json, 0, None);
        formatter.record(&entry(lengths), &text, UNIX_EPOCH, &mut out);
        let value: Value = serde_json::from_slice(&out).expect("it is JSON");
        assert_eq!((&value["remote"], &value["port"]), (&"192.0.2.7".into(), &50_000.into()));
        assert_eq!(value["proxy"], expected);
    }
}

#[test]
fn a_json_line_tells_of_tls() {
    let (mut lengths, mut text) = text(b"GET / HTTP/1.1", [None; 3]);
    let info = TlsInfo {
        version: reactor_tls::Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        standard_cipher: "TLS_AES_128_GCM_SHA256",
        group: None,
        protocol: None,
        server_name: Some("a.test".into()),
        resumed: true,
        peer: Box::default(),
        peer_fault: None,
        guard: None,
    };
    lengths.add_facts(&Facts { tls: Some(info), proxied: None }, &mut text);
    let tls = LoggedTls {
        version: reactor_tls::Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        resumed: true,
    };
    let entry = Entry { tls: Some(tls), ..entry(lengths) };
    let mut out = Vec::new();
    Formatter::new(LogFormat::Json, 0, None).record(&entry, &text, UNIX_EPOCH, &mut out);
    let line = String::from_utf8(out).unwrap();
    let expected = r#","tls":{"version":"TLSv1.3","cipher":"TLS_AES_128_GCM_SHA256","resumed":true,"server_name":"a.test"}}"#;
    assert!(line.trim_end().ends_with(expected), "{line}");
    let value: Value = serde_json::from_str(&line).expect("it is JSON");
    assert_eq!(value["tls"]["resumed"], true);
}
