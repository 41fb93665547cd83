//! Paths without dot segments.

/// `path` as the URL standard's parser makes it: without the segments `.` and
/// `..` (RFC 3986 §5.2.4), each dot as itself or as `%2e`, and with `/` for `\`.
/// `None` where that is `path` itself, as it is with all that browsers send.
///
/// A program sees the normal form in its request's URL. If routes were looked
/// up by another, `/public/../admin` would be a way around what guards `/admin`.
#[must_use]
pub fn normal_path(path: &[u8]) -> Option<Vec<u8>> {
    // A segment of dots begins with one, or with `%`.
    let mut before = 0;
    let is_suspect = path.iter().any(|&byte| {
        let suspect = byte == b'\\' || (before == b'/' && matches!(byte, b'.' | b'%'));
        before = byte;
        suspect
    });
    if is_suspect { rewritten(path) } else { None }
}

#[cold]
fn rewritten(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"/")?;
    let mut normal = Vec::with_capacity(path.len());
    let mut segments = rest.split(|byte| matches!(byte, b'/' | b'\\')).peekable();
    while let Some(segment) = segments.next() {
        let dots = dots(segment);
        if dots == Some(2) {
            normal.truncate(normal.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
        }
        if dots.is_none() {
            normal.push(b'/');
            normal.extend_from_slice(segment);
        } else if segments.peek().is_none() {
            // `/a/..` is a folder, as `/a/../` is.
            normal.push(b'/');
        }
    }
    (normal != path).then_some(normal)
}

/// How many dots a segment is, if it is nothing else, and one or two.
fn dots(mut segment: &[u8]) -> Option<usize> {
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
            ("/a\\..\\admin", "/admin"),
            ("/admin\\users", "/admin/users"),
            ("/..", "/"),
            ("/../../x", "/x"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/a//../b", "/a/b"),
            ("//..", "/"),
            ("/a/..//b", "//b"),
            ("/\\", "//"),
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
        ] {
            assert_eq!(normal_path(path.as_bytes()), None, "{path}");
        }
    }
}
