//! What a WebSocket client asks for, sends and expects.

use std::fmt;

use reactor_proto::ws::{Assembler, Decoder, Deflater, Frame, Limits, Offer, Role, accept, key};

pub use reactor_proto::ws::Kind;

use crate::{Request, RequestError};

/// Messages instead of requests, over connections that begin with an upgrade to WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// What the messages are.
    pub kind: Kind,
    /// The message that is sent over and over. With `subscribers` its first
    /// [`NUMBER`](Self::NUMBER) bytes become its number.
    pub payload: Vec<u8>,
    /// Messages are compressed, each by itself. A server that does not agree to it is an error.
    pub compress: bool,
    /// All connections but one are subscribers, which wait for what that one sends. Otherwise each
    /// connection waits for the answers to its own messages.
    pub subscribers: bool,
}

/// The largest head of an answer to the upgrade.
const HEAD: usize = 16 * 1024;
/// Any 16 bytes would do: a key only shows that no cache has answered.
const NONCE: [u8; 16] = *b"reactor-rs bench";
/// Masking keeps proxies from reading a page's bytes as HTTP. All of these bytes are known, so the
/// key may be, and every frame is the same.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x3c, 0xa5];
/// No window is kept, so that each message is the same and one inflater serves all connections.
const OFFER: Offer = Offer {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: None,
};

/// Bounds on what a server may send.
pub(crate) fn limits() -> Limits {
    Limits { message: 256 << 20, ratio: u32::MAX, ..Limits::default() }
}

impl WebSocket {
    /// Digits of a message's number.
    pub const NUMBER: usize = 10;

    /// The request that opens a connection.
    ///
    /// # Errors
    /// [`RequestError`] if the target or a field is wrong.
    pub fn request(
        &self,
        target: &str,
        host: &str,
        fields: &[(&str, &[u8])],
    ) -> Result<Request, RequestError> {
        let key = key(NONCE);
        let mut offer = Vec::new();
        OFFER.write(&mut offer);
        let mut all: Vec<(&str, &[u8])> = vec![
            ("Upgrade", b"websocket"),
            ("Connection", b"Upgrade"),
            ("Sec-WebSocket-Version", b"13"),
            ("Sec-WebSocket-Key", &key),
        ];
        if self.compress {
            all.push(("Sec-WebSocket-Extensions", &offer));
        }
        for (name, _) in fields {
            if all.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                return Err(RequestError::Reserved((*name).to_owned()));
            }
        }
        all.extend_from_slice(fields);
        Request::new("GET", target, host, &all, b"", true)
    }

    /// What compresses its messages.
    pub(crate) fn deflater(&self) -> Option<Deflater> {
        self.compress.then(|| Deflater::shared(1, 15))
    }

    /// Appends a message as a frame.
    pub(crate) fn write(&self, payload: &[u8], deflater: Option<&mut Deflater>, out: &mut Vec<u8>) {
        let frame = Frame::message(self.kind);
        let mut compressed = Vec::new();
        if deflater.is_some_and(|deflater| deflater.message(payload, &mut compressed)) {
            frame.compressed().write_masked(out, MASK, &compressed);
        } else {
            frame.write_masked(out, MASK, payload);
        }
    }

    /// The message as the only frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&self.payload, self.deflater().as_mut(), &mut out);
        out
    }

    /// Appends a message of a broadcast.
    pub(crate) fn numbered(&self, number: u64, deflater: Option<&mut Deflater>, out: &mut Vec<u8>) {
        let mut payload = format!("{number:0width$}", width = Self::NUMBER).into_bytes();
        payload.extend_from_slice(self.payload.get(Self::NUMBER..).unwrap_or_default());
        self.write(&payload, deflater, out);
    }

    /// The number of a message of a broadcast, if it is whole and right.
    pub(crate) fn number_of(&self, kind: Kind, message: &[u8]) -> Option<u64> {
        let (digits, rest) = message.split_at_checked(Self::NUMBER)?;
        let is_right = kind == self.kind && self.payload.get(Self::NUMBER..) == Some(rest);
        std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| is_right)
    }

    /// Reads the head of the answer to the upgrade.
    fn agree(&self, head: &[u8]) -> Result<(), Refused> {
        let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let status = lines.next().unwrap_or_default();
        if status.get(..12) != Some(b"HTTP/1.1 101") {
            return Err(Refused::Answer(String::from_utf8_lossy(status).into_owned()));
        }
        let values = |name: &'static str| {
            lines.clone().filter_map(move |line| {
                let colon = line.iter().position(|&byte| byte == b':')?;
                let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
                is_it.then(|| line[colon + 1..].trim_ascii())
            })
        };
        if !values("sec-websocket-accept").eq([&accept(&key(NONCE))[..]]) {
            return Err(Refused::Accept);
        }
        let extensions: Vec<&[u8]> = values("sec-websocket-extensions").collect();
        match (self.compress, OFFER.agreed(extensions.iter().copied())) {
            (false, _) if extensions.is_empty() => Ok(()),
            (true, Ok(Some(_))) => Ok(()),
            (true, Ok(None)) => Err(Refused::Compression),
            _ => Err(Refused::Extensions),
        }
    }
}

/// Why a connection is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The status line is another.
    Answer(String),
    Accept,
    Compression,
    Extensions,
    /// The head of the answer has no end.
    TooLong,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(status) => {
                write!(f, "the server answers the upgrade with '{status}' instead of 101")
            }
            Self::Accept => f.write_str("Sec-WebSocket-Accept in the server's answer is wrong"),
            Self::Compression => f.write_str("the server does not agree to permessage-deflate"),
            Self::Extensions => {
                f.write_str("the server agrees to extensions that were not offered")
            }
            Self::TooLong => write!(f, "the server's answer to the upgrade exceeds {HEAD} bytes"),
        }
    }
}

/// One WebSocket: what has come of it, and what goes out before the next message.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The server has agreed to the upgrade.
    pub(crate) is_open: bool,
    pub(crate) decoder: Decoder,
    pub(crate) assembler: Assembler,
    /// Bytes that wait for more: of the answer to the upgrade, or of a frame's head.
    pub(crate) kept: Vec<u8>,
    /// Bytes that go out between two messages: the upgrade, pongs, and a broadcast's messages.
    pub(crate) ahead: Vec<u8>,
}

impl Socket {
    /// A connection that has sent nothing yet.
    pub(crate) fn new(plan: &WebSocket, upgrade: &[u8]) -> Self {
        Self {
            is_open: false,
            decoder: Decoder::new(Role::Client, plan.compress),
            assembler: Assembler::default(),
            kept: Vec::new(),
            ahead: upgrade.to_vec(),
        }
    }

    /// Takes bytes of the answer to the upgrade. Returns the bytes behind it once it is whole.
    pub(crate) fn answer(
        &mut self,
        plan: &WebSocket,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, Refused> {
        self.kept.extend_from_slice(bytes);
        let Some(end) = self.kept.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if self.kept.len() > HEAD { Err(Refused::TooLong) } else { Ok(None) };
        };
        let rest = self.kept.split_off(end + 4);
        plan.agree(&std::mem::take(&mut self.kept))?;
        self.is_open = true;
        Ok(Some(rest))
    }

    /// Answers a ping. A server that sends many and reads nothing gets no more.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        if self.ahead.len() < HEAD {
            Frame::PONG.write_masked(&mut self.ahead, MASK, payload);
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        reactor_proto::ws::close_masked(
            &mut self.ahead,
            MASK,
            Some(reactor_proto::ws::code::NORMAL),
            "",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(compress: bool) -> WebSocket {
        WebSocket { kind: Kind::Text, payload: vec![b'x'; 20], compress, subscribers: false }
    }

    #[test]
    fn an_answer_is_taken_however_it_is_cut() {
        let accept = String::from_utf8(accept(&key(NONCE)).to_vec()).unwrap();
        let whole = format!("HTTP/1.1 101 Yes\r\nA: b\r\nsec-websocket-accept: {accept}\r\n\r\nab");
        for cut in 0..whole.len() {
            let mut socket = Socket::new(&plan(false), b"");
            let (first, second) = whole.as_bytes().split_at(cut);
            let mut rest = Vec::new();
            for part in [first, second] {
                match socket.is_open {
                    true => rest.extend_from_slice(part),
                    false => {
                        let more = socket.answer(&plan(false), part).unwrap();
                        rest.extend(more.unwrap_or_default());
                    }
                }
            }
            assert_eq!((socket.is_open, &rest[..]), (true, &b"ab"[..]), "{cut}");
        }
    }

    #[test]
    fn an_answer_that_is_no_upgrade_is_refused() {
        let accept = String::from_utf8(accept(&key(NONCE)).to_vec()).unwrap();
        let ok = format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {accept}\r\n");
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate";
        let full = "; server_no_context_takeover; client_no_context_takeover";
        for (compress, answer, refused) in [
            (false, "HTTP/1.1 404 Not Found\r\n".into(), Some("404 Not Found")),
            (false, "HTTP/1.1 101 Yes\r\n".into(), Some("Accept")),
            (false, format!("{ok}{deflate}\r\n"), Some("not offered")),
            (true, ok.clone(), Some("does not agree")),
            (true, format!("{ok}{deflate}\r\n"), Some("not offered")),
            (true, format!("{ok}{deflate}{full}\r\n"), None),
        ] {
            let told = Socket::new(&plan(compress), b"")
                .answer(&plan(compress), format!("{answer}\r\n").as_bytes())
                .err()
                .map(|error| error.to_string());
            match refused {
                None => assert_eq!(told, None),
                Some(part) => assert!(told.as_ref().is_some_and(|t| t.contains(part)), "{told:?}"),
            }
        }
        let long = Socket::new(&plan(false), b"").answer(&plan(false), &[b'x'; HEAD + 1]);
        assert_eq!(long, Err(Refused::TooLong));
    }

    #[test]
    fn a_broadcast_message_has_its_number() {
        let plan = plan(false);
        let mut frame = Vec::new();
        plan.numbered(7, None, &mut frame);
        assert_eq!(frame.len(), 6 + 20);
        assert_eq!(plan.number_of(Kind::Text, b"0000000007xxxxxxxxxx"), Some(7));
        for wrong in [&b"0000000007xxxxxxxxx"[..], b"0000000007xxxxxxxxxy", b"00000000", b"-"] {
            assert_eq!(plan.number_of(Kind::Text, wrong), None);
        }
        assert_eq!(plan.number_of(Kind::Binary, b"0000000007xxxxxxxxxx"), None);
    }
}
