//! The list of Sec-WebSocket-Extensions (RFC 6455 §9.1).

use std::error::Error;
use std::fmt;

use crate::semantics::class;

/// The extensions field breaks its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedExtensions;

impl fmt::Display for MalformedExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sec-WebSocket-Extensions is not a list of extensions (RFC 6455 section 9.1)")
    }
}

impl Error for MalformedExtensions {}

/// Reads the value of one field, an extension or parameter at a time.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    /// Inside an extension, after its name or a parameter.
    inside: bool,
}

/// What comes next in a list of extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'b> {
    /// An extension's name. Its parameters follow.
    Extension(&'b [u8]),
    /// A parameter of the extension before.
    Parameter(&'b [u8], Option<Value<'b>>),
}

/// A parameter's value. Where it was quoted, backslashes are still in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(field: &'b [u8]) -> Self {
        Self { rest: field, inside: false }
    }

    fn skip_ows(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn token(&mut self) -> Result<&'b [u8], MalformedExtensions> {
        match class::token_end(self.rest, 0) {
            0 => Err(MalformedExtensions),
            end => {
                let (token, rest) = self.rest.split_at(end);
                self.rest = rest;
                Ok(token)
            }
        }
    }

    /// A token, or a quoted string that is a token once its quotes are gone.
    fn value(&mut self) -> Result<Value<'b>, MalformedExtensions> {
        let [b'"', quoted @ ..] = self.rest else {
            return self.token().map(Value);
        };
        let mut at = 0;
        loop {
            at += match (quoted.get(at), quoted.get(at + 1)) {
                (Some(b'"'), _) if at > 0 => break,
                (Some(b'\\'), Some(&byte)) if class::is_token(byte) => 2,
                (Some(&byte), _) if class::is_token(byte) => 1,
                _ => return Err(MalformedExtensions),
            };
        }
        self.rest = &quoted[at + 1..];
        Ok(Value(&quoted[..at]))
    }

    fn item(&mut self) -> Result<Option<Item<'b>>, MalformedExtensions> {
        self.skip_ows();
        if self.inside {
            match self.rest {
                [] => return Ok(None),
                [b';', rest @ ..] => {
                    self.rest = rest;
                    self.skip_ows();
                    let name = self.token()?;
                    self.skip_ows();
                    let [b'=', rest @ ..] = self.rest else {
                        return Ok(Some(Item::Parameter(name, None)));
                    };
                    self.rest = rest;
                    self.skip_ows();
                    return Ok(Some(Item::Parameter(name, Some(self.value()?))));
                }
                [b',', rest @ ..] => {
                    self.rest = rest;
                    self.inside = false;
                }
                _ => return Err(MalformedExtensions),
            }
        }
        // A list may have empty elements (RFC 9110 §5.6.1).
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.inside = true;
        self.token().map(|name| Some(Item::Extension(name)))
    }
}

impl<'b> Iterator for Reader<'b> {
    type Item = Result<Item<'b>, MalformedExtensions>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.item();
        if item.is_err() {
            (self.rest, self.inside) = (&[], false);
        }
        item.transpose()
    }
}

impl Value<'_> {
    /// The number that it is: digits without a leading zero, at most two.
    pub(crate) fn number(self) -> Option<u8> {
        let mut digits = self.0.iter().filter(|byte| **byte != b'\\');
        let mut number = 0u8;
        for (at, &digit) in digits.by_ref().enumerate() {
            if at == 2 || !digit.is_ascii_digit() || (at == 0 && digit == b'0') {
                return None;
            }
            number = number * 10 + (digit - b'0');
        }
        (number > 0).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name`, `name; a=1`, … joined by ` | `.
    fn read(field: &str) -> Result<String, MalformedExtensions> {
        let mut shown = String::new();
        for item in Reader::new(field.as_bytes()) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match item? {
                Item::Extension(name) => {
                    shown += if shown.is_empty() { "" } else { " | " };
                    shown += &text(name);
                }
                Item::Parameter(name, None) => shown += &format!("; {}", text(name)),
                Item::Parameter(name, Some(value)) => {
                    shown += &format!("; {}={}", text(name), text(value.0));
                }
            }
        }
        Ok(shown)
    }

    #[test]
    fn lists_are_read() {
        let cases = [
            ("", ""),
            (" , ,", ""),
            ("foo", "foo"),
            ("foo,bar", "foo | bar"),
            ("foo ; a ;b=1 , bar; c = 2", "foo; a; b=1 | bar; c=2"),
            ("foo; a=\"1\\0\"", "foo; a=1\\0"),
            (",foo,,bar,", "foo | bar"),
        ];
        for (field, expect) in cases {
            assert_eq!(read(field).as_deref(), Ok(expect), "{field}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for field in [
            ";",
            "foo;",
            "foo;,bar",
            "foo bar",
            "foo; a=",
            "foo; =1",
            "foo; a=\"\"",
            "foo; a=\"1",
            "foo; a=\"1 2\"",
            "foo; a=\"1\\\"",
            "foo; a=\"1\"x",
            "f\u{e9}",
            "foo; a b",
            "foo=1",
            "foo; a=\"\\\"\"",
            "\"foo\"",
            "foo\x00",
        ] {
            assert_eq!(read(field), Err(MalformedExtensions), "{field:?}");
        }
    }

    #[test]
    fn numbers_are_plain() {
        let cases: [(&[u8], Option<u8>); 9] = [
            (b"8", Some(8)),
            (b"15", Some(15)),
            (b"1\\0", Some(10)),
            (b"\\9", Some(9)),
            (b"08", None),
            (b"0", None),
            (b"100", None),
            (b"+9", None),
            (b"x", None),
        ];
        for (text, number) in cases {
            assert_eq!(Value(text).number(), number, "{text:?}");
        }
    }
}
