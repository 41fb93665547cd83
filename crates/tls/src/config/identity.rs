//! Certificates and the keys that belong to them.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::entry::Entry;
use super::error::ConfigError;
use super::pem::Pem;
use crate::certificate::{Certificate, public_key_of};

/// What a server can be known by.
pub(super) struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) certificate: Certificate,
}

struct Key<'a> {
    from: &'a str,
    signing: Arc<dyn SigningKey>,
    /// Its SubjectPublicKeyInfo.
    public: Vec<u8>,
    used: bool,
}

/// Reads the identities of an entry and checks them.
pub(super) fn read(
    entry: &Entry,
    provider: &CryptoProvider,
    now: u64,
    warnings: &mut Vec<String>,
) -> Result<Vec<Identity>, ConfigError> {
    if entry.certificates.is_empty() {
        return Err(ConfigError::NoCertificates);
    }
    let mut keys = Vec::new();
    for pem in &entry.keys {
        read_keys(pem, provider, &mut keys)?;
    }
    let mut identities = Vec::new();
    for pem in &entry.certificates {
        identities.push(read_chain(pem, &mut keys, now, warnings)?);
    }
    match keys.iter().find(|key| !key.used) {
        Some(key) => Err(ConfigError::SpareKey { from: key.from.into() }),
        None => Ok(identities),
    }
}

fn read_keys<'a>(
    pem: &'a Pem,
    provider: &CryptoProvider,
    keys: &mut Vec<Key<'a>>,
) -> Result<(), ConfigError> {
    for der in pem.keys()? {
        let bad = |what: String| ConfigError::BadKey { from: pem.from.clone(), what };
        let signing =
            provider.key_provider.load_private_key(der).map_err(|error| bad(reason(&error)))?;
        let public = signing.public_key().ok_or_else(|| bad("it has no public key".into()))?;
        let public = public.as_ref().to_vec();
        // The same key twice, as in a text with a key and its certificate, is one.
        if !keys.iter().any(|key| key.public == public) {
            keys.push(Key { from: &pem.from, signing, public, used: false });
        }
    }
    Ok(())
}

fn reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::General(_) => {
            "only RSA of 2048 to 4096 bits, P-256, P-384 and Ed25519 can be".into()
        }
        other => other.to_string(),
    }
}

fn read_chain(
    pem: &Pem,
    keys: &mut [Key<'_>],
    now: u64,
    warnings: &mut Vec<String>,
) -> Result<Identity, ConfigError> {
    let chain = pem.certificates()?;
    let mut read = Vec::new();
    for (index, der) in chain.iter().enumerate() {
        let certificate = Certificate::read(der);
        read.push(certificate.ok_or_else(|| ConfigError::BadCertificate {
            from: pem.from.clone(),
            place: index + 1,
        })?);
    }
    let key = key_of(pem, &chain, &read, keys)?;
    for certificate in &read {
        check_dates(pem, certificate, now)?;
    }
    for pair in read.windows(2) {
        if pair[0].issuer != pair[1].subject {
            warnings.push(format!(
                "{}: the certificate of \"{}\" is followed by \"{}\", which did not sign it",
                pem.from, pair[0].subject, pair[1].subject
            ));
        }
    }
    let certified = Arc::new(CertifiedKey::new(chain, key));
    // rustls reads the certificate with its own parser, too.
    certified.keys_match().map_err(|error| ConfigError::other(&error))?;
    Ok(Identity { certified, certificate: read.swap_remove(0) })
}

fn key_of(
    pem: &Pem,
    chain: &[CertificateDer<'_>],
    read: &[Certificate],
    keys: &mut [Key<'_>],
) -> Result<Arc<dyn SigningKey>, ConfigError> {
    let key_for = |keys: &mut [Key<'_>], der: &[u8]| {
        let public = public_key_of(der)?;
        let key = keys.iter_mut().find(|key| key.public == public)?;
        key.used = true;
        Some(Arc::clone(&key.signing))
    };
    if let Some(key) = key_for(keys, &chain[0]) {
        return Ok(key);
    }
    let (from, label) = (pem.from.clone(), read[0].label().to_owned());
    match chain.iter().position(|der| key_for(keys, der).is_some()) {
        Some(at) => {
            let label = read[at].label().to_owned();
            Err(ConfigError::WrongOrder { from, place: at + 1, label })
        }
        None => {
            let keys = keys.iter().map(|key| key.from.to_owned()).collect();
            Err(ConfigError::KeyMismatch { from, label, keys })
        }
    }
}

fn check_dates(pem: &Pem, certificate: &Certificate, now: u64) -> Result<(), ConfigError> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (from, label) = (|| pem.from.clone(), || certificate.label().to_owned());
    let Certificate { not_before, not_after, .. } = *certificate;
    if now > not_after {
        return Err(ConfigError::Expired { from: from(), label: label(), not_after });
    }
    if now < not_before {
        return Err(ConfigError::NotYetValid { from: from(), label: label(), not_before });
    }
    Ok(())
}
