//! A body that is compressed as it comes.

use reactor_proto::Coding;

use crate::brotli::BrotliStream;
use crate::gzip::GzipStream;
use crate::zstd::ZstdStream;
use crate::{CompressError, MOST_PADDING, supports};

/// One body. Its memory is [`held`](Self::held) until it is dropped.
#[derive(Debug)]
pub struct Stream {
    encoder: Encoder,
    padding: Vec<u8>,
    has_begun: bool,
    /// There is input that a flush would show.
    is_dirty: bool,
    has_failed: bool,
}

#[derive(Debug)]
enum Encoder {
    Gzip(GzipStream),
    Brotli(BrotliStream),
    Zstd(ZstdStream),
}

impl Stream {
    /// The most bytes of memory that a stream comes to hold.
    pub const WEIGHT: usize = 768 * 1024;

    /// Begins a body. There is one effort for streams, since it decides their memory, and there may
    /// be many at a time. `padding` is as in [`compress_padded`](crate::compress_padded).
    ///
    /// # Errors
    /// [`CompressError`], but not that the input is too long: streams have no end.
    pub fn new(coding: Coding, padding: &[u8]) -> Result<Self, CompressError> {
        if !supports(coding) {
            return Err(CompressError::Unsupported(coding));
        }
        let encoder = match coding {
            Coding::Brotli => BrotliStream::new().map(Encoder::Brotli),
            Coding::Zstd => ZstdStream::new().map(Encoder::Zstd),
            Coding::Gzip | Coding::Identity => Some(Encoder::Gzip(GzipStream::new())),
        };
        let padding = padding[..padding.len().min(MOST_PADDING)].to_vec();
        let encoder = encoder.ok_or(CompressError::Failed)?;
        Ok(Self { encoder, padding, has_begun: false, is_dirty: false, has_failed: false })
    }

    /// Takes the next bytes and appends what is ready to `out`. With `flush` that is all of them:
    /// a client can read them at once.
    ///
    /// If the encoder fails, which takes a lack of memory, nothing comes any more, nor does the
    /// end: the client's decoder then finds that the body was cut.
    pub fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) {
        self.begin(out);
        self.is_dirty |= !input.is_empty();
        if self.has_failed || !self.is_dirty {
            return;
        }
        self.is_dirty = !flush;
        let done = match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.write(input, flush, out),
            Encoder::Brotli(encoder) => encoder.write(input, flush, out),
            Encoder::Zstd(encoder) => encoder.write(input, flush, out),
        };
        self.has_failed |= done.is_none();
    }

    /// Appends the rest and the end to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.begin(out);
        if self.has_failed {
            return;
        }
        // If it fails, the end is missing, as in `write`.
        let _ = match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.finish(out),
            Encoder::Brotli(encoder) => encoder.finish(out),
            Encoder::Zstd(encoder) => encoder.finish(&self.padding, out),
        };
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        let encoder = match &self.encoder {
            Encoder::Gzip(_) => GzipStream::held(),
            Encoder::Brotli(encoder) => encoder.held(),
            Encoder::Zstd(encoder) => encoder.held(),
        };
        size_of::<Self>() + encoder + self.padding.capacity()
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        match &mut self.encoder {
            Encoder::Gzip(_) => GzipStream::begin(&self.padding, out),
            Encoder::Brotli(encoder) => {
                self.has_failed = encoder.pad(&self.padding, out).is_none();
            }
            // Its padding is at the end.
            Encoder::Zstd(_) => {}
        }
    }
}
