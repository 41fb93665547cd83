//! The client's side of HTTP/2, for programs that send requests.
//!
//! Sans-IO and strict like the rest. The program says which streams it has begun; pushed
//! ones are refused, so it has to send `SETTINGS_ENABLE_PUSH` 0.

use super::decoder::TABLE;
use super::frames::{BlockStart, Frames, Role, Step};
use super::hpack::HpackDecoder;
use super::{ConnectionError, ErrorCode, Event as Frame, SettingsFrame};
use crate::semantics::{Limits, class};

/// A response's field section must fit into this many bytes, as compressed.
const LIMITS: Limits = Limits {
    request_line: 0,
    head: 128 * 1024,
    fields: 1000,
    body: u64::MAX,
    chunk_extensions: 0,
    trailers: 128 * 1024,
    streams: 0,
};

/// What [`Decoder::decode`] found next. What is not described here is as in
/// [`h2::Event`](Frame).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of the server's events")]
pub enum Event {
    Incomplete,
    /// The head of an interim response, 1xx.
    Interim {
        stream: u32,
        status: u16,
    },
    /// The head of a response.
    Response {
        stream: u32,
        status: u16,
        end_stream: bool,
    },
    /// The trailer section, which ends the response.
    Trailers {
        stream: u32,
    },
    Data {
        stream: u32,
        start: usize,
        end: usize,
        flow: u32,
        end_stream: bool,
    },
    Reset {
        stream: u32,
        code: ErrorCode,
    },
    Settings(SettingsFrame),
    SettingsAck,
    Ping([u8; 8]),
    PingAck([u8; 8]),
    GoAway {
        last: u32,
        code: ErrorCode,
    },
    WindowUpdate {
        stream: u32,
        increment: u32,
    },
    Other,
}

/// The read side of a client's connection.
#[derive(Clone, Debug)]
pub struct Decoder {
    frames: Frames,
    hpack: HpackDecoder,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder for a connection's first frame.
    #[must_use]
    pub fn new() -> Self {
        Self { frames: Frames::new(Role::Client), hpack: HpackDecoder::new(TABLE) }
    }

    /// What this side's SETTINGS say, before the first byte comes: the size of its table, and of
    /// the frames that it takes.
    #[must_use]
    pub fn with_settings(table: u32, max_frame: u32) -> Self {
        let mut decoder = Self { hpack: HpackDecoder::new(table as usize), ..Self::new() };
        decoder.frames.takes_frames(max_frame as usize);
        decoder
    }

    /// The request of `stream` is sent: from now on the server may use the stream.
    pub fn opened(&mut self, stream: u32) {
        self.frames.opened(stream);
    }

    /// Finds the next event in `input`, as the server's decoder does. Every field of a field
    /// section is given to `field`, before the event.
    ///
    /// The order of a stream's events is for the caller to check.
    ///
    /// # Errors
    ///
    /// The first fault. A malformed response is one too. Each later call returns it again.
    #[inline]
    pub fn decode(
        &mut self,
        input: &[u8],
        field: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(usize, Event), ConnectionError> {
        let (used, step) = self.frames.next(input, &LIMITS)?;
        let event = match step {
            Step::Event(event) => Ok(of_frame(event)),
            Step::Block(start, block) => self.block(start, &block, field),
        };
        match event {
            Ok(event) => Ok((used, event)),
            Err(error) => {
                self.frames.fail(error);
                Err(error)
            }
        }
    }

    fn block(
        &mut self,
        start: BlockStart,
        block: &[u8],
        field: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<Event, ConnectionError> {
        let mut section = Section::default();
        let decoded = self.hpack.decode(block, &mut |name, value| {
            section.field(name, value);
            field(name, value);
        });
        decoded.map_err(|error| ConnectionError {
            code: ErrorCode::COMPRESSION_ERROR,
            why: error.message(),
        })?;
        let BlockStart { stream, end_stream, .. } = start;
        match (section.fault, section.status) {
            (Some(why), _) => Err(ConnectionError::protocol(why)),
            (_, Some(100..=199)) if end_stream => {
                Err(ConnectionError::protocol("an interim response ends its stream"))
            }
            (_, Some(status @ 100..=199)) => Ok(Event::Interim { stream, status }),
            (_, Some(status)) => Ok(Event::Response { stream, status, end_stream }),
            (_, None) if end_stream => Ok(Event::Trailers { stream }),
            (_, None) => {
                Err(ConnectionError::protocol("a trailer section does not end its stream"))
            }
        }
    }
}

/// The checks of a field section (RFC 9113 §8.2 and §8.3.2).
#[derive(Default)]
struct Section {
    status: Option<u16>,
    has_fields: bool,
    fault: Option<&'static str>,
}

impl Section {
    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8]) {
        let fault = if let [b':', ..] = name {
            self.pseudo(name, value)
        } else {
            self.has_fields = true;
            regular(name, value)
        };
        self.fault = self.fault.or(fault);
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Option<&'static str> {
        let &[hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = value else {
            return Some("a status has not three digits");
        };
        if name != b":status" || self.status.is_some() || self.has_fields {
            return Some("a pseudo-field is unknown, late or repeated");
        }
        let digit = |byte: u8| u16::from(byte - b'0');
        self.status = Some(digit(hundreds) * 100 + digit(tens) * 10 + digit(ones));
        None
    }
}

fn regular(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let is_name = !name.is_empty()
        && class::token_end(name, 0) == name.len()
        && !name.iter().any(u8::is_ascii_uppercase);
    if !is_name {
        return Some("a field name is not lower-case, or not a token");
    }
    if class::value_end(value, 0) != value.len() || value != class::trim_ows(value) {
        return Some("a field value holds a control byte or is surrounded by whitespace");
    }
    let is_of_http1 = matches!(
        name,
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade"
    );
    is_of_http1.then_some("a field is about an HTTP/1 connection")
}

fn of_frame(event: Frame) -> Event {
    match event {
        Frame::Incomplete => Event::Incomplete,
        Frame::Data { stream, start, end, flow, end_stream } => {
            Event::Data { stream, start, end, flow, end_stream }
        }
        Frame::Reset { stream, code } => Event::Reset { stream, code },
        // A server whose frames are odd on one stream is not worth more than an end of it.
        Frame::StreamError { stream, code } => Event::Reset { stream, code },
        Frame::Settings(settings) => Event::Settings(settings),
        Frame::SettingsAck => Event::SettingsAck,
        Frame::Ping(payload) => Event::Ping(payload),
        Frame::PingAck(payload) => Event::PingAck(payload),
        Frame::GoAway { last, code } => Event::GoAway { last, code },
        Frame::WindowUpdate { stream, increment } => Event::WindowUpdate { stream, increment },
        _ => Event::Other,
    }
}

#[cfg(test)]
mod tests;
