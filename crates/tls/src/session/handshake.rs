//! A handshake that is under way.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection as Conn;
use rustls::{HandshakeKind, ProtocolVersion};

use super::alerts;
use super::drive::{Driven, Fault};
use crate::config::Chosen;
use crate::wire;

pub(super) struct Handshake {
    pub(super) conn: Conn,
    pub(super) chosen: Arc<Chosen>,
    /// The server has sent its certificate, or taken a session up again (TLS 1.3 only).
    pub(super) answered: bool,
}

impl Handshake {
    /// Whether the client's next message costs a signature, its verification or a key exchange.
    pub(super) fn is_costly(&self) -> bool {
        let is_tls13 = self.conn.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        match self.conn.handshake_kind() {
            // Nothing was agreed on yet.
            None => true,
            // The client's certificate is judged once more.
            Some(HandshakeKind::Resumed) => self.chosen.judge.is_some(),
            // Only Finished is missing, unless there is a certificate.
            Some(HandshakeKind::Full) => !is_tls13 || self.chosen.asks,
            // The second ClientHello is still to come.
            Some(HandshakeKind::FullWithHelloRetryRequest) => !self.answered || self.chosen.asks,
        }
    }

    /// Takes a record that may be wrong. Returns how much of it was used; rustls has read the rest,
    /// and must see it again.
    pub(super) fn take(&mut self, record: &mut [u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let before = out.len();
        let mut driven = Driven::new(0);
        let result = driven.run(&mut self.conn, record, out);
        self.answered |= wire::has_encrypted(&out[before..]);
        // A server that takes up a session of TLS 1.2 has sent its Finished.
        let is_clear = !self.answered && self.conn.handshake_kind() != Some(HandshakeKind::Resumed);
        if is_clear && let Err(fault) = &result {
            alerts::explain(fault, out, before);
        }
        result.map(|()| driven.used)
    }
}
