//! What a client may send, and what is the right answer to it.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::rng::Rng;
use crate::exchange::body::WINDOW;
use crate::http1::shared::MAX_PIPELINED;

/// A request in a client's script.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// Its number, sent along as `X-Id`; none other has it.
    pub(super) id: u32,
    /// Where its bytes are in the client's input, a blank line before it at
    /// `begin`.
    pub(super) begin: usize,
    pub(super) start: usize,
    pub(super) head_end: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// Bytes of its body, chunks joined.
    pub(super) body: usize,
    pub(super) chunked: bool,
    /// Behind it come trailers; see [`trailer`].
    pub(super) trailers: bool,
    /// Its client takes trailers,
    pub(super) takes_trailers: bool,
    /// and informational answers.
    pub(super) takes_interim: bool,
    pub(super) head_only: bool,
    /// It asks for `100 Continue`.
    pub(super) expects: bool,
    /// It is the last that may be answered.
    pub(super) close: bool,
    /// HTTP/1.0 and yet to be kept alive: the answer has to say so.
    pub(super) told: bool,
}

impl Expected {
    /// A request without a body.
    pub(super) fn plain(id: u32, at: Range<usize>, kind: Kind, close: bool) -> Self {
        Self {
            id,
            begin: at.start,
            start: at.start,
            head_end: at.end,
            end: at.end,
            kind,
            body: 0,
            chunked: false,
            trailers: false,
            takes_trailers: false,
            takes_interim: true,
            head_only: false,
            expects: false,
            close,
            told: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To a worker, which sends the body back.
    Echo,
    /// To a worker, which sends that many bytes, chunked or not.
    Sized {
        bytes: usize,
        chunked: bool,
    },
    /// To a worker, which answers with this status and no body.
    Empty(u16),
    /// Pre-rendered, by index into [`INLINE`].
    Inline(usize),
    /// Pre-rendered, another after each reload.
    Version,
    NotFound,
    NotAllowed,
    Unknown,
    Options,
    /// To a lane, whose thread answers as it likes, with so many bytes.
    Lane {
        bytes: usize,
    },
    /// To a lane, with a body that goes wrong on its way: what of it comes before
    /// is right.
    Spoilt(u16),
    /// Malformed or over a limit.
    Bad(u16),
}

impl Kind {
    pub(super) fn is_worker(self) -> bool {
        matches!(self, Self::Echo | Self::Sized { .. } | Self::Empty(_))
    }

    pub(super) fn is_lane(self) -> bool {
        matches!(self, Self::Lane { .. } | Self::Spoilt(_))
    }
}

/// Sizes of the pre-rendered bodies.
pub(super) const INLINE: [usize; 5] = [0, 11, 1_000, 17_000, 100_000];

pub(super) const BODY_LIMIT: usize = 300_000;

/// An answer from here on leaves no room for many.
pub(super) const LARGE: usize = 60_000;
pub(super) const HEAD_LIMIT: usize = 2_048;
pub(super) const LINE_LIMIT: usize = 256;

/// `n` bytes that tell a body from any other and from itself moved along.
pub(super) fn pattern(id: u32, n: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut rng = Rng::new(1);
        (0..BODY_LIMIT + 5_000).map(|_| b'a' + (rng.next() % 26) as u8).collect()
    });
    let from = pattern_start(id);
    &noise[from..from + n]
}

/// The line of the trailers behind a request's body, and behind that of its answer.
pub(super) fn trailer(id: u32) -> String {
    format!("X-Trailer: t{id}\r\n")
}

/// Where an id's pattern begins.
fn pattern_start(id: u32) -> usize {
    id as usize * 31 % 4_999
}

/// A file in which the same lies, from this place on. No name leads to it.
pub(super) fn pattern_file(id: u32) -> (Arc<File>, u64) {
    static NOISE: OnceLock<Arc<File>> = OnceLock::new();
    let file = NOISE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("reactor-sim-{}", std::process::id()));
        std::fs::write(&path, pattern(0, BODY_LIMIT + 5_000)).expect("room for a file");
        let file = File::open(&path).expect("it was just made");
        std::fs::remove_file(&path).expect("it was just made");
        Arc::new(file)
    });
    (Arc::clone(file), pattern_start(id) as u64)
}

/// What a run's requests are like.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    pub(super) most_body: usize,
    pub(super) most_answer: usize,
    /// Percentages.
    pub(super) large: u32,
    pub(super) lane: u32,
    pub(super) inline: u32,
    pub(super) bodies: u32,
    /// Of bodies.
    pub(super) chunks: u32,
    pub(super) http10: u32,
    pub(super) closes: u32,
    pub(super) bad: u32,
    pub(super) bursts: u32,
    /// Every answer is a large one.
    pub(super) downloads: bool,
    /// Clients say which codings they accept.
    pub(super) accepts: bool,
}

impl Mix {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            most_body: *rng.pick(&[100, 5_000, 60_000, 250_000]),
            most_answer: *rng.pick(&[100, 5_000, 60_000, 250_000]),
            large: *rng.pick(&[0, 0, 0, 90]),
            lane: *rng.pick(&[0, 0, 30, 60, 95]),
            inline: *rng.pick(&[0, 20, 50, 100]),
            bodies: *rng.pick(&[0, 20, 50, 90]),
            chunks: 40,
            http10: *rng.pick(&[0, 5, 30]),
            closes: *rng.pick(&[0, 2, 10]),
            bad: *rng.pick(&[0, 0, 3, 20]),
            bursts: *rng.pick(&[0, 10, 60]),
            downloads: false,
            accepts: false,
        }
    }

    /// A client's whole input and what is in it.
    pub(super) fn script(&self, rng: &mut Rng, next_id: &mut u32) -> (Vec<u8>, Vec<Expected>) {
        let count = if self.downloads {
            rng.between(1, 20)
        } else if rng.percent(self.bursts) {
            rng.between(MAX_PIPELINED as usize, MAX_PIPELINED as usize * 3)
        } else {
            rng.between(1, 12)
        };
        // A script has a size that a test run can afford.
        let mut budget = 1_500_000_usize;
        let mut input = Vec::new();
        let mut requests = Vec::new();
        for _ in 0..count {
            let id = *next_id;
            *next_id += 1;
            let request = if rng.percent(self.bad) {
                if rng.percent(self.lane) {
                    spoilt(rng, &mut input, id)
                } else {
                    bad(rng, &mut input, id)
                }
            } else {
                self.good(rng, &mut input, id, budget / 4)
            };
            let answer = match request.kind {
                Kind::Sized { bytes, .. } | Kind::Lane { bytes } => bytes,
                Kind::Inline(index) => INLINE[index],
                Kind::Echo => request.body,
                _ => 0,
            };
            budget = budget.saturating_sub(answer + request.body);
            requests.push(request);
        }
        (input, requests)
    }

    fn good(&self, rng: &mut Rng, input: &mut Vec<u8>, id: u32, budget: usize) -> Expected {
        let kind = self.kind(rng, budget);
        let method = match kind {
            Kind::NotAllowed => *rng.pick(&["DELETE", "POST"]),
            Kind::Unknown => "BREW",
            Kind::Options => "OPTIONS",
            Kind::Version => *rng.pick(&["GET", "HEAD"]),
            _ => *rng.pick(&["GET", "GET", "POST", "POST", "PUT", "HEAD", "PATCH", "TREE"]),
        };
        let method = if kind == Kind::NotFound && method == "TREE" { "GET" } else { method };
        let target = match kind {
            Kind::Echo => format!("/echo/{id}"),
            Kind::Sized { bytes, chunked } => format!("/size/{bytes}/{}", u8::from(chunked)),
            Kind::Empty(status) => format!("/empty/{status}"),
            Kind::Inline(index) => format!("/inline/{index}"),
            Kind::Version | Kind::NotAllowed | Kind::Unknown => "/version".to_owned(),
            Kind::NotFound => "/nowhere".to_owned(),
            Kind::Options => "*".to_owned(),
            Kind::Lane { .. } => format!("/lane/{id}"),
            Kind::Bad(_) | Kind::Spoilt(_) => unreachable!("made by `bad` and `spoilt`"),
        };
        let http10 = rng.percent(self.http10);
        let close = rng.percent(self.closes);
        let keep_alive = if http10 { !close && rng.percent(80) } else { !close };
        let has_body = rng.percent(self.bodies);
        let body = if has_body && kind.is_lane() && rng.percent(self.large) && budget > BODY_LIMIT {
            // Just more than may be under way to a lane.
            WINDOW + 1 + rng.below(BODY_LIMIT - WINDOW)
        } else if has_body {
            1 + rng.size(self.most_body.min(budget))
        } else {
            0
        };
        let chunked = body > 0 && !http10 && rng.percent(self.chunks);
        let expects = body > 0 && rng.percent(10);

        let begin = input.len();
        if rng.percent(5) {
            input.extend_from_slice(b"\r\n");
        }
        let start = input.len();
        let mut line = |text: String| {
            input.extend_from_slice(text.as_bytes());
            input.extend_from_slice(b"\r\n");
        };
        line(format!("{method} {target} HTTP/1.{}", u8::from(!http10)));
        if !http10 || rng.percent(50) {
            line("Host: sim".to_owned());
        }
        line(format!("X-Id: {id}"));
        if http10 && keep_alive {
            line("Connection: keep-alive".to_owned());
        } else if !http10 && close {
            line("Connection: close".to_owned());
        }
        if rng.percent(10) {
            line(format!("X-Filler: {}", "f".repeat(rng.below(1_500))));
        }
        if self.accepts {
            // Also what no answer is sent in, and both.
            let accept = ["gzip", "br", "zstd", "gzip, br;q=0.5"][id as usize % 4];
            line(format!("Accept-Encoding: {accept}"));
        }
        let takes_trailers = rng.percent(30);
        if takes_trailers {
            line("TE: trailers".to_owned());
        }
        if expects {
            line("Expect: 100-continue".to_owned());
        }
        if chunked {
            line("Transfer-Encoding: chunked".to_owned());
        } else if body > 0 || rng.percent(10) {
            line(format!("Content-Length: {body}"));
        }
        line(String::new());
        let head_end = input.len();
        let mut trailers = false;
        if chunked {
            trailers = write_chunks(rng, input, id, body);
        } else {
            input.extend_from_slice(pattern(id, body));
        }
        // HTTP/1.0 clients do not wait, whatever they say.
        let expects = expects && !http10;
        Expected {
            id,
            begin,
            start,
            head_end,
            end: input.len(),
            kind,
            body,
            chunked,
            trailers,
            takes_trailers: takes_trailers && !http10,
            takes_interim: !http10,
            head_only: method == "HEAD",
            expects,
            close: !keep_alive || expects && !(kind.is_worker() || kind.is_lane()),
            told: http10 && keep_alive,
        }
    }

    fn kind(&self, rng: &mut Rng, budget: usize) -> Kind {
        if self.downloads {
            let bytes = rng.between(LARGE, 100_000);
            let is_lane = rng.percent(self.lane);
            let chunked = rng.percent(40);
            return if is_lane { Kind::Lane { bytes } } else { Kind::Sized { bytes, chunked } };
        }
        if rng.percent(self.lane) {
            let most = if rng.percent(self.large) { BODY_LIMIT } else { self.most_answer };
            return Kind::Lane { bytes: rng.size(most.min(budget)) };
        }
        if rng.percent(self.inline) {
            return match rng.below(12) {
                0 => Kind::NotFound,
                1 => Kind::NotAllowed,
                2 => Kind::Unknown,
                3 => Kind::Options,
                4 | 5 => Kind::Version,
                n => Kind::Inline(if budget < 150_000 { n % 4 } else { n % 5 }),
            };
        }
        match rng.below(10) {
            0 => Kind::Empty(204),
            1 => Kind::Empty(304),
            2..=5 if rng.percent(self.large) && budget > 20_000 => {
                // Just large enough not to be copied.
                Kind::Sized { bytes: 16 * 1024 + rng.below(100), chunked: rng.percent(40) }
            }
            2..=5 => Kind::Sized {
                bytes: rng.size(self.most_answer.min(budget)),
                chunked: rng.percent(40),
            },
            _ => Kind::Echo,
        }
    }
}

/// Returns whether trailers are behind the chunks.
fn write_chunks(rng: &mut Rng, input: &mut Vec<u8>, id: u32, body: usize) -> bool {
    let mut body = pattern(id, body);
    while !body.is_empty() {
        let (chunk, rest) = body.split_at(1 + rng.size(body.len() - 1));
        body = rest;
        let extension = if rng.percent(10) { ";a=\"b\\\"c\"" } else { "" };
        input.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        input.extend_from_slice(chunk);
        input.extend_from_slice(b"\r\n");
    }
    let has_trailers = rng.percent(20);
    let lines = if has_trailers { trailer(id) } else { String::new() };
    input.extend_from_slice(format!("0\r\n{lines}\r\n").as_bytes());
    has_trailers
}

/// A request to a lane whose body breaks its framing or the limit, after which
/// nothing may be answered.
fn spoilt(rng: &mut Rng, input: &mut Vec<u8>, id: u32) -> Expected {
    let start = input.len();
    let head = format!(
        "POST /lane/{id} HTTP/1.1\r\nHost: sim\r\nX-Id: {id}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    input.extend_from_slice(head.as_bytes());
    let head_end = input.len();
    let body = 1 + rng.size(5_000);
    let (ending, status) = match rng.below(3) {
        0 => (format!("{BODY_LIMIT:x}\r\n"), 413),
        1 => ("-1\r\n".to_owned(), 400),
        _ => ("0\n".to_owned(), 400),
    };
    input.extend_from_slice(format!("{body:x}\r\n").as_bytes());
    input.extend_from_slice(pattern(id, body));
    input.extend_from_slice(format!("\r\n{ending}").as_bytes());
    Expected {
        head_end,
        body,
        chunked: true,
        ..Expected::plain(id, start..input.len(), Kind::Spoilt(status), true)
    }
}

/// A request that must be refused, and after which nothing may be answered.
fn bad(rng: &mut Rng, input: &mut Vec<u8>, id: u32) -> Expected {
    let head = format!("Host: sim\r\nX-Id: {id}\r\n");
    let post = |fields: &str| format!("POST /echo/{id} HTTP/1.1\r\n{head}{fields}");
    let (text, status) = match rng.below(16) {
        0 => (format!("GET /echo/{id} HTTP/1.1\r\nX-Id: {id}\r\n\r\n"), 400),
        1 => (post("Host: again\r\n\r\n"), 400),
        2 => (format!("GET  /echo/{id} HTTP/1.1\r\n{head}\r\n"), 400),
        3 => (post("X: bare\n"), 400),
        4 => (format!("GET /echo/{id} HTTP/2.0\r\n{head}\r\n"), 505),
        5 => (post("Content-Length: 1\r\nExpect: tea\r\n\r\nx"), 417),
        6 => (post("Content-Length: 5, 6\r\n\r\n"), 400),
        7 => (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
        8 => (post("Transfer-Encoding: gzip, chunked\r\n\r\n"), 501),
        9 => (post(&format!("X: {}\r\n\r\n", "x".repeat(HEAD_LIMIT))), 431),
        10 => (format!("GET /{} HTTP/1.1\r\n{head}\r\n", "p".repeat(LINE_LIMIT)), 414),
        11 => (post(&format!("Content-Length: {}\r\n\r\n", BODY_LIMIT + 1)), 413),
        12 => (post(&format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", BODY_LIMIT + 1)), 413),
        13 => (post("Transfer-Encoding: chunked\r\n\r\n3\r\nabcX"), 400),
        14 => (post("Transfer-Encoding: chunked\r\n\r\n-1\r\n"), 400),
        _ => ("\x16\x03\x01\x02".to_owned(), 400),
    };
    let start = input.len();
    input.extend_from_slice(text.as_bytes());
    let head_end = text.find("\r\n\r\n").map_or(text.len(), |at| at + 4);
    Expected {
        head_end: start + head_end,
        chunked: true,
        ..Expected::plain(id, start..input.len(), Kind::Bad(status), true)
    }
}
