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
    /// Entries that belong to a lane.
    at_lane: u32,
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

    /// Whether some entry belongs to a lane.
    #[inline]
    pub(crate) fn has_lane(&self) -> bool {
        self.at_lane > 0
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert!(entry.answer.is_none() && entry.untaken == 0);
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

    /// The lane has taken up to `bytes` of the body, or takes no more of it. Returns how many bytes
    /// no longer count as untaken.
    pub(crate) fn take(&mut self, place: usize, bytes: usize) -> usize {
        let Some(entry) = self.get_mut(place) else { return 0 };
        let taken = bytes.min(entry.untaken);
        entry.untaken -= taken;
        self.untaken -= taken;
        taken
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

    /// Makes the next entry the first. Returns its answer if that has come.
    #[inline]
    pub(crate) fn advance(&mut self) -> Option<Answer> {
        let entry = self.entries.get(self.ended)?;
        debug_assert!(entry.answer.is_none() && entry.untaken == 0);
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
        (self.held, self.whole, self.untaken, self.at_lane) = (0, 0, 0, 0);
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
            if ring.entries.capacity() > KEEP_PLACES {
                ring.entries = Vec::new();
            }
            self.free.push(ring);
        }
    }
}
