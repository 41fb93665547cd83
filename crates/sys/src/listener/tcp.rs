//! Listening on TCP.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockaddrStorage, bind, getsockname, getsockopt, listen, setsockopt, sockopt,
};

use super::{BindError, Listener, backlog_of, stream_socket};
use crate::address::{Address, socket_addr};

/// The most unsent bytes of a connection that the kernel takes.
static UNSENT: libc::c_int = 64 * 1024;

impl Listener {
    /// Listens on every address that `host` resolves to. `::` takes IPv4 too (dual stack),
    /// and falls back to `0.0.0.0` where the system has no IPv6.
    ///
    /// `backlog` is the length of the accept queue; the system caps it at
    /// `net.core.somaxconn`. With `reuse_port`, further listeners of this process may share
    /// the port (socket(7), SO_REUSEPORT). With `ipv6_only`, `::` takes no IPv4 and does not
    /// fall back (ipv6(7), IPV6_V6ONLY).
    ///
    /// # Errors
    /// [`BindError`] with the address and the cause.
    pub fn tcp(
        host: &str,
        port: u16,
        backlog: u32,
        reuse_port: bool,
        ipv6_only: bool,
    ) -> Result<Vec<Self>, BindError> {
        let addresses = resolve(host, port)?;
        let mut listeners: Vec<Self> = Vec::with_capacity(addresses.len());
        for mut addr in addresses {
            // For port 0 the system chooses once; all addresses share that port.
            if let Some(Address::Tcp(first)) = listeners.first().map(Self::address) {
                addr.set_port(first.port());
            }
            let fall_back = !ipv6_only && addr.ip() == IpAddr::from([0u16; 8]);
            match bind_tcp(addr, backlog, reuse_port, ipv6_only) {
                Ok(listener) => listeners.push(listener),
                Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if fall_back => {
                    let any = SocketAddr::from(([0, 0, 0, 0], addr.port()));
                    let listener = bind_tcp(any, backlog, reuse_port, false)
                        .map_err(|errno| BindError::Tcp { addr: any, source: errno.into() })?;
                    listeners.push(listener);
                }
                // `localhost` may resolve to ::1 on a machine without IPv6.
                Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if !listeners.is_empty() => {}
                Err(errno) => return Err(BindError::Tcp { addr, source: errno.into() }),
            }
        }
        Ok(listeners)
    }
}

impl Listener {
    /// Whether further sockets may listen at the same address (socket(7), SO_REUSEPORT).
    #[must_use]
    pub fn shares_port(&self) -> bool {
        matches!(self.address, Address::Tcp(_))
            && getsockopt(&self.fd, sockopt::ReusePort).unwrap_or(false)
    }

    /// A further socket at the address of this one, which [shares its port](Self::shares_port). It
    /// has a queue of its own.
    ///
    /// # Errors
    /// [`BindError::Tcp`]; a unix socket is EINVAL.
    pub fn another(&self, backlog: u32) -> Result<Self, BindError> {
        let Address::Tcp(addr) = self.address else {
            let source = io::ErrorKind::InvalidInput.into();
            return Err(BindError::Inherited { fd: self.fd.as_raw_fd(), source });
        };
        let ipv6_only = addr.is_ipv6() && getsockopt(&self.fd, sockopt::Ipv6V6Only).unwrap_or(true);
        bind_tcp(addr, backlog, true, ipv6_only)
            .map_err(|errno| BindError::Tcp { addr, source: errno.into() })
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    // URLs write an IPv6 address as `[::1]`.
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let not_found = |source| BindError::HostNotFound { host: host.to_owned(), source };
    let mut found: Vec<SocketAddr> = Vec::new();
    for addr in (bare, port).to_socket_addrs().map_err(not_found)? {
        if !found.contains(&addr) {
            found.push(addr);
        }
    }
    // IPv4 first: with port 0 the first address decides the port.
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(not_found(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(found)
}

/// Bounds what the kernel takes of a connection beyond the bytes in flight
/// (TCP_NOTSENT_LOWAT); connections inherit it.
///
/// Without it a send buffer may grow to some MiB. A few thousand slow readers would then
/// fill the system's memory for TCP. The kernel drops segments of every connection from
/// then on, and each of them is sent again after 0.2 s at the earliest.
pub(crate) fn limit_unsent(fd: &OwnedFd) {
    // SAFETY: the kernel reads an integer of the length that it is told.
    let _ = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const UNSENT).cast(),
            libc::socklen_t::try_from(size_of_val(&UNSENT)).unwrap_or(0),
        )
    };
    // Kernels before 3.12 do not know the option and do without.
}

fn bind_tcp(
    addr: SocketAddr,
    backlog: u32,
    reuse_port: bool,
    ipv6_only: bool,
) -> Result<Listener, Errno> {
    let family = if addr.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let fd = stream_socket(family)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    limit_unsent(&fd);
    if reuse_port {
        setsockopt(&fd, sockopt::ReusePort, &true)?;
    }
    if addr.is_ipv6() {
        // Only the wildcard takes IPv4 too, whatever the system's default is.
        setsockopt(&fd, sockopt::Ipv6V6Only, &(ipv6_only || !addr.ip().is_unspecified()))?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(addr))?;
    listen(&fd, backlog_of(backlog))?;
    let bound: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    let address = Address::Tcp(socket_addr(&bound).unwrap_or(addr));
    Ok(Listener::new(fd, address, None))
}
