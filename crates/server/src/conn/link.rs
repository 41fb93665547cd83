//! The layer between a connection and its socket: none, or TLS.

use std::fs::File;
use std::io::{self, IoSlice};
use std::time::Duration;

use crate::conn::flushed::Flushed;
use crate::conn::tls_link::TlsLink;
use crate::conn::transport::read_behind;
pub(crate) use crate::conn::transport::{Got, Transport};
use crate::exchange::tls_info::TlsInfo;

/// Takes a connection's output.
pub(crate) trait Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    /// The same where more follows at once.
    fn write_before_more(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(bufs)
    }
    /// Whether [`send_file`](Self::send_file) works.
    fn sends_files(&self) -> bool {
        false
    }
    /// Sends up to `len` bytes of a file from `at` on, which do not pass through this process. 0 is
    /// the end of the file.
    fn send_file(&mut self, _file: &File, _at: u64, _len: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The way between a connection and its socket.
///
/// A link may hold bytes in both directions:
///
/// - Input that it holds makes no event. So it says [`Got::drained`] only if it holds none.
/// - Output that it has taken and not sent is [`held`](Self::held). A connection is not done
///   before that is 0.
/// - A link that can take no output before more input has come answers `WouldBlock`. The loop
///   tries to write after each read.
pub(crate) enum Link<T> {
    /// Bytes go as they are.
    Plain(T),
    /// TLS.
    Tls(Box<TlsLink<T>>),
    /// Splits bytes and holds them back, as encryption does; for tests of this contract.
    #[cfg(test)]
    Toy(Box<crate::sim::toy_link::ToyLink<T>>),
}

impl<T: Transport> Link<T> {
    /// The socket itself.
    pub(crate) fn socket(&self) -> &T {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.socket(),
            #[cfg(test)]
            Self::Toy(toy) => toy.socket(),
        }
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What a TLS session has agreed on, once its handshake is done.
    pub(crate) fn info(&self) -> Option<TlsInfo> {
        match self {
            Self::Tls(tls) => tls.info(),
            _ => None,
        }
    }

    /// How long a handshake may take that is under way.
    #[inline]
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        match self {
            Self::Tls(tls) => tls.handshake_timeout(),
            _ => None,
        }
    }

    /// Whether a handshake has begun: something of the client's came.
    pub(crate) fn has_heard(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.has_heard())
    }

    /// Whether a handshake has failed.
    pub(crate) fn has_fault(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.fault().is_some())
    }

    /// Whether it reads nothing until a step of the handshake was taken.
    #[cfg(test)]
    pub(crate) fn is_at_step(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.is_at_step())
    }

    /// The next output comes after a pause: its first bytes are to leave early.
    pub(crate) fn restart_records(&mut self) {
        if let Self::Tls(tls) = self {
            tls.restart_records();
        }
    }

    fn socket_mut(&mut self) -> &mut T {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.socket_mut(),
            #[cfg(test)]
            Self::Toy(toy) => toy.socket_mut(),
        }
    }

    /// Looks at what the socket itself has.
    pub(crate) fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket_mut().peek(buf)
    }

    /// Reads from the socket itself, before the link has begun.
    pub(crate) fn read_socket(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket_mut().read(buf)
    }

    /// Reads what is used.
    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<Got> {
        match self {
            // A short read has emptied the socket (epoll(7), question 9).
            Self::Plain(socket) => socket.read(buf).map(|n| Got { n, drained: n < buf.len() }),
            Self::Tls(tls) => tls.read(buf, false),
            #[cfg(test)]
            Self::Toy(toy) => toy.read(buf, false),
        }
    }

    /// Reads up to `most` bytes behind those that are in `buf`, which has memory for them. What is
    /// there after them may come in `more`.
    pub(crate) fn read_to(
        &mut self,
        buf: &mut Vec<u8>,
        most: usize,
        more: &mut [u8],
    ) -> io::Result<Got> {
        match self {
            Self::Plain(socket) => {
                let room = most + more.len();
                socket.read_to(buf, most, more).map(|n| Got { n, drained: n < room })
            }
            Self::Tls(tls) => read_behind(buf, most, |room| tls.read(room, false), |got| got.n),
            #[cfg(test)]
            Self::Toy(toy) => read_behind(buf, most, |room| toy.read(room, false), |got| got.n),
        }
    }

    /// Reads to `buf`. What is there after that may come in `more`.
    pub(crate) fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<Got> {
        match self {
            Self::Plain(socket) => {
                let room = buf.len() + more.len();
                socket.read_both(buf, more).map(|n| Got { n, drained: n < room })
            }
            Self::Tls(tls) => tls.read(buf, false),
            #[cfg(test)]
            Self::Toy(toy) => toy.read(buf, false),
        }
    }

    /// Reads what is thrown away.
    pub(crate) fn discard(&mut self, buf: &mut [u8]) -> io::Result<Got> {
        match self {
            Self::Plain(socket) => socket.discard(buf).map(|n| Got { n, drained: n < buf.len() }),
            Self::Tls(tls) => tls.read(buf, true),
            #[cfg(test)]
            Self::Toy(toy) => toy.read(buf, true),
        }
    }

    /// Output that the link has taken and the socket has not, in bytes.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.held(),
            #[cfg(test)]
            Self::Toy(toy) => toy.held(),
        }
    }

    /// How much longer the link's output has become than what was written to it, since the last
    /// call.
    #[inline]
    pub(crate) fn take_framing(&mut self) -> usize {
        match self {
            Self::Tls(tls) => tls.take_framing(),
            _ => 0,
        }
    }

    /// Gives the socket all that is [`held`](Self::held). Returns `flushed`, which is how
    /// the connection's own output went, or that the socket takes no more.
    pub(crate) fn flush_all(&mut self, flushed: Flushed) -> io::Result<Flushed> {
        loop {
            match self.flush() {
                Ok(()) => return Ok(flushed),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
            #[cfg(test)]
            Self::Toy(toy) => toy.flush(),
        }
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.held(), 0, "output is lost");
        match self {
            Self::Tls(tls) => tls.shutdown_write(),
            other => other.socket_mut().shutdown_write(),
        }
    }

    /// Before an orderly close: tells the peer that all was sent, if that needs words.
    pub(crate) fn take_leave(&mut self) {
        if let Self::Tls(tls) = self {
            tls.take_leave();
        }
    }

    /// Makes the close that follows a reset, so that the peer does not take it for an orderly end.
    pub(crate) fn reset_on_close(&mut self) {
        self.socket_mut().reset_on_close();
    }

    /// Bytes that the link was given and the peer has not yet taken, as far as is known.
    pub(crate) fn unsent(&self) -> u32 {
        u32::try_from(self.held() + self.socket().unsent()).unwrap_or(u32::MAX)
    }
}

impl<T: Transport> Sink for Link<T> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buf),
            Self::Tls(tls) => tls.write(&[IoSlice::new(buf)]),
            #[cfg(test)]
            Self::Toy(toy) => toy.write(&[IoSlice::new(buf)]),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(bufs),
            Self::Tls(tls) => tls.write(bufs),
            #[cfg(test)]
            Self::Toy(toy) => toy.write(bufs),
        }
    }

    fn write_before_more(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_before_more(bufs),
            _ => self.write_vectored(bufs),
        }
    }

    fn sends_files(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.sends_files())
    }

    fn send_file(&mut self, file: &File, at: u64, len: usize) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.send_file(file, at, len),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
