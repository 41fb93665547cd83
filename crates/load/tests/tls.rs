//! The load client over TLS, against the real server and against servers that do it wrong.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use common::{HELLO, plan, run, server, try_run, until, without_keep_alive};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reactor_load::{Peer, Plan, Report, Request};
use reactor_server::{App, Config, Endpoint, Inline, Listen, Server, Stop, Target, Tls};
use reactor_tls::client::{Client, ClientOptions};
use reactor_tls::config::{Ask, Clients, Entry, Pem, Unknown};
use reactor_tls::{CACHE, Clock, Resumption, SystemClock, Version};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Pem {
        Pem::new("ca.pem", self.0.pem())
    }

    fn sign(&self, name: &str) -> (Pem, Pem) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        (Pem::new("cert.pem", cert.pem()), Pem::new("key.pem", key.serialize_pem()))
    }

    fn client(&self, change: impl FnOnce(&mut ClientOptions)) -> Option<Arc<Client>> {
        let mut options = ClientOptions {
            authorities: vec![self.pem()],
            resume: true,
            protocols: vec![b"http/1.1".to_vec()],
            ..ClientOptions::default()
        };
        change(&mut options);
        Some(Arc::new(Client::new("a.test", &options).unwrap()))
    }
}

/// A server with this certificate.
fn start((cert, key): (Pem, Pem), clients: Clients) -> (Server, Peer) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resumption = Arc::new(Resumption::new(Arc::clone(&clock), 300, CACHE, &[]));
    let entry = Entry { certificates: vec![cert], keys: vec![key], clients, ..Entry::default() };
    let config = reactor_tls::Config::new(&[entry], Unknown::Default, &resumption, &clock).unwrap();
    let mut app = App::builtin();
    let body: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let large = Inline::new(200, &[("X", b"y")], body).unwrap();
    app.route(Some("GET"), "/large", Target::Inline(large)).unwrap();
    let tls = Some(Arc::new(Tls::new(Arc::new(config), Duration::from_secs(20))));
    let listen = Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
    let endpoint = Endpoint { tls, ..listen.into() };
    let config = Config {
        listen: vec![endpoint],
        io_threads: 2,
        worker_threads: 2,
        app,
        ..Config::default()
    };
    let server = Server::start(config).unwrap();
    let reactor_server::Address::Tcp(addr) = server.address() else { panic!("no TCP address") };
    let peer = Peer::Tcp { host: "127.0.0.1".to_owned(), port: addr.port() };
    (server, peer)
}

fn finish(server: &Server) {
    server.stop(Stop::Force);
    server.wait();
}

fn right(report: &Report, requests: u64) {
    assert_eq!((report.succeeded, report.errors.total), (requests, 0), "{report:?}");
}

#[test]
fn requests_go_over_tls_and_both_sides_count_the_same() {
    let authority = Authority::new("One");
    let (server, peer) = start(authority.sign("a.test"), Clients::default());
    let mut total = 0;
    for (version, shown) in [(Version::Tls12, "TLSv1.2"), (Version::Tls13, "TLSv1.3")] {
        for (threads, connections, pipeline) in [(1, 1, 1), (2, 9, 16), (2, 4, 200)] {
            let tls = authority.client(|options| options.version = Some(version));
            let base = plan(&peer, 2003);
            let report = run(Plan { tls, threads, connections, pipeline, ..base });
            right(&report, 2003);
            total += 2003;
            let tls = report.tls.unwrap();
            assert_eq!((tls.version.as_str(), tls.handshakes), (shown, connections as u64));
            assert!(tls.cipher.contains("AES128") || tls.cipher.contains("AES_128"));
            assert_eq!((tls.group, tls.handshake.count), (Some("X25519"), tls.handshakes));
            assert_eq!(tls.histogram.iter().map(|row| row.count).sum::<u64>(), tls.handshakes);
        }
    }
    until(|| server.stats().requests.total == total);
    finish(&server);
}

#[test]
fn long_bodies_go_both_ways() {
    let authority = Authority::new("One");
    let (server, peer) = start(authority.sign("a.test"), Clients::default());
    let body: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let base = plan(&peer, 30);
    let tls = authority.client(|_| {});
    let echo = Request::new("POST", "/echo", "h", &[], &body, true).unwrap();
    let expect_body = Some(body);
    right(
        &run(Plan { request: echo, tls: tls.clone(), expect_body: expect_body.clone(), ..base }),
        30,
    );
    let large = Request::new("GET", "/large", "h", &[], b"", false).unwrap();
    right(&run(Plan { request: large, tls, expect_body, ..plan(&peer, 30) }), 30);
    finish(&server);
}

#[test]
fn sessions_are_resumed_unless_that_is_not_wanted() {
    let authority = Authority::new("One");
    let (server, peer) = start(authority.sign("a.test"), Clients::default());
    for version in [Version::Tls12, Version::Tls13] {
        for (resume, insecure) in [(true, false), (false, false), (true, true)] {
            let tls = authority.client(|options| {
                (options.version, options.resume) = (Some(version), resume);
                options.insecure = insecure;
            });
            let report = run(Plan { tls, ..without_keep_alive(plan(&peer, 200)) });
            right(&report, 200);
            let tls = report.tls.unwrap();
            assert_eq!(tls.handshakes, 200);
            // The four connections that begin the run have no ticket yet.
            let enough = if resume { 196..=200 } else { 0..=0 };
            assert!(enough.contains(&tls.resumed), "{version}: {} of 200", tls.resumed);
        }
    }
    finish(&server);
}

#[test]
fn clients_show_their_certificate() {
    let authority = Authority::new("One");
    let clients = Clients { ask: Ask::Require, ca: vec![authority.pem()], ..Clients::default() };
    let (server, peer) = start(authority.sign("a.test"), clients);
    for version in [Version::Tls12, Version::Tls13] {
        let (cert, key) = authority.sign("me");
        let with = authority.client(|options| {
            options.version = Some(version);
            (options.certificates, options.key) = (Some(cert), Some(key));
        });
        let report = run(Plan { tls: with, ..without_keep_alive(plan(&peer, 50)) });
        right(&report, 50);
        assert!(report.tls.unwrap().resumed >= 46);
    }
    // In TLS 1.2 the handshake fails. In TLS 1.3 it is done before the server sees that.
    let without = |version| authority.client(|options| options.version = Some(version));
    let error = try_run(Plan { tls: without(Version::Tls12), ..plan(&peer, 1) }).unwrap_err();
    assert_eq!(error.code(), "ERR_REACTOR_CONNECT");
    let report = run(Plan { tls: without(Version::Tls13), ..plan(&peer, 8) });
    assert_eq!((report.succeeded, report.errors.total), (0, 8), "{report:?}");
    let message = &report.first_errors[0].message;
    assert!(message.contains("certificate_required") || message.contains("reset"), "{message}");
    finish(&server);
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_before_the_run() {
    let (authority, other) = (Authority::new("One"), Authority::new("Other"));
    let (server, peer) = start(authority.sign("b.test"), Clients::default());
    let insecure = authority.client(|options| options.insecure = true);
    right(&run(Plan { tls: insecure, ..plan(&peer, 10) }), 10);
    let strange = other.client(|_| {});
    let error = try_run(Plan { tls: strange, ..plan(&peer, 1) }).unwrap_err().to_string();
    assert!(error.contains("not signed by a known authority; give its authority with --cacert"));
    let named = authority.client(|_| {});
    let error = try_run(Plan { tls: named, ..plan(&peer, 1) }).unwrap_err().to_string();
    assert!(error.contains("is for b.test, not for a.test; --insecure"), "{error}");
    finish(&server);
}

/// `openssl req -x509` makes such a certificate: it is an authority, and its own.
#[test]
fn a_certificate_that_is_its_own_authority_can_be_given_as_one() {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = Pem::new("self.pem", params.self_signed(&key).unwrap().pem());
    let (server, peer) =
        start((cert.clone(), Pem::new("key.pem", key.serialize_pem())), Clients::default());
    for (name, is_right) in [("a.test", true), ("b.test", false)] {
        let options = ClientOptions { authorities: vec![cert.clone()], ..ClientOptions::default() };
        let tls = Some(Arc::new(Client::new(name, &options).unwrap()));
        let result = try_run(Plan { tls, ..plan(&peer, 10) });
        assert_eq!(result.is_ok_and(|report| report.succeeded == 10), is_right);
    }
    finish(&server);
}

#[test]
fn a_server_without_tls_is_told_from_one_that_breaks_it() {
    let authority = Authority::new("One");
    for (answer, said) in [
        (HELLO, "does not speak TLS there; http:// is for servers without it"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "ended TLS with the alert handshake_failure"),
        (b"", "closed the connection in the TLS handshake"),
    ] {
        let plain = server(move |mut conn, _| {
            use std::io::Read;
            let _ = conn.read(&mut [0; 2048]);
            let _ = conn.write_all(answer);
        });
        let tls = authority.client(|_| {});
        let error = try_run(Plan { tls, ..plan(&plain.peer, 1) }).unwrap_err();
        assert_eq!(error.code(), "ERR_REACTOR_CONNECT");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_handshake_that_does_not_end_times_out() {
    let silent = server(|conn, _| {
        std::thread::sleep(Duration::from_secs(60));
        drop(conn);
    });
    let authority = Authority::new("One");
    let timeout = Duration::from_millis(100);
    let tls = authority.client(|_| {});
    let error = try_run(Plan { tls, timeout, ..plan(&silent.peer, 1) }).unwrap_err().to_string();
    assert!(error.contains("no TLS handshake within 100ms"), "{error}");
}
