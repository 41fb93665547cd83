//! The settings of one entry.

use super::ciphers::MinVersion;
use super::clients::Clients;
use super::pem::Pem;

/// The settings of one entry: what one name, or several, are served with.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The names that it is for, each exact or `*.name`. If there are none, those of its
    /// certificates count, and it is the default if it is the first such entry.
    pub names: Vec<String>,
    /// One chain a text: the server's certificate, then those that signed it.
    pub certificates: Vec<Pem>,
    /// The private keys of the chains, in any order. One text may hold several.
    pub keys: Vec<Pem>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
    /// Names as OpenSSL has them, with colons between. All that there are if not given.
    pub ciphers: Option<String>,
    /// Whether the server's order of ciphers counts, and not the client's.
    pub server_order: bool,
    /// Protocols for ALPN, the best first. With none, ALPN is not spoken.
    pub protocols: Vec<Vec<u8>>,
    /// What is asked of clients.
    pub clients: Clients,
}
