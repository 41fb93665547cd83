//! Which requests go out, and the time from which each counts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Plan;

/// Nanoseconds since the start of the run.
pub(crate) type Nanos = u64;

/// How long late requests may still go out after the end of an open loop. Later ones would
/// only measure how long the run was.
const GRACE: Nanos = 1_000_000_000;

/// A duration as [`Nanos`]. It saturates at 584 years.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

/// The requests of one thread, in the order in which they are due. It has neither
/// connections nor a clock.
#[derive(Debug)]
pub(crate) struct Source {
    /// The times of an open loop; none in a closed loop.
    pace: Option<Pace>,
    /// Counted requests that are still to come.
    left: Option<u64>,
    /// Requests that count from an earlier time are warm-up.
    counts_from: Nanos,
    /// No request counts from here on or later.
    until: Nanos,
    /// Requests that were taken and then not sent or not answered; they go out once more.
    returned: VecDeque<Nanos>,
}

/// The times at which the requests of an open loop are due. The requests of all threads are
/// evenly spread. Request `n` of thread `index` is request `n * threads + index` of all.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: u64,
    threads: u64,
    /// The next request's place among those of all threads.
    place: u64,
    /// When that request is due.
    intended: Nanos,
}

impl Pace {
    fn new(rate: u64, threads: u64, index: u64) -> Self {
        Self { rate, threads, place: index, intended: 0 }.at(index)
    }

    fn at(self, place: u64) -> Self {
        let intended = u128::from(place) * 1_000_000_000 / u128::from(self.rate);
        Self { place, intended: Nanos::try_from(intended).unwrap_or(Nanos::MAX), ..self }
    }

    fn advance(&mut self) {
        *self = self.at(self.place.saturating_add(self.threads));
    }
}

impl Source {
    /// The share of thread `index` in `plan`.
    pub(crate) fn new(plan: &Plan, index: usize) -> Self {
        let counts_from = nanos(plan.warmup);
        let until = plan.duration.map_or(Nanos::MAX, |d| counts_from.saturating_add(nanos(d)));
        if plan.is_broadcast() && index > 0 {
            // The first thread publishes.
            return Self {
                pace: None,
                left: Some(0),
                counts_from,
                until,
                returned: VecDeque::new(),
            };
        }
        let threads = if plan.is_broadcast() { 1 } else { plan.threads as u64 };
        let index = index as u64;
        let pace = plan.rate.map(|rate| Pace::new(rate.into(), threads, index));
        // The first threads take the remainder.
        let left = plan.requests.map(|n| n / threads + u64::from(index < n % threads));
        Self { pace, left, counts_from, until, returned: VecDeque::new() }
    }

    /// The time from which the next request counts, if it may go out at `now`.
    #[inline]
    pub(crate) fn take(&mut self, now: Nanos) -> Option<Nanos> {
        if !self.returned.is_empty() {
            return self.returned.pop_front();
        }
        let from = match self.pace {
            None => now,
            Some(pace) => {
                if pace.intended > now || now >= self.until.saturating_add(GRACE) {
                    return None;
                }
                pace.intended
            }
        };
        if from >= self.until {
            return None;
        }
        if self.is_counted(from)
            && let Some(left) = &mut self.left
        {
            *left = left.checked_sub(1)?;
        }
        if let Some(pace) = &mut self.pace {
            pace.advance();
        }
        Some(from)
    }

    /// A request that the server has said it will not answer goes out once more.
    pub(crate) fn give_back(&mut self, from: Nanos) {
        self.returned.push_back(from);
    }

    /// Whether a request that counts from `from` is part of the result.
    #[inline]
    pub(crate) fn is_counted(&self, from: Nanos) -> bool {
        from >= self.counts_from
    }

    /// When the next request is due, if it depends on the time.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        if !self.returned.is_empty() {
            return Some(0);
        }
        let Pace { intended, .. } = self.pace?;
        let over = intended >= self.until || (self.is_spent() && self.is_counted(intended));
        (!over).then_some(intended)
    }

    /// Whether all requests that count have been taken. False if their number has no bound.
    pub(crate) fn is_spent(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether no more requests will come, at `now` or later.
    pub(crate) fn is_exhausted(&self, now: Nanos) -> bool {
        if !self.returned.is_empty() {
            return false;
        }
        let spent = self.is_spent();
        match self.pace {
            None => spent && self.is_counted(now) || now >= self.until,
            Some(Pace { intended, .. }) => {
                spent && self.is_counted(intended)
                    || now >= self.until && intended >= self.until
                    || now >= self.until.saturating_add(GRACE)
            }
        }
    }

    /// When the next of the requests was due that did not go out. Call it until it returns
    /// none.
    pub(crate) fn next_missed(&mut self, now: Nanos) -> Option<Nanos> {
        let intended = self.next_due().filter(|&intended| intended <= now)?;
        if let Some(from) = self.returned.pop_front() {
            return Some(from);
        }
        if self.is_counted(intended)
            && let Some(left) = &mut self.left
        {
            *left = left.saturating_sub(1);
        }
        if let Some(pace) = &mut self.pace {
            pace.advance();
        }
        Some(intended)
    }

    /// Open loop: until when the requests taken so far make up the schedule. Each of them stands
    /// for the time until the next one is due.
    pub(crate) fn covered(&self) -> Nanos {
        self.pace.map_or(0, |pace| pace.intended.min(self.until))
    }

    /// When counting begins.
    pub(crate) fn counts_from(&self) -> Nanos {
        self.counts_from
    }

    /// When sending ends.
    pub(crate) fn until(&self) -> Nanos {
        self.until
    }
}

#[cfg(test)]
mod tests;
