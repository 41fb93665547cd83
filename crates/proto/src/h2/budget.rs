/// A token bucket: `capacity` at once, and `per_second` again as time passes.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    capacity: u32,
    per_second: u32,
    spent: u32,
    /// When `spent` was last reduced, in ms.
    since: u64,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub const fn new(capacity: u32, per_second: u32) -> Self {
        Self { capacity, per_second, spent: 0, since: 0 }
    }

    /// Takes `n` tokens at the time `now`, in ms of any steady clock. False if there are not
    /// as many; then none is taken.
    #[inline]
    pub fn spend(&mut self, n: u32, now: u64) -> bool {
        self.refill(now);
        match self.spent.checked_add(n) {
            Some(spent) if spent <= self.capacity => {
                self.spent = spent;
                true
            }
            _ => false,
        }
    }

    /// Gives `n` tokens back; the bucket is never more than full.
    #[inline]
    pub fn give_back(&mut self, n: u32) {
        self.spent = self.spent.saturating_sub(n);
    }

    fn refill(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.since);
        if self.spent == 0 || elapsed == 0 {
            self.since = self.since.max(now);
            return;
        }
        let gained = elapsed.saturating_mul(u64::from(self.per_second)) / 1000;
        if gained == 0 {
            // The part of a token that these ms are is not lost.
            return;
        }
        self.spent = self.spent.saturating_sub(u32::try_from(gained).unwrap_or(u32::MAX));
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_capacity_at_once_and_its_rate_later() {
        let mut budget = Budget::new(3, 2);
        assert!(budget.spend(3, 1_000_000));
        assert!(!budget.spend(1, 1_000_000));
        assert!(!budget.spend(1, 1_000_499));
        assert!(budget.spend(1, 1_000_500));
        assert!(!budget.spend(1, 1_000_501));
        assert!(budget.spend(2, 1_001_500));
        assert!(!budget.spend(4, 9_000_000));
        assert!(budget.spend(3, 9_000_000));
    }

    #[test]
    fn small_steps_of_the_clock_add_up() {
        let mut budget = Budget::new(10, 100);
        assert!(budget.spend(10, 0));
        let gained = (1..=1000).filter(|&now| budget.spend(1, now)).count();
        assert_eq!(gained, 100);
    }

    #[test]
    fn a_clock_that_stands_or_steps_back_gives_nothing() {
        let mut budget = Budget::new(1, 1000);
        assert!(budget.spend(1, 50));
        assert!(!budget.spend(1, 50));
        assert!(!budget.spend(1, 10));
        assert!(budget.spend(1, 51));
        budget.give_back(7);
        assert!(budget.spend(1, 51));
        assert!(!budget.spend(u32::MAX, 51));
    }
}
