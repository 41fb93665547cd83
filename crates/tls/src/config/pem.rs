//! PEM texts (RFC 7468).

use std::fmt;

use rustls::pki_types::pem::{Error as PemError, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::error::ConfigError;

/// A text, and where it is from: an option's name or a file's path, for messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Such as `tls.key` or `/etc/tls/key.pem`.
    pub from: String,
    /// What it holds, in PEM.
    pub text: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({})", self.from)
    }
}

/// One object of a text.
type Section = (SectionKind, Vec<u8>);

impl Pem {
    /// A text with where it is from.
    pub fn new(from: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { from: from.into(), text: text.into() }
    }

    fn sections(&self) -> Result<Vec<Section>, ConfigError> {
        // Editors of Windows begin a file with the mark of UTF-8.
        let text = self.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.text);
        Section::pem_slice_iter(text)
            .map(|section| section.map_err(|error| self.wrong(&error)))
            .collect()
    }

    /// All certificates.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let sections = self.sections()?;
        let found: Vec<_> = sections
            .iter()
            .filter_map(|(kind, der)| CertificateDer::from_pem(*kind, der.clone()))
            .collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(ConfigError::NoCertificate {
                from: self.from.clone(),
                instead: self.instead(&sections),
            }),
        }
    }

    /// All revocation lists.
    pub(super) fn crls(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
        let sections = self.sections()?;
        let found: Vec<_> = sections
            .iter()
            .filter_map(|(kind, der)| CertificateRevocationListDer::from_pem(*kind, der.clone()))
            .collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(ConfigError::NoCrl {
                from: self.from.clone(),
                instead: self.instead(&sections),
            }),
        }
    }

    /// All private keys.
    pub(super) fn keys(&self) -> Result<Vec<PrivateKeyDer<'static>>, ConfigError> {
        // An encrypted key of the old kind has fields between its marker and its base64.
        if self.has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || self.has("Proc-Type: 4,ENCRYPTED") {
            return Err(ConfigError::EncryptedKey { from: self.from.clone() });
        }
        let sections = self.sections()?;
        let found: Vec<_> = sections
            .iter()
            .filter_map(|(kind, der)| PrivateKeyDer::from_pem(*kind, der.clone()))
            .collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(ConfigError::NoKey {
                from: self.from.clone(),
                instead: self.instead(&sections),
            }),
        }
    }

    /// The first private key.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, ConfigError> {
        // There is one at least.
        let nothing = || ConfigError::NoKey { from: self.from.clone(), instead: "it is empty" };
        self.keys()?.into_iter().next().ok_or_else(nothing)
    }

    fn has(&self, words: &str) -> bool {
        self.text.windows(words.len()).any(|part| part == words.as_bytes())
    }

    /// What the text holds where it should hold something else.
    fn instead(&self, sections: &[Section]) -> &'static str {
        if self.text.iter().all(u8::is_ascii_whitespace) {
            return "it is empty";
        }
        match sections.first().map(|(kind, _)| kind) {
            Some(SectionKind::Certificate) => "it holds a certificate",
            Some(
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey,
            ) => "it holds a private key",
            Some(SectionKind::Csr) => {
                "it holds a request for a certificate; the authority's answer is wanted"
            }
            Some(SectionKind::PublicKey) => "it holds a public key",
            Some(SectionKind::Crl) => "it holds a revocation list",
            Some(_) => "it holds something else",
            None if self.text.first() == Some(&0x30) => {
                "it is in DER; `openssl x509 -inform der` or `openssl pkey -inform der` makes PEM"
            }
            None if matches!(self.text.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff])) => {
                "it is in UTF-16; save it as UTF-8"
            }
            None if self.has("-----BEGIN OPENSSH PRIVATE KEY-----") => {
                "it is in the form of OpenSSH; `openssl genpkey` makes a key for TLS"
            }
            None if self.has("-----BEGIN PKCS7-----") => {
                "it is PKCS #7; `openssl pkcs7 -print_certs` makes PEM"
            }
            None if self.text.starts_with(b"-----BEGIN ") || self.has("\n-----BEGIN ") => {
                "it holds something else"
            }
            None if self.has("-----BEGIN ") => {
                "-----BEGIN must be the start of a line, without spaces or quotes before it"
            }
            None => "it is no PEM text: no line begins with -----BEGIN",
        }
    }

    /// Shows nothing of the text but a marker: it may hold a private key.
    fn wrong(&self, error: &PemError) -> ConfigError {
        let is_one_line = self.has("-----\\n") || !self.text.trim_ascii().contains(&b'\n');
        let what = match error {
            PemError::MissingSectionEnd { .. } | PemError::IllegalSectionStart { .. }
                if is_one_line && !self.text.contains(&b'\r') =>
            {
                "it has no line ends; -----BEGIN and -----END need lines of their own".into()
            }
            PemError::MissingSectionEnd { end_marker } if is_label(end_marker) => {
                format!("the line -----END {}----- is missing", marker(end_marker))
            }
            PemError::MissingSectionEnd { .. } => "a line -----END is missing".into(),
            PemError::IllegalSectionStart { .. } => "a line -----BEGIN is damaged".into(),
            PemError::Base64Decode(_) => "its base64 is damaged".into(),
            PemError::SectionTooLarge => "it is too large".into(),
            _ => "it cannot be read".into(),
        };
        ConfigError::BadPem { from: self.from.clone(), what }
    }
}

fn marker(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Whether it is what stands in a marker, such as `PRIVATE KEY`.
fn is_label(bytes: &[u8]) -> bool {
    let marker = marker(bytes);
    marker.len() <= 32
        && marker.bytes().all(|one| one.is_ascii_uppercase() || one.is_ascii_digit() || one == b' ')
}
