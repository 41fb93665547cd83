//! The examples of RFC 7541 appendix C, and fields that come back as they were.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{HpackDecoder, HpackEncoder, HpackError, Indexing, literal};

type Field = (Vec<u8>, Vec<u8>);
type Texts<'a> = &'a [(&'a str, &'a str)];

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn decoded(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<Field>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((name.to_vec(), value.to_vec())))?;
    Ok(fields)
}

/// Decodes blocks of one connection; each is given with the fields that it stands for and the
/// dynamic table after it.
fn check(max_table: usize, blocks: &[(&str, Texts<'_>, Texts<'_>)]) {
    let owned = |list: &[(&str, &str)]| -> Vec<Field> {
        list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let mut decoder = HpackDecoder::new(max_table);
    for (block, fields, table) in blocks {
        assert_eq!(decoded(&mut decoder, &hex(block)), Ok(owned(fields)), "{block}");
        // All indices of the table, up to the first that it does not have.
        let mut entries = Vec::new();
        for index in 62..=126 {
            match decoded(&mut decoder.clone(), &[0x80 | index]) {
                Ok(mut found) => entries.append(&mut found),
                Err(_) => break,
            }
        }
        assert_eq!(entries, owned(table), "{block}");
    }
}

#[test]
fn c2_single_fields() {
    check(
        4096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            &[("custom-key", "custom-header")],
            &[("custom-key", "custom-header")],
        )],
    );
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")], &[])]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")], &[])]);
    check(4096, &[("82", &[(":method", "GET")], &[])]);
}

const AUTHORITY: (&str, &str) = (":authority", "www.example.com");
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");
const CUSTOM: (&str, &str) = ("custom-key", "custom-value");
const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), AUTHORITY],
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), AUTHORITY, NO_CACHE],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), AUTHORITY, CUSTOM],
];
const CODED_REQUESTS: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

#[test]
fn c3_and_c4_requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    for [first, second, third] in [plain, CODED_REQUESTS] {
        check(
            4096,
            &[
                (first, REQUESTS[0], &[AUTHORITY]),
                (second, REQUESTS[1], &[NO_CACHE, AUTHORITY]),
                (third, REQUESTS[2], &[CUSTOM, NO_CACHE, AUTHORITY]),
            ],
        );
    }
}

#[test]
fn c4_requests_encoded() {
    let mut encoder = HpackEncoder::new();
    for (fields, block) in REQUESTS.iter().zip(CODED_REQUESTS) {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for (name, value) in *fields {
            encoder.field(&mut out, name.as_bytes(), value.as_bytes(), Indexing::Index);
        }
        assert_eq!(out, hex(block));
    }
}

#[test]
fn c5_and_c6_responses_with_a_small_table() {
    const STATUS: (&str, &str) = (":status", "302");
    const OTHER: (&str, &str) = (":status", "307");
    const PRIVATE: (&str, &str) = ("cache-control", "private");
    const DATE: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
    const LATER: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
    const LOCATION: (&str, &str) = ("location", "https://www.example.com");
    const GZIP: (&str, &str) = ("content-encoding", "gzip");
    const COOKIE: (&str, &str) =
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 \
         303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 \
         5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 \
         5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
         ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad \
         94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 \
         65c0 03ed 4ee5 b106 3d50 07",
    ];
    for [first, second, third] in [plain, coded] {
        check(
            256,
            &[
                (first, &[STATUS, PRIVATE, DATE, LOCATION], &[LOCATION, DATE, PRIVATE, STATUS]),
                (second, &[OTHER, PRIVATE, DATE, LOCATION], &[OTHER, LOCATION, DATE, PRIVATE]),
                (
                    third,
                    &[(":status", "200"), PRIVATE, LATER, LOCATION, GZIP, COOKIE],
                    &[COOKIE, GZIP, LATER],
                ),
            ],
        );
    }
}

/// Few names and values, so that tables have them again, and any others.
fn any_field() -> impl Strategy<Value = Field> {
    const USUAL: [&str; 8] =
        ["content-type", "x-a", "x-b", ":path", "accept-encoding", "text/html", "/", ""];
    let text = |most| {
        prop_oneof![
            4 => prop::sample::select(&USUAL[..]).prop_map(|text| text.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..most),
        ]
    };
    (text(80).prop_map(|name| name.to_ascii_lowercase()), text(700))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any fields come back, whatever the table is made to be between the blocks.
    #[test]
    fn fields_come_back(
        blocks in vec((prop::option::of(0u32..6000), vec((any_field(), 0..4u8), 0..20)), 1..12),
    ) {
        let (mut encoder, mut decoder) = (HpackEncoder::new(), HpackDecoder::new(4096));
        for (peer_table, fields) in blocks {
            if let Some(size) = peer_table {
                encoder.set_peer_table(size);
            }
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for ((name, value), hint) in &fields {
                let upper = name.to_ascii_uppercase();
                match hint {
                    0 => literal(&mut block, &upper, value),
                    1 => encoder.field(&mut block, name, value, Indexing::Never),
                    _ => encoder.field(&mut block, &upper, value, Indexing::Index),
                }
            }
            let expected = fields.into_iter().map(|(field, _)| field).collect();
            prop_assert_eq!(decoded(&mut decoder, &block), Ok(expected));
        }
    }

    /// No block makes the decoder panic, and a block's first part gives the first fields.
    #[test]
    fn any_block_ends_well(block in vec(any::<u8>(), 0..200), cut in 0..200usize) {
        let fields = |block: &[u8]| {
            let mut fields = Vec::new();
            let result = HpackDecoder::new(4096)
                .decode(block, &mut |name, value| fields.push((name.to_vec(), value.to_vec())));
            (fields, result)
        };
        let (whole, _) = fields(&block);
        let (part, _) = fields(&block[..cut.min(block.len())]);
        prop_assert!(whole.starts_with(&part));
    }
}
