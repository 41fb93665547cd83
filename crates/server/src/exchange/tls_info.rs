//! What a connection's TLS session has agreed on.

use std::sync::Arc;

use reactor_tls::config::Guard;
use reactor_tls::{Facts, Version};

/// What a connection over TLS has agreed on with its client.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// The version.
    pub version: Version,
    /// The cipher, by OpenSSL's name.
    pub cipher: &'static str,
    /// The cipher, by the standard's name.
    pub standard_cipher: &'static str,
    /// The group of the key exchange. A session that TLS 1.2 resumes has none.
    pub group: Option<&'static str>,
    /// The application protocol (ALPN), if one was agreed on.
    pub protocol: Option<Box<[u8]>>,
    /// The name that the client wants (SNI).
    pub server_name: Option<Box<str>>,
    /// Whether the session was made on an earlier connection.
    pub resumed: bool,
    /// The client's certificates in DER, its own first. Empty if it showed none.
    pub peer: Box<[Box<[u8]>]>,
    /// Why the client's certificate cannot be trusted, where that is no reason to refuse it.
    pub peer_fault: Option<Box<str>>,
    /// Which hosts may be asked for, where rules for clients differ from name to name.
    pub(crate) guard: Option<Arc<Guard>>,
}

impl From<Facts<'_>> for TlsInfo {
    fn from(facts: Facts<'_>) -> Self {
        Self {
            version: facts.version,
            cipher: facts.cipher,
            standard_cipher: facts.standard_cipher,
            group: facts.group,
            protocol: facts.protocol.map(Into::into),
            server_name: facts.server_name.map(Into::into),
            resumed: facts.resumed,
            peer: facts.peer.iter().map(|der| Box::from(*der)).collect(),
            peer_fault: facts.peer_fault.map(|fault| fault.to_string().into()),
            guard: facts.guard.cloned(),
        }
    }
}
