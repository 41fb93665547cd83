//! What a session has agreed on.

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use crate::config::{Guard, openssl_name};
use crate::error::Error;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl fmt::Display for Version {
    /// As Node and OpenSSL write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

/// What a session has agreed on with its peer. There are facts once the handshake is done.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The version.
    pub version: Version,
    /// The cipher, by OpenSSL's name.
    pub cipher: &'static str,
    /// The cipher, by the standard's name.
    pub standard_cipher: &'static str,
    /// The group of the key exchange. A session that TLS 1.2 resumes has none.
    pub group: Option<&'static str>,
    /// The application protocol (ALPN), if one was agreed on.
    pub protocol: Option<&'a [u8]>,
    /// The name that the client wants (SNI).
    pub server_name: Option<&'a str>,
    /// Whether the session was made on an earlier connection.
    pub resumed: bool,
    /// The peer's certificates in DER, its own first. Empty if it showed none.
    pub peer: Vec<&'a [u8]>,
    /// Why the client's certificate cannot be trusted, where that is no reason to refuse it.
    pub peer_fault: Option<&'a Error>,
    /// Which hosts may be asked for, where rules for clients differ from name to name.
    pub guard: Option<&'a Arc<Guard>>,
}

pub(crate) fn of<'a>(
    conn: &'a UnbufferedServerConnection,
    server_name: Option<&'a str>,
    peer_fault: Option<&'a Error>,
) -> Option<Facts<'a>> {
    facts(conn, server_name, peer_fault)
}

/// Those of a client.
pub(crate) fn of_client(conn: &UnbufferedClientConnection) -> Option<Facts<'_>> {
    facts(conn, None, None)
}

fn facts<'a>(
    conn: &'a CommonState,
    server_name: Option<&'a str>,
    peer_fault: Option<&'a Error>,
) -> Option<Facts<'a>> {
    let suite = conn.negotiated_cipher_suite()?.suite();
    let peer = conn.peer_certificates().unwrap_or_default();
    let group = conn.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
    Some(Facts {
        version: match conn.protocol_version()? {
            ProtocolVersion::TLSv1_3 => Version::Tls13,
            _ => Version::Tls12,
        },
        cipher: openssl_name(suite),
        standard_cipher: standard_name(openssl_name(suite), suite.as_str()),
        group,
        protocol: conn.alpn_protocol(),
        server_name,
        resumed: conn.handshake_kind() == Some(HandshakeKind::Resumed),
        peer: peer.iter().map(AsRef::as_ref).collect(),
        peer_fault,
        guard: None,
    })
}

/// rustls calls those of TLS 1.3 `TLS13_…`, the standard `TLS_…` as OpenSSL does.
fn standard_name(openssl: &'static str, rustls: Option<&'static str>) -> &'static str {
    match openssl.starts_with("TLS_") {
        true => openssl,
        false => rustls.unwrap_or("unknown"),
    }
}
