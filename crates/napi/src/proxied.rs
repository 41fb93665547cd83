//! What JavaScript sees of the PROXY protocol. `ts/proxy/header.ts` reads the header.

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

/// What a balancer has said of a connection.
#[napi(object)]
pub struct NativeProxied {
    /// The header as it came; its form was checked.
    pub header: Uint8Array,
    /// The balancer's own address; absent on unix sockets.
    pub address: Option<String>,
    /// The balancer's port.
    pub port: Option<u16>,
}

impl From<&Proxied> for NativeProxied {
    fn from(proxied: &Proxied) -> Self {
        Self {
            header: Uint8Array::new(proxied.header.to_vec()),
            address: proxied.balancer.map(|balancer| balancer.ip().to_string()),
            port: proxied.balancer.map(|balancer| balancer.port()),
        }
    }
}
