//! How long a run took: what its rate is counted over.

use crate::source::Nanos;

/// The times of one thread, or of all; each from the end of the warm-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// To the last outcome, or to the end of the duration if that was later.
    pub(crate) measured: Nanos,
    /// To when requests ended to go out.
    pub(crate) sending: Nanos,
    /// Requests that had their outcome until then.
    pub(crate) settled: u64,
    /// Open loop: to when they were to end to go out.
    pub(crate) planned: Nanos,
}

impl Times {
    /// Adds those of another thread, which ran beside.
    pub(crate) fn add(&mut self, other: &Self) {
        self.measured = self.measured.max(other.measured);
        self.sending = self.sending.max(other.sending);
        self.settled += other.settled;
        self.planned = self.planned.max(other.planned);
    }

    /// `requests` a second. While the last answers are waited for, which may be as long as
    /// the timeout, the load is none any more: that time does not count.
    pub(crate) fn rate(&self, requests: u64, is_open_loop: bool) -> f64 {
        let (requests, time) = match (is_open_loop, self.settled) {
            // Its pace is its own, however late the answers.
            (true, _) => (requests, self.sending),
            // Shorter than one answer takes.
            (false, 0) => (requests, self.measured),
            (false, settled) => (settled, self.sending),
        };
        if time == 0 { 0.0 } else { requests as f64 / (time as f64 / 1e9) }
    }

    /// Whether an open loop's requests went out at no less than 99 % of their rate.
    pub(crate) fn kept_pace(&self) -> bool {
        self.planned > 0 && self.planned as f64 >= 0.99 * self.sending as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_closed_loop_has_the_rate_of_the_time_in_which_it_sent() {
        let mut times = Times { measured: 2 * SECOND, sending: SECOND, settled: 500, planned: 0 };
        times.add(&Times { measured: 6 * SECOND, settled: 400, ..times });
        assert_eq!(times.rate(901, false).round(), 900.0);
        assert_eq!(Times { settled: 0, ..times }.rate(60, false).round(), 10.0);
        assert_eq!(Times::default().rate(0, false).to_bits(), 0);
    }

    #[test]
    fn an_open_loop_has_the_rate_at_which_it_sent() {
        let times = Times { measured: 6 * SECOND, sending: SECOND, settled: 1, planned: SECOND };
        assert_eq!(times.rate(900, true).round(), 900.0);
        assert_eq!(Times::default().rate(0, true).to_bits(), 0);
    }

    #[test]
    fn an_open_loop_keeps_pace_if_all_went_out_in_time() {
        let times = |sending| Times { planned: SECOND, sending, ..Times::default() };
        assert!(times(SECOND).kept_pace());
        assert!(times(SECOND + SECOND / 101).kept_pace());
        assert!(!times(SECOND + SECOND / 98).kept_pace());
        assert!(!Times::default().kept_pace());
    }
}
