//! Which versions are spoken, and which cipher suites.

use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

use super::error::ConfigError;
use super::suites::NAMES;
use crate::provider;

/// The oldest version that is spoken. The newest is TLS 1.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl MinVersion {
    pub(super) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => &BOTH[..1],
        }
    }
}

/// The suites of a list with colons (or spaces, or commas) between the names, in its order.
pub(crate) fn suites(
    list: Option<&str>,
    min: MinVersion,
) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
    let all = provider::cipher_suites();
    let Some(list) = list else { return Ok(all.to_vec()) };
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for name in list.split([':', ' ', ',']).filter(|name| !name.is_empty()) {
        let suite = suite_of(name).ok_or_else(|| bad(name))?;
        if let Some(found) = all.iter().find(|one| one.suite() == suite)
            && !chosen.contains(found)
        {
            chosen.push(*found);
        }
    }
    if chosen.is_empty() {
        return Err(ConfigError::NoCipher);
    }
    // In OpenSSL too, a list without those of TLS 1.3 says nothing about them.
    if !chosen.iter().any(is_tls13) {
        let before = all.iter().copied().filter(is_tls13);
        chosen = before.chain(chosen).collect();
    }
    match min == MinVersion::Tls13 && !chosen.iter().any(is_tls13) {
        true => Err(ConfigError::NoCipher),
        false => Ok(chosen),
    }
}

fn is_tls13(suite: &SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

/// By OpenSSL's name or the standard's, in any case.
fn suite_of(name: &str) -> Option<CipherSuite> {
    NAMES
        .iter()
        .find(|(suite, openssl)| {
            let is_standard = || suite.as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
            openssl.eq_ignore_ascii_case(name) || is_standard()
        })
        .map(|(suite, _)| *suite)
}

/// Lists that people copy have these. None is in rustls, on purpose.
fn bad(name: &str) -> ConfigError {
    const KNOWN: [&str; 14] = [
        "DHE-", "AES", "CAMELLIA", "ARIA", "DES-", "RC4", "PSK-", "SRP-", "ADH-", "AECDH-",
        "ECDHE-", "RSA-PSK", "NULL-", "TLS_",
    ];
    let upper = name.to_ascii_uppercase();
    let known = KNOWN.iter().any(|begin| upper.starts_with(begin));
    ConfigError::BadCipher { name: name.into(), known }
}

#[cfg(test)]
mod tests {
    use super::super::suites::openssl_name;
    use super::*;

    fn chosen(list: &str) -> Result<Vec<&'static str>, ConfigError> {
        let suites = suites(Some(list), MinVersion::Tls12)?;
        Ok(suites.iter().map(|suite| openssl_name(suite.suite())).collect())
    }

    #[test]
    fn every_suite_has_a_name_and_every_name_a_suite() {
        let all = provider::cipher_suites();
        assert_eq!(all.len(), NAMES.len());
        for (suite, (expected, name)) in all.iter().zip(NAMES) {
            assert_eq!(suite.suite(), expected);
            assert_eq!(suite_of(name), Some(expected));
        }
    }

    #[test]
    fn the_order_of_the_list_counts_and_tls_1_3_stays_unless_it_is_named() {
        let list = "ECDHE-RSA-AES128-GCM-SHA256:ecdhe-ecdsa-aes256-gcm-sha384";
        let found = chosen(list).unwrap();
        assert_eq!(found[3..], ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]);
        assert_eq!(found[0], "TLS_AES_256_GCM_SHA384");
        assert_eq!(chosen("TLS_AES_128_GCM_SHA256"), Ok(vec!["TLS_AES_128_GCM_SHA256"]));
        let standard = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256";
        assert_eq!(chosen(standard).unwrap().len(), 2);
    }

    #[test]
    fn names_that_cannot_be_are_named() {
        let bad = |name: &str, known| Err(ConfigError::BadCipher { name: name.into(), known });
        assert_eq!(
            chosen("TLS_AES_128_GCM_SHA256:DHE-RSA-AES128-GCM-SHA256"),
            bad("DHE-RSA-AES128-GCM-SHA256", true)
        );
        assert_eq!(chosen("HIGH"), bad("HIGH", false));
        assert_eq!(chosen("!aNULL"), bad("!aNULL", false));
        assert_eq!(chosen(" : "), Err(ConfigError::NoCipher));
        let message = ConfigError::BadCipher { name: "HIGH".into(), known: false }.to_string();
        assert!(
            message.starts_with("the cipher \"HIGH\" is unknown; there are TLS_AES_256"),
            "{message}"
        );
    }
}
