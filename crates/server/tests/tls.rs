//! The server over TLS, with real sockets.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{builtin, config, start};
use reactor_server::{
    Address, Config, Endpoint, Listen, NameChoice, NameQuestion, Redirect, Server, ServesNames, Tls,
};
use reactor_tls::config::{Ask, Clients, Entry, Pem, Unknown};
use reactor_tls::{CACHE, Clock, Resumption, SystemClock, TIMEOUT};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const CERT: &str = include_str!("../src/sim/tls/cert.pem");
const KEY: &str = include_str!("../src/sim/tls/key.pem");

fn tls(handshake_timeout: Duration) -> Arc<Tls> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resumption = Arc::new(Resumption::new(Arc::clone(&clock), TIMEOUT, CACHE, &[]));
    let entry = Entry {
        certificates: vec![Pem::new("cert", CERT)],
        keys: vec![Pem::new("key", KEY)],
        ..Entry::default()
    };
    let config = reactor_tls::Config::new(&[entry], Unknown::Default, &resumption, &clock);
    Arc::new(Tls::new(Arc::new(config.expect("it is right")), handshake_timeout))
}

fn secured(handshake_timeout: Duration) -> Config {
    let base = config(builtin());
    let mut listen = base.listen;
    listen[0].tls = Some(tls(handshake_timeout));
    Config { listen, ..config(builtin()) }
}

fn port(address: &Address) -> u16 {
    let Address::Tcp(address) = address else { panic!("no TCP address") };
    address.port()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port(server.address()))).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
    stream
}

fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT.as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("it has both")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn secure(server: &Server, config: &Arc<ClientConfig>) -> Secure {
    let name = ServerName::try_from("sim.test").expect("a name");
    let conn = ClientConnection::new(Arc::clone(config), name).expect("it is configured");
    StreamOwned::new(conn, connect(server))
}

fn answer(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    // A reset after the answer loses nothing.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// What is true a little later.
fn soon(what: &str, is_true: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: sim.test\r\nConnection: close\r\n\r\n";

#[test]
fn requests_are_answered_and_sessions_resumed() {
    let server = start(secured(Tls::HANDSHAKE_TIMEOUT));
    let config = client_config();
    for _ in 0..3 {
        let mut stream = secure(&server, &config);
        stream.write_all(CLOSE).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let stats = server.stats().tls;
    assert_eq!((stats.full, stats.resumed), (1, 2), "{stats:?}");
}

/// A packet of its own would cost a system call, and most clients would have closed by then.
#[test]
fn the_farewell_goes_with_the_last_answer() {
    let server = start(secured(Tls::HANDSHAKE_TIMEOUT));
    let StreamOwned { mut conn, mut sock } = secure(&server, &client_config());
    conn.complete_io(&mut sock).expect("a handshake");
    conn.writer().write_all(CLOSE).expect("it is open");
    conn.write_tls(&mut sock).expect("it is connected");
    // What one write sent comes in one read.
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let n = sock.read(&mut bytes).expect("an answer");
        let mut piece = &bytes[..n];
        let mut state = None;
        while !piece.is_empty() {
            conn.read_tls(&mut piece).expect("memory");
            state = Some(conn.process_new_packets().expect("TLS"));
        }
        let state = state.expect("the connection ended before its answer");
        if state.plaintext_bytes_to_read() > 0 {
            assert!(state.peer_has_closed());
            break;
        }
    }
    soon("it is closed", || server.stats().connections.closed.served == 1);
}

#[test]
fn an_answer_in_clear_tells_a_client_that_speaks_no_tls() {
    let server = start(secured(Tls::HANDSHAKE_TIMEOUT));
    let mut stream = connect(&server);
    // More than the server reads: what it does not read must not cost the client the answer.
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").unwrap();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    let text = answer(&mut stream);
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.ends_with("the client speaks plain HTTP, and this port TLS (https) only.\n"));
    let length = text.split("\r\n\r\n").nth(1).expect("it has a body").len();
    assert!(text.contains(&format!("Content-Length: {length}\r\n")), "{text}");
    soon("it is counted", || server.stats().tls.failed.get("plain-http") == Some(&1));
    soon("it is closed", || server.stats().connections.closed.handshake == 1);
}

#[test]
fn garbage_gets_an_alert() {
    let server = start(secured(Tls::HANDSHAKE_TIMEOUT));
    let mut stream = connect(&server);
    stream.write_all(&[0x80; 5000]).unwrap();
    let mut alert = Vec::new();
    let _ = stream.read_to_end(&mut alert);
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 10]);
    soon("it is counted", || server.stats().tls.failed.get("not-tls") == Some(&1));
}

#[test]
fn a_handshake_has_its_time() {
    let server = start(secured(Duration::from_millis(200)));
    // Nothing comes, or a byte now and then.
    let silent = connect(&server);
    let mut slow = connect(&server);
    for byte in [22, 3, 1, 2, 0, 1] {
        if slow.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    soon("both are closed", || server.stats().connections.closed.handshake == 2);
    assert_eq!(server.stats().tls.timed_out, 2);
    drop(silent);
    // One that is done is idle, and not in a handshake.
    let mut stream = secure(&server, &client_config());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: sim.test\r\n\r\n").unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.stats().connections.open, 1);
}

#[test]
fn many_handshakes_at_once_are_all_done() {
    let server = Arc::new(start(secured(Tls::HANDSHAKE_TIMEOUT)));
    let config = client_config();
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (server, config) = (Arc::clone(&server), Arc::clone(&config));
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let mut stream = secure(&server, &config);
                    stream.write_all(CLOSE).unwrap();
                    assert!(answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no client fails");
    }
    let stats = server.stats();
    assert_eq!(stats.tls.full + stats.tls.resumed, 500, "{stats:?}");
    assert!(stats.tls.failed.is_empty() && stats.tls.shed == 0, "{stats:?}");
}

#[test]
fn listeners_of_one_server_each_speak_their_own() {
    let clear = || Endpoint::from(Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 });
    let listen = vec![
        Endpoint { tls: Some(tls(Tls::HANDSHAKE_TIMEOUT)), ..clear() },
        clear(),
        Endpoint { redirect: Some(Redirect { port: Some(8443) }), ..clear() },
    ];
    let server = start(Config { listen, ..config(builtin()) });
    let mut stream = secure(&server, &client_config());
    stream.write_all(CLOSE).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let ask = |place: usize, path: &str| {
        let address = ("127.0.0.1", port(&server.addresses()[place]));
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        answer(&mut stream)
    };
    assert!(ask(1, "/").starts_with("HTTP/1.1 200 OK\r\n"));
    let moved = ask(2, "/x?y");
    assert!(moved.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{moved}");
    assert!(moved.contains("\r\nLocation: https://a.test:8443/x?y\r\n"), "{moved}");
    let challenge = ask(2, "/.well-known/acme-challenge/abc");
    assert!(challenge.starts_with("HTTP/1.1 404 "), "{challenge}");
}

#[test]
fn another_certificate_serves_the_next_handshake() {
    let base = secured(Tls::HANDSHAKE_TIMEOUT);
    let handle = base.listen[0].tls.clone().expect("it was set");
    let server = start(base);
    let config = client_config();
    let mut before = secure(&server, &config);
    before.write_all(b"GET / HTTP/1.1\r\nHost: sim.test\r\n\r\n").unwrap();
    let mut byte = [0];
    before.read_exact(&mut byte).unwrap();
    let other = tls(Tls::HANDSHAKE_TIMEOUT);
    let weak = Arc::downgrade(&handle.current());
    handle.replace(other.current());
    let stats = server.stats().tls;
    assert_eq!((stats.reloads, stats.reload_failures), (1, 0));
    assert_eq!((stats.certificates.len(), stats.certificates[0].listener), (1, 0));
    assert_eq!(stats.certificates[0].names, ["sim.test"]);
    // The connection that is open goes on.
    before.write_all(CLOSE).unwrap();
    assert!(answer(&mut before).contains("HTTP/1.1 200 OK\r\n"));
    let mut after = secure(&server, &config);
    after.write_all(CLOSE).unwrap();
    assert!(answer(&mut after).starts_with("HTTP/1.1 200 OK\r\n"));
    drop((before, after));
    soon("the old configuration is freed", || weak.upgrade().is_none());
}

#[test]
fn a_stop_ends_handshakes_and_says_farewell() {
    let server = start(secured(Tls::HANDSHAKE_TIMEOUT));
    let half = connect(&server);
    let mut stream = secure(&server, &client_config());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: sim.test\r\n\r\n").unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    server.stop(reactor_server::Stop::Drain);
    // `close_notify` comes before the end, otherwise this is an error.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an orderly end");
    server.wait();
    drop(half);
}

/// Answers each question a little later, on a thread of its own.
struct Later(Arc<reactor_tls::Config>);

impl ServesNames for Later {
    fn ask(&self, question: NameQuestion) {
        let config = Arc::clone(&self.0);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            match question.name() {
                Some("sim.test") => question.answer(NameChoice::Config(config)),
                Some("own.test") => question.answer(NameChoice::Own),
                // Nobody answers.
                _ => drop(question),
            }
        });
    }
}

#[test]
fn somebody_can_be_asked_what_serves_a_name() {
    let mut config = secured(Tls::HANDSHAKE_TIMEOUT);
    let own = tls(Tls::HANDSHAKE_TIMEOUT);
    let other = tls(Tls::HANDSHAKE_TIMEOUT);
    let asking = Tls::new(own.current(), Tls::HANDSHAKE_TIMEOUT).asking(Later(other.current()));
    config.listen[0].tls = Some(Arc::new(asking));
    let server = start(config);
    let client = client_config();
    let mut stream = secure(&server, &client);
    stream.write_all(CLOSE).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let name = ServerName::try_from("nobody.test").expect("a name");
    let conn = ClientConnection::new(client, name).expect("it is configured");
    let mut stream = StreamOwned::new(conn, connect(&server));
    let error = stream.write_all(CLOSE).expect_err("nothing serves it");
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    soon("it is counted", || server.stats().tls.failed.get("unknown-name") == Some(&1));
}

#[test]
fn a_connection_for_one_name_does_not_reach_another_with_other_rules_for_clients() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resumption = Arc::new(Resumption::new(Arc::clone(&clock), TIMEOUT, CACHE, &[]));
    let entry = |names: &[&str], ask| Entry {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        certificates: vec![Pem::new("cert", CERT)],
        keys: vec![Pem::new("key", KEY)],
        clients: Clients { ask, ca: vec![Pem::new("ca", CERT)], crls: Vec::new() },
        ..Entry::default()
    };
    let entries =
        [entry(&["sim.test", "open.test"], Ask::Never), entry(&["closed.test"], Ask::Require)];
    let built = reactor_tls::Config::new(&entries, Unknown::Default, &resumption, &clock);
    let built = Arc::new(built.expect("it is right"));
    let mut config = secured(Tls::HANDSHAKE_TIMEOUT);
    config.listen[0].tls = Some(Arc::new(Tls::new(built, Tls::HANDSHAKE_TIMEOUT)));
    let server = start(config);
    let client = client_config();
    for (host, status) in [
        ("sim.test", 200),
        ("SIM.test:8443", 200),
        ("open.test", 200),
        ("other.test", 200),
        ("closed.test", 421),
        ("closed.test.", 421),
        ("Closed.Test:443", 421),
    ] {
        let mut stream = secure(&server, &client);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = answer(&mut stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
}
