//! What two peers agree on for permessage-deflate (RFC 7692 §7.1).

use std::error::Error;
use std::fmt;

use super::MalformedExtensions;
use super::extension::{Item, Reader};

const NAME: &str = "permessage-deflate";

/// Base-2 logarithm of deflate's largest window.
const MOST_BITS: u8 = 15;

/// What a client offers, as its field says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The server must forget its window after each message.
    pub server_no_context_takeover: bool,
    /// The client forgets its window after each message, whatever the server says.
    pub client_no_context_takeover: bool,
    /// The server's window must not be larger: 8 to 15 bits.
    pub server_max_window_bits: Option<u8>,
    /// The server may limit the client's window. With a number, the client's is no larger in
    /// any case.
    pub client_max_window_bits: Option<Option<u8>>,
}

/// What a server wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Forget the server's window after each message, so that connections share a compressor.
    pub server_no_context_takeover: bool,
    /// Ask the client to do so too, so that connections share a decompressor.
    pub client_no_context_takeover: bool,
    /// The largest window to compress with: 9 to 15 bits.
    pub server_max_window_bits: u8,
    /// The largest window that clients should compress with: 8 to 15 bits. Those that do not
    /// offer to limit theirs may use the largest.
    pub client_max_window_bits: u8,
}

impl Policy {
    /// No state between messages: what one compressor and one decompressor for all the
    /// connections of a loop ask for.
    pub const SHARED: Self = Self {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: MOST_BITS,
        client_max_window_bits: MOST_BITS,
    };

    /// A compressor and a decompressor for each connection.
    pub const DEDICATED: Self = Self {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: MOST_BITS,
        client_max_window_bits: MOST_BITS,
    };
}

/// What both sides do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server's messages are compressed each by itself.
    pub server_no_context_takeover: bool,
    /// So are the client's.
    pub client_no_context_takeover: bool,
    /// The server's window: 8 to 15 bits.
    pub server_window_bits: u8,
    /// The client's window: 8 to 15 bits.
    pub client_window_bits: u8,
    /// The response has to name the server's window, since the offer does.
    says_server_bits: bool,
}

/// A server's answer that does not fit the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAgreement;

impl fmt::Display for BadAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server agreed to extensions that were not offered")
    }
}

impl Error for BadAgreement {}

/// The parameters of one `permessage-deflate`, in an offer or in an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Parameters {
    offer: Offer,
    /// One is unknown, repeated, or has a value that it cannot have.
    wrong: bool,
}

impl Parameters {
    fn add(&mut self, name: &[u8], value: Option<super::extension::Value<'_>>) {
        let bits = value.map(|value| value.number().filter(|bits| (8..=MOST_BITS).contains(bits)));
        let offer = &mut self.offer;
        let fits = match (name, bits) {
            (b"server_no_context_takeover", None) => {
                !std::mem::replace(&mut offer.server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                !std::mem::replace(&mut offer.client_no_context_takeover, true)
            }
            (b"server_max_window_bits", Some(Some(bits))) => {
                offer.server_max_window_bits.replace(bits).is_none()
            }
            (b"client_max_window_bits", None) => {
                offer.client_max_window_bits.replace(None).is_none()
            }
            (b"client_max_window_bits", Some(Some(bits))) => {
                offer.client_max_window_bits.replace(Some(bits)).is_none()
            }
            _ => false,
        };
        self.wrong |= !fits;
    }
}

/// Chooses among the offers in the values of a request's Sec-WebSocket-Extensions fields: the
/// first that can be taken. Other extensions are passed over. `None` is no compression.
///
/// # Errors
///
/// If a field breaks the grammar; the handshake has failed then.
pub fn negotiate<'b>(
    fields: impl IntoIterator<Item = &'b [u8]>,
    policy: &Policy,
) -> Result<Option<Agreed>, MalformedExtensions> {
    let mut agreed = None;
    let mut offer: Option<Parameters> = None;
    // An offer ends where the next begins. All is read, for the grammar must hold to the end.
    let mut consider = |offer: Option<Parameters>| {
        if let Some(Parameters { offer, wrong: false }) = offer {
            agreed = agreed.or_else(|| policy.accept(&offer));
        }
    };
    for field in fields {
        for item in Reader::new(field) {
            match item? {
                Item::Extension(name) => {
                    consider(offer.take());
                    offer = (name == NAME.as_bytes()).then(Parameters::default);
                }
                Item::Parameter(name, value) => {
                    if let Some(offer) = &mut offer {
                        offer.add(name, value);
                    }
                }
            }
        }
    }
    consider(offer);
    Ok(agreed)
}

impl Policy {
    fn accept(&self, offer: &Offer) -> Option<Agreed> {
        let most = offer.server_max_window_bits.unwrap_or(MOST_BITS);
        // No zlib compresses raw deflate with a window of 256 bytes.
        let server_window_bits = self.server_max_window_bits.clamp(9, MOST_BITS).min(most);
        if server_window_bits < 9 {
            return None;
        }
        let client_window_bits = match offer.client_max_window_bits {
            Some(most) => {
                self.client_max_window_bits.clamp(8, MOST_BITS).min(most.unwrap_or(MOST_BITS))
            }
            None => MOST_BITS,
        };
        Some(Agreed {
            server_no_context_takeover: self.server_no_context_takeover
                || offer.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover
                || offer.client_no_context_takeover,
            server_window_bits,
            client_window_bits,
            says_server_bits: offer.server_max_window_bits.is_some(),
        })
    }
}

impl Agreed {
    /// Appends the value of the response's Sec-WebSocket-Extensions.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bits = |said, bits| (said || bits < MOST_BITS).then_some(Some(bits));
        write(
            out,
            &Offer {
                server_no_context_takeover: self.server_no_context_takeover,
                client_no_context_takeover: self.client_no_context_takeover,
                server_max_window_bits: bits(self.says_server_bits, self.server_window_bits)
                    .flatten(),
                client_max_window_bits: bits(false, self.client_window_bits),
            },
        );
    }
}

impl Offer {
    /// Appends the value of a request's Sec-WebSocket-Extensions.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(out, self);
    }

    /// What a client that made this offer reads from the response's fields. `None` is no
    /// compression.
    ///
    /// # Errors
    ///
    /// If the response breaks the grammar, names another extension, or takes what was not
    /// offered. The client has to fail the connection then.
    pub fn agreed<'b>(
        &self,
        fields: impl IntoIterator<Item = &'b [u8]>,
    ) -> Result<Option<Agreed>, BadAgreement> {
        let mut answer: Option<Parameters> = None;
        for field in fields {
            for item in Reader::new(field) {
                match (item.map_err(|_| BadAgreement)?, &mut answer) {
                    (Item::Extension(name), answer @ None) if name == NAME.as_bytes() => {
                        *answer = Some(Parameters::default());
                    }
                    (Item::Parameter(name, value), Some(answer)) => answer.add(name, value),
                    _ => return Err(BadAgreement),
                }
            }
        }
        let Some(Parameters { offer: answer, wrong }) = answer else {
            return Ok(None);
        };
        let server_bits = answer.server_max_window_bits.unwrap_or(MOST_BITS);
        let client_bits = match (self.client_max_window_bits, answer.client_max_window_bits) {
            (_, Some(None)) | (None, Some(Some(_))) => return Err(BadAgreement),
            (_, Some(Some(bits))) => bits,
            (most, None) => most.flatten().unwrap_or(MOST_BITS),
        };
        let fits = !wrong
            && server_bits <= self.server_max_window_bits.unwrap_or(MOST_BITS)
            && (answer.server_no_context_takeover || !self.server_no_context_takeover)
            && client_bits >= 9;
        fits.then_some(Some(Agreed {
            server_no_context_takeover: answer.server_no_context_takeover,
            client_no_context_takeover: answer.client_no_context_takeover
                || self.client_no_context_takeover,
            server_window_bits: server_bits,
            client_window_bits: client_bits,
            says_server_bits: answer.server_max_window_bits.is_some(),
        }))
        .ok_or(BadAgreement)
    }
}

fn write(out: &mut Vec<u8>, parameters: &Offer) {
    out.extend_from_slice(NAME.as_bytes());
    let mut parameter = |name: &str, bits: Option<u8>| {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(name.as_bytes());
        if let Some(bits) = bits {
            out.push(b'=');
            out.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes());
        }
    };
    if parameters.server_no_context_takeover {
        parameter("server_no_context_takeover", None);
    }
    if parameters.client_no_context_takeover {
        parameter("client_no_context_takeover", None);
    }
    if let Some(bits) = parameters.server_max_window_bits {
        parameter("server_max_window_bits", Some(bits));
    }
    if let Some(bits) = parameters.client_max_window_bits {
        parameter("client_max_window_bits", bits);
    }
}
