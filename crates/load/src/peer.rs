//! Finds the server, once, before the run.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use reactor_sys::{Address, Stream};

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
        }
    }
}

impl std::error::Error for PeerError {}

impl Peer {
    /// The first address of the server that takes a connection. All threads use that address.
    /// The connection is closed again.
    pub(crate) fn find(&self, timeout: Duration) -> Result<Address, PeerError> {
        match self {
            Self::Unix(path) => {
                let address = Address::Unix(path.clone());
                match try_unix(&address, timeout) {
                    Ok(()) => Ok(address),
                    Err(source) => Err(PeerError::Connect { address, source }),
                }
            }
            Self::Tcp { host, port } => find_tcp(host, *port, timeout),
        }
    }
}

/// Connects once. While the accept queue is full, a blocking connect(2) would wait without a
/// limit. A non-blocking one fails at once, so it is tried again until `timeout`.
fn try_unix(address: &Address, timeout: Duration) -> io::Result<()> {
    let started = Instant::now();
    loop {
        match Stream::connect(address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if started.elapsed() >= timeout {
                    let why = format!("its accept queue has been full for {timeout:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                thread::sleep(AGAIN.min(timeout));
            }
            other => return other.map(drop),
        }
    }
}

/// How long to wait before a full accept queue is tried again.
const AGAIN: Duration = Duration::from_millis(5);

fn find_tcp(host: &str, port: u16, timeout: Duration) -> Result<Address, PeerError> {
    let not_found = |source| PeerError::NotFound { host: host.to_owned(), source };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs().map_err(not_found)?.collect();
    let mut refused = not_found(io::Error::from(io::ErrorKind::NotFound));
    for addr in addresses {
        match TcpStream::connect_timeout(&addr, timeout) {
            Ok(_) => return Ok(Address::Tcp(addr)),
            Err(source) => refused = PeerError::Connect { address: Address::Tcp(addr), source },
        }
    }
    Err(refused)
}
