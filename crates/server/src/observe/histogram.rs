//! Durations, counted in buckets.
//!
//! Each decade from 100 ns to 1,000 s has 180 buckets of equal width, so that a value is known to a
//! twentieth at worst.
//!
//! Every decimal bound with two digits, such as 2.5 ms, lies exactly between two buckets.
//! Prometheus asks how many values were at most such a bound, and gets an exact number.

use std::time::Duration;

use crate::observe::counter::Counter;

/// Below 100 ns: this many buckets, 5 ns wide.
const FIRST: usize = 20;
/// Buckets in each decade after that.
const PER_DECADE: usize = 180;
/// Where each decade begins, and the width of its buckets, in nanoseconds. A bucket has the values
/// above its lower bound, up to and including its upper one.
const DECADES: [(u64, u64); 10] = [
    (100, 5),
    (1_000, 50),
    (10_000, 500),
    (100_000, 5_000),
    (1_000_000, 50_000),
    (10_000_000, 500_000),
    (100_000_000, 5_000_000),
    (1_000_000_000, 50_000_000),
    (10_000_000_000, 500_000_000),
    (100_000_000_000, 5_000_000_000),
];
/// The last bucket has what is longer than 1,000 s.
const BUCKETS: usize = FIRST + PER_DECADE * DECADES.len() + 1;

/// How many buckets are one where it need not be exact: 18 remain in a decade.
const COARSE: usize = 10;

/// Counts durations. One thread writes and any thread reads. Recording is a few plain loads and
/// stores.
pub(crate) struct Histogram {
    counts: Box<[Counter]>,
    is_coarse: bool,
    sum: Counter,
    max: Counter,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self::with(BUCKETS, false)
    }

    /// One that takes a tenth of the memory. A value is known to a half at worst. Every decimal bound
    /// with one digit, or a half after it, still lies between two buckets.
    pub(crate) fn coarse() -> Self {
        Self::with(BUCKETS.div_ceil(COARSE), true)
    }

    fn with(buckets: usize, is_coarse: bool) -> Self {
        let counts = (0..buckets).map(|_| Counter::default()).collect();
        Self { counts, is_coarse, sum: Counter::default(), max: Counter::default() }
    }

    pub(crate) fn record(&self, duration: Duration) {
        self.record_many(duration, 1);
    }

    /// The same duration, `count` times.
    pub(crate) fn record_many(&self, duration: Duration, count: u64) {
        self.record_nanos(nanos(duration), count);
    }

    /// The same in nanoseconds.
    #[inline]
    pub(crate) fn record_nanos(&self, nanos: u64, count: u64) {
        let bucket = bucket(nanos);
        self.counts[if self.is_coarse { bucket / COARSE } else { bucket }].add(count);
        self.sum.add(nanos.wrapping_mul(count));
        self.max.raise_to(nanos);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// A duration in nanoseconds; the longest that fits, 584 years, for a longer one.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

/// The bucket of a value.
fn bucket(nanos: u64) -> usize {
    // A bound belongs to the bucket below it.
    let below = nanos.saturating_sub(1);
    let decade = DECADES.partition_point(|&(start, _)| start <= below);
    let Some(&(start, width)) = decade.checked_sub(1).and_then(|index| DECADES.get(index)) else {
        return usize::try_from(below / 5).unwrap_or(0);
    };
    let within = usize::try_from((below - start) / width).unwrap_or(BUCKETS);
    (FIRST + PER_DECADE * (decade - 1) + within).min(BUCKETS - 1)
}

/// The largest value of a bucket; `None` for the last, which has no end.
fn upper_bound(bucket: usize) -> Option<u64> {
    if bucket < FIRST {
        return Some(5 * (bucket as u64 + 1));
    }
    let (decade, within) = ((bucket - FIRST) / PER_DECADE, (bucket - FIRST) % PER_DECADE);
    let (start, width) = DECADES.get(decade)?;
    Some(start + width * (within as u64 + 1))
}

/// What one histogram, or several together, have counted.
pub(crate) struct Distribution {
    counts: Vec<u64>,
    pub(crate) count: u64,
    /// Nanoseconds.
    pub(crate) sum: u64,
    /// Nanoseconds.
    pub(crate) max: u64,
}

impl Default for Distribution {
    #[inline(never)]
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, sum: 0, max: 0 }
    }
}

impl Distribution {
    pub(crate) fn of<'h>(parts: impl Iterator<Item = &'h Histogram>) -> Self {
        let mut total = Self::default();
        parts.for_each(|part| total.add(part));
        total
    }

    #[inline(never)]
    pub(crate) fn add(&mut self, part: &Histogram) {
        // What is in a coarse bucket counts in the last of the buckets that it is.
        let width = if part.is_coarse { COARSE } else { 1 };
        for (index, counter) in part.counts.iter().enumerate() {
            self.counts[((index + 1) * width - 1).min(BUCKETS - 1)] += counter.get();
        }
        self.sum = self.sum.wrapping_add(part.sum.get());
        self.max = self.max.max(part.max.get());
        // Summed from the buckets, so that the numbers agree although threads count meanwhile.
        self.count = self.counts.iter().sum();
    }

    /// The value that this share of all values does not exceed, to a twentieth.
    #[inline(never)]
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank from 1 to the count"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(index).unwrap_or(self.max).min(self.max);
            }
        }
        0
    }

    /// How many values were at most `nanos`. Exact if that is a bound of buckets.
    pub(crate) fn at_most(&self, nanos: u64) -> u64 {
        let until = bucket(nanos) + 1;
        self.counts[..until].iter().sum()
    }

    /// The buckets that are not empty: upper bound in nanoseconds (`None` for the last) and count.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(index, count)| (upper_bound(index), *count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let histogram = Histogram::new();
        for value in values {
            histogram.record(Duration::from_nanos(*value));
        }
        Distribution::of([&histogram].into_iter())
    }

    #[test]
    fn many_at_once_are_as_many_one_by_one() {
        let many = Histogram::new();
        many.record_many(Duration::from_nanos(1_230), 3);
        many.record_many(Duration::from_nanos(99), 0);
        let (many, single) = (Distribution::of([&many].into_iter()), of(&[1_230; 3]));
        assert_eq!((many.count, many.sum, many.max), (single.count, single.sum, single.max));
        assert_eq!(many.quantile(1.0), single.quantile(1.0));
    }

    #[test]
    fn buckets_are_in_order_and_leave_no_gap() {
        let mut last = 0;
        for index in 0..BUCKETS - 1 {
            let end = upper_bound(index).expect("all but the last end");
            assert!(end > last, "bucket {index}");
            assert_eq!(bucket(last + 1), index);
            assert_eq!(bucket(end), index);
            last = end;
        }
        assert_eq!(last, 1_000_000_000_000);
        assert_eq!(bucket(last + 1), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket(0), 0);
    }

    #[test]
    fn decimal_bounds_are_exact() {
        for bound in [100_000, 250_000, 500_000, 1_000_000, 2_500_000, 75_000_000, 10_000_000_000] {
            let counted = of(&[bound - 1, bound, bound + 1]);
            assert_eq!(counted.at_most(bound), 2, "{bound}");
        }
    }

    #[test]
    fn a_coarse_one_knows_bounds_exactly_and_values_to_a_half() {
        let histogram = Histogram::coarse();
        let bounds = [250_000, 1_000_000, 2_500_000, 10_000_000, 1_000_000_000, 10_000_000_000];
        for nanos in bounds.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]) {
            histogram.record(Duration::from_nanos(nanos));
        }
        histogram.record(Duration::from_secs(5_000));
        let counted = Distribution::of([&histogram].into_iter());
        for (index, bound) in bounds.iter().enumerate() {
            assert_eq!(counted.at_most(*bound), index as u64 * 3 + 2, "{bound}");
        }
        assert_eq!((counted.count, counted.quantile(1.0)), (19, 5_000_000_000_000));
        assert_eq!(counted.quantile(0.01), 250_000);
        assert_eq!(of(&[1]).quantile(1.0), 1, "others are as they were");
    }

    #[test]
    fn nothing_counted_has_no_quantiles() {
        let none = of(&[]);
        assert_eq!((none.count, none.quantile(0.5), none.max), (0, 0, 0));
    }

    #[test]
    fn two_threads_add_up() {
        let (one, other) = (Histogram::new(), Histogram::new());
        one.record(Duration::from_micros(1));
        other.record(Duration::from_secs(5_000));
        let both = Distribution::of([&one, &other].into_iter());
        assert_eq!(both.count, 2);
        assert_eq!(both.sum, 5_000_000_001_000);
        assert_eq!(both.quantile(0.5), 1_000);
        assert_eq!(both.quantile(1.0), 5_000_000_000_000);
        let filled: Vec<_> = both.filled().collect();
        assert_eq!(filled, [(Some(1_000), 1), (None, 1)]);
    }

    proptest! {
        #[test]
        fn quantiles_are_exact_to_a_twentieth(
            mut values in proptest::collection::vec(1_u64..10_000_000_000, 1..200),
            share in 0.01_f64..=1.0,
        ) {
            let counted = of(&values);
            values.sort_unstable();
            // The smallest that enough others do not exceed.
            let enough = values.len() as f64 * share;
            let exact = *values.iter().enumerate().find(|(n, _)| *n as f64 + 1.0 >= enough).unwrap().1;
            let told = counted.quantile(share);
            prop_assert!(told >= exact, "{told} below {exact}");
            prop_assert!(told - exact <= exact.max(100) / 20, "{told} for {exact}");
        }
    }
}
