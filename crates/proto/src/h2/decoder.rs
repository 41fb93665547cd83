use super::frames::{BlockStart, Frames, Role, Step};
use super::hpack::HpackDecoder;
use super::{ConnectionError, ErrorCode, Event, HeadReader, Refused};
use crate::semantics::{Head, Limits};

/// What SETTINGS_HEADER_TABLE_SIZE is without a setting (RFC 9113 §6.5.2).
pub(super) const TABLE: usize = 4096;

/// The read side of a server's connection.
///
/// It keeps the table of field blocks, and an incomplete field block. DATA is passed on as it
/// comes; any other frame is used when it is whole.
#[derive(Clone, Debug)]
pub struct Decoder {
    frames: Frames,
    hpack: HpackDecoder,
    takes_extended_connect: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder for a connection's first byte: that of the client's preface.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frames: Frames::new(Role::Server),
            hpack: HpackDecoder::new(TABLE),
            takes_extended_connect: false,
        }
    }

    /// Whether requests may have `:protocol`: SETTINGS_ENABLE_CONNECT_PROTOCOL was sent
    /// (RFC 8441 §3). By default not.
    pub fn takes_extended_connect(&mut self, takes: bool) {
        self.takes_extended_connect = takes;
    }

    /// Finds the next event in `input`, the bytes received and not used up yet.
    ///
    /// Returns how many bytes are used up. The caller drops these, and passes the rest with
    /// newly arrived bytes to the next call. Call it until it returns [`Event::Incomplete`].
    /// What it leaves then is less than a frame of 16,384 bytes and its header.
    ///
    /// [`Event::Request`] has filled `head`, and `text` with the bytes that it is about.
    /// [`Event::Trailers`] has filled `text`. Both may be shared by all connections.
    ///
    /// The events depend on the bytes alone, not on how they are split into calls; the pieces
    /// of [`Event::Data`] do.
    ///
    /// # Errors
    ///
    /// The first fault that ends the connection. Each later call returns it again.
    #[inline]
    pub fn decode(
        &mut self,
        input: &[u8],
        head: &mut Head,
        text: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(usize, Event), ConnectionError> {
        let (used, step) = self.frames.next(input, limits)?;
        match step {
            Step::Event(event) => Ok((used, event)),
            Step::Block(start, block) => match self.block(start, &block, head, text, limits) {
                Ok(event) => Ok((used, event)),
                Err(error) => {
                    self.frames.fail(error);
                    Err(error)
                }
            },
        }
    }

    /// Whether a field block has begun whose end is still to come.
    #[must_use]
    pub fn in_block(&self) -> bool {
        self.frames.in_block()
    }

    /// The highest stream that the client has begun; 0 before the first.
    #[must_use]
    pub fn highest_stream(&self) -> u32 {
        self.frames.highest()
    }

    fn block(
        &mut self,
        start: BlockStart,
        block: &[u8],
        head: &mut Head,
        text: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Event, ConnectionError> {
        let BlockStart { stream, end_stream, is_first, is_own_parent } = start;
        let mut reader = HeadReader::default();
        let result = if is_first {
            reader.takes_extended_connect(self.takes_extended_connect);
            reader.begin(limits);
            let decoded = self.hpack.decode_known(block, &mut |name, value, is_sound| {
                reader.known_field(name, value, is_sound, text, head)
            });
            decoded.map(|()| reader.finish(end_stream, text, head))
        } else {
            reader.begin_trailers(limits);
            let decoded =
                self.hpack.decode(block, &mut |name, value| reader.trailer(name, value, text));
            decoded.map(|()| reader.finish_trailers(text))
        };
        let result = result.map_err(|error| ConnectionError {
            code: ErrorCode::COMPRESSION_ERROR,
            why: error.message(),
        })?;
        Ok(match result {
            Err(Refused::TooMuch) => {
                return Err(ConnectionError::calm("the fields are far too large"));
            }
            _ if is_own_parent => Event::StreamError { stream, code: ErrorCode::PROTOCOL_ERROR },
            Ok(()) if is_first => Event::Request { stream, end_stream },
            Err(why) if is_first => Event::Refused { stream, end_stream, why },
            // A field section in the middle of a body (RFC 9113 §8.1).
            Ok(()) if end_stream => Event::Trailers { stream },
            _ => Event::TrailersMalformed { stream },
        })
    }
}

#[cfg(test)]
mod tests;
