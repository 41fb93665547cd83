use super::super::{HpackDecoder, HpackError};
use super::*;

fn decoded(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((text(name), text(value))))?;
    Ok(fields)
}

fn block(encoder: &mut HpackEncoder, fields: &[(&str, &str)], hint: Indexing) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for (name, value) in fields {
        encoder.field(&mut out, name.as_bytes(), value.as_bytes(), hint);
    }
    out
}

#[test]
fn a_second_field_like_the_first_is_an_index() {
    let (mut encoder, mut decoder) = (HpackEncoder::new(), HpackDecoder::new(4096));
    let fields = [("Content-Type", "text/html"), ("X-Some", "thing"), ("x-SOME", "other")];
    let expected = [("content-type", "text/html"), ("x-some", "thing"), ("x-some", "other")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (turn, len) in [30, 3, 3].into_iter().enumerate() {
        let block = block(&mut encoder, &fields, Indexing::Index);
        assert!(block.len() <= len, "{turn}: {block:x?}");
        assert_eq!(decoded(&mut decoder, &block).unwrap(), expected);
    }
}

#[test]
fn plain_and_secret_fields_stay_out_of_the_table() {
    let mut encoder = HpackEncoder::new();
    assert_eq!(block(&mut encoder, &[("etag", "\"\"")], Indexing::Plain), b"\x0f\x13\x02\"\"");
    assert_eq!(block(&mut encoder, &[("Cookie", "\0")], Indexing::Never), b"\x1f\x11\x01\0");
    assert_eq!(block(&mut encoder, &[("\0", "\0")], Indexing::Never), b"\x10\x01\0\x01\0");
    // Larger than a quarter of the table.
    let long = "x".repeat(1100);
    let written = block(&mut encoder, &[("server", &long)], Indexing::Index);
    assert_eq!(written[..2], [0x0f, 0x27]);
    assert_eq!(encoder.table.memory(), 0);
    // The static table has it: an index, unless it is a secret.
    let encoding = [("accept-encoding", "gzip, deflate")];
    for hint in [Indexing::Index, Indexing::Plain] {
        assert_eq!(block(&mut encoder, &encoding, hint), [0x90]);
    }
    assert_eq!(block(&mut encoder, &encoding, Indexing::Never)[0], 0x1f);
}

#[test]
fn what_is_indexed_by_itself() {
    for (name, hint) in [
        ("Content-Type", Indexing::Index),
        ("access-control-allow-origin", Indexing::Index),
        ("ACCESS-CONTROL-MAX-AGE", Indexing::Index),
        ("grpc-status", Indexing::Index),
        ("grpc-message", Indexing::Plain),
        ("etag", Indexing::Plain),
        ("content-length", Indexing::Plain),
        ("date", Indexing::Plain),
        ("x-request-id", Indexing::Plain),
        ("Set-Cookie", Indexing::Never),
        ("authorization", Indexing::Never),
    ] {
        assert_eq!(HpackEncoder::auto(name.as_bytes()), hint, "{name}");
    }
}

#[test]
fn the_peer_is_told_of_another_size() {
    let (mut encoder, mut decoder) = (HpackEncoder::new(), HpackDecoder::new(4096));
    let fields = [("server", "a")];
    let mut send = |encoder: &mut HpackEncoder| {
        let block = block(encoder, &fields, Indexing::Index);
        decoded(&mut decoder, &block).unwrap();
        block
    };
    encoder.set_peer_table(4096);
    encoder.set_peer_table(1 << 20);
    assert_eq!(send(&mut encoder), [0x76, 1, b'a']);
    // Smaller and back again: both are told, and the entry is gone.
    encoder.set_peer_table(0);
    encoder.set_peer_table(u32::MAX);
    assert_eq!(send(&mut encoder), [0x20, 0x3f, 0xe1, 0x1f, 0x76, 1, b'a']);
    assert_eq!(send(&mut encoder), [0xbe]);
    encoder.set_peer_table(100);
    assert_eq!(send(&mut encoder), [0x3f, 0x45, 0x0f, 0x27, 1, b'a']);
    encoder.set_peer_table(0);
    assert_eq!(send(&mut encoder), [0x20, 0x0f, 0x27, 1, b'a']);
    assert_eq!(encoder.table.memory(), 0);
}

#[test]
fn statuses() {
    for status in 100..600 {
        let (mut out, mut decoder) = (Vec::new(), HpackDecoder::new(0));
        HpackEncoder::new().status(&mut out, status);
        let expected = (":status".to_owned(), status.to_string());
        assert_eq!(decoded(&mut decoder, &out), Ok(vec![expected]));
    }
}

#[test]
fn literals_need_no_table() {
    let mut out = Vec::new();
    literal(&mut out, b"Date", b"Mon, 21 Oct 2013 20:13:21 GMT");
    literal(&mut out, b"X-Very", b"");
    let long = format!("x-{}", "Y".repeat(80));
    literal(&mut out, long.as_bytes(), b"\xff");
    let mut decoder = HpackDecoder::new(0);
    let fields = decoded(&mut decoder, &out).unwrap();
    let long = long.to_lowercase();
    let expected = [("date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("x-very", ""), (&long, "\u{fffd}")];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
