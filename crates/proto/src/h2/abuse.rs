//! What a peer may cost without being of use: known attacks, each with its bound.
//!
//! No rule of the protocol forbids these frames. Together they cost a server more than they
//! cost their sender (RFC 9113 §10.5).

use super::{Budget, ConnectionError};

/// Resets of a peer at once, and again per second. Its own count, and those of ours that it
/// caused: rapid reset (CVE-2023-44487) and MadeYouReset (CVE-2025-8671). So many for every 100
/// streams that may be open: a peer may well give up all that it has, as a balancer does.
const RESETS: u32 = 200;
const RESETS_PER_SECOND: u32 = 20;
/// DATA frames without data, on one connection (CVE-2019-9518).
const EMPTY_DATA: u8 = 100;
/// What DATA frames of less than [`TINY`] bytes may lack in all.
const TINY_DATA: Budget = Budget::new(100 * TINY, 100 * TINY);
const TINY: u32 = 256;
/// A byte of data makes up for this many that a tiny frame lacks. The messages of gRPC have 5
/// bytes at least, and many are sent at once: they have to be free.
const TINY_WORTH: u32 = 51;
/// Frames that are odd, useless or late, at once, and again per second.
const GLITCHES: Budget = Budget::new(1000, 100);
/// Bytes on the wire may be this many times the payload, beyond [`OVERHEAD_FREE`].
const OVERHEAD: u64 = 8;
const OVERHEAD_FREE: u64 = 1 << 20;

/// The bounds of one connection. Every method counts one event; its error ends the
/// connection with ENHANCE_YOUR_CALM. `now` is in ms of any steady clock.
#[derive(Clone, Debug)]
pub struct Guard {
    resets: Budget,
    tiny: Budget,
    glitches: Budget,
    empty: u8,
    total: u64,
    payload: u64,
}

// One of these is kept for every open connection, idle ones too.
const _: () = assert!(size_of::<Guard>() <= 96);

impl Default for Guard {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Guard {
    /// Nothing has been counted. The peer may have `streams` open.
    #[must_use]
    pub const fn new(streams: u32) -> Self {
        let (twice, fifth) = (streams.saturating_mul(2), streams / 5);
        let resets = Budget::new(
            if twice > RESETS { twice } else { RESETS },
            if fifth > RESETS_PER_SECOND { fifth } else { RESETS_PER_SECOND },
        );
        Self { resets, tiny: TINY_DATA, glitches: GLITCHES, empty: 0, total: 0, payload: 0 }
    }

    /// The peer has reset a stream, or has made this side reset one. At most 200, and 20 more
    /// per second; twice as many as streams may be open, where these are more than 100, and a tenth
    /// of that per second.
    ///
    /// # Errors
    ///
    /// More than that.
    pub fn reset(&mut self, now: u64) -> Result<(), ConnectionError> {
        spend(&mut self.resets, 1, now, "too many streams were reset")
    }

    /// A DATA frame with `bytes` of data, padding not counted. Without data it is one of 100
    /// on a connection. With a few bytes it costs what it lacks of 256, less 50 times what it
    /// has, of a budget of 25,600 bytes and as many per second. The last frame of a stream is
    /// free.
    ///
    /// # Errors
    ///
    /// More than that.
    #[inline]
    pub fn data(
        &mut self,
        bytes: usize,
        end_stream: bool,
        now: u64,
    ) -> Result<(), ConnectionError> {
        if end_stream {
            return Ok(());
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let worth = bytes.saturating_mul(TINY_WORTH);
        if worth >= TINY {
            self.tiny.give_back(worth - TINY);
            return Ok(());
        }
        if bytes == 0 {
            self.empty += 1;
            if self.empty > EMPTY_DATA {
                self.empty = EMPTY_DATA;
                return Err(ConnectionError::calm("too many DATA frames without data"));
            }
            return Ok(());
        }
        spend(&mut self.tiny, TINY - worth, now, "too many DATA frames with a few bytes each")
    }

    /// A frame that asks for nothing, or comes too late: PRIORITY, an unknown type, a frame
    /// for a closed stream, a stream error. At most 1000, and 100 more per second.
    ///
    /// # Errors
    ///
    /// More than that.
    pub fn glitch(&mut self, now: u64) -> Result<(), ConnectionError> {
        spend(&mut self.glitches, 1, now, "too many useless or faulty frames")
    }

    /// `bytes` have come from the peer, frame headers included. An eighth of all must not be
    /// more than the payload and 1 MiB.
    ///
    /// # Errors
    ///
    /// It is more.
    #[inline]
    pub fn received(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        self.total = self.total.saturating_add(bytes as u64);
        if self.total / OVERHEAD > self.payload.saturating_add(OVERHEAD_FREE) {
            return Err(ConnectionError::calm("the frames carry next to nothing"));
        }
        Ok(())
    }

    /// `bytes` of them were of use: heads and data. Data that is sent counts too, because a
    /// client acknowledges it with WINDOW_UPDATE frames.
    #[inline]
    pub fn useful(&mut self, bytes: usize) {
        self.payload = self.payload.saturating_add(bytes as u64);
    }
}

#[inline]
fn spend(budget: &mut Budget, n: u32, now: u64, why: &'static str) -> Result<(), ConnectionError> {
    if budget.spend(n, now) { Ok(()) } else { Err(ConnectionError::calm(why)) }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;

    /// How many times `event` is allowed.
    fn allowed(mut event: impl FnMut() -> Result<(), ConnectionError>) -> usize {
        let count = (0..1_000_000).take_while(|_| event().is_ok()).count();
        assert_eq!(event().map_err(|error| error.code), Err(ErrorCode::ENHANCE_YOUR_CALM));
        count
    }

    #[test]
    fn resets_are_200_and_20_per_second() {
        let mut guard = Guard::default();
        assert_eq!(allowed(|| guard.reset(5000)), 200);
        assert_eq!(allowed(|| guard.reset(6000)), 20);
        assert_eq!(allowed(|| guard.reset(60_000)), 200);
    }

    #[test]
    fn a_peer_with_many_streams_may_reset_them_all() {
        let mut guard = Guard::new(1000);
        assert_eq!(allowed(|| guard.reset(5000)), 2000);
        assert_eq!(allowed(|| guard.reset(6000)), 200);
        let mut guard = Guard::new(100);
        assert_eq!(allowed(|| guard.reset(5000)), 200);
        assert_eq!(allowed(|| guard.reset(6000)), 20);
    }

    #[test]
    fn glitches_are_1000_and_100_per_second() {
        let mut guard = Guard::default();
        assert_eq!(allowed(|| guard.glitch(5000)), 1000);
        assert_eq!(allowed(|| guard.glitch(6000)), 100);
    }

    #[test]
    fn empty_data_is_100_however_long_it_takes() {
        let mut guard = Guard::default();
        let mut now = 0;
        assert_eq!(
            allowed(|| {
                now += 1_000_000;
                guard.data(0, false, now)
            }),
            100
        );
        // The end of a stream needs a frame, which may well be empty.
        assert!((0..1000).all(|_| guard.data(0, true, 0).is_ok()));
    }

    #[test]
    fn data_byte_by_byte_has_an_end() {
        let mut guard = Guard::default();
        assert_eq!(allowed(|| guard.data(1, false, 0)), 25_600 / 205);
        assert_eq!(allowed(|| guard.data(1, false, 500)), (12_800 + 25_600 % 205) / 205);
        // Real data makes up for it.
        assert_eq!(guard.data(16_384, false, 500), Ok(()));
        assert_eq!(allowed(|| guard.data(1, false, 500)), 25_600 / 205);
    }

    #[test]
    fn small_messages_and_single_bytes_in_a_while_are_free() {
        let mut guard = Guard::default();
        assert!((0..100_000).all(|_| guard.data(6, false, 0).is_ok()));
        assert!((0..100_000).all(|at| guard.data(1, false, at * 10).is_ok()));
        assert!((0..100_000).all(|_| guard.data(1, true, 0).is_ok()));
    }

    #[test]
    fn frames_must_carry_an_eighth_beyond_a_mebibyte() {
        let mut guard = Guard::default();
        let pings = allowed(|| guard.received(17));
        assert_eq!(pings, (8 * (1 << 20) + 7) / 17);
        guard.useful(1000);
        assert_eq!(guard.received(7000), Ok(()));
        let mut guard = Guard::default();
        assert!((0..1_000_000).all(|_| {
            guard.useful(2);
            guard.received(16).is_ok()
        }));
    }
}
