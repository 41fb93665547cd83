//! The ways to split a byte stream into pieces. The verdict must not depend on them.

use std::ops::Range;

/// How the bytes of a connection arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// All at once.
    Whole,
    /// In two pieces, cut at this offset.
    Split(usize),
    /// Byte by byte.
    Bytes,
    /// In pieces of uneven length, drawn from this seed.
    Seeded(u64),
}

impl Segments {
    /// The pieces that `len` bytes arrive in, in order; none of them is empty.
    #[must_use]
    pub fn pieces(self, len: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut state = match self {
            Self::Seeded(seed) => seed.wrapping_mul(2) | 1,
            _ => 1,
        };
        while start < len {
            let end = match self {
                Self::Whole => len,
                Self::Split(at) if start < at => at.min(len),
                Self::Split(_) => len,
                Self::Bytes => start + 1,
                Self::Seeded(_) => {
                    // xorshift64: good enough to vary lengths, and the same on every run.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let longest = 1 << (1 + state % 6);
                    let step = 1 + usize::try_from((state >> 32) % longest).unwrap_or(0);
                    (start + step).min(len)
                }
            };
            pieces.push(start..end);
            start = end;
        }
        pieces
    }
}

/// Streams up to this length are cut at every offset.
const EVERY: usize = 2048;

/// Offsets to split `bytes` at: all of them, unless the stream is long. For a long stream they
/// are those around line ends and delimiters near either end, and some in between.
#[must_use]
pub fn split_points(bytes: &[u8]) -> Vec<usize> {
    if bytes.len() <= EVERY {
        return (1..bytes.len()).collect();
    }
    let is_edge = |at: &usize| {
        let near = &bytes[at.saturating_sub(2)..(at + 1).min(bytes.len())];
        near.iter().any(|byte| b"\r\n:; ,".contains(byte))
    };
    let edges: Vec<usize> = (1..bytes.len()).filter(is_edge).collect();
    let mut points: Vec<usize> = Vec::new();
    // Long streams repeat themselves, so the first and last edges tell the most.
    points.extend(edges.iter().take(48));
    points.extend(edges.iter().rev().take(48));
    points.extend((1..=32).map(|part| bytes.len() * part / 33));
    // Limits are powers of two and 8000; their neighbours show an error by one.
    for limit in [8000, 8192, 16384, 32768] {
        points.extend((limit - 1..=limit + 2).filter(|at| *at < bytes.len()));
    }
    points.retain(|at| *at > 0);
    points.sort_unstable();
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once() {
        for segments in [
            Segments::Whole,
            Segments::Split(3),
            Segments::Split(40),
            Segments::Bytes,
            Segments::Seeded(7),
        ] {
            let mut next = 0;
            for piece in segments.pieces(20) {
                assert_eq!(piece.start, next, "{segments:?}");
                assert!(!piece.is_empty(), "{segments:?}");
                next = piece.end;
            }
            assert_eq!(next, 20, "{segments:?}");
        }
    }

    #[test]
    fn short_streams_are_cut_everywhere_and_long_ones_sampled() {
        assert_eq!(split_points(b"abcd"), [1, 2, 3]);
        let long = b"GET / HTTP/1.1\r\n".repeat(1000);
        let points = split_points(&long);
        assert!(points.len() < 200 && points.contains(&14) && points.contains(&15));
        assert!(points.contains(&8192) && *points.last().expect("not empty") < long.len());
    }
}
