//! The client's side, against the server's: what it reads in pieces, and what it refuses.
//! A client has no time but the system's, so certificates here hold for long.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod support;

use std::sync::Arc;

use rcgen::KeyPair;
use reactor_tls::HEADROOM;
use reactor_tls::client::{BUFFER, Client, ClientError, ClientOptions, ClientSession};
use reactor_tls::config::{ConfigError, Pem};
use reactor_tls::{Alert, Config, Version};
use support::{Server, World, dates, pattern};

fn options(world: &World) -> ClientOptions {
    let authorities = vec![Pem::new("ca", world.authority.pem())];
    ClientOptions { authorities, resume: true, ..ClientOptions::default() }
}

fn config(world: &World) -> Arc<Config> {
    let key = KeyPair::generate().unwrap();
    world.config(&[world.authority.sign_with(&["a.test"], key, |p| dates(p, 2020, 2040)).entry()])
}

/// Gives the client bytes in pieces of this size, and returns the plaintext in them.
fn feed(
    session: &mut ClientSession,
    bytes: &[u8],
    size: usize,
) -> Result<(Vec<u8>, bool), ClientError> {
    let mut buf = vec![0xee; BUFFER];
    let (mut plain, mut ended) = (Vec::new(), false);
    for piece in bytes.chunks(size) {
        let from = HEADROOM + session.held();
        buf[from..from + piece.len()].copy_from_slice(piece);
        let read = session.read(&mut buf, piece.len())?;
        plain.extend_from_slice(&buf[..read.plain]);
        ended |= read.ended;
    }
    Ok((plain, ended))
}

fn output(session: &mut ClientSession) -> Vec<u8> {
    let output = session.output().to_vec();
    session.sent(output.len());
    output
}

/// A whole handshake, whose messages come to the client in pieces of this size.
fn shake_hands(
    session: &mut ClientSession,
    server: &mut Server,
    size: usize,
) -> Result<(), ClientError> {
    loop {
        let out = output(session);
        server.feed(&out);
        let back = server.output();
        if out.is_empty() && back.is_empty() {
            return Ok(());
        }
        feed(session, &back, size)?;
    }
}

#[test]
fn everything_may_come_in_pieces_of_any_size() {
    let world = World::new();
    let config = config(&world);
    for version in [Version::Tls12, Version::Tls13] {
        for size in [1, 2, 3, 5, 64, 1000, 65_536] {
            let settings = ClientOptions { version: Some(version), ..options(&world) };
            let client = Client::new("a.test", &settings).unwrap();
            for resumed in [false, true] {
                let (mut session, mut server) = (client.session().unwrap(), Server::new(&config));
                shake_hands(&mut session, &mut server, size).unwrap();
                let facts = session.facts().unwrap();
                assert_eq!((facts.version, facts.resumed), (version, resumed), "{size}");
                assert_eq!(session.held(), 0);
                let request = pattern(40_000);
                session.write(&request).unwrap();
                server.feed(&output(&mut session));
                assert!(server.plain == request);
                let mut bytes = server.write(&request);
                server.session.close();
                bytes.extend(server.output());
                let (plain, ended) = feed(&mut session, &bytes, size).unwrap();
                assert!(plain == request && ended, "{version} in pieces of {size}");
                session.close();
                server.feed(&output(&mut session));
                assert!(server.ended);
            }
        }
    }
}

#[test]
fn it_says_what_is_wrong() {
    let world = World::new();
    let config = config(&world);
    let fails = |name: &str, settings: &ClientOptions| {
        let mut session = Client::new(name, settings).unwrap().session().unwrap();
        let mut server = Server::new(&config);
        let error = shake_hands(&mut session, &mut server, 4096).unwrap_err();
        // The server is told.
        server.feed(&output(&mut session));
        (error, server.error.map(|error| error.to_string()).unwrap_or_default())
    };
    let (error, told) = fails("b.test", &options(&world));
    assert_eq!(error.to_string(), "the server's certificate is for a.test, not for b.test");
    assert!(told.contains("bad_certificate"), "{told}");
    let other = support::Authority::new("Other");
    let strange =
        ClientOptions { authorities: vec![Pem::new("ca", other.pem())], ..options(&world) };
    let (error, told) = fails("a.test", &strange);
    assert_eq!(error, ClientError::UnknownAuthority);
    assert!(told.contains("unknown_ca"), "{told}");

    let mut session = Client::new("a.test", &options(&world)).unwrap().session().unwrap();
    let error = feed(&mut session, b"HTTP/1.1 400 Bad Request\r\n\r\n", 4096).unwrap_err();
    assert_eq!(error, ClientError::NotTls);
    let mut session = Client::new("a.test", &options(&world)).unwrap().session().unwrap();
    let error = feed(&mut session, &[21, 3, 3, 0, 2, 2, 40], 4096).unwrap_err();
    assert_eq!(error, ClientError::Alert(Alert(40)));
}

#[test]
fn settings_are_checked() {
    let world = World::new();
    let error = |name: &str, settings: &ClientOptions| Client::new(name, settings).unwrap_err();
    let right = options(&world);
    assert!(matches!(error("a b", &right), ConfigError::BadName { .. }));
    assert!(matches!(error("a.test", &ClientOptions::default()), ConfigError::NoCa));
    let bad = ClientOptions { ciphers: Some("RC4-MD5".into()), ..right };
    assert!(matches!(error("a.test", &bad), ConfigError::BadCipher { .. }));
    let (one, two) = (world.authority.sign(&["one"]), world.authority.sign(&["two"]));
    let pair = |cert: &str, key: &str| ClientOptions {
        certificates: Some(Pem::new("cert", cert)),
        key: Some(Pem::new("key", key)),
        ..options(&world)
    };
    assert!(matches!(error("a.test", &pair(&one.cert, &two.key)), ConfigError::KeyMismatch { .. }));
    for name in ["a.test", "A.test.", "127.0.0.1", "::1", "[::1]"] {
        Client::new(name, &pair(&one.cert, &one.key)).unwrap();
    }
}
