//! Decodes and encodes what lines ask for, to compare with other implementations. A line gets
//! a line:
//!
//! - `new N`: a new connection whose table has N bytes at most; `ok`
//! - `decode HEX`: `ok NAME:VALUE …` in hexadecimal, or `no` and what is wrong
//! - `encode HINT:NAME:VALUE …`: `ok HEX`; hints are `index`, `plain`, `never`, `auto`, `literal`
//! - `peer N`: the peer's SETTINGS_HEADER_TABLE_SIZE; `ok`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::fmt::Write as _;
use std::io::{BufRead, Write};

use reactor_proto::h2::hpack::{HpackDecoder, HpackEncoder, Indexing, literal};

fn main() {
    let (mut decoder, mut encoder) = (HpackDecoder::new(4096), HpackEncoder::new());
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb {
            "new" => {
                decoder = HpackDecoder::new(rest.parse().unwrap_or(4096));
                encoder = HpackEncoder::new();
                "ok".to_owned()
            }
            "decode" => decode(&mut decoder, &bytes(rest)),
            "encode" => encode(&mut encoder, rest),
            "peer" => {
                encoder.set_peer_table(rest.parse().unwrap_or_default());
                "ok".to_owned()
            }
            _ => "no such verb".to_owned(),
        };
        if writeln!(stdout, "{answer}").and_then(|()| stdout.flush()).is_err() {
            return;
        }
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let digit =
        |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map_while(digit).collect()
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

fn decode(decoder: &mut HpackDecoder, block: &[u8]) -> String {
    let mut answer = "ok".to_owned();
    let result = decoder.decode(block, &mut |name, value| {
        answer.push(' ');
        push_hex(&mut answer, name);
        answer.push(':');
        push_hex(&mut answer, value);
    });
    result.map_or_else(|error| format!("no {error}"), |()| answer)
}

fn encode(encoder: &mut HpackEncoder, fields: &str) -> String {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for field in fields.split_ascii_whitespace() {
        let mut parts = field.split(':');
        let hint = parts.next().unwrap_or_default();
        let mut text = || bytes(parts.next().unwrap_or_default());
        let (name, value) = (text(), text());
        let hint = match hint {
            "index" => Indexing::Index,
            "plain" => Indexing::Plain,
            "never" => Indexing::Never,
            "auto" => HpackEncoder::auto(&name),
            _ => {
                literal(&mut block, &name, &value);
                continue;
            }
        };
        encoder.field(&mut block, &name, &value, hint);
    }
    let mut answer = "ok ".to_owned();
    push_hex(&mut answer, &block);
    answer
}
