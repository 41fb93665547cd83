//! Which versions of HTTP a connection may speak.

use crate::conn::core::Core;
use crate::event_loop::services::Services;

/// The name of HTTP/2 for ALPN (RFC 9113 §3.2).
const H2: &[u8] = b"h2";

impl Services {
    /// Whether the client may speak HTTP/1. A listener that redirects takes it in any case: browsers
    /// begin so in clear.
    pub(crate) fn takes_http1(&self, core: &Core) -> bool {
        agreed(core) != Some(H2) && (self.settings.http1 || self.redirects(core))
    }

    /// Whether the client may speak HTTP/2. Where it has chosen another protocol by ALPN, it may not.
    pub(crate) fn takes_http2(&self, core: &Core) -> bool {
        self.settings.http2 && agreed(core).is_none_or(|name| name == H2)
    }

    /// Whether the client has chosen HTTP/2 by ALPN.
    pub(crate) fn agreed_on_http2(&self, core: &Core) -> bool {
        self.settings.http2 && agreed(core) == Some(H2)
    }

    fn redirects(&self, core: &Core) -> bool {
        core.endpoint
            .and_then(|number| self.settings.entrances.get(usize::from(number)))
            .is_some_and(|entrance| entrance.redirect.is_some())
    }
}

/// What the connection's TLS has agreed on by ALPN.
fn agreed(core: &Core) -> Option<&[u8]> {
    core.tls()?.protocol.as_deref()
}
