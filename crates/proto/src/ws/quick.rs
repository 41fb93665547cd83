//! Deflate for messages that are each compressed by themselves, as fast as can be.
//!
//! zlib clears a table of 128 KiB before each of them, which takes longer than to compress a
//! kilobyte. This has a table of 16 KiB that needs no clearing, and one block with fixed codes
//! for each message (RFC 1951 §3.2.6), as zlib's own fastest level has.

const TABLE_BITS: u32 = 12;
/// Bytes that a stored block may have.
const LONGEST_STORED: usize = 0xffff;

const SHORTEST_MATCH: usize = 4;
const LONGEST_MATCH: usize = 258;

/// After this many bytes without a match, every other one is looked up, then every third …
const PATIENCE_BITS: u32 = 6;

/// Bits as they go out: the code in the low bits, its length in the high byte.
type Code = u32;

const fn code(bits: u32, len: u32) -> Code {
    bits | len << 24
}

/// A Huffman code, which goes out from its highest bit.
const fn huffman(bits: u32, len: u32) -> Code {
    code(bits.reverse_bits() >> (32 - len), len)
}

/// The code of a literal or length (RFC 1951 §3.2.6).
const fn symbol(symbol: u32) -> Code {
    match symbol {
        0..=143 => huffman(0x30 + symbol, 8),
        144..=255 => huffman(0x190 + symbol - 144, 9),
        256..=279 => huffman(symbol - 256, 7),
        _ => huffman(0xc0 + symbol - 280, 8),
    }
}

static LITERALS: [Code; 256] = {
    let mut codes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        codes[byte as usize] = symbol(byte);
        byte += 1;
    }
    codes
};

const END: Code = symbol(256);

/// The codes of lengths with their extra bits (RFC 1951 §3.2.5), from 3 bytes.
static LENGTHS: [Code; LONGEST_MATCH - 2] = {
    let mut codes = [0; LONGEST_MATCH - 2];
    let (mut length, mut of) = (0, 0);
    // Four symbols for each number of extra bits, eight for none.
    while of < 28 {
        let extra = if of < 8 { 0 } else { of / 4 - 1 };
        let mut value = 0;
        while value < 1 << extra && length < codes.len() {
            let first = symbol(257 + of);
            let (bits, len) = (first & 0xff_ffff, first >> 24);
            codes[length] = code(bits | value << len, len + extra);
            value += 1;
            length += 1;
        }
        of += 1;
    }
    // The longest has a symbol of its own.
    codes[LONGEST_MATCH - 3] = symbol(285);
    codes
};

/// The code of a distance with its extra bits (RFC 1951 §3.2.5).
#[inline]
fn distance(distance: usize) -> Code {
    let value = u32::try_from(distance - 1).unwrap_or_default();
    if value < 4 {
        return huffman(value, 5);
    }
    let extra = value.ilog2() - 1;
    let symbol = 2 * extra + (value >> extra);
    let rest = value & ((1 << extra) - 1);
    code((huffman(symbol, 5) & 0xff_ffff) | rest << 5, 5 + extra)
}

/// Where four bytes were last seen. Positions count on from message to message, so that those of
/// earlier ones are told by being smaller.
pub(crate) struct Quick {
    seen: Box<[u32; 1 << TABLE_BITS]>,
    /// The position of the next message's first byte; never 0.
    start: u32,
    /// The largest distance.
    window: u32,
}

impl Quick {
    /// Bytes of memory that it takes.
    pub(crate) const MEMORY: usize = size_of::<[u32; 1 << TABLE_BITS]>();

    /// `window_bits` is 15 at most.
    pub(crate) fn new(window_bits: u8) -> Self {
        Self { seen: Box::new([0; 1 << TABLE_BITS]), start: 1, window: 1 << window_bits }
    }

    /// Appends what `message` is compressed to, without the tail of a flush.
    pub(crate) fn message(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.reserve(message.len() + 16);
        if let Ok(len) = u32::try_from(message.len()) {
            // The start of a block with fixed codes that is not the last.
            let mut bits = Bits { out, held: 0b010, count: 3 };
            self.compress(message, len, &mut bits);
            bits.put(END);
            // The start of an empty stored block, up to the tail.
            bits.put(code(0, 3));
            bits.finish();
            if out.len() - begin <= message.len() {
                return;
            }
        }
        // What grows is stored as it is, with five bytes before each block.
        out.truncate(begin);
        for block in message.chunks(LONGEST_STORED) {
            // It has no more than fits.
            let len = u16::try_from(block.len()).unwrap_or_default();
            out.push(0);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&(!len).to_le_bytes());
            out.extend_from_slice(block);
        }
        out.push(0);
    }

    /// `len` is the message's.
    fn compress(&mut self, message: &[u8], len: u32, bits: &mut Bits<'_>) {
        if self.start.checked_add(len).is_none() {
            self.seen.fill(0);
            self.start = 1;
        }
        let start = self.start;
        // All of the message is below; a message of 4 GiB is the last of its positions.
        self.start = start.saturating_add(len);
        // Bytes before `sent` are in `bits`.
        let (mut at, mut sent) = (0, 0);
        while let Some(four) = message.get(at..).and_then(<[u8]>::first_chunk) {
            let position = start + u32::try_from(at).unwrap_or_default();
            let before = std::mem::replace(&mut self.seen[place(*four)], position);
            let length = match before.checked_sub(start) {
                Some(old) if position - before <= self.window => common(message, old as usize, at),
                _ => 0,
            };
            if length < SHORTEST_MATCH {
                at += 1 + ((at - sent) >> PATIENCE_BITS);
                continue;
            }
            bits.literals(&message[sent..at]);
            bits.put(LENGTHS[length - 3]);
            bits.put(distance((position - before) as usize));
            at += length;
            sent = at;
            // The end of a match begins the next one often.
            if let Some(four) = message[at - 2..].first_chunk() {
                self.seen[place(*four)] = start + u32::try_from(at - 2).unwrap_or_default();
            }
        }
        bits.literals(&message[sent..]);
    }
}

#[inline]
fn place(four: [u8; 4]) -> usize {
    (u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize
}

/// How many bytes at `at` are those at `before`, no more than a match may have.
#[inline]
fn common(message: &[u8], before: usize, at: usize) -> usize {
    let most = LONGEST_MATCH.min(message.len() - at);
    let (old, new) = (&message[before..], &message[at..at + most]);
    let mut len = 0;
    while let (Some(a), Some(b)) =
        (old[len..].first_chunk::<8>(), new.get(len..).and_then(<[u8]>::first_chunk::<8>))
    {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return len + (differ.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + old[len..].iter().zip(&new[len..]).take_while(|(a, b)| a == b).count()
}

/// Bits on their way out, the lowest first.
struct Bits<'o> {
    out: &'o mut Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// Appends a code of at most 32 bits.
    #[inline]
    fn put(&mut self, code: Code) {
        self.held |= u64::from(code & 0xff_ffff) << self.count;
        self.count += code >> 24;
        if self.count >= 32 {
            self.out.extend_from_slice(&self.held.to_le_bytes()[..4]);
            self.held >>= 32;
            self.count -= 32;
        }
    }

    fn literals(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(LITERALS[usize::from(byte)]);
        }
    }

    /// Fills up the last byte with zeros.
    fn finish(self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.held.to_le_bytes()[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::ws::{Inflater, Kind, Limits};

    fn packed(quick: &mut Quick, message: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        quick.message(message, &mut out);
        out.split_off(6)
    }

    fn again(packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let limits = Limits { ratio: u32::MAX, ..Limits::default() };
        Inflater::shared().message(Kind::Binary, packed, &mut out, &limits).unwrap();
        out
    }

    #[test]
    fn every_length_and_distance_is_read_again() {
        let mut quick = Quick::new(15);
        for length in 0..=300 {
            let message = vec![b'x'; length];
            assert_eq!(again(&packed(&mut quick, &message)), message, "{length}");
        }
        let far = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24, 32, 33, 64, 100, 128, 250, 500, 1000];
        for distance in
            far.into_iter().chain((1..15).map(|i| 1 << i)).chain([32_700, 32_768, 32_769, 70_000])
        {
            // What repeats, and between it what does not.
            let noise = (0..distance).map(|i: u32| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8);
            let message: Vec<u8> = noise.cycle().take(distance as usize + 60).collect();
            assert!(again(&packed(&mut quick, &message)) == message, "{distance}");
        }
    }

    #[test]
    fn what_repeats_gets_shorter_and_noise_hardly_longer() {
        let mut quick = Quick::new(15);
        assert!(packed(&mut quick, &vec![0; 1 << 15]).len() < 300);
        let json = br#"{"id":1,"name":"a","ok":true},"#.repeat(30);
        assert!(packed(&mut quick, &json).len() * 10 < json.len());
        let noise: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(i) ^ (i << 3)).to_le_bytes()[1] | 0x90).collect();
        assert!(packed(&mut quick, &noise).len() <= noise.len() + 6);
        assert!(again(&packed(&mut quick, &noise)) == noise);
    }

    #[test]
    fn nothing_lies_further_back_than_the_window() {
        let there = b"a few bytes that come again";
        let message = [&there[..], &[b' '; 600], there].concat();
        let lengths = [9, 10, 15].map(|bits| {
            let mut quick = Quick::new(bits);
            let packed = packed(&mut quick, &message);
            assert!(again(&packed) == message);
            packed.len()
        });
        assert!(lengths[0] > lengths[1] + 10 && lengths[1] == lengths[2]);
    }

    #[test]
    fn long_noise_is_stored_in_blocks() {
        let noise: Vec<u8> = (0..200_000u32)
            .map(|i| (i.wrapping_mul(0x9e37_79b1) ^ i.wrapping_mul(i)).to_be_bytes()[1] | 0x80)
            .collect();
        let packed = packed(&mut Quick::new(15), &noise);
        assert!(packed.len() <= noise.len() + 4 * 5 + 1);
        assert!(again(&packed) == noise);
    }

    #[test]
    fn positions_begin_again_before_they_overflow() {
        let mut quick = Quick::new(15);
        let message = b"again and again and again";
        let first = packed(&mut quick, message);
        quick.start = u32::MAX - 60;
        for _ in 0..4 {
            assert_eq!(packed(&mut quick, message), first);
        }
        assert!(quick.start < 1000);
    }

    proptest! {
        #[test]
        fn any_message_is_read_again(
            pieces in vec((vec(any::<u8>(), 1..20), 1..60usize), 0..12),
        ) {
            let mut quick = Quick::new(15);
            let message: Vec<u8> =
                pieces.into_iter().flat_map(|(piece, times)| piece.repeat(times)).collect();
            for _ in 0..2 {
                prop_assert!(again(&packed(&mut quick, &message)) == message);
            }
        }
    }
}
