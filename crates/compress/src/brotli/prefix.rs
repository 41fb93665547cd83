//! How a prefix code is written (RFC 7932 §3.4 and §3.5).

use crate::bits::Bits;
use crate::huffman::{Builder, codes};

/// Symbols of code lengths: 0 to 15, then "the last one again" and "zeros".
const SYMBOLS: usize = 18;
const AGAIN: u8 = 16;
const ZEROS: u8 = 17;

/// The order in which the lengths of their own code come.
const ORDER: [usize; SYMBOLS] = [1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// How each of those lengths, 0 to 5, is written: bits and their number.
const LENGTHS: [(u32, u32); 6] = [(0, 2), (7, 4), (3, 3), (2, 2), (1, 2), (15, 4)];

/// Writes the code whose symbols have these lengths. Of a code of one symbol the length becomes 0,
/// as then no bit of it is written.
pub(super) fn write(lengths: &mut [u8], builder: &mut Builder, bits: &mut Bits, out: &mut Vec<u8>) {
    let used = lengths.iter().filter(|&&length| length > 0).count();
    if used <= 4 {
        simple(lengths, used, bits, out);
    } else {
        complex(lengths, builder, bits, out);
    }
}

fn simple(lengths: &mut [u8], used: usize, bits: &mut Bits, out: &mut Vec<u8>) {
    let width = usize::BITS - (lengths.len() - 1).leading_zeros();
    let mut symbols = [(0, 0); 4];
    let occurring = (0_u32..).zip(lengths.iter()).filter(|&(_, &length)| length > 0);
    for (slot, (symbol, &length)) in symbols.iter_mut().zip(occurring) {
        *slot = (length, symbol);
    }
    let used = used.max(1);
    // By length. Those of one length are in their order already, as the decoder sorts them.
    symbols[..used].sort_unstable();
    bits.put(out, 1, 2);
    bits.put(out, u32::try_from(used - 1).unwrap_or(0), 2);
    for &(_, symbol) in &symbols[..used] {
        bits.put(out, symbol, width);
    }
    if used == 4 {
        bits.put(out, u32::from(symbols[0].0 == 1), 1);
    }
    if used == 1 {
        lengths[symbols[0].1 as usize] = 0;
    }
}

fn complex(lengths: &[u8], builder: &mut Builder, bits: &mut Bits, out: &mut Vec<u8>) {
    let mut runs = Runs::default();
    runs.of(lengths);
    let mut counts = [0; SYMBOLS];
    for &(symbol, _) in runs.all() {
        counts[usize::from(symbol)] += 1;
    }
    let mut own = [0; SYMBOLS];
    let mut own_codes = [0; SYMBOLS];
    let used = builder.lengths(&counts, 5, &mut own);
    codes(&own, &mut own_codes);
    // The decoder stops by itself where the code is complete, which one symbol's never is.
    let end = match used {
        1 => SYMBOLS,
        _ => ORDER.iter().rposition(|&symbol| own[symbol] > 0).map_or(0, |last| last + 1),
    };
    let skipped = match own {
        _ if own[ORDER[0]] > 0 || own[ORDER[1]] > 0 => 0,
        _ if own[ORDER[2]] > 0 => 2,
        _ => 3,
    };
    bits.put(out, u32::try_from(skipped).unwrap_or(0), 2);
    for &symbol in &ORDER[skipped..end] {
        let (code, count) = LENGTHS[usize::from(own[symbol])];
        bits.put(out, code, count);
    }
    if used == 1 {
        own.fill(0);
    }
    for &(symbol, extra) in runs.all() {
        let place = usize::from(symbol);
        bits.put(out, u32::from(own_codes[place]), u32::from(own[place]));
        match symbol {
            AGAIN => bits.put(out, u32::from(extra), 2),
            ZEROS => bits.put(out, u32::from(extra), 3),
            _ => {}
        }
    }
}

/// The lengths of a code, runs of one length shortened. None has more than 704.
struct Runs {
    list: [(u8, u8); super::COMMANDS],
    len: usize,
}

impl Default for Runs {
    fn default() -> Self {
        Self { list: [(0, 0); super::COMMANDS], len: 0 }
    }
}

impl Runs {
    fn all(&self) -> &[(u8, u8)] {
        &self.list[..self.len]
    }

    fn push(&mut self, symbol: u8, extra: usize) {
        self.list[self.len] = (symbol, extra.to_le_bytes()[0]);
        self.len += 1;
    }

    fn of(&mut self, lengths: &[u8]) {
        let end = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
        let mut at = 0;
        let mut last = 8;
        while at < end {
            let length = lengths[at];
            let run = lengths[at..end].iter().take_while(|&&other| other == length).count();
            at += run;
            if length == 0 {
                self.repeat(ZEROS, 3, 0, run);
                continue;
            }
            let mut rest = run;
            if length != last {
                self.push(length, 0);
                rest -= 1;
            }
            last = length;
            self.repeat(AGAIN, 2, length, rest);
        }
    }

    /// A run of `run` times `length`. Each further symbol of repetition multiplies those before it.
    fn repeat(&mut self, symbol: u8, bits: u32, length: u8, run: usize) {
        if run < 3 {
            for _ in 0..run {
                self.push(length, 0);
            }
            return;
        }
        let start = self.len;
        let mut rest = run - 3;
        loop {
            self.push(symbol, rest & ((1 << bits) - 1));
            rest >>= bits;
            if rest == 0 {
                break;
            }
            rest -= 1;
        }
        // The last digit is written last.
        self.list[start..self.len].reverse();
    }
}
