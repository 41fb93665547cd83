//! What a certificate says about itself: names and dates, for messages, statistics and choices.
//!
//! Nothing is trusted because of what is read here: rustls-webpki decides that. It shows neither
//! dates nor subject, and a full X.509 library would bring more code than the rest of this crate.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::der::{self, Der, tag};

/// What a certificate says. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Such as `CN=example.com, O=Example`, in the order of the certificate.
    pub subject: String,
    /// The same of who signed it.
    pub issuer: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The DNS names that it is for, wildcards too (subjectAltName).
    pub dns_names: Vec<String>,
    /// The addresses that it is for (subjectAltName).
    pub addresses: Vec<IpAddr>,
    /// The first second in which it is valid.
    pub not_before: i64,
    /// The last second in which it is valid.
    pub not_after: i64,
    /// The kind of its key.
    pub key: KeyKind,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// On an elliptic curve, for ECDSA.
    Ec,
    /// For RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
    /// Another.
    Other,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ec => "EC",
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
            Self::Other => "other",
        })
    }
}

impl Certificate {
    /// Reads a certificate in DER. `None` if it is none (RFC 5280, section 4.1).
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(der).enter(tag::SEQUENCE)?;
        let mut body = certificate.enter(tag::SEQUENCE)?;
        let _version = body.enter(tag::VERSION);
        let serial = body.take(tag::INTEGER)?;
        let _algorithm = body.take(tag::SEQUENCE)?;
        let issuer = body.enter(tag::SEQUENCE)?;
        let mut validity = body.enter(tag::SEQUENCE)?;
        let subject = body.enter(tag::SEQUENCE)?;
        let key = body.enter(tag::SEQUENCE)?;
        let mut read = Self {
            subject: name(subject)?,
            issuer: name(issuer)?,
            serial: hex(serial.strip_prefix(&[0]).unwrap_or(serial)),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            not_before: der::time(validity.next()?)?,
            not_after: der::time(validity.next()?)?,
            key: kind_of(key)?,
        };
        while let Some((found, content)) = body.next() {
            if found == tag::EXTENSIONS {
                read.extensions(Der(content).enter(tag::SEQUENCE)?)?;
            }
        }
        Some(read)
    }

    fn extensions(&mut self, mut extensions: Der<'_>) -> Option<()> {
        const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
        while !extensions.is_empty() {
            let mut extension = extensions.enter(tag::SEQUENCE)?;
            let id = extension.take(tag::OID)?;
            let _critical = extension.take(tag::BOOLEAN);
            let content = extension.take(tag::OCTET_STRING)?;
            if id == SUBJECT_ALT_NAME {
                let mut names = Der(content).enter(tag::SEQUENCE)?;
                while let Some((kind, content)) = names.next() {
                    self.general_name(kind, content);
                }
            }
        }
        Some(())
    }

    fn general_name(&mut self, kind: u8, content: &[u8]) {
        match kind {
            tag::DNS_NAME => self.dns_names.push(String::from_utf8_lossy(content).into_owned()),
            tag::ADDRESS => {
                let v4 = <[u8; 4]>::try_from(content).map(Ipv4Addr::from).map(IpAddr::V4);
                let v6 = <[u8; 16]>::try_from(content).map(Ipv6Addr::from).map(IpAddr::V6);
                self.addresses.extend(v4.or(v6));
            }
            _ => {}
        }
    }

    /// The name by which a person knows it: a DNS name if it has one, else its subject.
    pub fn label(&self) -> &str {
        self.dns_names.first().map_or(&self.subject, |name| name)
    }
}

/// The SubjectPublicKeyInfo of a certificate, its own tag included.
pub(crate) fn public_key_of(der: &[u8]) -> Option<&[u8]> {
    let mut body = Der(der).enter(tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
    let _version = body.enter(tag::VERSION);
    body.take(tag::INTEGER)?;
    for _ in 0..4 {
        body.take(tag::SEQUENCE)?;
    }
    let from = body.0;
    body.take(tag::SEQUENCE)?;
    from.get(..from.len() - body.0.len())
}

/// The kind of key in the content of a SubjectPublicKeyInfo.
fn kind_of(mut key: Der<'_>) -> Option<KeyKind> {
    let id = key.enter(tag::SEQUENCE)?.take(tag::OID)?;
    Some(match id {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => KeyKind::Ec,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => KeyKind::Rsa,
        [0x2b, 0x65, 0x70] => KeyKind::Ed25519,
        _ => KeyKind::Other,
    })
}

/// A distinguished name as text (after RFC 4514, in the certificate's order).
fn name(mut parts: Der<'_>) -> Option<String> {
    let mut text = String::new();
    while !parts.is_empty() {
        let mut part = parts.enter(tag::SET)?;
        while !part.is_empty() {
            let mut pair = part.enter(tag::SEQUENCE)?;
            let id = pair.take(tag::OID)?;
            let (_, value) = pair.next()?;
            let separator = if text.is_empty() { "" } else { ", " };
            let value = printable(value);
            // Writing to a String cannot fail.
            let _ = match attribute(id) {
                Some(attribute) => write!(text, "{separator}{attribute}={value}"),
                None => write!(text, "{separator}{}={value}", hex(id)),
            };
        }
    }
    Some(text)
}

fn attribute(id: &[u8]) -> Option<&'static str> {
    match id {
        [0x55, 0x04, 0x03] => Some("CN"),
        [0x55, 0x04, 0x06] => Some("C"),
        [0x55, 0x04, 0x07] => Some("L"),
        [0x55, 0x04, 0x08] => Some("ST"),
        [0x55, 0x04, 0x0a] => Some("O"),
        [0x55, 0x04, 0x0b] => Some("OU"),
        _ => None,
    }
}

/// Text of a certificate goes to terminals and logs: control characters do not.
fn printable(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
