//! A connection's unsent output.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::sync::Arc;

use crate::conn::connection::Transport;

/// From this size on a body is sent from where it lies instead of being
/// copied behind its head.
const SPLICE_FROM: usize = 16 * 1024;

/// Slices in one sendmsg(2); a connection rarely has more than two.
const MAX_SLICES: usize = 16;

/// Bytes to send, in order: one buffer for all that is small, and large
/// bodies spliced in between.
#[derive(Default)]
pub(crate) struct Out {
    buf: Vec<u8>,
    /// How much of `buf` has been sent.
    sent: usize,
    splices: VecDeque<Splice>,
    /// Unsent bytes in `splices`.
    spliced: usize,
}

struct Splice {
    /// Goes out once this much of `buf` has.
    at: usize,
    body: Body,
    sent: usize,
}

/// A body that is sent without a copy.
pub(crate) enum Body {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What one sendmsg(2) sends.
struct Slices<'a> {
    list: [IoSlice<'a>; MAX_SLICES],
    count: usize,
    /// Bytes that may follow.
    left: usize,
}

impl<'a> Slices<'a> {
    /// Adds as much as there is room for.
    fn push(&mut self, bytes: &'a [u8]) {
        let bytes = &bytes[..bytes.len().min(self.left)];
        if bytes.is_empty() || self.count == MAX_SLICES {
            return;
        }
        self.left -= bytes.len();
        self.list[self.count] = IoSlice::new(bytes);
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        self.left == 0 || self.count == MAX_SLICES
    }
}

/// Where a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All is sent.
    All,
    /// The socket takes no more now.
    Blocked,
    /// It was as much as may be sent at once; the socket may take more.
    Paused,
}

impl Out {
    /// Unsent bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.buf.len() - self.sent + self.spliced
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(crate) fn owns_nothing(&self) -> bool {
        self.buf.capacity() == 0 && self.splices.capacity() == 0
    }

    /// The buffer to append small things to.
    pub(crate) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Whether a body of this size should go through [`splice`](Self::splice).
    pub(crate) fn wants_splice(len: usize) -> bool {
        len >= SPLICE_FROM
    }

    /// Puts a large body behind what is there.
    pub(crate) fn splice(&mut self, body: Body) {
        self.spliced += body.bytes().len();
        self.splices.push_back(Splice { at: self.buf.len(), body, sent: 0 });
    }

    /// Puts a large body behind what is there as one chunk (RFC 9112 §7.1).
    pub(crate) fn chunk(&mut self, body: Body) {
        let _ = write!(self.buf, "{:x}\r\n", body.bytes().len());
        self.splice(body);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Gives `self` a buffer to write into, if it owns none.
    pub(crate) fn lend(&mut self, pool: &mut BufPool) {
        if self.buf.capacity() == 0 {
            self.buf = pool.take();
        }
    }

    /// Sends as much as the socket takes, up to `most` bytes; returns how many that was.
    /// With all sent, the buffer goes back to the pool: an idle connection
    /// owns none.
    pub(crate) fn flush<T: Transport>(
        &mut self,
        io: &mut T,
        pool: &mut BufPool,
        most: usize,
    ) -> io::Result<(usize, Flushed)> {
        let mut total = 0;
        while !self.is_empty() {
            let left = most - total;
            if left == 0 {
                self.compact();
                return Ok((total, Flushed::Paused));
            }
            let wrote = if self.splices.is_empty() {
                let end = self.buf.len().min(self.sent + left);
                io.write(&self.buf[self.sent..end])
            } else {
                self.write_slices(io, left)
            };
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    total += n;
                    self.advance(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.compact();
                    return Ok((total, Flushed::Blocked));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        self.buf.clear();
        if self.buf.capacity() > 0 {
            pool.put(std::mem::take(&mut self.buf));
        }
        if self.splices.capacity() > 0 {
            self.splices = VecDeque::new();
        }
        Ok((total, Flushed::All))
    }

    fn write_slices<T: Transport>(&self, io: &mut T, most: usize) -> io::Result<usize> {
        let mut slices = Slices { list: [IoSlice::new(&[]); MAX_SLICES], count: 0, left: most };
        let mut from = self.sent;
        for splice in &self.splices {
            if slices.is_full() {
                break;
            }
            if splice.at > from {
                slices.push(&self.buf[from..splice.at]);
                from = splice.at;
            }
            slices.push(&splice.body.bytes()[splice.sent..]);
        }
        // What stands behind the last splice goes along if there is room.
        slices.push(&self.buf[from..]);
        io.write_vectored(&slices.list[..slices.count])
    }

    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let boundary = self.splices.front().map_or(self.buf.len(), |s| s.at);
            let plain = (boundary - self.sent).min(n);
            self.sent += plain;
            n -= plain;
            let Some(splice) = self.splices.front_mut() else { return };
            let taken = (splice.body.bytes().len() - splice.sent).min(n);
            splice.sent += taken;
            self.spliced -= taken;
            n -= taken;
            if self.sent == splice.at && splice.sent == splice.body.bytes().len() {
                self.splices.pop_front();
            }
        }
    }

    /// Drops what has been sent from the front of the buffer, once that is
    /// much, so that a slow reader's buffer does not grow with every answer.
    fn compact(&mut self) {
        if self.sent < SPLICE_FROM || self.sent < self.buf.len() / 2 {
            return;
        }
        self.buf.drain(..self.sent);
        for splice in &mut self.splices {
            splice.at -= self.sent;
        }
        self.sent = 0;
    }
}

/// Empty buffers, last in first out, so that the one in use is warm.
#[derive(Default)]
pub(crate) struct BufPool {
    free: Vec<Vec<u8>>,
}

impl BufPool {
    const MAX_BUFFERS: usize = 128;
    const MAX_CAPACITY: usize = 64 * 1024;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(2048))
    }

    fn put(&mut self, buf: Vec<u8>) {
        debug_assert!(buf.is_empty());
        if self.free.len() < Self::MAX_BUFFERS && buf.capacity() <= Self::MAX_CAPACITY {
            self.free.push(buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes a call, and says `WouldBlock` every third call.
    struct Narrow {
        room: usize,
        calls: usize,
        got: Vec<u8>,
    }

    impl Transport for Narrow {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(buf)])
        }
        fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut left = self.room;
            for buf in bufs {
                let n = buf.len().min(left);
                self.got.extend_from_slice(&buf[..n]);
                left -= n;
            }
            Ok(self.room - left)
        }
        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn sends_everything_in_order_whatever_the_socket_takes() {
        let rooms = [1, 7, 100, 40_000, 1_000_000];
        let all =
            rooms.iter().flat_map(|&room| [3, 1_999, 30_000, usize::MAX].map(|most| (room, most)));
        for (room, most) in all {
            let mut io = Narrow { room, calls: 0, got: Vec::new() };
            let mut out = Out::default();
            let mut pool = BufPool::default();
            let mut expected = Vec::new();
            for i in 0..40_u8 {
                out.lend(&mut pool);
                out.buf().extend_from_slice(&[i; 50]);
                expected.extend_from_slice(&[i; 50]);
                if i % 3 == 0 {
                    let large: Vec<u8> = (0..2_000).map(|n| i ^ (n % 251) as u8).collect();
                    expected.extend_from_slice(&large);
                    out.splice(if i % 2 == 0 {
                        Body::Owned(large)
                    } else {
                        Body::Shared(large.into())
                    });
                }
                if i % 5 == 0 {
                    let (sent, flushed) = out.flush(&mut io, &mut pool, most).unwrap();
                    assert!(sent <= most);
                    assert_eq!(flushed == Flushed::Paused, sent == most && !out.is_empty());
                }
            }
            while out.flush(&mut io, &mut pool, most).unwrap().1 != Flushed::All {}
            assert!(out.is_empty());
            assert_eq!(out.buf.capacity(), 0);
            assert!(io.got == expected, "room {room}, {most} at once");
        }
    }
}
