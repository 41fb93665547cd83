//! What WebSocket messages cost: `cargo run --release -p reactor-proto --example ws`.
//!
//! Each figure is the median of three rounds, after a check that the result is right.
//! `ws echo N` and `ws deflate N` do just that N times, for a program that counts instructions.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it is a program")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reactor_proto::ws::{
    Decoder, Deflater, Event, Frame, Inflater, Kind, Limits, Role, Utf8, accept, mask,
};

/// How long one round goes on. The kernel counts a thread's time some milliseconds late.
const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (item, count) = (args.next(), args.next().and_then(|n| n.parse().ok()));
    match (item.as_deref(), count) {
        (None, _) => table(),
        (Some("echo"), Some(count)) => {
            let mut echo = Echo::new(Kind::Text, 20, 1);
            (0..count).for_each(|_| echo.turn());
        }
        (Some("deflate"), Some(count)) => {
            let (json, mut deflater) = (json(1024), Deflater::shared(1, 15));
            let mut out = Vec::new();
            for _ in 0..count {
                out.clear();
                black_box(deflater.message(black_box(&json), &mut out));
            }
        }
        _ => {
            eprintln!("ws: takes nothing, or echo or deflate and a number");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn table() {
    println!("decode and encode, a server's echo, in ns per message:");
    for kind in [Kind::Text, Kind::Binary] {
        for (size, together) in [(20, 1), (20, 16), (1024, 1), (1024, 16), (65_536, 1)] {
            let mut echo = Echo::new(kind, size, together);
            let ns = nanoseconds(|| echo.turn()) / together as f64;
            println!("  {kind:?} of {size} bytes, {together} a read: {ns:.1}");
        }
    }
    println!("unmasking, in GB/s:");
    for size in [64, 1024, 16_384, 65_536, 1 << 20] {
        let mut bytes = vec![7; size];
        let ns = nanoseconds(|| {
            mask(black_box([1, 2, 3, 4]), black_box(&mut bytes));
        });
        println!("  {size} bytes: {:.1}", size as f64 / ns);
    }
    println!("UTF-8 in pieces of 16 KiB, in GB/s:");
    for (name, text) in [("ASCII", "plain text "), ("Greek", "κόσμε "), ("emoji", "😀😃")]
    {
        let text = text.repeat(65_536 / text.len());
        let ns = nanoseconds(|| {
            let mut utf8 = Utf8::default();
            for piece in text.as_bytes().chunks(16_384) {
                black_box(utf8.piece(black_box(piece))).expect("it is valid");
            }
            black_box(utf8.end()).expect("it is valid");
        });
        println!("  {name}: {:.1}", text.len() as f64 / ns);
    }
    compression();
    let ns = nanoseconds(|| {
        black_box(accept(black_box(b"dGhlIHNhbXBsZSBub25jZQ==")));
    });
    println!("accepting a key, in ns: {ns:.0}");
}

fn compression() {
    println!("permessage-deflate of JSON, in us per message:");
    for size in [100, 1024, 16_384, 65_536] {
        let json = json(size);
        let mut packed = Vec::new();
        for (name, level, bits, takeover) in [
            ("level 1", 1, 15, false),
            ("level 1, 12 bits", 1, 12, false),
            ("level 3", 3, 15, false),
            ("level 6", 6, 15, false),
            ("level 1 with takeover", 1, 15, true),
            ("level 6 with takeover", 6, 15, true),
        ] {
            let mut deflater = if takeover {
                Deflater::with_takeover(level, bits)
            } else {
                Deflater::shared(level, bits)
            };
            let ns = nanoseconds(|| {
                packed.clear();
                assert!(black_box(deflater.message(black_box(&json), &mut packed)));
            });
            println!("  {size} bytes, {name}: {:.1} us to {} bytes", ns / 1000.0, packed.len());
        }
        packed.clear();
        assert!(Deflater::shared(6, 15).message(&json, &mut packed));
        let (mut inflater, mut out) = (Inflater::shared(), Vec::new());
        let ns = nanoseconds(|| {
            out.clear();
            let done = inflater.message(Kind::Text, black_box(&packed), &mut out, &LIMITS);
            black_box(done).expect("it is valid");
        });
        assert_eq!(out, json);
        println!("  {size} bytes, inflated: {:.1} us", ns / 1000.0);
    }
}

const LIMITS: Limits = Limits {
    message: 16 << 20,
    fragments: 1 << 16,
    empty_fragments: 128,
    controls: 1024,
    ratio: 256,
};

/// A server that sends each message back.
struct Echo {
    received: Vec<u8>,
    /// What is decoded, and changed by that.
    input: Vec<u8>,
    out: Vec<u8>,
    decoder: Decoder,
    sent: Vec<u8>,
}

impl Echo {
    /// `together` messages of `size` bytes come with one read.
    fn new(kind: Kind, size: usize, together: usize) -> Self {
        let (mut received, mut sent) = (Vec::new(), Vec::new());
        let payload = vec![b'a'; size];
        for _ in 0..together {
            Frame::message(kind).write_masked(&mut received, [1, 2, 3, 4], &payload);
            Frame::message(kind).write(&mut sent, &payload);
        }
        let decoder = Decoder::new(Role::Server, true);
        let mut echo = Self { input: received.clone(), received, out: Vec::new(), decoder, sent };
        echo.turn();
        assert_eq!(echo.out, echo.sent);
        echo
    }

    /// The copy stands for the socket's read; it is a part of the figure.
    fn turn(&mut self) {
        self.input.copy_from_slice(black_box(&self.received));
        self.out.clear();
        let mut at = 0;
        loop {
            let (used, event) =
                self.decoder.decode(&mut self.input[at..], &LIMITS).expect("it is valid");
            at += used;
            match event {
                Event::Data(data) => Frame::message(data.kind).write(&mut self.out, data.payload),
                _ => break,
            }
        }
        black_box(&self.out);
    }
}

/// Rows such as an API sends.
fn json(size: usize) -> Vec<u8> {
    let mut json = String::from("[");
    for i in 0u32.. {
        let (id, price) = (i * 7919 % 10_007, i * 31_337 % 100_003);
        json += &format!("{{\"id\":{id},\"name\":\"item-{id}\",\"price\":{price},\"ok\":true}},");
        if json.len() >= size {
            break;
        }
    }
    json.truncate(size);
    json.into_bytes()
}

/// The median time of one call on a processor: what other programs take of the machine does not
/// count, but for their use of its caches.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let mut rounds: [f64; ROUNDS] = std::array::from_fn(|_| {
        let (before, mut calls) = (on_processor(), 0u32);
        loop {
            let start = Instant::now();
            while start.elapsed() < ROUND / 4 {
                (0..16).for_each(|_| call());
                calls += 16;
            }
            let taken = on_processor() - before;
            if taken > ROUND {
                return taken.as_nanos() as f64 / f64::from(calls);
            }
        }
    });
    rounds.sort_unstable_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// How long this thread has run.
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says it");
    let nanoseconds = stat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}
