use super::chunked::{Chunked, Step};
use super::head::{self, Progress};
use super::meaning;
use crate::semantics::{Framing, Head, Limits, RequestError, class};

/// Blank lines that are skipped before a request line. RFC 9112 §2.2 asks for at least one,
/// because some clients send a CRLF after a body.
const BLANK_LINES: u8 = 8;

/// What [`Decoder::decode`] found next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet; call again with more bytes. Some bytes may be used up already.
    Incomplete,
    /// A complete head. Its bytes are `input[used - head.len()..used]`. With
    /// [`Framing::None`] the request is complete, and no `End` follows.
    Head,
    /// Body bytes `input[start..end]`, at least one.
    Data {
        /// Offset of the first body byte.
        start: usize,
        /// Offset just past the last.
        end: usize,
    },
    /// Bytes `input[start..end]` of the trailer section, at least one. Together they are whole
    /// lines, as they came: name, colon, value and line end. No line is a field of the head, however
    /// it is called (RFC 9110 §6.5.1).
    Trailers {
        /// Offset of the first byte.
        start: usize,
        /// Offset just past the last.
        end: usize,
    },
    /// The body is complete.
    End,
}

/// The read side of one connection: a state, without any buffer.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    Head { blank_lines: u8, progress: Progress },
    Length { left: u64 },
    Chunked(Chunked),
    Failed(RequestError),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Head { blank_lines: 0, progress: Progress::default() }
    }
}

// One of these is kept for every open connection, idle ones too.
const _: () = assert!(size_of::<Decoder>() <= 64);

impl Decoder {
    /// Finds the next event in `input`, the bytes received and not used up yet.
    ///
    /// Returns how many bytes are used up. The caller drops these, and passes the rest with
    /// newly arrived bytes to the next call. Call it until it returns
    /// [`Event::Incomplete`]; the body's [`Event::End`] may need no bytes.
    ///
    /// The result depends on the bytes alone, not on how they are split into calls.
    ///
    /// # Errors
    ///
    /// The first fault in the bytes. Each later call returns it again.
    #[inline]
    pub fn decode(
        &mut self,
        input: &[u8],
        head: &mut Head,
        limits: &Limits,
    ) -> Result<(usize, Event), RequestError> {
        let result = match &mut self.phase {
            Phase::Head { .. } => self.head(input, head, limits),
            Phase::Length { left } => {
                let (used, event) = length(left, input);
                if event == Event::End {
                    self.phase = Phase::default();
                }
                return Ok((used, event));
            }
            Phase::Chunked(chunked) => match chunked.decode(input, limits) {
                Ok((used, Step::Incomplete)) => Ok((used, Event::Incomplete)),
                Ok((used, Step::Data { start, end })) => Ok((used, Event::Data { start, end })),
                Ok((used, Step::Trailers { start, end })) => {
                    Ok((used, Event::Trailers { start, end }))
                }
                Ok((used, Step::End)) => {
                    self.phase = Phase::default();
                    Ok((used, Event::End))
                }
                Err(error) => Err(error),
            },
            Phase::Failed(error) => return Err(*error),
        };
        if let Err(error) = result {
            self.phase = Phase::Failed(error);
        }
        result
    }

    /// How much of a body is still to come, if its length was declared.
    #[must_use]
    pub fn body_left(&self) -> Option<u64> {
        match self.phase {
            Phase::Length { left } => Some(left),
            _ => None,
        }
    }

    /// The caller has read this many bytes of the body itself. They are at most
    /// [`body_left`](Self::body_left). The body's [`Event::End`] is still to come.
    pub fn skip_body(&mut self, bytes: usize) {
        if let Phase::Length { left } = &mut self.phase {
            debug_assert!(bytes as u64 <= *left);
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Whether the connection may end here, if no input is left unused.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        matches!(&self.phase, Phase::Head { progress, .. } if progress.is_fresh())
    }

    /// Whether a body has begun and its [`Event::End`] is still to come.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self.phase, Phase::Length { .. } | Phase::Chunked(_))
    }

    #[inline]
    fn head(
        &mut self,
        input: &[u8],
        head: &mut Head,
        limits: &Limits,
    ) -> Result<(usize, Event), RequestError> {
        let Phase::Head { blank_lines, progress } = &mut self.phase else {
            return Ok((0, Event::Incomplete));
        };
        let mut start = 0;
        if progress.is_fresh() {
            match input.first() {
                Some(&byte) if class::is_token(byte) => {}
                _ => {
                    start = skip_blank_lines(input, blank_lines)?;
                    if start + 1 >= input.len() && input.get(start).is_none_or(|&b| b == b'\r') {
                        return Ok((start, Event::Incomplete));
                    }
                }
            }
        }
        let buf = &input[start..];
        let Some(len) = head::parse(buf, progress, head, limits)? else {
            return Ok((start, Event::Incomplete));
        };
        meaning::apply(&buf[..len], head, limits)?;
        head.len = len;
        self.phase = match head.framing {
            Framing::None => Phase::default(),
            Framing::Length(left) => Phase::Length { left },
            Framing::Chunked => Phase::Chunked(Chunked::new()),
        };
        Ok((start + len, Event::Head))
    }
}

/// Returns where the blank lines before a request end. That is at a byte that can start a
/// method, at a CR whose LF has not arrived, or at the end. Any other byte is refused at
/// once, without waiting for the end of its line. It most likely starts a TLS handshake,
/// whose client waits for an answer.
#[cold]
fn skip_blank_lines(input: &[u8], seen: &mut u8) -> Result<usize, RequestError> {
    let mut at = 0;
    loop {
        match (input.get(at), input.get(at + 1)) {
            (None, _) | (Some(b'\r'), None) => return Ok(at),
            (Some(b'\r'), Some(b'\n')) => {
                *seen += 1;
                if *seen > BLANK_LINES {
                    return Err(RequestError::TooManyBlankLines);
                }
                at += 2;
            }
            (Some(b'\r'), Some(_)) => return Err(RequestError::BareCr),
            (Some(b'\n'), _) => return Err(RequestError::BareLf),
            (Some(&byte), _) if class::is_token(byte) => return Ok(at),
            _ => return Err(RequestError::MethodInvalid),
        }
    }
}

fn length(left: &mut u64, input: &[u8]) -> (usize, Event) {
    if *left == 0 {
        return (0, Event::End);
    }
    if input.is_empty() {
        return (0, Event::Incomplete);
    }
    let ready = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= ready as u64;
    (ready, Event::Data { start: 0, end: ready })
}

#[cfg(test)]
mod tests;
