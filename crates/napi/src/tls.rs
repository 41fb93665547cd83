//! The TLS settings of a listener, and their translation into a configuration of `reactor-tls`.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi::{Env, Result};
use napi_derive::napi;
use reactor_server::{Tls, TlsInfo};
use reactor_tls::config::{Ask, Clients, Entry, MinVersion, Pem, Unknown};
use reactor_tls::{CACHE, Clock, Config, Resumption, SelfSigned, SystemClock, TicketKey};

use crate::names::{self, Asks};
use crate::server::Failure;

/// How a listener is secured. Checked by `ts/options/tls.ts`.
#[napi(object)]
pub struct NativeTls {
    /// One for each name, or for several.
    pub entries: Vec<NativeTlsEntry>,
    /// What serves a client that wants an unknown name: `default`, or `refuse`.
    pub unknown_name: String,
    /// Seconds for which a session can be resumed.
    pub session_timeout: u32,
    /// Keys of 48 bytes for session tickets. Absent: the server makes its own.
    pub ticket_keys: Option<Vec<Uint8Array>>,
    /// Milliseconds for a handshake.
    pub handshake_timeout: u32,
    /// The number of the `NativeNames` that is asked in each handshake.
    pub names: Option<u32>,
}

/// What one name, or several, are served with.
#[napi(object)]
pub struct NativeTlsEntry {
    /// Host names. With none, those of the certificates.
    pub names: Vec<String>,
    /// One chain each.
    pub certificates: Vec<NativePem>,
    /// Their private keys, not encrypted.
    pub keys: Vec<NativePem>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub min_version: String,
    /// Names with colons between. Absent: all.
    pub ciphers: Option<String>,
    /// The server's order of ciphers counts.
    pub server_order: bool,
    /// For ALPN, the best first.
    pub protocols: Vec<Uint8Array>,
    /// Authorities of clients.
    pub client_ca: Option<Vec<NativePem>>,
    /// Clients are asked for a certificate.
    pub request_cert: bool,
    /// Clients without an accepted one are refused.
    pub reject_unauthorized: bool,
    /// Revocation lists.
    pub crl: Option<Vec<NativePem>>,
}

/// A text in PEM.
#[napi(object)]
pub struct NativePem {
    /// The option or the path that it is from, for messages.
    pub from: String,
    /// What it holds.
    pub text: Uint8Array,
}

impl NativeTls {
    /// Checks everything, for a server that starts.
    pub(crate) fn into_tls(self) -> std::result::Result<Arc<Tls>, Failure> {
        let keys = ticket_keys(self.ticket_keys.as_deref().unwrap_or_default())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let resumption = Resumption::new(clock, self.session_timeout, CACHE, &keys);
        let handshake_timeout = Duration::from_millis(self.handshake_timeout.into());
        let names = self.names.and_then(names::find);
        let config = self.into_config(&Arc::new(resumption))?;
        let tls = Tls::new(config, handshake_timeout);
        Ok(Arc::new(match names {
            Some(names) => tls.asking(Asks(names)),
            None => tls,
        }))
    }

    /// Checks everything, and puts it in the place of what `tls` has. Sessions stay resumable; with
    /// ticket keys, these count from now on. Returns warnings.
    pub(crate) fn replace(self, tls: &Tls) -> std::result::Result<Vec<String>, Failure> {
        let keys = self.ticket_keys.as_deref().map(ticket_keys).transpose()?;
        let handshake_timeout = Duration::from_millis(self.handshake_timeout.into());
        let current = tls.current();
        let resumption = current.resumption();
        let config = self.into_config(resumption)?;
        // Not before the rest is known to be right.
        if let Some(keys) = keys {
            resumption.set_keys(&keys);
        }
        let warnings = config.warnings().to_vec();
        tls.set_handshake_timeout(handshake_timeout);
        tls.replace(config);
        Ok(warnings)
    }

    fn into_config(
        self,
        resumption: &Arc<Resumption>,
    ) -> std::result::Result<Arc<Config>, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let unknown = match self.unknown_name.as_str() {
            "refuse" => Unknown::Refuse,
            _ => Unknown::Default,
        };
        let entries: Vec<Entry> =
            self.entries.into_iter().map(NativeTlsEntry::into_entry).collect();
        Config::new(&entries, unknown, resumption, &clock)
            .map(Arc::new)
            .map_err(|error| failure(error.to_string()))
    }
}

impl NativeTlsEntry {
    fn into_entry(self) -> Entry {
        let ask = match (self.request_cert, self.reject_unauthorized) {
            (false, _) => Ask::Never,
            (true, false) => Ask::Request,
            (true, true) => Ask::Require,
        };
        Entry {
            names: self.names,
            certificates: pems(self.certificates),
            keys: pems(self.keys),
            min_version: match self.min_version.as_str() {
                "TLSv1.3" => MinVersion::Tls13,
                _ => MinVersion::Tls12,
            },
            ciphers: self.ciphers,
            server_order: self.server_order,
            protocols: self.protocols.iter().map(|name| name.to_vec()).collect(),
            clients: Clients {
                ask,
                ca: pems(self.client_ca.unwrap_or_default()),
                crls: pems(self.crl.unwrap_or_default()),
            },
        }
    }
}

fn pems(given: Vec<NativePem>) -> Vec<Pem> {
    given.into_iter().map(|pem| Pem::new(pem.from, pem.text.to_vec())).collect()
}

fn ticket_keys(given: &[Uint8Array]) -> std::result::Result<Vec<TicketKey>, Failure> {
    given
        .iter()
        .map(|key| {
            TicketKey::new(key).ok_or_else(|| failure("a ticket key has 48 bytes".to_owned()))
        })
        .collect()
}

/// Checks settings without a server. Throws what `start` rejects with.
#[napi]
pub fn check_tls(env: Env, tls: NativeTls) -> Result<()> {
    tls.into_tls().map(drop).map_err(|failure| failure.into_error(env))
}

/// What a connection over TLS has agreed on.
#[napi(object)]
pub struct NativeTlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// By OpenSSL's name.
    pub cipher: String,
    /// By the standard's name.
    pub standard_cipher: String,
    /// The group of the key exchange.
    pub group: Option<String>,
    /// The application protocol (ALPN).
    pub protocol: Option<String>,
    /// The name that the client wants (SNI).
    pub server_name: Option<String>,
    /// The session was made on an earlier connection.
    pub resumed: bool,
    /// The client's certificates in DER.
    pub peer: Vec<Uint8Array>,
    /// Why these cannot be trusted.
    pub peer_fault: Option<String>,
}

impl From<&TlsInfo> for NativeTlsInfo {
    fn from(info: &TlsInfo) -> Self {
        Self {
            version: info.version.to_string(),
            cipher: info.cipher.to_owned(),
            standard_cipher: info.standard_cipher.to_owned(),
            group: info.group.map(str::to_owned),
            protocol: info.protocol.as_deref().map(|name| String::from_utf8_lossy(name).into()),
            server_name: info.server_name.as_deref().map(str::to_owned),
            resumed: info.resumed,
            peer: info.peer.iter().map(|der| Uint8Array::new(der.to_vec())).collect(),
            peer_fault: info.peer_fault.as_deref().map(str::to_owned),
        }
    }
}

/// Makes a private key, and a certificate for these host names and IP addresses that it signs
/// itself. Returns both in PEM. For development.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
pub fn self_signed(
    env: Env,
    subject: String,
    names: Vec<String>,
    days: u32,
) -> Result<NativeSelfSigned> {
    let lifetime = Duration::from_secs(86_400 * u64::from(days));
    SelfSigned::new(&subject, &names, lifetime)
        .map(|SelfSigned { certificate, key }| NativeSelfSigned { certificate, key })
        .map_err(|error| failure(error.to_string()).into_error(env))
}

/// What [`self_signed`] makes.
#[napi(object)]
pub struct NativeSelfSigned {
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

pub(crate) fn failure(message: String) -> Failure {
    Failure::new("ERR_REACTOR_TLS", message)
}
