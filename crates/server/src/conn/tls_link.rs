//! TLS between a connection and its socket.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reactor_proto::response::date;
use reactor_tls::{Error, HEADROOM, MIN_READ, MIN_WRITE, Session};

use crate::conn::handshake::NameChoice;
use crate::exchange::tls_info::TlsInfo;

use crate::conn::transport::{Got, Transport};

/// Ciphertext of one write, at most. What the socket does not take of it stays in the session.
const WRITE_SIZE: usize = 68 * 1024;

/// Output of the session that may be copied, so that it leaves together with the next records.
/// More is sent by itself.
const COPIED: usize = 16 * 1024;

/// More than `close_notify` takes.
const FAREWELL: usize = 256;

const _: () = assert!(WRITE_SIZE >= COPIED + MIN_WRITE && WRITE_SIZE >= MIN_READ);

thread_local! {
    /// For ciphertext between a session and its socket, and for reads into small buffers. It is
    /// empty between calls, so that all connections of a thread share it.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; WRITE_SIZE].into());
}

/// The beginning of the answer to HTTP without TLS, up to the value of its `Date`.
const PLAIN_HEAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
Content-Type: text/plain\r\n\
Content-Length: 79\r\n\
Connection: close\r\n\
Date: ";
const PLAIN_BODY: &[u8] = b"\r\n\r\n\
400 Bad Request: the client speaks plain HTTP, and this port TLS (https) only.\n";

/// A socket and the session over it.
pub(crate) struct TlsLink<T> {
    socket: T,
    /// None while a worker takes a step of the handshake.
    session: Option<Session>,
    stage: Stage,
    handshake_timeout: Duration,
    /// Somebody is to be asked what serves the client's name.
    asks_name: bool,
    /// Plaintext for which a reader's buffer had no room.
    plain: Vec<u8>,
    /// Output that is no plaintext of the connection, since somebody last asked.
    framing: usize,
    /// Plaintext after which the connection ends, if that is known.
    last: Option<usize>,
    /// Bytes at the end of the session's output that say goodbye. A client that does not read them
    /// has lost nothing.
    farewell: usize,
    /// Something has come from the client.
    has_heard: bool,
    /// The client sends no more: it said so, or its socket has ended.
    ended: bool,
    shut: Shut,
}

/// How far the handshake is.
#[derive(Debug)]
enum Stage {
    /// It goes on with more input, or with the step that a worker takes.
    Handshake,
    /// It waits for somebody to take a step that costs. The loop has been told of it, or not.
    Due {
        told: bool,
    },
    /// It waits for somebody to say what serves the client's name.
    Asked,
    Open,
    /// It failed: the connection must end, once the client was told why.
    Failed(Box<Error>),
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
    pub(crate) fn new(
        socket: T,
        session: Session,
        handshake_timeout: Duration,
        asks_name: bool,
    ) -> Self {
        Self {
            socket,
            session: Some(session),
            stage: Stage::Handshake,
            handshake_timeout,
            asks_name,
            plain: Vec::new(),
            framing: 0,
            last: None,
            farewell: 0,
            has_heard: false,
            ended: false,
            shut: Shut::No,
        }
    }

    pub(crate) fn socket(&self) -> &T {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut T {
        &mut self.socket
    }

    // Never inlined: connections in clear go the same way, and need none of it.
    #[inline(never)]
    pub(crate) fn held(&self) -> usize {
        match &self.session {
            Some(session) if self.shut == Shut::No => {
                session.output().len().saturating_sub(self.farewell)
            }
            Some(session) if self.shut == Shut::Soon => session.output().len(),
            _ => 0,
        }
    }

    /// How long the handshake may take, while it goes on.
    #[inline(never)]
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        let goes_on = matches!(self.stage, Stage::Handshake | Stage::Due { .. } | Stage::Asked);
        goes_on.then_some(self.handshake_timeout)
    }

    /// Whether anything has come from the client.
    pub(crate) fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// Why the handshake failed, if it did.
    pub(crate) fn fault(&self) -> Option<&Error> {
        match &self.stage {
            Stage::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether a step of the handshake waits for somebody who takes it. True once a step.
    pub(crate) fn is_newly_due(&mut self) -> bool {
        match &mut self.stage {
            Stage::Due { told } => !std::mem::replace(told, true),
            _ => false,
        }
    }

    /// Whether the step waits until [`serve_name`](Self::serve_name) is called. Called for a step
    /// that is newly due.
    pub(crate) fn asks_name(&mut self) -> bool {
        let asks = std::mem::take(&mut self.asks_name);
        if asks {
            self.stage = Stage::Asked;
        }
        asks
    }

    /// The name that the client wants (SNI).
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.session.as_ref()?.hello()?.server_name()
    }

    /// Says what serves the client's name. The step is due then, and the loop need not be told.
    pub(crate) fn serve_name(&mut self, choice: &NameChoice) {
        let (Stage::Asked, Some(session)) = (&self.stage, &mut self.session) else { return };
        let result = match choice {
            NameChoice::Own => Ok(()),
            NameChoice::Config(config) => session.choose(config),
            NameChoice::Refuse => Err(session.refuse_name()),
        };
        match result {
            Ok(()) => self.stage = Stage::Due { told: true },
            Err(error) => self.fail(error),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_at_step(&self) -> bool {
        self.session.is_none() || matches!(self.stage, Stage::Due { .. } | Stage::Asked)
    }

    /// Gives the session away, for the step that is due. Until it is back, nothing can be read or
    /// written.
    pub(crate) fn lend_session(&mut self) -> Option<Session> {
        if !matches!(self.stage, Stage::Due { .. }) {
            return None;
        }
        self.stage = Stage::Handshake;
        self.session.take()
    }

    /// Takes the session back, with what came of the step.
    pub(crate) fn return_session(&mut self, session: Session, result: Result<(), Error>) {
        if session.is_open() {
            self.stage = Stage::Open;
        }
        self.framing += session.output().len();
        self.session = Some(session);
        if let Err(error) = result {
            self.fail(error);
        }
    }

    /// Takes the step that is due, on this thread.
    pub(crate) fn take_step(&mut self) {
        if let Some(mut session) = self.lend_session() {
            let result = session.work();
            self.return_session(session, result);
        }
    }

    /// What the session has agreed on. None before the handshake is done.
    pub(crate) fn info(&self) -> Option<TlsInfo> {
        self.session.as_ref()?.facts().map(TlsInfo::from)
    }

    /// The next output comes after a pause, so that its first records are short again.
    pub(crate) fn restart_records(&mut self) {
        if let Some(session) = &mut self.session {
            session.restart_records();
        }
    }

    /// How much longer the output has become than the plaintext that was written, since the last
    /// call.
    #[inline(never)]
    pub(crate) fn take_framing(&mut self) -> usize {
        std::mem::take(&mut self.framing)
    }

    /// The connection ends after so many bytes of plaintext, which are all there. So the farewell can
    /// go with them, and costs no packet of its own.
    pub(crate) fn ends_after(&mut self, bytes: usize) {
        self.last = Some(bytes);
    }

    /// Reads plaintext. A large `buf` serves for ciphertext too: it is decrypted where it lies.
    #[inline(never)]
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
        let has_input = self.session.as_ref().is_some_and(Session::has_input);
        let holds = !self.plain.is_empty() || has_input || self.ended && n > 0;
        Got { n, drained: dry && !holds }
    }

    /// Reads from the socket until there is plaintext, at the front of `buf`. None is the end.
    fn pull(&mut self, buf: &mut [u8]) -> io::Result<Pulled> {
        loop {
            if self.ended {
                return Ok(Pulled { plain: 0, dry: true });
            }
            if let Stage::Failed(_) = self.stage {
                // Only to see when the client has read why.
                let n = self.socket.discard(buf)?;
                return Ok(Pulled { plain: n, dry: n < buf.len() });
            }
            let Some(session) = &mut self.session else {
                return Err(ErrorKind::WouldBlock.into());
            };
            if session.needs_work() {
                if !matches!(self.stage, Stage::Due { .. } | Stage::Asked) {
                    self.stage = Stage::Due { told: false };
                }
                return Err(ErrorKind::WouldBlock.into());
            }
            let has_input = session.has_input();
            let mut filled = session.restore(buf);
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
                        let result = session.read(buf, filled).map(|_| ());
                        self.judge(result)?;
                        return Err(error);
                    }
                };
                // An end without `close_notify` may be an attacker's, but HTTP/1 and HTTP/2 know by
                // themselves whether a message is whole.
                self.ended = read == 0;
                self.has_heard |= read > 0;
                filled += read;
            }
            let held = session.output().len();
            let read = session.read(buf, filled);
            self.framing += session.output().len().saturating_sub(held);
            if session.is_open() {
                self.stage = Stage::Open;
            }
            let read = self.judge(read)?;
            self.ended |= read.ended;
            if read.plain > 0 {
                return Ok(Pulled { plain: read.plain, dry });
            }
        }
    }

    /// A session that fails has an alert for the client.
    fn judge<R>(&mut self, result: Result<R, Error>) -> io::Result<R> {
        result.map_err(|error| {
            let text = io::Error::new(ErrorKind::InvalidData, error.clone());
            if matches!(self.stage, Stage::Open) {
                // The connection is closed now, whether the alert leaves or not.
                let _ = self.flush();
            } else {
                self.fail(error);
            }
            text
        })
    }

    /// The handshake has failed. The client is told in its own language.
    fn fail(&mut self, error: Error) {
        if let (Error::PlainHttp, Some(session)) = (&error, &mut self.session) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            session.hold(&[PLAIN_HEAD, &date(now.as_secs()), PLAIN_BODY].concat());
        }
        self.stage = Stage::Failed(Box::new(error));
    }

    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.held() > COPIED {
            self.flush()?;
        }
        let held = self.held();
        let Self { socket, session, framing, last, farewell, .. } = self;
        let Some(session) = session else { return Err(ErrorKind::WouldBlock.into()) };
        BUFFER.with_borrow_mut(|buf| {
            let mut written = session
                .write_vectored(bufs, buf)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            *last = last.and_then(|bytes| bytes.checked_sub(written.taken));
            if *last == Some(0) && buf.len() - written.made >= FAREWELL {
                session.close();
                *farewell = session.take_output(&mut buf[written.made..]);
                written.made += *farewell;
            }
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
        let Some(session) = &mut self.session else { return Ok(()) };
        if self.shut == Shut::Done {
            return Ok(());
        }
        while !session.output().is_empty() {
            match self.socket.write(session.output()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => session.sent(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing is lost. There is a last try when the connection ends.
                Err(_) if self.shut == Shut::No && session.output().len() <= self.farewell => break,
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
        if let Some(session) = &mut self.session {
            session.close();
        }
        self.shut = Shut::Soon;
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Says that nothing follows, if the socket takes that now, and all else is sent.
    pub(crate) fn take_leave(&mut self) {
        let held = self.held();
        let Some(session) = &mut self.session else { return };
        match self.shut {
            Shut::No if held == 0 => session.close(),
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
