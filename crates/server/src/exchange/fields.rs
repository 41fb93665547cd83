//! The fields of a response, as every protocol takes them.

use reactor_proto::response;

use crate::exchange::field_error::FieldError;

/// Fields in the order in which they were added. Names and values are valid, so each
/// protocol may write them as they are.
///
/// The text is that of HTTP/1 (RFC 9112 §5), because a loop then copies it in one piece.
/// Other protocols go over [`iter`](Self::iter).
#[derive(Clone, Debug, Default)]
pub struct FieldList {
    lines: Vec<u8>,
}

impl FieldList {
    /// Adds a field. One of the same name stays, as with `Set-Cookie`.
    ///
    /// # Errors
    /// [`FieldError`] for a name that is no token, for a value with control characters, and for the
    /// fields that the server itself writes.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.push_own(name, value.as_ref())
    }

    /// Adds a trailer field (RFC 9110 §6.5).
    ///
    /// # Errors
    /// As [`field`](Self::field), and for fields that frame or route a message.
    pub fn trailer(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        const OF_HEADS: [&str; 6] =
            ["keep-alive", "proxy-connection", "upgrade", "trailer", "te", "host"];
        if OF_HEADS.iter().any(|of_heads| name.eq_ignore_ascii_case(of_heads)) {
            return Err(FieldError::Reserved(name.to_owned()));
        }
        self.push_own(name, value.as_ref())
    }

    /// Adds a field. One of the same name stays, as with `Set-Cookie`.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        Ok(response::field(&mut self.lines, name, value)?)
    }

    /// As [`push`](Self::push), but refuses the fields that say where a message ends and what
    /// happens to its connection. The protocol writes those.
    pub(crate) fn push_own(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        const RESERVED: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(FieldError::Reserved(name.to_owned()));
        }
        self.push(name, value)
    }

    /// Adds a whole line that is known to be right, with its line end.
    pub(crate) fn push_line(&mut self, line: &'static [u8]) {
        debug_assert!(line.ends_with(b"\r\n"));
        self.lines.extend_from_slice(line);
    }

    /// The first value of a field, by its name in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let is = |field: &(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.iter().find(is).map(|(_, value)| value)
    }

    /// Takes out all fields of a name.
    pub(crate) fn remove(&mut self, name: &str) {
        let mut kept = Vec::with_capacity(self.lines.len());
        for line in self.lines.split_inclusive(|&byte| byte == b'\n') {
            let is_it = line.get(..name.len()).is_some_and(|start| {
                start.eq_ignore_ascii_case(name.as_bytes()) && line.get(name.len()) == Some(&b':')
            });
            if !is_it {
                kept.extend_from_slice(line);
            }
        }
        self.lines = kept;
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // Neither a name nor a value holds CR or LF, and no name holds a colon.
        self.lines.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r\n")?;
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }

    /// The lines of HTTP/1, each with its line end.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines, to be changed or emptied by the caller.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_added() {
        let mut fields = FieldList::default();
        fields.push("A", b"1: 2").unwrap();
        fields.push_line(b"Content-Type: application/json\r\n");
        fields.push("Set-Cookie", b"").unwrap();
        fields.push_own("set-cookie", "\u{e9}=1".as_bytes()).unwrap();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"A", b"1: 2"),
            (b"Content-Type", b"application/json"),
            (b"Set-Cookie", b""),
            (b"set-cookie", "\u{e9}=1".as_bytes()),
        ];
        assert!(fields.iter().eq(expected));
        assert!(fields.push("A", b"1\r\nB: 2").is_err() && fields.push("A:", b"").is_err());
        assert!(fields.push_own("Content-LENGTH", b"3").is_err());
        assert!(fields.iter().eq(expected));
    }
}
