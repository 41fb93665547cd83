//! The Range field (RFC 9110 §14).

use std::fmt;
use std::ops::{Deref, Range};

use super::class;

/// What of a representation a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and a box would be allocated"
)]
pub enum Ranges {
    /// All of it, as if there were no Range: a 200.
    Whole,
    /// One range: a 206 with Content-Range. It is not empty, and within the representation.
    One(Range<u64>),
    /// At least two ranges in the order asked for: a 206 as multipart/byteranges. None is empty,
    /// all are within the representation, and together they are no longer than it.
    Many(RangeList),
    /// No range begins within the representation: a 416.
    Unsatisfiable,
}

/// At most [`RangeList::MAX`] ranges.
#[derive(Clone, PartialEq, Eq)]
pub struct RangeList {
    len: usize,
    /// Empty beyond `len`.
    ranges: [Range<u64>; Self::MAX],
}

impl RangeList {
    /// How many ranges a request may ask for. With more, its Range is ignored.
    pub const MAX: usize = 16;

    fn new() -> Self {
        Self { len: 0, ranges: [const { 0..0 }; Self::MAX] }
    }

    /// The caller has seen to it that it has a place.
    fn push(&mut self, range: Range<u64>) {
        self.ranges[self.len] = range;
        self.len += 1;
    }
}

impl Deref for RangeList {
    type Target = [Range<u64>];

    fn deref(&self) -> &[Range<u64>] {
        &self.ranges[..self.len]
    }
}

impl fmt::Debug for RangeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl Ranges {
    /// Reads a Range for a representation of `size` bytes.
    ///
    /// A server may ignore the field (RFC 9110 §14.2), and here it does for another unit than
    /// `bytes`, for a value that is not right in all its parts, and for one that costs more than
    /// the whole: more than [`RangeList::MAX`] ranges, or overlapping ones that together are
    /// longer than the representation. So it is for an empty representation, of which no range
    /// can be named: some clients send a Range with every request.
    ///
    /// A number beyond 64 bits is as good as the largest.
    pub(crate) fn parse(value: &[u8], size: u64) -> Self {
        let Some(set) = byte_range_set(value) else { return Self::Whole };
        let mut list = RangeList::new();
        // How much more the ranges may be together. None: they are too much.
        let (mut count, mut left) = (0, Some(size));
        for spec in set.split(|&byte| byte == b',') {
            let spec = class::trim_ows(spec);
            if spec.is_empty() {
                continue;
            }
            count += 1;
            let Some(range) = range_of(spec, size) else { return Self::Whole };
            if count > RangeList::MAX {
                return Self::Whole;
            }
            if !range.is_empty() {
                left = left.and_then(|left| left.checked_sub(range.end - range.start));
                list.push(range);
            }
        }
        match &*list {
            _ if count == 0 || size == 0 || left.is_none() => Self::Whole,
            [] => Self::Unsatisfiable,
            [one] => Self::One(one.clone()),
            _ => Self::Many(list),
        }
    }
}

/// What follows `bytes=`. The names of units have no case (RFC 9110 §14.1).
fn byte_range_set(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// An `int-range` or a `suffix-range` (RFC 9110 §14.1.1), cut to the representation: empty if it
/// is not in it. None if it is neither.
fn range_of(spec: &[u8], size: u64) -> Option<Range<u64>> {
    let dash = memchr::memchr(b'-', spec)?;
    let (first, last) = (number(&spec[..dash])?, number(&spec[dash + 1..])?);
    match (first, last) {
        (None, None) => None,
        (None, Some(suffix)) => Some(size.saturating_sub(suffix)..size),
        (Some(first), None) => Some(first.min(size)..size),
        (Some(first), Some(last)) if first <= last => {
            Some(first.min(size)..last.saturating_add(1).min(size))
        }
        (Some(_), Some(_)) => None,
    }
}

/// Digits as a number, the largest where it is larger. `Some(None)`: there are none. None: there
/// is something else.
fn number(digits: &[u8]) -> Option<Option<u64>> {
    let mut number = (!digits.is_empty()).then_some(0u64);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = u64::from(digit - b'0');
        number = number.map(|number| number.saturating_mul(10).saturating_add(digit));
    }
    Some(number)
}

#[cfg(test)]
mod tests;
