//! The sockets that a server listens on.

use std::io;
use std::sync::Arc;

use reactor_sys::{Address, Listener};

use crate::accept::accepting::Door;
use crate::server::config::{AcceptMode, Config, Endpoint, Listen};
use crate::server::error::StartError;

/// Sockets that listen, before a server accepts from them. Dropping it closes them.
#[derive(Debug)]
pub struct Bound {
    /// The sockets of each endpoint: one, or several where a name has several addresses.
    pub(super) listeners: Vec<Vec<Arc<Listener>>>,
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
            let found = listeners.and_then(|listeners| {
                let address = match (&endpoint.listen, listeners.first()) {
                    (Listen::Elsewhere(address), _) => address.clone(),
                    (_, Some(first)) => first.address().clone(),
                    (_, None) => {
                        let none = io::ErrorKind::NotFound.into();
                        return Err(StartError::system("a listener")(none));
                    }
                };
                Ok((address, listeners))
            });
            match found {
                Ok((address, listeners)) => {
                    bound.addresses.push(address);
                    bound.listeners.push(listeners);
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

fn bind(
    endpoint: &Endpoint,
    backlog: u32,
    per_loop: bool,
) -> Result<Vec<Arc<Listener>>, StartError> {
    // What a supervisor has made stays the supervisor's through all generations.
    let adopt = endpoint.adopt && !matches!(endpoint.listen, Listen::Inherited(_));
    let inherited = endpoint.inherited.iter();
    let inherited: Vec<_> =
        inherited.map(|fd| Listener::inherited(*fd, backlog, adopt)).collect::<Result<_, _>>()?;
    let listeners = if inherited.iter().any(|it| is_meant(&endpoint.listen, it.address())) {
        inherited
    } else {
        bind_anew(endpoint, backlog, per_loop)?
    };
    Ok(listeners.into_iter().map(Arc::new).collect())
}

/// Whether a socket that is bound to `address` is what the configuration asks for. A name may have
/// other addresses by now, so that hosts are not compared.
fn is_meant(listen: &Listen, address: &Address) -> bool {
    match (listen, address) {
        (Listen::Tcp { port, .. }, Address::Tcp(bound)) => *port == 0 || *port == bound.port(),
        (Listen::Unix(path), Address::Unix(bound)) => path == bound,
        (Listen::Inherited(_), _) => true,
        _ => false,
    }
}

fn bind_anew(
    endpoint: &Endpoint,
    backlog: u32,
    per_loop: bool,
) -> Result<Vec<Listener>, StartError> {
    let ipv6_only = endpoint.ipv6_only;
    Ok(match &endpoint.listen {
        Listen::Tcp { host, port } => {
            let mut port = *port;
            if per_loop && !endpoint.reuse_port {
                // With SO_REUSEPORT a second server of the same user could share the port of a
                // running one. Binding without it first keeps that an error.
                let probe = Listener::tcp(host, port, backlog, false, ipv6_only)?;
                if let Some(Address::Tcp(addr)) = probe.first().map(Listener::address) {
                    port = addr.port();
                }
            }
            Listener::tcp(host, port, backlog, per_loop || endpoint.reuse_port, ipv6_only)?
        }
        Listen::Unix(path) => Listener::unix(path, backlog, endpoint.socket_mode)?,
        Listen::Inherited(fd) => vec![Listener::inherited(*fd, backlog, false)?],
        Listen::Elsewhere(_) => Vec::new(),
    })
}

/// The doors of each thread that accepts: of each loop, or of the acceptor alone. Every socket is
/// some thread's.
pub(super) fn doors(config: &Config, bound: &[Vec<Arc<Listener>>]) -> Vec<Vec<Door>> {
    let threads = match config.accept {
        AcceptMode::Acceptor => 1,
        AcceptMode::PerLoop => config.io_threads,
    };
    let mut doors: Vec<Vec<Door>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, (endpoint, bound)) in config.listen.iter().zip(bound).enumerate() {
        for mut sockets in by_address(bound) {
            while sockets.len() < threads
                && sockets[0].shares_port()
                // If the port cannot be bound again, for lack of a capability, it is shared.
                && let Ok(another) = sockets[0].another(config.backlog)
            {
                sockets.push(Arc::new(another));
            }
            let exclusive = sockets.len() < threads;
            for turn in 0..threads.max(sockets.len()) {
                doors[turn % threads].push(Door {
                    socket: Arc::clone(&sockets[turn % sockets.len()]),
                    endpoint: number,
                    secured: endpoint.tls.is_some(),
                    exclusive,
                });
            }
        }
    }
    doors
}

/// The sockets of each address. There is more than one where a predecessor had several loops.
fn by_address(bound: &[Arc<Listener>]) -> Vec<Vec<Arc<Listener>>> {
    let mut groups: Vec<Vec<Arc<Listener>>> = Vec::new();
    for socket in bound {
        let socket = Arc::clone(socket);
        match groups.iter_mut().find(|group| group[0].address() == socket.address()) {
            Some(group) if matches!(socket.address(), Address::Tcp(_)) => group.push(socket),
            // An abstract name is two sockets, which seem to have one address.
            _ => groups.push(vec![socket]),
        }
    }
    groups
}

/// Each socket of these doors once, with the number of its endpoint.
pub(super) fn sockets_of(doors: &[Vec<Door>]) -> Vec<(usize, Arc<Listener>)> {
    let mut sockets: Vec<(usize, Arc<Listener>)> = Vec::new();
    for door in doors.iter().flatten() {
        if !sockets.iter().any(|(_, socket)| Arc::ptr_eq(socket, &door.socket)) {
            sockets.push((door.endpoint, Arc::clone(&door.socket)));
        }
    }
    sockets
}
