//! Sessions against rustls' client, over memory.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::io::Write as _;
use std::sync::Arc;

use reactor_tls::config::{Ask, Clients, Entry, MinVersion, Pem, Unknown};
use reactor_tls::{Alert, Error, Facts, HEADROOM, MIN_READ, Session, Version};
use rustls::ClientConnection;
use support::*;

fn facts(server: &Server) -> Facts<'_> {
    server.session.facts().unwrap()
}

/// Says something both ways.
fn talk(client: &mut ClientConnection, server: &mut Server) {
    let request = send(client, b"GET / HTTP/1.1\r\n\r\n");
    server.plain.clear();
    server.feed(&request);
    assert_eq!(server.plain, b"GET / HTTP/1.1\r\n\r\n", "{:?}", server.error);
    let answer = server.write(b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(to_client(client, &answer).unwrap(), b"HTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn both_versions_agree_and_say_on_what() {
    let world = World::new();
    let config = world.simple();
    for (versions, version, cipher) in [
        (TLS13, Version::Tls13, "TLS_AES_256_GCM_SHA384"),
        (TLS12, Version::Tls12, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ] {
        let mut client_config = world.client(versions);
        client_config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let (mut client, mut server) = ready(&config, &Arc::new(client_config));
        talk(&mut client, &mut server);
        let facts = facts(&server);
        assert_eq!((facts.version, facts.cipher), (version, cipher));
        assert_eq!(facts.protocol, Some(&b"h2"[..]));
        assert_eq!(facts.server_name, Some("a.test"));
        assert_eq!(facts.group, Some("X25519"));
        assert!(!facts.resumed && facts.peer.is_empty() && facts.peer_fault.is_none());
        assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
    }
}

/// One conversation: handshake, a request that comes with the last flight, an answer, an end.
/// The client's bytes are cut at `at`. Returns how many there were.
fn conversation(
    config: &Arc<reactor_tls::Config>,
    client_config: &Arc<rustls::ClientConfig>,
    at: usize,
) -> usize {
    let mut client = client(client_config, "a.test");
    let mut server = Server::new(config);
    client.writer().write_all(b"early bird").unwrap();
    let mut seen = 0;
    let cut = |bytes: &[u8]| {
        let (from, to) = (seen, seen + bytes.len());
        seen = to;
        match at.checked_sub(from) {
            Some(split) if split > 0 && at < to => {
                vec![bytes[..split].to_vec(), bytes[split..].to_vec()]
            }
            _ => vec![bytes.to_vec()],
        }
    };
    handshake(&mut client, &mut server, cut).unwrap();
    assert_eq!(server.plain, b"early bird", "cut at {at}: {:?}", server.error);
    let answer = server.write(b"worm");
    assert_eq!(to_client(&mut client, &answer).unwrap(), b"worm", "cut at {at}");
    client.send_close_notify();
    let end = from_client(&mut client);
    let split = at.saturating_sub(seen).min(end.len());
    server.feed(&end[..split]);
    server.feed(&end[split..]);
    assert!(server.ended && server.error.is_none(), "cut at {at}");
    assert_eq!(server.session.end_of_input(), Ok(()));
    server.session.close();
    to_client(&mut client, &server.output()).unwrap();
    seen + end.len()
}

fn cut_everywhere(config: &Arc<reactor_tls::Config>, client_config: &Arc<rustls::ClientConfig>) {
    let total = conversation(config, client_config, usize::MAX);
    assert!(total > 300);
    for at in 1..total {
        conversation(config, client_config, at);
    }
}

#[test]
fn tls_1_3_may_be_cut_everywhere() {
    let world = World::new();
    let mut client = world.client(TLS13);
    client.resumption = rustls::client::Resumption::disabled();
    cut_everywhere(&world.simple(), &Arc::new(client));
}

#[test]
fn tls_1_2_may_be_cut_everywhere() {
    let world = World::new();
    let mut client = world.client(TLS12);
    client.resumption = rustls::client::Resumption::disabled();
    cut_everywhere(&world.simple(), &Arc::new(client));
}

#[test]
fn resumption_may_be_cut_everywhere() {
    let world = World::new();
    let config = world.simple();
    for versions in [TLS13, TLS12] {
        cut_everywhere(&config, &Arc::new(world.client(versions)));
    }
}

#[test]
fn a_second_hello_may_be_cut_everywhere() {
    let world = World::new();
    let mut client = world.client(TLS13);
    client.resumption = rustls::client::Resumption::disabled();
    cut_everywhere(&retrying(&world), &Arc::new(client_that_guesses_wrong(client)));
}

/// A client whose key share is for a group that the server does not have.
fn client_that_guesses_wrong(mut client: rustls::ClientConfig) -> rustls::ClientConfig {
    use rustls::crypto::{CryptoProvider, ring};
    let groups = vec![&WRONG as &dyn rustls::crypto::SupportedKxGroup, ring::kx_group::SECP256R1];
    let provider = CryptoProvider { kx_groups: groups, ..ring::default_provider() };
    let mut other = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(TLS13)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    std::mem::swap(&mut client.resumption, &mut other.resumption);
    other
}

#[derive(Debug)]
struct Wrong;
static WRONG: Wrong = Wrong;

impl rustls::crypto::SupportedKxGroup for Wrong {
    fn start(&self) -> Result<Box<dyn rustls::crypto::ActiveKeyExchange>, rustls::Error> {
        Ok(Box::new(WrongShare))
    }
    fn name(&self) -> rustls::NamedGroup {
        rustls::NamedGroup::X448
    }
}

struct WrongShare;

impl rustls::crypto::ActiveKeyExchange for WrongShare {
    fn complete(self: Box<Self>, _: &[u8]) -> Result<rustls::crypto::SharedSecret, rustls::Error> {
        Err(rustls::Error::General("nobody has it".into()))
    }
    fn pub_key(&self) -> &[u8] {
        &[7; 56]
    }
    fn group(&self) -> rustls::NamedGroup {
        rustls::NamedGroup::X448
    }
}

#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn retrying(world: &World) -> Arc<reactor_tls::Config> {
    world.simple()
}

#[test]
fn a_second_hello_is_a_step_of_work_and_the_rest_is_not() {
    let world = World::new();
    let config = Arc::new(client_that_guesses_wrong(world.client(TLS13)));
    let (mut client, mut server) = ready(&world.simple(), &config);
    assert_eq!(server.steps, 2);
    assert_eq!(facts(&server).group, Some("secp256r1"));
    talk(&mut client, &mut server);
}

#[test]
fn a_second_hello_is_work_also_byte_by_byte() {
    let world = World::new();
    let config = Arc::new(client_that_guesses_wrong(world.client(TLS13)));
    let mut client = client(&config, "a.test");
    let mut server = Server::new(&world.simple());
    let cut = |bytes: &[u8]| bytes.iter().map(|byte| vec![*byte]).collect();
    handshake(&mut client, &mut server, cut).unwrap();
    // Two hellos, and the record of change_cipher_spec between them.
    assert_eq!((server.steps, server.session.is_open()), (3, true));
    talk(&mut client, &mut server);
}

#[test]
fn only_steps_that_cost_are_work() {
    let world = World::new();
    let config = world.simple();
    for (versions, full, resumed) in [(TLS13, 1, 1), (TLS12, 2, 1)] {
        let client_config = Arc::new(world.client(versions));
        let (mut client, mut server) = ready(&config, &client_config);
        talk(&mut client, &mut server);
        assert_eq!((server.steps, facts(&server).resumed), (full, false));
        let (_, server) = ready(&config, &client_config);
        assert_eq!((server.steps, facts(&server).resumed), (resumed, true));
    }
}

#[test]
fn a_session_goes_on_on_another_thread() {
    let world = World::new();
    let mut client = client(&Arc::new(world.client(TLS13)), "a.test");
    let mut server = Server::new(&world.simple());
    let hello = from_client(&mut client);
    let mut buf = vec![0; MIN_READ];
    buf[HEADROOM..][..hello.len()].copy_from_slice(&hello);
    server.session.read(&mut buf, hello.len()).unwrap();
    assert!(server.session.needs_work() && server.session.output().is_empty());
    assert_eq!(server.session.hello().unwrap().server_name(), Some("a.test"));
    server = std::thread::spawn(move || {
        server.session.work().unwrap();
        server
    })
    .join()
    .unwrap();
    let flight = server.output();
    to_client(&mut client, &flight).unwrap();
    let finished = from_client(&mut client);
    server.feed(&finished);
    talk(&mut client, &mut server);
}

#[test]
fn certificates_of_clients_may_be_cut_everywhere() {
    let world = World::new();
    let own = world.authority.sign(&["client"]);
    let clients = Clients {
        ask: Ask::Require,
        ca: vec![Pem::new("ca", world.authority.pem())],
        crls: vec![],
    };
    let entry = Entry { clients, ..world.authority.sign(&["a.test"]).entry() };
    let config = world.config(&[entry]);
    for versions in [TLS13, TLS12] {
        let mut client = world.client_with(versions, Some(&own));
        client.resumption = rustls::client::Resumption::disabled();
        cut_everywhere(&config, &Arc::new(client));
    }
}

#[test]
fn big_transfers_arrive_whole_both_ways() {
    let world = World::new();
    let config = world.simple();
    let data = pattern(1_000_003);
    for versions in [TLS13, TLS12] {
        for len in [MIN_READ, MIN_READ + 777, 100_000] {
            let (mut client, _) = ready(&config, &Arc::new(world.client(versions)));
            let _ = &mut client;
            let mut client = support::client(&Arc::new(world.client(versions)), "a.test");
            client.set_buffer_limit(None);
            let mut server = Server::with_buffer(&config, len);
            handshake(&mut client, &mut server, whole).unwrap();
            let up = send(&mut client, &data);
            for piece in up.chunks(33_333) {
                server.feed(piece);
            }
            assert!(server.plain == data, "{:?}", server.error);
            let down = server.write(&data);
            assert!(to_client(&mut client, &down).unwrap() == data);
        }
    }
}

/// The lengths of records, headers left out.
fn record_lengths(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(header) = bytes.first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
        lengths.push(len);
        bytes = &bytes[5 + len..];
    }
    lengths
}

#[test]
fn the_first_records_fit_into_packets_and_later_ones_are_long() {
    let world = World::new();
    let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(TLS13)));
    let lengths = record_lengths(&server.write(&pattern(100_000)));
    assert_eq!(lengths[..8], [1407; 8]);
    assert_eq!(lengths[8..12], [16_401; 4]);
    assert!(lengths.iter().all(|len| *len > 1000), "{lengths:?}");
    assert_eq!(record_lengths(&server.write(&pattern(5000))), [5017]);
    server.session.restart_records();
    let again = server.write(&pattern(5000));
    assert_eq!(record_lengths(&again), [1407, 1407, 1407, 847]);
    let _ = &mut client;
}

#[test]
fn records_go_over_the_borders_of_parts() {
    use std::io::IoSlice;
    let world = World::new();
    let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(TLS13)));
    let data = pattern(30_000);
    let parts = [
        &data[..0],
        &data[..100],
        &data[100..101],
        &data[101..101],
        &data[101..20_000],
        &data[20_000..],
    ];
    let mut slices = parts.map(IoSlice::new);
    let mut slices = &mut slices[..];
    let mut made = Vec::new();
    let mut buf = vec![0; 40_000];
    while !slices.is_empty() {
        let written = server.session.write_vectored(slices, &mut buf).unwrap();
        made.extend_from_slice(&buf[..written.made]);
        IoSlice::advance_slices(&mut slices, written.taken);
    }
    assert_eq!(record_lengths(&made)[..8], [1407; 8]);
    assert!(record_lengths(&made).iter().all(|len| *len > 1000), "{:?}", record_lengths(&made));
    assert_eq!(to_client(&mut client, &made).unwrap(), data);
}

#[test]
fn output_that_waits_goes_in_front() {
    let world = World::new();
    let mut client = client(&Arc::new(world.client(TLS13)), "a.test");
    let mut server = Server::new(&world.simple());
    server.feed(&from_client(&mut client));
    let flight = server.output();
    to_client(&mut client, &flight).unwrap();
    server.feed(&from_client(&mut client));
    // Tickets wait.
    assert!(!server.session.output().is_empty());
    let made = server.write(b"answer");
    assert!(server.session.output().is_empty());
    assert_eq!(to_client(&mut client, &made).unwrap(), b"answer");
    assert_eq!(client.tls13_tickets_received(), 2);
}

#[test]
fn ciphertext_that_the_socket_did_not_take_is_held_and_sent_first() {
    let world = World::new();
    let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(TLS13)));
    let made = server.write(b"first");
    server.session.hold(&made[10..]);
    let mut all = made[..10].to_vec();
    all.extend(server.write(b", second"));
    assert_eq!(to_client(&mut client, &all).unwrap(), b"first, second");
}

#[test]
fn nothing_is_taken_before_the_handshake_is_done() {
    let world = World::new();
    let mut client = client(&Arc::new(world.client(TLS13)), "a.test");
    let mut server = Server::new(&world.simple());
    let mut buf = vec![0; 40_000];
    assert_eq!(server.session.write(b"x", &mut buf).unwrap().taken, 0);
    server.feed(&from_client(&mut client));
    let written = server.session.write(b"x", &mut buf).unwrap();
    assert_eq!(written.taken, 0);
    to_client(&mut client, &buf[..written.made]).unwrap();
    server.feed(&from_client(&mut client));
    assert_eq!(server.session.write(b"x", &mut buf).unwrap().taken, 1);
}

#[test]
fn an_end_without_close_notify_is_told() {
    let world = World::new();
    for versions in [TLS13, TLS12] {
        let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(versions)));
        assert_eq!(server.session.end_of_input(), Err(Error::Truncated));
        let request = send(&mut client, b"half");
        server.feed(&request[..request.len() - 1]);
        assert_eq!(server.session.end_of_input(), Err(Error::Truncated));
        server.feed(&request[request.len() - 1..]);
        client.send_close_notify();
        server.feed(&from_client(&mut client));
        assert!(server.ended);
        assert_eq!(server.session.end_of_input(), Ok(()));
        // What comes behind is ignored, and the server may still answer.
        server.feed(b"noise that is no record");
        assert_eq!(server.error, None);
        let answer = server.write(b"late");
        assert_eq!(to_client(&mut client, &answer).unwrap(), b"late");
    }
    let mut server = Server::new(&world.simple());
    assert_eq!(server.session.end_of_input(), Err(Error::Truncated));
}

#[test]
fn close_notify_is_sent_once_and_input_goes_on() {
    let world = World::new();
    for versions in [TLS13, TLS12] {
        let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(versions)));
        server.session.close();
        server.session.close();
        let end = server.output();
        assert_eq!(record_lengths(&end).len(), 1);
        assert!(to_client(&mut client, &end).unwrap().is_empty());
        let mut buf = vec![0; 40_000];
        assert_eq!(server.session.write(b"more", &mut buf).unwrap().taken, 0);
        let request = send(&mut client, b"still here");
        server.feed(&request);
        assert_eq!(server.plain, b"still here");
    }
    // Before the handshake there is nobody to tell.
    let mut server = Server::new(&world.simple());
    server.session.close();
    assert!(server.session.output().is_empty());
}

#[test]
fn a_key_update_is_taken_and_answered() {
    let world = World::new();
    let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(TLS13)));
    for _ in 0..5 {
        client.refresh_traffic_keys().unwrap();
        talk(&mut client, &mut server);
    }
    // Cut everywhere.
    client.refresh_traffic_keys().unwrap();
    for byte in from_client(&mut client) {
        server.feed(&[byte]);
    }
    talk(&mut client, &mut server);
}

#[test]
fn too_many_key_updates_are_refused() {
    let world = World::new();
    let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(TLS13)));
    for _ in 0..40 {
        client.refresh_traffic_keys().unwrap();
        let update = from_client(&mut client);
        server.feed(&update);
        assert!(server.session.output().len() < 1000);
    }
    assert_eq!(server.error, Some(Error::Broken("TooManyKeyUpdateRequests".into())));
}

#[test]
fn an_alert_of_the_client_is_readable() {
    let world = World::new();
    let stranger = World::new();
    // It does not trust the authority.
    let mut client = client(&Arc::new(stranger.client(TLS13)), "a.test");
    let mut server = Server::new(&world.simple());
    server.feed(&from_client(&mut client));
    let flight = server.output();
    to_client(&mut client, &flight).unwrap_err();
    server.feed(&from_client(&mut client));
    let error = server.error.unwrap();
    assert!(matches!(error, Error::Alert(_)), "{error:?}");
    assert!(
        error.to_string().contains("unknown_ca") || error.to_string().contains("decrypt_error"),
        "{error}"
    );
}

#[test]
fn without_anything_in_common_both_sides_know() {
    let world = World::new();
    let entry = Entry {
        min_version: MinVersion::Tls13,
        protocols: vec![b"h2".to_vec()],
        ..world.authority.sign(&["a.test"]).entry()
    };
    let config = world.config(&[entry]);
    let mut old = client(&Arc::new(world.client(TLS12)), "a.test");
    let mut server = Server::new(&config);
    let error = handshake(&mut old, &mut server, whole).unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    assert!(matches!(server.error, Some(Error::Incompatible(_))), "{:?}", server.error);

    let mut other = world.client(TLS13);
    other.alpn_protocols = vec![b"smtp".to_vec()];
    let mut other = client(&Arc::new(other), "a.test");
    let mut server = Server::new(&config);
    let error = handshake(&mut other, &mut server, whole).unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    assert_eq!(server.error, Some(Error::NoSharedProtocol));
}

#[test]
fn plain_http_and_other_bytes_are_told_apart() {
    let config = World::new().simple();
    let mut server = Server::new(&config);
    server.feed(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(server.error, Some(Error::PlainHttp));
    assert!(server.session.output().is_empty());
    let mut server = Server::new(&config);
    server.feed(b"SSH-2.0-client\r\n");
    assert_eq!(server.error, Some(Error::NotTls));
    assert_eq!(server.output(), [21, 3, 3, 0, 2, 2, Alert::UNEXPECTED_MESSAGE.0]);
    // The error stays.
    let mut buf = vec![0; MIN_READ];
    assert_eq!(server.session.read(&mut buf, 0), Err(Error::NotTls));
}

#[test]
fn each_name_has_its_certificate() {
    let world = World::new();
    let a = world.authority.sign(&["a.test"]);
    let b = world.authority.sign(&["b.test", "*.b.test"]);
    let named = Entry {
        names: vec!["c.test".into()],
        ..world.authority.sign(&["c.test", "a.test"]).entry()
    };
    let entries = [a.entry(), b.entry(), named];
    let client_config = Arc::new(world.client(TLS13));
    let serial = |config: &Arc<reactor_tls::Config>, name: &str| {
        let mut client = client(&client_config, name);
        let mut server = Server::new(config);
        handshake(&mut client, &mut server, whole).map_err(|error| error.to_string())?;
        let der = client.peer_certificates().unwrap()[0].clone();
        Ok::<_, String>(reactor_tls::Certificate::read(&der).unwrap().dns_names.join(" "))
    };
    for unknown in [Unknown::Default, Unknown::Refuse] {
        let config = world.config_with(&entries, unknown);
        assert_eq!(serial(&config, "a.test").unwrap(), "a.test");
        assert_eq!(serial(&config, "b.test").unwrap(), "b.test *.b.test");
        assert_eq!(serial(&config, "x.b.test").unwrap(), "b.test *.b.test");
        assert_eq!(serial(&config, "c.test").unwrap(), "c.test a.test");
    }
    let config = world.config_with(&entries, Unknown::Refuse);
    let error = serial(&config, "d.test").unwrap_err();
    assert!(error.contains("UnrecognisedName"), "{error}");
    let error = serial(&world.config(&entries), "d.test").unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn the_configuration_can_be_chosen_after_the_hello() {
    let world = World::new();
    let late = world.config(&[world.authority.sign(&["late.test"]).entry()]);
    let mut client = client(&Arc::new(world.client(TLS13)), "late.test");
    let mut session = Session::new(world.simple());
    let hello = from_client(&mut client);
    let mut buf = vec![0; MIN_READ];
    buf[HEADROOM..][..hello.len()].copy_from_slice(&hello);
    session.read(&mut buf, hello.len()).unwrap();
    assert_eq!(session.hello().unwrap().server_name(), Some("late.test"));
    session.choose(&late).unwrap();
    session.work().unwrap();
    to_client(&mut client, session.output()).unwrap();
    assert!(!client.is_handshaking());
}

/// A client with a ticket of another server, which took early data: the records that it sends with
/// its hello are skipped (RFC 8446, 4.2.10).
#[test]
fn early_data_for_another_server_is_skipped() {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::Read as _;
    let world = World::new();
    let made = world.authority.sign(&["a.test"]);
    let certificate = CertificateDer::from_pem_slice(made.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut other = rustls::ServerConfig::builder_with_details(provider, world.clock.clone())
        .with_protocol_versions(TLS13)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    other.max_early_data_size = 16_384;
    let other = Arc::new(other);
    let mut client_config = world.client(TLS13);
    client_config.enable_early_data = true;
    let client_config = Arc::new(client_config);
    let config = world.config(&[made.entry()]);
    for (len, cut) in
        [(10, 1), (10, 99_999), (3_000, 99_999), (3_000, 7), (16_384, 99_999), (16_384, 100)]
    {
        let mut first = client(&client_config, "a.test");
        let mut server = rustls::ServerConnection::new(other.clone()).unwrap();
        for _ in 0..3 {
            let mut bytes = &from_client(&mut first)[..];
            while !bytes.is_empty() {
                server.read_tls(&mut bytes).unwrap();
                server.process_new_packets().unwrap();
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer).unwrap();
            }
            to_client(&mut first, &answer).unwrap();
        }
        let mut second = client(&client_config, "a.test");
        second.early_data().expect("there is a ticket").write_all(&pattern(len)).unwrap();
        let mut server = Server::new(&config);
        handshake(&mut second, &mut server, |bytes| {
            bytes.chunks(cut).map(<[u8]>::to_vec).collect()
        })
        .unwrap_or_else(|error| panic!("{len}, {cut}: {error}, {:?}", server.error));
        assert!(!second.is_early_data_accepted());
        talk(&mut second, &mut server);
        let mut none = [0; 1];
        assert!(second.reader().read(&mut none).is_err());
    }
}
