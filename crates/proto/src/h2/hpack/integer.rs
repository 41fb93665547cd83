//! Integers with a prefix (RFC 7541 §5.1).

use super::HpackError;

/// Bytes after the prefix that 32 bits need.
const MOST_BYTES: u32 = 5;

/// Reads the integer whose first byte, at `at`, has `bits` bits of it. `at` is then past it.
#[inline]
pub(super) fn decode(block: &[u8], at: &mut usize, bits: u32) -> Result<u32, HpackError> {
    let mask = (1u32 << bits) - 1;
    let prefix = u32::from(*block.get(*at).ok_or(HpackError::Truncated)?) & mask;
    *at += 1;
    if prefix < mask { Ok(prefix) } else { rest(block, at, mask) }
}

fn rest(block: &[u8], at: &mut usize, prefix: u32) -> Result<u32, HpackError> {
    let mut value = u64::from(prefix);
    for place in 0..MOST_BYTES {
        let byte = *block.get(*at).ok_or(HpackError::Truncated)?;
        *at += 1;
        value += u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| HpackError::IntegerTooLarge);
        }
    }
    Err(HpackError::IntegerTooLarge)
}

/// Writes `value` with a prefix of `bits` bits. `pattern` has the bits above them.
#[inline]
pub(super) fn encode(out: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let mask = (1usize << bits) - 1;
    if value < mask {
        out.push(pattern | low(value));
    } else {
        encode_long(out, pattern | low(mask), value - mask);
    }
}

fn encode_long(out: &mut Vec<u8>, first: u8, mut rest: usize) {
    out.push(first);
    while rest >= 0x80 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
fn low(n: usize) -> u8 {
    n as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_prefix() {
        // RFC 7541 appendix C.1, and the largest of 32 bits.
        for (bytes, bits, value) in [
            (&[0b1110_1010][..], 5, 10),
            (&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5, 1337),
            (&[42], 8, 42),
            (&[0x7f, 0], 7, 127),
            (&[0x7f, 0x80, 0x80, 0x00], 7, 127),
            (&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f], 7, u32::MAX),
        ] {
            let mut at = 0;
            assert_eq!(decode(bytes, &mut at, bits), Ok(value), "{bytes:x?}");
            assert_eq!(at, bytes.len());
            let mut out = Vec::new();
            let pattern = bytes[0] >> (bits - 1) >> 1 << (bits - 1) << 1;
            encode(&mut out, pattern, bits, value as usize);
            let is_minimal = bytes != [0x7f, 0x80, 0x80, 0x00];
            assert_eq!(out == bytes, is_minimal, "{bytes:x?}");
            for len in 0..bytes.len() {
                assert_eq!(decode(&bytes[..len], &mut 0, bits), Err(HpackError::Truncated));
            }
        }
        for bytes in [
            &[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f][..],
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            assert_eq!(decode(bytes, &mut 0, 7), Err(HpackError::IntegerTooLarge), "{bytes:x?}");
        }
    }
}
