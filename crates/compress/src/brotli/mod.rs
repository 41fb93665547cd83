//! A brotli encoder (RFC 7932), for answers: fast, and small in memory and code.
//!
//! Each meta-block has one prefix code for literals, one for commands and one for distances. There
//! is no context modelling, and the static dictionary is not used: it alone is 120 KB.

mod command;
mod prefix;

use crate::bits::Bits;
use crate::huffman::{Builder, codes};
use crate::matcher::Sequence;

use command::{COMMANDS, Command, DISTANCES, Ring};

/// The smallest window that is worth it, in bits. Its head is the shortest.
pub(crate) const SMALLEST_WINDOW: u32 = 16;

/// A window of so many bits reaches this much less far than its size (RFC 7932 §9.1).
pub(crate) const GAP: u32 = 16;

/// Prefix codes and counts of one meta-block. Used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Brotli {
    ring: Ring,
    commands: Vec<Command>,
    builder: Builder,
    literals: Table<256>,
    lengths: Table<COMMANDS>,
    distances: Table<DISTANCES>,
}

/// The counts, the lengths and the codes of an alphabet.
#[derive(Debug)]
struct Table<const N: usize> {
    counts: [u32; N],
    bits: [u8; N],
    codes: [u16; N],
}

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        Self { counts: [0; N], bits: [0; N], codes: [0; N] }
    }
}

impl<const N: usize> Table<N> {
    /// Makes the code from the counts. Returns the bits that all symbols take.
    fn make(&mut self, builder: &mut Builder) -> u64 {
        let used = builder.lengths(&self.counts, 15, &mut self.bits);
        codes(&self.bits, &mut self.codes);
        if used < 2 {
            return 0;
        }
        let symbols = self.counts.iter().zip(&self.bits);
        symbols.map(|(&count, &bits)| u64::from(count) * u64::from(bits)).sum()
    }

    /// Writes the code. A symbol that is alone takes no bits then.
    fn write(&mut self, builder: &mut Builder, bits: &mut Bits, out: &mut Vec<u8>) {
        prefix::write(&mut self.bits, builder, bits, out);
    }

    #[inline]
    fn put(&self, symbol: usize, bits: &mut Bits, out: &mut Vec<u8>) {
        bits.put(out, u32::from(self.codes[symbol]), u32::from(self.bits[symbol]));
    }
}

impl Brotli {
    /// The head of a stream whose copies reach back `window` bits (RFC 7932 §9.1).
    pub(crate) fn begin(&mut self, window: u32, bits: &mut Bits, out: &mut Vec<u8>) {
        self.ring = Ring::default();
        match window {
            16 => bits.put(out, 0, 1),
            17 => bits.put(out, 1, 7),
            _ => bits.put(out, (window - 17) << 1 | 1, 4),
        }
    }

    /// A meta-block: the bytes of `data` from `from` on, which `sequences` say.
    pub(crate) fn block(
        &mut self,
        data: &[u8],
        from: usize,
        sequences: &[Sequence],
        is_last: bool,
        bits: &mut Bits,
        out: &mut Vec<u8>,
    ) {
        if from == data.len() {
            if is_last {
                bits.put(out, 0b11, 2);
            }
            return;
        }
        let ring = self.ring;
        let extra = self.count(data, from, sequences);
        let coded = extra
            + self.literals.make(&mut self.builder)
            + self.lengths.make(&mut self.builder)
            + self.distances.make(&mut self.builder);
        let plain = (data.len() - from) as u64 * 8;
        if coded >= plain {
            self.ring = ring;
            stored(&data[from..], bits, out);
            if is_last {
                bits.put(out, 0b11, 2);
            }
            return;
        }
        // The last one is not empty.
        bits.put(out, u32::from(is_last), if is_last { 2 } else { 1 });
        length(data.len() - from, bits, out);
        if !is_last {
            bits.put(out, 0, 1);
        }
        // One type of block each, no postfix bits and no direct distances, the literals' context
        // mode, and one code each: 13 bits in all.
        bits.put(out, 0, 3 + 6 + 2 + 2);
        self.literals.write(&mut self.builder, bits, out);
        self.lengths.write(&mut self.builder, bits, out);
        self.distances.write(&mut self.builder, bits, out);
        self.write(data, from, bits, out);
    }

    /// Makes the commands and counts symbols. Returns how many bits follow the symbols.
    fn count(&mut self, data: &[u8], from: usize, sequences: &[Sequence]) -> u64 {
        self.literals.counts.fill(0);
        self.lengths.counts.fill(0);
        self.distances.counts.fill(0);
        self.commands.clear();
        let mut at = from;
        let mut extra = 0;
        for sequence in sequences {
            let literals = &data[at..at + sequence.literals as usize];
            for &byte in literals {
                self.literals.counts[usize::from(byte)] += 1;
            }
            at += literals.len() + sequence.copied as usize;
            let command = Command::new(sequence, &mut self.ring);
            self.lengths.counts[usize::from(command.symbol)] += 1;
            if let Some(symbol) = command.distance_symbol() {
                self.distances.counts[symbol] += 1;
            }
            extra += u64::from(command.extra_bits());
            self.commands.push(command);
        }
        extra
    }

    fn write(&self, data: &[u8], from: usize, bits: &mut Bits, out: &mut Vec<u8>) {
        let mut at = from;
        for command in &self.commands {
            self.lengths.put(usize::from(command.symbol), bits, out);
            command.write_lengths(bits, out);
            let end = at + command.literals as usize;
            for &byte in &data[at..end] {
                self.literals.put(usize::from(byte), bits, out);
            }
            at = end + command.copied as usize;
            if let Some(symbol) = command.distance_symbol() {
                self.distances.put(symbol, bits, out);
                command.write_distance(bits, out);
            }
        }
    }

    /// An empty block that ends with a byte, so that all before it can be read (RFC 7932 §9.2). It
    /// may have bytes that a decoder passes over, 256 at most.
    pub(crate) fn flush(&self, padding: &[u8], bits: &mut Bits, out: &mut Vec<u8>) {
        debug_assert!(padding.len() <= 256);
        // ISLAST, MNIBBLES that say "no data", a reserved bit, and how many bytes MSKIPLEN has.
        if padding.is_empty() {
            bits.put(out, 0b00_0110, 6);
            bits.align(out);
            return;
        }
        bits.put(out, 0b01_0110, 6);
        bits.put(out, u32::try_from(padding.len() - 1).unwrap_or(0) & 0xff, 8);
        bits.align(out);
        out.extend_from_slice(padding);
    }

    /// Bytes of memory beside this.
    pub(crate) fn held(&self) -> usize {
        self.commands.capacity() * size_of::<Command>() + size_of::<Self>()
    }

    pub(crate) fn shrink(&mut self, commands: usize) {
        self.commands.clear();
        self.commands.shrink_to(commands);
    }
}

/// A block of bytes as they are.
fn stored(data: &[u8], bits: &mut Bits, out: &mut Vec<u8>) {
    bits.put(out, 0, 1);
    length(data.len(), bits, out);
    bits.put(out, 1, 1);
    bits.align(out);
    out.extend_from_slice(data);
}

/// MNIBBLES and MLEN (RFC 7932 §9.2).
fn length(len: usize, bits: &mut Bits, out: &mut Vec<u8>) {
    let value = u32::try_from(len - 1).unwrap_or(0);
    let nibbles = match value {
        0..=0xffff => 4,
        0x1_0000..=0xf_ffff => 5,
        _ => 6,
    };
    bits.put(out, nibbles - 4, 2);
    bits.put(out, value, nibbles * 4);
}
