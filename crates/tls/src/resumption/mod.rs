//! Sessions that clients take up again: tickets, and a cache for TLS 1.2 clients without them.

mod cache;
mod tickets;

use std::fmt;
use std::sync::Arc;

use rustls::server::{ProducesTickets, StoresServerSessions};

use crate::clock::Clock;
use cache::Cache;
use tickets::Tickets;
pub use tickets::{ROTATION, TICKET_KEY, TicketKey};

/// How long sessions last by default, in seconds.
pub const TIMEOUT: u32 = 7_200;

/// The most bytes of the cache by default.
pub const CACHE: usize = 4 << 20;

/// What is kept to resume sessions. It outlives a [`Config`](crate::Config): each new one gets
/// the same, so that a new certificate ends no session.
pub struct Resumption {
    clock: Arc<dyn Clock>,
    timeout: u32,
    tickets: Tickets,
    cache: Cache,
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Resumption {
    /// Sessions may be taken up again for `timeout` seconds; at most `cache` bytes of them are
    /// kept here.
    ///
    /// With no `keys`, own ones are made and replaced every [`ROTATION`] seconds. With some, the
    /// first encrypts and all decrypt: processes with the same keys resume each other's sessions.
    pub fn new(clock: Arc<dyn Clock>, timeout: u32, cache: usize, keys: &[TicketKey]) -> Self {
        let tickets = Tickets::new(keys, clock.now());
        Self { clock, timeout, tickets, cache: Cache::new(cache) }
    }

    /// Replaces the keys that were given. Without any, own ones are made.
    pub fn set_keys(&self, keys: &[TicketKey]) {
        self.tickets.set(keys, self.clock.now());
    }

    /// Bytes of the sessions in the cache.
    pub fn cached(&self) -> usize {
        self.cache.bytes()
    }
}

/// Sessions of one scope. One of another scope is not found: it may have been made under other
/// rules for clients' certificates, which resuming does not check again.
#[derive(Debug)]
pub(crate) struct Scoped {
    pub(crate) resumption: Arc<Resumption>,
    pub(crate) scope: [u8; 32],
}

impl ProducesTickets for Scoped {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.resumption.timeout
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let Resumption { tickets, clock, timeout, .. } = &*self.resumption;
        tickets.seal(plain, &self.scope, clock.now(), *timeout)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let Resumption { tickets, clock, timeout, .. } = &*self.resumption;
        tickets.open(ticket, &self.scope, clock.now(), *timeout)
    }
}

impl StoresServerSessions for Scoped {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let Resumption { cache, clock, .. } = &*self.resumption;
        cache.put(key, value, self.scope, clock.now())
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let Resumption { cache, clock, timeout, .. } = &*self.resumption;
        cache.get(key, &self.scope, clock.now(), *timeout)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let Resumption { cache, clock, timeout, .. } = &*self.resumption;
        cache.take(key, &self.scope, clock.now(), *timeout)
    }

    fn can_cache(&self) -> bool {
        self.resumption.cache.limit() > 0
    }
}
