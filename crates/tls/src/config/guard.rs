//! Which hosts may be asked for on a connection that was made for a name.

use std::sync::Arc;

use crate::names::{Names, canonical};

/// Rules for clients may differ from name to name. A client that has met those of one name must
/// not ask for the host of another on the same connection (RFC 9110, section 7.4).
#[derive(Debug)]
pub struct Guard {
    names: Arc<Names>,
    /// The rules of each entry.
    scopes: Arc<[[u8; 32]]>,
    /// The entry that the connection was made with.
    entry: usize,
}

impl Guard {
    /// None where all entries have the same rules.
    pub(super) fn new(
        names: &Arc<Names>,
        scopes: &Arc<[[u8; 32]]>,
        entry: usize,
    ) -> Option<Arc<Self>> {
        let differ = scopes.windows(2).any(|pair| pair[0] != pair[1]);
        let guard = || Self { names: Arc::clone(names), scopes: Arc::clone(scopes), entry };
        differ.then(guard).map(Arc::new)
    }

    /// Whether a request may be for this host, which may have a port.
    #[must_use]
    pub fn admits(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let served = self.names.serve(canonical(name).as_deref());
        served.is_some_and(|entry| self.scopes[entry] == self.scopes[self.entry])
    }
}
