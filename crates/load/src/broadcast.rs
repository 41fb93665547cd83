//! What the threads of a broadcast tell each other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::Nanos;

/// Messages whose times are kept. A subscriber that is further behind gets the time of a later one.
const TIMES: u64 = 1 << 16;
/// Not yet.
const NEVER: u64 = u64::MAX;

/// Written by the thread of the connection that publishes.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// When each of the last messages was due.
    times: Box<[AtomicU64]>,
    /// Messages that went out.
    published: AtomicU64,
    /// The first that counts.
    first: AtomicU64,
    /// When the last went out.
    ended: AtomicU64,
}

impl Broadcast {
    pub(crate) fn new() -> Self {
        Self {
            times: (0..TIMES).map(|_| AtomicU64::new(0)).collect(),
            published: AtomicU64::new(0),
            first: AtomicU64::new(NEVER),
            ended: AtomicU64::new(NEVER),
        }
    }

    /// A message goes out. Returns its number.
    pub(crate) fn publish(&self, from: Nanos, is_counted: bool) -> u64 {
        let number = self.published.load(Ordering::Relaxed);
        self.slot(number).store(from, Ordering::Relaxed);
        if is_counted && self.first.load(Ordering::Relaxed) == NEVER {
            self.first.store(number, Ordering::Relaxed);
        }
        self.published.store(number + 1, Ordering::Release);
        number
    }

    /// No more messages will go out. Only the first call has an effect.
    pub(crate) fn end(&self, now: Nanos) {
        let _ = self.ended.compare_exchange(NEVER, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// When the last message went out, once that is known.
    pub(crate) fn ended(&self) -> Option<Nanos> {
        Some(self.ended.load(Ordering::Acquire)).filter(|&time| time != NEVER)
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// When a message was due, if there was such a message.
    pub(crate) fn due(&self, number: u64) -> Option<Nanos> {
        (number < self.published()).then(|| self.slot(number).load(Ordering::Relaxed))
    }

    /// How many of the messages from `number` to before `end` count.
    pub(crate) fn counted(&self, number: u64, end: u64) -> u64 {
        end.saturating_sub(number.max(self.first.load(Ordering::Relaxed)))
    }

    fn slot(&self, number: u64) -> &AtomicU64 {
        &self.times[(number % TIMES) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_and_counted_from_the_first_that_counts() {
        let broadcast = Broadcast::new();
        assert_eq!((broadcast.due(0), broadcast.counted(0, 5)), (None, 0));
        for at in 0..4 {
            assert_eq!(broadcast.publish(at * 10, at >= 2), at);
        }
        assert_eq!((broadcast.due(3), broadcast.due(4)), (Some(30), None));
        assert_eq!(broadcast.counted(0, 4), 2);
        assert_eq!(broadcast.counted(3, 4), 1);
        assert_eq!(broadcast.ended(), None);
        broadcast.end(35);
        broadcast.end(36);
        assert_eq!(broadcast.ended(), Some(35));
    }
}
