//! The host names that metrics and the control socket answer to.
//!
//! A browser lets a page read what the page's own host name answers, and the page's owner decides
//! which address that name has. So a page can read a listener on loopback that answers to any name
//! (DNS rebinding). These listeners have no authentication, so they check the name.

use std::net::IpAddr;

use crate::exchange::request::Request;
use crate::exchange::response::Response;

/// Names besides IP addresses and `localhost`.
pub(crate) struct OwnHosts(Vec<String>);

impl OwnHosts {
    /// The machine's name, and the name that the listener was given, if any.
    pub(crate) fn new(listener: Option<&str>) -> Self {
        // See proc(5). Without this file there is one name less.
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let names = [machine.trim(), listener.unwrap_or_default()];
        Self(names.iter().filter(|name| !name.is_empty()).map(ToString::to_string).collect())
    }

    /// Whether to answer the request. If not, `response` is the refusal.
    ///
    /// A client on another machine may use any name: services, pods and proxies have names that are
    /// not known here. A request without a name does not come from a browser.
    pub(crate) fn admits(&self, request: &Request, response: &mut Response) -> bool {
        let is_near = request.peer().is_none_or(|peer| peer.ip().to_canonical().is_loopback());
        let host = request.host().unwrap_or_default();
        if !is_near || host.is_empty() || self.is_own(host) {
            return true;
        }
        // Cannot fail: the status is valid, and so is the text.
        let _ = response.status(421);
        response.text();
        response.body(format!(
            "This listener answers to IP addresses, localhost{} only.\n",
            self.0.iter().map(|name| format!(", {name}")).collect::<String>()
        ));
        false
    }

    /// `host` is a valid `uri-host [ ":" port ]`.
    fn is_own(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else { return false };
        if let Some(rest) = host.strip_prefix('[') {
            // Only IPv6 addresses have brackets, and the decoder has checked them.
            return rest.contains(']');
        }
        let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let lower = name.to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok()
            || is("localhost")
            // RFC 6761 section 6.3: all names below it are loopback.
            || lower.ends_with(".localhost")
            || self.0.iter().any(|own| is(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_own() {
        let own = OwnHosts(vec!["box-7".to_owned(), "metrics.example".to_owned()]);
        for host in [
            "127.0.0.1:9100",
            "10.1.2.3",
            "[::1]:9100",
            "[2001:db8::1]",
            "localhost:1",
            "LocalHost.",
            "app.localhost",
            "BOX-7:80",
            "metrics.example.",
        ] {
            assert!(own.is_own(host.as_bytes()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example:9100",
            "box-7.evil.example",
            "a.metrics.example",
        ] {
            assert!(!own.is_own(host.as_bytes()), "{host}");
        }
    }
}
