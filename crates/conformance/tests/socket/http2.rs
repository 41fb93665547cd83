//! The cases that HTTP/2 can say, said in HTTP/2 to the same servers: the same request gets the
//! same answer. Where HTTP/1 answers 400 and closes, HTTP/2 may reset the stream instead
//! (RFC 9113 §8.1.1). Either way the connection goes on.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use reactor_conformance::{Case, Decided, Response, Segments, load};
use reactor_proto::h2::frame;
use reactor_proto::h2::hpack::{HpackDecoder, literal};

use crate::apps::{Fleet, Recorded};
use crate::client::Talk;
use crate::translate::{Sent, translate};
use crate::{CLIENTS, ENOUGH, HOPELESS, ONLY, TURN, judge, lock, report};

const TIMEOUT: Duration = Duration::from_secs(8);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn http2_whole() {
    run("HTTP/2", 600, |_| Segments::Whole);
}

#[test]
fn http2_uneven_pieces() {
    run("HTTP/2 in pieces", 600, |turn| Segments::Seeded(turn as u64 % 97));
}

fn run(kind: &str, least: usize, cut: impl Fn(usize) -> Segments + Sync) {
    let _turn = lock(&TURN);
    let only = std::env::var(ONLY).unwrap_or_default();
    let told: Vec<(Vec<Sent>, Case)> = load()
        .expect("the corpus loads")
        .iter()
        .filter(|case| case.name.contains(&only))
        .filter_map(translate)
        .collect();
    assert!(told.len() > least || !only.is_empty(), "only {} cases can be told", told.len());
    let cases: Vec<Case> = told.iter().map(|(_, case)| case.clone()).collect();
    let fleet = Fleet::start(&cases, true);
    let next = AtomicUsize::new(0);
    let failures: Mutex<HashMap<&str, Vec<String>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some((requests, case)) = told.get(turn) else { break };
                    if lock(&failures).len() >= HOPELESS {
                        break;
                    }
                    let server = fleet.server(case, turn);
                    if let Err(what) = converse(case, requests, cut(turn), server) {
                        let what = what.chars().take(700).collect::<String>();
                        let mut failures = lock(&failures);
                        let lines = failures.entry(case.name.as_str()).or_default();
                        if lines.len() < ENOUGH {
                            lines.push(what);
                        }
                    }
                }
            });
        }
    });
    let late = fleet.stop();
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(kind, &cases, &failures, &late);
}

/// Sends the requests of a case, each when the one before is answered, and one behind them.
fn converse(
    case: &Case,
    requests: &[Sent],
    cut: Segments,
    server: &Recorded,
) -> Result<(), String> {
    let mut connection = Connection::open(server)?;
    let local = connection.stream.local_addr().map_err(|error| error.to_string())?;
    let verdict = talk(case, requests, cut, &mut connection);
    // Always taken, because another connection may soon have the same port.
    let seen = server.records.take(local);
    judge::handlers(case, &verdict?, seen)
}

fn talk(
    case: &Case,
    requests: &[Sent],
    cut: Segments,
    connection: &mut Connection,
) -> Result<Talk, String> {
    let mut responses = Vec::new();
    let mut came = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let due = &case.answers[index];
        let refuses = due.decided != Decided::Above && due.statuses.iter().any(|s| *s >= 400);
        match connection.ask(request, cut)? {
            Outcome::Response(response) => {
                judge::common(&response, connection.opened)?;
                if !due.statuses.contains(&response.status) {
                    return Err(format!("{response:?}, not {:?}", due.statuses));
                }
                if due.to_head && !response.body.is_empty() {
                    return Err(format!("a body in the answer to HEAD: {response:?}"));
                }
                responses.push(response.clone());
                judge::answer(case, index, &response, &responses)?;
                came.push(true);
            }
            Outcome::Reset(PROTOCOL_ERROR) if refuses => {
                // An answer that others are compared with must be there.
                responses.push(Response {
                    status: 400,
                    fields: Vec::new(),
                    body: Vec::new(),
                    chunked: false,
                    until_close: false,
                });
                came.push(true);
            }
            // A head that is larger than its limit even when it is compressed.
            Outcome::GoAway(ENHANCE_YOUR_CALM) if refuses && request.is_large() => {
                came.push(true);
                return Ok(Talk { came, after_served: false });
            }
            other => return Err(format!("{other:?}, not {:?}", due.statuses)),
        }
    }
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let after = Sent {
        fields: vec![
            field(":method", "GET"),
            field(":scheme", "http"),
            field(":authority", "after"),
            field(":path", "/after"),
        ],
        body: Vec::new(),
        has_body: false,
        trailers: Vec::new(),
    };
    match connection.ask(&after, cut)? {
        Outcome::Response(response) if response.body == b"GET /after\n" => {}
        other => return Err(format!("the next request gets {other:?}")),
    }
    Ok(Talk { came, after_served: true })
}

/// What came of a request.
#[derive(Debug)]
enum Outcome {
    Response(Response),
    Reset(u32),
    GoAway(u32),
}

struct Connection {
    stream: TcpStream,
    opened: SystemTime,
    input: Vec<u8>,
    hpack: HpackDecoder,
    next_stream: u32,
}

impl Connection {
    fn open(server: &Recorded) -> Result<Self, String> {
        let connect = || {
            let stream = TcpStream::connect(server.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(stream)
        };
        let stream =
            connect().map_err(|error: std::io::Error| format!("cannot connect: {error}"))?;
        let mut connection = Self {
            stream,
            opened: SystemTime::now(),
            input: Vec::new(),
            hpack: HpackDecoder::new(4096),
            next_stream: 1,
        };
        let mut start = PREFACE.to_vec();
        frame::settings(&mut start, &[]);
        // Large answers must not wait for credit.
        frame::window_update(&mut start, 0, 1 << 30);
        connection.send(&start, Segments::Whole);
        Ok(connection)
    }

    /// Writes all bytes. A failure shows when the answer is read.
    fn send(&mut self, bytes: &[u8], cut: Segments) {
        for piece in cut.pieces(bytes.len()) {
            if self.stream.write_all(&bytes[piece]).is_err() {
                break;
            }
        }
    }

    fn ask(&mut self, request: &Sent, cut: Segments) -> Result<Outcome, String> {
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut out = Vec::new();
        let ends = !request.has_body && request.trailers.is_empty();
        frame::headers(&mut out, stream, &block(&request.fields), ends, 16_384);
        frame::window_update(&mut out, stream, 1 << 30);
        let ends = request.trailers.is_empty();
        let mut pieces = request.body.chunks(10_000).peekable();
        if request.has_body && pieces.peek().is_none() && ends {
            frame::data_head(&mut out, stream, 0, true);
        }
        while let Some(piece) = pieces.next() {
            frame::data_head(&mut out, stream, piece.len(), ends && pieces.peek().is_none());
            out.extend_from_slice(piece);
        }
        if !ends {
            frame::headers(&mut out, stream, &block(&request.trailers), true, 16_384);
        }
        self.send(&out, cut);
        self.outcome(stream)
    }

    fn outcome(&mut self, asked: u32) -> Result<Outcome, String> {
        let mut response = None;
        let mut head = Vec::new();
        loop {
            let (kind, flags, stream, payload) = self.frame()?;
            let code = |at: usize| {
                payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
            };
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    let mut out = Vec::new();
                    frame::settings_ack(&mut out);
                    self.send(&out, Segments::Whole);
                }
                GOAWAY => return Ok(Outcome::GoAway(code(4))),
                RST_STREAM if stream == asked => {
                    // A server that needs no more of a body says so behind its answer.
                    return Ok(response.map_or(Outcome::Reset(code(0)), Outcome::Response));
                }
                HEADERS | CONTINUATION => {
                    head.extend_from_slice(&payload);
                    if flags & END_HEADERS == 0 {
                        continue;
                    }
                    let mut fields = Vec::new();
                    self.hpack
                        .decode(&head, &mut |name, value| {
                            let name = String::from_utf8_lossy(name).into_owned();
                            fields.push((name, value.to_vec()));
                        })
                        .map_err(|error| format!("a block that is none: {error:?}"))?;
                    head.clear();
                    if stream != asked {
                        continue;
                    }
                    if response.is_none() {
                        response = Some(read(fields)?).filter(|response| response.status >= 200);
                    }
                }
                DATA if stream == asked => match &mut response {
                    Some(response) => response.body.extend_from_slice(&payload),
                    None => return Err("DATA before HEADERS".into()),
                },
                _ => continue,
            }
            let is_end = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
            if stream == asked && is_end {
                return response.map(Outcome::Response).ok_or("an end without an answer".into());
            }
        }
    }

    fn frame(&mut self) -> Result<(u8, u8, u32, Vec<u8>), String> {
        loop {
            if let Some(head) = self.input.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                let (kind, flags) = (head[3], head[4]);
                if self.input.len() >= 9 + length {
                    let payload = self.input[9..9 + length].to_vec();
                    self.input.drain(..9 + length);
                    return Ok((kind, flags, stream, payload));
                }
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("the connection ends without a word".into()),
                Ok(len) => self.input.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("reading fails: {error}")),
            }
        }
    }
}

/// A response's head, which must say what HTTP/2's says.
fn read(fields: Vec<(String, Vec<u8>)>) -> Result<Response, String> {
    let mut response = Response {
        status: 0,
        fields: Vec::new(),
        body: Vec::new(),
        chunked: false,
        until_close: false,
    };
    for (name, value) in fields {
        if name == ":status" && response.fields.is_empty() {
            let status = String::from_utf8_lossy(&value).parse();
            response.status = status.map_err(|_| "a status that is no number")?;
        } else if name.starts_with(':') || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("the field {name:?}"));
        } else {
            response.fields.push((name, value));
        }
    }
    Ok(response)
}

/// A block of literals.
fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        literal(&mut out, name, value);
    }
    out
}
