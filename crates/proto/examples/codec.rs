//! Decodes one request again and again: what `npm run bench:instructions` counts.
//!
//! `codec small|large|chunked N` decodes N requests. The difference of two runs with different N
//! is the codec's own work.
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;

use reactor_proto::{Decoder, Event, Framing, Head, Limits};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (item, count) = (args.next(), args.next().and_then(|n| n.parse().ok()));
    let request = match item.as_deref() {
        Some("small") => "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_owned(),
        Some("large") => large(),
        Some("chunked") => chunked(),
        _ => String::new(),
    };
    let (false, Some(count)) = (request.is_empty(), count) else {
        eprintln!("codec: takes small, large or chunked, and a number");
        return ExitCode::FAILURE;
    };
    let (mut decoder, mut head) = (Decoder::default(), Head::default());
    let limits = Limits::default();
    for _ in 0..count {
        if decode(black_box(request.as_bytes()), &mut decoder, &mut head, &limits).is_none() {
            eprintln!("codec: the request is refused or incomplete");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A request with 20 fields, such as a browser behind a proxy sends.
fn large() -> String {
    "GET /articles/2026/11/search?q=event+loop&page=2 HTTP/1.1\r\n\
     Host: www.example.com\r\n\
     Connection: keep-alive\r\n\
     Cache-Control: max-age=0\r\n\
     Sec-CH-UA: \"Chromium\";v=\"126\", \"Not.A/Brand\";v=\"8\"\r\n\
     Sec-CH-UA-Mobile: ?0\r\n\
     Sec-CH-UA-Platform: \"Linux\"\r\n\
     Upgrade-Insecure-Requests: 1\r\n\
     User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126\r\n\
     Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
     Sec-Fetch-Site: same-origin\r\n\
     Sec-Fetch-Mode: navigate\r\n\
     Sec-Fetch-User: ?1\r\n\
     Sec-Fetch-Dest: document\r\n\
     Referer: https://www.example.com/articles/2026/11/\r\n\
     Accept-Encoding: gzip, deflate, br, zstd\r\n\
     Accept-Language: en-US,en;q=0.9\r\n\
     Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
     If-None-Match: \"5f3c-61b2a7\"\r\n\
     X-Forwarded-For: 203.0.113.7\r\n\
     X-Forwarded-Proto: https\r\n\r\n"
        .to_owned()
}

/// A request whose body comes in 16 chunks of 64 bytes.
fn chunked() -> String {
    let mut request =
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..16 {
        let _ = write!(request, "40\r\n{}\r\n", "x".repeat(64));
    }
    request + "0\r\n\r\n"
}

/// Decodes one whole request. Returns the bytes of its body.
fn decode(
    mut input: &[u8],
    decoder: &mut Decoder,
    head: &mut Head,
    limits: &Limits,
) -> Option<usize> {
    let mut body = 0;
    loop {
        let (used, event) = decoder.decode(input, head, limits).ok()?;
        match event {
            Event::Head if head.framing() == Framing::None => break,
            Event::Data { start, end } => body += end - start,
            Event::Trailers { .. } => {}
            Event::End => break,
            Event::Head => {}
            Event::Incomplete => return None,
        }
        input = &input[used..];
    }
    black_box(&*head);
    Some(body)
}
