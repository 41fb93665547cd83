//! The counters of one thread.

use hdrhistogram::Histogram;
use reactor_proto::h2::ErrorCode;

use crate::source::Nanos;

/// Significant digits that are kept of a time.
const DIGITS: u8 = 3;
/// The longest time that is kept apart, an hour; longer times count as this.
const LONGEST: Nanos = 3_600_000_000_000;
/// Statuses have three digits.
const STATUSES: usize = 1000;

/// The error codes of HTTP/2, and one place for those that it does not define.
pub(crate) const CODES: usize = 15;

/// Where frames with this error code are counted.
pub(crate) fn place_of(code: ErrorCode) -> usize {
    (code.0 as usize).min(CODES - 1)
}

/// Why a request did not get a right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// No connection could be opened for it, or its TLS handshake failed.
    Connect,
    /// The connection broke while it was being sent.
    Send,
    /// The connection broke or ended before the whole answer had come, the server reset the
    /// stream, or the answer was no HTTP response.
    Receive,
    /// No whole answer within the timeout.
    Timeout,
    /// An answer with another status than the expected one.
    Status,
    /// An answer with the right status and another body than the expected one.
    Body,
}

impl ErrorClass {
    /// All of them, in the order in which a request can meet them.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Send, Self::Receive, Self::Timeout, Self::Status, Self::Body];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Body => "body",
        }
    }
}

/// A histogram of times.
pub(crate) fn times() -> Histogram<u64> {
    // The constructor accepts these constants. If it did not, a histogram that grows would
    // do as well.
    Histogram::new_with_bounds(1, LONGEST, DIGITS)
        .unwrap_or_else(|_| Histogram::new(DIGITS).unwrap_or_else(|_| unreachable_digits()))
}

/// `DIGITS` is in the range that every constructor accepts.
fn unreachable_digits() -> Histogram<u64> {
    unreachable!("three digits are within 0 to 5")
}

/// Counters that add up.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Requests with a right answer.
    pub(crate) succeeded: u64,
    /// By [`ErrorClass`].
    pub(crate) errors: [u64; ErrorClass::ALL.len()],
    /// The first error of each class, in words.
    pub(crate) first: [Option<String>; ErrorClass::ALL.len()],
    pub(crate) statuses: Box<[u64]>,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Connections that were opened, and that could not be.
    pub(crate) opened: u64,
    pub(crate) refused: u64,
    /// TLS handshakes of the connections that were opened.
    pub(crate) handshakes: Handshakes,
    /// Connections closed over bytes that answer no request.
    pub(crate) unasked: u64,
    /// Requests of an open loop that never went out.
    pub(crate) unsent: u64,
    /// RST_STREAM and GOAWAY frames that came, by [`place_of`] their error code.
    pub(crate) resets: [u64; CODES],
    pub(crate) goaways: [u64; CODES],
    pub(crate) latency: Histogram<u64>,
    /// How late requests of an open loop went out.
    pub(crate) delay: Option<Histogram<u64>>,
}

/// TLS handshakes that were done.
#[derive(Clone, Debug)]
pub(crate) struct Handshakes {
    /// Those that took up an earlier session.
    pub(crate) resumed: u64,
    /// How long they took.
    pub(crate) times: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new(open_loop: bool) -> Self {
        Self {
            succeeded: 0,
            errors: Default::default(),
            first: Default::default(),
            statuses: vec![0; STATUSES].into_boxed_slice(),
            bytes_sent: 0,
            bytes_received: 0,
            opened: 0,
            refused: 0,
            handshakes: Handshakes { resumed: 0, times: times() },
            unasked: 0,
            unsent: 0,
            resets: [0; CODES],
            goaways: [0; CODES],
            latency: times(),
            delay: open_loop.then(times),
        }
    }

    /// A whole response came `latency` after its request was due.
    #[inline]
    pub(crate) fn response(&mut self, status: u16, latency: Nanos) {
        self.statuses[usize::from(status) % STATUSES] += 1;
        self.latency.saturating_record(latency);
    }

    /// A TLS handshake is done.
    pub(crate) fn handshake(&mut self, resumed: bool, took: Nanos) {
        self.handshakes.resumed += u64::from(resumed);
        self.handshakes.times.saturating_record(took);
    }

    /// A request failed.
    #[cold]
    pub(crate) fn error(&mut self, class: ErrorClass, what: &dyn std::fmt::Display) {
        self.errors[class as usize] += 1;
        self.first[class as usize].get_or_insert_with(|| what.to_string());
    }

    /// `count` requests failed, maybe none.
    #[cold]
    pub(crate) fn errors(&mut self, class: ErrorClass, count: u64, what: &dyn std::fmt::Display) {
        if count > 0 {
            self.error(class, what);
            self.errors[class as usize] += count - 1;
        }
    }

    /// Requests that have an outcome.
    pub(crate) fn requests(&self) -> u64 {
        self.succeeded + self.failed()
    }

    /// Requests without a right answer.
    pub(crate) fn failed(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Adds `other` to it and empties `other`.
    pub(crate) fn take(&mut self, other: &mut Self) {
        let pairs = [
            (&mut self.succeeded, &mut other.succeeded),
            (&mut self.bytes_sent, &mut other.bytes_sent),
            (&mut self.bytes_received, &mut other.bytes_received),
            (&mut self.opened, &mut other.opened),
            (&mut self.refused, &mut other.refused),
            (&mut self.handshakes.resumed, &mut other.handshakes.resumed),
            (&mut self.unasked, &mut other.unasked),
            (&mut self.unsent, &mut other.unsent),
        ];
        let lists = self.errors.iter_mut().zip(&mut other.errors);
        let codes = self.resets.iter_mut().chain(&mut self.goaways);
        let codes = codes.zip(other.resets.iter_mut().chain(&mut other.goaways));
        let statuses = self.statuses.iter_mut().zip(&mut other.statuses);
        for (sum, part) in pairs.into_iter().chain(lists).chain(codes).chain(statuses) {
            *sum += std::mem::take(part);
        }
        for (mine, theirs) in self.first.iter_mut().zip(&mut other.first) {
            let theirs = theirs.take();
            if mine.is_none() {
                *mine = theirs;
            }
        }
        move_times(&mut self.latency, &mut other.latency);
        move_times(&mut self.handshakes.times, &mut other.handshakes.times);
        if let (Some(mine), Some(theirs)) = (&mut self.delay, &mut other.delay) {
            move_times(mine, theirs);
        }
    }
}

fn move_times(sum: &mut Histogram<u64>, part: &mut Histogram<u64>) {
    if !part.is_empty() {
        // Fails only between histograms of different bounds.
        let _ = sum.add(&*part);
        part.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The sum is the same however the values are spread over threads and flushes.
        #[test]
        fn parts_add_up_to_the_whole(
            parts in prop::collection::vec(
                prop::collection::vec((0u64..LONGEST * 2, 100u16..1000), 0..30), 0..6,
            ),
        ) {
            let (mut whole, mut sum) = (Tally::new(true), Tally::new(true));
            for part in &parts {
                let mut tally = Tally::new(true);
                for &(latency, status) in part {
                    for tally in [&mut tally, &mut whole] {
                        tally.response(status, latency);
                        tally.bytes_received += 7;
                        if status < 400 {
                            tally.succeeded += 1;
                        } else {
                            tally.error(ErrorClass::Status, &status);
                        }
                    }
                }
                sum.take(&mut tally);
                prop_assert_eq!(tally.requests(), 0);
                prop_assert_eq!(tally.latency.len(), 0);
            }
            prop_assert_eq!(&sum.latency, &whole.latency);
            prop_assert_eq!(&sum.statuses, &whole.statuses);
            prop_assert_eq!(&sum.first, &whole.first);
            prop_assert_eq!(sum.requests(), whole.requests());
            prop_assert_eq!(sum.failed(), whole.failed());
            prop_assert_eq!(sum.bytes_received, whole.bytes_received);
        }
    }

    #[test]
    fn times_are_exact_to_a_thousandth_and_never_lost() {
        let mut tally = Tally::new(false);
        for value in [1, 999, 123_456_789, LONGEST * 100] {
            tally.response(200, value);
        }
        assert_eq!(tally.latency.len(), 4);
        assert_eq!(tally.latency.value_at_quantile(0.5), 999);
        let third = tally.latency.value_at_quantile(0.75);
        assert!(third.abs_diff(123_456_789) <= 123_456, "{third}");
        assert!(tally.latency.max() >= LONGEST);
    }
}
