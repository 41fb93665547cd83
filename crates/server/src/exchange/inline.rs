//! A response that is made once and sent many times.

use std::sync::Arc;

use reactor_proto::h2::{hpack, is_of_http1};
use reactor_proto::{Coding, response};

use crate::exchange::field_error::FieldError;
use crate::exchange::fields::FieldList;
use crate::exchange::response::{check_status, is_upgrade};

/// A pre-rendered response.
#[derive(Clone, Debug)]
pub struct Inline {
    pub(crate) status: u16,
    /// What every protocol sends.
    pub(crate) fields: FieldList,
    pub(crate) body: Arc<[u8]>,
    /// The same for HTTP/1, ready to be copied: the status line and all fields but `Date`
    /// and `Connection`.
    pub(crate) http1_head: Vec<u8>,
    /// The same for HTTP/2, as fields that use no table.
    pub(crate) http2_block: Vec<u8>,
    /// There is an Upgrade field, which Connection must name.
    pub(crate) upgrade: bool,
    /// It is not compressed.
    pub(crate) plain: bool,
}

/// The forms of one pre-rendered response: in each coding, and as it is with a field that tells
/// caches of the others. None of them if it is not compressed.
#[derive(Debug, Default)]
pub(crate) struct InlineSet {
    pub(crate) coded: [Option<Arc<Inline>>; Coding::COUNT],
    pub(crate) plain: Option<Arc<Inline>>,
}

impl Inline {
    /// Renders a response. `Content-Length` is added, `Date` and `Connection`
    /// are written when it is sent.
    ///
    /// # Errors
    /// [`FieldError`] for a status outside 200 to 999, a name that is no token, or a value with
    /// control characters. Also for a field that the server itself writes.
    pub fn new(
        status: u16,
        fields: &[(&str, &[u8])],
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, FieldError> {
        Self::with_phrase(status, b"", fields, body)
    }

    /// The same with a reason phrase; an empty one is that of the status.
    ///
    /// # Errors
    /// As [`Inline::new`], and for a phrase with control characters.
    pub fn with_phrase(
        status: u16,
        phrase: &[u8],
        fields: &[(&str, &[u8])],
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, FieldError> {
        check_status(status)?;
        let mut http1_head = Vec::new();
        response::status_line_with(&mut http1_head, status, phrase)?;
        let mut list = FieldList::default();
        let mut upgrade = false;
        for (name, value) in fields {
            upgrade |= is_upgrade(name);
            list.push_own(name, value)?;
        }
        http1_head.extend_from_slice(list.lines());
        let mut body: Vec<u8> = body.into();
        if !response::has_content(status) {
            body.clear();
        }
        if response::has_body(status) {
            response::content_length(&mut http1_head, body.len() as u64);
        }
        let http2_block = http2_block(status, &list, &body);
        let body = body.into();
        Ok(Self { status, fields: list, body, http1_head, http2_block, upgrade, plain: false })
    }

    /// Never compresses it.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// The same with another body, and other lines of fields.
    pub(crate) fn with(&self, body: Arc<[u8]>, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut fields = self.fields.clone();
        change(fields.buffer());
        // The status line stays, whatever its phrase is.
        let end = self.http1_head.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut http1_head = self.http1_head[..end].to_vec();
        http1_head.extend_from_slice(fields.lines());
        response::content_length(&mut http1_head, body.len() as u64);
        let http2_block = http2_block(self.status, &fields, &body);
        Self { fields, body, http1_head, http2_block, ..self.clone() }
    }
}

/// The status and the fields for HTTP/2, with the length of the body where the status has one.
fn http2_block(status: u16, fields: &FieldList, body: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::status_literal(&mut block, status);
    for (name, value) in fields.iter() {
        if !is_of_http1(name) {
            hpack::literal(&mut block, &name.to_ascii_lowercase(), value);
        }
    }
    if response::has_body(status) {
        hpack::literal(&mut block, b"content-length", body.len().to_string().as_bytes());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_find_the_fields_that_http1_sends() {
        let inline = Inline::new(200, &[("A", b"1"), ("B", b"2: 3")], "hello").unwrap();
        let fields: [(&[u8], &[u8]); 2] = [(b"A", b"1"), (b"B", b"2: 3")];
        assert!(inline.fields.iter().eq(fields));
        let head = b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2: 3\r\nContent-Length: 5\r\n";
        assert_eq!(inline.http1_head, head);
    }
}
