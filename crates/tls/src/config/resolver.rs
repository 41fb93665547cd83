//! Chooses the certificate for a ClientHello, among those of one entry.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm};

use super::identity::Identity;
use crate::names::{Names, canonical};

#[derive(Debug)]
pub(super) struct Resolver {
    entry: usize,
    names: Arc<Names>,
    certified: Vec<Arc<CertifiedKey>>,
}

impl Resolver {
    pub(super) fn new(entry: usize, names: &Arc<Names>, identities: &[Identity]) -> Self {
        let certified = identities.iter().map(|one| Arc::clone(&one.certified)).collect();
        Self { entry, names: Arc::clone(names), certified }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The entry was chosen by our own reading of the name. If rustls reads another one, the
        // client must not get past what the other entry asks of it.
        let name = hello.server_name().and_then(canonical);
        if self.names.serve(name.as_deref()) != Some(self.entry) {
            return None;
        }
        let can_be_used = |one: &&Arc<CertifiedKey>| {
            one.key.choose_scheme(hello.signature_schemes()).is_some()
                && hello.cipher_suites().iter().any(|suite| is_for(*suite, one.key.algorithm()))
        };
        // If none fits, rustls tells the client so with the first.
        self.certified.iter().find(can_be_used).or(self.certified.first()).cloned()
    }
}

/// Whether a cipher suite works with a key of this kind. In TLS 1.3 each does with all.
fn is_for(suite: CipherSuite, key: SignatureAlgorithm) -> bool {
    let is_ecdsa = matches!(
        suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    );
    let is_tls13 = u16::from(suite) >> 8 == 0x13;
    is_tls13 || is_ecdsa == (key != SignatureAlgorithm::RSA)
}
