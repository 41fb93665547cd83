//! What can be wrong with a configuration.

use std::error::Error as StdError;
use std::fmt::{self, Display};

/// What is wrong with a configuration, and where. `from` is where the text is from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is nothing to serve with.
    NoEntry,
    /// An entry has no certificate.
    NoCertificates,
    /// A text without a certificate.
    NoCertificate {
        /// Where the text is from.
        from: String,
        /// What it holds.
        instead: &'static str,
    },
    /// A text without a private key.
    NoKey {
        /// Where the text is from.
        from: String,
        /// What it holds.
        instead: &'static str,
    },
    /// A text without a revocation list.
    NoCrl {
        /// Where the text is from.
        from: String,
        /// What it holds.
        instead: &'static str,
    },
    /// A damaged text.
    BadPem {
        /// Where the text is from.
        from: String,
        /// What is wrong.
        what: String,
    },
    /// A key that wants a passphrase.
    EncryptedKey {
        /// Where the text is from.
        from: String,
    },
    /// A key that cannot be used.
    BadKey {
        /// Where the text is from.
        from: String,
        /// What is wrong.
        what: String,
    },
    /// A certificate that cannot be read.
    BadCertificate {
        /// Where the text is from.
        from: String,
        /// Its place in the text, from 1.
        place: usize,
    },
    /// No key belongs to a certificate.
    KeyMismatch {
        /// Where the certificate is from.
        from: String,
        /// The certificate's name.
        label: String,
        /// Where the keys are from.
        keys: Vec<String>,
    },
    /// The certificate of the key is not the first of its text.
    WrongOrder {
        /// Where the text is from.
        from: String,
        /// The place of the certificate, from 1.
        place: usize,
        /// Its name.
        label: String,
    },
    /// A key without a certificate.
    SpareKey {
        /// Where the key is from.
        from: String,
    },
    /// A certificate whose time is over.
    Expired {
        /// Where the certificate is from.
        from: String,
        /// Its name.
        label: String,
        /// Its last second, since 1970.
        not_after: i64,
    },
    /// A certificate whose time has not begun.
    NotYetValid {
        /// Where the certificate is from.
        from: String,
        /// Its name.
        label: String,
        /// Its first second, since 1970.
        not_before: i64,
    },
    /// A server's name that is none.
    BadName {
        /// The name.
        name: String,
    },
    /// A cipher's name that is unknown, or whose cipher is not there.
    BadCipher {
        /// The name.
        name: String,
        /// Whether OpenSSL has a cipher of this name.
        known: bool,
    },
    /// None of the ciphers is for a version that is spoken.
    NoCipher,
    /// An application protocol that is too short or too long.
    BadProtocol {
        /// Its bytes; 1 to 255 are possible.
        len: usize,
    },
    /// Clients' certificates are wanted, but there is nothing to check them with.
    NoCa,
    /// A certificate of an authority that cannot be used.
    BadCa {
        /// Where the text is from.
        from: String,
        /// Its place in the text, from 1.
        place: usize,
        /// What is wrong.
        what: String,
    },
    /// A revocation list that cannot be used.
    BadCrl {
        /// What is wrong.
        what: String,
    },
    /// Another fault.
    Other {
        /// What is wrong.
        what: String,
    },
}

impl ConfigError {
    pub(crate) fn other(error: &dyn Display) -> Self {
        Self::Other { what: error.to_string() }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry => f.write_str("no certificate is given"),
            Self::NoCertificates => f.write_str("a name has no certificate"),
            Self::NoCertificate { from, instead } => {
                write!(f, "{from} holds no certificate: {instead}")
            }
            Self::NoKey { from, instead } => write!(f, "{from} holds no private key: {instead}"),
            Self::NoCrl { from, instead } => {
                write!(f, "{from} holds no revocation list: {instead}")
            }
            Self::BadPem { from, what } => write!(f, "{from} is damaged: {what}"),
            Self::EncryptedKey { from } => {
                write!(f, "the private key of {from} is encrypted: it needs a passphrase")
            }
            Self::BadKey { from, what } => {
                write!(f, "the private key of {from} cannot be used: {what}")
            }
            Self::BadCertificate { from, place } => {
                write!(f, "certificate {place} of {from} cannot be read")
            }
            Self::KeyMismatch { from, label, keys } => {
                let keys = keys.join(", ");
                write!(f, "the certificate of {from} ({label}) is for another key than {keys}")
            }
            Self::WrongOrder { from, place, label } => write!(
                f,
                "{from}: the server's certificate must come first; it is number {place} ({label})"
            ),
            Self::SpareKey { from } => {
                write!(f, "no certificate is for the private key of {from}")
            }
            Self::Expired { from, label, not_after } => {
                write!(f, "the certificate of {from} ({label}) expired at {}", Time(*not_after))
            }
            Self::NotYetValid { from, label, not_before } => write!(
                f,
                "the certificate of {from} ({label}) is not valid before {}",
                Time(*not_before)
            ),
            Self::BadName { name } => {
                write!(f, "\"{name}\" is no server name: a.example or *.example is")
            }
            Self::BadCipher { name, known } => {
                let what = if *known { "not supported" } else { "unknown" };
                let all: Vec<_> = super::suites::names().collect();
                write!(f, "the cipher \"{name}\" is {what}; there are {}", all.join(":"))
            }
            Self::NoCipher => f.write_str("none of the ciphers is for a version that is spoken"),
            Self::BadProtocol { len } => {
                write!(f, "an ALPN protocol has 1 to 255 bytes, one here has {len}")
            }
            Self::NoCa => {
                f.write_str("clients' certificates are to be checked, but no authority is given")
            }
            Self::BadCa { from, place, what } => {
                write!(f, "certificate {place} of {from} cannot be an authority: {what}")
            }
            Self::BadCrl { what } => write!(f, "a revocation list cannot be used: {what}"),
            Self::Other { what } => f.write_str(what),
        }
    }
}

impl StdError for ConfigError {}

/// A time in seconds since 1970, as `2026-11-29T23:59:59Z`.
pub(crate) struct Time(pub(crate) i64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(951_825_600).to_string(), "2000-02-29T12:00:00Z");
        assert_eq!(Time(1_772_323_199).to_string(), "2026-02-28T23:59:59Z");
        assert_eq!(Time(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(Time(253_402_300_799).to_string(), "9999-12-31T23:59:59Z");
    }
}
