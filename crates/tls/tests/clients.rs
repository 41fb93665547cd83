//! Certificates of clients, and sessions that are taken up again.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::sync::Arc;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use reactor_tls::config::{Ask, Clients, Entry, Pem, Unknown};
use reactor_tls::{Clock, Config, Error, ROTATION, Resumption, TicketKey};
use support::*;

fn asking(world: &World, ask: Ask, crls: Vec<Pem>) -> Arc<Config> {
    let clients = Clients { ask, ca: vec![Pem::new("ca", world.authority.pem())], crls };
    world.config(&[Entry { clients, ..world.authority.sign(&["a.test"]).entry() }])
}

/// The server's error, or what it thinks of the client: (certificates, fault).
fn meet(
    config: &Arc<Config>,
    client_config: &Arc<rustls::ClientConfig>,
) -> Result<(usize, Option<String>), Error> {
    let mut client = client(client_config, "a.test");
    let mut server = Server::new(config);
    // In TLS 1.3 a client is done before its certificate is judged: it hears of that later.
    let _ = handshake(&mut client, &mut server, whole);
    match server.error {
        Some(error) => Err(error),
        None => {
            let facts = server.session.facts().unwrap();
            Ok((facts.peer.len(), facts.peer_fault.map(ToString::to_string)))
        }
    }
}

#[test]
fn clients_are_asked_as_it_was_configured() {
    let world = World::new();
    let right = world.authority.sign(&["client"]);
    let stranger = Authority::new("Stranger").sign(&["client"]);
    let unknown = Some("the client's certificate is not accepted: UnknownIssuer".to_owned());
    for versions in [TLS13, TLS12] {
        let none = Arc::new(world.client(versions));
        let good = Arc::new(world.client_with(versions, Some(&right)));
        let bad = Arc::new(world.client_with(versions, Some(&stranger)));

        let config = asking(&world, Ask::Never, vec![]);
        assert_eq!(meet(&config, &good), Ok((0, None)));

        let config = asking(&world, Ask::Require, vec![]);
        assert_eq!(meet(&config, &none), Err(Error::NoClientCertificate));
        assert_eq!(meet(&config, &good), Ok((1, None)));
        let error = meet(&config, &bad).unwrap_err();
        assert!(matches!(error, Error::ClientCertificate(_)), "{error}");

        let config = asking(&world, Ask::Optional, vec![]);
        assert_eq!(meet(&config, &none), Ok((0, None)));
        assert_eq!(meet(&config, &good), Ok((1, None)));
        assert!(matches!(meet(&config, &bad), Err(Error::ClientCertificate(_))));

        let config = asking(&world, Ask::Request, vec![]);
        assert_eq!(meet(&config, &none), Ok((0, None)));
        assert_eq!(meet(&config, &good), Ok((1, None)));
        let (n, fault) = meet(&config, &bad).unwrap();
        assert_eq!((n, fault.is_some()), (1, unknown.is_some()), "{fault:?}");
        // Resumed, it is judged again.
        assert!(meet(&config, &bad).unwrap().1.is_some());
    }
}

#[test]
fn without_authorities_any_client_may_show_itself_and_none_is_trusted() {
    let world = World::new();
    let clients = Clients { ask: Ask::Request, ..Clients::default() };
    let config = world.config(&[Entry { clients, ..world.authority.sign(&["a.test"]).entry() }]);
    let own = world.authority.sign(&["client"]);
    let (n, fault) = meet(&config, &Arc::new(world.client_with(TLS13, Some(&own)))).unwrap();
    assert!(n == 1 && fault.is_some());
}

#[test]
fn the_client_hears_why_it_is_refused() {
    let world = World::new();
    let config = asking(&world, Ask::Require, vec![]);
    let mut client = client(&Arc::new(world.client(TLS13)), "a.test");
    let error = handshake(&mut client, &mut Server::new(&config), whole).unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

fn crl(world: &World, revoked: &[u64]) -> Pem {
    let params = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2026, 12, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: rcgen::date_time_ymd(2026, 2, 1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = params.signed_by(world.authority.issuer()).unwrap();
    Pem::new("crl.pem", list.pem().unwrap())
}

#[test]
fn a_revoked_certificate_is_refused_also_when_its_session_is_older() {
    let world = World::new();
    let numbered = |serial: u64| {
        let key = rcgen::KeyPair::generate().unwrap();
        world.authority.sign_with(&["client"], key, |params| {
            params.serial_number = Some(SerialNumber::from(serial));
        })
    };
    for versions in [TLS13, TLS12] {
        let first = Arc::new(world.client_with(versions, Some(&numbered(77))));
        let second = Arc::new(world.client_with(versions, Some(&numbered(78))));
        let before = asking(&world, Ask::Require, vec![crl(&world, &[])]);
        assert_eq!(meet(&before, &first), Ok((1, None)));
        let after = asking(&world, Ask::Require, vec![crl(&world, &[77])]);
        let error = meet(&after, &first).unwrap_err();
        assert!(error.to_string().contains("evoked"), "{error}");
        assert_eq!(meet(&after, &second), Ok((1, None)));
    }
    // A list that is out of date proves nothing.
    let config = asking(&world, Ask::Require, vec![crl(&world, &[])]);
    world.clock.add(200 * 86_400);
    let late = Arc::new(world.client_with(TLS13, Some(&numbered(79))));
    assert!(meet(&config, &late).is_err());
}

fn is_resumed(config: &Arc<Config>, client_config: &Arc<rustls::ClientConfig>) -> bool {
    let (_, server) = ready(config, client_config);
    server.session.facts().unwrap().resumed
}

#[test]
fn sessions_outlive_a_new_certificate_but_not_their_time() {
    let world = World::new();
    for versions in [TLS13, TLS12] {
        let client = Arc::new(world.client(versions));
        assert!(!is_resumed(&world.simple(), &client));
        // Another certificate, the same `Resumption`.
        assert!(is_resumed(&world.simple(), &client));
        world.clock.add(299);
        assert!(is_resumed(&world.simple(), &client));
        world.clock.add(301);
        assert!(!is_resumed(&world.simple(), &client));
        // Own keys were replaced meanwhile.
        for _ in 0..3 {
            assert!(is_resumed(&world.simple(), &client));
            world.clock.add(200);
        }
    }
    let client = Arc::new(world.client(TLS13));
    assert!(!is_resumed(&world.simple(), &client));
    world.clock.add(ROTATION);
    assert!(!is_resumed(&world.simple(), &client));
}

#[test]
fn a_session_is_not_taken_up_under_other_rules_for_clients() {
    let world = World::new();
    for versions in [TLS13, TLS12] {
        let client = Arc::new(world.client(versions));
        assert!(!is_resumed(&world.simple(), &client));
        let strict = asking(&world, Ask::Require, vec![]);
        assert_eq!(meet(&strict, &client), Err(Error::NoClientCertificate));
    }
}

#[test]
fn processes_with_the_same_keys_resume_each_others_sessions() {
    let world = World::new();
    let key = |fill: u8| TicketKey::new(&[fill; 48]).unwrap();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let entry = world.authority.sign(&["a.test"]).entry();
    let process = |keys: &[TicketKey]| {
        let resumption = Arc::new(Resumption::new(clock.clone(), 300, 0, keys));
        Arc::new(
            Config::new(std::slice::from_ref(&entry), Unknown::Default, &resumption, &clock)
                .unwrap(),
        )
    };
    for versions in [TLS13, TLS12] {
        let client = Arc::new(world.client(versions));
        assert!(!is_resumed(&process(&[key(1)]), &client));
        assert!(is_resumed(&process(&[key(2), key(1)]), &client));
        assert!(!is_resumed(&process(&[key(3)]), &client));
    }
}

#[test]
fn a_client_of_tls_1_2_without_tickets_resumes_by_its_session_id() {
    let world = World::new();
    let mut client = world.client(TLS12);
    client.resumption = rustls::client::Resumption::in_memory_sessions(8)
        .tls12_resumption(rustls::client::Tls12Resumption::SessionIdOnly);
    let client = Arc::new(client);
    let config = world.simple();
    assert!(!is_resumed(&config, &client));
    assert!(world.resumption.cached() > 0);
    assert!(is_resumed(&config, &client));
    world.clock.add(301);
    assert!(!is_resumed(&config, &client));
}
