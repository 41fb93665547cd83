use super::*;

/// Bytes of hexadecimal digits, as the RFC shows them.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn decoded(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((text(name), text(value))))?;
    Ok(fields)
}

/// The entries of the dynamic table, the youngest first.
fn entries(decoder: &HpackDecoder) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (0..).map_while(|age| decoder.table.get(age)).map(|(n, v, _)| (text(n), text(v))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn a_first_request() {
    let mut decoder = HpackDecoder::new(4096);
    let block = hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff");
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ];
    assert_eq!(decoded(&mut decoder, &block), Ok(pairs(&fields)));
    assert_eq!(entries(&decoder), pairs(&[(":authority", "www.example.com")]));
}

#[test]
fn malformed_blocks_are_refused() {
    use HpackError::{HuffmanInvalid, IndexInvalid, TableChangeLate, TableTooLarge, Truncated};
    for (block, error) in [
        ("80", IndexInvalid),
        ("be", IndexInvalid),
        ("7e 01 61", IndexInvalid),
        ("0f 2f 01 61", IndexInvalid),
        ("ff", Truncated),
        ("00", Truncated),
        ("00 01 61", Truncated),
        ("00 02 61", Truncated),
        ("00 01 61 02 62", Truncated),
        ("ff ff ff ff ff 7f", HpackError::IntegerTooLarge),
        ("3f e2 1f", TableTooLarge),
        ("82 20", TableChangeLate),
        // Padding of eight ones; padding with a zero; the end.
        ("00 82 1f ff 00", HuffmanInvalid),
        ("00 81 1e 00", HuffmanInvalid),
        ("00 84 ff ff ff ff 00", HuffmanInvalid),
        ("00 84 ff ff ff fc 00", HuffmanInvalid),
        ("00 81 fe 00", HuffmanInvalid),
    ] {
        let mut decoder = HpackDecoder::new(4096);
        assert_eq!(decoded(&mut decoder, &hex(block)), Err(error), "{block}");
    }
    // The longest table, and padding of seven ones.
    assert_eq!(decoded(&mut HpackDecoder::new(4096), &hex("3f e1 1f 20")), Ok(vec![]));
    let fields = decoded(&mut HpackDecoder::new(0), &hex("40 81 1f 81 1f"));
    assert_eq!(fields, Ok(pairs(&[("a", "a")])));
}

#[test]
fn a_name_may_be_that_of_an_entry_it_evicts() {
    let mut decoder = HpackDecoder::new(120);
    let long = "x".repeat(40);
    let mut block = vec![0x40, 4];
    block.extend_from_slice(b"name\x28");
    block.extend_from_slice(long.as_bytes());
    for value in [b'1', b'2', b'3'] {
        block.extend_from_slice(&[0x7e, 0x29, value]);
        block.extend_from_slice(long.as_bytes());
        decoded(&mut decoder, &block).unwrap();
        let expected = format!("{}{long}", value as char);
        assert_eq!(entries(&decoder), [("name".to_owned(), expected)]);
        block.clear();
    }
}

/// The new entry may be as large as the table, and leaves no other.
#[test]
fn a_name_may_be_that_of_an_entry_when_the_new_one_fills_the_table() {
    for value in 0..30 {
        let mut decoder = HpackDecoder::new(64);
        decoded(&mut decoder, &hex("40 04 6e616d65 00")).unwrap();
        let block = [&[0x7e, value], &vec![b'v'; value.into()][..]].concat();
        decoded(&mut decoder, &block).unwrap();
        let expected = ("name".to_owned(), "v".repeat(value.into()));
        let fits = value <= 64 - 32 - 4;
        assert_eq!(entries(&decoder), if fits { vec![expected] } else { vec![] }, "{value}");
    }
}

#[test]
fn memory_is_bounded_and_returned() {
    let mut decoder = HpackDecoder::new(4096);
    assert_eq!((decoder.table.memory(), size_of::<HpackDecoder>() <= 96), (0, true));
    let mut seed = 1u32;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [name, low, high, odd] = seed.to_be_bytes().map(|byte| byte & 0x7f);
        let high = if odd & 7 == 0 { high & 7 } else { 0 };
        // The lengths as integers: the value's has two bytes after its prefix.
        let mut block = vec![0x40, name & 0x0f];
        block.extend(std::iter::repeat_n(b'n', usize::from(name & 0x0f)));
        block.extend_from_slice(&[0x7f, low | 0x80, high]);
        let value = 127 + usize::from(low) + (usize::from(high) << 7);
        block.extend(std::iter::repeat_n(b'v', value));
        decoded(&mut decoder, &block).unwrap();
        assert!(decoder.table.memory() <= 4096 + 1024);
    }
    for _ in 0..200 {
        decoded(&mut decoder, &hex("40 00 00")).unwrap();
        assert!(decoder.table.memory() <= 4096 + 1024);
    }
    assert_eq!(entries(&decoder).len(), 128);
    decoded(&mut decoder, &hex("20")).unwrap();
    assert_eq!(decoder.table.memory(), 0);
}
