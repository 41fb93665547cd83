//! The client's side of TLS: it stands between a scripted client and its wire.
//!
//! Lengths are the same in every run of a seed, contents are not: keys are new each time. An
//! Ed25519 certificate makes signatures of one length.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, OnceLock};

use reactor_tls::config::{Entry, Pem, Unknown};
use reactor_tls::{Clock, Config, Resumption, Session};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::client::EPOCH;
use super::rng::Rng;

const CERT: &str = include_str!("tls/cert.pem");
const KEY: &str = include_str!("tls/key.pem");

#[derive(Debug)]
struct SimClock;

impl Clock for SimClock {
    fn now(&self) -> u64 {
        EPOCH
    }
}

/// A session of the server, with a certificate that [`TlsPeer`] trusts.
pub(super) fn session() -> Session {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let clock: Arc<dyn Clock> = Arc::new(SimClock);
        let resumption = Arc::new(Resumption::new(clock.clone(), 300, 1 << 20, &[]));
        let entry = Entry {
            certificates: vec![Pem::new("cert.pem", CERT)],
            keys: vec![Pem::new("key.pem", KEY)],
            ..Entry::default()
        };
        Arc::new(Config::new(&[entry], Unknown::Default, &resumption, &clock).expect("it is right"))
    });
    Session::new(config.clone())
}

fn client_config(tls13: bool) -> Arc<ClientConfig> {
    static CONFIGS: [OnceLock<Arc<ClientConfig>>; 2] = [OnceLock::new(), OnceLock::new()];
    let config = CONFIGS[usize::from(tls13)].get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let cert = CertificateDer::from_pem_slice(CERT.as_bytes()).expect("it is PEM");
        roots.add(cert).expect("it is right");
        let versions: &[&rustls::SupportedProtocolVersion] =
            if tls13 { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS12] };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has both")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Runs do not depend on each other.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    });
    config.clone()
}

pub(super) struct TlsPeer {
    conn: ClientConnection,
    /// Ciphertext that is on the server's side, or will be when it reads.
    to_server: VecDeque<u8>,
    /// Of that: bytes of ciphertext, and the plaintext that is known with the last of them.
    records: VecDeque<(usize, usize)>,
    /// The client says `close_notify` before its socket ends.
    polite: bool,
    said_end: bool,
    /// The server has said `close_notify`.
    pub(super) server_ended: bool,
    /// The most plaintext of a record.
    most: usize,
}

impl TlsPeer {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let name = ServerName::try_from("sim.test").expect("it is a name");
        let config = client_config(rng.percent(70));
        let mut conn = ClientConnection::new(config, name).expect("it is configured");
        conn.set_buffer_limit(None);
        let mut peer = Self {
            conn,
            to_server: VecDeque::new(),
            records: VecDeque::new(),
            polite: rng.percent(60),
            said_end: false,
            server_ended: false,
            most: rng.between(1, 200).max(rng.size(16_384)),
        };
        peer.collect(0);
        peer
    }

    pub(super) fn handshakes(&self) -> bool {
        self.conn.is_handshaking()
    }

    /// Ciphertext that the server has not read.
    pub(super) fn pending(&self) -> usize {
        self.to_server.len()
    }

    /// Encrypts `plain` until `enough` is pending. Returns how much of it.
    pub(super) fn say(&mut self, plain: &[u8], enough: usize) -> usize {
        let mut said = 0;
        while !self.handshakes() && self.pending() < enough && said < plain.len() {
            let n = (plain.len() - said).min(self.most);
            self.conn.writer().write_all(&plain[said..said + n]).expect("it has no limit");
            self.collect(n);
            said += n;
        }
        said
    }

    /// The client has said everything, and its socket will end.
    pub(super) fn end(&mut self) {
        if self.polite && !self.said_end && !self.handshakes() {
            self.conn.send_close_notify();
            self.collect(0);
        }
        self.said_end = true;
    }

    /// Fills `buf` with ciphertext. There is so much. Returns how much plaintext the server can
    /// know with that.
    pub(super) fn give(&mut self, buf: &mut [u8]) -> usize {
        let mut left = buf.len();
        for (to, byte) in buf.iter_mut().zip(self.to_server.drain(..left)) {
            *to = byte;
        }
        let mut plain = 0;
        while let Some((len, of)) = self.records.front_mut() {
            let part = left.min(*len);
            *len -= part;
            left -= part;
            if *len > 0 {
                break;
            }
            plain += *of;
            self.records.pop_front();
        }
        plain
    }

    /// Takes ciphertext of the server, and puts its plaintext behind `output`.
    pub(super) fn hear(&mut self, mut bytes: &[u8], output: &mut Vec<u8>) {
        while !bytes.is_empty() {
            assert!(!self.server_ended, "the server goes on after close_notify");
            let n = self.conn.read_tls(&mut bytes).expect("there is room");
            assert!(n > 0, "the server's bytes go nowhere");
            let state = self.conn.process_new_packets().expect("the server speaks TLS");
            let before = output.len();
            output.resize(before + state.plaintext_bytes_to_read(), 0);
            self.conn.reader().read_exact(&mut output[before..]).expect("it is there");
            self.server_ended |= state.peer_has_closed();
        }
        self.collect(0);
    }

    /// Takes what is encrypted, `plain` bytes of plaintext.
    fn collect(&mut self, plain: usize) {
        let mut bytes = Vec::new();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut bytes).expect("memory takes everything");
        }
        if !bytes.is_empty() {
            self.records.push_back((bytes.len(), plain));
            self.to_server.extend(bytes);
        }
    }
}
