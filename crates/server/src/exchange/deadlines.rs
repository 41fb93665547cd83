//! When each request that is at a handler must be answered.
//!
//! All requests have the same time, and the loop hands over a connection's requests in their order.
//! So the connection's first unanswered request is due first. The wheel has one entry a connection,
//! for that request. The others wait in line.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event_loop::clock::Millis;
use crate::event_loop::wheel::Wheel;

/// Room for requests that a connection keeps when it has none.
const KEEP: usize = 4;

pub(crate) struct Deadlines {
    span: Duration,
    wheel: Wheel,
    /// By slot, as the wheel's entries.
    lines: Vec<VecDeque<Due>>,
    /// Scratch for the wheel.
    slots: Vec<u32>,
}

/// A request that must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) stream: u32,
    at: Millis,
}

impl Deadlines {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, wheel: Wheel::new(), lines: Vec::new(), slots: Vec::new() }
    }

    /// How long a handler has.
    pub(crate) fn span(&self) -> Duration {
        self.span
    }

    /// Exchange `stream` has been handed over.
    pub(crate) fn begin(&mut self, slot: u32, stream: u32, now: Millis) {
        let span = Millis::try_from(self.span.as_millis()).unwrap_or(Millis::MAX);
        let at = now.saturating_add(span);
        let index = slot as usize;
        if index >= self.lines.len() {
            self.lines.resize_with(index + 1, VecDeque::new);
        }
        let line = &mut self.lines[index];
        line.push_back(Due { stream, at });
        if line.len() == 1 {
            self.wheel.set(slot, at);
        }
    }

    /// Exchange `stream` is no longer waited for.
    pub(crate) fn end(&mut self, slot: u32, stream: u32) {
        let Some(line) = self.lines.get_mut(slot as usize) else { return };
        let Some(place) = line.iter().position(|due| due.stream == stream) else { return };
        line.remove(place);
        if place == 0 {
            self.first_changed(slot);
        }
    }

    /// None of the connection's requests is.
    pub(crate) fn forget(&mut self, slot: u32) {
        if let Some(line) = self.lines.get_mut(slot as usize) {
            *line = VecDeque::new();
            self.wheel.remove(slot);
        }
    }

    /// Takes out the requests whose time is over, with their slots.
    pub(crate) fn expire(&mut self, now: Millis, late: &mut Vec<(u32, Due)>) {
        let mut slots = std::mem::take(&mut self.slots);
        self.wheel.advance(now, &mut slots);
        for slot in slots.drain(..) {
            let line = &mut self.lines[slot as usize];
            while let Some(&due) = line.front()
                && due.at <= now
            {
                line.pop_front();
                late.push((slot, due));
            }
            self.first_changed(slot);
        }
        self.slots = slots;
    }

    /// When [`expire`](Self::expire) should next be called.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.wheel.next_at()
    }

    /// The exchanges that have a deadline, with their slots.
    #[cfg(test)]
    pub(crate) fn waits(&self) -> impl Iterator<Item = (u32, u32)> {
        let lines = (0..).zip(&self.lines);
        lines.flat_map(|(slot, line)| line.iter().map(move |due| (slot, due.stream)))
    }

    fn first_changed(&mut self, slot: u32) {
        let line = &mut self.lines[slot as usize];
        match line.front() {
            Some(first) => self.wheel.set(slot, first.at),
            None => {
                self.wheel.clear(slot);
                line.shrink_to(KEEP);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The wheel's grain.
    const TICK: Millis = 50;
    const SPAN: Millis = 1_000;

    fn expire(deadlines: &mut Deadlines, now: Millis) -> Vec<(u32, u32)> {
        let mut late = Vec::new();
        deadlines.expire(now, &mut late);
        let mut late: Vec<_> = late.into_iter().map(|(slot, due)| (slot, due.stream)).collect();
        late.sort_unstable();
        late
    }

    #[test]
    fn the_first_unanswered_request_is_due_first() {
        let mut deadlines = Deadlines::new(Duration::from_millis(SPAN));
        for (sequence, now) in [(7, 0), (8, 100), (9, 300)] {
            deadlines.begin(2, sequence, now);
        }
        deadlines.end(2, 8);
        deadlines.end(2, 70);
        assert!(expire(&mut deadlines, SPAN - 1).is_empty());
        assert_eq!(expire(&mut deadlines, SPAN + TICK), [(2, 7)]);
        assert!(expire(&mut deadlines, SPAN + 299).is_empty());
        assert_eq!(expire(&mut deadlines, SPAN + 300 + TICK), [(2, 9)]);
        deadlines.begin(2, 10, 5_000);
        deadlines.forget(2);
        assert!(expire(&mut deadlines, 100_000).is_empty());
        assert_eq!(deadlines.next_at(), None);
    }

    #[test]
    fn a_connection_without_requests_keeps_little() {
        let mut deadlines = Deadlines::new(Duration::from_millis(SPAN));
        for sequence in 0..64 {
            deadlines.begin(0, sequence, 0);
        }
        for sequence in (0..64).rev() {
            deadlines.end(0, sequence);
        }
        assert!(deadlines.lines[0].capacity() <= KEEP);
        assert!(expire(&mut deadlines, 100_000).is_empty());
    }

    /// Against a plain map, over a long run of arbitrary calls.
    #[test]
    fn agrees_with_a_map_of_deadlines() {
        let mut deadlines = Deadlines::new(Duration::from_millis(SPAN));
        let mut model: BTreeMap<(u32, u32), Millis> = BTreeMap::new();
        let mut next = [u32::MAX - 20; 16];
        let mut now: Millis = 0;
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..100_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let slot = u32::try_from(seed >> 40).unwrap() % 16;
            match seed % 10 {
                0..=3 => {
                    let sequence = next[slot as usize];
                    next[slot as usize] = sequence.wrapping_add(1);
                    deadlines.begin(slot, sequence, now);
                    model.insert((slot, sequence), now + SPAN);
                }
                4..=6 => {
                    let back = u32::try_from((seed >> 20) % 5).unwrap();
                    let sequence = next[slot as usize].wrapping_sub(back);
                    deadlines.end(slot, sequence);
                    model.remove(&(slot, sequence));
                }
                7 if seed & 0xff00 == 0 => {
                    deadlines.forget(slot);
                    model.retain(|&(of, _), _| of != slot);
                }
                _ => now += (seed >> 8) % 60,
            }
            let late = expire(&mut deadlines, now);
            for key in &late {
                let at = model.remove(key).unwrap_or_else(|| panic!("{key:?} at step {step}"));
                assert!(at <= now, "{key:?} is early at step {step}");
            }
            let first = model.values().min();
            assert!(first.is_none_or(|&at| at + TICK > now), "one is forgotten at step {step}");
            assert!(first.is_none() || deadlines.next_at().is_some(), "no timer at step {step}");
        }
    }
}
