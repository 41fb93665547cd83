//! What can end a client's connection.

use std::error::Error as StdError;
use std::fmt;

use rustls::{CertificateError, Error as Rustls, InvalidMessage};

use crate::config::Time;
use crate::error::Alert;
use crate::session::drive::Fault;

/// Why a client's connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's first bytes are no TLS.
    NotTls,
    /// No authority that is trusted has signed the server's certificate.
    UnknownAuthority,
    /// The server's certificate is for other names.
    WrongName {
        /// The name that was asked for.
        expected: String,
        /// The names of the certificate.
        presented: Vec<String>,
    },
    /// The time of the server's certificate is over.
    Expired {
        /// Its last second, since 1970.
        not_after: Option<i64>,
    },
    /// The time of the server's certificate has not begun.
    NotYetValid,
    /// The server's certificate is wrong in another way.
    Certificate(Box<str>),
    /// The server ended the connection with this alert.
    Alert(Alert),
    /// No version, cipher, group or signature scheme that both sides have.
    Incompatible(Box<str>),
    /// The server's messages break the rules of TLS, or their encryption is wrong.
    Broken(Box<str>),
    /// The connection ended without `close_notify`: bytes may be missing (RFC 8446, 6.1).
    Truncated,
    /// A fault on this side.
    Internal(Box<str>),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls => f.write_str("the server does not speak TLS there"),
            Self::UnknownAuthority => {
                f.write_str("the server's certificate is not signed by a known authority")
            }
            Self::WrongName { expected, presented } if presented.is_empty() => {
                write!(f, "the server's certificate is for no name, so not for {expected}")
            }
            Self::WrongName { expected, presented } => {
                let names = presented.join(", ");
                write!(f, "the server's certificate is for {names}, not for {expected}")
            }
            Self::Expired { not_after: None } => f.write_str("the server's certificate expired"),
            Self::Expired { not_after: Some(time) } => {
                write!(f, "the server's certificate expired at {}", Time(*time))
            }
            Self::NotYetValid => f.write_str("the server's certificate is not valid yet"),
            Self::Certificate(what) => write!(f, "the server's certificate is wrong: {what}"),
            Self::Alert(alert) => write!(f, "the server ended TLS with the alert {alert}"),
            Self::Incompatible(what) => {
                write!(f, "nothing in common with the server's TLS: {what}")
            }
            Self::Broken(what) => write!(f, "the server breaks the rules of TLS: {what}"),
            Self::Truncated => f.write_str("the connection ended without close_notify"),
            Self::Internal(what) => write!(f, "TLS failed: {what}"),
        }
    }
}

impl StdError for ClientError {}

impl From<Rustls> for ClientError {
    fn from(error: Rustls) -> Self {
        let text = || error.to_string().into_boxed_str();
        match &error {
            Rustls::AlertReceived(alert) => Self::Alert(Alert((*alert).into())),
            Rustls::InvalidCertificate(what) => certificate(what),
            Rustls::PeerIncompatible(what) => Self::Incompatible(format!("{what:?}").into()),
            Rustls::PeerMisbehaved(what) => Self::Broken(format!("{what:?}").into()),
            Rustls::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            Rustls::InvalidMessage(what) => Self::Broken(format!("{what:?}").into()),
            Rustls::InappropriateMessage { .. }
            | Rustls::InappropriateHandshakeMessage { .. }
            | Rustls::DecryptError
            | Rustls::PeerSentOversizedRecord => Self::Broken(text()),
            _ => Self::Internal(text()),
        }
    }
}

impl From<Fault> for ClientError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Rustls(error) => error.into(),
            Fault::TooLong => Self::Broken("a record is too long".into()),
            Fault::Exhausted => Self::Internal("the keys have encrypted all that they may".into()),
            Fault::Internal(what) => Self::Internal(what),
        }
    }
}

fn certificate(error: &CertificateError) -> ClientError {
    let seconds = |time: &rustls::pki_types::UnixTime| i64::try_from(time.as_secs()).ok();
    match error {
        CertificateError::UnknownIssuer => ClientError::UnknownAuthority,
        CertificateError::NotValidForNameContext { expected, presented } => {
            ClientError::WrongName {
                expected: expected.to_str().into_owned(),
                presented: presented.iter().map(|name| plain(name)).collect(),
            }
        }
        CertificateError::Expired => ClientError::Expired { not_after: None },
        CertificateError::ExpiredContext { not_after, .. } => {
            ClientError::Expired { not_after: seconds(not_after) }
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ClientError::NotYetValid
        }
        other => ClientError::Certificate(other.to_string().into()),
    }
}

/// `DnsName("a.test")` as `a.test`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}
