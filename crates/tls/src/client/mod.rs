//! The client's side of TLS, for the load client and for tests.
//!
//! A [`Client`] is what all connections to one server share: whom it trusts, its own certificate,
//! the tickets that it was given. A [`ClientSession`] is one connection; it works on buffers as the
//! server's [`Session`](crate::Session) does.
//!
//! It shares the machine with the server that it loads, so it does as little as it may: AES-128
//! and X25519 come first in its offer, and a chain that it has checked is not checked again.

mod error;
mod options;
mod session;
mod store;
mod trust;

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

pub use error::ClientError;
pub use options::ClientOptions;
pub use session::{BUFFER, ClientSession};

use crate::clock::{RustlsClock, SystemClock};
use crate::config::{ConfigError, MinVersion, Pem, suites};
use crate::facts::Version;
use crate::provider;
use store::Store;

/// What the connections to one server share.
pub struct Client {
    rustls: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What `ciphers` is if not given.
const CIPHERS: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:\
                       ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                       ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                       ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

impl Client {
    /// For the server of this name or address. An IPv6 address may have brackets.
    ///
    /// # Errors
    ///
    /// The first fault of the settings, and where it is.
    pub fn new(server: &str, options: &ClientOptions) -> Result<Self, ConfigError> {
        let bare = server.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let bare = bare.unwrap_or(server);
        // The dot at the end of a full name is no part of it here (RFC 6066, section 3).
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| ConfigError::BadName { name: bare.to_owned() })?;
        let list = options.ciphers.as_deref().unwrap_or(CIPHERS);
        let provider = Arc::new(CryptoProvider {
            cipher_suites: suites(Some(list), MinVersion::Tls12)?,
            kx_groups: provider::cheap_groups(),
            ..provider::provider()
        });
        let verifier = trust::verifier(options, &provider)?;
        let time = Arc::new(RustlsClock(Arc::new(SystemClock)));
        let builder = ClientConfig::builder_with_details(Arc::clone(&provider), time)
            .with_protocol_versions(versions(options.version))
            .map_err(|error| ConfigError::other(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut rustls = match (&options.certificates, &options.key) {
            (Some(chain), Some(key)) => builder
                .with_client_auth_cert(chain.certificates()?, key.key()?)
                .map_err(|error| unfit(chain, key, &error))?,
            _ => builder.with_no_client_auth(),
        };
        rustls.alpn_protocols.clone_from(&options.protocols);
        rustls.resumption = match options.resume {
            true => Resumption::store(Arc::new(Store::default())),
            false => Resumption::disabled(),
        };
        Ok(Self { rustls: Arc::new(rustls), name })
    }

    /// Begins a connection. Its output is the ClientHello.
    ///
    /// # Errors
    ///
    /// Only where the system gives no random bytes.
    pub fn session(&self) -> Result<ClientSession, ClientError> {
        ClientSession::new(Arc::clone(&self.rustls), self.name.clone())
    }
}

fn versions(only: Option<Version>) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match only {
        None => &BOTH,
        Some(Version::Tls13) => &BOTH[..1],
        Some(Version::Tls12) => &BOTH[1..],
    }
}

/// The client's certificate and key cannot be used.
fn unfit(chain: &Pem, key: &Pem, error: &rustls::Error) -> ConfigError {
    match error {
        rustls::Error::InconsistentKeys(_) => ConfigError::KeyMismatch {
            from: chain.from.clone(),
            label: "the client's".into(),
            keys: vec![key.from.clone()],
        },
        other => ConfigError::BadKey { from: key.from.clone(), what: other.to_string() },
    }
}
