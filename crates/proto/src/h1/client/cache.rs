//! Recognises a head that is the same as the last one.

use std::ops::Range;

use super::error::ResponseError;
use super::head::{self, ResponseHead};
use crate::semantics::class;

/// Longer heads are parsed every time.
const LONGEST: usize = 4096;

/// The last head that was parsed, and what it said.
///
/// A server answers the same request with the same head again and again; only the Date
/// differs. So a head needs no parsing if it equals the last one outside the value of its
/// one Date field, and has valid bytes there. Both have the same lines and mean the same.
#[derive(Debug)]
pub struct HeadCache {
    /// The responses answer HEAD, so none has a body (RFC 9112 §6.3).
    to_head: bool,
    bytes: Vec<u8>,
    date: Range<usize>,
    head: Option<ResponseHead>,
}

impl HeadCache {
    /// An empty cache for responses to one kind of request; `to_head` says that it is HEAD.
    #[must_use]
    pub fn new(to_head: bool) -> Self {
        Self { to_head, bytes: Vec::new(), date: 0..0, head: None }
    }

    /// Length and meaning of the head at the start of `input`, if it is the last one again.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8]) -> Option<(usize, ResponseHead)> {
        let head = self.head?;
        let Range { start, end } = self.date;
        let len = self.bytes.len();
        let input = input.get(..len)?;
        if input[end..] != self.bytes[end..] || input[..start] != self.bytes[..start] {
            return None;
        }
        if input[start..end] != self.bytes[start..end] {
            let date = &input[start..end];
            // Only the value's own bytes are replaced, and each must be valid in a value.
            if !date.iter().all(|&byte| class::is_value(byte)) {
                return None;
            }
            self.bytes[start..end].copy_from_slice(date);
        }
        Some((len, head))
    }

    /// Parses a whole head and remembers it.
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Result<ResponseHead, ResponseError> {
        let (head, date) = head::parse(bytes, self.to_head)?;
        self.bytes.clear();
        self.head = (bytes.len() <= LONGEST).then_some(head);
        if self.head.is_some() {
            self.bytes.extend_from_slice(bytes);
            self.date = date.unwrap_or(0..0);
        }
        Ok(head)
    }
}
