//! Compressed messages.

use super::*;

const LIMITS: Limits = Limits {
    message: 16 << 20,
    fragments: 1 << 16,
    empty_fragments: 128,
    controls: 1024,
    ratio: 256,
};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn inflated(inflater: &mut Inflater, compressed: &[u8]) -> Result<Vec<u8>, ReceiveError> {
    let mut out = b"before".to_vec();
    inflater.message(Kind::Binary, compressed, &mut out, &LIMITS)?;
    Ok(out.split_off(6))
}

fn deflated(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    assert!(deflater.message(message, &mut out));
    out.split_off(6)
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let mut shared = Inflater::shared();
    for compressed in [
        "f248cdc9c90700",
        // Without compression.
        "000500faff48656c6c6f00",
        // In a block that says it is the last, then in another.
        "f348cdc9c9070000",
        // In two blocks.
        "f248050000 00ffffcac9c90700",
    ] {
        let compressed = bytes(&compressed.replace(' ', ""));
        assert_eq!(inflated(&mut shared, &compressed).as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(inflated(&mut shared, &compressed).as_deref(), Ok(&b"Hello"[..]));
    }
    let mut own = Inflater::with_takeover();
    assert_eq!(inflated(&mut own, &bytes("f248cdc9c90700")).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(inflated(&mut own, &bytes("f200110000")).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(inflated(&mut shared, &bytes("f200110000")), Err(ReceiveError::DeflateInvalid));
    // The fault of one connection is no other's.
    assert_eq!(inflated(&mut shared, &bytes("f248cdc9c90700")).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(deflated(&mut Deflater::shared(6, 15), b"Hello"), bytes("f248cdc9c90700"));
}

#[test]
fn a_compressed_message_may_be_fragmented() {
    let frames = [masked(0x41, &bytes("f248cd")), masked(0x80, &bytes("c9c90700"))].concat();
    for cut in 0..frames.len() {
        let mut receiver = Receiver::new(Role::Server, Some(Inflater::shared()), LIMITS);
        receiver.receive(&frames[..cut]);
        receiver.receive(&frames[cut..]);
        assert_eq!(receiver.story.told, [text("Hello")], "cut at {cut}");
    }
}

#[test]
fn only_the_first_frame_of_a_data_message_says_that_it_is_compressed() {
    for frames in [
        [masked(0x41, &bytes("f248cd")), masked(0xc0, &bytes("c9c90700"))].concat(),
        masked(0xc9, b""),
        masked(0xc8, b""),
        masked(0xa1, b""),
        masked(0xd1, b""),
    ] {
        let mut receiver = Receiver::new(Role::Server, Some(Inflater::shared()), LIMITS);
        receiver.receive(&frames);
        assert_eq!(receiver.story.error, Some(ReceiveError::ReservedBit));
    }
    // One that is not compressed may come between.
    let mut receiver = Receiver::new(Role::Server, Some(Inflater::shared()), LIMITS);
    receiver.receive(&[masked(0x81, b"plain"), masked(0xc1, &bytes("f248cdc9c90700"))].concat());
    assert_eq!(receiver.story.told, [text("plain"), text("Hello")]);
}

#[test]
fn what_zlib_compresses_is_read() {
    let x = "x".repeat(300);
    let cases = [
        (
            r#"{"a":1,"b":[1,2,3],"a":1,"b":[1,2,3]}"#,
            "aa564a54b232d4514a52b28a36d431d2318ed5c110a90500",
        ),
        ("κόσμε κόσμε κόσμε", "3ab7eb7ccff9e6737bce6d5538878d0900"),
        // Fixed codes, then codes of its own for single bytes.
        (&x, "aaa81805c4020000"),
        (
            &x,
            "04c1810000000000906df9000000000000000000000000000000000000000000000000000000000000\
             000000000000008000",
        ),
        ("abc", "000300fcff61626300"),
        ("", "00"),
    ];
    for (text, compressed) in cases {
        let found = inflated(&mut Inflater::shared(), &bytes(compressed));
        assert_eq!(found.as_deref(), Ok(text.as_bytes()));
    }
    let mut own = Inflater::with_takeover();
    for (text, compressed) in [
        ("first message, first", "4acb2c2a2e51c84d2d2e4e4c4fd5514803710100"),
        ("first message, second", "4a43152b4e4dcecf4b0100"),
        ("first message, first", "4ac3a21000"),
    ] {
        assert_eq!(inflated(&mut own, &bytes(compressed)).as_deref(), Ok(text.as_bytes()));
    }
}

/// Messages of many kinds and sizes.
fn messages() -> Vec<Vec<u8>> {
    let mut seed = 7u32;
    let mut noise = |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed.to_be_bytes()[0]
            })
            .collect()
    };
    let json: String =
        (0..600).map(|i| format!("{{\"id\":{i},\"name\":\"n{}\"}},", i % 7)).collect();
    vec![
        Vec::new(),
        b"a".to_vec(),
        Vec::new(),
        Vec::new(),
        b"Hello".to_vec(),
        json.clone().into_bytes(),
        noise(20),
        noise(70_000),
        json.into_bytes(),
        vec![0; 200_000],
        noise(1 << 15),
        "κόσμε ".repeat(3000).into_bytes(),
    ]
}

#[test]
fn what_is_compressed_is_read_again() {
    for level in 0..=9 {
        for bits in 9..=15 {
            let mut pairs = [
                (Deflater::shared(level, bits), Inflater::shared()),
                (Deflater::with_takeover(level, bits), Inflater::with_takeover()),
            ];
            for (deflater, inflater) in &mut pairs {
                for message in messages() {
                    let compressed = deflated(deflater, &message);
                    assert!(!compressed.is_empty());
                    assert!(compressed.len() as u64 <= LIMITS.compressed());
                    let found = inflated(inflater, &compressed);
                    assert!(found == Ok(message), "level {level}, {bits} bits");
                }
            }
        }
    }
}

#[test]
fn takeover_uses_the_messages_before() {
    let json = &messages()[5];
    let (mut shared, mut own) = (Deflater::shared(6, 15), Deflater::with_takeover(6, 15));
    let first = deflated(&mut shared, json);
    let own_first = deflated(&mut own, json);
    // The second time says all again, or only where it was said.
    assert!(deflated(&mut shared, json) == first);
    assert!(deflated(&mut own, json).len() * 5 < own_first.len());
    // Shorter blocks cost little.
    assert!(own_first.len() * 10 < first.len() * 11);
}

#[test]
fn the_inflated_size_is_bounded() {
    let zeros = deflated(&mut Deflater::shared(9, 15), &vec![0; 200_000]);
    let limits = |message| Limits { message, ..LIMITS };
    let mut inflater = Inflater::shared();
    let mut inflate = |compressed: &[u8], limits: &Limits| {
        let mut out = Vec::new();
        let result = inflater.message(Kind::Binary, compressed, &mut out, limits);
        (result, out)
    };
    assert_eq!(inflate(&zeros, &limits(200_000)).0, Ok(()));
    let (result, out) = inflate(&zeros, &limits(199_999));
    assert_eq!(result, Err(ReceiveError::MessageTooLarge));
    assert!(out.len() <= 200_000 && out.capacity() < 400_000);
    // A bomb: 64 MiB in 64 KiB. It ends by its ratio before it reaches the size.
    let bomb = deflated(&mut Deflater::shared(9, 15), &vec![0; 64 << 20]);
    let (result, out) = inflate(&bomb, &limits(1 << 40));
    assert_eq!(result, Err(ReceiveError::DeflateRatio));
    assert!(out.capacity() as u64 <= 4 * (bomb.len() as u64 * 256).max(Limits::RATIO_FROM));
    let any = Limits { ratio: u32::MAX, ..limits(1 << 40) };
    assert_eq!(inflate(&bomb, &any).1.len(), 64 << 20);
}

#[test]
fn what_is_not_deflate_is_refused() {
    let mut inflater = Inflater::shared();
    for compressed in ["ff", "07", "0001000000", "f248cdc9c907ffff00", "06"] {
        let found = inflated(&mut inflater, &bytes(compressed));
        assert_eq!(found, Err(ReceiveError::DeflateInvalid), "{compressed}");
    }
}

#[test]
fn inflated_text_is_checked() {
    let compressed = deflated(&mut Deflater::shared(6, 15), b"ok \xff");
    let mut inflater = Inflater::shared();
    let (mut out, mut inflate) =
        (Vec::new(), |kind, out: &mut Vec<u8>| inflater.message(kind, &compressed, out, &LIMITS));
    assert_eq!(inflate(Kind::Text, &mut out), Err(ReceiveError::TextInvalid));
    out.clear();
    assert_eq!(inflate(Kind::Binary, &mut out), Ok(()));
}

#[test]
fn a_block_that_says_it_is_the_last_may_come_anywhere() {
    // Each "Hello" in a last block of its own, three in one message.
    let mut compressed = bytes("f348cdc9c90700").repeat(3);
    // The header of an empty stored block, whose rest is the tail.
    compressed.push(0);
    let mut inflater = Inflater::with_takeover();
    assert_eq!(inflated(&mut inflater, &compressed).as_deref(), Ok(&b"HelloHelloHello"[..]));
    assert_eq!(inflated(&mut inflater, &compressed).as_deref(), Ok(&b"HelloHelloHello"[..]));
}

#[test]
fn a_compressor_serves_smaller_windows_where_the_message_is_short() {
    let shared = Deflater::shared(6, 15);
    assert!(shared.serves(15, usize::MAX));
    assert!(shared.serves(9, 511) && !shared.serves(9, 512));
    assert!(shared.serves(14, (1 << 14) - 1) && !shared.serves(14, 1 << 14));
    let own = Deflater::with_takeover(6, 12);
    assert!(own.serves(12, usize::MAX) && own.serves(15, usize::MAX) && !own.serves(11, 1));
    assert_eq!((shared.memory(), Deflater::with_takeover(1, 9).memory()), (380_032, 143_488));
    assert_eq!(Deflater::shared(1, 15).memory(), 16_384);
}
