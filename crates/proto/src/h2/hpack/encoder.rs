use super::table::{Found, Name, Table};
use super::{Indexing, huffman, integer, static_table};

/// The most bytes of the dynamic table, whatever more the peer allows.
const MOST: usize = 4096;

/// A field that takes more of the table than this share of it is not put there: few others
/// would be left.
const SHARE: usize = 4;

/// Names of up to so many bytes are made lower-case without an allocation.
const USUAL_NAME: usize = 64;

/// The write side of one connection's field blocks: the dynamic table that the peer has, too.
///
/// Blocks must reach the peer in the order in which they were written, none left out.
/// Allocates nothing before the first entry; its memory is at most 5 KiB.
#[derive(Clone, Debug)]
pub struct HpackEncoder {
    table: Table,
    owed: Owed,
}

/// What the peer must be told about the table's size (RFC 7541 §4.2).
#[derive(Clone, Copy, Debug)]
enum Owed {
    Nothing,
    /// The smallest size since the last block; the table's limit is the last.
    Smallest(usize),
}

impl Default for HpackEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl HpackEncoder {
    /// An encoder for a peer that has not said how large its table is: 4096 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { table: Table::new(MOST), owed: Owed::Nothing }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with what changes.
    pub fn set_peer_table(&mut self, max: u32) {
        let size = usize::try_from(max).unwrap_or(MOST).min(MOST);
        let smallest = match self.owed {
            Owed::Nothing if size == self.table.limit() => return,
            Owed::Nothing => size,
            Owed::Smallest(smallest) => smallest.min(size),
        };
        self.owed = Owed::Smallest(smallest);
        self.table.set_limit(size);
    }

    /// A block begins: appends the changes of the table's size that are due.
    #[inline]
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Owed::Smallest(smallest) = std::mem::replace(&mut self.owed, Owed::Nothing) {
            let last = self.table.limit();
            if smallest < last {
                integer::encode(out, 0x20, 5, smallest);
            }
            integer::encode(out, 0x20, 5, last);
        }
    }

    /// Appends `:status`. It comes before all other fields.
    #[inline]
    pub fn status(&mut self, out: &mut Vec<u8>, status: u16) {
        status_literal(out, status);
    }

    /// What fits the field `name`, in any case: see [`Indexing::of`].
    #[must_use]
    pub fn auto(name: &[u8]) -> Indexing {
        Indexing::of(name)
    }

    /// Appends a field. The name may have any case; lower-case is written. `hint` counts where
    /// no table has the field.
    pub fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8], hint: Indexing) {
        let (mut usual, mut long) = ([0; USUAL_NAME], Vec::new());
        let name = lower_case(name, &mut usual, &mut long);
        let known = static_table::find(name);
        if hint != Indexing::Index
            || name.len() + value.len() + super::table::OVERHEAD > self.table.limit() / SHARE
        {
            return unindexed(out, name, known, value, hint == Indexing::Never);
        }
        if let Some(index) = known.and_then(|first| static_table::find_value(first, value)) {
            return integer::encode(out, 0x80, 7, index);
        }
        let found = self.table.find(name, value);
        let of_age = |age: usize| age + static_table::COUNT + 1;
        if let Found::Field(age) = found {
            return integer::encode(out, 0x80, 7, of_age(age));
        }
        let index = match (known, found) {
            (Some(index), _) => index,
            (None, Found::Name(age)) => of_age(age),
            (None, _) => 0,
        };
        integer::encode(out, 0x40, 6, index);
        if index == 0 {
            string(out, name);
        }
        string(out, value);
        self.table.insert(Name::Text(name), value, true);
    }
}

/// Appends a field that leaves the dynamic table alone, so that the bytes are right on every
/// connection. The name may have any case.
pub fn literal(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (mut usual, mut long) = ([0; USUAL_NAME], Vec::new());
    let name = lower_case(name, &mut usual, &mut long);
    unindexed(out, name, static_table::find(name), value, false);
}

/// Appends `:status`, as [`literal`] does.
#[inline]
pub fn status_literal(out: &mut Vec<u8>, status: u16) {
    let index = match status {
        200 => 0x88,
        204 => 0x89,
        206 => 0x8a,
        304 => 0x8b,
        400 => 0x8c,
        404 => 0x8d,
        500 => 0x8e,
        _ => {
            // The name has the index 8; three digits follow.
            let [.., hundreds, tens, ones] = digits(status);
            return out.extend_from_slice(&[0x08, 3, hundreds, tens, ones]);
        }
    };
    out.push(index);
}

/// Three digits of a status, which has no more.
#[expect(clippy::cast_possible_truncation, reason = "a digit is below ten")]
fn digits(status: u16) -> [u8; 3] {
    [status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8)
}

/// Writes a field without an entry of the dynamic table. `known` is the name's index in the
/// static one.
fn unindexed(out: &mut Vec<u8>, name: &[u8], known: Option<usize>, value: &[u8], is_secret: bool) {
    if let Some(first) = known
        && !is_secret
        && let Some(index) = static_table::find_value(first, value)
    {
        return integer::encode(out, 0x80, 7, index);
    }
    integer::encode(out, if is_secret { 0x10 } else { 0 }, 4, known.unwrap_or(0));
    if known.is_none() {
        string(out, name);
    }
    string(out, value);
}

/// Writes a string, coded if that is shorter (RFC 7541 §5.2).
fn string(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::coded_len(text);
    if coded < text.len() {
        integer::encode(out, 0x80, 7, coded);
        out.reserve(coded);
        huffman::encode(text, out);
    } else {
        integer::encode(out, 0, 7, text.len());
        out.extend_from_slice(text);
    }
}

/// The lower-case name, which is in `usual` or `long` unless it was lower-case already.
#[inline]
fn lower_case<'a>(
    name: &'a [u8],
    usual: &'a mut [u8; USUAL_NAME],
    long: &'a mut Vec<u8>,
) -> &'a [u8] {
    if !name.iter().any(u8::is_ascii_uppercase) {
        return name;
    }
    let lower = match usual.get_mut(..name.len()) {
        Some(room) => {
            room.copy_from_slice(name);
            room
        }
        None => {
            long.extend_from_slice(name);
            &mut long[..]
        }
    };
    lower.make_ascii_lowercase();
    lower
}

#[cfg(test)]
mod tests;
