//! What JavaScript sees of the PROXY protocol. `ts/proxy/header.ts` reads it.

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use reactor_server::Proxied;

/// The listener's connections begin with a header of the PROXY protocol.
#[napi(object)]
pub struct NativeProxyProtocol {
    /// A connection without one is closed.
    pub required: bool,
    /// Peers whose word counts: `*` for all peers, `unix` for unix sockets, and ranges as
    /// `address/bits`.
    pub trusted: Vec<String>,
}

/// The header as it came, and behind it the balancer's own address as text: nothing on a unix
/// socket.
pub(crate) fn told(proxied: &Proxied) -> Uint8Array {
    let balancer = proxied.balancer.map(|balancer| balancer.to_string()).unwrap_or_default();
    Uint8Array::new([&proxied.header, balancer.as_bytes()].concat())
}
