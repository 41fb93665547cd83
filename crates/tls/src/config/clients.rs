//! What is asked of clients: certificates, and who may have signed them.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as Rustls, RootCertStore,
    SignatureScheme,
};

use super::error::ConfigError;
use super::pem::Pem;
use crate::error::Error;
use crate::provider;

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// No.
    #[default]
    Never,
    /// Yes, and every answer is taken. [`Facts`](crate::Facts) tell whether it can be trusted.
    /// This is Node's `requestCert` with `rejectUnauthorized: false`.
    Request,
    /// Yes. A client may show none; one that it shows must be right.
    Optional,
    /// Yes, and only clients with a certificate that is right are served.
    Require,
}

/// What is asked of clients.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Whether they are asked.
    pub ask: Ask,
    /// The authorities that may have signed their certificates.
    pub ca: Vec<Pem>,
    /// Revocation lists. If there are any, one must be there for each authority of a chain, and
    /// be in date, as in OpenSSL.
    pub crls: Vec<Pem>,
}

/// What comes of the settings.
pub(super) struct Built {
    /// What rustls asks. `None`: no client is asked.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// What tells afterwards whether a certificate can be trusted, for [`Ask::Request`].
    pub(super) judge: Option<Judge>,
    /// Under what rules sessions are made: one may be resumed only under the same.
    pub(super) scope: [u8; 32],
}

pub(super) fn verifier(
    clients: &Clients,
    provider: &Arc<CryptoProvider>,
) -> Result<Built, ConfigError> {
    if clients.ask == Ask::Never {
        return Ok(Built { verifier: None, judge: None, scope: provider::digest([]) });
    }
    let mut roots = RootCertStore::empty();
    let mut ders = Vec::new();
    for pem in &clients.ca {
        for (index, der) in pem.certificates()?.into_iter().enumerate() {
            ders.push(der.to_vec());
            roots.add(der).map_err(|error| ConfigError::BadCa {
                from: pem.from.clone(),
                place: index + 1,
                what: error.to_string(),
            })?;
        }
    }
    let mut crls = Vec::new();
    for pem in &clients.crls {
        crls.extend(pem.crls()?);
    }
    ders.push(vec![clients.ask as u8]);
    ders.extend(crls.iter().map(|crl| crl.to_vec()));
    let scope = provider::digest(ders.iter().map(Vec::as_slice));

    let inner = match (roots.is_empty(), clients.ask) {
        (true, Ask::Request) => None,
        (true, _) => return Err(ConfigError::NoCa),
        (false, ask) => Some(webpki(roots, crls, ask, provider)?),
    };
    Ok(match clients.ask {
        Ask::Request => {
            let judge = Judge(inner.clone());
            let any = Arc::new(Any { inner, provider: Arc::clone(provider) });
            Built { verifier: Some(any), judge: Some(judge), scope }
        }
        _ => Built { verifier: inner, judge: None, scope },
    })
}

fn webpki(
    roots: RootCertStore,
    crls: Vec<rustls::pki_types::CertificateRevocationListDer<'static>>,
    ask: Ask,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match crls.is_empty() {
        true => builder,
        false => builder.with_crls(crls).enforce_revocation_expiration(),
    };
    let builder = match ask {
        Ask::Require => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| ConfigError::BadCrl { what: error.to_string() })
}

/// Takes every certificate whose key the client has.
#[derive(Debug)]
struct Any {
    inner: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Any {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.as_ref().map_or(&[], |inner| inner.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Rustls> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Tells what a strict verifier would say. Without authorities it trusts nobody.
#[derive(Debug)]
pub(crate) struct Judge(Option<Arc<dyn ClientCertVerifier>>);

impl Judge {
    /// Why a chain cannot be trusted.
    pub(crate) fn fault(&self, chain: &[CertificateDer<'_>], now: u64) -> Option<Error> {
        let (end_entity, intermediates) = chain.split_first()?;
        let Some(strict) = &self.0 else {
            return Some(Rustls::from(CertificateError::UnknownIssuer).into());
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        strict.verify_client_cert(end_entity, intermediates, now).err().map(Error::from)
    }
}
