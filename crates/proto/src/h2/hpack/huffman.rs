//! The Huffman code (RFC 7541 §5.2 and appendix B).
//!
//! The code is canonical: the lengths alone determine it. So the tables are made from these by
//! the compiler. Codes of up to ten bits have all that is usual in heads; one look-up decodes
//! them. The others are found by their length.

use super::HpackError;

/// Bits of the code of each byte, and of the end (256).
const LENGTHS: [u8; 257] = [
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
            if LENGTHS[symbol] as u32 == len {
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
            if LENGTHS[symbol] as u32 == len {
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
