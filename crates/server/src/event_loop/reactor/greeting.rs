//! The header of the PROXY protocol, which comes before TLS and HTTP.
//!
//! It is looked at where it lies in the socket, and taken out once it is whole. So no byte behind it
//! is read too early, whichever link is next, and a connection that waits for it holds no memory.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use reactor_proto::proxy_protocol::{self, Header, LONGEST, Malformed, Origin, Parsed};

use crate::conn::connection::Conn;
use crate::conn::core::Inflow;
use crate::conn::link::{Link, Transport};
use crate::conn::protocol::Protocol;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::scratch::READ_SIZE;
use crate::exchange::facts::Facts;
use crate::exchange::id::ConnId;
use crate::exchange::proxied::Proxied;
use crate::observe::close_reason::CloseReason;
use crate::observe::counters::ProxyFault;

const _: () = assert!(READ_SIZE >= LONGEST);

/// What the bytes that are there come to.
enum Greeted {
    /// More must come.
    Waits,
    /// The client has gone.
    Gone,
    /// The connection begins without a header.
    Without,
    With(Header),
    Failed(ProxyFault),
}

impl<T: Transport> Reactor<T> {
    /// Looks for the header that the connection begins with, and goes on with what follows it. False
    /// if the connection is gone.
    #[cold]
    #[inline(never)]
    pub(super) fn greet(&mut self, slot: u32) -> bool {
        let Self { conns, services, scratch, .. } = self;
        let Conn { link, core, protocol } = &mut conns[slot as usize];
        let Protocol::Greeting { required } = *protocol else { return true };
        if !core.readable {
            return true;
        }
        match look(link, &mut scratch[..LONGEST], core.inflow, required) {
            Greeted::Waits => {
                core.readable = false;
                return true;
            }
            // As a health check that only connects.
            Greeted::Gone => {
                self.close(slot, CloseReason::Peer);
                return false;
            }
            Greeted::Failed(fault) => {
                self.fail_greeting(slot, fault);
                return false;
            }
            Greeted::Without => {}
            Greeted::With(header) => {
                let bytes = &scratch[..header.len];
                services.counters.bytes_in.add(bytes.len() as u64);
                let counters = &services.counters.proxy;
                counters.versions[usize::from(header.version != 1)].add(1);
                if header.origin == Origin::Local {
                    counters.local.add(1);
                } else {
                    let balancer = core.peer;
                    // A client that the balancer does not know must not be taken for the balancer,
                    // whose word on other clients counts.
                    core.peer = match header.origin {
                        Origin::Inet { source, .. } => Some(canonical(source)),
                        Origin::Unix | Origin::Unknown | Origin::Local => None,
                    };
                    let proxied = Proxied { header: bytes.into(), balancer, tls: header.tls };
                    core.facts = Some(Facts { tls: None, proxied: Some(proxied) }.into());
                }
            }
        }
        *protocol = Protocol::Sniff;
        self.announce_opened(slot);
        true
    }

    /// The header did not come in time.
    pub(super) fn greeting_expired(&mut self, slot: u32) {
        if self.services.draining {
            return self.close(slot, CloseReason::Stopped);
        }
        // It may have come at this very moment.
        self.conns[slot as usize].core.readable = true;
        self.work(slot);
        let Some(conn) = self.conns.get_mut(slot as usize) else { return };
        let Protocol::Greeting { required } = conn.protocol else { return };
        let has_nothing = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        let is_silent = conn.link.peek(&mut [0]).is_err_and(has_nothing);
        if is_silent && !required {
            self.close(slot, CloseReason::Idle);
        } else {
            self.fail_greeting(slot, ProxyFault::Timeout);
        }
    }

    /// Closes a connection without a word, as the specification wants.
    fn fail_greeting(&mut self, slot: u32, fault: ProxyFault) {
        self.services.counters.proxy.failed[fault as usize].add(1);
        self.conns[slot as usize].link.reset_on_close();
        self.close(slot, CloseReason::Proxy);
    }

    /// Refuses a connection of a peer that may not say where connections come from. Returns a token
    /// that names none.
    #[cold]
    pub(super) fn refuse_untrusted(&mut self, mut io: T) -> u64 {
        let counters = &self.services.counters;
        counters.accepted.add(1);
        counters.proxy.failed[ProxyFault::Untrusted as usize].add(1);
        counters.close(CloseReason::Proxy);
        io.reset_on_close();
        ConnId { slot: u32::MAX, generation: u32::MAX }.token()
    }
}

/// What the link's socket has. A whole header is taken out, and is then in `buf`.
fn look<T: Transport>(
    link: &mut Link<T>,
    buf: &mut [u8],
    inflow: Inflow,
    required: bool,
) -> Greeted {
    let there = loop {
        match link.peek(buf) {
            Ok(n) => break n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Greeted::Waits,
            Err(_) => return Greeted::Gone,
        }
    };
    match proxy_protocol::parse(&buf[..there]) {
        _ if there == 0 => Greeted::Gone,
        Ok(Parsed::Incomplete) if inflow == Inflow::Open => Greeted::Waits,
        // What follows says that a part of a request is none.
        Ok(Parsed::Incomplete | Parsed::Absent) if !required => Greeted::Without,
        Ok(Parsed::Absent) => Greeted::Failed(ProxyFault::Missing),
        Ok(Parsed::Incomplete) | Err(Malformed) => Greeted::Failed(ProxyFault::Malformed),
        Ok(Parsed::Header(header)) => match take(link, &mut buf[..header.len]) {
            Ok(()) => Greeted::With(header),
            Err(_) => Greeted::Gone,
        },
    }
}

/// Reads bytes that are there.
fn take<T: Transport>(link: &mut Link<T>, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match link.read_socket(buf) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buf = &mut buf[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An IPv4 address in its IPv6 form is one of IPv4, as for peers.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
