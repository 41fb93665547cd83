//! Whether loops still turn, found out by somebody who looks now and then.

use std::time::{Duration, Instant};

/// How much the time between two looks counts at most. A process that was stopped for an hour, with
/// its machine or by SIGSTOP, has no loop that was stuck for an hour.
const MOST: Duration = Duration::from_secs(5);

/// What somebody saw who looked at the turns of loops. A loop may sleep, so each look must be
/// followed by a nudge: then a loop that is well has turned by the next look.
#[derive(Debug, Default)]
pub struct Pulse {
    last_look: Option<Instant>,
    loops: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    turns: u64,
    /// How long it has had no turn.
    still: Duration,
}

impl Pulse {
    /// Looks at the number of turns of each loop. Returns the longest time that a loop has had no
    /// turn, though it was nudged.
    pub(crate) fn look(&mut self, turns: impl Iterator<Item = u64>, now: Instant) -> Duration {
        let last = self.last_look.replace(now);
        let passed = last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let mut longest = Duration::ZERO;
        for (index, turns) in turns.enumerate() {
            if index == self.loops.len() {
                self.loops.push(Seen { turns, still: Duration::ZERO });
            }
            let seen = &mut self.loops[index];
            if turns == seen.turns {
                seen.still += passed.min(MOST);
            } else {
                *seen = Seen { turns, still: Duration::ZERO };
            }
            longest = longest.max(seen.still);
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_loop_that_has_no_turn_between_looks_is_still() {
        let (mut pulse, at) = (Pulse::default(), Instant::now());
        assert_eq!(
            pulse.look([7, 3].into_iter(), at),
            Duration::ZERO,
            "the first look knows nothing"
        );
        assert_eq!(pulse.look([8, 4].into_iter(), at + 2 * S), Duration::ZERO);
        assert_eq!(pulse.look([9, 4].into_iter(), at + 4 * S), 2 * S, "one of them stands still");
        assert_eq!(pulse.look([9, 4].into_iter(), at + 6 * S), 4 * S);
        assert_eq!(pulse.look([9, 5].into_iter(), at + 7 * S), 3 * S, "now it is the other");
        assert_eq!(pulse.look([10, 6].into_iter(), at + 8 * S), Duration::ZERO);
    }

    #[test]
    fn a_process_that_was_stopped_has_no_loop_that_was_stuck() {
        let (mut pulse, at) = (Pulse::default(), Instant::now());
        pulse.look([1].into_iter(), at);
        assert_eq!(pulse.look([1].into_iter(), at + 3600 * S), MOST);
        assert_eq!(pulse.look([2].into_iter(), at + 3601 * S), Duration::ZERO);
    }
}
