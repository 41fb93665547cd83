//! Finds what has been there before (LZ77), for every format alike.

/// A copy is at least as long as what the table of beginnings hashes.
pub(crate) const SHORTEST: usize = 4;

/// The distances that brotli begins with (RFC 7932 §4), the latest first.
const FIRST_DISTANCES: [u32; 4] = [4, 11, 15, 16];

/// In units of the score: what a copied byte saves, what each bit of a distance costs, and what a
/// copy must be worth more if it begins a byte later.
const BYTE: u32 = 135;
const DISTANCE_BIT: u32 = 30;
const LATER: u32 = 175;
/// No score is below 0: a distance has 24 bits at most.
const BASE: u32 = 30 * DISTANCE_BIT;
/// What a copy is worth at least.
const LEAST: u32 = BASE + 100;

/// A copy from one of the latest distances may be shorter: its distance costs hardly a bit.
const SHORTEST_REPEAT: usize = 3;
/// What each of the latest distances is worth beside others.
const REPEAT: [u32; 4] = [15, 0, 0, 0];

/// Which places of a long copy are noted: all at its edges, and some inside.
const EDGE: usize = 16;
const STRIDE: usize = 4;

/// How much time is spent, and how far back a copy may reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Earlier places that are compared at each place.
    pub(crate) depth: u32,
    /// A copy this long is taken without a look for a better one.
    pub(crate) enough: usize,
    /// How often a better copy that begins a byte later is looked for.
    pub(crate) patience: u32,
    /// The furthest distance that the format and its window allow.
    pub(crate) furthest: u32,
    /// The longest copy of the format.
    pub(crate) longest: usize,
    /// The format has short codes for the latest distances.
    pub(crate) repeats: bool,
}

/// So many bytes as they are, then so many copied from so far back. The last of a block may copy
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) literals: u32,
    pub(crate) copied: u32,
    pub(crate) distance: u32,
}

/// Where each beginning of four bytes was last, and where before that.
///
/// Places count on from input to input. So what an earlier input has left needs no clearing: it
/// lies before the beginning of this one.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    heads: Vec<u32>,
    /// By place: how far back the same beginning was before. 0 for never, or further than 64 KiB.
    links: Vec<u16>,
    head_bits: u32,
    mask: usize,
    /// The place of the first byte of the data.
    base: u32,
    distances: [u32; 4],
}

#[derive(Clone, Copy)]
struct Found {
    /// 0 if nothing is worth it.
    len: usize,
    distance: u32,
    score: u32,
}

impl Matcher {
    /// Begins with data of about `expected` bytes, of which nothing further back than `window` is
    /// copied.
    pub(crate) fn begin(&mut self, expected: usize, window: usize) {
        let size = expected.min(window).max(2).next_power_of_two();
        self.head_bits = (size.ilog2() - 1).clamp(9, 15);
        self.mask = size - 1;
        let heads = 1 << self.head_bits;
        if self.heads.len() < heads {
            self.heads.resize(heads, 0);
        }
        if self.links.len() < size {
            self.links.resize(size, 0);
        }
        self.base = self.base.max(1);
        self.distances = FIRST_DISTANCES;
    }

    /// The first `dropped` bytes of the data are no longer there. At the end of the data these are
    /// all.
    pub(crate) fn forget(&mut self, dropped: usize) {
        if self.base > u32::MAX / 2 {
            // Places begin anew, as far as they are behind the base.
            let back = self.base - 1;
            let size = self.mask + 1;
            let turned = back as usize % size;
            self.links[..size].rotate_left(turned);
            for head in &mut self.heads {
                *head = head.saturating_sub(back);
            }
            self.base = 1;
        }
        self.base += place(dropped);
    }

    /// Moves the places close to where they begin anew.
    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        let by = (u32::MAX / 2 + 1).saturating_sub(self.base).next_multiple_of(1 << 20);
        for head in self.heads.iter_mut().filter(|head| **head > 0) {
            *head += by;
        }
        self.base += by;
    }

    /// Bytes of memory.
    pub(crate) fn held(&self) -> usize {
        self.heads.capacity() * 4 + self.links.capacity() * 2
    }

    /// Keeps no memory for windows above `most`.
    pub(crate) fn shrink(&mut self, most: usize) {
        if self.links.len() > most {
            self.links.truncate(most);
            self.links.shrink_to_fit();
        }
    }

    /// Appends the sequences of `data[from..]`. What lies before `from` was here before, and may be
    /// copied from.
    pub(crate) fn parse(
        &mut self,
        data: &[u8],
        from: usize,
        search: &Search,
        sequences: &mut Vec<Sequence>,
    ) {
        let mut at = from;
        let mut literals_from = from;
        // Data without repetitions is passed over ever faster.
        let mut misses = 0;
        while at + SHORTEST <= data.len() {
            let mut found = self.find(data, at, search);
            if found.len == 0 {
                misses += 1;
                at += 1 + (misses >> 7);
                continue;
            }
            misses = 0;
            let mut looked_up_to = at + 1;
            for _ in 0..search.patience {
                if found.len >= search.enough || looked_up_to + SHORTEST > data.len() {
                    break;
                }
                let later = self.find(data, looked_up_to, search);
                looked_up_to += 1;
                if later.len == 0 || later.score < found.score + LATER {
                    break;
                }
                at = looked_up_to - 1;
                found = later;
            }
            sequences.push(Sequence {
                literals: place(at - literals_from),
                copied: place(found.len),
                distance: found.distance,
            });
            if found.distance != self.distances[0] {
                self.distances.rotate_right(1);
                self.distances[0] = found.distance;
            }
            at += found.len;
            literals_from = at;
            self.note(data, looked_up_to, at);
        }
        if literals_from < data.len() {
            let literals = place(data.len() - literals_from);
            sequences.push(Sequence { literals, copied: 0, distance: 0 });
        }
    }

    /// The best copy for the bytes from `at` on, if one is worth it. Notes the place.
    #[inline]
    fn find(&mut self, data: &[u8], at: usize, search: &Search) -> Found {
        let longest = search.longest.min(data.len() - at);
        let mut best = Found { len: 0, distance: 0, score: LEAST };
        let here = self.base + place(at);
        let next = four(data, at);
        if search.repeats {
            for (nth, &distance) in (0..).zip(&self.distances) {
                let back = distance as usize;
                if back > at || distance > search.furthest {
                    continue;
                }
                // Most fail in the first three bytes, which one comparison tells.
                if (four(data, at - back) ^ next) & 0xff_ffff != 0 {
                    continue;
                }
                let len = same(data, at - back, at, longest);
                if len < SHORTEST_REPEAT {
                    continue;
                }
                let score = BASE + BYTE * place(len) + REPEAT[nth];
                if score > best.score {
                    best = Found { len, distance, score };
                }
            }
        }
        let mut earlier = self.put(data, at);
        let mask = self.mask;
        for _ in 0..search.depth {
            let distance = here.saturating_sub(earlier);
            if earlier < self.base || distance > search.furthest {
                break;
            }
            let from = (earlier - self.base) as usize;
            // A longer one has the next byte too.
            let is_longer = best.len < longest && data[from + best.len] == data[at + best.len];
            if is_longer && four(data, from) == next {
                let len = same(data, from, at, longest);
                if len >= SHORTEST {
                    let score = BASE + BYTE * place(len) - DISTANCE_BIT * distance.ilog2();
                    if score > best.score {
                        best = Found { len, distance, score };
                        if len >= search.enough {
                            break;
                        }
                    }
                }
            }
            let link = self.links[earlier as usize & mask];
            // As far back as there are links, the link is this place's own by now.
            if link == 0 || distance as usize > mask {
                break;
            }
            earlier = earlier.saturating_sub(u32::from(link));
        }
        best
    }

    /// Notes a place. Returns where the same beginning was before; 0 for nowhere.
    #[inline]
    fn put(&mut self, data: &[u8], at: usize) -> u32 {
        let here = self.base + place(at);
        let hash = four(data, at).wrapping_mul(0x9e37_79b1) >> (32 - self.head_bits);
        let head = &mut self.heads[hash as usize];
        let earlier = std::mem::replace(head, here);
        let link = if earlier < self.base { 0 } else { here - earlier };
        self.links[here as usize & self.mask] = u16::try_from(link).unwrap_or(0);
        earlier
    }

    /// Notes the places of what is copied. Of a long copy, only some: its middle is rarely copied
    /// again from within.
    fn note(&mut self, data: &[u8], from: usize, to: usize) {
        let end = to.min((data.len() + 1).saturating_sub(SHORTEST));
        let mut at = from;
        while at < end {
            self.put(data, at);
            let is_inside = at >= from + EDGE && at + EDGE + STRIDE < end;
            at += if is_inside { STRIDE } else { 1 };
        }
    }
}

#[inline]
fn four(data: &[u8], at: usize) -> u32 {
    data[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// How many bytes are the same from two places on. `later` has at least `longest` behind it.
#[inline]
fn same(data: &[u8], earlier: usize, later: usize, longest: usize) -> usize {
    let ours = &data[later..later + longest];
    let theirs = &data[earlier..earlier + longest];
    let mut len = 0;
    let (our_words, _) = ours.as_chunks::<8>();
    let (their_words, _) = theirs.as_chunks::<8>();
    for (our, their) in our_words.iter().zip(their_words) {
        let difference = u64::from_le_bytes(*our) ^ u64::from_le_bytes(*their);
        if difference != 0 {
            return len + (difference.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + ours[len..].iter().zip(&theirs[len..]).take_while(|(our, their)| our == their).count()
}

/// A place or a length as the tables have it. No block is longer than 2³¹ bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "data is a block and its window")]
fn place(at: usize) -> u32 {
    debug_assert!(u32::try_from(at).is_ok());
    at as u32
}
