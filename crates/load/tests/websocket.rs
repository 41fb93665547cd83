//! Messages over WebSockets, against servers that echo, broadcast, or do it wrong.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Server, plan, request, server};
use reactor_load::{Plan, Report, Run, StopReason, WebSocket};
use reactor_proto::ws::{
    Assembler, Decoder, Deflater, Event, Frame, Inflater, Kind, Limits, Policy, Role, accept,
    close, negotiate,
};

/// Runs it to its end. Every message must have had one outcome.
fn run(plan: Plan) -> Report {
    let run = Run::start(plan).unwrap();
    run.wait();
    let report = run.report().unwrap().unwrap();
    assert_eq!(report.requests, report.succeeded + report.errors.total);
    let unsent = report.open_loop.map_or(0, |open| open.unsent);
    let timed = report.succeeded + report.errors.body + report.errors.timeout + unsent;
    assert_eq!(report.latency.count, timed);
    report
}

fn socket(compress: bool, subscribers: bool) -> WebSocket {
    WebSocket { kind: Kind::Text, payload: vec![b'x'; 20], compress, subscribers }
}

fn websocket(server: &Server, websocket: WebSocket, messages: u64) -> Plan {
    let request = websocket.request("/", "localhost", &[]).unwrap();
    Plan { request, websocket: Some(websocket), ..plan(&server.peer, messages) }
}

/// Answers the upgrade. Returns whether messages may be compressed.
fn upgrade(conn: &mut TcpStream) -> Option<bool> {
    let head = String::from_utf8(request(conn)?).unwrap();
    let value = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line.split_once(": ")?.1.to_owned())
    };
    let accept = String::from_utf8(accept(value("sec-websocket-key")?.as_bytes()).to_vec());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        accept.unwrap()
    )
    .into_bytes();
    let offered = value("sec-websocket-extensions");
    let agreed = negotiate(offered.iter().map(|each| each.as_bytes()), &Policy::SHARED).unwrap();
    if let Some(agreed) = agreed {
        answer.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        agreed.write(&mut answer);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    conn.write_all(&answer).ok()?;
    Some(agreed.is_some())
}

/// Calls `each` with every message, until the client leaves or `each` says so.
fn messages(
    conn: &mut TcpStream,
    compressed: bool,
    mut each: impl FnMut(&mut TcpStream, Kind, &[u8]) -> bool,
) {
    let mut decoder = Decoder::new(Role::Server, compressed);
    let (mut assembler, mut inflater) = (Assembler::default(), Inflater::shared());
    let (mut input, mut buf) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(n) = conn.read(&mut buf)
        && n > 0
    {
        input.extend_from_slice(&buf[..n]);
        let mut at = 0;
        loop {
            let (used, event) =
                decoder.decode(&mut input[at..], &Limits::default()).expect("frames are right");
            at += used;
            match event {
                Event::Incomplete => break,
                Event::Close(_) => return,
                Event::Data(data) => {
                    assert_eq!(data.compressed, compressed);
                    let kind = data.kind;
                    let Some(whole) = assembler.push(data) else { continue };
                    let mut inflated = Vec::new();
                    let message = if compressed {
                        let limits = Limits::default();
                        inflater.message(kind, whole.bytes, &mut inflated, &limits).unwrap();
                        &inflated
                    } else {
                        whole.bytes
                    };
                    let goes_on = each(conn, kind, message);
                    assembler.clear();
                    if !goes_on {
                        return;
                    }
                }
                Event::Ping(_) | Event::Pong(_) => {}
            }
        }
        input.drain(..at);
    }
}

/// Echoes, with a ping before each, in frames of at most `frame` bytes.
fn echo(frame: usize) -> Server {
    server(move |mut conn, _| {
        let Some(compressed) = upgrade(&mut conn) else { return };
        let mut deflater = Deflater::shared(1, 15);
        messages(&mut conn, compressed, |conn, kind, message| {
            let mut out = Vec::new();
            Frame::PING.write(&mut out, b"there?");
            let mut payload = Vec::new();
            if compressed && deflater.message(message, &mut payload) {
                Frame::message(kind).compressed().write(&mut out, &payload);
                return conn.write_all(&out).is_ok();
            }
            let pieces = message.chunks(frame).count();
            for (i, piece) in message.chunks(frame).enumerate() {
                let opened = if i == 0 { Frame::message(kind) } else { Frame::CONTINUATION };
                let frame = if i + 1 < pieces { opened.unfinished() } else { opened };
                frame.write(&mut out, piece);
            }
            // In parts that cut frames anywhere.
            out.chunks(out.len() / 2 + 1).all(|part| conn.write_all(part).is_ok())
        });
    })
}

#[test]
fn echoes_are_counted_and_compared() {
    let server = echo(7);
    for (compress, pipeline, size) in [(false, 1, 20), (false, 5, 1000), (true, 3, 1000)] {
        for kind in [Kind::Text, Kind::Binary] {
            let payload = vec![b'y'; size];
            let socket = WebSocket { kind, payload, ..socket(compress, false) };
            let report = run(Plan { pipeline, ..websocket(&server, socket, 203) });
            assert_eq!((report.succeeded, report.errors.total), (203, 0), "{report:?}");
            assert_eq!((report.latency.count, report.statuses.len()), (203, 0));
            assert_eq!((report.connections.opened, report.connections.failed), (4, 0));
        }
    }
}

#[test]
fn large_messages_pass_and_pongs_do_not_cut_them() {
    let server = echo(50_000);
    let payload = vec![b'z'; 700_000];
    let socket = WebSocket { kind: Kind::Binary, payload, ..socket(false, false) };
    let report = run(Plan { pipeline: 2, ..websocket(&server, socket, 20) });
    assert_eq!((report.succeeded, report.errors.total), (20, 0), "{report:?}");
}

#[test]
fn a_rate_counts_from_when_a_message_was_due() {
    let server = echo(100);
    let plan = Plan { rate: Some(400), ..websocket(&server, socket(false, false), 100) };
    let report = run(plan);
    assert_eq!((report.succeeded, report.errors.total), (100, 0), "{report:?}");
    assert_eq!(report.open_loop.unwrap().unsent, 0);
}

#[test]
fn a_wrong_answer_is_an_error_of_the_body() {
    let server = server(|mut conn, _| {
        let Some(compressed) = upgrade(&mut conn) else { return };
        let mut number = 0;
        messages(&mut conn, compressed, |conn, _, message| {
            number += 1;
            let mut out = Vec::new();
            match number % 3 {
                0 => Frame::TEXT.write(&mut out, b"no"),
                1 => Frame::TEXT.write(&mut out, message),
                _ => Frame::BINARY.write(&mut out, message),
            }
            conn.write_all(&out).is_ok()
        });
    });
    let report = run(Plan { connections: 1, ..websocket(&server, socket(false, false), 9) });
    assert_eq!((report.succeeded, report.errors.body), (3, 6), "{report:?}");
}

#[test]
fn a_server_that_does_not_upgrade_closes_or_talks_unasked_is_told_apart() {
    let not = common::always(common::HELLO);
    let report = run(websocket(&not, socket(false, false), 5));
    assert_eq!((report.succeeded, report.errors.connect), (0, 5), "{report:?}");
    assert!(report.first_errors[0].message.contains("200 OK"), "{report:?}");

    let closes = server(|mut conn, _| {
        let Some(compressed) = upgrade(&mut conn) else { return };
        messages(&mut conn, compressed, |conn, _, _| {
            let mut out = Vec::new();
            close(&mut out, Some(1013), "later");
            conn.write_all(&out).unwrap();
            false
        });
    });
    let report = run(websocket(&closes, socket(false, false), 5));
    assert_eq!((report.succeeded, report.errors.receive), (0, 5), "{report:?}");
    assert!(report.first_errors[0].message.contains("1013 later"), "{report:?}");

    let talks = server(|mut conn, _| {
        let Some(compressed) = upgrade(&mut conn) else { return };
        let mut out = Vec::new();
        Frame::TEXT.write(&mut out, b"welcome");
        Frame::TEXT.write(&mut out, b"welcome");
        conn.write_all(&out).unwrap();
        messages(&mut conn, compressed, |_, _, _| true);
    });
    let plan = Plan { connections: 1, ..websocket(&talks, socket(false, false), 1) };
    let report = run(Plan { timeout: Duration::from_secs(2), ..plan });
    assert_eq!((report.succeeded, report.errors.total), (0, 1), "{report:?}");

    let plain = echo(100);
    let declines = server(move |mut conn, _| {
        let _ = &plain;
        let head = String::from_utf8(request(&mut conn).unwrap()).unwrap();
        let key = head.lines().find_map(|l| l.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = String::from_utf8(accept(key.as_bytes()).to_vec()).unwrap();
        let answer = format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
        conn.write_all(answer.as_bytes()).unwrap();
    });
    let report = run(websocket(&declines, socket(true, false), 2));
    assert_eq!((report.succeeded, report.errors.connect), (0, 2), "{report:?}");
    assert!(report.first_errors[0].message.contains("permessage-deflate"), "{report:?}");
}

/// Sends what one client says to all of them, but for messages that `drops` says.
fn chat(drops: fn(u64) -> bool) -> Server {
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    server(move |mut conn, _| {
        let compressed = {
            // Whoever has the answer gets all messages from then on.
            let mut all = all.lock().unwrap();
            let Some(compressed) = upgrade(&mut conn) else { return };
            all.push(conn.try_clone().unwrap());
            compressed
        };
        let mut number = 0;
        messages(&mut conn, compressed, |_, kind, message| {
            let mut out = Vec::new();
            Frame::message(kind).write(&mut out, message);
            number += 1;
            let mut all = all.lock().unwrap();
            all.retain_mut(|each| drops(number) || each.write_all(&out).is_ok());
            true
        });
    })
}

#[test]
fn a_broadcast_is_counted_at_each_subscriber() {
    for (threads, compress) in [(1, false), (3, true)] {
        let server = chat(|_| false);
        let plan = websocket(&server, socket(compress, true), 50);
        let report = run(Plan { threads, connections: 8, rate: Some(500), ..plan });
        assert_eq!((report.succeeded, report.errors.total), (50 * 7, 0), "{report:?}");
        assert_eq!((report.latency.count, report.connections.opened), (50 * 7, 8));
        assert_eq!(report.stopped_by, StopReason::Requests);
    }
}

#[test]
fn a_broadcast_misses_what_the_server_drops() {
    let server = chat(|number| number % 10 == 5);
    let plan = websocket(&server, socket(false, true), 50);
    let report = run(Plan { connections: 3, rate: Some(500), ..plan });
    assert_eq!((report.succeeded, report.errors.receive), (90, 10), "{report:?}");

    let server = chat(|number| number > 40);
    let plan = websocket(&server, socket(false, true), 50);
    let timeout = Duration::from_millis(500);
    let report = run(Plan { connections: 3, rate: Some(500), timeout, ..plan });
    assert_eq!((report.succeeded, report.errors.timeout), (80, 20), "{report:?}");
}
