//! The open exchanges of a protocol that answers in the order of the requests.

use crate::exchange::answer::Answer;
use crate::exchange::entry::{AtLane, Entry};
use crate::exchange::response::Response;
use crate::exchange::terms::Terms;

/// Rings kept for further connections.
const KEEP: usize = 1024;

/// Places that an empty ring keeps.
const KEEP_PLACES: usize = 32;

/// Entries that have ended and are kept, before the others move to the front.
const MOST_ENDED: usize = 64;

/// Bytes of informational answers that wait for their turn. In bytes.
const MOST_INTERIM: usize = 16 * 1024;

/// Entries in the order of their requests. The first is in turn. The ring counts what its entries
/// hold, so that nothing has to go over them to know it.
#[derive(Default)]
pub(crate) struct Ring {
    /// Entries that have ended, and behind them the open ones. A ring is soon empty again, so
    /// entries rarely have to move.
    entries: Vec<Entry>,
    /// How many have ended.
    ended: usize,
    /// Bytes of the answers that wait.
    held: usize,
    /// How many of these are whole.
    whole: u32,
    /// Bytes of request bodies that the lane has been told of and has not taken.
    untaken: usize,
    /// Bytes that were collected for the lane and that it has not taken.
    rests: usize,
    /// Entries that belong to a lane.
    at_lane: u32,
    /// Informational answers that wait for their turn, with the numbers of their exchanges.
    interim: Vec<(u32, Vec<u8>)>,
}

impl Ring {
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the protocol bounds it, far below u32::MAX"
    )]
    pub(crate) fn len(&self) -> u32 {
        (self.entries.len() - self.ended) as u32
    }

    /// Bytes of the answers that wait.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Entries whose answer is not yet whole.
    #[inline]
    pub(crate) fn unanswered(&self) -> u32 {
        self.len() - self.whole
    }

    /// Bytes of request bodies that the lane has not taken.
    #[inline]
    pub(crate) fn untaken(&self) -> usize {
        self.untaken
    }

    /// Bytes that were collected for the lane and that it has not taken.
    pub(crate) fn rests(&self) -> usize {
        self.rests
    }

    /// Whether some entry belongs to a lane.
    #[inline]
    pub(crate) fn has_lane(&self) -> bool {
        self.at_lane > 0
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert!(entry.answer.is_none() && entry.untaken + entry.rest == 0);
        self.at_lane += u32::from(entry.lane != AtLane::No);
        self.entries.push(entry);
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&Entry> {
        self.entries.get(self.ended + place)
    }

    #[inline]
    fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.entries.get_mut(self.ended + place)
    }

    /// The terms and the mark of the entry in this place.
    #[inline]
    pub(crate) fn terms_mut(&mut self, place: usize) -> Option<(&mut Terms, bool)> {
        self.get_mut(place).map(|entry| (&mut entry.terms, entry.mark))
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries[self.ended..].iter()
    }

    /// What the lane knows of the entry in this place.
    pub(crate) fn set_lane(&mut self, place: usize, lane: AtLane) {
        if let Some(entry) = self.get_mut(place) {
            let before = std::mem::replace(&mut entry.lane, lane);
            self.at_lane -= u32::from(before != AtLane::No);
            self.at_lane += u32::from(lane != AtLane::No);
        }
    }

    /// The lane has been told of more of the body.
    pub(crate) fn add_untaken(&mut self, place: usize, bytes: usize) {
        if let Some(entry) = self.get_mut(place) {
            entry.untaken += bytes;
            self.untaken += bytes;
        }
    }

    /// More of the body has been collected for the lane.
    pub(crate) fn add_rest(&mut self, place: usize, bytes: usize) {
        if let Some(entry) = self.get_mut(place) {
            entry.rest += bytes;
            self.rests += bytes;
        }
    }

    /// The lane has taken up to `bytes` of the body, or takes no more of it. Returns how many bytes
    /// no longer count as untaken, and how many as collected for it, which came last.
    pub(crate) fn take(&mut self, place: usize, bytes: usize) -> (usize, usize) {
        let Some(entry) = self.get_mut(place) else { return (0, 0) };
        let taken = bytes.min(entry.untaken);
        let collected = (bytes - taken).min(entry.rest);
        entry.untaken -= taken;
        entry.rest -= collected;
        self.untaken -= taken;
        self.rests -= collected;
        (taken, collected)
    }

    /// Keeps an answer until its turn. Returns the beginning of another one that was in its place;
    /// nothing of that one has been sent.
    pub(crate) fn keep(&mut self, place: usize, answer: Answer) -> Option<Answer> {
        let (held, whole) = (answer.held(), u32::from(answer.is_whole()));
        let entry = self.get_mut(place)?;
        let begun = entry.answer.replace(answer);
        self.held += held;
        self.whole += whole;
        let begun = begun?;
        self.unweigh(&begun);
        Some(begun)
    }

    /// Changes the response that waits in this place. Returns None if none waits.
    pub(crate) fn change<R>(
        &mut self,
        place: usize,
        change: impl FnOnce(&mut Response) -> R,
    ) -> Option<R> {
        let mut answer = self.get_mut(place)?.answer.take()?;
        self.unweigh(&answer);
        let result = match &mut answer {
            Answer::Task(task) => Some(change(&mut task.response)),
            _ => None,
        };
        self.held += answer.held();
        self.whole += u32::from(answer.is_whole());
        if let Some(entry) = self.get_mut(place) {
            entry.answer = Some(answer);
        }
        result
    }

    /// Keeps an informational answer until its turn. It is dropped if the ring has too much of them.
    pub(crate) fn keep_interim(&mut self, stream: u32, lines: Vec<u8>) {
        let kept: usize = self.interim.iter().map(|(_, lines)| lines.len()).sum();
        if kept + lines.len() <= MOST_INTERIM {
            self.interim.push((stream, lines));
        }
    }

    #[inline]
    pub(crate) fn has_interim(&self) -> bool {
        !self.interim.is_empty()
    }

    /// Takes the informational answers of this exchange out, and those before it.
    pub(crate) fn take_interim(&mut self, stream: u32) -> Vec<Vec<u8>> {
        let is_due = |&(of, _): &(u32, Vec<u8>)| of.wrapping_sub(stream).cast_signed() <= 0;
        let (due, later): (Vec<_>, _) = self.interim.drain(..).partition(is_due);
        self.interim = later;
        due.into_iter().filter(|(of, _)| *of == stream).map(|(_, lines)| lines).collect()
    }

    /// Makes the next entry the first. Returns its answer if that has come.
    #[inline]
    pub(crate) fn advance(&mut self) -> Option<Answer> {
        let entry = self.entries.get(self.ended)?;
        debug_assert!(entry.answer.is_none() && entry.untaken + entry.rest == 0);
        self.at_lane -= u32::from(entry.lane != AtLane::No);
        self.ended += 1;
        if self.ended >= MOST_ENDED {
            self.entries.drain(..self.ended);
            self.ended = 0;
        }
        let answer = self.get_mut(0)?.answer.take()?;
        self.unweigh(&answer);
        Some(answer)
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        let ended = std::mem::take(&mut self.ended);
        (self.held, self.whole, self.at_lane) = (0, 0, 0);
        (self.untaken, self.rests) = (0, 0);
        self.entries.drain(..).skip(ended)
    }

    fn unweigh(&mut self, answer: &Answer) {
        self.held -= answer.held();
        self.whole -= u32::from(answer.is_whole());
    }
}

/// Empty rings, so that a connection without requests owns none.
#[derive(Default)]
pub(crate) struct RingPool {
    /// Boxed, as connections have them: taking one moves a pointer.
    #[allow(clippy::vec_box, reason = "connections hold the boxes")]
    free: Vec<Box<Ring>>,
}

impl RingPool {
    #[inline]
    pub(crate) fn take(&mut self) -> Box<Ring> {
        self.free.pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn put(&mut self, mut ring: Box<Ring>) {
        debug_assert!(ring.len() == 0);
        if self.free.len() < KEEP {
            ring.entries.clear();
            ring.ended = 0;
            ring.interim = Vec::new();
            if ring.entries.capacity() > KEEP_PLACES {
                ring.entries = Vec::new();
            }
            self.free.push(ring);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Instant;

    use super::*;
    use crate::exchange::answer::ServerAnswer;
    use crate::exchange::body::StreamState;
    use crate::exchange::task::Task;

    /// What a model knows of an entry: whether it belongs to a lane, its untaken bytes and those
    /// of its rest, and the bytes of its answer with whether that is whole.
    #[derive(Clone, Copy, Default)]
    struct Known {
        lane: bool,
        untaken: usize,
        rest: usize,
        answer: Option<(usize, bool)>,
    }

    fn whole(bytes: usize) -> Answer {
        let mut task = Task::new(Instant::now());
        task.response.body(vec![0; bytes]);
        Answer::Task(Box::new(task))
    }

    fn begun(bytes: usize) -> Answer {
        let mut task = Task::new(Instant::now());
        task.response.body(vec![0; bytes]);
        task.response.stream(None);
        Answer::Task(Box::new(task))
    }

    fn check(ring: &Ring, model: &VecDeque<Known>) {
        let answers = || model.iter().filter_map(|known| known.answer);
        assert_eq!(ring.len() as usize, model.len());
        assert_eq!(ring.held(), answers().map(|(bytes, _)| bytes).sum::<usize>());
        let whole = answers().filter(|(_, whole)| *whole).count();
        assert_eq!(ring.unanswered() as usize, model.len() - whole);
        assert_eq!(ring.untaken(), model.iter().map(|known| known.untaken).sum::<usize>());
        let collected = model.iter().map(|known| known.rest).sum::<usize>();
        assert_eq!(ring.rests(), collected);
        assert_eq!(ring.has_lane(), model.iter().any(|known| known.lane));
    }

    /// Against a plain queue, over a long run of arbitrary calls.
    #[test]
    fn counts_what_its_entries_hold() {
        let mut ring = Ring::default();
        let mut model: VecDeque<Known> = VecDeque::new();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let number = usize::try_from(seed >> 40).unwrap();
            let (place, bytes) = (number % model.len().max(1), number % 97);
            match seed % 8 {
                0 | 1 if model.len() < 64 => {
                    let lane = bytes % 2 == 0;
                    let at = if lane { AtLane::Given } else { AtLane::No };
                    ring.push(Entry { lane: at, ..Entry::default() });
                    model.push_back(Known { lane, ..Known::default() });
                }
                _ if model.is_empty() => {}
                2 if place > 0 => {
                    let (answer, known) = match bytes % 3 {
                        0 => (whole(bytes), (bytes, true)),
                        1 => (begun(bytes), (bytes, false)),
                        _ => (Answer::Server(ServerAnswer::NotFound), (0, true)),
                    };
                    let before = ring.keep(place, answer).map(|answer| answer.held());
                    assert_eq!(before, model[place].answer.map(|(bytes, _)| bytes));
                    model[place].answer = Some(known);
                }
                3 => {
                    let changed = ring.change(place, |response| {
                        let Some(body) = response.open_stream() else { return false };
                        assert!(body.append(&[0; 5]));
                        body.state = StreamState::Ended;
                        true
                    });
                    if changed == Some(true)
                        && let Some((bytes, whole)) = &mut model[place].answer
                    {
                        (*bytes, *whole) = (*bytes + 5, true);
                    }
                }
                4 => {
                    ring.set_lane(place, AtLane::No);
                    model[place].lane = false;
                }
                5 => {
                    ring.add_untaken(place, bytes);
                    model[place].untaken += bytes;
                    ring.add_rest(place, bytes / 2);
                    model[place].rest += bytes / 2;
                }
                6 => {
                    let known = &mut model[place];
                    let taken = bytes.min(known.untaken);
                    let collected = (bytes - taken).min(known.rest);
                    assert_eq!(ring.take(place, bytes), (taken, collected));
                    known.untaken -= taken;
                    known.rest -= collected;
                }
                _ => {
                    ring.take(0, usize::MAX);
                    let next = model.get_mut(1).and_then(|known| known.answer.take());
                    assert_eq!(
                        ring.advance().map(|answer| answer.held()),
                        next.map(|(held, _)| held)
                    );
                    model.pop_front();
                }
            }
            check(&ring, &model);
        }
        assert_eq!(ring.drain().count(), model.len());
        check(&ring, &VecDeque::new());
    }
}
