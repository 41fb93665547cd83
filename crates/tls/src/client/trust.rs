//! Which server's certificate is accepted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as Rustls, RootCertStore, SignatureScheme,
};

use super::options::ClientOptions;
use crate::certificate::Certificate;
use crate::config::ConfigError;

pub(super) fn verifier(
    options: &ClientOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    if options.insecure {
        return Ok(Arc::new(Any { schemes }));
    }
    let mut roots = RootCertStore::empty();
    let mut known = Vec::new();
    for pem in &options.authorities {
        for der in pem.certificates()? {
            // Lists of a system have some that nobody can use any more.
            let _ = roots.add(der.clone());
            known.push(der);
        }
    }
    if roots.is_empty() {
        return Err(ConfigError::NoCa);
    }
    let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| ConfigError::other(&error))?;
    Ok(Arc::new(Strict { strict, known, checked: Mutex::default() }))
}

/// Accepts what an authority has signed.
struct Strict {
    strict: Arc<WebPkiServerVerifier>,
    /// The authorities.
    known: Vec<CertificateDer<'static>>,
    /// The last chain that was right. All connections are to the same server.
    checked: Mutex<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for Strict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Strict {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Rustls> {
        let is_known = self.known.iter().any(|known| known == end_entity);
        if !is_known {
            let strict = &self.strict;
            return strict.verify_server_cert(end_entity, intermediates, name, ocsp, now).map(drop);
        }
        // It vouches for itself, as one does that `openssl req -x509` has made. webpki accepts no
        // authority as a server.
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        let read = Certificate::read(end_entity).ok_or(CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match now {
            _ if now > read.not_after => Err(CertificateError::Expired.into()),
            _ if now < read.not_before => Err(CertificateError::NotValidYet.into()),
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for Strict {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Rustls> {
        let chain = || std::iter::once(end_entity).chain(intermediates);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked.iter().eq(chain()) {
            self.check(end_entity, intermediates, name, ocsp, now)?;
            *checked = chain().map(|der| der.clone().into_owned()).collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        self.strict.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        self.strict.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// Accepts everything and looks at nothing.
#[derive(Debug)]
struct Any {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Rustls> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
