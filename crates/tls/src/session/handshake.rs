//! A handshake that is under way.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection as Conn;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::config::Chosen;

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
}
