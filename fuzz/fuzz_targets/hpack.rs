//! HPACK, and the heads that HTTP/2 makes of it. The first byte says what, the second where the
//! first block ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::h2::hpack::{HpackDecoder, HpackEncoder, HpackError, Indexing, literal};
use reactor_proto::h2::{HeadReader, Refused};
use reactor_proto::{Decoder, Event, Framing, Head, Limits};

type Field = (Vec<u8>, Vec<u8>);

fuzz_target!(|data: &[u8]| {
    let [mode, cut, rest @ ..] = data else { return };
    let (first, second) = rest.split_at(usize::from(*cut).min(rest.len()));
    // Small, so that inputs of some kilobytes reach all of them.
    let limits = Limits {
        request_line: 60,
        head: if mode & 4 == 0 { 600 } else { 16 * 1024 },
        fields: 8,
        body: 1000,
        trailers: 100,
        ..Limits::default()
    };
    if mode & 1 == 0 {
        let table = if mode & 8 == 0 { 4096 } else { 100 };
        heads(&[first, second, first], table, &limits, mode & 2 != 0);
    } else {
        come_back(first, second, u32::from(*mode));
    }
});

/// Reads blocks of one connection, with and without what the table knows of its entries.
fn heads(blocks: &[&[u8]], table: usize, limits: &Limits, extended: bool) {
    let (mut plain, mut knowing) = (HpackDecoder::new(table), HpackDecoder::new(table));
    let (mut text, mut head, mut reader) = (Vec::new(), Head::default(), HeadReader::default());
    let (mut other_text, mut other_head) = (Vec::new(), Head::default());
    reader.takes_extended_connect(extended);
    let mut other = reader.clone();
    for (turn, block) in blocks.iter().enumerate() {
        let end_stream = turn % 2 == 0;
        reader.begin(limits);
        other.begin(limits);
        let result = plain.decode(block, &mut |name, value| {
            reader.field(name, value, &mut text, &mut head);
        });
        let known = knowing.decode_known(block, &mut |name, value, is_sound| {
            other.known_field(name, value, is_sound, &mut other_text, &mut other_head)
        });
        assert_eq!(result, known);
        assert!(text.len() <= 2 * limits.head + 1024, "more is kept than a head may have");
        if result.is_err() {
            return;
        }
        let finished = reader.finish(end_stream, &mut text, &mut head);
        assert_eq!(finished, other.finish(end_stream, &mut other_text, &mut other_head));
        trailers(block, table, limits);
        if let Err(refused) = finished {
            if let Refused::Answer(error) = refused {
                assert!(error.status() >= 400);
            }
            continue;
        }
        assert_eq!(text, other_text);
        assert!(head.len() == text.len() && text.len() <= limits.head);
        if !head.extended_connect() {
            same_in_http1(&text, &head, limits);
        }
    }
}

/// The text of a head is one of HTTP/1, and means the same there.
fn same_in_http1(text: &[u8], head: &Head, limits: &Limits) {
    let version = head.target().end as usize + 1;
    assert_eq!(&text[version..version + 10], b"HTTP/2.0\r\n");
    let mut request = text.to_vec();
    request[version..version + 8].copy_from_slice(b"HTTP/1.1");
    let mut other = Head::default();
    let result = Decoder::default().decode(&request, &mut other, limits);
    assert_eq!(result, Ok((request.len(), Event::Head)), "{}", request.escape_ascii());
    assert_eq!(head.fields(), other.fields());
    assert_eq!((head.method(), head.method_token()), (other.method(), other.method_token()));
    assert_eq!((head.target(), head.path()), (other.target(), other.path()));
    assert_eq!((head.query(), head.host()), (other.query(), other.host()));
    if head.framing() != Framing::Chunked {
        assert_eq!(head.expect_continue(), other.expect_continue());
        assert_eq!(head.framing(), other.framing());
    }
}

fn trailers(block: &[u8], table: usize, limits: &Limits) {
    let (mut reader, mut text) = (HeadReader::default(), Vec::new());
    reader.begin_trailers(limits);
    let result = HpackDecoder::new(table)
        .decode(block, &mut |name, value| reader.trailer(name, value, &mut text));
    if result.is_ok() && reader.finish_trailers(&mut text).is_ok() {
        assert!(text.is_empty() || text.ends_with(b"\r\n"));
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        assert!(lines.clone().count() <= limits.fields);
        assert!(lines.clone().all(|line| line.iter().any(|byte| *byte == b':')));
    }
}

/// Fields of two blocks come back as they were. A field is its hint, the lengths of its name and
/// value, and these.
fn come_back(first: &[u8], second: &[u8], table: u32) {
    let (mut encoder, mut decoder) = (HpackEncoder::new(), HpackDecoder::new(4096));
    for (mut rest, size) in [(first, 4096), (second, table), (first, 0), (first, 4096)] {
        encoder.set_peer_table(size);
        let (mut block, mut fields) = (Vec::new(), Vec::new());
        encoder.begin(&mut block);
        while let [hint, name, value, after @ ..] = rest {
            let (name, after) = after.split_at(usize::from(*name).min(after.len()));
            let (value, after) = after.split_at(usize::from(*value).min(after.len()));
            rest = after;
            match hint % 5 {
                0 => literal(&mut block, name, value),
                1 => encoder.field(&mut block, name, value, Indexing::Never),
                2 => encoder.field(&mut block, name, value, Indexing::Plain),
                3 => encoder.field(&mut block, name, value, HpackEncoder::auto(name)),
                _ => encoder.field(&mut block, name, value, Indexing::Index),
            }
            fields.push((name.to_ascii_lowercase(), value.to_vec()));
        }
        assert_eq!(decoded(&mut decoder, &block), Ok(fields));
    }
}

fn decoded(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<Field>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((name.to_vec(), value.to_vec())))?;
    Ok(fields)
}
