//! The socket between a client and the reactor, and the events that epoll would report.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::answer::End;
use super::rng::Rng;
use super::tls_peer::TlsPeer;
use crate::conn::link::Transport;
use crate::event_loop::reactor::Ready;
use crate::observe::close_reason::CloseReason;
use crate::observe::counter::Counter;
use crate::observe::counters::LoopCounters;

/// What greetings consist of.
pub(super) const GREETING: u8 = 0xff;

/// How often, in percent, the socket does what it rarely does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) short_read: u32,
    pub(super) short_write: u32,
    pub(super) interrupted: u32,
}

/// Bytes that go both ways before all others, as those of a handshake do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Greeting {
    /// How many bytes of the client's greeting are left.
    pub(super) client: usize,
    /// How many of these have arrived.
    pub(super) arrived: usize,
    /// How many bytes of the server's greeting are left.
    pub(super) server: usize,
}

/// One connection, both directions.
pub(super) struct Wire {
    /// All that the client will ever send. `arrived` bytes of it are on the server's side,
    /// `notified` were there at the last event, and `read` have been read.
    pub(super) input: Vec<u8>,
    pub(super) arrived: usize,
    pub(super) notified: usize,
    pub(super) read: usize,
    /// Bytes of these that were thrown away.
    pub(super) discarded: usize,
    /// Bytes that were read and are held in the link.
    pub(super) in_link: usize,
    /// What is left of the link's greetings. They are no part of `input` and `output`.
    pub(super) greeting: Greeting,
    /// What speaks TLS for the client. `input` and `output` are the plaintext.
    pub(super) peer: Option<Box<TlsPeer>>,
    /// How much of `input` the peer has encrypted.
    said: usize,
    /// The server closes the connection, and only takes its leave.
    leaves: bool,
    /// There was no room for that.
    pub(super) was_full: bool,
    /// How much had been read for use when something was last sent.
    pub(super) known: usize,
    /// The client's end of stream has arrived, and when.
    pub(super) eof: bool,
    pub(super) eof_at: u64,
    /// The client has closed its TCP socket. Its kernel answers further bytes with a reset.
    pub(super) left: bool,
    resets: bool,
    pub(super) reset: bool,
    /// The client has closed both directions. On a unix socket the server learns that.
    pub(super) gone: bool,
    /// All that the server has sent. The client has `taken` some of it. No more than `capacity`
    /// bytes of the rest fit.
    pub(super) output: Vec<u8>,
    pub(super) taken: usize,
    pub(super) capacity: usize,
    /// A write came up short. The kernel will report when there is room.
    pub(super) blocked: bool,
    /// When something last went into it, or out of it.
    pub(super) moved_at: u64,
    /// When something last went into it.
    pub(super) wrote_at: u64,
    pub(super) shut_at: Option<u64>,
    /// It was made to end with a reset.
    pub(super) broken: bool,
    /// An event is due.
    pub(super) edge: bool,
    /// The rest of the input came right behind the last read, which could not see it.
    pub(super) came_behind: bool,
    /// The reactor has dropped it.
    pub(super) closed: Option<(Option<CloseReason>, u64)>,
    pub(super) faults: Faults,
    rng: Rng,
    now: Rc<Cell<u64>>,
}

impl Wire {
    pub(super) fn new(
        input: Vec<u8>,
        capacity: usize,
        faults: Faults,
        rng: Rng,
        now: &Rc<Cell<u64>>,
    ) -> Self {
        Self {
            input,
            arrived: 0,
            notified: 0,
            read: 0,
            discarded: 0,
            in_link: 0,
            greeting: Greeting::default(),
            peer: None,
            said: 0,
            leaves: false,
            was_full: false,
            known: 0,
            eof: false,
            eof_at: 0,
            left: false,
            resets: false,
            reset: false,
            gone: false,
            output: Vec::new(),
            taken: 0,
            capacity,
            blocked: false,
            moved_at: now.get(),
            wrote_at: now.get(),
            shut_at: None,
            broken: false,
            edge: true,
            came_behind: false,
            closed: None,
            faults,
            rng,
            now: now.clone(),
        }
    }

    /// What epoll would report now. An edge-triggered event reports the whole state, not only what
    /// is new.
    pub(super) fn ready(&mut self) -> Ready {
        self.reset |= self.resets;
        let eof = self.has_ended();
        let failed = self.reset || self.gone && eof || eof && self.shut_at.is_some();
        let pending = self.peer.as_ref().map_or(0, |peer| peer.pending());
        let there = self.arrived > self.read || self.greeting.arrived > 0 || pending > 0;
        Ready {
            readable: there || eof || failed,
            writable: self.room() * 3 >= self.capacity,
            hangup: eof || failed,
            failed,
        }
    }

    /// The reactor is told of an event.
    pub(super) fn notify(&mut self, ready: Ready) {
        if ready.readable && !self.handshakes() {
            self.notified = self.arrived;
        }
    }

    /// Whether the client will see more of what the server sends.
    pub(super) fn end(&self) -> End {
        if self.broken || self.reset {
            End::Broken
        } else if self.shut_at.is_some() || self.closed.is_some() {
            End::Orderly
        } else {
            End::Open
        }
    }

    /// How much the connection has been given.
    pub(super) fn given(&self) -> usize {
        self.read - self.in_link
    }

    /// How much has been read for use.
    pub(super) fn used(&self) -> usize {
        self.given() - self.discarded
    }

    /// Whether the link waits for the client's greeting.
    pub(super) fn handshakes(&self) -> bool {
        self.greeting.client > 0 || self.peer.as_ref().is_some_and(|peer| peer.handshakes())
    }

    /// Whether the server has said over TLS that nothing follows.
    pub(super) fn said_end(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.server_ended)
    }

    /// Whether there is something over TLS that the server has not read.
    pub(super) fn is_unheard(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.pending() > 0)
    }

    /// Whether the client waits to say something over TLS.
    pub(super) fn is_unsaid(&self) -> bool {
        self.peer.is_some() && self.said < self.arrived
    }

    /// Whether the end of the client's stream is there. A client ends no stream over which it has
    /// not said anything yet.
    fn has_ended(&self) -> bool {
        self.eof && !self.peer.as_ref().is_some_and(|peer| peer.handshakes())
    }

    fn room(&self) -> usize {
        self.capacity - (self.output.len() - self.taken).min(self.capacity)
    }

    /// The server reads ciphertext. The client encrypts what it has said just then.
    fn read_tls(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let ended = self.has_ended();
        let Some(peer) = &mut self.peer else { return Ok(0) };
        self.said += peer.say(&self.input[self.said..self.arrived], buf.len());
        if ended && self.said == self.arrived {
            peer.end();
        }
        let there = peer.pending().min(buf.len());
        if there == 0 {
            return if ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let mut n = there;
        if n > 1 && self.rng.percent(self.faults.short_read) {
            n = self.rng.between(1, n - 1);
        }
        let known = peer.give(&mut buf[..n]);
        self.read += known;
        self.in_link += known;
        // What did not come with this read comes just now, with an event of its own. A read that
        // found less than there was room for has emptied the socket.
        if n < buf.len() {
            self.edge |= peer.pending() > 0 || self.arrived > self.said || ended;
            self.notified = self.read;
        }
        Ok(n)
    }

    /// The server writes ciphertext, of which the client takes `n` bytes.
    fn write_tls(&mut self, bufs: &[IoSlice<'_>], n: usize) {
        let Some(peer) = &mut self.peer else { return };
        let handshakes = peer.handshakes();
        let mut left = n;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            left -= part.len();
            peer.hear(part, &mut self.output);
        }
        // It may have something to say now.
        let spoke = peer.pending() > 0 || handshakes && !peer.handshakes();
        self.edge |= spoke;
        // Part of a record leaves the socket's buffer, too.
        if self.blocked && self.room() * 3 >= self.capacity {
            self.blocked = false;
            self.edge = true;
        }
    }

    pub(super) fn deliver(&mut self, n: usize) {
        self.greeting.arrived = self.greeting.client;
        self.arrived += n;
        self.edge = true;
    }

    pub(super) fn send_eof(&mut self) {
        self.greeting.arrived = self.greeting.client;
        self.eof = true;
        self.eof_at = self.now.get();
        self.edge = true;
    }

    pub(super) fn send_leave(&mut self) {
        self.left = true;
        self.send_eof();
    }

    pub(super) fn send_close(&mut self) {
        self.gone = true;
        self.send_eof();
    }

    pub(super) fn send_reset(&mut self) {
        self.reset = true;
        self.edge = true;
    }

    /// The client reads.
    pub(super) fn take(&mut self, n: usize) {
        self.taken += n;
        if n > 0 && self.closed.is_none() {
            self.moved_at = self.now.get();
        }
        // The kernel waits until a third is free (sk_stream_write_space).
        if self.blocked && self.room() * 3 >= self.capacity {
            self.blocked = false;
            self.edge = true;
        }
    }
}

/// The reactor's end.
pub(super) struct SimTransport {
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) reasons: Rc<Reasons>,
}

impl Transport for SimTransport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.wire.borrow_mut();
        assert!(!buf.is_empty(), "a read into nothing looks like the end of the stream");
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.rng.percent(wire.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if wire.greeting.arrived > 0 {
            let n = wire.greeting.arrived.min(buf.len());
            wire.greeting.arrived -= n;
            wire.greeting.client -= n;
            buf[..n].fill(GREETING);
            return Ok(n);
        }
        if wire.peer.is_some() {
            return wire.read_tls(buf);
        }
        // The client says nothing else before its greeting.
        let arrived = if wire.handshakes() { wire.read } else { wire.arrived };
        let there = (arrived - wire.read).min(buf.len());
        if there == 0 {
            return if wire.eof { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let mut n = there;
        wire.came_behind = false;
        if n > 1 && wire.rng.percent(wire.faults.short_read) {
            // The rest comes in just now, with an event of its own.
            n = wire.rng.between(1, n - 1);
            wire.notified = wire.read + n;
            wire.edge = true;
            wire.came_behind = true;
        }
        buf[..n].copy_from_slice(&wire.input[wire.read..wire.read + n]);
        wire.read += n;
        wire.notified = wire.notified.max(wire.read);
        Ok(n)
    }

    fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.wire.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.rng.percent(wire.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let n = (wire.arrived - wire.read).min(buf.len());
        if n == 0 {
            return if wire.eof { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        buf[..n].copy_from_slice(&wire.input[wire.read..wire.read + n]);
        wire.notified = wire.notified.max(wire.read + n);
        Ok(n)
    }

    fn sends_files(&self) -> bool {
        true
    }

    fn send_file(&mut self, file: &File, at: u64, len: usize) -> io::Result<usize> {
        let mut bytes = vec![0; len.min(5_000)];
        let n = file.read_at(&mut bytes, at)?;
        if n == 0 { Ok(0) } else { self.write(&bytes[..n]) }
    }

    fn given(&mut self, in_link: usize, discarded: usize) {
        let mut wire = self.wire.borrow_mut();
        wire.in_link = in_link;
        wire.discarded += discarded;
    }

    fn read_both(&mut self, buf: &mut [u8], more: &mut [u8]) -> io::Result<usize> {
        let n = self.read(buf)?;
        if n < buf.len() || more.is_empty() {
            return Ok(n);
        }
        // It is one call: once it has read something, nothing interrupts it and nothing fails.
        loop {
            match self.read(more) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return Ok(n + read.unwrap_or(0)),
            }
        }
    }

    fn leaves(&mut self) {
        self.wire.borrow_mut().leaves = true;
    }

    fn took(&mut self, n: usize, discarded: usize) {
        let mut wire = self.wire.borrow_mut();
        wire.in_link -= n;
        wire.discarded += discarded;
    }

    fn discard(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.read(buf)?;
        self.wire.borrow_mut().discarded += n;
        Ok(n)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let wire = &mut *self.wire.borrow_mut();
        assert!(wire.shut_at.is_none(), "a write after the end of the stream");
        if wire.reset || wire.gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if wire.rng.percent(wire.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        assert!(total > 0, "a write of nothing");
        let mut n = total.min(wire.room());
        wire.blocked = n < total;
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if n > 1 && wire.rng.percent(wire.faults.short_write) {
            n = wire.rng.between(1, n - 1);
        }
        if !wire.leaves {
            wire.moved_at = wire.now.get();
            wire.wrote_at = wire.moved_at;
        }
        // Its answer to that comes with the next event.
        wire.edge |= wire.left;
        wire.resets |= wire.left;
        wire.known = wire.used();
        if wire.peer.is_some() {
            wire.write_tls(bufs, n);
            return Ok(n);
        }
        let mut left = n;
        for buf in bufs {
            let mut part = &buf[..buf.len().min(left)];
            left -= part.len();
            let greeting = part.len().min(wire.greeting.server);
            assert!(part[..greeting].iter().all(|&byte| byte == GREETING), "it does not greet");
            wire.greeting.server -= greeting;
            part = &part[greeting..];
            wire.output.extend_from_slice(part);
        }
        Ok(n)
    }

    fn unsent(&self) -> usize {
        let wire = self.wire.borrow();
        wire.output.len() - wire.taken
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let wire = &mut *self.wire.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        assert!(wire.shut_at.is_none(), "the stream is ended twice");
        wire.shut_at = Some(wire.now.get());
        if wire.eof {
            wire.edge = true;
        }
        Ok(())
    }

    fn reset_on_close(&mut self) {
        self.wire.borrow_mut().broken = true;
    }
}

impl Drop for SimTransport {
    fn drop(&mut self) {
        let mut wire = self.wire.borrow_mut();
        let at = wire.now.get();
        wire.was_full = wire.blocked;
        wire.closed = Some((self.reasons.latest(), at));
    }
}

/// Tells from the counters why a connection was just closed.
pub(super) struct Reasons {
    counters: Arc<CachePadded<LoopCounters>>,
    seen: Cell<[u64; CloseReason::COUNT]>,
}

impl Reasons {
    const ALL: [CloseReason; CloseReason::COUNT] = [
        CloseReason::Peer,
        CloseReason::Served,
        CloseReason::Rejected,
        CloseReason::Idle,
        CloseReason::RequestTimeout,
        CloseReason::WriteTimeout,
        CloseReason::Aborted,
        CloseReason::Stopped,
        CloseReason::Handshake,
        CloseReason::Proxy,
    ];

    pub(super) fn new(counters: Arc<CachePadded<LoopCounters>>) -> Rc<Self> {
        Rc::new(Self { counters, seen: Cell::new([0; CloseReason::COUNT]) })
    }

    fn latest(&self) -> Option<CloseReason> {
        let now = self.counters.closed.each_ref().map(Counter::get);
        let seen = self.seen.replace(now);
        Self::ALL.into_iter().find(|&reason| now[reason as usize] > seen[reason as usize])
    }
}
