//! One compressor: what finds copies, and what writes each format.

use reactor_proto::Coding;

use crate::Effort;
use crate::bits::Bits;
use crate::brotli::{self, Brotli};
use crate::deflate::{self, Deflate, gzip_end, gzip_head};
use crate::matcher::{Matcher, Search, Sequence};

/// Bytes of a block, which has codes of its own.
pub(crate) const BLOCK: usize = 128 * 1024;

/// The window of a brotli stream in bits, and of one for a file.
const ANSWER_WINDOW: u32 = 18;
const FILE_WINDOW: u32 = 22;

/// How far back a stream's copies reach, in bits, whatever the window is said to be.
const STREAM_REACH: u32 = 15;

/// What is kept from input to input, in bytes of window.
const KEPT_WINDOW: usize = 256 * 1024;

/// The formats that an [`Encoder`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Brotli,
}

impl Format {
    pub(crate) fn of(coding: Coding) -> Option<Self> {
        match coding {
            Coding::Gzip => Some(Self::Gzip),
            Coding::Brotli => Some(Self::Brotli),
            Coding::Identity | Coding::Zstd => None,
        }
    }
}

/// Memory for one format at a time. Used again and again.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    matcher: Matcher,
    sequences: Vec<Sequence>,
    brotli: Option<Box<Brotli>>,
    deflate: Option<Box<Deflate>>,
    bits: Bits,
}

/// A stream's format and how it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) format: Format,
    search: Search,
    /// The window that a decoder must have, in bits.
    window: u32,
    /// How much of it is used, in bits.
    reach: u32,
}

impl Settings {
    /// For an input of `len` bytes, if that is known.
    pub(crate) fn new(format: Format, effort: Effort, len: Option<usize>) -> Self {
        let (depth, enough, patience) = match effort {
            Effort::Fast => (6, 64, 1),
            Effort::Cached => (96, 256, 4),
        };
        let largest = match (format, effort) {
            (Format::Gzip, _) => deflate::WINDOW.ilog2(),
            (Format::Brotli, Effort::Fast) => ANSWER_WINDOW,
            (Format::Brotli, Effort::Cached) => FILE_WINDOW,
        };
        let needed = len.map_or(brotli::SMALLEST_WINDOW, |len| {
            (len + brotli::GAP as usize).next_power_of_two().ilog2()
        });
        let smallest = brotli::SMALLEST_WINDOW.min(largest);
        let window = needed.clamp(smallest, largest);
        let (gap, longest) = match format {
            Format::Gzip => (0, deflate::LONGEST_COPY),
            Format::Brotli => (brotli::GAP, BLOCK),
        };
        let reach = if len.is_some() { window } else { window.min(STREAM_REACH) };
        let furthest = (1 << reach) - gap;
        let repeats = format == Format::Brotli;
        let search = Search { depth, enough, patience, furthest, longest, repeats };
        Self { format, search, window, reach }
    }

    /// How far back copies reach, in bytes.
    pub(crate) fn reach(&self) -> usize {
        1 << self.reach
    }
}

impl Encoder {
    /// Begins an input of about `expected` bytes.
    pub(crate) fn begin(
        &mut self,
        settings: &Settings,
        expected: usize,
        padding: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.matcher.begin(expected, settings.reach());
        self.bits = Bits::default();
        match settings.format {
            Format::Gzip => gzip_head(padding, out),
            Format::Brotli => {
                let brotli = self.brotli.get_or_insert_default();
                brotli.begin(settings.window, &mut self.bits, out);
                if !padding.is_empty() {
                    brotli.flush(padding, &mut self.bits, out);
                }
            }
        }
    }

    /// Writes `data[from..]`, in blocks. What lies before may be copied from.
    pub(crate) fn write(
        &mut self,
        settings: &Settings,
        data: &[u8],
        from: usize,
        is_last: bool,
        out: &mut Vec<u8>,
    ) {
        let mut from = from;
        loop {
            let end = data.len().min(from + BLOCK);
            let block = &data[..end];
            self.sequences.clear();
            self.matcher.parse(block, from, &settings.search, &mut self.sequences);
            let ends = is_last && end == data.len();
            let (sequences, bits) = (&self.sequences, &mut self.bits);
            match settings.format {
                Format::Gzip => {
                    let deflate = self.deflate.get_or_insert_default();
                    deflate.block(block, from, sequences, ends, bits, out);
                }
                Format::Brotli => {
                    let brotli = self.brotli.get_or_insert_default();
                    brotli.block(block, from, sequences, ends, bits, out);
                }
            }
            from = end;
            if from == data.len() {
                return;
            }
        }
    }

    /// Ends with a whole byte, so that a client can read all so far.
    pub(crate) fn flush(&mut self, settings: &Settings, out: &mut Vec<u8>) {
        match settings.format {
            Format::Gzip => Deflate::flush(&mut self.bits, out),
            Format::Brotli => {
                let brotli = self.brotli.get_or_insert_default();
                brotli.flush(&[], &mut self.bits, out);
            }
        }
    }

    /// The end of the input, of which the matcher has `len` bytes.
    pub(crate) fn end(
        &mut self,
        settings: &Settings,
        len: usize,
        sum: u32,
        total: u32,
        out: &mut Vec<u8>,
    ) {
        self.bits.align(out);
        if settings.format == Format::Gzip {
            gzip_end(sum, total, out);
        }
        self.matcher.forget(len);
        self.shrink();
    }

    /// The first `dropped` bytes of the data are no longer there.
    pub(crate) fn forget(&mut self, dropped: usize) {
        self.matcher.forget(dropped);
    }

    /// Lets memory go that a usual input does not need.
    fn shrink(&mut self) {
        self.matcher.shrink(KEPT_WINDOW);
        self.sequences.clear();
        self.sequences.shrink_to(BLOCK / 8);
        if let Some(brotli) = &mut self.brotli {
            brotli.shrink(BLOCK / 8);
        }
    }

    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        self.matcher.age();
    }

    /// Bytes of memory.
    pub(crate) fn held(&self) -> usize {
        let brotli = self.brotli.as_ref().map_or(0, |brotli| brotli.held());
        let deflate = self.deflate.as_ref().map_or(0, |_| Deflate::held());
        let sequences = self.sequences.capacity() * size_of::<Sequence>();
        self.matcher.held() + sequences + brotli + deflate
    }
}
