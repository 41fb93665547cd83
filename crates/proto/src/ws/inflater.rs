use std::fmt;

use simdutf8::basic::from_utf8;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Kind, Limits, ReceiveError};

/// What every compressed message ends with, left out on the wire (RFC 7692 §7.2.2).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Bytes of output to make room for at a time, at the least and at the most.
const LEAST_ROOM: usize = 1024;
const MOST_ROOM: usize = 1 << 20;

/// Inflates compressed messages.
///
/// One without takeover serves any number of connections, a whole message at a time. One with
/// takeover belongs to one connection. Either takes [`MEMORY`](Self::MEMORY) bytes,
/// whatever the window.
pub struct Inflater {
    inner: Inflate,
    takeover: bool,
}

impl Inflater {
    /// Bytes of memory that one takes: 32 KiB of them are the window.
    pub const MEMORY: usize = 47_552;

    /// For messages that are each compressed by themselves.
    #[must_use]
    pub fn shared() -> Self {
        Self { inner: Inflate::new(false, 15), takeover: false }
    }

    /// For messages of one connection, which go on using the window of those before, but not
    /// across a block that is marked as the last: zlib ends its window there.
    #[must_use]
    pub fn with_takeover() -> Self {
        Self { takeover: true, ..Self::shared() }
    }

    /// Appends to `out` what the whole message `compressed` inflates to. Text is checked to be
    /// UTF-8.
    ///
    /// # Errors
    ///
    /// If it is not valid, or larger than a limit; `out` has a part of it then, one byte more
    /// than the limit at most. The connection has to be closed. A shared inflater goes on
    /// serving others.
    pub fn message(
        &mut self,
        kind: Kind,
        compressed: &[u8],
        out: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(), ReceiveError> {
        let start = out.len();
        let result = self.inflate(compressed, out, limits);
        if !self.takeover || result.is_err() {
            self.inner.reset(false);
        }
        result?;
        if kind == Kind::Text {
            from_utf8(&out[start..]).map_err(|_| ReceiveError::TextInvalid)?;
        }
        Ok(())
    }

    fn inflate(
        &mut self,
        compressed: &[u8],
        out: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(), ReceiveError> {
        let start = out.len();
        let (mut input, mut in_tail, mut end) = (compressed, false, start);
        let result = loop {
            if end == out.len() {
                out.resize(end + room(end - start, input.len(), limits), 0);
            }
            let (total_in, total_out) = (self.inner.total_in(), self.inner.total_out());
            let status = self.inner.decompress(input, &mut out[end..], InflateFlush::SyncFlush);
            let read = since(total_in, self.inner.total_in());
            end += since(total_out, self.inner.total_out());
            if let Err(error) = check(end - start, compressed.len(), limits) {
                break Err(error);
            }
            match status {
                // A block that calls itself the last one (RFC 7692 §7.2.3.4). What follows is
                // another stream, if only the tail.
                Ok(Status::StreamEnd) => self.inner.reset(false),
                Ok(_) if read > 0 || input.is_empty() || end == out.len() => {}
                _ => break Err(ReceiveError::DeflateInvalid),
            }
            input = &input[read..];
            if input.is_empty() && end < out.len() {
                if in_tail {
                    break Ok(());
                }
                (input, in_tail) = (&TAIL, true);
            }
        };
        out.truncate(end);
        result
    }
}

/// How much a count has grown in one call: no more than the slice has that it counts in.
fn since(before: u64, now: u64) -> usize {
    usize::try_from(now - before).unwrap_or_default()
}

/// Bytes of output to make room for, after the `had` that there are: four times the input, or
/// as many again, but no more than one byte beyond the limit.
fn room(had: usize, input: usize, limits: &Limits) -> usize {
    let wanted = input.saturating_mul(4).max(had).clamp(LEAST_ROOM, MOST_ROOM);
    let spare = limits.message.saturating_add(1).saturating_sub(had as u64);
    usize::try_from(spare).map_or(wanted, |spare| wanted.min(spare))
}

fn check(size: usize, compressed: usize, limits: &Limits) -> Result<(), ReceiveError> {
    let most = (compressed as u64).saturating_mul(u64::from(limits.ratio));
    if size as u64 > limits.message {
        return Err(ReceiveError::MessageTooLarge);
    }
    if size as u64 > Limits::RATIO_FROM.max(most) {
        return Err(ReceiveError::DeflateRatio);
    }
    Ok(())
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}
