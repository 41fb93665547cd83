//! A connection's unsent output.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::FileExt as _;

use crate::conn::buffers::BufPool;
use crate::conn::flushed::Flushed;
use crate::conn::link::Sink;
use crate::conn::pieces::{Content, Piece, Pieces};
use crate::exchange::body::FileRange;

/// A body of this size or more is sent from where it lies. A smaller one is copied behind its
/// head. In bytes.
const APART_FROM: usize = 16 * 1024;

/// Slices in one sendmsg(2); a connection rarely has more than two.
const MAX_SLICES: usize = 16;

/// Bytes to send, in order. One buffer has all that is small. In between are pieces that are sent
/// from where they lie.
#[derive(Default)]
pub(crate) struct Out {
    buf: Vec<u8>,
    /// How much of `buf` has been sent.
    sent: usize,
    /// Pieces that are unsent, if there are any.
    pieces: Option<Box<Pieces>>,
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

impl Out {
    /// Unsent bytes that are in memory, and what unsent files count for.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.buf.len() - self.sent + self.pieces.as_ref().map_or(0, |pieces| pieces.held)
    }

    /// Unsent bytes, wherever they are.
    #[inline]
    pub(crate) fn unsent(&self) -> usize {
        let in_pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.unsent);
        (self.buf.len() - self.sent).saturating_add(in_pieces)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.buf.len() == self.sent && self.pieces.is_none()
    }

    #[cfg(test)]
    pub(crate) fn owns_nothing(&self) -> bool {
        self.buf.capacity() == 0 && self.pieces.is_none()
    }

    /// The buffer to append small things to.
    pub(crate) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Whether a body of this size should go through [`put`](Self::put).
    pub(crate) fn goes_apart(len: usize) -> bool {
        len >= APART_FROM
    }

    /// Puts a piece behind what is there.
    pub(crate) fn put(&mut self, content: Content, pool: &mut BufPool) {
        if content.len() > 0 {
            let pieces = self.pieces.get_or_insert_with(|| pool.take_pieces());
            pieces.push(self.buf.len(), content);
        }
    }

    /// Puts a piece behind what is there as one chunk (RFC 9112 §7.1). An empty one adds
    /// nothing, because a chunk of size zero ends the body.
    pub(crate) fn put_chunk(&mut self, content: Content, pool: &mut BufPool) {
        if content.len() > 0 {
            let _ = write!(self.buf, "{:x}\r\n", content.len());
            self.put(content, pool);
            self.buf.extend_from_slice(b"\r\n");
        }
    }

    /// Gives `self` a buffer to write into, if it owns none.
    #[inline]
    pub(crate) fn lend(&mut self, pool: &mut BufPool) {
        if self.buf.capacity() == 0 {
            self.buf = pool.take();
        }
    }

    /// Sends as much as the socket takes, up to `most` bytes. Returns how many it took, also before
    /// an error, and how that ended. When all is sent, the buffer goes back to the pool, so that an
    /// idle connection owns none.
    ///
    /// `lent` are the bytes of a piece that is [`Content::Lent`], if there is one.
    ///
    /// Errors are the transport's own, and `UnexpectedEof` for a file that has become shorter.
    pub(crate) fn flush(
        &mut self,
        io: &mut impl Sink,
        pool: &mut BufPool,
        most: usize,
        lent: &[u8],
    ) -> (usize, io::Result<Flushed>) {
        let mut total = 0;
        while !self.is_empty() {
            let left = most - total;
            if left == 0 {
                self.compact();
                return (total, Ok(Flushed::Paused));
            }
            let wrote = match &self.pieces {
                None => {
                    let end = self.buf.len().min(self.sent + left);
                    io.write(&self.buf[self.sent..end])
                }
                Some(pieces) => self.write_pieces(&pieces.queue, io, pool, left, lent),
            };
            match wrote {
                Ok(0) => return (total, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    total += n;
                    self.advance(n, pool);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.compact();
                    return (total, Ok(Flushed::Blocked));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (total, Err(error)),
            }
        }
        self.sent = 0;
        self.buf.clear();
        if self.buf.capacity() > 0 {
            pool.put(std::mem::take(&mut self.buf));
        }
        (total, Ok(Flushed::All))
    }

    /// If some of the piece that was lent is unsent, puts the content of `keep` in its place. It
    /// must be as long. To be called after the flush with what was lent.
    pub(crate) fn keep_lent(&mut self, keep: impl FnOnce() -> Content) {
        let pieces = self.pieces.iter_mut().flat_map(|pieces| &mut pieces.queue);
        let is_lent = |piece: &&mut Piece| matches!(piece.content, Content::Lent(_));
        if let Some(piece) = pieces.into_iter().find(is_lent) {
            let content = keep();
            debug_assert_eq!(content.len(), piece.content.len());
            piece.content = content;
        }
    }

    fn write_pieces(
        &self,
        pieces: &VecDeque<Piece>,
        io: &mut impl Sink,
        pool: &mut BufPool,
        most: usize,
        lent: &[u8],
    ) -> io::Result<usize> {
        let mut slices = Slices { list: [IoSlice::new(&[]); MAX_SLICES], count: 0, left: most };
        let mut from = self.sent;
        for piece in pieces {
            if slices.is_full() {
                break;
            }
            if piece.at > from {
                slices.push(&self.buf[from..piece.at]);
                from = piece.at;
            }
            if let Content::File(file) = &piece.content {
                let room = slices.left;
                if room > 0 {
                    match read_file(file, piece.sent, room, pool.file_buffer()) {
                        // The bytes behind it go with the next call.
                        Ok(bytes) => slices.push(bytes),
                        // The bytes before it are sound, and go first.
                        Err(_) if slices.count > 0 => {}
                        Err(error) => return Err(error),
                    }
                }
                return io.write_vectored(&slices.list[..slices.count]);
            }
            slices.push(&piece.content.bytes(lent)[piece.sent..]);
        }
        // The bytes behind the last piece go along if there is room.
        slices.push(&self.buf[from..]);
        io.write_vectored(&slices.list[..slices.count])
    }

    fn advance(&mut self, mut n: usize, pool: &mut BufPool) {
        while n > 0 {
            let Some(pieces) = &mut self.pieces else {
                self.sent += n;
                return;
            };
            let Some(piece) = pieces.queue.front() else { return };
            let before = (piece.at - self.sent).min(n);
            self.sent += before;
            n -= before;
            let taken = (piece.content.len() - piece.sent).min(n);
            n -= taken;
            if taken == 0 {
                return;
            }
            pieces.sent(taken);
            if pieces.queue.is_empty()
                && let Some(pieces) = self.pieces.take()
            {
                pool.put_pieces(pieces);
            }
        }
    }

    /// Drops sent bytes from the front of the buffer, once they are many. Otherwise a slow reader's
    /// buffer would grow with every answer.
    fn compact(&mut self) {
        if self.sent < APART_FROM || self.sent < self.buf.len() / 2 {
            return;
        }
        self.buf.drain(..self.sent);
        for piece in self.pieces.iter_mut().flat_map(|pieces| &mut pieces.queue) {
            piece.at -= self.sent;
        }
        self.sent = 0;
    }
}

/// Reads what comes next of a file, up to `most` bytes.
fn read_file<'b>(
    file: &FileRange,
    sent: usize,
    most: usize,
    buffer: &'b mut [u8],
) -> io::Result<&'b [u8]> {
    let left = usize::try_from(file.len()).unwrap_or(usize::MAX) - sent;
    let most = left.min(most).min(buffer.len());
    match file.file.read_at(&mut buffer[..most], file.range.start + sent as u64)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => Ok(&buffer[..n]),
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

    impl Sink for Narrow {
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
                    let content = if i % 2 == 0 {
                        Content::Owned(large)
                    } else {
                        Content::Shared(large.into())
                    };
                    out.put(content, &mut pool);
                }
                if i % 7 == 0 {
                    let lent = vec![i; 3_000];
                    expected.extend_from_slice(&lent);
                    out.put(Content::Lent(lent.len()), &mut pool);
                    let (sent, flushed) = out.flush(&mut io, &mut pool, most, &lent);
                    assert!(sent <= most && flushed.is_ok());
                    out.keep_lent(|| Content::Owned(lent));
                }
                if i % 5 == 0 {
                    let (sent, flushed) = out.flush(&mut io, &mut pool, most, &[]);
                    let flushed = flushed.unwrap();
                    assert!(sent <= most);
                    assert_eq!(flushed == Flushed::Paused, sent == most && !out.is_empty());
                }
            }
            while out.flush(&mut io, &mut pool, most, &[]).1.unwrap() != Flushed::All {}
            assert!(out.is_empty());
            assert_eq!(out.buf.capacity(), 0);
            assert!(io.got == expected, "room {room}, {most} at once");
        }
    }
}
