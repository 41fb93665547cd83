//! Commands: so many literals, then a copy (RFC 7932 §5 and §4).

use crate::bits::Bits;
use crate::matcher::Sequence;

/// Symbols of insert-and-copy lengths, and of distances without postfix bits or direct ones.
pub(super) const COMMANDS: usize = 704;
pub(super) const DISTANCES: usize = 64;

/// By length code: the shortest length, and how many bits follow.
const INSERTS: [(u32, u8); 24] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 1),
    (8, 1),
    (10, 2),
    (14, 2),
    (18, 3),
    (26, 3),
    (34, 4),
    (50, 4),
    (66, 5),
    (98, 5),
    (130, 6),
    (194, 7),
    (322, 8),
    (578, 9),
    (1090, 10),
    (2114, 12),
    (6210, 14),
    (22594, 24),
];
const COPIES: [(u32, u8); 24] = [
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 1),
    (12, 1),
    (14, 2),
    (18, 2),
    (22, 3),
    (30, 3),
    (38, 4),
    (54, 4),
    (70, 5),
    (102, 5),
    (134, 6),
    (198, 7),
    (326, 8),
    (582, 9),
    (1094, 10),
    (2118, 24),
];

/// Codes of short lengths, where they are looked up.
const SHORT: usize = 134;

const fn codes_of(table: &[(u32, u8); 24]) -> [u8; SHORT] {
    let mut codes = [0; SHORT];
    let mut code = 0_u8;
    while code < 24 {
        let mut length = table[code as usize].0 as usize;
        while length < SHORT {
            codes[length] = code;
            length += 1;
        }
        code += 1;
    }
    codes
}

static INSERT_CODES: [u8; SHORT] = codes_of(&INSERTS);
static COPY_CODES: [u8; SHORT] = codes_of(&COPIES);

fn code_of(length: u32, short: &[u8; SHORT], table: &[(u32, u8); 24]) -> usize {
    match short.get(length as usize) {
        Some(&code) => usize::from(code),
        None => table.partition_point(|&(least, _)| least <= length) - 1,
    }
}

/// What a copy of nothing is written as, behind the last literals of a block: the decoder stops
/// before it.
const NO_COPY: u32 = 4;

/// The last four distances, the latest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring([u32; 4]);

impl Default for Ring {
    fn default() -> Self {
        Self([4, 11, 15, 16])
    }
}

impl Ring {
    /// The symbol of a distance, how many bits follow, and these.
    fn symbol(&mut self, distance: u32) -> (u8, u8, u32) {
        let short = self.short(distance);
        if short == Some(0) {
            return (0, 0, 0);
        }
        self.0.rotate_right(1);
        self.0[0] = distance;
        if let Some(symbol) = short {
            return (symbol, 0, 0);
        }
        let value = distance + 3;
        let bits = value.ilog2() - 1;
        let symbol = 16 + 2 * (bits - 1) + (value >> bits & 1);
        (low_byte(symbol), low_byte(bits), value & ((1 << bits) - 1))
    }

    /// Codes 0 to 15: a distance that is one of the latest, or close to one of the last two.
    fn short(&self, distance: u32) -> Option<u8> {
        let Self([last, second, third, fourth]) = *self;
        let near = |of: u32, first: u8| match distance.wrapping_sub(of).cast_signed() {
            -1 => Some(first),
            1 => Some(first + 1),
            -2 => Some(first + 2),
            2 => Some(first + 3),
            -3 => Some(first + 4),
            3 => Some(first + 5),
            _ => None,
        };
        if distance == last {
            Some(0)
        } else if distance == second {
            Some(1)
        } else if distance == third {
            Some(2)
        } else if distance == fourth {
            Some(3)
        } else {
            near(last, 4).or_else(|| near(second, 10))
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) literals: u32,
    pub(super) copied: u32,
    distance_extra: u32,
    pub(super) symbol: u16,
    insert_code: u8,
    copy_code: u8,
    distance: u8,
    distance_bits: u8,
    /// The symbol says that the distance is the last one, or nothing is copied.
    says_no_distance: bool,
}

impl Command {
    pub(super) fn new(sequence: &Sequence, ring: &mut Ring) -> Self {
        let &Sequence { literals, copied, distance } = sequence;
        let insert_code = code_of(literals, &INSERT_CODES, &INSERTS);
        let length = if copied == 0 { NO_COPY } else { copied };
        let copy_code = code_of(length, &COPY_CODES, &COPIES);
        let (distance, distance_bits, distance_extra) =
            if copied == 0 { (u8::MAX, 0, 0) } else { ring.symbol(distance) };
        let is_short = insert_code < 8 && copy_code < 16;
        let repeats = distance == 0 && is_short;
        Self {
            literals,
            copied,
            distance_extra,
            symbol: symbol(insert_code, copy_code, repeats),
            insert_code: low_byte_of(insert_code),
            copy_code: low_byte_of(copy_code),
            distance,
            distance_bits,
            says_no_distance: repeats || copied == 0,
        }
    }

    #[inline]
    pub(super) fn distance_symbol(&self) -> Option<usize> {
        (!self.says_no_distance).then_some(usize::from(self.distance))
    }

    pub(super) fn extra_bits(&self) -> u32 {
        let (_, insert) = INSERTS[usize::from(self.insert_code)];
        let (_, copy) = COPIES[usize::from(self.copy_code)];
        u32::from(insert) + u32::from(copy) + u32::from(self.distance_bits)
    }

    /// The bits behind the symbol.
    #[inline]
    pub(super) fn write_lengths(&self, bits: &mut Bits, out: &mut Vec<u8>) {
        let (least, count) = INSERTS[usize::from(self.insert_code)];
        bits.put(out, self.literals - least, u32::from(count));
        let (least, count) = COPIES[usize::from(self.copy_code)];
        let copied = if self.copied == 0 { NO_COPY } else { self.copied };
        bits.put(out, copied - least, u32::from(count));
    }

    #[inline]
    pub(super) fn write_distance(&self, bits: &mut Bits, out: &mut Vec<u8>) {
        bits.put(out, self.distance_extra, u32::from(self.distance_bits));
    }
}

/// The symbol of an insert code and a copy code (RFC 7932 §5): each cell of the table has 64.
fn symbol(insert: usize, copy: usize, repeats: bool) -> u16 {
    const CELLS: [[u16; 3]; 3] = [[2, 3, 6], [4, 5, 8], [7, 9, 10]];
    let cell = match repeats {
        true => u16::from(copy >= 8),
        false => CELLS[insert / 8][copy / 8],
    };
    let inside = ((insert % 8) << 3) | (copy % 8);
    cell << 6 | u16::from(low_byte_of(inside))
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

fn low_byte_of(value: usize) -> u8 {
    value.to_le_bytes()[0]
}
