//! A connection's unsent output.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use crate::conn::buffers::BufPool;
use crate::conn::flushed::Flushed;
use crate::conn::link::Sink;
use crate::conn::pieces::{Content, Piece, Pieces};
use crate::exchange::body::FileRange;

/// A body of this size or more is sent from where it lies. A smaller one is copied behind its
/// head. In bytes.
const APART_FROM: usize = 16 * 1024;

/// What is left of a file goes by sendfile(2) from this size on, where the link can do that. A
/// smaller piece is cheaper to read and send together with what is around it. In bytes.
const SENDFILE_FROM: u64 = if cfg!(test) { 2_000 } else { 64 * 1024 };

/// So much more may be sent at once by sendfile(2), which copies nothing.
const SENDFILE_BUDGET: usize = 4;

/// How much of a file somebody else may bring to memory at once where it is not there. In bytes.
const COLD_PART: u64 = if cfg!(test) { 3_000 } else { 1024 * 1024 };

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

/// What one step of a flush did.
enum Step {
    Sent(usize),
    /// The next bytes of a file are not in memory.
    Cold,
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

    /// Sends as much as the socket takes, up to `most` bytes, or somewhat more of a file. Returns how
    /// many it took, also before an error, and how that ended. When all is sent, the buffer goes back
    /// to the pool, so that an idle connection owns none.
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
            let left = most.saturating_sub(total);
            if left == 0 {
                self.compact();
                return (total, Ok(Flushed::Paused));
            }
            let wrote = match &self.pieces {
                None => {
                    let end = self.buf.len().min(self.sent + left);
                    io.write(&self.buf[self.sent..end]).map(Step::Sent)
                }
                Some(pieces) if pieces.is_read_elsewhere => {
                    return (total, Ok(Flushed::Blocked));
                }
                Some(pieces) => self.write_pieces(&pieces.queue, io, pool, left, lent),
            };
            match wrote {
                Ok(Step::Sent(0)) => return (total, Err(io::ErrorKind::WriteZero.into())),
                Ok(Step::Cold) => {
                    self.compact();
                    return (total, Ok(Flushed::Cold));
                }
                Ok(Step::Sent(n)) => {
                    total += n;
                    self.advance(n, pool);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.cool();
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

    /// After [`Flushed::Cold`]: what is to be read next of a file. The output waits for
    /// [`file_was_read`](Self::file_was_read).
    pub(crate) fn read_elsewhere(&mut self) -> Option<FileRange> {
        let pieces = self.pieces.as_mut()?;
        let Piece { content: Content::File(file), sent, .. } = pieces.queue.front()? else {
            return None;
        };
        let from = file.range.start + *sent as u64;
        let to = file.range.end.min(from + COLD_PART);
        let part = FileRange::new(file.file.clone(), from..to);
        pieces.is_read_elsewhere = true;
        Some(part)
    }

    /// The file whose bytes come next.
    pub(crate) fn file_in_turn(&self) -> Option<&Arc<File>> {
        match self.pieces.as_ref()?.queue.front() {
            Some(Piece { content: Content::File(file), .. }) => Some(&file.file),
            _ => None,
        }
    }

    /// Whether the output waits for that.
    #[inline]
    pub(crate) fn is_read_elsewhere(&self) -> bool {
        self.pieces.as_ref().is_some_and(|pieces| pieces.is_read_elsewhere)
    }

    /// What [`read_elsewhere`](Self::read_elsewhere) gave has been read: these are its first bytes,
    /// and all before `warm_to` is in memory.
    pub(crate) fn file_was_read(&mut self, bytes: Vec<u8>, warm_to: u64) {
        let Some(pieces) = &mut self.pieces else { return };
        pieces.is_read_elsewhere = false;
        if let Some(Piece { content: Content::File(file), .. }) = pieces.queue.front_mut() {
            file.warm_to = warm_to;
        }
        pieces.put_before_rest(bytes);
    }

    /// The client takes nothing for now. By the time it does, pages may have left the memory.
    #[inline(never)]
    fn cool(&mut self) {
        for piece in self.pieces.iter_mut().flat_map(|pieces| &mut pieces.queue) {
            if let Content::File(file) = &mut piece.content {
                file.warm_to = 0;
            }
        }
    }

    #[inline(never)]
    fn write_pieces(
        &self,
        pieces: &VecDeque<Piece>,
        io: &mut impl Sink,
        pool: &mut BufPool,
        most: usize,
        lent: &[u8],
    ) -> io::Result<Step> {
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
            let Content::File(file) = &piece.content else {
                slices.push(&piece.content.bytes(lent)[piece.sent..]);
                continue;
            };
            if slices.left == 0 {
                break;
            }
            let left = file.len() - piece.sent as u64;
            let at = file.range.start + piece.sent as u64;
            let apart = left >= SENDFILE_FROM && io.sends_files();
            if apart && slices.count > 0 {
                return io.write_before_more(&slices.list[..slices.count]).map(Step::Sent);
            }
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            if apart {
                let most = left.min(slices.left.saturating_mul(SENDFILE_BUDGET));
                return send_file(file, at, most, io, pool);
            }
            let most = left.min(slices.left);
            match read_file(file, at, most, pool) {
                // The bytes behind it go with the next call.
                Ok(Some(bytes)) => slices.push(bytes),
                Ok(None) if slices.count == 0 => return Ok(Step::Cold),
                Err(error) if slices.count == 0 => return Err(error),
                // The bytes before it are sound, and go first.
                Ok(None) | Err(_) => {}
            }
            return io.write_vectored(&slices.list[..slices.count]).map(Step::Sent);
        }
        // The bytes behind the last piece go along if there is room.
        slices.push(&self.buf[from..]);
        io.write_vectored(&slices.list[..slices.count]).map(Step::Sent)
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

/// Reads up to `most` bytes of a file. None if they are not in memory.
fn read_file<'b>(
    file: &FileRange,
    at: u64,
    most: usize,
    pool: &'b mut BufPool,
) -> io::Result<Option<&'b [u8]>> {
    if pool.is_cold() {
        return Ok(None);
    }
    let buffer = pool.file_buffer();
    let most = most.min(buffer.len());
    match reactor_sys::read_cached(file.file.as_fd(), &mut buffer[..most], at) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => Ok(Some(&buffer[..n])),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has the kernel send up to `most` bytes of a file, if they were in memory a moment ago, or their
/// first and their last one are now. The kernel reads files ahead, so that what is between them is
/// there too.
fn send_file(
    file: &FileRange,
    at: u64,
    most: usize,
    io: &mut impl Sink,
    pool: &mut BufPool,
) -> io::Result<Step> {
    let mut most = most;
    let warm = usize::try_from(file.warm_to.saturating_sub(at)).unwrap_or(usize::MAX);
    if warm > 0 {
        most = most.min(warm);
    } else {
        for place in [at, at + most as u64 - 1] {
            match read_file(file, place, 1, pool) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Step::Cold),
                // It has become shorter. What there is of it goes first.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && place > at => {}
                Err(error) => return Err(error),
            }
        }
    }
    match io.send_file(&file.file, at, most)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => Ok(Step::Sent(n)),
    }
}

#[cfg(test)]
mod tests;
