//! One connection of a client.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection as Conn;
use rustls::pki_types::ServerName;

use super::error::ClientError;
use crate::facts::{Facts, of_client};
use crate::session::drive::{self, Driven};
use crate::session::{HEADROOM, Read};
use crate::wire;

/// The most plaintext of one record (RFC 8446, 5.1).
const RECORD: usize = 16_384;

/// More than any cipher adds to a record.
const RECORD_COST: usize = 256;

/// The most ciphertext that is held for a message of which more must come: a long chain.
const MOST_HELD: usize = 72 * 1024;

/// The buffer for [`ClientSession::read`]: headroom, what is held, and room for four records.
pub const BUFFER: usize = HEADROOM + MOST_HELD + 64 * 1024;

/// The client's side of one connection.
pub struct ClientSession {
    conn: Box<Conn>,
    /// Ciphertext that is not used yet.
    held: Vec<u8>,
    /// How much at the front of `held` rustls has read, but wants to see again.
    read: usize,
    out: Vec<u8>,
    /// How much of `out` is sent.
    sent: usize,
    ended: bool,
    closed: bool,
}

impl std::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSession").finish_non_exhaustive()
    }
}

impl ClientSession {
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, ClientError> {
        let mut session = Self {
            conn: Box::new(Conn::new(config, name)?),
            held: Vec::new(),
            read: 0,
            out: Vec::new(),
            sent: 0,
            ended: false,
            closed: false,
        };
        Driven::new(0).run(&mut *session.conn, &mut [], &mut session.out)?;
        Ok(session)
    }

    /// Whether the handshake is not done yet. Nothing can be [written](Self::write) until then.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.conn.is_handshaking()
    }

    /// Whether the server has said that it sends no more (`close_notify`).
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What was agreed on, once the handshake is done.
    #[must_use]
    pub fn facts(&self) -> Option<Facts<'_>> {
        of_client(&self.conn)
    }

    /// Ciphertext that is held. The caller leaves so much room behind [`HEADROOM`] in the buffer
    /// that it reads its socket to.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes ciphertext from the socket: `filled` bytes of `buf`, behind [`HEADROOM`] and
    /// [`held`](Self::held). Leaves the plaintext at the front of `buf`, which has [`BUFFER`] bytes.
    ///
    /// # Errors
    ///
    /// Why the connection is over. The output then has the alert for the server.
    pub fn read(&mut self, buf: &mut [u8], filled: usize) -> Result<Read, ClientError> {
        debug_assert!(buf.len() >= BUFFER);
        let held = self.held.len();
        buf[HEADROOM..HEADROOM + held].copy_from_slice(&self.held);
        let input = &mut buf[..HEADROOM + held + filled];
        let whole = wire::end_of_records(input, HEADROOM + self.read);
        let mut driven = Driven::new(HEADROOM);
        driven.run(&mut *self.conn, input, &mut self.out)?;
        self.ended |= driven.ended;
        // rustls has read the whole records. What it did not use is the beginning of a message.
        self.read = whole.saturating_sub(driven.used);
        let rest = &input[driven.used..];
        self.held.clear();
        self.held.extend_from_slice(rest);
        if self.held.len() > MOST_HELD {
            return Err(ClientError::Broken("a handshake message is too long".into()));
        }
        Ok(Read { plain: driven.plain, ended: self.ended })
    }

    /// Encrypts plaintext; it is then part of the output. The caller sees to it that the output
    /// does not grow without end.
    ///
    /// # Errors
    ///
    /// Why nothing can be written.
    pub fn write(&mut self, plain: &[u8]) -> Result<(), ClientError> {
        for record in plain.chunks(RECORD) {
            let before = self.out.len();
            self.out.resize(before + record.len() + RECORD_COST, 0);
            let read = &mut self.held[..self.read];
            let made = drive::encrypt(&mut *self.conn, read, record, &mut self.out[before..]);
            self.out.truncate(before + *made.as_ref().unwrap_or(&0));
            made?;
        }
        Ok(())
    }

    /// Says that this side sends no more (`close_notify`).
    pub fn close(&mut self) {
        if !self.closed && !self.is_handshaking() {
            self.closed = true;
            // Without a key for it, the server finds the end without being told.
            let _ = drive::close(&mut *self.conn, &mut self.held[..self.read], &mut self.out);
        }
    }

    /// Ciphertext for the socket.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The socket took so much of the output.
    pub fn sent(&mut self, n: usize) {
        self.sent += n;
        if self.sent >= self.out.len() {
            self.sent = 0;
            self.out.clear();
        }
    }
}
