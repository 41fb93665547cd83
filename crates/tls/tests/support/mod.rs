//! What the tests share: certificates made on the spot, a server as a link drives it, a client.

// Each test file uses a part of it, and is a crate of its own.
#![allow(dead_code, unreachable_pub)]

use std::io::{Cursor, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use reactor_tls::config::{Entry, Pem, Unknown};
use reactor_tls::{CACHE, Clock, Config, Error, HEADROOM, MIN_READ, Resumption, Session};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// 2026-06-01, within what [`Authority`] signs.
pub const NOW: u64 = 1_780_272_000;

/// A clock that a test sets.
#[derive(Debug)]
pub struct TestClock(pub AtomicU64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NOW)))
    }

    pub fn add(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl rustls::time_provider::TimeProvider for TestClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let now = std::time::Duration::from_secs(self.now());
        Some(rustls::pki_types::UnixTime::since_unix_epoch(now))
    }
}

/// Signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Made {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        dates(&mut params, 2020, 2040);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issuer(&self) -> &CertifiedIssuer<'static, KeyPair> {
        &self.issuer
    }

    /// With an own P-256 key.
    pub fn sign(&self, names: &[&str]) -> Made {
        self.sign_with(names, KeyPair::generate().unwrap(), |_| {})
    }

    pub fn sign_with(
        &self,
        names: &[&str],
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Made {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        let common = names.first().map_or("nobody", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        dates(&mut params, 2026, 2027);
        change(&mut params);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Made { cert: cert.pem(), key: key.serialize_pem() }
    }
}

pub fn dates(params: &mut CertificateParams, from: i32, to: i32) {
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
}

impl Made {
    pub fn entry(&self) -> Entry {
        Entry {
            certificates: vec![Pem::new("cert.pem", self.cert.as_bytes())],
            keys: vec![Pem::new("key.pem", self.key.as_bytes())],
            ..Entry::default()
        }
    }
}

/// Everything that a test needs around its sessions.
pub struct World {
    pub clock: Arc<TestClock>,
    pub authority: Authority,
    pub resumption: Arc<Resumption>,
}

impl World {
    pub fn new() -> Self {
        let clock = TestClock::new();
        let resumption = Arc::new(Resumption::new(clock.clone(), 300, CACHE, &[]));
        Self { clock, authority: Authority::new("Test CA"), resumption }
    }

    pub fn config(&self, entries: &[Entry]) -> Arc<Config> {
        self.config_with(entries, Unknown::Default)
    }

    pub fn config_with(&self, entries: &[Entry], unknown: Unknown) -> Arc<Config> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Arc::new(Config::new(entries, unknown, &self.resumption, &clock).unwrap())
    }

    /// A configuration of one certificate for `a.test`.
    pub fn simple(&self) -> Arc<Config> {
        self.config(&[Entry { protocols: protocols(), ..self.authority.sign(&["a.test"]).entry() }])
    }

    pub fn client(&self, versions: Versions) -> ClientConfig {
        self.client_with(versions, None)
    }

    pub fn client_with(&self, versions: Versions, own: Option<&Made>) -> ClientConfig {
        let all = rustls::crypto::ring::ALL_CIPHER_SUITES.to_vec();
        self.client_of(all, versions, own)
    }

    pub fn client_of(
        &self,
        cipher_suites: Vec<rustls::SupportedCipherSuite>,
        versions: Versions,
        own: Option<&Made>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap())
            .unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let provider = Arc::new(rustls::crypto::CryptoProvider { cipher_suites, ..provider });
        let builder = ClientConfig::builder_with_details(provider, self.clock.clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(made) => {
                let cert = CertificateDer::from_pem_slice(made.cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        }
    }
}

pub type Versions = &'static [&'static SupportedProtocolVersion];
pub static TLS13: Versions = &[&rustls::version::TLS13];
pub static TLS12: Versions = &[&rustls::version::TLS12];

pub fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

pub fn client(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    ClientConnection::new(config.clone(), name).unwrap()
}

/// The server, driven as a link does it.
pub struct Server {
    pub session: Session,
    pub plain: Vec<u8>,
    pub error: Option<Error>,
    pub ended: bool,
    /// Steps of work.
    pub steps: usize,
    buf: Vec<u8>,
}

impl Server {
    pub fn new(config: &Arc<Config>) -> Self {
        Self::with_buffer(config, MIN_READ + 16_384)
    }

    pub fn with_buffer(config: &Arc<Config>, len: usize) -> Self {
        Self {
            session: Session::new(config.clone()),
            plain: Vec::new(),
            error: None,
            ended: false,
            steps: 0,
            buf: vec![0xee; len],
        }
    }

    /// The socket has these bytes, in one piece.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while self.error.is_none() {
            if self.session.needs_work() {
                self.steps += 1;
                if let Err(error) = self.session.work() {
                    self.error = Some(error);
                }
                continue;
            }
            if bytes.is_empty() && !self.session.has_input() {
                return;
            }
            let mut filled = self.session.restore(&mut self.buf);
            if !self.session.has_input() {
                let place = &mut self.buf[HEADROOM + filled..];
                let n = place.len().min(bytes.len());
                place[..n].copy_from_slice(&bytes[..n]);
                bytes = &bytes[n..];
                filled += n;
            }
            match self.session.read(&mut self.buf, filled) {
                Ok(read) => {
                    self.plain.extend_from_slice(&self.buf[..read.plain]);
                    self.ended |= read.ended;
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// All output that waits.
    pub fn output(&mut self) -> Vec<u8> {
        let output = self.session.output().to_vec();
        self.session.sent(output.len());
        output
    }

    /// Ciphertext of `plain`, with the output that waits in front.
    pub fn write(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut made = Vec::new();
        let mut buf = vec![0; 64 * 1024];
        loop {
            let written = self.session.write(plain, &mut buf).unwrap();
            made.extend_from_slice(&buf[..written.made]);
            plain = &plain[written.taken..];
            if written.made == 0 || plain.is_empty() {
                assert!(plain.is_empty(), "{} bytes were not taken", plain.len());
                return made;
            }
        }
    }
}

/// Everything that the client wants to send.
pub fn from_client(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Gives the client bytes and returns the plaintext in them.
pub fn to_client(client: &mut ClientConnection, bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let mut rest = Cursor::new(bytes);
    let mut plain = Vec::new();
    while (rest.position() as usize) < bytes.len() {
        client.read_tls(&mut rest).unwrap();
        let state = client.process_new_packets()?;
        let before = plain.len();
        plain.resize(before + state.plaintext_bytes_to_read(), 0);
        client.reader().read_exact(&mut plain[before..]).unwrap();
    }
    Ok(plain)
}

/// Goes through a handshake, with client's flights cut by `cut`.
pub fn handshake(
    client: &mut ClientConnection,
    server: &mut Server,
    mut cut: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    loop {
        let bytes = from_client(client);
        for piece in cut(&bytes) {
            server.feed(&piece);
        }
        let output = server.output();
        if bytes.is_empty() && output.is_empty() {
            return Ok(plain);
        }
        plain.extend(to_client(client, &output)?);
    }
}

pub fn whole(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![bytes.to_vec()]
}

/// A session that is ready, with its client.
pub fn ready(
    config: &Arc<Config>,
    client_config: &Arc<ClientConfig>,
) -> (ClientConnection, Server) {
    let mut client = client(client_config, "a.test");
    let mut server = Server::new(config);
    handshake(&mut client, &mut server, whole).unwrap();
    assert!(server.session.is_open() && !client.is_handshaking(), "{:?}", server.error);
    (client, server)
}

pub fn send(client: &mut ClientConnection, plain: &[u8]) -> Vec<u8> {
    client.writer().write_all(plain).unwrap();
    from_client(client)
}

/// Bytes that differ from their neighbours.
pub fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 31 % 251) as u8).collect()
}
