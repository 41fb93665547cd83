use std::ops::Range;

use super::table::{Name, Table};
use super::{HpackError, huffman, integer, static_table};

/// The read side of one connection's field blocks: the dynamic table that its peer fills.
///
/// Allocates nothing before the first entry. Its memory is at most the table's size and a
/// quarter more, and is returned when the peer empties the table.
#[derive(Clone, Debug)]
pub struct HpackDecoder {
    table: Table,
    /// The largest table that the peer may ask for.
    most: usize,
}

impl HpackDecoder {
    /// `max_table` is what SETTINGS_HEADER_TABLE_SIZE tells the peer: 4096 unless said
    /// otherwise, 65,535 at most.
    #[must_use]
    pub fn new(max_table: usize) -> Self {
        let table = Table::new(max_table);
        Self { most: table.limit(), table }
    }

    /// Decodes a whole block and gives each field to `sink`: its name and its value, as
    /// received. Nothing about them has been checked.
    ///
    /// # Errors
    ///
    /// If the block is malformed. Fields before the fault were given. The connection must end.
    pub fn decode(
        &mut self,
        block: &[u8],
        sink: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        self.decode_known(block, &mut |name, value, _| {
            sink(name, value);
            false
        })
    }

    /// As [`decode`](Self::decode), for a sink that checks fields and returns whether one is
    /// sound. It is told `true` if it has found the same field sound before, in this block or
    /// an earlier one. Those of the static table are sound.
    ///
    /// # Errors
    ///
    /// As those of [`decode`](Self::decode).
    pub fn decode_known(
        &mut self,
        block: &[u8],
        sink: &mut impl FnMut(&[u8], &[u8], bool) -> bool,
    ) -> Result<(), HpackError> {
        let mut at = 0;
        self.size_updates(block, &mut at)?;
        let mut scratch = Vec::new();
        while let Some(&first) = block.get(at) {
            if first & 0x80 != 0 {
                let index = integer::decode(block, &mut at, 7)?;
                let (name, value, is_sound) = self.entry(index)?;
                sink(name, value, is_sound);
            } else {
                let literal = Literal::read(block, &mut at, &mut scratch)?;
                let value = literal.value.of(block, &scratch);
                let name = match &literal.name {
                    Ok(text) => text.of(block, &scratch),
                    Err(index) => self.entry(*index)?.0,
                };
                let is_sound = sink(name, value, false);
                if literal.indexed {
                    self.insert(&literal, block, &scratch, is_sound);
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn entry(&self, index: u32) -> Result<(&[u8], &[u8], bool), HpackError> {
        let entry = match age(index) {
            None => static_table::get(index as usize).map(|(name, value)| (name, value, true)),
            Some(age) => self.table.get(age),
        };
        entry.ok_or(HpackError::IndexInvalid)
    }

    fn insert(&mut self, literal: &Literal, block: &[u8], scratch: &[u8], is_sound: bool) {
        let name = match &literal.name {
            Ok(text) => Name::Text(text.of(block, scratch)),
            Err(index) => match (age(*index), static_table::get(*index as usize)) {
                (Some(age), _) => Name::Of(age),
                (None, entry) => Name::Text(entry.unwrap_or_default().0),
            },
        };
        self.table.insert(name, literal.value.of(block, scratch), is_sound);
    }

    /// Changes of the table's size come before the first field (RFC 7541 §4.2).
    fn size_updates(&mut self, block: &[u8], at: &mut usize) -> Result<(), HpackError> {
        while let Some(first) = block.get(*at)
            && first & 0xe0 == 0x20
        {
            let size = integer::decode(block, at, 5)? as usize;
            if size > self.most {
                return Err(HpackError::TableTooLarge);
            }
            self.table.set_limit(size);
        }
        Ok(())
    }
}

/// How many entries of the dynamic table are younger than that with this index; `None` for
/// the static table's.
#[inline]
fn age(index: u32) -> Option<usize> {
    (index as usize).checked_sub(static_table::COUNT + 1)
}

/// A field that is not in a table.
struct Literal {
    /// The name, or the index of an entry that has it.
    name: Result<Text, u32>,
    value: Text,
    /// Whether it becomes an entry of the dynamic table.
    indexed: bool,
}

impl Literal {
    /// Reads the literal at `at`. `scratch` then has the strings that were coded.
    fn read(block: &[u8], at: &mut usize, scratch: &mut Vec<u8>) -> Result<Self, HpackError> {
        let first = block.get(*at).copied().unwrap_or_default();
        let indexed = first & 0x40 != 0;
        if !indexed && first & 0x20 != 0 {
            return Err(HpackError::TableChangeLate);
        }
        scratch.clear();
        let name = match integer::decode(block, at, if indexed { 6 } else { 4 })? {
            0 => Ok(Text::read(block, at, scratch)?),
            index => Err(index),
        };
        Ok(Self { name, value: Text::read(block, at, scratch)?, indexed })
    }
}

/// A string of a block. If it is coded, its bytes are in the scratch vector.
struct Text {
    range: Range<usize>,
    coded: bool,
}

impl Text {
    /// Reads the string at `at` (RFC 7541 §5.2).
    fn read(block: &[u8], at: &mut usize, scratch: &mut Vec<u8>) -> Result<Self, HpackError> {
        let coded = block.get(*at).is_some_and(|first| first & 0x80 != 0);
        let len = integer::decode(block, at, 7)? as usize;
        let start = *at;
        let bytes = block.get(start..).and_then(|rest| rest.get(..len));
        let bytes = bytes.ok_or(HpackError::Truncated)?;
        *at += len;
        if !coded {
            return Ok(Self { range: start..*at, coded });
        }
        let start = scratch.len();
        huffman::decode(bytes, scratch)?;
        Ok(Self { range: start..scratch.len(), coded })
    }

    #[inline]
    fn of<'a>(&self, block: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        let from = if self.coded { scratch } else { block };
        from.get(self.range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
