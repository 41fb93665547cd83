//! What a user can say about the client's side.

use crate::config::Pem;
use crate::facts::Version;

/// The settings of a [`Client`].
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Whether any certificate will do. Neither the chain nor the server's signature is checked.
    pub insecure: bool,
    /// Who may have signed the server's certificate; one that is here itself is trusted too.
    /// Certificates that cannot be used are left out.
    pub authorities: Vec<Pem>,
    /// The client's own chain.
    pub certificates: Option<Pem>,
    /// The key of that chain.
    pub key: Option<Pem>,
    /// The only version that is offered. Default: both.
    pub version: Option<Version>,
    /// Names as OpenSSL has them, with colons between. Default: all, AES-128 first.
    pub ciphers: Option<String>,
    /// Protocols for ALPN, the best first.
    pub protocols: Vec<Vec<u8>>,
    /// Whether sessions are resumed.
    pub resume: bool,
}
