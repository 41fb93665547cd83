//! Paths as the URL standard's parser writes them.

/// `path` as the URL standard's parser writes it; `None` where that is `path` itself, as for
/// every path that a browser sends.
///
/// The normal form has no segments `.` and `..` (RFC 3986 §5.2.4), where each dot may also be
/// written `%2e`. Characters of the path percent-encode set are encoded in it.
///
/// A program sees the normal form in its request's URL. If routes were looked up by another
/// form, `/public/../admin` would pass a guard of `/admin`.
#[must_use]
pub fn normal_path(path: &[u8]) -> Option<Vec<u8>> {
    // A segment of dots begins with a dot or with `%`.
    let mut before = 0;
    let is_suspect = path.iter().any(|&byte| {
        let suspect = is_encoded(byte) || (before == b'/' && matches!(byte, b'.' | b'%'));
        before = byte;
        suspect
    });
    if is_suspect { rewritten(path) } else { None }
}

#[cold]
fn rewritten(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"/")?;
    let mut normal = Vec::with_capacity(path.len());
    let mut segments = rest.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let dots = dots(segment);
        if dots == Some(2) {
            normal.truncate(normal.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
        }
        if dots.is_none() {
            normal.push(b'/');
            encode(&mut normal, segment);
        } else if segments.peek().is_none() {
            // `/a/..` is a folder, as `/a/../` is.
            normal.push(b'/');
        }
    }
    (normal != path).then_some(normal)
}

/// Whether a URL parser writes this byte of a path as `%` and two digits. These are the bytes
/// of the path percent-encode set (URL standard, §1.3) except for three: `?` and `#` end a
/// path, and Node before 24 does not encode `^`.
#[inline]
fn is_encoded(byte: u8) -> bool {
    ENCODED[usize::from(byte)]
}

static ENCODED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte <= 0x20 || byte >= 0x7f;
        byte += 1;
    }
    let others = b"\"<>`{}";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

/// Appends a segment as a URL parser writes it. Encoded bytes stay as they are, with the case
/// of their digits.
fn encode(out: &mut Vec<u8>, segment: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in segment {
        if is_encoded(byte) {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        } else {
            out.push(byte);
        }
    }
}

/// The number of dots in a segment of one or two dots; `None` for any other segment.
pub(crate) fn dots(mut segment: &[u8]) -> Option<usize> {
    let mut count = 0;
    while let [first, rest @ ..] = segment {
        segment = match (first, rest) {
            (b'.', rest) | (b'%', [b'2', b'e' | b'E', rest @ ..]) if count < 2 => rest,
            _ => return None,
        };
        count += 1;
    }
    (count > 0).then_some(count)
}

/// Appends a segment of a pattern. As [`encode`], but with `%5E` for `^`, which browsers send.
/// So a pattern matches the same path on every Node.
pub(crate) fn encode_pattern(out: &mut Vec<u8>, segment: &[u8]) {
    for (index, piece) in segment.split(|&byte| byte == b'^').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"%5E");
        }
        encode(out, piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        let normal = normal_path(path.as_bytes());
        normal.map_or_else(|| path.to_owned(), |normal| String::from_utf8(normal).unwrap())
    }

    /// What `new URL(path, 'http://h').pathname` says in Node.
    #[test]
    fn is_what_the_url_standard_makes_of_it() {
        for (path, expected) in [
            ("/./admin/x", "/admin/x"),
            ("/a/../admin", "/admin"),
            ("/a/%2e%2E/admin", "/admin"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("/a\"b", "/a%22b"),
            ("/<a>/{b}/`c", "/%3Ca%3E/%7Bb%7D/%60c"),
            ("/x/../{b}", "/%7Bb%7D"),
            ("/..", "/"),
            ("/../../x", "/x"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/a//../b", "/a/b"),
            ("//..", "/"),
            ("/a/..//b", "//b"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_stay_as_they_are() {
        for path in [
            "/",
            "*",
            "",
            "/a",
            "/a/b.js",
            "/.well-known/x",
            "/..a",
            "/...",
            "/a/...%2e",
            "/%2",
            "/%2f..",
            "/%61",
            "/a%2e%2e/b",
            "//a",
            "/a//",
            "/%252e",
            "/%2f%2F/%5c",
            "/a|b[c]'~;x=1^",
        ] {
            assert_eq!(normal_path(path.as_bytes()), None, "{path}");
        }
    }
}
