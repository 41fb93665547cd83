//! Configurations from PEM texts, and what is said of wrong ones.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rcgen::{DnType, KeyPair};
use reactor_tls::config::{Ask, Clients, Entry, MinVersion, Pem, Unknown};
use reactor_tls::{Certificate, Clock, Config, ConfigError, KeyKind};
use support::*;

const EC_SEC1: &str = include_str!("data/ec-sec1.pem");
const EC_PKCS8: &str = include_str!("data/ec-pkcs8.pem");
const EC_ENCRYPTED: &str = include_str!("data/ec-encrypted.pem");
const EC_ENCRYPTED_OLD: &str = include_str!("data/ec-encrypted-old.pem");
const ED25519: &str = include_str!("data/ed25519-pkcs8.pem");
const RSA_PKCS1: &str = include_str!("data/rsa-pkcs1.pem");
const RSA_PKCS8: &str = include_str!("data/rsa-pkcs8.pem");
const RSA_1024: &str = include_str!("data/rsa-1024.pem");
const SECP256K1: &str = include_str!("data/k1-sec1.pem");

fn build(world: &World, entry: Entry) -> Result<Config, ConfigError> {
    let clock: Arc<dyn Clock> = world.clock.clone();
    Config::new(&[entry], Unknown::Default, &world.resumption, &clock)
}

fn fault(world: &World, entry: Entry) -> String {
    build(world, entry).unwrap_err().to_string()
}

fn certificate(world: &World, key: &str) -> Made {
    world.authority.sign_with(&["a.test"], KeyPair::from_pem(key).unwrap(), |_| {})
}

fn entry(cert: &str, key: &str) -> Entry {
    Entry {
        certificates: vec![Pem::new("cert.pem", cert)],
        keys: vec![Pem::new("key.pem", key)],
        ..Entry::default()
    }
}

#[test]
fn every_kind_of_key_serves_both_versions() {
    let world = World::new();
    for (pkcs8, given, kind) in [
        (EC_PKCS8, EC_PKCS8, KeyKind::Ec),
        (EC_PKCS8, EC_SEC1, KeyKind::Ec),
        (RSA_PKCS8, RSA_PKCS8, KeyKind::Rsa),
        (RSA_PKCS8, RSA_PKCS1, KeyKind::Rsa),
        (ED25519, ED25519, KeyKind::Ed25519),
    ] {
        let config =
            Arc::new(build(&world, entry(&certificate(&world, pkcs8).cert, given)).unwrap());
        assert_eq!(config.certificates().next().unwrap().key, kind);
        for versions in [TLS13, TLS12] {
            let (_, server) = ready(&config, &Arc::new(world.client(versions)));
            assert!(server.session.is_open());
        }
    }
}

#[test]
fn a_text_may_hold_the_key_beside_its_certificate() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let both = format!("{EC_PKCS8}\n# a comment\n{}\n{}", made.cert, world.authority.pem());
    let config = build(&world, entry(&both, &both)).unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    assert_eq!(config.certificates().count(), 1);
}

#[test]
fn keys_are_found_in_any_order_and_the_client_gets_what_it_can_use() {
    let world = World::new();
    let (ec, rsa) = (certificate(&world, EC_PKCS8), certificate(&world, RSA_PKCS8));
    let entry = Entry {
        certificates: vec![Pem::new("ec", &*ec.cert), Pem::new("rsa", &*rsa.cert)],
        keys: vec![Pem::new("keys", format!("{RSA_PKCS1}{EC_SEC1}"))],
        ..Entry::default()
    };
    let config = Arc::new(build(&world, entry).unwrap());
    for (suite, cipher) in [
        (
            rustls::crypto::ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            "ECDHE-RSA-AES128-GCM-SHA256",
        ),
        (
            rustls::crypto::ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
    ] {
        let mut client = world.client_of(vec![suite], TLS12, None);
        client.resumption = rustls::client::Resumption::disabled();
        let (_, server) = ready(&config, &Arc::new(client));
        assert_eq!(server.session.facts().unwrap().cipher, cipher);
    }
}

#[test]
fn ciphers_and_versions_are_those_that_were_asked_for() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let strict = Entry {
        ciphers: Some("TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256".into()),
        ..entry(&made.cert, EC_PKCS8)
    };
    let config = Arc::new(build(&world, strict.clone()).unwrap());
    for (versions, cipher) in
        [(TLS13, "TLS_CHACHA20_POLY1305_SHA256"), (TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256")]
    {
        let (_, server) = ready(&config, &Arc::new(world.client(versions)));
        assert_eq!(server.session.facts().unwrap().cipher, cipher);
    }
    let ordered = Entry {
        server_order: true,
        ciphers: Some("TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384".into()),
        ..entry(&made.cert, EC_PKCS8)
    };
    let config = Arc::new(build(&world, ordered).unwrap());
    let (_, server) = ready(&config, &Arc::new(world.client(TLS13)));
    assert_eq!(server.session.facts().unwrap().cipher, "TLS_AES_128_GCM_SHA256");
    let none = Entry {
        ciphers: Some("TLS_AES_128_GCM_SHA256".into()),
        min_version: MinVersion::Tls13,
        ..entry(&made.cert, EC_PKCS8)
    };
    assert!(build(&world, none).is_ok());
    let wrong = Entry { ciphers: Some("TLS_AES_128_GCM_SHA256:HIGH".into()), ..strict };
    assert!(
        fault(&world, wrong)
            .contains("the cipher \"HIGH\" is unknown; there are TLS_AES_256_GCM_SHA384:")
    );
}

#[test]
fn wrong_texts_are_named_with_what_is_wrong() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let cert = &*made.cert;
    let damaged = cert.replacen("MII", "M!!", 1);
    let endless = cert.replace("-----END CERTIFICATE-----", "");
    let no_certificate = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    let request =
        "-----BEGIN CERTIFICATE REQUEST-----\nMAMCAQE=\n-----END CERTIFICATE REQUEST-----\n";
    for (cert, key, expected) in [
        ("", EC_PKCS8, "cert.pem holds no certificate: it is empty"),
        (
            "hello",
            EC_PKCS8,
            "cert.pem holds no certificate: it is no PEM text: no line begins with -----BEGIN",
        ),
        (EC_PKCS8, EC_PKCS8, "cert.pem holds no certificate: it holds a private key"),
        (
            request,
            EC_PKCS8,
            "cert.pem holds no certificate: it holds a request for a certificate; the authority's answer is wanted",
        ),
        (
            "0\x03\x02\x01\x01",
            EC_PKCS8,
            "cert.pem holds no certificate: it is in DER; `openssl x509 -inform der` or `openssl pkey -inform der` makes PEM",
        ),
        (&damaged, EC_PKCS8, "cert.pem is damaged: its base64 is damaged"),
        (&endless, EC_PKCS8, "cert.pem is damaged: the line -----END CERTIFICATE----- is missing"),
        // Nothing of a key is shown, wherever its line ends are lost.
        (
            cert,
            &EC_PKCS8.replace('\n', " "),
            "key.pem is damaged: it has no line ends; -----BEGIN and -----END need lines of their own",
        ),
        (
            cert,
            &EC_PKCS8.replace('\n', "\\n"),
            "key.pem is damaged: it has no line ends; -----BEGIN and -----END need lines of their own",
        ),
        (
            cert,
            &EC_PKCS8.replacen("-----\n", "-----", 1),
            "key.pem is damaged: a line -----BEGIN is damaged",
        ),
        (
            "\u{feff} \n-----BEGIN PKCS7-----\nMAMCAQE=\n-----END PKCS7-----\n",
            EC_PKCS8,
            "cert.pem holds no certificate: it is PKCS #7; `openssl pkcs7 -print_certs` makes PEM",
        ),
        (no_certificate, EC_PKCS8, "certificate 1 of cert.pem cannot be read"),
        (cert, cert, "key.pem holds no private key: it holds a certificate"),
        (cert, " \n", "key.pem holds no private key: it is empty"),
        (cert, EC_ENCRYPTED, "the private key of key.pem is encrypted: it needs a passphrase"),
        (cert, EC_ENCRYPTED_OLD, "the private key of key.pem is encrypted: it needs a passphrase"),
        (cert, ED25519, "the certificate of cert.pem (a.test) is for another key than key.pem"),
        (
            cert,
            SECP256K1,
            "the private key of key.pem cannot be used: only RSA of 2048 to 4096 bits, P-256, P-384 and Ed25519 can be",
        ),
    ] {
        assert_eq!(fault(&world, entry(cert, key)), expected);
    }
    let message = fault(&world, entry(cert, RSA_1024));
    assert!(message.starts_with("the private key of key.pem cannot be used: "), "{message}");
    let spare = format!("{EC_PKCS8}{ED25519}");
    assert_eq!(
        fault(&world, entry(cert, &spare)),
        "no certificate is for the private key of key.pem"
    );
    let reversed = format!("{}{cert}", world.authority.pem());
    assert_eq!(
        fault(&world, entry(&reversed, EC_PKCS8)),
        "cert.pem: the server's certificate must come first; it is number 2 (a.test)"
    );
    let nothing = Entry { certificates: vec![], ..entry(cert, EC_PKCS8) };
    assert_eq!(fault(&world, nothing), "a name has no certificate");
    let clock: Arc<dyn Clock> = world.clock.clone();
    let error = Config::new(&[], Unknown::Default, &world.resumption, &clock).unwrap_err();
    assert_eq!(error, ConfigError::NoEntry);
}

#[test]
fn other_settings_are_checked() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let good = || entry(&made.cert, EC_PKCS8);
    let wrong = Entry { names: vec!["a.test".into(), "not a name".into()], ..good() };
    assert_eq!(fault(&world, wrong), "\"not a name\" is no server name: a.example or *.example is");
    let wrong = Entry { protocols: vec![b"h2".to_vec(), vec![]], ..good() };
    assert_eq!(fault(&world, wrong), "an ALPN protocol has 1 to 255 bytes, one here has 0");
    let clients = |ca: &str, crl: &str| Clients {
        ask: Ask::Require,
        ca: if ca.is_empty() { vec![] } else { vec![Pem::new("ca.pem", ca)] },
        crls: if crl.is_empty() { vec![] } else { vec![Pem::new("crl.pem", crl)] },
    };
    for (ca, crl, expected) in [
        ("", "", "clients' certificates are to be checked, but no authority is given"),
        (EC_PKCS8, "", "ca.pem holds no certificate: it holds a private key"),
        (
            &world.authority.pem(),
            EC_PKCS8,
            "crl.pem holds no revocation list: it holds a private key",
        ),
    ] {
        assert_eq!(fault(&world, Entry { clients: clients(ca, crl), ..good() }), expected);
    }
    let broken = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
    let message =
        fault(&world, Entry { clients: clients(&world.authority.pem(), broken), ..good() });
    assert!(message.starts_with("a revocation list cannot be used: "), "{message}");
}

#[test]
fn dates_are_checked_and_told() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let config = build(&world, entry(&made.cert, EC_PKCS8)).unwrap();
    // 2027-01-01
    assert_eq!(config.expires(), Some(1_798_761_600));
    world.clock.0.store(1_798_761_600, Ordering::Relaxed);
    assert!(build(&world, entry(&made.cert, EC_PKCS8)).is_ok());
    world.clock.add(1);
    assert_eq!(
        fault(&world, entry(&made.cert, EC_PKCS8)),
        "the certificate of cert.pem (a.test) expired at 2027-01-01T00:00:00Z"
    );
    world.clock.0.store(1_767_225_599, Ordering::Relaxed);
    assert_eq!(
        fault(&world, entry(&made.cert, EC_PKCS8)),
        "the certificate of cert.pem (a.test) is not valid before 2026-01-01T00:00:00Z"
    );
}

#[test]
fn a_chain_with_a_stranger_in_it_is_a_warning() {
    let world = World::new();
    let made = certificate(&world, EC_PKCS8);
    let text = format!("{}{}", made.cert, Authority::new("Stranger").pem());
    let config = build(&world, entry(&text, EC_PKCS8)).unwrap();
    assert_eq!(
        config.warnings(),
        [
            "cert.pem: the certificate of \"CN=a.test\" is followed by \"CN=Stranger\", which did not sign it"
        ]
    );
}

#[test]
fn certificates_are_read() {
    let world = World::new();
    let names = ["www.example.test", "*.example.test", "192.0.2.1", "2001:db8::1"];
    let made = world.authority.sign_with(&names, KeyPair::from_pem(RSA_PKCS8).unwrap(), |params| {
        params.distinguished_name.push(DnType::OrganizationName, "Ünïted \u{1b}[31m");
        params.serial_number = Some(rcgen::SerialNumber::from(vec![0xab, 0xcd, 1]));
        params.not_after = rcgen::date_time_ymd(2060, 2, 29);
    });
    let config = build(&world, entry(&made.cert, RSA_PKCS1)).unwrap();
    let read = config.certificates().next().unwrap();
    assert_eq!(
        *read,
        Certificate {
            subject: "CN=www.example.test, O=Ünïted \u{fffd}[31m".into(),
            issuer: "CN=Test CA".into(),
            serial: "ABCD01".into(),
            dns_names: vec!["www.example.test".into(), "*.example.test".into()],
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            not_before: 1_767_225_600,
            not_after: 2_845_238_400,
            key: KeyKind::Rsa,
        }
    );
    assert_eq!(read.label(), "www.example.test");
    assert_eq!(Certificate::read(b""), None);
}

#[test]
fn a_damaged_certificate_is_read_or_not_but_never_panics() {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let world = World::new();
    let der =
        CertificateDer::from_pem_slice(certificate(&world, EC_PKCS8).cert.as_bytes()).unwrap();
    for at in 0..der.len() {
        for change in [1, 0x80, 0xff, 0x20] {
            let mut damaged = der.to_vec();
            damaged[at] ^= change;
            let _ = Certificate::read(&damaged);
        }
        assert_eq!(Certificate::read(&der[..at]), None);
    }
}

#[test]
fn what_is_never_served_is_a_warning() {
    let world = World::new();
    let (a, b) = (world.authority.sign(&["a.test"]), world.authority.sign(&["b.test"]));
    let pem = |text: &str| Pem::new("a text", text);
    let both = Entry {
        certificates: vec![pem(&a.cert), pem(&b.cert)],
        keys: vec![pem(&a.key), pem(&b.key)],
        ..Entry::default()
    };
    let built = build(&world, both).unwrap();
    assert_eq!(
        built.warnings(),
        [
            "the certificate of \"b.test\" is never served: \"a.test\", in the same entry, has a key of the same kind (EC); put it into an entry of its own"
        ]
    );
    let named = |made: &Made| Entry { names: vec!["X.test".into()], ..made.entry() };
    let config = world.config(&[named(&a), named(&b)]);
    assert_eq!(config.warnings(), ["two entries are for \"X.test\": the first serves it"]);
}
