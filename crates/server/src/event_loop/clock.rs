//! The time, read once per loop turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reactor_proto::response::date;

/// Milliseconds on the loop's own monotonic clock.
pub(crate) type Millis = u64;

/// A monotonic clock and the `Date` line that goes with it.
pub(crate) struct Clock {
    start: Instant,
    now: Instant,
    /// `now` since `start`.
    millis: Millis,
    /// When the `Date` line is out of date.
    stale_at: Instant,
    line: [u8; 37],
    turn: u64,
}

/// Readings of one clock before its numbers are those of another. Clocks are few.
const TURNS: u64 = 1 << 48;

/// How many clocks there were.
static CLOCKS: AtomicU64 = AtomicU64::new(0);

impl Clock {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        let turn = CLOCKS.fetch_add(1, Ordering::Relaxed).wrapping_mul(TURNS);
        let mut clock = Self { start, now: start, millis: 0, stale_at: start, line: *DATE, turn };
        clock.read();
        clock
    }

    /// Reads the monotonic clock. Reads the wall clock only once a second, since `Date` has no
    /// finer grain (RFC 9110 §5.6.7).
    pub(crate) fn read(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.now = Instant::now();
        self.millis = u64::try_from((self.now - self.start).as_millis()).unwrap_or(u64::MAX);
        if self.now >= self.stale_at {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.line[6..35].copy_from_slice(&date(wall.as_secs()));
            let left = 1_000_000_000 - wall.subsec_nanos();
            self.stale_at = self.now + Duration::from_nanos(u64::from(left));
        }
    }

    /// Sets the time instead of reading it: `millis` after the clock's start, `wall` seconds since
    /// 1970.
    #[cfg(test)]
    pub(crate) fn set(&mut self, millis: Millis, wall: u64) {
        self.now = self.start + Duration::from_millis(millis);
        self.millis = millis;
        self.line[6..35].copy_from_slice(&date(wall));
    }

    /// The number of the last reading, which no other clock of this process has. Never 0.
    pub(crate) fn turn(&self) -> u64 {
        self.turn
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn millis(&self) -> Millis {
        self.millis
    }

    /// `Date: …` with its line end.
    pub(crate) fn date_line(&self) -> &[u8; 37] {
        &self.line
    }
}

const DATE: &[u8; 37] = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
