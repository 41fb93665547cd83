//! The static table (RFC 7541 appendix A).
//!
//! One text and offsets into it take a third of what 122 pointers would, and no relocations
//! when the library is loaded.

/// Entries in the table. The first has the index 1.
pub(super) const COUNT: usize = 61;

const ENTRIES: [(&str, &str); COUNT] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

static TEXT: [u8; text_len()] = text();
static PLACES: [Place; COUNT] = places();

#[derive(Clone, Copy)]
struct Place {
    start: u16,
    name: u8,
    value: u8,
}

const fn text_len() -> usize {
    let (mut len, mut i) = (0, 0);
    while i < COUNT {
        len += ENTRIES[i].0.len() + ENTRIES[i].1.len();
        i += 1;
    }
    len
}

const fn text() -> [u8; text_len()] {
    let mut text = [0; text_len()];
    let (mut at, mut i) = (0, 0);
    while i < COUNT {
        let parts = [ENTRIES[i].0.as_bytes(), ENTRIES[i].1.as_bytes()];
        let mut part = 0;
        while part < 2 {
            let mut k = 0;
            while k < parts[part].len() {
                text[at] = parts[part][k];
                at += 1;
                k += 1;
            }
            part += 1;
        }
        i += 1;
    }
    text
}

#[expect(clippy::cast_possible_truncation, reason = "the table is small")]
const fn places() -> [Place; COUNT] {
    let mut places = [Place { start: 0, name: 0, value: 0 }; COUNT];
    let (mut at, mut i) = (0, 0);
    while i < COUNT {
        let (name, value) = (ENTRIES[i].0.len(), ENTRIES[i].1.len());
        places[i] = Place { start: at as u16, name: name as u8, value: value as u8 };
        at += name + value;
        i += 1;
    }
    places
}

/// Name and value of the entry with this index, which begins at 1.
#[inline]
pub(super) fn get(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    let place = PLACES.get(index.wrapping_sub(1))?;
    let start = usize::from(place.start);
    let middle = start + usize::from(place.name);
    Some((TEXT.get(start..middle)?, TEXT.get(middle..middle + usize::from(place.value))?))
}

/// Slots of the search by name: a power of two that leaves most of them empty.
const SLOTS: usize = 128;

/// Index of the first entry with a name, by the name's hash. 0 is an empty slot.
static SLOT_OF: [u8; SLOTS] = slots();

#[expect(clippy::cast_possible_truncation, reason = "the table is small")]
const fn slots() -> [u8; SLOTS] {
    let mut slots = [0; SLOTS];
    let mut i = 0;
    while i < COUNT {
        let name = ENTRIES[i].0.as_bytes();
        if i == 0 || !same(name, ENTRIES[i - 1].0.as_bytes()) {
            let mut slot = hash(name);
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = i as u8 + 1;
        }
        i += 1;
    }
    slots
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Length, first, middle and last byte tell most names apart.
const fn hash(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] as usize, name[len / 2] as usize, name[len - 1] as usize);
    (len + first * 3 + middle * 7 + last * 17) % SLOTS
}

/// Index of the first entry with this lower-case name.
#[inline]
pub(super) fn find(name: &[u8]) -> Option<usize> {
    let mut slot = hash(name);
    loop {
        let index = usize::from(SLOT_OF[slot]);
        match get(index) {
            None => return None,
            Some((other, _)) if other == name => return Some(index),
            Some(_) => slot = (slot + 1) % SLOTS,
        }
    }
}

/// Index of the entry with this value among those with the name of the entry at `first`.
#[inline]
pub(super) fn find_value(first: usize, value: &[u8]) -> Option<usize> {
    let (name, _) = get(first)?;
    let same = |index: &usize| get(*index).is_some_and(|entry| entry.0 == name);
    (first..).take_while(same).find(|index| get(*index).is_some_and(|entry| entry.1 == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_index() {
        assert_eq!(get(0), None);
        for (i, (name, value)) in ENTRIES.iter().enumerate() {
            assert_eq!(get(i + 1), Some((name.as_bytes(), value.as_bytes())));
        }
        assert_eq!(get(COUNT + 1), None);
        for (name, value) in ENTRIES {
            let first = ENTRIES.iter().position(|entry| entry.0 == name).unwrap() + 1;
            let this = ENTRIES.iter().position(|entry| *entry == (name, value)).unwrap() + 1;
            assert_eq!(find(name.as_bytes()), Some(first));
            assert_eq!(find_value(first, value.as_bytes()), Some(this));
        }
        for name in ["", ":", "x", "accep", "accept ", "datf", ":methoe"] {
            assert_eq!(find(name.as_bytes()), None, "{name}");
        }
        assert_eq!(find_value(2, b"PUT"), None);
        assert_eq!(find_value(8, b"201"), None);
        let longest = (0..SLOTS).map(|at| SLOT_OF[at..].iter().take_while(|n| **n != 0).count());
        assert!(longest.max() <= Some(6));
        assert_eq!(get(61), Some((&b"www-authenticate"[..], &b""[..])));
    }
}
