//! The dynamic table (RFC 7541 §2.3.2): what a connection's last fields were.

use std::collections::VecDeque;
use std::ops::Range;

/// What an entry costs beside its name and value (RFC 7541 §4.1).
pub(super) const OVERHEAD: usize = 32;

/// The least bytes to allocate for texts.
const LEAST_BYTES: usize = 64;

/// First in, first out, bounded by the sizes of its entries. Without entries it has no memory.
///
/// All texts lie in one vector, the oldest first. Where those of evicted entries are in the
/// way, the others move to the front. The vector never has more than the table's size, and the
/// places of the entries never more than a quarter of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    bytes: Vec<u8>,
    entries: VecDeque<Entry>,
    /// The sum of the entries' sizes, overhead included.
    size: usize,
    /// The most that `size` may be. [`Table::MOST`] at most.
    limit: usize,
}

/// Where an entry's texts are: its value follows its name.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u16,
    name: u16,
    value: u16,
    /// Whether its name and value were found to be what fields may have.
    is_sound: bool,
}

impl Entry {
    fn start(self) -> usize {
        usize::from(self.start)
    }

    fn name(self) -> Range<usize> {
        self.start()..self.start() + usize::from(self.name)
    }

    fn value(self) -> Range<usize> {
        let start = self.name().end;
        start..start + usize::from(self.value)
    }

    fn size(self) -> usize {
        usize::from(self.name) + usize::from(self.value) + OVERHEAD
    }
}

/// What [`Table::find`] found: how many younger entries precede it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Field(usize),
    Name(usize),
    Nothing,
}

/// The name of a new entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    Text(&'a [u8]),
    /// The name of the entry that so many younger ones precede.
    Of(usize),
}

impl Table {
    /// The largest limit: offsets have 16 bits.
    pub(super) const MOST: usize = u16::MAX as usize;

    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.min(Self::MOST), ..Self::default() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Name and value of the entry that `age` younger ones precede, and whether it is sound.
    #[inline]
    pub(super) fn get(&self, age: usize) -> Option<(&[u8], &[u8], bool)> {
        let entry = *self.entries.get(self.entries.len().checked_sub(age + 1)?)?;
        let both = self.bytes.get(entry.start()..entry.value().end)?;
        let (name, value) = both.split_at_checked(usize::from(entry.name))?;
        Some((name, value, entry.is_sound))
    }

    /// How many younger entries precede one with this name and value, or else one with this
    /// name.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Found {
        let mut found = Found::Nothing;
        for (age, entry) in self.entries.iter().rev().enumerate() {
            if usize::from(entry.name) != name.len() || self.bytes.get(entry.name()) != Some(name) {
                continue;
            }
            if self.bytes.get(entry.value()) == Some(value) {
                return Found::Field(age);
            }
            if let Found::Nothing = found {
                found = Found::Name(age);
            }
        }
        found
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Changes the most that the table may hold. Evicts what is over it.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(Self::MOST);
        if self.limit == 0 {
            self.clear();
        }
        self.evict(self.limit);
    }

    /// Adds an entry. One that is larger than the limit empties the table instead (RFC 7541
    /// §4.4).
    pub(super) fn insert(&mut self, name: Name<'_>, value: &[u8], is_sound: bool) {
        let old = match name {
            Name::Text(_) => None,
            Name::Of(age) => self.entries.len().checked_sub(age + 1).map(|at| self.entries[at]),
        };
        let name_len = match (name, old) {
            (Name::Text(name), _) => name.len(),
            (_, Some(old)) => usize::from(old.name),
            (_, None) => 0,
        };
        let texts = name_len + value.len();
        if texts + OVERHEAD > self.limit {
            self.clear();
            return;
        }
        // The name may be that of an entry that is evicted now. Its text is lost only if the
        // others move.
        let moves = self.bytes.len() + texts > self.bytes.capacity();
        let kept = match old {
            Some(old) if moves => self.bytes[old.name()].to_vec(),
            _ => Vec::new(),
        };
        self.evict(self.limit - texts - OVERHEAD);
        if moves {
            self.make_room(texts);
        }
        let start = self.bytes.len();
        match (name, old) {
            (Name::Text(name), _) => self.bytes.extend_from_slice(name),
            (_, Some(_)) if moves => self.bytes.extend_from_slice(&kept),
            (_, Some(old)) => self.bytes.extend_from_within(old.name()),
            (_, None) => {}
        }
        self.bytes.extend_from_slice(value);
        let (name, value) = (short(name_len), short(value.len()));
        let entry = Entry { start: short(start), name, value, is_sound };
        self.entries.push_back(entry);
        self.size += entry.size();
    }

    /// Drops the oldest entries until the sizes of the others are `most` together. Their texts
    /// stay until the vector is full.
    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_front()
        {
            self.size -= entry.size();
        }
    }

    /// Drops all entries and returns their memory.
    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.entries = VecDeque::new();
        self.size = 0;
    }

    /// Makes the vector hold `texts` more bytes: moves the texts in use to its front, and lets
    /// it grow if they fill most of it.
    fn make_room(&mut self, texts: usize) {
        let start = self.entries.front().map_or(self.bytes.len(), |entry| entry.start());
        let used = self.bytes.len() - start;
        self.bytes.copy_within(start.., 0);
        self.bytes.truncate(used);
        for entry in &mut self.entries {
            entry.start -= short(start);
        }
        let capacity = self.bytes.capacity();
        if used + texts > capacity - capacity / 4 {
            let most = self.limit.max(used + texts);
            let wanted = (used + texts).max(2 * capacity).max(LEAST_BYTES).min(most);
            self.bytes.reserve_exact(wanted.max(capacity) - used);
        }
    }
}

/// Lengths and offsets are below [`Table::MOST`].
#[expect(clippy::cast_possible_truncation, reason = "at most the limit, which has 16 bits")]
fn short(n: usize) -> u16 {
    n as u16
}
