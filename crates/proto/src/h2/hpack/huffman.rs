//! The Huffman code (RFC 7541 §5.2 and appendix B).
//!
//! The code is canonical: the lengths alone determine it. So the tables are made from these by
//! the compiler. Codes of up to ten bits have all that is usual in heads; one look-up decodes
//! them. The others are found by their length.

use super::HpackError;

/// Bits of the code of each byte, and of the end (256).
static LENGTHS: [u8; 257] = LENGTHS_OF;
const LENGTHS_OF: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];

/// Bits of the longest code.
const LONGEST: u32 = 30;
/// Bits of the look-up; no code is shorter than [`SHORTEST`].
const QUICK: u32 = 10;
const SHORTEST: u32 = 5;

/// The symbols in the order of their codes; the end is left out.
static ORDER: [u8; 256] = order();
/// Codes of each length: the first code, and its place in the order.
static GROUPS: [Group; LONGEST as usize + 1] = groups();
/// Symbol and length of the code that the next ten bits begin with; 0 if it is longer.
static QUICKLY: [u16; 1 << QUICK] = quickly();

/// The code of each byte, in the lowest bits.
static CODES: [u32; 256] = codes();

#[derive(Clone, Copy)]
struct Group {
    /// The codes of this length are below this, if their bits are the upper ones of
    /// [`LONGEST`].
    end: u32,
    first: u32,
    place: u16,
}

#[expect(clippy::cast_possible_truncation, reason = "a symbol is a byte")]
const fn order() -> [u8; 256] {
    let mut order = [0; 256];
    let (mut count, mut len) = (0, SHORTEST);
    while len < LONGEST + 1 {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS_OF[symbol] as u32 == len {
                order[count] = symbol as u8;
                count += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    order
}

const fn groups() -> [Group; LONGEST as usize + 1] {
    let mut groups = [Group { end: 0, first: 0, place: 0 }; LONGEST as usize + 1];
    let (mut code, mut place, mut len) = (0, 0, 1);
    while len < LONGEST + 1 {
        code <<= 1;
        groups[len as usize].first = code;
        groups[len as usize].place = place;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS_OF[symbol] as u32 == len {
                code += 1;
                place += 1;
            }
            symbol += 1;
        }
        groups[len as usize].end = code << (LONGEST - len);
        len += 1;
    }
    groups
}

#[expect(clippy::cast_possible_truncation, reason = "a place is below 257")]
const fn codes() -> [u32; 256] {
    let (groups, order) = (groups(), order());
    let mut codes = [0; 256];
    let mut place = 0;
    while place < 256 {
        let symbol = order[place] as usize;
        let group = groups[LENGTHS_OF[symbol] as usize];
        codes[symbol] = group.first + place as u32 - group.place as u32;
        place += 1;
    }
    codes
}

#[expect(clippy::cast_possible_truncation, reason = "a symbol is a byte, a length below 11")]
const fn quickly() -> [u16; 1 << QUICK] {
    let (groups, order) = (groups(), order());
    let mut quickly = [0; 1 << QUICK];
    let mut bits = 0;
    while bits < 1 << QUICK {
        let mut len = SHORTEST;
        while len < QUICK + 1 {
            let group = groups[len as usize];
            let code = bits >> (QUICK - len);
            if (code << (LONGEST - len)) < group.end {
                let symbol = order[(code - group.first) as usize + group.place as usize];
                quickly[bits as usize] = (symbol as u16) << 8 | len as u16;
                break;
            }
            len += 1;
        }
        bits += 1;
    }
    quickly
}

/// The place in the order, and the length, of the long code that `bits` begins with.
#[cold]
fn long(bits: u64) -> (u32, u32) {
    let code = upper(bits, LONGEST);
    for len in QUICK + 1..LONGEST {
        let group = &GROUPS[len as usize];
        if code < group.end {
            return ((code >> (LONGEST - len)) - group.first + u32::from(group.place), len);
        }
    }
    let group = &GROUPS[LONGEST as usize];
    (code - group.first + u32::from(group.place), LONGEST)
}

/// The upper `count` bits, of which there are 30 at most.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 30 bits are left")]
fn upper(bits: u64, count: u32) -> u32 {
    (bits >> (64 - count)) as u32
}

/// Appends what `coded` stands for to `out`.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    out.resize(start + coded.len() * 8 / SHORTEST as usize, 0);
    let len = decode_into(coded, &mut out[start..]).ok_or(HpackError::HuffmanInvalid)?;
    out.truncate(start + len);
    Ok(())
}

/// `room` holds as many bytes as `coded` can stand for.
fn decode_into(coded: &[u8], room: &mut [u8]) -> Option<usize> {
    // The upper `have` bits of `bits` come next; those below are right or 0.
    let (mut bits, mut have, mut at, mut written) = (0u64, 0u32, 0usize, 0usize);
    while let Some(word) = coded.get(at..).and_then(<[u8]>::first_chunk) {
        bits |= u64::from_be_bytes(*word) >> have;
        at += ((63 - have) / 8) as usize;
        have |= 56;
        while have >= QUICK {
            let quick = QUICKLY[upper(bits, QUICK) as usize];
            let (symbol, len) = match quick {
                0 if have < LONGEST => break,
                0 => {
                    let (place, len) = long(bits);
                    (*ORDER.get(place as usize)?, len)
                }
                _ => ((quick >> 8) as u8, u32::from(quick & 0xff)),
            };
            *room.get_mut(written)? = symbol;
            written += 1;
            bits <<= len;
            have -= len;
        }
    }
    loop {
        while have <= 56
            && let Some(&byte) = coded.get(at)
        {
            bits |= u64::from(byte) << (56 - have);
            have += 8;
            at += 1;
        }
        // Padding is ones, and so is the code for the end.
        let padded = bits | u64::MAX.checked_shr(have).unwrap_or(0);
        let quick = QUICKLY[upper(padded, QUICK) as usize];
        let (place, len) = match quick {
            0 => long(padded),
            _ => (0, u32::from(quick & 0xff)),
        };
        if len > have {
            return (have < 8 && padded == u64::MAX).then_some(written);
        }
        let symbol = if quick == 0 { *ORDER.get(place as usize)? } else { (quick >> 8) as u8 };
        *room.get_mut(written)? = symbol;
        written += 1;
        bits <<= len;
        have -= len;
    }
}

/// How many bytes `plain` takes when it is coded.
#[inline]
pub(super) fn coded_len(plain: &[u8]) -> usize {
    let bits: usize = plain.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the codes of `plain`, padded to whole bytes.
pub(super) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    // The lower `have` bits are still to be written, fewer than 32.
    let (mut bits, mut have) = (0u64, 0u32);
    for &byte in plain {
        let len = u32::from(LENGTHS[usize::from(byte)]);
        bits = bits << len | u64::from(CODES[usize::from(byte)]);
        have += len;
        if have >= 32 {
            have -= 32;
            out.extend_from_slice(&word(bits >> have));
        }
    }
    let padded = bits << (32 - have) | u64::from(u32::MAX >> have);
    out.extend_from_slice(&word(padded)[..have.div_ceil(8) as usize]);
}

/// The lower four bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the bits above were written before")]
fn word(bits: u64) -> [u8; 4] {
    (bits as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        // Some rows of RFC 7541 appendix B, the first and last of their lengths among them.
        for (symbol, code, len) in [
            (0, 0x1ff8, 13),
            (10, 0x3fff_fffc, 30),
            (22, 0x3fff_fffe, 30),
            (b' ', 0x14, 6),
            (b'&', 0xf8, 8),
            (b'0', 0x0, 5),
            (b':', 0x5c, 7),
            (b'<', 0x7ffc, 15),
            (b'?', 0x3fc, 10),
            (b'Z', 0xfd, 8),
            (b'\\', 0x7fff0, 19),
            (b'a', 0x3, 5),
            (b'~', 0x1ffd, 13),
            (128, 0xf_ffe6, 20),
            (200, 0x3ff_ffe2, 26),
            (255, 0x3ff_ffee, 26),
        ] {
            assert_eq!(CODES[usize::from(symbol)], code, "{symbol}");
            assert_eq!(LENGTHS[usize::from(symbol)], len, "{symbol}");
        }
    }

    #[test]
    fn every_pair_of_bytes_comes_back() {
        let mut plain = Vec::new();
        for first in 0..=255 {
            for second in 0..=255 {
                plain.clear();
                plain.extend_from_slice(&[first, second]);
                let mut coded = Vec::new();
                encode(&plain, &mut coded);
                assert_eq!(coded.len(), coded_len(&plain));
                let mut out = b"x".to_vec();
                decode(&coded, &mut out).unwrap();
                assert_eq!(out[1..], plain);
            }
        }
    }

    #[test]
    fn texts_of_all_lengths_come_back() {
        let text: Vec<u8> = (0..=255).chain(*b"usual text of a head, 0123456789/").collect();
        for start in (0..text.len()).step_by(5) {
            for end in start..text.len() {
                let (mut coded, mut out) = (Vec::new(), Vec::new());
                encode(&text[start..end], &mut coded);
                decode(&coded, &mut out).unwrap();
                assert_eq!(out, text[start..end]);
            }
        }
    }

    /// Reads the code bit by bit, as the RFC describes it.
    fn slow(coded: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut code, mut len, mut ones) = (Vec::new(), 0u64, 0u8, true);
        for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
            code = code << 1 | u64::from(bit);
            len += 1;
            ones &= bit == 1;
            if len == 30 && code == 0x3fff_ffff {
                return None;
            }
            let found = (0..256).find(|&at| LENGTHS[at] == len && u64::from(CODES[at]) == code);
            if let Some(symbol) = found {
                out.push(u8::try_from(symbol).unwrap());
                (code, len, ones) = (0, 0, true);
            }
        }
        (len < 8 && ones).then_some(out)
    }

    #[test]
    fn any_bits_decode_as_bit_by_bit() {
        let mut seed = 7u64;
        for round in 0..4000u32 {
            let mut coded = Vec::new();
            for _ in 0..round % 23 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Ones are frequent, so that long codes are.
                let byte = (seed >> 33).to_le_bytes()[0] | (seed >> 41).to_le_bytes()[0];
                coded.push(if round % 3 == 0 {
                    byte | (seed >> 49).to_le_bytes()[0]
                } else {
                    byte
                });
            }
            let mut out = Vec::new();
            let result = decode(&coded, &mut out).ok().map(|()| out);
            assert_eq!(result, slow(&coded), "{coded:x?}");
        }
    }
}
