//! UTF-8 of text that arrives in pieces (RFC 6455 §8.1).

use std::error::Error;
use std::fmt;

use simdutf8::compat::from_utf8;

/// Checks text piece by piece. A character may be cut between pieces.
///
/// It fails with the piece that has the first byte which no valid text can have there, not
/// only at the end of the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character whose end has not come.
    cut: [u8; 3],
    len: u8,
}

/// The bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not UTF-8")
    }
}

impl Error for InvalidUtf8 {}

impl Utf8 {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// If no text can begin with what has come.
    #[inline]
    pub fn piece(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        if self.len > 0 {
            piece = self.complete(piece)?;
        }
        match from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(error) => {
                self.keep(&piece[error.valid_up_to()..]);
                Ok(())
            }
        }
    }

    /// Ends the text; the next piece begins another.
    ///
    /// # Errors
    ///
    /// If the text ends inside a character.
    #[inline]
    pub fn end(&mut self) -> Result<(), InvalidUtf8> {
        match std::mem::take(&mut self.len) {
            0 => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }

    /// Takes the rest of the character that is cut, and returns what follows it.
    #[cold]
    fn complete<'b>(&mut self, piece: &'b [u8]) -> Result<&'b [u8], InvalidUtf8> {
        let (mut character, had) = ([0; 4], usize::from(self.len));
        character[..had].copy_from_slice(&self.cut[..had]);
        for (i, &byte) in piece.iter().enumerate() {
            // A character has four bytes at most: five are never cut, so `len` stays below 4.
            let len = had + i + 1;
            character[len - 1] = byte;
            match from_utf8(&character[..len]) {
                Ok(_) => {
                    self.len = 0;
                    return Ok(&piece[i + 1..]);
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => self.keep(&character[..len]),
            }
        }
        Ok(&[])
    }

    fn keep(&mut self, cut: &[u8]) {
        self.cut[..cut.len()].copy_from_slice(cut);
        self.len = u8::try_from(cut.len()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Result<(), InvalidUtf8> {
        let mut utf8 = Utf8::default();
        for piece in pieces {
            utf8.piece(piece)?;
        }
        utf8.end()
    }

    #[test]
    fn agrees_with_std_on_every_cut() {
        let texts: [&[u8]; 18] = [
            b"",
            b"plain",
            "κόσμε ☃ 𝄞 end".as_bytes(),
            "\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
            b"\xc0\xaf",
            b"\xe0\x80\x80",
            b"\xe0\x9f\xbf",
            b"\xed\xa0\x80",
            b"\xed\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80",
            b"\xfe",
            b"a\x80b",
            b"\xce",
            b"\xf0\x9d\x84",
            b"\xe2\x98\x83\xe2\x98",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65",
        ];
        for text in texts {
            let expect = std::str::from_utf8(text).is_ok();
            for a in 0..=text.len() {
                for b in a..=text.len() {
                    let found = check([&text[..a], &text[a..b], &text[b..]]);
                    assert_eq!(found.is_ok(), expect, "{text:x?} cut at {a} and {b}");
                }
            }
            assert_eq!(check(text.chunks(1)).is_ok(), expect, "{text:x?} byte by byte");
        }
    }

    #[test]
    fn fails_at_the_first_byte_that_cannot_be_right() {
        // The byte that makes it hopeless, for each.
        let cases: [(&[u8], usize); 8] = [
            (b"\xc0", 0),
            (b"\xf5", 0),
            (b"\xe0\x80", 1),
            (b"\xed\xa0", 1),
            (b"\xf0\x8f", 1),
            (b"\xf4\x90", 1),
            (b"ok\xf0\x9d\x84x", 5),
            (b"\x80", 0),
        ];
        for (text, hopeless) in cases {
            let mut utf8 = Utf8::default();
            for (i, byte) in text.chunks(1).enumerate() {
                assert_eq!(utf8.piece(byte).is_err(), i == hopeless, "{text:x?} at {i}");
            }
        }
    }

    #[test]
    fn the_next_text_begins_afresh() {
        let mut utf8 = Utf8::default();
        utf8.piece(b"\xce").unwrap();
        assert_eq!(utf8.end(), Err(InvalidUtf8));
        utf8.piece(b"x").unwrap();
        assert_eq!(utf8.end(), Ok(()));
    }
}
