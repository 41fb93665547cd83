//! What a listener does with the connections that come through it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reactor_tls::{Config, Session};

use crate::dispatch::name_question::NameQuestion;
use crate::dispatch::secured::Secured;
use crate::exchange::answer::ServerAnswer;

/// What one listener's connections begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrance {
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) redirect: Option<Redirect>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

/// Connections of a listener begin with a header of the PROXY protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// A connection without a header is closed, and so is one of a peer that is not trusted. If not,
    /// a connection may begin without one, and the header of an untrusted peer is a bad request.
    pub required: bool,
    /// The balancers whose word counts.
    pub trusted: Secured,
}

/// TLS on a listener. Its configuration may be replaced while the server runs.
pub struct Tls {
    config: Mutex<Arc<Config>>,
    /// Says what serves each client's name, if somebody does.
    names: Option<Box<dyn ServesNames>>,
    handshake_timeout: AtomicU64,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
}

impl Tls {
    /// How long a handshake may take by default.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Handshakes begin with `config`, and may take `handshake_timeout` from the first byte of the
    /// connection to the last of the handshake.
    #[must_use]
    pub fn new(config: Arc<Config>, handshake_timeout: Duration) -> Self {
        let tls = Self {
            config: Mutex::new(config),
            names: None,
            handshake_timeout: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            reload_failures: AtomicU64::new(0),
        };
        tls.set_handshake_timeout(handshake_timeout);
        tls
    }

    /// Asks `names` in each handshake what serves the client's name. Handshakes wait for the
    /// answer, as long as they may take.
    #[must_use]
    pub fn asking(mut self, names: impl ServesNames) -> Self {
        self.names = Some(Box::new(names));
        self
    }

    pub(crate) fn names(&self) -> Option<&dyn ServesNames> {
        self.names.as_deref()
    }

    /// What handshakes begin with now.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Handshakes begin with `config` from now on. Connections that are open keep what they have.
    pub fn replace(&self, config: Arc<Config>) {
        let mut current = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, config);
        drop(current);
        self.reloads.fetch_add(1, Ordering::Relaxed);
        // The last session of an old configuration may have ended; that frees much.
        drop(before);
    }

    /// How long a handshake may take.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout.load(Ordering::Relaxed))
    }

    /// Handshakes that begin from now on may take so long. Counted in milliseconds.
    pub fn set_handshake_timeout(&self, timeout: Duration) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.handshake_timeout.store(millis, Ordering::Relaxed);
    }

    /// Counts a configuration that was to replace this one, and was wrong.
    pub fn note_reload_failure(&self) {
        self.reload_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the configuration was replaced.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// How often it was not, because the other one was wrong.
    #[must_use]
    pub fn reload_failures(&self) -> u64 {
        self.reload_failures.load(Ordering::Relaxed)
    }

    /// For a connection that was just accepted.
    pub(crate) fn session(&self) -> Session {
        Session::new(self.current())
    }
}

/// Says what serves the names that clients want.
pub trait ServesNames: Send + Sync + 'static {
    /// A client wants a name. Called on an I/O thread, which must not wait: the answer may be given
    /// later, on any thread.
    fn ask(&self, question: NameQuestion);
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.current()).finish()
    }
}

/// All requests that come in clear are sent to the same place over TLS (308, RFC 9110 §15.4.9).
/// Those below `/.well-known/acme-challenge/` are served, since a certificate authority asks for
/// them in clear (RFC 8555 §8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// The port in the new URL; none if it is 443.
    pub port: Option<u16>,
}

impl Redirect {
    /// The answer to a request for `target` of `host`, both as sent.
    pub(crate) fn answer(self, host: Option<&[u8]>, target: &[u8]) -> ServerAnswer {
        // The parser lets only ASCII through.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let Some(host) = host.map(text).map(without_port).filter(|host| !host.is_empty()) else {
            return ServerAnswer::NoHost;
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let target = text(target);
        // What an absolute-form names behind its authority (RFC 9112 §3.2.2).
        let path = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => {
                &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]
            }
            _ => target,
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        ServerAnswer::Moved(format!("https://{host}{port}{slash}{path}").into())
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The last colon of an IPv6 address is inside its brackets.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_the_same_place_over_tls() {
        let location = |port, host: &str, target: &str| {
            let redirect = Redirect { port };
            match redirect.answer(Some(host.as_bytes()), target.as_bytes()) {
                ServerAnswer::Moved(url) => url.into_string(),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(location(None, "a.test:8080", "/x?y=1"), "https://a.test/x?y=1");
        assert_eq!(location(Some(8443), "a.test", "/"), "https://a.test:8443/");
        assert_eq!(location(None, "[::1]:80", "/a:b"), "https://[::1]/a:b");
        assert_eq!(location(None, "[::1]", "//evil"), "https://[::1]//evil");
        assert_eq!(location(None, "a.test", "http://a.test:80?q"), "https://a.test/?q");
        assert_eq!(location(None, "a.test", "http://a.test"), "https://a.test/");
        assert_eq!(Redirect::default().answer(None, b"/"), ServerAnswer::NoHost);
    }
}
