//! What can end a connection, and what can be wrong with a configuration.

use std::error::Error as StdError;
use std::fmt;

use rustls::Error as Rustls;

/// Why a connection cannot go on. An alert for the peer is in the session's output where TLS
/// allows one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are an HTTP request without TLS.
    PlainHttp,
    /// The first bytes are no TLS.
    NotTls,
    /// No configuration is for the name that the client wants, and the default is not for all.
    UnknownName(Box<str>),
    /// The peer ended the connection with this alert.
    Alert(Alert),
    /// No version, cipher, group or signature scheme that both sides have.
    Incompatible(Box<str>),
    /// The client speaks none of the application protocols (ALPN).
    NoSharedProtocol,
    /// The client showed no certificate and one is required.
    NoClientCertificate,
    /// The client's certificate is not accepted.
    ClientCertificate(Box<str>),
    /// The peer's messages break the rules of TLS, or their encryption is wrong.
    Broken(Box<str>),
    /// The peer's message is longer than this server holds.
    TooLong,
    /// The connection ended without `close_notify`: bytes may be missing (RFC 8446, 6.1).
    Truncated,
    /// One key has encrypted all that it may.
    Exhausted,
    /// A fault on this side.
    Internal(Box<str>),
}

impl Error {
    /// Short names of the kinds, for statistics, by [`index`](Self::index).
    pub const KINDS: [&'static str; 13] = [
        "plain-http",
        "not-tls",
        "unknown-name",
        "alert",
        "incompatible",
        "no-shared-protocol",
        "no-client-certificate",
        "client-certificate",
        "broken",
        "too-long",
        "truncated",
        "exhausted",
        "internal",
    ];

    /// The number of its kind, below the length of [`KINDS`](Self::KINDS).
    pub fn index(&self) -> usize {
        match self {
            Self::PlainHttp => 0,
            Self::NotTls => 1,
            Self::UnknownName(_) => 2,
            Self::Alert(_) => 3,
            Self::Incompatible(_) => 4,
            Self::NoSharedProtocol => 5,
            Self::NoClientCertificate => 6,
            Self::ClientCertificate(_) => 7,
            Self::Broken(_) => 8,
            Self::TooLong => 9,
            Self::Truncated => 10,
            Self::Exhausted => 11,
            Self::Internal(_) => 12,
        }
    }

    /// A short name of the kind.
    pub fn kind(&self) -> &'static str {
        Self::KINDS[self.index()]
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("the client sent an HTTP request without TLS"),
            Self::NotTls => f.write_str("the client's first bytes are no TLS"),
            Self::UnknownName(name) => write!(f, "no certificate is for the name \"{name}\""),
            Self::Alert(alert) => write!(f, "the client ended with the alert {alert}"),
            Self::Incompatible(what) => write!(f, "nothing in common with the client: {what}"),
            Self::NoSharedProtocol => f.write_str("no application protocol (ALPN) in common"),
            Self::NoClientCertificate => f.write_str("the client showed no certificate"),
            Self::ClientCertificate(what) => {
                write!(f, "the client's certificate is not accepted: {what}")
            }
            Self::Broken(what) => write!(f, "the client breaks the rules of TLS: {what}"),
            Self::TooLong => f.write_str("the client's handshake message is too long"),
            Self::Truncated => f.write_str("the connection ended without close_notify"),
            Self::Exhausted => f.write_str("the keys have encrypted all that they may"),
            Self::Internal(what) => write!(f, "TLS failed: {what}"),
        }
    }
}

impl StdError for Error {}

impl From<Rustls> for Error {
    fn from(error: Rustls) -> Self {
        let text = || error.to_string().into_boxed_str();
        match &error {
            Rustls::AlertReceived(alert) => Self::Alert(Alert((*alert).into())),
            Rustls::NoCertificatesPresented => Self::NoClientCertificate,
            Rustls::InvalidCertificate(what) => Self::ClientCertificate(what.to_string().into()),
            Rustls::InvalidCertRevocationList(what) => {
                Self::ClientCertificate(format!("{what:?}").into())
            }
            Rustls::NoApplicationProtocol => Self::NoSharedProtocol,
            Rustls::PeerIncompatible(what) => Self::Incompatible(format!("{what:?}").into()),
            Rustls::PeerMisbehaved(what) => Self::Broken(format!("{what:?}").into()),
            Rustls::InvalidMessage(what) => Self::Broken(format!("{what:?}").into()),
            Rustls::InappropriateMessage { .. }
            | Rustls::InappropriateHandshakeMessage { .. }
            | Rustls::DecryptError
            | Rustls::PeerSentOversizedRecord => Self::Broken(text()),
            Rustls::EncryptError => Self::Exhausted,
            _ => Self::Internal(text()),
        }
    }
}

/// An alert by its number (RFC 8446, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert(pub u8);

impl Alert {
    /// `unrecognized_name` (RFC 6066).
    pub const UNRECOGNIZED_NAME: Self = Self(112);
    /// `certificate_required` (RFC 8446).
    pub const CERTIFICATE_REQUIRED: Self = Self(116);
    /// `unexpected_message`.
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// `bad_record_mac`.
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// `record_overflow`.
    pub const RECORD_OVERFLOW: Self = Self(22);
    /// `handshake_failure`.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// `illegal_parameter`.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// `protocol_version`.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// `inappropriate_fallback` (RFC 7507).
    pub const INAPPROPRIATE_FALLBACK: Self = Self(86);
    /// `missing_extension`.
    pub const MISSING_EXTENSION: Self = Self(109);
    /// `internal_error`.
    pub const INTERNAL_ERROR: Self = Self(80);
    /// `decode_error`.
    pub const DECODE_ERROR: Self = Self(50);

    /// The name in the RFC, if it has one.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => return None,
        })
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}
