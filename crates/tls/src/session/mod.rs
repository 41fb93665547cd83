//! One connection.

mod alerts;
mod bounds;
pub(crate) mod drive;
mod handshake;
mod parts;
mod sizes;
mod taken;

use std::io::IoSlice;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection as Conn;

use crate::config::{Chosen, Config, Guard};
use crate::error::{Alert, Error};
use crate::facts::{self, Facts};
use crate::hello::{self, Hello, Seen};
use crate::wire::{self, Front};
pub use bounds::{HEADROOM, MIN_READ, MIN_WRITE};
use bounds::{MOST_COLLECTED, MOST_HELD, MOST_HELD_CERTIFICATES, RECORD_COST};
use handshake::Handshake;
use parts::Parts;
use sizes::Sizes;

pub use taken::{Read, Written};

/// The server's side of one connection.
///
/// It holds ciphertext only while a record has not come whole, and output only until
/// [`sent`](Self::sent) says that it is on its way. An idle one has what rustls needs, and nothing
/// else. It may move to another thread between calls.
pub struct Session {
    phase: Phase,
    /// Ciphertext that is not used yet.
    held: Vec<u8>,
    /// How much at the front of `held` rustls has read, but wants to see again: the beginning
    /// of a handshake message that goes on in the next record.
    read: usize,
    out: Vec<u8>,
    /// How much of `out` is sent.
    sent: usize,
    sizes: Sizes,
    hello: Hello,
    peer_fault: Option<Box<Error>>,
    guard: Option<Arc<Guard>>,
    /// The client has sent `close_notify`.
    ended: bool,
    closed: bool,
}

enum Phase {
    /// The ClientHello has not come whole.
    Hello(Arc<Config>),
    /// It has, and waits for [`Session::work`].
    Chosen(Arc<Chosen>),
    Handshake(Box<Handshake>),
    Open(Box<Conn>),
    Failed(Box<Error>),
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Session>();
};

// Where it is `inline`, it is compiled with its caller, for speed; this crate is for size.
impl Session {
    /// For a connection that was just accepted.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            phase: Phase::Hello(config),
            held: Vec::new(),
            read: 0,
            out: Vec::new(),
            sent: 0,
            sizes: Sizes::default(),
            hello: Hello::default(),
            peer_fault: None,
            guard: None,
            ended: false,
            closed: false,
        }
    }

    /// Moves ciphertext that is held to its place in `buf`, behind [`HEADROOM`], and returns how
    /// much that is. Unless there is [`has_input`](Self::has_input), the caller reads from its
    /// socket behind it. Then it calls [`read`](Self::read). A `buf` has [`MIN_READ`] bytes at
    /// least.
    pub fn restore(&mut self, buf: &mut [u8]) -> usize {
        debug_assert!(buf.len() >= MIN_READ);
        if self.holds_on() {
            return 0;
        }
        let n = self.held.len().min(buf.len() - HEADROOM);
        buf[HEADROOM..HEADROOM + n].copy_from_slice(&self.held[..n]);
        self.held = self.held.split_off(n);
        n
    }

    /// Whether bytes are only collected now, for [`work`](Self::work).
    fn holds_on(&self) -> bool {
        match &self.phase {
            Phase::Chosen(_) => true,
            Phase::Handshake(handshake) => handshake.is_costly(),
            _ => false,
        }
    }

    /// Takes the ciphertext that is in `buf` behind [`HEADROOM`], `filled` bytes of it: first
    /// those that [`restore`](Self::restore) put there, then what the socket gave. Leaves the
    /// plaintext at the front of `buf`.
    ///
    /// While [`needs_work`](Self::needs_work), it only holds the bytes, and the caller should
    /// read no more.
    ///
    /// # Errors
    ///
    /// Why the connection is over. [`output`](Self::output) has the alert for the client. Each
    /// later call returns the error again.
    #[inline]
    pub fn read(&mut self, buf: &mut [u8], filled: usize) -> Result<Read, Error> {
        match self.advance(&mut buf[..HEADROOM + filled]) {
            Ok(plain) => Ok(Read { plain, ended: self.ended }),
            Err(error) => Err(self.fail(error)),
        }
    }

    #[inline]
    fn advance(&mut self, input: &mut [u8]) -> Result<usize, Error> {
        if self.holds_on() {
            return self.collect(&input[HEADROOM..]).map(|()| 0);
        }
        if let Phase::Hello(_) = &self.phase {
            self.greet(&input[HEADROOM..])?;
            self.held.extend_from_slice(&input[HEADROOM..]);
            return Ok(0);
        }
        let conn = match &mut self.phase {
            Phase::Handshake(handshake) => &mut handshake.conn,
            Phase::Open(conn) => &mut **conn,
            Phase::Failed(error) => return Err((**error).clone()),
            Phase::Hello(_) | Phase::Chosen(_) => return Ok(0),
        };
        let whole = wire::end_of_records(input, HEADROOM + self.read);
        let mut driven = drive::Driven::new(HEADROOM);
        let result = driven.run(conn, input, &mut self.out);
        self.ended |= driven.ended;
        result?;
        self.keep(&input[driven.used..], whole.saturating_sub(driven.used))?;
        self.opened();
        Ok(driven.plain)
    }

    /// Holds bytes for a step that is due, or will be when there are more.
    fn collect(&mut self, input: &[u8]) -> Result<(), Error> {
        self.held.extend_from_slice(input);
        let is_part = !self.needs_work();
        if self.held.len() > MOST_COLLECTED || is_part && self.held.len() > self.most_held() {
            return Err(Error::TooLong);
        }
        Ok(())
    }

    /// Looks for the ClientHello.
    fn greet(&mut self, input: &[u8]) -> Result<(), Error> {
        let Phase::Hello(config) = &self.phase else { return Ok(()) };
        match hello::read(input) {
            Seen::Part if input.len() > MOST_HELD => {
                self.refuse(Alert::DECODE_ERROR, Error::TooLong)
            }
            Seen::Part => Ok(()),
            Seen::Http => Err(Error::PlainHttp),
            Seen::Oversized => self.refuse(Alert::RECORD_OVERFLOW, Error::TooLong),
            Seen::Refused(alert, why) => self.refuse(alert, Error::Incompatible(why.into())),
            Seen::Wrong if wire::front(input) == Front::Wrong => {
                self.refuse(Alert::UNEXPECTED_MESSAGE, Error::NotTls)
            }
            // rustls says what is wrong.
            Seen::Wrong => {
                self.phase = Phase::Chosen(Arc::clone(config.fallback()));
                Ok(())
            }
            Seen::Whole(hello) => {
                let Some(chosen) = config.choose(hello.server_name()) else {
                    let name = hello.server_name().unwrap_or("").into();
                    return self.refuse(Alert::UNRECOGNIZED_NAME, Error::UnknownName(name));
                };
                self.phase = Phase::Chosen(Arc::clone(chosen));
                self.hello = hello;
                Ok(())
            }
        }
    }

    /// Ends a handshake that rustls knows nothing of.
    fn refuse(&mut self, alert: Alert, error: Error) -> Result<(), Error> {
        self.out.extend(wire::fatal_alert(alert.0));
        Err(error)
    }

    /// What the client wants, from the moment its ClientHello has come; its protocols only until
    /// the handshake is done. Before [`work`](Self::work), [`choose`](Self::choose) can answer.
    pub fn hello(&self) -> Option<&Hello> {
        (!matches!(self.phase, Phase::Hello(_))).then_some(&self.hello)
    }

    /// Replaces the configuration, after the ClientHello and before the first step of work.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownName`] if `config` is not for the client's name either.
    pub fn choose(&mut self, config: &Config) -> Result<(), Error> {
        if !matches!(self.phase, Phase::Chosen(_)) {
            return Ok(());
        }
        match config.choose(self.hello.server_name()) {
            Some(chosen) => {
                self.phase = Phase::Chosen(Arc::clone(chosen));
                Ok(())
            }
            None => Err(self.refuse_name()),
        }
    }

    /// Refuses the client's name: nothing serves it (`unrecognized_name`).
    pub fn refuse_name(&mut self) -> Error {
        self.out.extend(wire::fatal_alert(Alert::UNRECOGNIZED_NAME.0));
        let name = self.hello.server_name().unwrap_or("").into();
        self.fail(Error::UnknownName(name))
    }

    /// Whether a step of the handshake is due that signs, verifies or derives: 50 µs to 2 ms.
    /// [`work`](Self::work) takes it, on whatever thread.
    pub fn needs_work(&self) -> bool {
        match &self.phase {
            Phase::Chosen(_) => true,
            Phase::Handshake(handshake) => handshake.is_costly() && self.holds_record(),
            _ => false,
        }
    }

    /// Whether a record is held that rustls has not read. One that is wrong counts, too.
    fn holds_record(&self) -> bool {
        let rest = self.held.get(self.read..).unwrap_or_default();
        wire::front(rest) != Front::Part
    }

    /// Takes the steps of the handshake that the bytes held allow. What it leaves there is for
    /// the next [`read`](Self::read), see [`has_input`](Self::has_input).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn work(&mut self) -> Result<(), Error> {
        self.step().map_err(|error| self.fail(error))
    }

    fn step(&mut self) -> Result<(), Error> {
        match &self.phase {
            Phase::Chosen(chosen) => {
                let conn = Conn::new(chosen.rustls(&self.hello))?;
                let chosen = Arc::clone(chosen);
                self.phase =
                    Phase::Handshake(Box::new(Handshake { conn, chosen, answered: false }));
            }
            Phase::Failed(error) => return Err((**error).clone()),
            _ => {}
        }
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(()) };
        let mut input = std::mem::take(&mut self.held);
        let mut from = 0;
        // Record by record: what follows the handshake is not for here, since there is no place
        // for its plaintext.
        while handshake.conn.is_handshaking() {
            let rest = &input[from + self.read..];
            let end = match wire::front(rest) {
                Front::Record(len) => from + self.read + len,
                // rustls says what is wrong.
                Front::Wrong => input.len(),
                Front::Part => break,
            };
            let used = handshake.take(&mut input[from..end], &mut self.out)?;
            from += used;
            self.read = end - from;
        }
        let read = self.read;
        self.keep(&input[from..], read)?;
        self.opened();
        Ok(())
    }

    /// The handshake may be done.
    fn opened(&mut self) {
        let is_done = |handshake: &Handshake| !handshake.conn.is_handshaking();
        if !matches!(&self.phase, Phase::Handshake(handshake) if is_done(handshake)) {
            return;
        }
        let failed = Phase::Failed(Box::new(Error::Truncated));
        if let Phase::Handshake(handshake) = std::mem::replace(&mut self.phase, failed) {
            let Handshake { conn, chosen, .. } = *handshake;
            let chain = conn.peer_certificates().unwrap_or_default();
            let fault =
                chosen.judge.as_ref().and_then(|judge| judge.fault(chain, chosen.clock.now()));
            self.peer_fault = fault.map(Box::new);
            self.guard.clone_from(&chosen.guard);
            self.hello.forget_protocols();
            self.phase = Phase::Open(Box::new(conn));
        }
    }

    /// Holds what is not used. rustls has read the first `read` bytes of it.
    fn keep(&mut self, rest: &[u8], read: usize) -> Result<(), Error> {
        self.read = read;
        if self.ended {
            // What follows `close_notify` is ignored (RFC 8446, 6.1).
            self.read = 0;
            return Ok(());
        }
        // Whole records are for the next read; a bound is for what may go on and on.
        let whole = wire::end_of_records(rest, read);
        if rest.len() - (whole - read) > self.most_held() {
            return Err(Error::TooLong);
        }
        // In front of what did not fit into the caller's buffer.
        self.held.splice(..0, rest.iter().copied());
        Ok(())
    }

    fn most_held(&self) -> usize {
        match &self.phase {
            Phase::Handshake(one) if one.chosen.asks && one.is_costly() => MOST_HELD_CERTIFICATES,
            _ => MOST_HELD,
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.held = Vec::new();
        self.read = 0;
        self.phase = Phase::Failed(Box::new(error.clone()));
        error
    }

    /// Whether the next [`read`](Self::read) brings something without more from the socket.
    pub fn has_input(&self) -> bool {
        // Of a ClientHello that goes on, each record was looked at.
        !self.holds_on() && !matches!(self.phase, Phase::Hello(_)) && self.holds_record()
    }

    /// The socket has no more input, for ever.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] if the client did not say so itself.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        match &self.phase {
            Phase::Failed(error) => Err((**error).clone()),
            _ if self.ended => Ok(()),
            _ => Err(Error::Truncated),
        }
    }

    /// Bytes of buffers that it holds now. An idle session holds none.
    pub fn buffered(&self) -> usize {
        self.held.capacity() + self.out.capacity()
    }

    /// Whether the handshake is done, so that plaintext can go both ways.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// What was agreed on. `None` before the handshake is done.
    pub fn facts(&self) -> Option<Facts<'_>> {
        match &self.phase {
            Phase::Open(conn) => {
                let facts = facts::of(conn, self.hello.server_name(), self.peer_fault.as_deref());
                facts.map(|facts| Facts { guard: self.guard.as_ref(), ..facts })
            }
            _ => None,
        }
    }

    /// Output that waits: of the handshake, alerts, and what [`hold`](Self::hold) put there.
    pub fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The socket took `n` bytes of [`output`](Self::output).
    pub fn sent(&mut self, n: usize) {
        self.sent += n;
        debug_assert!(self.sent <= self.out.len());
        if self.sent >= self.out.len() {
            self.out = Vec::new();
            self.sent = 0;
        }
    }

    /// Keeps ciphertext that [`write`](Self::write) made and the socket did not take. A caller
    /// sends all [`output`](Self::output) before it writes more; so this is bounded by its buffer.
    pub fn hold(&mut self, ciphertext: &[u8]) {
        self.out.extend_from_slice(ciphertext);
    }

    /// Makes records of `plain` in `buf`, which has [`MIN_WRITE`] bytes at least. All output that
    /// waits goes in front of them, so that it is sent with them; then it no longer waits.
    ///
    /// Takes nothing before the handshake is done.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    pub fn write(&mut self, plain: &[u8], buf: &mut [u8]) -> Result<Written, Error> {
        self.write_vectored(&[IoSlice::new(plain)], buf)
    }

    /// As [`write`](Self::write), for plaintext in several parts. A record goes over their
    /// borders.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_vectored(
        &mut self,
        plain: &[IoSlice<'_>],
        buf: &mut [u8],
    ) -> Result<Written, Error> {
        debug_assert!(buf.len() >= MIN_WRITE);
        let mut made = self.take_output(buf);
        if let Phase::Failed(error) = &self.phase {
            return if made > 0 { Ok(Written { taken: 0, made }) } else { Err((**error).clone()) };
        }
        let Phase::Open(conn) = &mut self.phase else { return Ok(Written { taken: 0, made }) };
        if self.closed || !self.out.is_empty() {
            return Ok(Written { taken: 0, made });
        }
        let mut taken = 0;
        let mut parts = Parts::new(plain);
        loop {
            let most = self.sizes.next();
            let len = parts.len_up_to(most);
            // Plaintext of several parts is gathered at the end.
            let to_gather = if parts.is_one() { 0 } else { len };
            if buf.len() - made < len + RECORD_COST + to_gather {
                break;
            }
            let end = buf.len() - to_gather;
            let (place, gather) = buf[made..].split_at_mut(end - made);
            let record = parts.take(most, gather);
            if record.is_empty() {
                break;
            }
            made += match drive::encrypt(&mut **conn, &mut self.held[..self.read], record, place) {
                Ok(n) => n,
                Err(fault) => {
                    let error = Error::from(fault);
                    // The alert waits in `out`; what was made goes first.
                    return if made > 0 {
                        self.fail(error);
                        Ok(Written { taken, made })
                    } else {
                        Err(self.fail(error))
                    };
                }
            };
            taken += record.len();
            self.sizes.sent(record.len());
        }
        Ok(Written { taken, made })
    }

    /// Moves output to the front of `buf`, and returns how much there was room for.
    pub fn take_output(&mut self, buf: &mut [u8]) -> usize {
        let n = self.output().len().min(buf.len());
        buf[..n].copy_from_slice(&self.out[self.sent..self.sent + n]);
        self.sent(n);
        n
    }

    /// The connection was idle for so long that its next output starts slowly: the first records
    /// are short again.
    pub fn restart_records(&mut self) {
        self.sizes.restart();
    }

    /// Says that this side sends no more (`close_notify`). The caller sends
    /// [`output`](Self::output) and may still read. Nothing is said twice.
    pub fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        if let Phase::Open(conn) = &mut self.phase {
            // It has no key left: then the client finds the end without it.
            let _ = drive::close(&mut **conn, &mut self.held[..self.read], &mut self.out);
        }
    }
}
