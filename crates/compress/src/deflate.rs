//! Deflate (RFC 1951) inside gzip (RFC 1952).

use crate::bits::Bits;
use crate::huffman::{Builder, codes};
use crate::matcher::Sequence;

/// How far back a copy reaches, and how long it is, at most.
pub(crate) const WINDOW: usize = 32 * 1024;
pub(crate) const LONGEST_COPY: usize = 258;

/// Symbols: literals, the end and lengths; distances; lengths of codes.
const LITERALS: usize = 288;
const DISTANCES: usize = 30;
const CODE_LENGTHS: usize = 19;
const END: usize = 256;

/// Bytes that a stored block may have.
const LONGEST_STORED: usize = 0xffff;

/// The lengths of the codes that need no head (RFC 1951 §3.2.6). Their last two symbols do not
/// occur, but the code would not be complete without them.
const FIXED: [u8; LITERALS] = {
    let mut bits = [8; LITERALS];
    let mut symbol = 144;
    while symbol < 280 {
        bits[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    bits
};

/// The order in which lengths of the code for lengths come (RFC 1951 §3.2.7).
const ORDER: [usize; CODE_LENGTHS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// By length less 3: its symbol less 257.
static LENGTH_SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let mut symbol = 0_u8;
    while symbol < 28 {
        let (least, extra) = length_of(symbol as u32);
        let mut at = least;
        while at < least + (1 << extra) && at < 256 {
            symbols[at as usize] = symbol;
            at += 1;
        }
        symbol += 1;
    }
    // The longest has a symbol of its own.
    symbols[255] = 28;
    symbols
};

/// The shortest length of a symbol, less 3, and how many bits follow.
const fn length_of(symbol: u32) -> (u32, u32) {
    match symbol {
        0..=7 => (symbol, 0),
        28 => (255, 0),
        _ => {
            let extra = symbol / 4 - 1;
            ((4 + symbol % 4) << extra, extra)
        }
    }
}

/// The symbol of a distance, how many bits follow, and these.
fn distance_of(distance: u32) -> (usize, u32, u32) {
    let value = distance - 1;
    if value < 4 {
        return (value as usize, 0, 0);
    }
    let extra = value.ilog2() - 1;
    let symbol = 2 * (extra + 1) + (value >> extra & 1);
    (symbol as usize, extra, value & ((1 << extra) - 1))
}

/// The codes of one block. Used again for the next.
#[derive(Debug)]
pub(crate) struct Deflate {
    builder: Builder,
    counts: [u32; LITERALS],
    bits: [u8; LITERALS],
    codes: [u16; LITERALS],
    distance_counts: [u32; DISTANCES],
    distance_bits: [u8; DISTANCES],
    distance_codes: [u16; DISTANCES],
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            builder: Builder::default(),
            counts: [0; LITERALS],
            bits: [0; LITERALS],
            codes: [0; LITERALS],
            distance_counts: [0; DISTANCES],
            distance_bits: [0; DISTANCES],
            distance_codes: [0; DISTANCES],
        }
    }
}

impl Deflate {
    /// A block: the bytes of `data` from `from` on, which `sequences` say.
    pub(crate) fn block(
        &mut self,
        data: &[u8],
        from: usize,
        sequences: &[Sequence],
        is_last: bool,
        bits: &mut Bits,
        out: &mut Vec<u8>,
    ) {
        let extra = self.count(data, from, sequences);
        let head = Head::new(self);
        let coded = extra
            + head.cost()
            + cost(&self.counts, &self.bits)
            + cost(&self.distance_counts, &self.distance_bits);
        let fixed = extra
            + cost(&self.counts, &FIXED)
            + 5 * self.distance_counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        if coded.min(fixed) >= (data.len() - from) as u64 * 8 + 40 {
            stored(&data[from..], is_last, bits, out);
            return;
        }
        if fixed <= coded {
            bits.put(out, 0b010 | u32::from(is_last), 3);
            self.bits = FIXED;
            self.distance_bits = [5; DISTANCES];
        } else {
            bits.put(out, 0b100 | u32::from(is_last), 3);
            head.write(bits, out);
        }
        codes(&self.bits, &mut self.codes);
        codes(&self.distance_bits, &mut self.distance_codes);
        let mut at = from;
        for sequence in sequences {
            let end = at + sequence.literals as usize;
            for &byte in &data[at..end] {
                self.put(usize::from(byte), bits, out);
            }
            at = end + sequence.copied as usize;
            if sequence.copied == 0 {
                continue;
            }
            let symbol = LENGTH_SYMBOLS[(sequence.copied - 3) as usize & 0xff];
            let (least, extra) = length_of(u32::from(symbol));
            self.put(END + 1 + usize::from(symbol), bits, out);
            bits.put(out, sequence.copied - 3 - least, extra);
            let (symbol, extra, value) = distance_of(sequence.distance);
            let count = u32::from(self.distance_bits[symbol]);
            bits.put(out, u32::from(self.distance_codes[symbol]), count);
            bits.put(out, value, extra);
        }
        self.put(END, bits, out);
    }

    #[inline]
    fn put(&self, symbol: usize, bits: &mut Bits, out: &mut Vec<u8>) {
        bits.put(out, u32::from(self.codes[symbol]), u32::from(self.bits[symbol]));
    }

    /// Counts symbols and makes the lengths of their codes. Returns how many bits follow symbols.
    fn count(&mut self, data: &[u8], from: usize, sequences: &[Sequence]) -> u64 {
        self.counts.fill(0);
        self.distance_counts.fill(0);
        let mut at = from;
        let mut extra = 0;
        for sequence in sequences {
            let end = at + sequence.literals as usize;
            for &byte in &data[at..end] {
                self.counts[usize::from(byte)] += 1;
            }
            at = end + sequence.copied as usize;
            if sequence.copied > 0 {
                let symbol = LENGTH_SYMBOLS[(sequence.copied - 3) as usize & 0xff];
                self.counts[END + 1 + usize::from(symbol)] += 1;
                let (distance, bits, _) = distance_of(sequence.distance);
                self.distance_counts[distance] += 1;
                extra += u64::from(bits + length_of(u32::from(symbol)).1);
            }
        }
        self.counts[END] = 1;
        self.builder.lengths(&self.counts, 15, &mut self.bits);
        if self.builder.lengths(&self.distance_counts, 15, &mut self.distance_bits) == 0 {
            // Some decoders want one code at the least.
            self.distance_bits[0] = 1;
        }
        extra
    }

    /// An empty stored block, after which all before it can be read.
    pub(crate) fn flush(bits: &mut Bits, out: &mut Vec<u8>) {
        stored(&[], false, bits, out);
    }

    pub(crate) fn held() -> usize {
        size_of::<Self>()
    }
}

fn cost(counts: &[u32], bits: &[u8]) -> u64 {
    counts.iter().zip(bits).map(|(&count, &bits)| u64::from(count) * u64::from(bits)).sum()
}

fn stored(data: &[u8], is_last: bool, bits: &mut Bits, out: &mut Vec<u8>) {
    let mut rest = data;
    loop {
        let (piece, behind) = rest.split_at(rest.len().min(LONGEST_STORED));
        rest = behind;
        bits.put(out, u32::from(is_last && rest.is_empty()), 3);
        bits.align(out);
        let len = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(piece);
        if rest.is_empty() {
            return;
        }
    }
}

/// The codes of a block as its head says them (RFC 1951 §3.2.7).
struct Head {
    literals: usize,
    distances: usize,
    /// Symbols of lengths, each with what follows it.
    list: [(u8, u8); LITERALS + DISTANCES],
    len: usize,
    counts: [u32; CODE_LENGTHS],
    bits: [u8; CODE_LENGTHS],
    shown: usize,
}

impl Head {
    fn new(block: &mut Deflate) -> Self {
        let end = |bits: &[u8]| bits.iter().rposition(|&bits| bits > 0).map_or(1, |last| last + 1);
        let mut head = Self {
            literals: end(&block.bits),
            distances: end(&block.distance_bits),
            list: [(0, 0); LITERALS + DISTANCES],
            len: 0,
            counts: [0; CODE_LENGTHS],
            bits: [0; CODE_LENGTHS],
            shown: 4,
        };
        let mut lengths = [0; LITERALS + DISTANCES];
        let count = head.literals + head.distances;
        lengths[..head.literals].copy_from_slice(&block.bits[..head.literals]);
        lengths[head.literals..count].copy_from_slice(&block.distance_bits[..head.distances]);
        head.runs(&lengths[..count]);
        block.builder.lengths(&head.counts, 7, &mut head.bits);
        let last = ORDER.iter().rposition(|&symbol| head.bits[symbol] > 0);
        head.shown = last.map_or(4, |last| last + 1).max(4);
        head
    }

    fn push(&mut self, symbol: u8, extra: usize) {
        self.list[self.len] = (symbol, extra.to_le_bytes()[0]);
        self.len += 1;
        self.counts[usize::from(symbol)] += 1;
    }

    fn runs(&mut self, lengths: &[u8]) {
        let mut at = 0;
        while at < lengths.len() {
            let length = lengths[at];
            let run = lengths[at..].iter().take_while(|&&other| other == length).count();
            at += run;
            let mut rest = run;
            if length > 0 {
                self.push(length, 0);
                rest -= 1;
            }
            while rest >= 3 {
                let (most, symbol, least) = match length {
                    0 if rest > 10 => (138, 18, 11),
                    0 => (10, 17, 3),
                    _ => (6, 16, 3),
                };
                let part = rest.min(most);
                self.push(symbol, part - least);
                rest -= part;
            }
            for _ in 0..rest {
                self.push(length, 0);
            }
        }
    }

    fn cost(&self) -> u64 {
        let extra = [(16, 2), (17, 3), (18, 7)];
        let extra: u64 =
            extra.iter().map(|&(symbol, bits)| u64::from(self.counts[symbol]) * bits).sum();
        14 + 3 * self.shown as u64 + cost(&self.counts, &self.bits) + extra
    }

    fn write(&self, bits: &mut Bits, out: &mut Vec<u8>) {
        let number = |value: usize| u32::try_from(value).unwrap_or(0);
        bits.put(out, number(self.literals - 257), 5);
        bits.put(out, number(self.distances - 1), 5);
        bits.put(out, number(self.shown - 4), 4);
        for &symbol in &ORDER[..self.shown] {
            bits.put(out, u32::from(self.bits[symbol]), 3);
        }
        let mut own = [0; CODE_LENGTHS];
        codes(&self.bits, &mut own);
        for &(symbol, extra) in &self.list[..self.len] {
            let place = usize::from(symbol);
            bits.put(out, u32::from(own[place]), u32::from(self.bits[place]));
            let follows = match symbol {
                16 => 2,
                17 => 3,
                18 => 7,
                _ => 0,
            };
            bits.put(out, u32::from(extra), follows);
        }
    }
}

/// The head of a gzip file without a name or a time. What is in `padding` is a field that decoders
/// pass over (RFC 1952 §2.3.1.1).
pub(crate) fn gzip_head(padding: &[u8], out: &mut Vec<u8>) {
    let flags = if padding.is_empty() { 0 } else { 4 };
    out.extend_from_slice(&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]);
    if let Ok(len @ 1..) = u16::try_from(padding.len()) {
        // A subfield of two letters that no program has claimed.
        out.extend_from_slice(&(len + 4).to_le_bytes());
        out.extend_from_slice(b"rP");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(padding);
    }
}

/// The end: a checksum, and the length modulo 2³².
pub(crate) fn gzip_end(sum: u32, len: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}
