//! How a server leaves whose listeners a successor goes on with.

use std::time::Duration;

use crate::event_loop::clock::Millis;
use crate::exchange::id::ConnId;

/// When clients have to go. Unlike at a plain stop, a client can come back at once, and the successor
/// waits for nothing. So there is time: the whole of the drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    since: Millis,
    /// The time for all of it.
    drain: Millis,
}

impl Leaving {
    pub(crate) fn new(now: Millis, drain: Duration) -> Self {
        Self { since: now, drain: Millis::try_from(drain.as_millis()).unwrap_or(0) }
    }

    /// How long a connection without a request is kept. Its next request is answered, and the answer
    /// says that it is the last: that loses no request, while to close at any time may. The rest of
    /// the drain is for requests that come at the last moment.
    pub(crate) fn idle_until(&self) -> Millis {
        self.since.saturating_add(self.drain / 4 * 3)
    }

    /// When a WebSocket is closed: within half of the drain, each at a time of its own. Its client
    /// comes back at once, so all at the same time would be a rush on the successor.
    pub(crate) fn socket_at(&self, id: ConnId, stream: u32) -> Millis {
        let mut mixed =
            u64::from(id.slot) << 32 | u64::from(id.generation ^ stream.rotate_left(16));
        // The finaliser of MurmurHash3 spreads neighbours.
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^= mixed >> 33;
        self.since.saturating_add(mixed % (self.drain / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_leave_one_after_the_other_within_half_of_the_time() {
        let leaving = Leaving::new(5000, Duration::from_secs(10));
        let mut at: Vec<_> =
            (0..1000).map(|slot| leaving.socket_at(ConnId { slot, generation: 3 }, 0)).collect();
        at.sort_unstable();
        assert!(at[0] >= 5000 && at[999] < 10_000, "{} to {}", at[0], at[999]);
        let tenths: Vec<_> =
            (0..10).map(|n| at.iter().filter(|&&at| (at - 5000) / 500 == n).count()).collect();
        assert!(tenths.iter().all(|&count| (60..140).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn without_any_time_all_leave_at_once() {
        let leaving = Leaving::new(7, Duration::ZERO);
        assert_eq!(leaving.idle_until(), 7);
        assert_eq!(leaving.socket_at(ConnId { slot: 1, generation: 2 }, 3), 7);
    }
}
