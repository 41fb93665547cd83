//! How many requests of one connection may be at handlers, by the largest answer of late.

use crate::event_loop::clock::Millis;

/// What the answers to one connection's requests at handlers may take together, in bytes, if each
/// is like the largest of late.
pub(crate) const MOST_AT_HANDLERS: usize = 16 * 1024 * 1024;

/// From this size on an answer counts, in bytes: 64 of them are too much.
const LARGE: usize = MOST_AT_HANDLERS / 64;

/// How long a large answer counts, in milliseconds.
const COUNTS_FOR: Millis = 10_000;

/// The largest answer of late of one loop. A client that got small answers may ask for large ones
/// next, and a handler makes them whole. So for a while no connection may have many requests at
/// handlers.
#[derive(Default)]
pub(crate) struct LargeAnswers {
    /// How many requests may be at handlers, and until when that counts.
    deepest: Option<(u32, Millis)>,
}

impl LargeAnswers {
    /// A handler has made an answer of this size.
    #[inline]
    pub(crate) fn note(&mut self, bytes: usize, now: Millis) {
        if bytes > LARGE {
            self.beware(bytes, now);
        }
    }

    #[cold]
    fn beware(&mut self, bytes: usize, now: Millis) {
        let most = u32::try_from(MOST_AT_HANDLERS / bytes).unwrap_or(1).max(1);
        let most = self.deepest(now).map_or(most, |before| before.min(most));
        self.deepest = Some((most, now + COUNTS_FOR));
    }

    /// How many requests of one connection may be at handlers. None: as many as the protocol allows.
    #[inline]
    pub(crate) fn deepest(&mut self, now: Millis) -> Option<u32> {
        let (most, until) = self.deepest?;
        if now >= until {
            self.deepest = None;
            return None;
        }
        Some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_answer_counts_for_ten_seconds() {
        let mut answers = LargeAnswers::default();
        answers.note(LARGE, 0);
        assert_eq!(answers.deepest(0), None);
        answers.note(4 * 1024 * 1024, 0);
        answers.note(1024 * 1024, 5_000);
        assert_eq!(answers.deepest(14_999), Some(4));
        answers.note(64 * 1024 * 1024, 14_999);
        assert_eq!(answers.deepest(14_999), Some(1));
        assert_eq!(answers.deepest(24_999), None);
    }
}
