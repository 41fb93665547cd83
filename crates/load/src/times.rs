//! How long a run took. Its rate is counted over these times.

use crate::source::Nanos;

/// The times of one thread or of all threads, each from the end of the warm-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// Until the last outcome, or until the end of the duration if that was later.
    pub(crate) measured: Nanos,
    /// Until the last request went out.
    pub(crate) sending: Nanos,
    /// Requests that had their outcome by then.
    pub(crate) settled: u64,
    /// Open loop: until the last request should have gone out.
    pub(crate) planned: Nanos,
}

impl Times {
    /// Adds the times of another thread of the same run.
    pub(crate) fn add(&mut self, other: &Self) {
        self.measured = self.measured.max(other.measured);
        self.sending = self.sending.max(other.sending);
        self.settled += other.settled;
        self.planned = self.planned.max(other.planned);
    }

    /// `requests` a second. The time after the last request went out does not count: nothing
    /// loads the server then. Waiting for the last answers may take as long as the timeout.
    pub(crate) fn rate(&self, requests: u64, is_open_loop: bool) -> f64 {
        let (requests, time) = match (is_open_loop, self.settled) {
            // An open loop has its own pace, however late the answers are.
            (true, _) => (requests, self.sending),
            // The run was shorter than one answer.
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
