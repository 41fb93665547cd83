//! Finds the server, once, before the run.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use reactor_sys::{Address, Stream};
use reactor_tls::Alert;
use reactor_tls::client::{Client, ClientError};

use crate::handshake::{Agreed, Failed, NO_H2, shake_hands};
use crate::http2::probe;

/// The server under load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Tcp {
        /// A name or an IP address, IPv6 with or without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket's path.
    Unix(PathBuf),
}

/// Why no server was found.
#[derive(Debug)]
pub enum PeerError {
    /// The name has no address.
    NotFound {
        /// The name as given.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the server took a connection. This is the reason of the last address.
    Connect {
        /// The address that was tried.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// The server takes connections, but a TLS handshake with it fails.
    Tls {
        /// The address that was tried.
        address: Address,
        /// What is wrong.
        source: ClientError,
    },
    /// The server takes connections, but does not speak HTTP/2.
    Http2 {
        /// The address that was tried.
        address: Address,
        /// What it does, in words.
        why: String,
    },
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { host, source } => {
                write!(f, "cannot find host '{host}': {source}")
            }
            Self::Connect { address, source } => {
                write!(f, "cannot connect to {address}: {source}")?;
                if source.kind() == io::ErrorKind::ConnectionRefused {
                    f.write_str("; no server listens there")?;
                }
                Ok(())
            }
            Self::Tls { address, source } => {
                write!(f, "cannot connect to {address}: {source}")?;
                match hint(source) {
                    Some(hint) => write!(f, "; {hint}"),
                    None => Ok(()),
                }
            }
            Self::Http2 { address, why } => {
                write!(f, "cannot connect to {address} over HTTP/2: {why}")
            }
        }
    }
}

/// `no_application_protocol` (RFC 7301).
const NO_PROTOCOL: Alert = Alert(120);

/// What a user can do. The first name is that of the command line, the second that of programs.
fn hint(error: &ClientError) -> Option<&'static str> {
    Some(match error {
        ClientError::NotTls => "http:// is for servers without it",
        ClientError::UnknownAuthority => {
            "give its authority with --cacert (tls.ca), or take any certificate with --insecure \
             (tls.rejectUnauthorized: false)"
        }
        ClientError::WrongName { .. } => {
            "--insecure (tls.rejectUnauthorized: false) takes it for any name"
        }
        ClientError::Expired { .. } | ClientError::NotYetValid | ClientError::Certificate(_) => {
            "--insecure (tls.rejectUnauthorized: false) takes any certificate"
        }
        ClientError::Alert(Alert::CERTIFICATE_REQUIRED) => {
            "give a certificate with --cert and --key (tls.cert, tls.key)"
        }
        ClientError::Alert(NO_PROTOCOL) => {
            "what it speaks may be HTTP/2, which is --http2 (http2: true)"
        }
        _ => return None,
    })
}

impl std::error::Error for PeerError {}

impl Peer {
    /// The first address of the server that takes a connection, and what a TLS handshake agrees
    /// on there if there is `tls`. With `http2` the server has to speak that. All threads use that address. The connection is closed again.
    pub(crate) fn find(
        &self,
        tls: Option<&Client>,
        http2: bool,
        proxy: Option<u8>,
        timeout: Duration,
    ) -> Result<(Address, Option<Agreed>), PeerError> {
        let mut failed = None;
        for address in self.addresses()? {
            let tried = match (tls, &address) {
                (Some(client), _) => shake_hands(&address, client, http2, proxy, timeout).map(Some),
                (None, _) if http2 => probe(&address, proxy, timeout).map(|()| None),
                (None, Address::Unix(_)) => try_unix(&address, timeout).map(|()| None),
                (None, Address::Tcp(addr)) => try_tcp(addr, timeout).map(|()| None),
            };
            match tried {
                Ok(agreed) => return Ok((address, agreed)),
                Err(Failed::System(source)) => {
                    failed = Some(PeerError::Connect { address, source });
                }
                Err(Failed::Tls(ClientError::Alert(NO_PROTOCOL))) if http2 => {
                    return Err(PeerError::Http2 { address, why: NO_H2.to_owned() });
                }
                // Other addresses are of the same server.
                Err(Failed::Tls(source)) => return Err(PeerError::Tls { address, source }),
                Err(Failed::Http2(why)) => return Err(PeerError::Http2 { address, why }),
            }
        }
        Err(failed.unwrap_or_else(|| self.not_found(io::Error::from(io::ErrorKind::NotFound))))
    }

    fn addresses(&self) -> Result<Vec<Address>, PeerError> {
        match self {
            Self::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
            Self::Tcp { host, port } => {
                let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
                let found = (bare.unwrap_or(host), *port).to_socket_addrs();
                let found = found.map_err(|source| self.not_found(source))?;
                Ok(found.map(Address::Tcp).collect())
            }
        }
    }

    fn not_found(&self, source: io::Error) -> PeerError {
        let host = match self {
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp { host, .. } => host.clone(),
        };
        PeerError::NotFound { host, source }
    }
}

fn try_tcp(addr: &SocketAddr, timeout: Duration) -> Result<(), Failed> {
    TcpStream::connect_timeout(addr, timeout)?;
    Ok(())
}

/// Connects once. While the accept queue is full, a blocking connect(2) would wait without a
/// limit. A non-blocking one fails at once, so it is tried again until `timeout`.
fn try_unix(address: &Address, timeout: Duration) -> Result<(), Failed> {
    let started = Instant::now();
    loop {
        match Stream::connect(address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if started.elapsed() >= timeout {
                    let why = format!("its accept queue has been full for {timeout:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why).into());
                }
                thread::sleep(AGAIN.min(timeout));
            }
            other => {
                other?;
                return Ok(());
            }
        }
    }
}

/// How long to wait before a full accept queue is tried again.
const AGAIN: Duration = Duration::from_millis(5);
