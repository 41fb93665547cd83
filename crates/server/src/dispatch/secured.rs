//! Peers whose connections count as secured, although their bytes come in clear.

use std::net::{IpAddr, SocketAddr};

/// Proxies that terminate TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Secured {
    /// No peer is one.
    #[default]
    None,
    /// Every peer is.
    All,
    /// Those in one of these ranges.
    Some {
        /// Addresses, and how many of their first bits a peer's must share.
        ranges: Vec<(IpAddr, u8)>,
        /// The peers of a unix socket.
        unix: bool,
    },
}

impl Secured {
    /// Whether `peer` is such a proxy; `None` is a peer on a unix socket.
    pub(crate) fn has(&self, peer: Option<SocketAddr>) -> bool {
        match (self, peer) {
            (Self::None, _) => false,
            (Self::All, _) => true,
            (Self::Some { unix, .. }, None) => *unix,
            (Self::Some { ranges, .. }, Some(peer)) => {
                let peer = peer.ip().to_canonical();
                ranges.iter().any(|&(range, bits)| is_within(peer, range, bits))
            }
        }
    }
}

fn is_within(address: IpAddr, range: IpAddr, bits: u8) -> bool {
    match (address, range) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let other = u32::from(a) ^ u32::from(b);
            other.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let other = u128::from(a) ^ u128::from(b);
            other.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_shares_their_bits() {
        let ranges = [("10.0.0.0", 8), ("192.0.2.7", 32), ("2001:db8::", 32), ("::1", 128)];
        let ranges = ranges.map(|(range, bits)| (range.parse().unwrap(), bits)).to_vec();
        let secured = Secured::Some { ranges, unix: false };
        for (peer, expected) in [
            ("10.255.0.1:80", true),
            ("11.0.0.1:80", false),
            ("192.0.2.7:1", true),
            ("192.0.2.6:1", false),
            ("[2001:db8:1::]:1", true),
            ("[2001:db9::]:1", false),
            ("[::1]:1", true),
            ("[::2]:1", false),
            ("[::ffff:10.1.1.1]:1", true),
        ] {
            assert_eq!(secured.has(Some(peer.parse().unwrap())), expected, "{peer}");
        }
        assert!(!secured.has(None) && Secured::All.has(None) && !Secured::None.has(None));
        let all = Secured::Some { ranges: vec![("0.0.0.0".parse().unwrap(), 0)], unix: true };
        assert!(all.has(Some("203.0.113.9:1".parse().unwrap())) && all.has(None));
    }
}
