//! Damaged input: never a panic, bounded memory, and an alert where TLS has one for it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use reactor_tls::config::{Ask, Clients, Entry, Pem};
use reactor_tls::{Config, Error};
use rustls::ClientConfig;
use support::*;

/// More than a session may hold in any state.
const BOUND: usize = 100 * 1024;

/// Small, fast and the same everywhere (xorshift64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Changes bytes as a broken or hostile client might.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    match rng.below(8) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next() as u8,
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.next() as u8),
        4 => {
            bytes.remove(at);
        }
        5 => {
            let end = (at + rng.below(200)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        // A length field.
        6 => {
            let at = [3, 4, 6, 7, 8][rng.below(5)];
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.next() as u8;
            }
        }
        _ => {
            let end = (at + rng.below(50)).min(bytes.len());
            bytes[at..end].fill(rng.next() as u8);
        }
    }
}

/// One handshake and a request; the flight of number `which` is damaged. Then more bytes follow.
fn attack(
    config: &Arc<Config>,
    client_config: &Arc<ClientConfig>,
    which: usize,
    seed: u64,
) -> Server {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = client(client_config, "a.test");
    let mut server = Server::new(config);
    client.writer().write_all(&pattern(3000)).unwrap();
    for flight in 0..4 {
        let mut bytes = from_client(&mut client);
        if flight == which {
            for _ in 0..=rng.below(3) {
                damage(&mut bytes, &mut rng);
            }
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = 1 + rng.below(rest.len().min(1500));
            server.feed(&rest[..n]);
            assert!(server.session.buffered() < BOUND);
            rest = &rest[n..];
        }
        let output = server.output();
        if to_client(&mut client, &output).is_err() {
            break;
        }
    }
    for _ in 0..10 {
        let noise: Vec<u8> = (0..rng.below(4000)).map(|_| rng.next() as u8).collect();
        server.feed(&noise);
        assert!(server.session.buffered() < BOUND);
    }
    let mut buf = vec![0; 64 * 1024];
    let _ = server.session.write(b"answer", &mut buf);
    server.session.close();
    let _ = server.session.end_of_input();
    server
}

fn attack_all(config: &Arc<Config>, client_config: &Arc<ClientConfig>, rounds: u64) {
    let mut alerts = 0;
    for which in 0..3 {
        for seed in 0..rounds {
            let server = attack(config, client_config, which, seed * 3 + which as u64 + 1);
            // 10 rounds of noise leave no session alive.
            let error = server.error.as_ref().expect("noise was taken for TLS");
            alerts += usize::from(matches!(error, Error::Broken(_) | Error::Incompatible(_)));
        }
    }
    assert!(alerts > 10, "{alerts}");
}

#[test]
fn damaged_flights_of_tls_1_3_end_the_session() {
    let world = World::new();
    attack_all(&world.simple(), &Arc::new(world.client(TLS13)), 300);
}

#[test]
fn damaged_flights_of_tls_1_2_end_the_session() {
    let world = World::new();
    attack_all(&world.simple(), &Arc::new(world.client(TLS12)), 300);
}

#[test]
fn damaged_certificates_end_the_session() {
    let world = World::new();
    let clients = Clients {
        ask: Ask::Request,
        ca: vec![Pem::new("ca", world.authority.pem())],
        crls: vec![],
    };
    let config = world.config(&[Entry { clients, ..world.authority.sign(&["a.test"]).entry() }]);
    let own = world.authority.sign(&["client"]);
    for versions in [TLS13, TLS12] {
        attack_all(&config, &Arc::new(world.client_with(versions, Some(&own))), 100);
    }
}

#[test]
fn damaged_ciphertext_is_answered_with_bad_record_mac() {
    let world = World::new();
    for versions in [TLS13, TLS12] {
        let (mut client, mut server) = ready(&world.simple(), &Arc::new(world.client(versions)));
        let mut request = send(&mut client, b"hello");
        *request.last_mut().unwrap() ^= 1;
        server.feed(&request);
        assert!(matches!(server.error, Some(Error::Broken(_))), "{:?}", server.error);
        assert!(server.plain.is_empty());
        let alert = server.output();
        let error = to_client(&mut client, &alert).unwrap_err().to_string();
        assert!(error.contains("BadRecordMac"), "{error}");
        assert_eq!(server.session.buffered(), 0);
    }
}

#[test]
fn a_hello_without_end_is_refused_before_it_is_long() {
    let config = World::new().simple();
    // One byte of payload a record, and a message of 16 MiB.
    let mut server = Server::new(&config);
    let mut sent = 0;
    let message = [1, 0xff, 0xff, 0xff].into_iter().chain(std::iter::repeat(7));
    for byte in message.take(100_000) {
        server.feed(&[22, 3, 1, 0, 1, byte]);
        sent += 6;
        if server.error.is_some() {
            break;
        }
        assert!(server.session.buffered() < BOUND);
    }
    assert_eq!(server.error, Some(Error::TooLong));
    assert!(sent < 20_000);
    assert_eq!(server.output()[0], 21);
}

/// What the server says to these bytes in the place of a flight of the client: records in clear.
fn said(config: &Arc<Config>, client_config: Option<&Arc<ClientConfig>>, bytes: &[u8]) -> Vec<u8> {
    let mut server = Server::new(config);
    if let Some(client_config) = client_config {
        let mut client = client(client_config, "a.test");
        server.feed(&from_client(&mut client));
        assert!(server.output().len() > 300, "{:?}", server.error);
    }
    server.feed(bytes);
    assert!(server.error.is_some());
    server.output()
}

#[test]
fn alerts_in_clear_are_those_of_the_rfc() {
    let (unexpected, overflow, decode) = (10, 22, 50);
    let world = World::new();
    let config = world.simple();
    let tls12 = Arc::new(world.client(TLS12));
    let alert = |description| vec![21, 3, 3, 0, 2, 2, description];
    let hello: &[u8] = &[22, 3, 1, 0, 8, 1, 0, 0, 90, 3, 3, 7, 7];
    let behind = |record: &[u8]| [hello, record].concat();
    for (first, expected) in [
        (vec![22, 3, 1, 0, 0], unexpected),
        (vec![99, 3, 1, 0, 1, 1], unexpected),
        (vec![22, 3, 1, 0x40, 1], overflow),
        (vec![22, 3, 1, 0xff, 0xff], overflow),
        (behind(&[22, 3, 1, 0, 0]), unexpected),
        (behind(&[22, 3, 1, 0x48, 0]), overflow),
        (behind(&[20, 3, 3, 0, 1, 1]), unexpected),
        (behind(&[21, 3, 3, 0, 2, 1, 90]), unexpected),
        (behind(&[23, 3, 3, 0, 3, 7, 7, 7]), unexpected),
    ] {
        assert_eq!(said(&config, None, &first), alert(expected), "{first:?}");
    }
    for (second, expected) in [
        (vec![22, 3, 3, 0, 0], unexpected),
        (vec![99, 3, 3, 0, 1, 1], unexpected),
        (vec![22, 3, 3, 0x60, 0], overflow),
        (vec![22, 3, 3, 0, 4, 16, 0, 0, 0], decode),
        (vec![22, 3, 3, 0, 5, 16, 0, 0, 1, 0], decode),
        (vec![20, 3, 3, 0, 1, 1], unexpected),
        (vec![23, 3, 3, 0, 3, 7, 7, 7], unexpected),
    ] {
        assert_eq!(said(&config, Some(&tls12), &second), alert(expected), "{second:?}");
    }
    // A hello of TLS 1.1, which has no signature algorithms.
    let old = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 9, 1, 0]];
    assert_eq!(said(&config, None, &old.concat()), alert(70));
    // To an alert there is no answer.
    assert_eq!(said(&config, Some(&tls12), &[21, 3, 3, 0, 2, 2, 40]), []);
}

#[test]
fn a_hello_of_16_kib_is_served() {
    let world = World::new();
    let mut client_config = world.client(TLS13);
    // 80 protocols of 200 bytes.
    client_config.alpn_protocols =
        (0..80).map(|n: u8| [b"x".repeat(199), vec![n]].concat()).collect();
    client_config.alpn_protocols.push(b"h2".to_vec());
    let mut client = client(&Arc::new(client_config), "a.test");
    let mut server = Server::new(&world.simple());
    let hello = from_client(&mut client);
    assert!(hello.len() > 16_000);
    for byte in &hello[..100] {
        server.feed(&[*byte]);
    }
    server.feed(&hello[100..]);
    let flight = server.output();
    to_client(&mut client, &flight).unwrap();
    server.feed(&from_client(&mut client));
    assert_eq!(server.session.facts().unwrap().protocol, Some(&b"h2"[..]));
}

#[test]
fn records_of_every_type_and_length_are_survived_in_every_state() {
    let world = World::new();
    let config = world.simple();
    for versions in [TLS13, TLS12] {
        let client_config = Arc::new(world.client(versions));
        for state in 0..3 {
            for kind in [0, 19, 20, 21, 22, 23, 24, 25, 255] {
                for payload in [
                    &[][..],
                    &[1],
                    &[1, 0],
                    &[2, 40],
                    &[0, 0, 0, 0],
                    &[20, 0, 0, 0],
                    &[24, 0, 0, 1, 1],
                    &[4; 300],
                ] {
                    let mut client = client(&client_config, "a.test");
                    let mut server = Server::new(&config);
                    if state > 0 {
                        server.feed(&from_client(&mut client));
                        to_client(&mut client, &server.output()).unwrap();
                    }
                    if state > 1 {
                        let _ = handshake(&mut client, &mut server, whole);
                    }
                    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
                    let record = [&[kind, 3, 3, len[0], len[1]], payload].concat();
                    for _ in 0..3 {
                        server.feed(&record);
                    }
                    assert!(server.session.buffered() < BOUND);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plaintext_arrives_however_it_is_cut(
        sizes in prop::collection::vec(0_usize..40_000, 1..8),
        cuts in prop::collection::vec(1_usize..30_000, 1..20),
        tls13: bool,
    ) {
        let world = World::new();
        let (mut client, mut server) =
            ready(&world.simple(), &Arc::new(world.client(if tls13 { TLS13 } else { TLS12 })));
        let mut sent = Vec::new();
        let mut stream = Vec::new();
        for size in sizes {
            let data = pattern(size);
            stream.extend(send(&mut client, &data));
            sent.extend(data);
        }
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let n = (*cut).min(rest.len());
            server.feed(&rest[..n]);
            rest = &rest[n..];
        }
        prop_assert!(server.plain == sent);
        prop_assert_eq!(server.session.buffered(), 0);
    }
}
