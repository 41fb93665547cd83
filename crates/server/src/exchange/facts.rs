//! What is known of a connection besides its bytes.

use crate::exchange::proxied::Proxied;
use crate::exchange::tls_info::TlsInfo;

/// What is known of a connection besides its bytes. Most connections in clear have none.
#[derive(Debug, Default)]
pub struct Facts {
    /// What its TLS session has agreed on, once the handshake is done.
    pub tls: Option<TlsInfo>,
    /// What a balancer has said of it, if one has.
    pub proxied: Option<Proxied>,
}

impl Facts {
    /// Whether the client speaks TLS, to this server or to the balancer in front.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.proxied.as_ref().is_some_and(|proxied| proxied.tls)
    }
}
