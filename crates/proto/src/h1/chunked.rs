//! The chunked transfer coding (RFC 9112 §7.1) as a state machine over bytes.
//!
//! The machine consumes each byte as soon as it has judged it. So a chunk line needs no buffer,
//! however slowly it arrives. Whoever wants the trailers keeps them.

use crate::semantics::{Limits, RequestError, class};

/// Digits that the largest size takes.
const MOST_DIGITS: u8 = 16;

/// The state of one chunked body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunked {
    at: At,
    /// Hexadecimal digits of the size read so far, [`MOST_DIGITS`] at most.
    digits: u8,
    /// The chunk's size while it is read, then what is left of its data.
    left: u64,
    /// Data bytes of the chunks up to this one.
    total: u64,
    /// Extension bytes of the message so far, and leading zeros beyond [`MOST_DIGITS`].
    extensions: u32,
    /// Trailer bytes so far.
    trailers: u32,
    /// Trailer fields so far.
    fields: u32,
    /// A trailer's value may continue in the next line.
    folds: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    /// Whitespace between the size, or an extension, and a semicolon.
    BeforeSemicolon,
    /// After a semicolon.
    BeforeName,
    Name,
    /// Whitespace after an extension name: `=` or `;` has to come.
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    /// Just after a quoted string.
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Start of a trailer line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
}

/// What [`Chunked::decode`] came to.
pub(crate) enum Step {
    /// All input is consumed and more is needed.
    Incomplete,
    /// `input[start..end]` is data; everything up to `end` is consumed.
    Data { start: usize, end: usize },
    /// `input[start..end]` are bytes of the trailer section's lines; everything up to `end` is
    /// consumed.
    Trailers { start: usize, end: usize },
    /// The trailer section is over.
    End,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self {
            at: At::Size,
            digits: 0,
            left: 0,
            total: 0,
            extensions: 0,
            trailers: 0,
            fields: 0,
            folds: false,
        }
    }

    /// The state for a response's body. A client reads folded lines; a server refuses them
    /// (RFC 9112 §5.2).
    pub(crate) fn of_response() -> Self {
        Self { folds: true, ..Self::new() }
    }

    /// Consumes framing up to the next data, the end, or the end of `input`.
    /// Returns how many bytes of `input` are used up.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Step), RequestError> {
        let mut i = 0;
        if self.in_trailers() {
            let end = self.trailers(input, 0, limits)?;
            if end > 0 {
                return Ok((end, Step::Trailers { start: 0, end }));
            }
        }
        while let Some(&byte) = input.get(i) {
            if self.at == At::Data {
                let ready = u64::try_from(input.len() - i).unwrap_or(u64::MAX).min(self.left);
                self.left -= ready;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                // `ready` is at most `input.len()`, so it fits.
                let end = i + usize::try_from(ready).unwrap_or_default();
                return Ok((end, Step::Data { start: i, end }));
            }
            self.at = self.step(byte, limits)?;
            i += 1;
            if self.at == At::Done {
                return Ok((i, Step::End));
            }
            if self.at == At::Trailer {
                // The line of the last chunk was that.
                let end = self.trailers(input, i, limits)?;
                if end > i {
                    return Ok((end, Step::Trailers { start: i, end }));
                }
            }
        }
        Ok((i, Step::Incomplete))
    }

    fn in_trailers(&self) -> bool {
        matches!(self.at, At::Trailer | At::TrailerName | At::TrailerValue | At::TrailerLf)
    }

    /// Consumes lines of the trailer section, up to the blank line that ends it or the end of
    /// `input`. Returns where they end.
    #[cold]
    fn trailers(
        &mut self,
        input: &[u8],
        start: usize,
        limits: &Limits,
    ) -> Result<usize, RequestError> {
        let mut i = start;
        while let Some(&byte) = input.get(i) {
            if self.at == At::Trailer && byte == b'\r' {
                break;
            }
            let before = *self;
            match self.trailer(byte, limits) {
                Ok(at) => self.at = at,
                // What came before the fault counts, however the bytes are split.
                Err(_) if i > start => {
                    *self = before;
                    break;
                }
                Err(error) => return Err(error),
            }
            i += 1;
        }
        Ok(i)
    }

    // One caller, for each byte: it must be part of that.
    #[inline(always)]
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<At, RequestError> {
        match self.at {
            At::Size => self.size(byte, limits),
            At::BeforeSemicolon
            | At::BeforeName
            | At::Name
            | At::AfterName
            | At::BeforeValue
            | At::Value
            | At::Quoted
            | At::Escaped
            | At::AfterQuoted => self.extension(byte, limits),
            At::SizeLf => self.size_line_end(byte, limits),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => {
                self.digits = 0;
                Ok(At::Size)
            }
            At::DataCr | At::DataLf => Err(RequestError::ChunkDataEnd),
            At::Trailer | At::TrailerName | At::TrailerValue | At::TrailerLf | At::LastLf => {
                self.trailer(byte, limits)
            }
            // `decode` itself handles data, and is not called again after the end.
            At::Data | At::Done => Ok(self.at),
        }
    }

    fn size(&mut self, byte: u8, limits: &Limits) -> Result<At, RequestError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(RequestError::ChunkSizeInvalid),
            b'\r' => return Ok(At::SizeLf),
            b'\n' => return Err(RequestError::ChunkLineEnd),
            b' ' | b'\t' | b';' => {
                self.at = At::BeforeSemicolon;
                return self.extension(byte, limits);
            }
            _ => return Err(RequestError::ChunkSizeInvalid),
        };
        // Sizes stay below 2^63, for the sake of readers that keep them in signed numbers.
        if self.left > (i64::MAX as u64) >> 4 {
            return Err(RequestError::ChunkSizeTooLarge);
        }
        // The grammar allows any number of leading zeros (RFC 9112 §7.1). Those that no size
        // needs share the limit of extensions.
        if self.digits == MOST_DIGITS {
            self.extensions = self.extensions.saturating_add(1);
            if self.extensions as usize > limits.chunk_extensions {
                return Err(RequestError::ChunkSizeTooLarge);
            }
        } else {
            self.digits += 1;
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(At::Size)
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, checked and
    /// dropped (RFC 9112 §7.1.1).
    fn extension(&mut self, byte: u8, limits: &Limits) -> Result<At, RequestError> {
        let ows = class::is_ows(byte);
        let token = class::is_token(byte);
        let next = match (self.at, byte) {
            (At::Name | At::Value | At::AfterQuoted, b'\r') => return Ok(At::SizeLf),
            (At::Name | At::Value | At::AfterQuoted, b'\n') => {
                return Err(RequestError::ChunkLineEnd);
            }
            (At::BeforeSemicolon, _) if ows => At::BeforeSemicolon,
            (
                At::BeforeSemicolon | At::Name | At::AfterName | At::Value | At::AfterQuoted,
                b';',
            ) => At::BeforeName,
            (At::BeforeName, _) if ows => At::BeforeName,
            (At::BeforeName | At::Name, _) if token => At::Name,
            (At::Name | At::AfterName, b'=') => At::BeforeValue,
            (At::Name | At::AfterName, _) if ows => At::AfterName,
            (At::BeforeValue, _) if ows => At::BeforeValue,
            (At::BeforeValue, b'"') => At::Quoted,
            (At::BeforeValue | At::Value, _) if token => At::Value,
            (At::Value | At::AfterQuoted, _) if ows => At::BeforeSemicolon,
            (At::Quoted, b'"') => At::AfterQuoted,
            (At::Quoted, b'\\') => At::Escaped,
            (At::Quoted | At::Escaped, _) if class::is_value(byte) => At::Quoted,
            _ => return Err(RequestError::ChunkExtensionInvalid),
        };
        self.extensions = self.extensions.saturating_add(1);
        if self.extensions as usize > limits.chunk_extensions {
            return Err(RequestError::ChunkExtensionsTooLarge);
        }
        Ok(next)
    }

    fn size_line_end(&mut self, byte: u8, limits: &Limits) -> Result<At, RequestError> {
        if byte != b'\n' {
            return Err(RequestError::ChunkLineEnd);
        }
        if self.left == 0 {
            return Ok(At::Trailer);
        }
        // Both are below 2^63 (or the limit), so the sum does not wrap.
        self.total = self.total.saturating_add(self.left);
        if self.total > limits.body {
            return Err(RequestError::BodyTooLarge);
        }
        Ok(At::Data)
    }

    /// The trailer section: field lines, checked as strictly as a head's, then a blank line.
    /// They never become part of the head, so no trailer can pass for a header field
    /// (RFC 9110 §6.5.1).
    fn trailer(&mut self, byte: u8, limits: &Limits) -> Result<At, RequestError> {
        self.trailers = self.trailers.saturating_add(1);
        if self.trailers as usize > limits.trailers {
            return Err(RequestError::TrailersTooLarge);
        }
        match (self.at, byte) {
            (At::Trailer, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::Done),
            (At::Trailer, _) if class::is_token(byte) => {
                self.fields += 1;
                if self.fields as usize > limits.fields {
                    return Err(RequestError::TrailersTooLarge);
                }
                Ok(At::TrailerName)
            }
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerName, _) if class::is_token(byte) => Ok(At::TrailerName),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, _) if class::is_value(byte) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::Trailer),
            (At::Trailer, b' ' | b'\t') if self.folds && self.fields > 0 => Ok(At::TrailerValue),
            _ => Err(RequestError::TrailerInvalid),
        }
    }
}
