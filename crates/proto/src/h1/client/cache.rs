//! Recognises a head that has come before.

use std::ops::Range;

use super::error::ResponseError;
use super::head::{self, ResponseHead};
use crate::semantics::class;

/// Longer heads are parsed every time.
const LONGEST: usize = 4096;

/// The last head that was parsed, and what it said.
///
/// A server answers one request with the same head again and again, but for its
/// Date. Bytes that are equal to the remembered head outside the value of its
/// one Date field, and that are valid there, make the same lines and so mean the
/// same: comparing them is all the parsing they need.
#[derive(Debug)]
pub struct HeadCache {
    /// Responses are to HEAD: none has a body (RFC 9112 §6.3).
    to_head: bool,
    bytes: Vec<u8>,
    date: Range<usize>,
    head: Option<ResponseHead>,
}

impl HeadCache {
    /// An empty one. It is for responses to one kind of request: `to_head` says
    /// that it is HEAD.
    #[must_use]
    pub fn new(to_head: bool) -> Self {
        Self { to_head, bytes: Vec::new(), date: 0..0, head: None }
    }

    /// Length and meaning of the head at the start of `input`, if it is the
    /// remembered one.
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
            // Whitespace at its ends would be no part of the value.
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
