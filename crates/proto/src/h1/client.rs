//! Response decoding: the client's side, for programs that send requests.
//!
//! Sans-IO and strict like the rest. The decoder passes bodies on as they come. It keeps
//! only an incomplete head, up to [`MAX_HEAD`] bytes.
//!
//! ```
//! use reactor_proto::h1::client::{Decoder, HeadCache};
//!
//! let (mut decoder, mut cache) = (Decoder::default(), HeadCache::new(false));
//! let received = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
//! let step = decoder.decode(received, &mut cache)?;
//! assert_eq!(&received[step.body], b"hi");
//! assert_eq!(step.end.map(|head| head.status), Some(200));
//! # Ok::<(), reactor_proto::h1::client::ResponseError>(())
//! ```

mod cache;
mod error;
mod head;

use std::ops::Range;

pub use cache::HeadCache;
pub use error::ResponseError;
pub use head::{BodyFraming, MAX_HEAD, ResponseHead};

use super::chunked::{Chunked, Step as ChunkedStep};
use crate::semantics::Limits;

/// Bodies are not kept, so they need no bound. The framing of a chunked body has the same
/// bounds as a request's.
const LIMITS: Limits = Limits {
    request_line: 0,
    head: MAX_HEAD,
    fields: 1000,
    body: u64::MAX,
    chunk_extensions: 16 * 1024,
    trailers: 16 * 1024,
    streams: 1,
};

/// What [`Decoder::decode`] came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are used up.
    pub used: usize,
    /// The part of the input that is body, decoded; may be empty.
    pub body: Range<usize>,
    /// The response ended here, and this was its head.
    pub end: Option<ResponseHead>,
}

/// The state of one connection's responses.
#[derive(Debug, Default)]
pub struct Decoder {
    at: At,
    /// The beginning of a head that is not complete yet.
    kept: Vec<u8>,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Head,
    Length(ResponseHead, u64),
    Chunked(ResponseHead, Chunked),
    UntilClose(ResponseHead),
}

impl Decoder {
    /// Reads `input`, the next bytes of the connection. Call it again with the unused rest
    /// while there is one; all of an incomplete head is used up. Interim responses (1xx) are
    /// skipped (RFC 9110 §15.2).
    ///
    /// # Errors
    /// [`ResponseError`]. The connection cannot be used after it.
    #[inline]
    pub fn decode(&mut self, input: &[u8], cache: &mut HeadCache) -> Result<Step, ResponseError> {
        if !matches!(self.at, At::Head) {
            return self.body(input, 0);
        }
        let (used, head) = if self.kept.is_empty()
            && let Some(hit) = cache.find(input)
        {
            hit
        } else {
            match self.head(input, cache)? {
                Some(parsed) => parsed,
                None => return Ok(Step { used: input.len(), ..Step::default() }),
            }
        };
        match head.framing {
            // An interim response; the final one follows.
            BodyFraming::None if head.status < 200 => Ok(Step { used, ..Step::default() }),
            BodyFraming::None | BodyFraming::Length(0) => {
                Ok(Step { used, body: used..used, end: Some(head) })
            }
            BodyFraming::Length(length) => {
                self.at = At::Length(head, length);
                self.body(input, used)
            }
            BodyFraming::Chunked => {
                self.at = At::Chunked(head, Chunked::of_response());
                self.body(input, used)
            }
            BodyFraming::UntilClose => {
                self.at = At::UntilClose(head);
                self.body(input, used)
            }
        }
    }

    /// Tells the decoder that the connection has ended. Returns the head of the response that
    /// this completes; none between two responses.
    ///
    /// # Errors
    /// [`ResponseError::Truncated`] inside a response.
    pub fn finish(&mut self) -> Result<Option<ResponseHead>, ResponseError> {
        match std::mem::take(&mut self.at) {
            At::Head if self.kept.is_empty() => Ok(None),
            At::UntilClose(head) => Ok(Some(head)),
            At::Head | At::Length(..) | At::Chunked(..) => Err(ResponseError::Truncated),
        }
    }

    /// Forgets everything, for a new connection.
    pub fn reset(&mut self) {
        self.at = At::Head;
        self.kept.clear();
    }

    /// Whether a part of a response has come.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.kept.is_empty() || !matches!(self.at, At::Head)
    }

    /// Body bytes from `start` on.
    #[inline]
    fn body(&mut self, input: &[u8], start: usize) -> Result<Step, ResponseError> {
        let rest = &input[start..];
        match &mut self.at {
            At::Head => Ok(Step::default()),
            At::UntilClose(_) => {
                Ok(Step { used: input.len(), body: start..input.len(), end: None })
            }
            At::Length(head, left) => {
                let ready = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= ready as u64;
                let end = (*left == 0).then_some(*head);
                if end.is_some() {
                    self.at = At::Head;
                }
                Ok(Step { used: start + ready, body: start..start + ready, end })
            }
            At::Chunked(head, chunked) => {
                let (used, step) = chunked.decode(rest, &LIMITS).map_err(ResponseError::Chunked)?;
                let used = start + used;
                match step {
                    ChunkedStep::Incomplete | ChunkedStep::Trailers { .. } => {
                        Ok(Step { used, body: used..used, end: None })
                    }
                    ChunkedStep::Data { start: from, end } => {
                        Ok(Step { used, body: start + from..start + end, end: None })
                    }
                    ChunkedStep::End => {
                        let end = Some(*head);
                        self.at = At::Head;
                        Ok(Step { used, body: used..used, end })
                    }
                }
            }
        }
    }

    /// Reads a head whose beginning may have been kept. Returns how much of `input` belongs
    /// to it.
    fn head(
        &mut self,
        input: &[u8],
        cache: &mut HeadCache,
    ) -> Result<Option<(usize, ResponseHead)>, ResponseError> {
        if self.kept.is_empty() {
            let Some(len) = head::length(input, 0)? else {
                self.kept.extend_from_slice(input);
                return Ok(None);
            };
            return Ok(Some((len, cache.parse(&input[..len])?)));
        }
        let before = self.kept.len();
        // Copies no more than the longest head may have, and one byte to exceed it.
        let room = (MAX_HEAD - before.min(MAX_HEAD)).saturating_add(1).min(input.len());
        self.kept.extend_from_slice(&input[..room]);
        let Some(len) = head::length(&self.kept, before)? else {
            return Ok(None);
        };
        let head = cache.parse(&self.kept[..len])?;
        self.kept.clear();
        Ok(Some((len - before, head)))
    }
}

#[cfg(test)]
mod tests;
