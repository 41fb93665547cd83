//! Byte classes and the scans over them.
//!
//! Long runs (targets, values) are scanned eight bytes at a time with plain 64-bit
//! arithmetic. That costs a third of a table look-up per byte, and needs neither `unsafe`
//! nor a CPU feature.

/// Marks the bytes that `list` names and the ASCII letters and digits.
const fn table(list: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < list.len() {
        table[list[i] as usize] = true;
        i += 1;
    }
    table
}

/// `tchar` (RFC 9110 §5.6.2).
static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// `unreserved` and `sub-delims` (RFC 3986 §2): the characters of a registered name, except
/// for percent-encoding.
static REG_NAME: [bool; 256] = table(b"-._~!$&'()*+,;=");

#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

#[inline]
pub(crate) fn is_reg_name(byte: u8) -> bool {
    REG_NAME[usize::from(byte)]
}

/// `VCHAR`, space, tab or `obs-text` (RFC 9110 §5.5).
#[inline]
pub(crate) fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[inline]
fn is_target(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b'#' && byte != b'\\'
}

/// Optional whitespace (RFC 9110 §5.6.3). `u8::is_ascii_whitespace` would include CR, LF and
/// FF.
#[inline]
pub(crate) fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `bytes` without optional whitespace at its ends.
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_ows(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_ows(*last)
    {
        bytes = rest;
    }
    bytes
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Marks the high bit of each byte of `x` that is below `n` (at most 128). The borrow may
/// wrongly mark bytes above a marked one; the lowest mark is always right.
#[inline]
const fn below(x: u64, n: u8) -> u64 {
    x.wrapping_sub(ONES * n as u64) & !x & HIGHS
}

/// Marks bytes equal to `n`, with the same proviso.
#[inline]
const fn equal(x: u64, n: u8) -> u64 {
    below(x ^ (ONES * n as u64), 1)
}

/// Index of the first byte at or after `i` that is not a token byte, or the length.
#[inline]
pub(crate) fn token_end(buf: &[u8], mut i: usize) -> usize {
    while let Some(&byte) = buf.get(i)
        && is_token(byte)
    {
        i += 1;
    }
    i
}

/// The words of `bytes`, the last of which may overlap the one before; `None` of the few bytes
/// that make no word.
#[inline]
fn all_words(bytes: &[u8], accepts: impl Fn(u64) -> bool) -> Option<bool> {
    if let Some(last) = bytes.last_chunk() {
        let (words, _) = bytes.as_chunks();
        let is_accepted = |word: &[u8; 8]| accepts(u64::from_le_bytes(*word));
        return Some(words.iter().all(is_accepted) && is_accepted(last));
    }
    let (first, last) = (bytes.first_chunk()?, bytes.last_chunk()?);
    let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
    Some(accepts(u64::from(first) << 32 | u64::from(last)))
}

/// Whether all `bytes` are allowed in a lower-case token.
#[inline]
pub(crate) fn is_lower_token(bytes: &[u8]) -> bool {
    all_words(bytes, is_letters) == Some(true)
        || bytes.iter().all(|&byte| is_token(byte) && !byte.is_ascii_uppercase())
}

/// Whether all bytes of `x` are lower-case letters or hyphens, as in most field names.
#[inline]
const fn is_letters(x: u64) -> bool {
    // Without high bits, no sum carries into the next byte.
    let from_a = x.wrapping_add(ONES * (0x80 - b'a' as u64));
    let past_z = x.wrapping_add(ONES * (0x80 - b'z' as u64 - 1));
    let hyphen = !(x ^ (ONES * b'-' as u64)).wrapping_add(ONES * 0x7f);
    x & HIGHS == 0 && (from_a & !past_z | hyphen) & HIGHS == HIGHS
}

/// Whether all `bytes` are allowed in a field value.
#[inline]
pub(crate) fn are_value(bytes: &[u8]) -> bool {
    let is_usual = all_words(bytes, |x| below(x, b' ') | equal(x, 0x7f) == 0);
    is_usual == Some(true) || value_end(bytes, 0) == bytes.len()
}

/// Index of the first byte at or after `i` that a target's path may not hold, or the
/// length. Such a byte is `\` too: URL parsers read it as `/`, other programs do not.
#[inline]
pub(crate) fn target_end(buf: &[u8], mut i: usize) -> usize {
    while let Some(word) = buf.get(i..).and_then(<[u8]>::first_chunk) {
        let x = u64::from_le_bytes(*word);
        let odd = equal(x, 0x7f) | equal(x, b'#') | equal(x, b'\\');
        let stops = below(x, 0x21) | odd | (x & HIGHS);
        if stops != 0 {
            return i + (stops.trailing_zeros() / 8) as usize;
        }
        i += 8;
    }
    while let Some(&byte) = buf.get(i)
        && is_target(byte)
    {
        i += 1;
    }
    i
}

/// Index of the first byte at or after `i` that a field value may not hold, or
/// the length.
#[inline]
pub(crate) fn value_end(buf: &[u8], mut i: usize) -> usize {
    while let Some(word) = buf.get(i..).and_then(<[u8]>::first_chunk) {
        let x = u64::from_le_bytes(*word);
        let stops = below(x, b' ') | equal(x, 0x7f);
        if stops == 0 {
            i += 8;
            continue;
        }
        i += (stops.trailing_zeros() / 8) as usize;
        if buf[i] != b'\t' {
            return i;
        }
        i += 1;
    }
    while let Some(&byte) = buf.get(i)
        && is_value(byte)
    {
        i += 1;
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts every byte value at every offset of a word and a half.
    fn agrees(scan: fn(&[u8], usize) -> usize, accepts: fn(u8) -> bool) {
        for byte in 0..=255u8 {
            for at in 0..12 {
                let mut buf = [b'a'; 12];
                buf[at] = byte;
                // A second odd byte behind the first: the lowest must win.
                if at + 1 < buf.len() {
                    buf[at + 1] = 0x01;
                }
                let expect = buf.iter().position(|&b| !accepts(b)).unwrap_or(buf.len());
                assert_eq!(scan(&buf, 0), expect, "byte {byte:#x} at {at}");
                buf[..at].fill(0);
                assert_eq!(scan(&buf, at), expect, "byte {byte:#x} from {at}");
            }
        }
    }

    #[test]
    fn word_scans_agree_with_the_byte_classes() {
        agrees(value_end, is_value);
        agrees(target_end, is_target);
        agrees(token_end, is_token);
    }

    #[test]
    fn checks_of_all_bytes_agree_with_the_byte_classes() {
        let is_lower = |byte: u8| is_token(byte) && !byte.is_ascii_uppercase();
        for len in 0..20 {
            assert!(is_lower_token(&vec![b'a'; len]) && are_value(&vec![b'a'; len]));
            for (at, byte) in (0..len).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                for other in *b"az-" {
                    let mut bytes = vec![other; len];
                    bytes[at] = byte;
                    assert_eq!(is_lower_token(&bytes), is_lower(byte), "{byte:#x} at {at}");
                    assert_eq!(are_value(&bytes), is_value(byte), "{byte:#x} at {at}");
                }
            }
        }
    }

    #[test]
    fn scans_of_nothing_stop_where_they_start() {
        assert_eq!(value_end(b"", 0), 0);
        assert_eq!(target_end(b"ab", 2), 2);
        assert_eq!(token_end(b"ab", 2), 2);
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim_ows(b" \ta b\t "), b"a b");
        assert_eq!(trim_ows(b"\x85a\xa0"), b"\x85a\xa0");
        assert_eq!(trim_ows(b"\x0ba\x0c"), b"\x0ba\x0c");
        assert_eq!(trim_ows(b" \t"), b"");
    }
}
