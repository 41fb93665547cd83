//! TLS between a connection and its socket.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};

use reactor_tls::{HEADROOM, MIN_READ, MIN_WRITE, Session};

use crate::conn::transport::{Got, Transport};

/// Ciphertext of one write, at most. What the socket does not take of it stays in the session.
const WRITE_SIZE: usize = 68 * 1024;

/// Output of the session that may be copied, so that it leaves together with the next records.
/// More is sent by itself.
const COPIED: usize = 16 * 1024;

const _: () = assert!(WRITE_SIZE >= COPIED + MIN_WRITE && WRITE_SIZE >= MIN_READ);

thread_local! {
    /// For ciphertext between a session and its socket, and for reads into small buffers. It is
    /// empty between calls, so that all connections of a thread share it.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; WRITE_SIZE].into());
}

/// A socket and the session over it.
pub(crate) struct TlsLink<T> {
    socket: T,
    session: Session,
    /// Plaintext for which a reader's buffer had no room.
    plain: Vec<u8>,
    /// Output that is no plaintext of the connection, since somebody last asked.
    framing: usize,
    /// The client sends no more: it said so, or its socket has ended.
    ended: bool,
    shut: Shut,
}

/// How far the end of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    No,
    /// The socket's end follows the output that is held.
    Soon,
    /// What the session still has to say, no one can hear.
    Done,
}

/// What came of one look at the socket.
struct Pulled {
    plain: usize,
    /// The socket had no more.
    dry: bool,
}

impl<T: Transport> TlsLink<T> {
    pub(crate) fn new(socket: T, session: Session) -> Self {
        Self { socket, session, plain: Vec::new(), framing: 0, ended: false, shut: Shut::No }
    }

    pub(crate) fn socket(&self) -> &T {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut T {
        &mut self.socket
    }

    pub(crate) fn held(&self) -> usize {
        if self.shut == Shut::Done { 0 } else { self.session.output().len() }
    }

    /// How much longer the output has become than the plaintext that was written, since the last
    /// call.
    pub(crate) fn take_framing(&mut self) -> usize {
        std::mem::take(&mut self.framing)
    }

    /// Reads plaintext. A large `buf` serves for ciphertext too: it is decrypted where it lies.
    pub(crate) fn read(&mut self, buf: &mut [u8], discards: bool) -> io::Result<Got> {
        if !self.plain.is_empty() {
            let n = self.plain.len().min(buf.len());
            buf[..n].copy_from_slice(&self.plain[..n]);
            if n == self.plain.len() {
                self.plain = Vec::new();
            } else {
                self.plain.drain(..n);
            }
            return Ok(self.got(n, false, discards));
        }
        if buf.len() >= MIN_READ {
            let Pulled { plain, dry } = self.pull(buf)?;
            return Ok(self.got(plain, dry, discards));
        }
        BUFFER.with_borrow_mut(|large| {
            let Pulled { plain, dry } = self.pull(large)?;
            let n = plain.min(buf.len());
            buf[..n].copy_from_slice(&large[..n]);
            self.plain.extend_from_slice(&large[n..plain]);
            Ok(self.got(n, dry, discards))
        })
    }

    fn got(&mut self, n: usize, dry: bool, discards: bool) -> Got {
        #[cfg(test)]
        self.socket.took(n, if discards { n } else { 0 });
        let _ = discards;
        let holds = !self.plain.is_empty() || self.session.has_input() || self.ended && n > 0;
        Got { n, drained: dry && !holds }
    }

    /// Reads from the socket until there is plaintext, at the front of `buf`. None is the end.
    fn pull(&mut self, buf: &mut [u8]) -> io::Result<Pulled> {
        loop {
            if self.ended {
                return Ok(Pulled { plain: 0, dry: true });
            }
            if self.session.needs_work() {
                let result = self.session.work();
                self.judge(result)?;
            }
            let has_input = self.session.has_input();
            let mut filled = self.session.restore(buf);
            let mut dry = false;
            if !has_input {
                let room = &mut buf[HEADROOM + filled..];
                let read = match self.socket.read(room) {
                    Ok(n) => {
                        dry = n < room.len();
                        n
                    }
                    Err(error) => {
                        // What was restored is held again.
                        let result = self.session.read(buf, filled).map(|_| ());
                        self.judge(result)?;
                        return Err(error);
                    }
                };
                // An end without `close_notify` may be an attacker's, but HTTP/1 and HTTP/2 know by
                // themselves whether a message is whole.
                self.ended = read == 0;
                filled += read;
            }
            let held = self.held();
            let read = self.session.read(buf, filled);
            self.framing += self.held().saturating_sub(held);
            let read = self.judge(read)?;
            self.ended |= read.ended;
            if read.plain > 0 {
                return Ok(Pulled { plain: read.plain, dry });
            }
        }
    }

    /// A session that fails has an alert for the client.
    fn judge<R>(&mut self, result: Result<R, reactor_tls::Error>) -> io::Result<R> {
        result.map_err(|error| {
            // The connection is closed now, whether the alert leaves or not.
            let _ = self.flush();
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }

    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.held() > COPIED {
            self.flush()?;
        }
        let held = self.held();
        let Self { socket, session, framing, .. } = self;
        BUFFER.with_borrow_mut(|buf| {
            let written = session
                .write_vectored(bufs, buf)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            *framing += written.made.saturating_sub(held + written.taken);
            let made = &buf[..written.made];
            let sent = match made.is_empty() {
                true => Ok(0),
                false => socket.write(made),
            };
            let sent = match sent {
                Ok(n) => n,
                Err(error) if is_for_later(&error) => 0,
                Err(error) => return Err(error),
            };
            session.hold(&made[sent..]);
            match written.taken {
                // Before the handshake is done.
                0 => Err(ErrorKind::WouldBlock.into()),
                n => Ok(n),
            }
        })
    }

    /// Sends what is held.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.shut == Shut::Done {
            return Ok(());
        }
        while !self.session.output().is_empty() {
            match self.socket.write(self.session.output()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.session.sent(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A client that has everything but the farewell has lost nothing.
                Err(error) if self.shut == Shut::Soon && !is_for_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if self.shut == Shut::Soon {
            self.shut = Shut::Done;
            // If that fails, the peer is gone. A read tells the connection so.
            let _ = self.socket.shutdown_write();
        }
        Ok(())
    }

    /// Says that nothing follows, and then ends the socket's stream.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        self.session.close();
        self.shut = Shut::Soon;
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Says that nothing follows, if the socket takes that now, and all else is sent.
    pub(crate) fn take_leave(&mut self) {
        match self.shut {
            Shut::No if self.held() == 0 => self.session.close(),
            Shut::Soon => {}
            Shut::No | Shut::Done => return,
        }
        #[cfg(test)]
        self.socket.leaves();
        let _ = self.flush();
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
