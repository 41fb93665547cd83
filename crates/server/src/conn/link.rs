//! The layer between a connection and its socket. Today it passes bytes through; TLS will be one.

use std::io::{self, IoSlice};

use reactor_sys::Stream as Socket;

use crate::conn::flushed::Flushed;

/// A socket, or what stands for one in the simulation.
pub(crate) trait Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Reads up to `most` bytes behind those that are in `buf`, which has memory for them, and what
    /// is there after them to `more`.
    fn read_to(&mut self, buf: &mut Vec<u8>, most: usize, more: &mut [u8]) -> io::Result<usize> {
        read_behind(buf, most, |room| self.read_both(room, more), |n| *n)
    }
    /// Reads to `buf`, and what is there after that to `more`.
    fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize>;
    /// Reads what is thrown away.
    fn discard(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// Makes the close that follows a reset, so that the peer does not take it for an orderly end.
    fn reset_on_close(&mut self) {}
    /// Bytes written that the peer has not yet taken, as far as is known.
    fn unsent(&self) -> usize {
        0
    }
    /// The link tells the simulation what became of bytes that it has read. It still holds
    /// `in_link` of them, and the connection threw `discarded` away.
    #[cfg(test)]
    fn given(&mut self, _in_link: usize, _discarded: usize) {}
}

impl Transport for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Socket::read(self, buf)
    }
    fn read_to(&mut self, buf: &mut Vec<u8>, most: usize, more: &mut [u8]) -> io::Result<usize> {
        Socket::read_to(self, buf, most, more)
    }
    fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize> {
        Socket::read_both(self, buf, more)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Socket::write(self, buf)
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Socket::write_vectored(self, bufs)
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Socket::shutdown_write(self)
    }
    fn reset_on_close(&mut self) {
        // If this fails, the close is an orderly one. The connection must be closed all the same.
        let _ = Socket::reset_on_close(self);
    }
    fn unsent(&self) -> usize {
        Socket::unsent(self).unwrap_or(0)
    }
}

/// Takes a connection's output.
pub(crate) trait Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// Bytes. 0 is the end of the input.
    pub(crate) n: usize,
    /// The next read brings nothing before there is another event.
    pub(crate) drained: bool,
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
    /// Splits bytes and holds them back, as encryption does; for tests of this contract.
    #[cfg(test)]
    Toy(Box<crate::sim::toy_link::ToyLink<T>>),
}

impl<T: Transport> Link<T> {
    /// The socket itself.
    pub(crate) fn socket(&self) -> &T {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(test)]
            Self::Toy(toy) => toy.socket(),
        }
    }

    fn socket_mut(&mut self) -> &mut T {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(test)]
            Self::Toy(toy) => toy.socket_mut(),
        }
    }

    /// Reads what is used.
    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<Got> {
        match self {
            // A short read has emptied the socket (epoll(7), question 9).
            Self::Plain(socket) => socket.read(buf).map(|n| Got { n, drained: n < buf.len() }),
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
            #[cfg(test)]
            Self::Toy(toy) => toy.read(buf, false),
        }
    }

    /// Reads what is thrown away.
    pub(crate) fn discard(&mut self, buf: &mut [u8]) -> io::Result<Got> {
        match self {
            Self::Plain(socket) => socket.discard(buf).map(|n| Got { n, drained: n < buf.len() }),
            #[cfg(test)]
            Self::Toy(toy) => toy.read(buf, true),
        }
    }

    /// Output that the link has taken and the socket has not, in bytes.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            #[cfg(test)]
            Self::Toy(toy) => toy.held(),
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
            #[cfg(test)]
            Self::Toy(toy) => toy.flush(),
        }
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.held(), 0, "output is lost");
        self.socket_mut().shutdown_write()
    }

    /// Makes the close that follows a reset, so that the peer does not take it for an orderly end.
    pub(crate) fn reset_on_close(&mut self) {
        self.socket_mut().reset_on_close();
    }

    /// Bytes that the link was given and the peer has not yet taken, as far as is known.
    pub(crate) fn unsent(&self) -> usize {
        self.held() + self.socket().unsent()
    }
}

/// Reads up to `most` bytes behind those that are in `buf`. `count` tells how many came.
fn read_behind<R>(
    buf: &mut Vec<u8>,
    most: usize,
    read: impl FnOnce(&mut [u8]) -> io::Result<R>,
    count: impl Fn(&R) -> usize,
) -> io::Result<R> {
    let before = buf.len();
    buf.resize(before + most, 0);
    let result = read(&mut buf[before..]);
    buf.truncate(before + result.as_ref().map_or(0, count).min(most));
    result
}

impl<T: Transport> Sink for Link<T> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buf),
            #[cfg(test)]
            Self::Toy(toy) => toy.write(&[IoSlice::new(buf)]),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(bufs),
            #[cfg(test)]
            Self::Toy(toy) => toy.write(bufs),
        }
    }
}
