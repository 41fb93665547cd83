//! A hashed timer wheel: one deadline per connection, coarse and cheap.
//!
//! Almost every deadline is moved to later before it is met. That only writes a number: the entry
//! stays in its bucket. When the bucket's time comes, the entry moves to the bucket of its new
//! deadline. Each connection has one entry, whatever its peer does.

use crate::event_loop::clock::Millis;

/// Deadlines are met up to this much late, never early.
const TICK: Millis = 50;
const BUCKETS: usize = 1024;
const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

pub(crate) struct Wheel {
    entries: Vec<Entry>,
    buckets: Box<[u32; BUCKETS]>,
    /// One bit per bucket that has entries.
    occupied: [u64; BUCKETS / 64],
    /// All ticks up to and including this one have been run.
    current: u64,
    /// No bucket of an earlier tick has entries. So the search for the next one, which is in each
    /// turn, begins where the last one ended.
    soonest: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    prev: u32,
    next: u32,
    /// When it is due.
    deadline: u64,
    /// The tick of the bucket that it is in; `NEVER` while in none.
    queued: u64,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            buckets: Box::new([NONE; BUCKETS]),
            occupied: [0; BUCKETS / 64],
            current: 0,
            soonest: NEVER,
        }
    }

    /// Sets when entry `id` is due. This replaces its earlier deadline.
    pub(crate) fn set(&mut self, id: u32, at: Millis) {
        let index = id as usize;
        if index >= self.entries.len() {
            let empty = Entry { prev: NONE, next: NONE, deadline: NEVER, queued: NEVER };
            self.entries.resize(index + 1, empty);
        }
        let deadline = at.div_ceil(TICK).max(self.current + 1);
        self.entries[index].deadline = deadline;
        if self.entries[index].queued > deadline {
            self.unlink(id);
            self.link(id);
        }
    }

    /// Takes the deadline of entry `id` away. The entry may stay in its bucket, where it is passed
    /// over.
    pub(crate) fn clear(&mut self, id: u32) {
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.deadline = NEVER;
        }
    }

    /// Takes entry `id` out of its bucket: its connection is gone.
    pub(crate) fn remove(&mut self, id: u32) {
        if (id as usize) < self.entries.len() {
            self.clear(id);
            self.unlink(id);
        }
    }

    /// Moves the wheel to `now`, and appends to `due` the entries whose deadline has come.
    pub(crate) fn advance(&mut self, now: Millis, due: &mut Vec<u32>) {
        let target = now / TICK;
        while self.current < target {
            let next = self.next_occupied();
            self.soonest = next.unwrap_or(NEVER);
            let Some(next) = next else {
                self.current = target;
                return;
            };
            if next > target {
                self.current = target;
                return;
            }
            self.current = next;
            let bucket = bucket_of(next);
            let mut id = std::mem::replace(&mut self.buckets[bucket], NONE);
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            while id != NONE {
                let entry = &mut self.entries[id as usize];
                let following = entry.next;
                entry.prev = NONE;
                entry.next = NONE;
                entry.queued = NEVER;
                if entry.deadline <= next {
                    entry.deadline = NEVER;
                    due.push(id);
                } else if entry.deadline != NEVER {
                    self.link(id);
                }
                id = following;
            }
        }
    }

    /// When [`advance`](Self::advance) next has a bucket to look at. A deadline that moved to later
    /// can make this too early.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.next_occupied().map(|tick| tick * TICK)
    }

    /// When entry `id` is due.
    #[cfg(test)]
    pub(crate) fn deadline(&self, id: u32) -> Option<Millis> {
        let deadline = self.entries.get(id as usize)?.deadline;
        (deadline != NEVER).then(|| deadline * TICK)
    }

    fn next_occupied(&self) -> Option<u64> {
        if self.soonest == NEVER {
            return None;
        }
        let first = self.soonest.max(self.current + 1);
        let start = bucket_of(first);
        let words = self.occupied.len();
        // One step more than there are words: the first word is looked at twice. Its upper part
        // comes at the start, its lower part at the end.
        for step in 0..=words {
            let index = (start / 64 + step) % words;
            let mut word = self.occupied[index];
            if step == 0 {
                word &= u64::MAX << (start % 64);
            } else if step == words {
                word &= !(u64::MAX << (start % 64));
            }
            if word != 0 {
                let bucket = index * 64 + word.trailing_zeros() as usize;
                let ahead = (bucket + BUCKETS - start) % BUCKETS;
                return Some(first + ahead as u64);
            }
        }
        None
    }

    fn link(&mut self, id: u32) {
        let furthest = self.current + (BUCKETS as u64 - 1);
        let queued = self.entries[id as usize].deadline.min(furthest);
        let bucket = bucket_of(queued);
        let head = self.buckets[bucket];
        if head != NONE {
            self.entries[head as usize].prev = id;
        }
        let entry = &mut self.entries[id as usize];
        entry.prev = NONE;
        entry.next = head;
        entry.queued = queued;
        self.buckets[bucket] = id;
        self.soonest = self.soonest.min(queued);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
    }

    fn unlink(&mut self, id: u32) {
        let Entry { prev, next, queued, .. } = self.entries[id as usize];
        if queued == NEVER {
            return;
        }
        let bucket = bucket_of(queued);
        if prev == NONE {
            self.buckets[bucket] = next;
            if next == NONE {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            }
        } else {
            self.entries[prev as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        let entry = &mut self.entries[id as usize];
        entry.prev = NONE;
        entry.next = NONE;
        entry.queued = NEVER;
    }
}

#[allow(clippy::cast_possible_truncation, reason = "reduced to below BUCKETS first")]
fn bucket_of(tick: u64) -> usize {
    (tick % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn due(wheel: &mut Wheel, now: Millis) -> Vec<u32> {
        let mut list = Vec::new();
        wheel.advance(now, &mut list);
        list.sort_unstable();
        list
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_a_tick_late() {
        let mut wheel = Wheel::new();
        wheel.set(0, 120);
        assert!(due(&mut wheel, 119).is_empty());
        assert_eq!(due(&mut wheel, 120 + TICK), [0]);
        assert!(due(&mut wheel, 10_000_000).is_empty());
    }

    #[test]
    fn a_deadline_beyond_the_wheel_waits_for_its_round() {
        let mut wheel = Wheel::new();
        let far = TICK * BUCKETS as u64 * 5 + 70;
        wheel.set(3, far);
        let mut now = 0;
        while now < far {
            assert!(due(&mut wheel, now).is_empty(), "early at {now}");
            now += 777;
        }
        assert_eq!(due(&mut wheel, far + TICK), [3]);
    }

    /// Against a plain map, over a long run of arbitrary calls.
    #[test]
    fn agrees_with_a_map_of_deadlines() {
        let mut wheel = Wheel::new();
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let mut now: Millis = 0;
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..200_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let id = u32::try_from(seed >> 40).unwrap() % 64;
            match seed % 10 {
                0..=5 => {
                    let at = now + (seed >> 8) % 90_000;
                    wheel.set(id, at);
                    model.insert(id, at.div_ceil(TICK).max(now / TICK + 1));
                }
                6 => {
                    wheel.clear(id);
                    model.remove(&id);
                }
                7 => {
                    wheel.remove(id);
                    model.remove(&id);
                }
                _ => {
                    now += (seed >> 8) % if step % 100 == 0 { 200_000 } else { 300 };
                    let tick = now / TICK;
                    let expected: Vec<u32> =
                        model.iter().filter(|&(_, &at)| at <= tick).map(|(&id, _)| id).collect();
                    model.retain(|_, at| *at > tick);
                    assert_eq!(due(&mut wheel, now), expected, "step {step}");
                }
            }
            let first = model.values().min();
            if let Some(first) = first {
                let next = wheel.next_at().expect("an entry is armed");
                assert!(next <= first * TICK, "next_at {next} is after {}", first * TICK);
            }
        }
    }
}
