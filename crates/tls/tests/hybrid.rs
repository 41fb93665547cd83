//! X25519MLKEM768 against rustls' client, whose half of the group is here.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::sync::Arc;

use ml_kem::kem::{Decapsulate as _, KeyExport as _};
use ml_kem::ml_kem_768::DecapsulationKey;
use reactor_tls::Error;
use rustls::crypto::ring::kx_group::{SECP256R1, X25519};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup, ring};
use rustls::{ClientConfig, HandshakeKind, NamedGroup};
use support::*;

/// What a client makes of its share before it is sent.
#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    /// Cut to this length.
    Cut(usize),
    /// One byte more.
    Longer,
    /// A number of the key that is no number of the field: 12 bits, all set.
    TooLarge,
    /// The point of small order.
    ZeroPoint,
}

#[derive(Debug)]
struct Hybrid(Damage);

static HYBRID: Hybrid = Hybrid(Damage::None);

struct Active {
    mlkem: DecapsulationKey,
    x25519: Box<dyn ActiveKeyExchange>,
    share: Vec<u8>,
    offers_x25519: bool,
}

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mut seed = [0; 64];
        ring::default_provider().secure_random.fill(&mut seed).unwrap();
        let mlkem = DecapsulationKey::from_seed(seed.into());
        let x25519 = X25519.start()?;
        let mut share = mlkem.encapsulation_key().to_bytes().to_vec();
        share.extend_from_slice(x25519.pub_key());
        match self.0 {
            Damage::None => {}
            Damage::Cut(len) => share.truncate(len),
            Damage::Longer => share.push(0),
            Damage::TooLarge => share[..2].fill(0xff),
            Damage::ZeroPoint => share[1_184..].fill(0),
        }
        Ok(Box::new(Active { mlkem, x25519, share, offers_x25519: false }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, rustls::Error> {
        assert_eq!(share.len(), 1_088 + 32);
        let (ciphertext, x25519) = share.split_at(1_088);
        let secret = self.mlkem.decapsulate_slice(ciphertext).unwrap();
        let x25519 = self.x25519.complete(x25519)?;
        Ok(SharedSecret::from([&secret[..], x25519.secret_bytes()].concat()))
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        self.offers_x25519.then(|| (NamedGroup::X25519, self.x25519.pub_key()))
    }

    fn complete_hybrid_component(
        self: Box<Self>,
        share: &[u8],
    ) -> Result<SharedSecret, rustls::Error> {
        self.x25519.complete(share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// Sends two shares, as browsers do.
#[derive(Debug)]
struct Both;

impl SupportedKxGroup for Both {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mlkem = DecapsulationKey::from_seed([7; 64].into());
        let x25519 = X25519.start()?;
        let share = [&mlkem.encapsulation_key().to_bytes()[..], x25519.pub_key()].concat();
        Ok(Box::new(Active { mlkem, x25519, share, offers_x25519: true }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// Knows the group, but sends a share of another.
#[derive(Debug)]
struct Unsent;

impl SupportedKxGroup for Unsent {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        panic!("nobody asks for a share of ML-KEM")
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

type Groups = Vec<&'static dyn SupportedKxGroup>;

fn client_of(world: &World, kx_groups: Groups, versions: Versions) -> Arc<ClientConfig> {
    let provider = CryptoProvider { kx_groups, ..ring::default_provider() };
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject as _;
    let authority = world.authority.pem();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    Arc::new(
        ClientConfig::builder_with_details(Arc::new(provider), world.clock.clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// The group that both agree on, and how.
fn agreed(world: &World, groups: Groups, versions: Versions) -> (String, HandshakeKind) {
    let (mut client, mut server) = ready(&world.simple(), &client_of(world, groups, versions));
    let request = send(&mut client, b"ping");
    server.feed(&request);
    assert_eq!(server.plain, b"ping", "{:?}", server.error);
    let answer = server.write(b"pong");
    assert_eq!(to_client(&mut client, &answer).unwrap(), b"pong");
    let facts = server.session.facts().unwrap();
    (facts.group.unwrap_or("none").into(), client.handshake_kind().unwrap())
}

#[test]
fn a_client_that_offers_the_group_gets_it_at_once() {
    let world = World::new();
    let hybrid = ("X25519MLKEM768".to_owned(), HandshakeKind::Full);
    assert_eq!(agreed(&world, vec![&HYBRID, X25519], TLS13), hybrid);
    assert_eq!(agreed(&world, vec![&HYBRID], TLS13), hybrid);
    assert_eq!(agreed(&world, vec![&Both, X25519, SECP256R1], TLS13), hybrid);
    static BOTH: Versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
    assert_eq!(agreed(&world, vec![&Both, X25519], BOTH), hybrid);
}

#[test]
fn a_client_without_a_share_for_it_is_not_asked_for_one() {
    let world = World::new();
    let full = |group: &str| (group.to_owned(), HandshakeKind::Full);
    assert_eq!(agreed(&world, vec![X25519, &Unsent], TLS13), full("X25519"));
    assert_eq!(agreed(&world, vec![SECP256R1, &Unsent], TLS13), full("secp256r1"));
    assert_eq!(agreed(&world, vec![X25519], TLS13), full("X25519"));
    assert_eq!(agreed(&world, vec![&HYBRID, X25519], TLS12), full("X25519"));
}

#[test]
fn a_session_is_resumed_with_a_new_exchange() {
    let world = World::new();
    let (config, client) = (world.simple(), client_of(&world, vec![&HYBRID, X25519], TLS13));
    for resumed in [false, true] {
        let (mut client, mut server) = ready(&config, &client);
        let answer = server.write(b"hello");
        assert_eq!(to_client(&mut client, &answer).unwrap(), b"hello");
        let facts = server.session.facts().unwrap();
        assert_eq!((facts.group, facts.resumed), (Some("X25519MLKEM768"), resumed));
    }
}

#[test]
fn the_hello_may_be_cut_everywhere() {
    let world = World::new();
    let config = world.simple();
    let client_config = client_of(&world, vec![&HYBRID, X25519], TLS13);
    for at in (1..1_500).step_by(37) {
        let mut client = client(&client_config, "a.test");
        let mut server = Server::new(&config);
        handshake(&mut client, &mut server, |bytes| {
            bytes.chunks(at.min(bytes.len().max(1))).map(<[u8]>::to_vec).collect()
        })
        .unwrap();
        assert_eq!(server.session.facts().unwrap().group, Some("X25519MLKEM768"), "{at}");
    }
}

/// RFC 8446, 4.2.8, and the draft, 3.2: `illegal_parameter`.
#[test]
fn damaged_shares_are_refused() {
    let world = World::new();
    let config = world.simple();
    let damages = [
        Damage::Cut(1),
        Damage::Cut(32),
        Damage::Cut(1_184),
        Damage::Cut(1_215),
        Damage::Longer,
        Damage::TooLarge,
        Damage::ZeroPoint,
    ];
    for damage in damages {
        let group: &'static Hybrid = Box::leak(Box::new(Hybrid(damage)));
        let client_config = client_of(&world, vec![group, X25519], TLS13);
        let mut client = client(&client_config, "a.test");
        let mut server = Server::new(&config);
        let result = handshake(&mut client, &mut server, whole);
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::IllegalParameter);
        assert_eq!(result.unwrap_err(), alert, "{damage:?}");
        assert!(matches!(server.error, Some(Error::Broken(_))), "{:?}", server.error);
    }
}
