//! Sends damaged requests to a server, each on a connection of its own, and judges the
//! answers:
//!
//! `mutate ADDRESS [--connections N] [--seed S] [--threads N]`
//!
//! A connection carries one to three requests of the corpus, damaged in one to four places,
//! and often an undamaged request behind them. The codec reads the same bytes in one piece
//! and says how many requests they hold, and whether they end in a fault. The server must
//! send as many answers, each well-formed, with a refusal last. It must send nothing after an
//! answer that says `Connection: close`. So a smuggled request shows as an extra answer. The
//! server must listen with its default limits and answer every method.
//!
//! The last line is JSON: connections, answers by class, and faults. The exit code is 1 if
//! there was a fault. Each fault prints its seed: `--seed S --connections 1` repeats it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, process, thread};

use reactor_conformance::{AFTER, After, Layer, ResponseParser, load};
use reactor_proto::{Decoder, Event, Head, Limits};

/// How long an answer may take; far above what a loaded machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longer cases are left out. They try limits, and would make a run slow.
const LONGEST: usize = 2000;

/// The most faults that are printed.
const SHOWN: u64 = 20;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some(address) = arguments.first().and_then(|text| text.parse::<SocketAddr>().ok()) else {
        fail("usage: mutate ADDRESS:PORT [--connections N] [--seed S] [--threads N]");
    };
    let option = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        match (at, value.map(|text| text.parse())) {
            (None, _) => default,
            (_, Some(Ok(number))) => number,
            _ => fail(&format!("{name} takes a whole number")),
        }
    };
    let connections = option("--connections", 100_000);
    let first = option("--seed", 0);
    let threads = option("--threads", 4).max(1);

    let mut corpus = Corpus::default();
    for case in load().unwrap_or_else(|error| fail(&error.to_string())) {
        if case.layer != Layer::Codec && case.bytes.len() <= LONGEST {
            if case.after() == After::Keep {
                corpus.served.push(case.bytes.clone());
            }
            corpus.all.push(case.bytes);
        }
    }
    let next = AtomicU64::new(0);
    let tally = Tally::default();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= connections {
                        return;
                    }
                    let seed = first + index;
                    let plan = Plan::new(&corpus, seed);
                    if let Err(what) = converse(address, &plan, &tally)
                        && tally.faults.fetch_add(1, Ordering::Relaxed) < SHOWN
                    {
                        say(&format!(
                            "seed {seed}: {what}\n  sent \"{}\"",
                            plan.bytes.escape_ascii()
                        ));
                    }
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let faults = count(&tally.faults);
    say(&format!(
        "{{\"connections\":{connections},\"seed\":{first},\"served\":{},\"refused\":{},\"faults\":{faults}}}",
        count(&tally.served),
        count(&tally.refused),
    ));
    process::exit(i32::from(faults > 0));
}

#[derive(Default)]
struct Tally {
    served: AtomicU64,
    refused: AtomicU64,
    faults: AtomicU64,
}

#[derive(Default)]
struct Corpus {
    all: Vec<Vec<u8>>,
    /// Requests after which a connection goes on. Damage tells more in valid requests.
    served: Vec<Vec<u8>>,
}

/// The bytes of one connection, and the answers that must come.
struct Plan {
    bytes: Vec<u8>,
    /// Where the bytes are cut into two writes.
    cut: usize,
    /// For each request that the codec accepts, whether it is a HEAD.
    requests: Vec<bool>,
    /// The codec refuses the bytes after them.
    is_refused: bool,
    /// The refused or unfinished request looks like a HEAD, so its answer has no body.
    last_is_head: bool,
    /// A request has begun and is not complete.
    is_cut_off: bool,
    /// The head of the refused or unfinished request is valid, so a handler may have answered
    /// before the fault came.
    last_has_head: bool,
}

impl Plan {
    fn new(corpus: &Corpus, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut bytes = Vec::new();
        for _ in 0..=rng.below(3) {
            let cases = if rng.below(4) > 0 { &corpus.served } else { &corpus.all };
            bytes.extend_from_slice(&cases[rng.below(cases.len())]);
        }
        for _ in 0..=rng.below(3) {
            damage(&mut bytes, &corpus.all, &mut rng);
        }
        if rng.below(4) > 0 {
            bytes.extend_from_slice(AFTER);
        }
        let cut = rng.below(bytes.len() + 1);
        let mut plan = Self {
            cut,
            bytes,
            requests: Vec::new(),
            is_refused: false,
            last_is_head: false,
            is_cut_off: false,
            last_has_head: false,
        };
        plan.decode();
        plan
    }

    fn decode(&mut self) {
        let (mut decoder, mut head, limits) =
            (Decoder::default(), Head::default(), Limits::default());
        let mut at = 0;
        // The request whose body comes: whether it is a HEAD, and the last of its connection.
        let mut open: Option<(bool, bool)> = None;
        loop {
            let rest = self.bytes[at..].trim_ascii_start();
            self.last_is_head = open.map_or(rest.starts_with(b"HEAD "), |(is_head, _)| is_head);
            self.last_has_head = open.is_some();
            let step = decoder.decode(&self.bytes[at..], &mut head, &limits);
            let Ok((used, event)) = step else {
                self.is_refused = true;
                return;
            };
            at += used;
            match event {
                Event::Incomplete => {
                    self.is_cut_off = open.is_some() || at < self.bytes.len();
                    return;
                }
                Event::Head => {
                    let own = &self.bytes[at - head.len()..at];
                    let method = head.method_token();
                    let is_head = method.of(own) == b"HEAD";
                    open = Some((is_head, !head.keep_alive()));
                    if decoder.in_body() {
                        continue;
                    }
                }
                Event::Data { .. } | Event::Trailers { .. } => continue,
                Event::End => {}
            }
            if let Some((is_head, is_last)) = open.take() {
                self.requests.push(is_head);
                if is_last {
                    return;
                }
            }
        }
    }
}

/// One change, of the kinds that make two readers disagree.
fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    const PIECES: [&[u8]; 24] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\t",
        b"\x0b",
        b"\x85",
        b":",
        b",",
        b";",
        b"0",
        b"\r\n ",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Connection: close\r\n",
        b"Host: b\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.0",
        b"GET /in HTTP/1.1\r\nHost: in\r\n\r\n",
        b"Expect: 100-continue\r\n",
    ];
    let at = rng.below(bytes.len() + 1);
    match rng.below(8) {
        0 if at < bytes.len() => bytes[at] = rng.byte(),
        1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        2 if at < bytes.len() => {
            bytes.remove(at);
        }
        3 => bytes.insert(at, rng.byte()),
        4 => {
            // Repeats a piece, such as a field line or the end of a head.
            let end = (at + 1 + rng.below(40)).min(bytes.len());
            let piece = bytes[at.min(end)..end].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let end = (at + rng.below(20)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        6 => {
            // Inserts the start of another case.
            let other = &corpus[rng.below(corpus.len())];
            let piece = other[..rng.below(other.len() + 1)].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            let piece = PIECES[rng.below(PIECES.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

fn converse(address: SocketAddr, plan: &Plan, tally: &Tally) -> Result<(), String> {
    let mut stream = connect(address)?;
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| format!("{what}: {error}")
    };
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed("a timeout"))?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(failed("a timeout"))?;
    stream.set_nodelay(true).map_err(failed("TCP_NODELAY"))?;
    let (first, second) = plan.bytes.split_at(plan.cut);
    // A server that refused the first part may have closed. Its answers still count.
    let _ = stream.write_all(first).and_then(|()| stream.write_all(second));
    let _ = stream.shutdown(Shutdown::Write);

    let mut parser = ResponseParser::default();
    let mut received = Vec::with_capacity(4096);
    let mut was_reset = false;
    loop {
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => received.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                was_reset = true;
                break;
            }
            Err(error) => return Err(format!("no end of the connection comes: {error}")),
        }
    }
    parser.feed(&received);
    parser.end();
    judge(plan, &mut parser, was_reset, tally)
}

fn judge(
    plan: &Plan,
    parser: &mut ResponseParser,
    was_reset: bool,
    tally: &Tally,
) -> Result<(), String> {
    let mut answers = 0;
    let mut has_closed = false;
    let mut seen = Vec::new();
    loop {
        let to_head = plan.requests.get(answers).copied().unwrap_or(plan.last_is_head);
        let response = match parser.next(to_head) {
            Ok(Some(response)) => response,
            Ok(None) => break,
            Err(error) => return Err(format!("{error}; before it {seen:?}")),
        };
        if response.status < 200 {
            continue;
        }
        seen.push(response.status);
        if has_closed {
            return Err(format!("an answer after the one that says it closes: {seen:?}"));
        }
        has_closed = response.closes();
        if answers >= plan.requests.len() {
            if !(plan.is_refused || plan.is_cut_off) {
                return Err(format!(
                    "{seen:?} for {} requests: an answer too many",
                    plan.requests.len()
                ));
            }
            let is_refusal = (400..=505).contains(&response.status) && has_closed;
            if !is_refusal && !plan.last_has_head {
                return Err(format!("{seen:?}: the last should be a refusal that closes"));
            }
            has_closed = true;
            tally.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.served.fetch_add(1, Ordering::Relaxed);
        }
        answers += 1;
    }
    if !parser.unread().is_empty() {
        // A reset may cut off unread bytes, but only after an answer said `close`.
        return if was_reset && has_closed { Ok(()) } else { Err("half an answer".to_owned()) };
    }
    let due = plan.requests.len() + usize::from(plan.is_refused);
    if answers < due && !has_closed {
        return Err(format!(
            "{seen:?} for {} requests{}",
            plan.requests.len(),
            if plan.is_refused { " and a fault" } else { "" }
        ));
    }
    Ok(())
}

/// Connects. Local ports may be used up for a while, because closed ones are in TIME_WAIT.
fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    for _ in 0..100 {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(format!("cannot connect: {error}")),
        }
    }
    Err("cannot connect: no local port is free".to_owned())
}

/// xorshift64*: small, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds must give different sequences, and the state must not be 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from((self.next() >> 16) % bound).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[5]
    }
}

#[allow(clippy::print_stdout, reason = "a program's output")]
fn say(line: &str) {
    println!("{line}");
}

#[allow(clippy::print_stderr, reason = "a program's error")]
fn fail(why: &str) -> ! {
    eprintln!("mutate: {why}");
    process::exit(2);
}
