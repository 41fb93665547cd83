//! The sockets that a server listens on.

use std::io;

use reactor_sys::{Address, Listener};

use crate::accept::accepting::Door;
use crate::server::config::{AcceptMode, Config, Endpoint, Listen};
use crate::server::error::StartError;

/// Sockets that listen, before a server accepts from them. Dropping it closes them.
#[derive(Debug)]
pub struct Bound {
    /// The sockets of each endpoint: one, or several where a name has several addresses.
    pub(super) listeners: Vec<Vec<Listener>>,
    /// The first address of each endpoint.
    pub(super) addresses: Vec<Address>,
}

impl Bound {
    /// Binds what the configuration says.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let per_loop = config.accept == AcceptMode::PerLoop;
        let mut bound = Self { listeners: Vec::new(), addresses: Vec::new() };
        for endpoint in &config.listen {
            let listeners = bind(endpoint, config.backlog, per_loop && config.io_threads > 1);
            let address =
                |listeners: &Vec<Listener>| listeners.first().map(|l| l.address().clone());
            match listeners.map(|listeners| (address(&listeners), listeners)) {
                Ok((Some(address), listeners)) => {
                    bound.addresses.push(address);
                    bound.listeners.push(listeners);
                }
                Ok((None, _)) => {
                    bound.close();
                    return Err(StartError::system("a listener")(io::ErrorKind::NotFound.into()));
                }
                Err(error) => {
                    bound.close();
                    return Err(error);
                }
            }
        }
        Ok(bound)
    }

    /// Where clients can connect; the first address if there are several.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.addresses[0]
    }

    /// The first address of each endpoint, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Stops listening, and removes the files of unix sockets.
    pub fn close(self) {
        for listener in self.listeners.iter().flatten() {
            listener.unlink();
        }
    }
}

fn bind(endpoint: &Endpoint, backlog: u32, reuse_port: bool) -> Result<Vec<Listener>, StartError> {
    let ipv6_only = endpoint.ipv6_only;
    Ok(match &endpoint.listen {
        Listen::Tcp { host, port } => {
            if reuse_port {
                // With SO_REUSEPORT a second server of the same user could share the port of a
                // running one. Binding without it first keeps that an error.
                let probe = Listener::tcp(host, *port, backlog, false, ipv6_only)?;
                let port = match probe.first().map(Listener::address) {
                    Some(Address::Tcp(addr)) => addr.port(),
                    _ => *port,
                };
                drop(probe);
                return Ok(Listener::tcp(host, port, backlog, true, ipv6_only)?);
            }
            Listener::tcp(host, *port, backlog, false, ipv6_only)?
        }
        Listen::Unix(path) => Listener::unix(path, backlog, endpoint.socket_mode)?,
        Listen::Inherited(fd) => vec![Listener::inherited(*fd, backlog)?],
    })
}

/// The doors of one loop, where each loop has its own. The first loop takes the sockets that are
/// bound. Each further loop binds the same ports again; other sockets are shared instead, since
/// a path can be bound only once.
pub(super) fn doors_of_loop(
    index: usize,
    config: &Config,
    bound: &[Vec<Listener>],
) -> Result<Vec<Door>, StartError> {
    let mut doors = Vec::new();
    for (number, (endpoint, bound)) in config.listen.iter().zip(bound).enumerate() {
        let sockets = match (&endpoint.listen, bound.first().map(Listener::address)) {
            (Listen::Tcp { host, .. }, Some(Address::Tcp(addr))) if index > 0 => {
                Listener::tcp(host, addr.port(), config.backlog, true, endpoint.ipv6_only)?
            }
            _ => clones(bound)?,
        };
        let is_shared = !matches!(endpoint.listen, Listen::Tcp { .. });
        let exclusive = is_shared && config.io_threads > 1;
        doors.extend(sockets.into_iter().map(|socket| door(endpoint, number, socket, exclusive)));
    }
    Ok(doors)
}

/// The doors of the acceptor.
pub(super) fn doors(config: &Config, bound: &[Vec<Listener>]) -> Result<Vec<Door>, StartError> {
    let mut doors = Vec::new();
    for (number, (endpoint, bound)) in config.listen.iter().zip(bound).enumerate() {
        let sockets = clones(bound)?;
        doors.extend(sockets.into_iter().map(|socket| door(endpoint, number, socket, false)));
    }
    Ok(doors)
}

fn door(endpoint: &Endpoint, number: usize, socket: Listener, exclusive: bool) -> Door {
    Door { socket, endpoint: number, secured: endpoint.tls.is_some(), exclusive }
}

/// Further descriptors of the same sockets.
fn clones(listeners: &[Listener]) -> Result<Vec<Listener>, StartError> {
    listeners
        .iter()
        .map(Listener::try_clone)
        .collect::<Result<_, _>>()
        .map_err(StartError::system("a descriptor"))
}
