use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"> ".to_vec();
    encode(&mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn status_lines() {
    assert_eq!(encoded(|out| status_line(out, 200)), "> HTTP/1.1 200 OK\r\n");
    assert_eq!(encoded(|out| status_line(out, 404)), "> HTTP/1.1 404 Not Found\r\n");
    assert_eq!(encoded(|out| status_line(out, 299)), "> HTTP/1.1 299 \r\n");
    for status in [0, 99, 1000, u16::MAX] {
        assert_eq!(
            encoded(|out| status_line(out, status)),
            "> HTTP/1.1 500 Internal Server Error\r\n"
        );
    }
}

#[test]
fn fields() {
    let mut out = Vec::new();
    assert_eq!(field(&mut out, "X-A", b"b\tc \xe9"), Ok(()));
    assert_eq!(field(&mut out, "x", b""), Ok(()));
    assert_eq!(out, b"X-A: b\tc \xe9\r\nx: \r\n");
    for name in ["", "a b", "a:", "a\r\nb", "a\n", "\0", "caf\u{e9}"] {
        assert_eq!(field(&mut out, name, b"x"), Err(FieldError::Name), "{name:?}");
    }
    for byte in (0..=31u8).chain([127]).filter(|&byte| byte != b'\t') {
        assert_eq!(field(&mut out, "X", &[b'a', byte, b'b']), Err(FieldError::Value), "{byte}");
        assert_eq!(field(&mut out, "X", &[byte]), Err(FieldError::Value), "{byte}");
    }
    assert_eq!(out, b"X-A: b\tc \xe9\r\nx: \r\n", "a refused field leaves nothing behind");
}

#[test]
fn content_lengths() {
    assert_eq!(encoded(|out| content_length(out, 0)), "> Content-Length: 0\r\n");
    assert_eq!(
        encoded(|out| content_length(out, u64::MAX)),
        "> Content-Length: 18446744073709551615\r\n"
    );
}

#[test]
fn chunks() {
    assert_eq!(encoded(|out| chunk(out, b"")), "> ");
    assert_eq!(encoded(|out| chunk(out, b"a")), "> 1\r\na\r\n");
    assert_eq!(encoded(|out| chunk(out, &[b'x'; 16])), "> 10\r\nxxxxxxxxxxxxxxxx\r\n");
    assert!(encoded(|out| chunk(out, &[b'x'; 0xabc])).starts_with("> abc\r\nxxx"));
    assert_eq!(encoded(last_chunk), "> 0\r\n\r\n");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_field_is_one_line_or_nothing(name in ".{0,12}", value in vec(any::<u8>(), 0..40)) {
        let mut out = Vec::new();
        if field(&mut out, &name, &value).is_ok() {
            let line = out.strip_suffix(b"\r\n").expect("a line end");
            prop_assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            prop_assert_eq!(line, [name.as_bytes(), b": ", &value].concat());
        } else {
            prop_assert_eq!(out, b"");
        }
    }

    #[test]
    fn a_chunk_says_its_length_in_hexadecimal(len in 1..100_000usize) {
        let mut out = Vec::new();
        chunk(&mut out, &vec![b'x'; len]);
        let size = format!("{len:x}\r\n");
        prop_assert!(out.starts_with(size.as_bytes()));
        prop_assert_eq!(out.len(), size.len() + len + 2);
    }
}
