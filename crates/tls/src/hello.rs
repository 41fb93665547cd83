//! The first message of a client, read before a configuration is chosen for it.
//!
//! rustls' `Acceptor` does that too, but only for its buffered connections, which keep 4 KiB of
//! buffer while they are idle. Here only the extensions are read that a choice depends on. rustls
//! reads the message once more and judges it: what is wrong in it is found there.

use std::borrow::Cow;

use crate::error::Alert;
use crate::wire::{self, Front, HANDSHAKE};

/// `client_hello` (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;

/// `server_name` (RFC 6066, section 3).
const SERVER_NAME: u16 = 0;

/// `application_layer_protocol_negotiation` (RFC 7301).
const ALPN: u16 = 16;

/// `supported_groups` and `signature_algorithms` (RFC 8446, section 9.2).
const GROUPS: u16 = 10;
const SIGNATURES: u16 = 13;

/// `pre_shared_key` (RFC 8446, section 4.2.11).
const PRE_SHARED_KEY: u16 = 41;

/// `renegotiation_info` (RFC 5746, section 3.2).
const RENEGOTIATION: u16 = 0xff01;

/// `key_share` (RFC 8446, section 4.2.8).
const KEY_SHARE: u16 = 51;

/// `supported_versions` (RFC 8446, section 4.2.1).
const VERSIONS: u16 = 43;

/// `TLS_FALLBACK_SCSV` (RFC 7507), which is no cipher suite.
const FALLBACK: [u8; 2] = [0x56, 0x00];

/// What SSL 3.0 calls itself. Nobody says so who has a newer version (RFC 8446, D.5).
const SSL3: u16 = 0x0300;

/// What TLS 1.2 calls itself, and later versions too.
const TLS12: u16 = 0x0303;

/// The group X25519MLKEM768.
const HYBRID: u16 = 0x11ec;

/// How much of the message is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// More bytes are needed.
    Part,
    /// A record that holds no ClientHello, or one that cannot be read.
    Wrong,
    /// A record that is too long.
    Oversized,
    /// A client that must be refused with this alert, and why. rustls would serve it, or say
    /// something else.
    Refused(Alert, &'static str),
    /// No TLS, but the beginning of an HTTP request.
    Http,
    /// The message is there.
    Whole(Hello),
}

/// What a client wants before it is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    name: Option<Box<str>>,
    protocols: Box<[u8]>,
    hybrid: bool,
}

impl Hello {
    /// The name of the server that the client wants (SNI), in lower case. A name that no DNS name
    /// can be counts as none.
    pub fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The protocols that the client speaks (ALPN), the one that it likes best first.
    pub fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Reader(&self.protocols);
        std::iter::from_fn(move || rest.short())
    }

    /// Whether the client has sent a share for X25519MLKEM768.
    pub(crate) fn has_hybrid_share(&self) -> bool {
        self.hybrid
    }

    /// The choice is made: an idle session holds no list.
    pub(crate) fn forget_protocols(&mut self) {
        self.protocols = Box::default();
    }
}

/// Reads the ClientHello in the records at the front of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Seen {
    match bytes.first() {
        None => return Seen::Part,
        Some(&HANDSHAKE) => {}
        Some(_) => return if is_http(bytes) { Seen::Http } else { Seen::Wrong },
    }
    let message = match first_message(bytes) {
        Ok(message) => message,
        Err(seen) => return seen,
    };
    let Some(body) = message.get(4..) else { return Seen::Part };
    if message[0] != CLIENT_HELLO {
        return Seen::Wrong;
    }
    let len =
        usize::from(message[1]) << 16 | usize::from(message[2]) << 8 | usize::from(message[3]);
    match body.get(..len) {
        None => Seen::Part,
        Some(body) => parse(body).unwrap_or(Seen::Wrong),
    }
}

/// The handshake bytes of the records at the front. An error where another kind of record, an empty
/// one or none at all lies between them. Nearly every ClientHello is in one record.
fn first_message(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Seen> {
    let mut found: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut rest = bytes;
    loop {
        match wire::front(rest) {
            _ if wire::is_oversized(rest) => return Err(Seen::Oversized),
            Front::Part => return Ok(found),
            Front::Wrong | Front::Record(wire::HEADER) => return Err(Seen::Wrong),
            Front::Record(_) if rest[0] != HANDSHAKE => return Err(Seen::Wrong),
            Front::Record(len) => {
                let payload = &rest[wire::HEADER..len];
                match found.is_empty() {
                    true => found = Cow::Borrowed(payload),
                    false => found.to_mut().extend_from_slice(payload),
                }
                rest = &rest[len..];
                if is_whole(&found) {
                    return Ok(found);
                }
            }
        }
    }
}

fn is_whole(message: &[u8]) -> bool {
    message.first_chunk::<4>().is_some_and(|&[_, a, b, c]| {
        message.len() - 4 >= usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    })
}

/// Whether this is a request, as far as it has come. Methods are upper case (RFC 9110, 9.1).
fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"PATCH ",
        b"CONNECT ",
        b"PRI * HTTP/2",
    ];
    METHODS.iter().any(|method| {
        let n = method.len().min(bytes.len());
        method[..n] == bytes[..n]
    })
}

fn parse(body: &[u8]) -> Option<Seen> {
    let mut body = Reader(body);
    let version = body.u16()?;
    let _random = body.take(32)?;
    let _session = body.short()?;
    let suites = body.long()?;
    let _compression = body.short()?;
    let mut hello = Hello::default();
    let mut modern = None;
    let (mut groups, mut signatures, mut psk, mut renegotiates) = (false, false, false, false);
    // A ClientHello of TLS 1.2 may end here.
    let mut extensions = Reader(body.long().unwrap_or_default());
    while let Some(kind) = extensions.u16() {
        let content = Reader(extensions.long()?);
        match kind {
            SERVER_NAME => hello.name = server_name(content),
            ALPN => hello.protocols = protocols(content)?,
            VERSIONS => modern = Some(has_tls13(content)),
            GROUPS => groups = true,
            SIGNATURES => signatures = true,
            PRE_SHARED_KEY => psk = true,
            RENEGOTIATION => renegotiates = content.0 != [0],
            KEY_SHARE => hello.hybrid = has_share(content, HYBRID)?,
            _ => {}
        }
    }
    let is_tls13 = modern == Some(true);
    let refused = if version <= SSL3 || modern.is_none() && version < TLS12 {
        Some((Alert::PROTOCOL_VERSION, "Tls12NotOffered"))
    } else if modern.is_none() && suites.chunks(2).any(|suite| suite == FALLBACK) {
        // The server has TLS 1.3, so the client has, too, and was refused with that elsewhere.
        Some((Alert::INAPPROPRIATE_FALLBACK, "TLS_FALLBACK_SCSV"))
    } else if is_tls13 && !psk && !(groups && signatures) {
        Some((Alert::MISSING_EXTENSION, "no groups or signatures"))
    } else if !is_tls13 && renegotiates {
        Some((Alert::HANDSHAKE_FAILURE, "renegotiation_info of a connection that there was not"))
    } else {
        None
    };
    Some(refused.map_or(Seen::Whole(hello), |(alert, why)| Seen::Refused(alert, why)))
}

/// Whether TLS 1.3 is among the versions.
fn has_tls13(mut content: Reader<'_>) -> bool {
    content.short().is_some_and(|list| list.chunks(2).any(|version| version == [3, 4]))
}

fn server_name(mut content: Reader<'_>) -> Option<Box<str>> {
    let mut list = Reader(content.long()?);
    // Type 0 is a host name; no other was ever defined.
    match list.u8()? {
        0 => crate::names::canonical(std::str::from_utf8(list.long()?).ok()?),
        _ => None,
    }
}

fn protocols(mut content: Reader<'_>) -> Option<Box<[u8]>> {
    let list = content.long()?;
    let mut names = Reader(list);
    while !names.0.is_empty() {
        names.short()?;
    }
    Some(list.into())
}

fn has_share(mut content: Reader<'_>, group: u16) -> Option<bool> {
    let mut shares = Reader(content.long()?);
    let mut found = false;
    while let Some(of) = shares.u16() {
        shares.long()?;
        found |= of == group;
    }
    Some(found)
}

/// Reads from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes behind a length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// Bytes behind a length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with these extensions, in records of at most `most` bytes of payload.
    fn client_hello(extensions: &[(u16, Vec<u8>)], most: usize) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let list: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                let len = u16::try_from(content.len()).unwrap();
                [&kind.to_be_bytes()[..], &len.to_be_bytes(), content].concat()
            })
            .collect();
        body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list);
        let mut message = vec![1, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
            .chunks(most)
            .flat_map(|chunk| {
                let len = u16::try_from(chunk.len()).unwrap().to_be_bytes();
                [&[22, 3, 1, len[0], len[1]], chunk].concat()
            })
            .collect()
    }

    fn sni(name: &str) -> (u16, Vec<u8>) {
        let len = u8::try_from(name.len()).unwrap();
        (0, [&[0, len + 3, 0, 0, len], name.as_bytes()].concat())
    }

    fn whole(bytes: &[u8]) -> Hello {
        match read(bytes) {
            Seen::Whole(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn name_and_protocols_are_read_however_the_records_are_cut() {
        let extensions =
            [(0x1a1a, vec![]), sni("Api.Example.COM"), (16, b"\0\x0c\x02h2\x08http/1.1".to_vec())];
        for most in [1, 2, 3, 4, 5, 40, 16_384] {
            let bytes = client_hello(&extensions, most);
            let hello = whole(&bytes);
            assert_eq!(hello.server_name(), Some("api.example.com"));
            assert_eq!(hello.protocols().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Seen::Part, "{end} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_share_is_found_among_others() {
        let shares = |groups: &[u16]| {
            let list: Vec<u8> = groups
                .iter()
                .flat_map(|group| [&group.to_be_bytes()[..], &[0, 3, 7, 7, 7]].concat())
                .collect();
            let len = u16::try_from(list.len()).unwrap();
            (51, [&len.to_be_bytes()[..], &list].concat())
        };
        let hybrid = |groups: &[u16]| {
            whole(&client_hello(&[sni("a.test"), shares(groups)], 99)).has_hybrid_share()
        };
        assert!(hybrid(&[0x0a0a, 0x11ec, 29]));
        assert!(!hybrid(&[29, 23]));
        assert!(!hybrid(&[]));
        assert!(!whole(&client_hello(&[sni("a.test")], 99)).has_hybrid_share());
    }

    #[test]
    fn clients_that_must_be_refused_are_told_apart() {
        let of = |minor, extensions: &[(u16, Vec<u8>)]| {
            let mut bytes = client_hello(extensions, 16_384);
            bytes[10] = minor;
            read(&bytes)
        };
        let is = |seen, alert| matches!(seen, Seen::Refused(found, _) if found == alert);
        assert!(is(of(2, &[sni("a.test")]), Alert::PROTOCOL_VERSION));
        assert!(is(of(0, &[]), Alert::PROTOCOL_VERSION));
        assert!(is(of(0, &[(43, vec![2, 3, 4])]), Alert::PROTOCOL_VERSION));
        assert!(matches!(of(3, &[]), Seen::Whole(_)));
        // The version is in the extension.
        let (tls13, tls12) = ((43, vec![2, 3, 4]), (43, vec![2, 3, 3]));
        let (groups, signatures) = ((10, vec![0, 2, 0, 29]), (13, vec![0, 2, 4, 3]));
        let all = [tls13.clone(), groups, signatures.clone()];
        assert!(matches!(of(1, &all), Seen::Whole(_)));
        assert!(matches!(of(1, std::slice::from_ref(&tls12)), Seen::Whole(_)));
        assert!(is(of(3, &all[..2]), Alert::MISSING_EXTENSION));
        assert!(is(of(3, &[tls13.clone(), signatures]), Alert::MISSING_EXTENSION));
        assert!(matches!(of(3, &[tls13, (41, vec![])]), Seen::Whole(_)));
        // Renegotiation.
        let (none, some) = ((0xff01, vec![0]), (0xff01, vec![1, 7]));
        assert!(matches!(of(3, &[none]), Seen::Whole(_)));
        assert!(is(of(3, std::slice::from_ref(&some)), Alert::HANDSHAKE_FAILURE));
        assert!(is(of(3, &[tls12, some.clone()]), Alert::HANDSHAKE_FAILURE));
        assert!(matches!(of(3, &[&all[..], &[some]].concat()), Seen::Whole(_)));
        // A fallback.
        let fallback = |extensions: &[_]| {
            let mut bytes = client_hello(extensions, 16_384);
            bytes[46..48].copy_from_slice(&FALLBACK);
            read(&bytes)
        };
        assert!(is(fallback(&[]), Alert::INAPPROPRIATE_FALLBACK));
        assert!(matches!(fallback(&all), Seen::Whole(_)));
    }

    #[test]
    fn what_follows_the_message_does_not_matter() {
        let mut bytes = client_hello(&[sni("a.test")], 16_384);
        bytes.extend(b"anything");
        assert_eq!(whole(&bytes).server_name(), Some("a.test"));
    }

    #[test]
    fn names_that_are_no_dns_names_count_as_none() {
        for name in ["", "127.0.0.1", "::1", "a b", "a..b", "-"] {
            assert_eq!(whole(&client_hello(&[sni(name)], 99)).server_name(), None, "{name:?}");
        }
    }

    #[test]
    fn other_protocols_are_told_apart() {
        assert_eq!(read(b"G"), Seen::Http);
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Seen::Http);
        assert_eq!(read(b"PRI * HTTP/2.0"), Seen::Http);
        assert_eq!(read(b"SSH-2.0"), Seen::Wrong);
        assert_eq!(read(&[0x80, 0x2e, 1, 0, 2]), Seen::Wrong);
        assert_eq!(read(&[22, 3, 1, 0, 4, 2, 0, 0, 0]), Seen::Wrong);
        assert_eq!(read(&[22, 3, 1, 0, 1, 1, 23, 3, 3, 0, 1, 0]), Seen::Wrong);
        assert_eq!(read(&[22, 3, 1, 0, 0]), Seen::Wrong);
        assert_eq!(read(&[22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 0]), Seen::Wrong);
        assert_eq!(read(&[22, 3, 1, 0x40, 1]), Seen::Oversized);
        assert_eq!(read(&[22, 3, 1, 0xff, 0xff]), Seen::Oversized);
        assert_eq!(read(&[22, 3, 1, 0x40, 0]), Seen::Part);
    }

    #[test]
    fn lengths_that_lie_are_wrong() {
        let bytes = client_hello(&[sni("a.test")], 16_384);
        for at in 43..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = bytes[at].wrapping_add(200);
            // No panic, whatever comes of it.
            let _ = read(&bytes);
        }
    }
}
