//! How connections are secured: certificates by name, versions, ciphers, clients' certificates.
//!
//! A [`Config`] is built whole and checked, and then never changes. To replace a certificate, a
//! caller builds another and gives that to the sessions that begin from then on.

mod ciphers;
mod clients;
mod entry;
mod error;
mod guard;
mod identity;
mod pem;
mod resolver;
mod suites;

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;

pub use ciphers::MinVersion;
pub(crate) use ciphers::suites;
pub(crate) use clients::Judge;
pub use clients::{Ask, Clients};
pub use entry::Entry;
pub use error::ConfigError;
pub(crate) use error::Time;
pub use guard::Guard;
pub use pem::Pem;
pub use suites::names as cipher_names;
pub(crate) use suites::openssl_name;

use crate::certificate::Certificate;
use crate::clock::{Clock, RustlsClock};
use crate::hello::Hello;
use crate::hybrid::X25519MlKem768;
use crate::names::Names;
pub use crate::names::Unknown;
use crate::provider;
use crate::resumption::{Resumption, Scoped};
use resolver::Resolver;

/// How much early data is skipped of a client with a ticket of another server, as rustls counts: it
/// looks at a record once more whenever bytes come. A session holds at most a record of it.
const SKIPPED_EARLY_DATA: u32 = 4 << 20;

/// Entries that were checked, ready for sessions.
pub struct Config {
    entries: Vec<Arc<Chosen>>,
    names: Arc<Names>,
    resumption: Arc<Resumption>,
    warnings: Vec<String>,
}

/// What a session is made with.
pub(crate) struct Chosen {
    rustls: Arc<ServerConfig>,
    /// The same, with the hybrid key exchange first.
    hybrid: Arc<ServerConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether a client is asked for a certificate.
    pub(crate) asks: bool,
    /// What judges certificates that any client may show, see [`Ask::Request`].
    pub(crate) judge: Option<Judge>,
    /// Which hosts may be asked for, where rules for clients differ.
    pub(crate) guard: Option<Arc<Guard>>,
    /// The rules for clients.
    scope: [u8; 32],
    certificates: Vec<Certificate>,
}

impl Chosen {
    /// What a session with this client is made with.
    ///
    /// rustls takes the first group that both know, and asks for a share where the client has not
    /// sent one. A share of ML-KEM is not worth a round trip, so that group is only known where its
    /// share has come.
    pub(crate) fn rustls(&self, hello: &Hello) -> Arc<ServerConfig> {
        Arc::clone(if hello.has_hybrid_share() { &self.hybrid } else { &self.rustls })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self.certificates().map(Certificate::label).collect();
        f.debug_struct("Config").field("certificates", &labels).finish_non_exhaustive()
    }
}

impl Config {
    /// Checks and builds everything.
    ///
    /// # Errors
    ///
    /// The first fault: which text it is in, and what is wrong with it.
    pub fn new(
        entries: &[Entry],
        unknown: Unknown,
        resumption: &Arc<Resumption>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        if entries.is_empty() {
            return Err(ConfigError::NoEntry);
        }
        let provider = provider::provider();
        let default = entries.iter().position(|entry| entry.names.is_empty()).unwrap_or(0);
        let mut names = Names::new(default, unknown);
        let mut identities = Vec::new();
        let mut warnings = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let found = identity::read(entry, &provider, clock.now(), &mut warnings)?;
            for name in &entry.names {
                let owner = names.owner(name);
                if !names.add(name, index) {
                    return Err(ConfigError::BadName { name: name.clone() });
                }
                if owner.is_some_and(|owner| owner != index) {
                    warnings.push(format!("two entries are for \"{name}\": the first serves it"));
                }
            }
            warnings.extend(never_served(&found));
            identities.push(found);
        }
        // Names that were given come before those that are only in a certificate.
        for (index, found) in identities.iter().enumerate() {
            if entries[index].names.is_empty() {
                let of_certificates = found.iter().flat_map(|one| &one.certificate.dns_names);
                of_certificates.for_each(|name| {
                    names.add(name, index);
                });
            }
        }
        let names = Arc::new(names);
        let build = |(index, found): (usize, Vec<identity::Identity>)| {
            let resolver = Resolver::new(index, &names, &found);
            build(&entries[index], &provider, resolver, found, resumption, clock)
        };
        let built = identities.into_iter().enumerate().map(build);
        let mut entries = built.collect::<Result<Vec<_>, _>>()?;
        let scopes: Arc<[_]> = entries.iter().map(|one| one.scope).collect();
        for (index, one) in entries.iter_mut().enumerate() {
            one.guard = Guard::new(&names, &scopes, index);
        }
        let entries = entries.into_iter().map(Arc::new).collect();
        Ok(Self { entries, names, resumption: Arc::clone(resumption), warnings })
    }

    /// The servers' certificates, without those that signed them.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.entries.iter().flat_map(|entry| &entry.certificates)
    }

    /// When the first of the certificates expires, in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        self.certificates().map(|certificate| certificate.not_after).min()
    }

    /// What sessions are resumed with; the next configuration gets the same.
    pub fn resumption(&self) -> &Arc<Resumption> {
        &self.resumption
    }

    /// What works, but is probably not meant, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What serves a client that wants this canonical name. `None` if nothing does.
    pub(crate) fn choose(&self, name: Option<&str>) -> Option<&Arc<Chosen>> {
        self.entries.get(self.names.serve(name)?)
    }

    /// What answers before a name is known.
    pub(crate) fn fallback(&self) -> &Arc<Chosen> {
        &self.entries[self.names.fallback()]
    }
}

/// A client gets the first certificate of an entry whose kind of key it can check.
fn never_served(found: &[identity::Identity]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, one) in found.iter().enumerate() {
        let kind = one.certificate.key;
        if let Some(first) = found[..place].iter().find(|first| first.certificate.key == kind) {
            warnings.push(format!(
                "the certificate of \"{}\" is never served: \"{}\", in the same entry, has a key of \
                 the same kind ({kind}); put it into an entry of its own",
                one.certificate.label(),
                first.certificate.label(),
            ));
        }
    }
    warnings
}

fn build(
    entry: &Entry,
    provider: &CryptoProvider,
    resolver: Resolver,
    identities: Vec<identity::Identity>,
    resumption: &Arc<Resumption>,
    clock: &Arc<dyn Clock>,
) -> Result<Chosen, ConfigError> {
    let suites = suites(entry.ciphers.as_deref(), entry.min_version)?;
    let provider = CryptoProvider { cipher_suites: suites, ..provider.clone() };
    if let Some(wrong) = entry.protocols.iter().find(|name| !(1..=255).contains(&name.len())) {
        return Err(ConfigError::BadProtocol { len: wrong.len() });
    }
    let groups = [&[&X25519MlKem768 as _], &provider.kx_groups[..]].concat();
    let hybrid = Arc::new(CryptoProvider { kx_groups: groups, ..provider.clone() });
    let provider = Arc::new(provider);
    let clients = clients::verifier(&entry.clients, &provider)?;
    let time = Arc::new(RustlsClock(Arc::clone(clock)));
    let resolver = Arc::new(resolver);
    let scoped = Arc::new(Scoped { resumption: Arc::clone(resumption), scope: clients.scope });
    let with = |provider: Arc<CryptoProvider>| -> Result<Arc<ServerConfig>, ConfigError> {
        let builder = ServerConfig::builder_with_details(provider, time.clone())
            .with_protocol_versions(entry.min_version.versions())
            .map_err(|error| ConfigError::other(&error))?;
        let builder = match &clients.verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut rustls = builder.with_cert_resolver(resolver.clone());
        rustls.alpn_protocols.clone_from(&entry.protocols);
        rustls.ignore_client_order = entry.server_order;
        rustls.ticketer = scoped.clone();
        rustls.session_storage = scoped.clone();
        // It is never taken and never offered, since tickets hold their sessions themselves.
        rustls.max_early_data_size = SKIPPED_EARLY_DATA;
        Ok(Arc::new(rustls))
    };
    Ok(Chosen {
        rustls: with(provider)?,
        hybrid: with(hybrid)?,
        clock: Arc::clone(clock),
        asks: clients.verifier.is_some(),
        judge: clients.judge,
        guard: None,
        scope: clients.scope,
        certificates: identities.into_iter().map(|one| one.certificate).collect(),
    })
}
