//! A link that delays and splits bytes as encryption does, and changes none of them.
//!
//! It begins with a greeting, and takes no output before the client's greeting is complete. It
//! reads ahead and gives less than it has, so a short read says nothing about the socket. It takes
//! output that the socket does not take yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use super::rng::Rng;
use super::wire::GREETING;
use crate::conn::link::{Got, Transport};

/// The most output that it takes before the socket does, in bytes.
const MOST_HELD: usize = 16 * 1024;

/// The most bytes that it reads ahead.
const MOST_AHEAD: usize = 20_000;

pub(crate) struct ToyLink<T> {
    socket: T,
    rng: Rng,
    /// Bytes of the client's greeting that have not come.
    greeting: usize,
    /// What it has read and not given.
    input: VecDeque<u8>,
    /// What it has taken and not sent.
    output: VecDeque<u8>,
    ended: bool,
}

impl<T: Transport> ToyLink<T> {
    /// With greetings of this many bytes from the client and from the server.
    pub(super) fn new(socket: T, rng: Rng, client: usize, server: usize) -> Self {
        let output = std::iter::repeat_n(GREETING, server).collect();
        let input = VecDeque::new();
        Self { socket, rng, greeting: client, input, output, ended: false }
    }

    pub(crate) fn socket(&self) -> &T {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut T {
        &mut self.socket
    }

    pub(crate) fn held(&self) -> usize {
        self.output.len()
    }

    pub(crate) fn read(&mut self, buf: &mut [u8], discards: bool) -> io::Result<Got> {
        let mut dry = false;
        if !self.ended && (self.input.is_empty() || self.rng.percent(30)) {
            match self.fetch() {
                Ok(all) => dry = all,
                // Bytes that are there are given first.
                Err(_) if !self.input.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        if self.input.is_empty() {
            return match self.ended {
                true => Ok(Got { n: 0, drained: true }),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let most = self.input.len().min(buf.len());
        let n = if self.rng.percent(50) { most } else { self.rng.between(1, most) };
        for (to, byte) in buf.iter_mut().zip(self.input.drain(..n)) {
            *to = byte;
        }
        self.socket.given(self.input.len(), if discards { n } else { 0 });
        Ok(Got { n, drained: dry && self.input.is_empty() && !self.ended })
    }

    /// Reads from the socket. True if it has no more.
    fn fetch(&mut self) -> io::Result<bool> {
        let mut buf = vec![0; self.rng.between(1, MOST_AHEAD)];
        while self.greeting > 0 {
            let n = self.socket.read(&mut buf[..self.greeting.min(MOST_AHEAD).min(1)])?;
            if n == 0 {
                self.ended = true;
                return Ok(true);
            }
            assert_eq!(buf[0], GREETING, "the client does not greet");
            self.greeting -= n;
        }
        match self.socket.read(&mut buf) {
            Ok(0) => self.ended = true,
            Ok(n) => {
                self.input.extend(&buf[..n]);
                self.socket.given(self.input.len(), 0);
                return Ok(n < buf.len());
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.greeting > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.output.len() >= MOST_HELD {
            self.flush()?;
        }
        let mut room = self.rng.between(1, MOST_HELD);
        let mut taken = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room)];
            self.output.extend(part);
            room -= part.len();
            taken += part.len();
        }
        Ok(taken)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let n = self.socket.write(self.output.as_slices().0)?;
            self.output.drain(..n);
        }
        Ok(())
    }
}
