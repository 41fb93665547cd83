//! Percent-encoding (RFC 3986 §2.1). A `%` without two hexadecimal digits behind it stands
//! for itself: no path is refused here.

use std::borrow::Cow;

/// The bytes that `raw` stands for.
pub(crate) fn decoded(raw: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        if let (b'%', Some([high, low, after @ ..])) = (first, rest.get(1..))
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = after;
        Some(first)
    })
}

/// `raw` decoded, as text. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn text(raw: &[u8]) -> Cow<'_, str> {
    if !raw.contains(&b'%') {
        return String::from_utf8_lossy(raw);
    }
    let bytes: Vec<u8> = decoded(raw).collect();
    Cow::Owned(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Whether each `%` in `raw` starts a percent-encoded byte.
pub(crate) fn is_well_formed(raw: &[u8]) -> bool {
    raw.iter().enumerate().filter(|&(_, &byte)| byte == b'%').all(|(at, _)| {
        raw.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        for (raw, expect) in [
            ("", ""),
            ("abc", "abc"),
            ("a%20b", "a b"),
            ("%2f%2F", "//"),
            ("%25zz", "%zz"),
            ("caf%C3%a9", "caf\u{e9}"),
            ("%", "%"),
            ("%4", "%4"),
            ("%%41", "%A"),
            ("%zz%41", "%zzA"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(text(raw.as_bytes()), expect, "{raw}");
        }
        assert!(matches!(text(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn well_formed() {
        for raw in ["", "a", "%41", "%4a%4A"] {
            assert!(is_well_formed(raw.as_bytes()), "{raw}");
        }
        for raw in ["%", "%4", "%4g", "a%", "%%41"] {
            assert!(!is_well_formed(raw.as_bytes()), "{raw}");
        }
    }
}
