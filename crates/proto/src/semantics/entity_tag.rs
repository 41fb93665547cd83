//! Entity tags (RFC 9110 §8.8.3).

use super::class;

/// An entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// The tag at the beginning of `bytes`, and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (is_weak, bytes) = match bytes.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let inner = bytes.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| !is_etagc(byte))?;
        if inner[end] != b'"' {
            return None;
        }
        let (opaque, rest) = bytes.split_at(end + 2);
        Some((Self { is_weak, opaque }, rest))
    }

    /// A field's whole value, as in ETag and If-Range.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        Self::split(value).and_then(|(tag, rest)| rest.is_empty().then_some(tag))
    }

    /// Strong comparison (RFC 9110 §8.8.3.2): the same bytes stand behind both.
    pub(crate) fn is_same_strong(self, other: Self) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// Weak comparison (RFC 9110 §8.8.3.2): one may be used instead of the other.
    pub(crate) fn is_same_weak(self, other: Self) -> bool {
        self.opaque == other.opaque
    }
}

/// `etagc`: any visible character but the quote, commas too, and `obs-text`.
fn is_etagc(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

/// The entity tags of one line of If-Match or If-None-Match. An element that is none is
/// ignored, up to the next comma.
pub(crate) fn entity_tags(line: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = class::trim_ows(rest);
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                return None;
            }
            if let Some((tag, after)) = EntityTag::split(rest) {
                let after = class::trim_ows(after);
                if matches!(after, [] | [b',', ..]) {
                    rest = after;
                    return Some(tag);
                }
            }
            rest = memchr::memchr(b',', rest).map_or(&[], |comma| &rest[comma..]);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> EntityTag<'_> {
        EntityTag::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn comparison() {
        // The table of RFC 9110 §8.8.3.2.
        for (one, other, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(tag(one).is_same_strong(tag(other)), strong, "{one} {other}");
            assert_eq!(tag(other).is_same_strong(tag(one)), strong, "{other} {one}");
            assert_eq!(tag(one).is_same_weak(tag(other)), weak, "{one} {other}");
            assert_eq!(tag(other).is_same_weak(tag(one)), weak, "{other} {one}");
        }
        assert!(!tag("\"a\"").is_same_weak(tag("\"A\"")));
        assert!(!tag("\"a\"").is_same_weak(tag("\"\"")));
    }

    #[test]
    fn what_is_a_tag() {
        for text in ["\"\"", "\"x\"", "W/\"\"", "\"a,b\"", "\"\\\"", "\"\u{e9}!#~\""] {
            assert!(EntityTag::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "", "x", "\"", "\"x", "x\"", "w/\"x\"", "W\"x\"", "W/ \"x\"", "W/x", "W/", "\"a b\"",
            "\"a\tb\"", "\"x\" ", " \"x\"", "\"x\"y", "'x'", "\"\x7f\"", "\"a\"b\"", "*",
        ] {
            assert_eq!(EntityTag::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lists() {
        let of = |line: &str| {
            let tags = entity_tags(line.as_bytes());
            let shown = tags.map(|tag| {
                let weak = if tag.is_weak { "W/" } else { "" };
                weak.to_owned() + &String::from_utf8_lossy(tag.opaque)
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        for (line, tags) in [
            ("", ""),
            (" , ,, ", ""),
            ("\"a\"", "\"a\""),
            ("\"a\",\"b\"", "\"a\" \"b\""),
            (",  \"a\" ,\tW/\"b\",", "\"a\" W/\"b\""),
            ("\"a,b\", \"c\"", "\"a,b\" \"c\""),
            ("\",\"", "\",\""),
            // What is no tag is left out, and its neighbours are not.
            ("a, \"b\"", "\"b\""),
            ("\"a\" \"b\", \"c\"", "\"c\""),
            ("\"a\"x, \"c\"", "\"c\""),
            ("\"a, \"b\"", "\"b\""),
            ("\"a", ""),
            ("*, \"a\"", "\"a\""),
            ("w/\"a\", W/\"b\"", "W/\"b\""),
        ] {
            assert_eq!(of(line), tags, "{line}");
        }
    }
}
