//! A body that is compressed as it comes.

use std::fmt;

use reactor_proto::Coding;
use zlib_rs::crc32::crc32;

use crate::encoder::{Encoder, Format, Settings};
use crate::{CompressError, Effort, MOST_PADDING, total};

/// What is collected before it is compressed, unless a flush asks for it. Longer blocks have
/// better codes.
const COLLECTED: usize = 16 * 1024;

/// One body. Its memory is [`held`](Self::held) until it is dropped.
pub struct Stream {
    settings: Settings,
    encoder: Box<Encoder>,
    /// The window, and behind it what has come since.
    data: Vec<u8>,
    /// Where that begins.
    from: usize,
    /// Of the whole input, for the end of a gzip file.
    sum: u32,
    len: u32,
    has_begun: bool,
    padding: Vec<u8>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("format", &self.settings.format).finish_non_exhaustive()
    }
}

impl Stream {
    /// Bytes of memory that a stream comes to hold, about.
    pub const WEIGHT: usize = 256 * 1024;

    /// Begins a body. `padding` is as in [`compress_padded`](crate::compress_padded).
    ///
    /// # Errors
    /// [`CompressError::Unsupported`].
    pub fn new(coding: Coding, effort: Effort, padding: &[u8]) -> Result<Self, CompressError> {
        let format = Format::of(coding).ok_or(CompressError::Unsupported(coding))?;
        Ok(Self {
            settings: Settings::new(format, effort, None),
            encoder: Box::default(),
            data: Vec::new(),
            from: 0,
            sum: 0,
            len: 0,
            has_begun: false,
            padding: padding[..padding.len().min(MOST_PADDING)].to_vec(),
        })
    }

    /// Takes the next bytes and appends what is ready to `out`. With `flush` that is all of them:
    /// a client can read them at once.
    pub fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) {
        self.begin(out);
        if self.settings.format == Format::Gzip {
            self.sum = crc32(self.sum, input);
        }
        self.len = self.len.wrapping_add(total(input.len()));
        let mut rest = input;
        while !rest.is_empty() {
            let room = COLLECTED.saturating_sub(self.data.len() - self.from).max(1);
            let (piece, behind) = rest.split_at(rest.len().min(room));
            self.data.extend_from_slice(piece);
            rest = behind;
            if self.data.len() - self.from >= COLLECTED {
                self.compress(false, out);
            }
        }
        if flush && !(input.is_empty() && self.from == self.data.len()) {
            self.compress(false, out);
            self.encoder.flush(&self.settings, out);
        }
    }

    /// Appends the rest and the end to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.compress(true, out);
        let len = self.data.len();
        self.encoder.end(&self.settings, len, self.sum, self.len, out);
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        size_of::<Self>() + self.encoder.held() + self.data.capacity()
    }

    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        self.encoder.age();
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            self.has_begun = true;
            let window = self.settings.reach();
            self.encoder.begin(&self.settings, window, &self.padding, out);
        }
    }

    fn compress(&mut self, is_last: bool, out: &mut Vec<u8>) {
        if self.from == self.data.len() && !is_last {
            return;
        }
        self.encoder.write(&self.settings, &self.data, self.from, is_last, out);
        self.from = self.data.len();
        // The window must stay. What lies before it goes, but not with each flush: that moves it.
        let window = self.settings.reach();
        if self.data.len() + COLLECTED > 2 * window {
            let dropped = self.data.len() - window;
            self.data.copy_within(dropped.., 0);
            self.data.truncate(window);
            self.from = window;
            self.encoder.forget(dropped);
        }
    }
}
