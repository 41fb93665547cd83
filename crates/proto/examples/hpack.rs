//! Decodes or encodes one block again and again: what `npm run bench:instructions` counts.
//!
//! `hpack indexed|coded|small|answer|http1 N` takes N turns. `http1` decodes the head of
//! `indexed` as HTTP/1 sends it, to compare. The difference of two runs with different N is the
//! codec's own work.
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::hint::black_box;
use std::process::ExitCode;

use reactor_proto::h2::HeadReader;
use reactor_proto::h2::hpack::{HpackDecoder, HpackEncoder, Indexing, literal};
use reactor_proto::{Decoder, Event, Head, Limits};

/// What a browser sends for each asset of a page: four pseudo-fields and twelve others.
const BROWSER: [(&str, &str); 16] = [
    (":method", "GET"),
    (":authority", "www.example.com"),
    (":scheme", "https"),
    (":path", "/assets/app.js?v=1"),
    ("sec-ch-ua-platform", "\"Linux\""),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126",
    ),
    ("sec-ch-ua", "\"Chromium\";v=\"126\", \"Not.A/Brand\";v=\"8\""),
    ("sec-ch-ua-mobile", "?0"),
    ("accept", "*/*"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "no-cors"),
    ("sec-fetch-dest", "script"),
    ("referer", "https://www.example.com/articles/2026/11/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (item, count) = (args.next(), args.next().and_then(|n| n.parse().ok()));
    let Some(count) = count else { return usage() };
    let done = match item.as_deref() {
        Some("indexed") => decode(&indexed(&BROWSER), count),
        // Twelve fields in all.
        Some("twelve") => decode(&indexed(&BROWSER[..12]), count),
        // A path that changes, the rest as before.
        Some("coded") => {
            let mut blocks = indexed(&BROWSER[..12]);
            literal(&mut blocks[1], b"x-any", b"/articles/2026/11/search?q=event+loop&page=2");
            decode(&blocks, count)
        }
        Some("small") => decode(&indexed(&BROWSER[..4]), count),
        Some("answer") => encode(count),
        Some("http1") => http1(count),
        _ => return usage(),
    };
    if done { ExitCode::SUCCESS } else { usage() }
}

fn usage() -> ExitCode {
    eprintln!("hpack: takes indexed, twelve, coded, small, answer or http1, and a number");
    ExitCode::FAILURE
}

/// Two blocks of the same fields: the first fills the table, the second is indices.
fn indexed(fields: &[(&str, &str)]) -> [Vec<u8>; 2] {
    let mut encoder = HpackEncoder::new();
    [(), ()].map(|()| {
        let mut block = Vec::new();
        for (name, value) in fields {
            encoder.field(&mut block, name.as_bytes(), value.as_bytes(), Indexing::Index);
        }
        block
    })
}

fn decode(blocks: &[Vec<u8>; 2], count: u64) -> bool {
    let (mut decoder, limits) = (HpackDecoder::new(4096), Limits::default());
    let (mut reader, mut text, mut head) = (HeadReader::default(), Vec::new(), Head::default());
    let mut read = |block: &[u8]| {
        reader.begin(&limits);
        let is_block = decoder
            .decode_known(block, &mut |name, value, is_sound| {
                reader.known_field(name, value, is_sound, &mut text, &mut head)
            })
            .is_ok();
        is_block && reader.finish(true, &mut text, &mut head).is_ok()
    };
    read(&blocks[0]) && (0..count).all(|_| read(black_box(&blocks[1])))
}

fn encode(count: u64) -> bool {
    let (mut encoder, mut out) = (HpackEncoder::new(), Vec::new());
    for _ in 0..count {
        out.clear();
        encoder.begin(&mut out);
        encoder.status(&mut out, 200);
        for (name, value) in [
            ("Content-Type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("content-length", "1234"),
        ] {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            encoder.field(&mut out, black_box(name), value, HpackEncoder::auto(name));
        }
    }
    out.len() < 20
}

fn http1(count: u64) -> bool {
    let mut text = String::from("GET /assets/app.js?v=1 HTTP/1.1\r\nhost: www.example.com\r\n");
    for (name, value) in &BROWSER[4..12] {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    let (mut decoder, mut head, limits) = (Decoder::default(), Head::default(), Limits::default());
    (0..count).all(|_| {
        let event = decoder.decode(black_box(text.as_bytes()), &mut head, &limits);
        matches!(event, Ok((_, Event::Head)))
    })
}
