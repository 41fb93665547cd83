//! Certificates that sign themselves, for development.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

use crate::config::ConfigError;

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// The key, in PKCS #8.
    pub key: String,
}

impl std::fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SelfSigned(…)")
    }
}

impl SelfSigned {
    /// A new key (P-256) and its certificate for these host names and IP addresses. It holds from an
    /// hour ago, since clocks differ, for `lifetime` from now on.
    ///
    /// # Errors
    ///
    /// A name that is none.
    pub fn new(subject: &str, names: &[String], lifetime: Duration) -> Result<Self, ConfigError> {
        let wrong = |error: rcgen::Error| ConfigError::other(&error);
        let mut params = CertificateParams::new(names).map_err(wrong)?;
        let now = SystemTime::now();
        params.not_before = (now - Duration::from_secs(3600)).into();
        params.not_after = (now + lifetime).into();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(wrong)?;
        let certificate = params.self_signed(&key).map_err(wrong)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}
