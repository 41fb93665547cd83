//! The sockets that a server listens on.

use std::io;

use reactor_sys::{Address, Listener};

use crate::server::config::{AcceptMode, Config, Listen};
use crate::server::error::StartError;

/// Sockets that listen, before a server accepts from them. Dropping it closes them.
#[derive(Debug)]
pub struct Bound {
    pub(super) listeners: Vec<Listener>,
    pub(super) address: Address,
}

impl Bound {
    /// Binds what the configuration says.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let per_loop = config.accept == AcceptMode::PerLoop;
        let listeners = bind(config, per_loop && config.io_threads > 1)?;
        let Some(address) = listeners.first().map(|first| first.address().clone()) else {
            return Err(StartError::system("a listener")(io::ErrorKind::NotFound.into()));
        };
        Ok(Self { listeners, address })
    }

    /// Where clients can connect; the first address if there are several.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Stops listening, and removes the file of a unix socket.
    pub fn close(self) {
        for listener in &self.listeners {
            listener.unlink();
        }
    }
}

fn bind(config: &Config, reuse_port: bool) -> Result<Vec<Listener>, StartError> {
    let Config { backlog, ipv6_only, .. } = *config;
    Ok(match &config.listen {
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
        Listen::Unix(path) => Listener::unix(path, backlog, config.socket_mode)?,
        Listen::Inherited(fd) => vec![Listener::inherited(*fd, backlog)?],
    })
}

/// Listeners for one loop, where each loop has its own. The first loop takes those that are
/// bound. Each further loop binds the same port again; a unix socket is shared instead, since
/// its path can be bound only once.
pub(super) fn listeners_for_loop(
    index: usize,
    config: &Config,
    bound: &[Listener],
) -> Result<Vec<Listener>, StartError> {
    match (&config.listen, bound.first().map(Listener::address)) {
        (Listen::Tcp { host, .. }, Some(Address::Tcp(addr))) if index > 0 => {
            Ok(Listener::tcp(host, addr.port(), config.backlog, true, config.ipv6_only)?)
        }
        _ => clones(bound),
    }
}

/// Further descriptors of the same sockets.
pub(super) fn clones(listeners: &[Listener]) -> Result<Vec<Listener>, StartError> {
    listeners
        .iter()
        .map(Listener::try_clone)
        .collect::<Result<_, _>>()
        .map_err(StartError::system("a descriptor"))
}
