//! The path of a request as a path of a file.

/// The longest name of a file (NAME_MAX), and the longest path.
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;

/// A path in a folder, percent-decoded once. It has no `.` and no `..`, no empty segments, no NUL
/// and no `\`; a `/` in it separates segments, and never was `%2F`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath {
    /// Without `/` at start and end. Empty for the folder itself.
    bytes: Vec<u8>,
    /// The path ends with `/`, or is empty.
    folder: bool,
}

impl FilePath {
    /// Reads `rest`, which comes percent-encoded. None for a path that no file is served for:
    /// one that is not canonical, so that there is one way to ask for a file; one that is too
    /// long; one with a wrong escape; and, without `dotfiles`, one with a name that begins with
    /// a dot and is not `.well-known`.
    pub(crate) fn parse(rest: &[u8], dotfiles: bool) -> Option<Self> {
        // Three bytes of the request may be one of the path.
        if rest.len() > 3 * LONGEST_PATH {
            return None;
        }
        let (names, folder) = match rest.strip_suffix(b"/") {
            Some(names) => (names, true),
            None => (rest, rest.is_empty()),
        };
        let mut bytes = Vec::with_capacity(names.len());
        if names.is_empty() {
            return rest.is_empty().then_some(Self { bytes, folder });
        }
        for segment in names.split(|&byte| byte == b'/') {
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            let start = bytes.len();
            decode(segment, &mut bytes)?;
            let name = &bytes[start..];
            if !is_served(name, dotfiles) {
                return None;
            }
        }
        (bytes.len() <= LONGEST_PATH).then_some(Self { bytes, folder })
    }

    /// The path, without `/` at start and end.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is the path of a folder: it ends with `/`, or is the folder's itself.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder
    }

    /// The last segment.
    pub(crate) fn name(&self) -> &[u8] {
        self.bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// The folder that it is in, with `/` at the end; empty for the root.
    pub(crate) fn parent(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - self.name().len()]
    }
}

/// Whether a file of this name may be asked for.
pub(crate) fn is_served(name: &[u8], dotfiles: bool) -> bool {
    match name {
        b"" | b"." | b".." => false,
        [b'.', ..] if !dotfiles && name != b".well-known" => false,
        _ => {
            name.len() <= LONGEST_NAME && !name.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\'))
        }
    }
}

/// Appends what a percent-encoded segment stands for. None where an escape is wrong.
fn decode(segment: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            out.push(*first);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        out.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    Some(())
}

/// What a hexadecimal digit stands for.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The path of a redirect: `folder` as the request has it, and `name`, which is encoded here. It
/// begins with one `/`: with two it would name a host (RFC 3986 §4.2), and browsers take `\` for `/`.
pub(crate) fn location(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let start = folder.iter().position(|byte| !matches!(byte, b'/' | b'\\'));
    let folder = &folder[start.unwrap_or(folder.len())..];
    let mut out = Vec::with_capacity(folder.len() + name.len() + 1);
    out.push(b'/');
    for &byte in folder {
        // Escapes that are there stay as they are.
        if byte == b'%' || byte == b'/' { out.push(byte) } else { encode(byte, &mut out) }
    }
    for &byte in name {
        encode(byte, &mut out);
    }
    out
}

/// Appends a byte of a segment, encoded unless RFC 3986 §3.3 allows it there.
fn encode(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
        out.push(byte);
    } else {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(rest: &str) -> Option<(String, bool)> {
        let path = FilePath::parse(rest.as_bytes(), false)?;
        Some((String::from_utf8_lossy(path.as_bytes()).into_owned(), path.is_folder()))
    }

    #[test]
    fn paths_that_are_served() {
        for (rest, path, folder) in [
            ("", "", true),
            ("a", "a", false),
            ("a/", "a", true),
            ("a/b.js", "a/b.js", false),
            ("a%20b", "a b", false),
            ("%61", "a", false),
            ("caf%C3%a9", "café", false),
            ("100%25", "100%", false),
            ("%252e%252e/x", "%2e%2e/x", false),
            (".well-known/acme-challenge/x", ".well-known/acme-challenge/x", false),
            ("a..b", "a..b", false),
            ("a.", "a.", false),
            ("a%20", "a ", false),
            ("a:b", "a:b", false),
            ("a+b", "a+b", false),
            ("~user", "~user", false),
        ] {
            assert_eq!(parsed(rest), Some((path.to_owned(), folder)), "{rest}");
        }
    }

    #[test]
    fn paths_that_are_not() {
        for rest in [
            "/",
            "//",
            "/a",
            "a//b",
            "a//",
            "//a",
            ".",
            "..",
            "./",
            "../",
            "a/.",
            "a/..",
            "../a",
            "a/../b",
            "a/./b",
            "%2e",
            "%2E%2e",
            ".%2e/a",
            "%2e./a",
            "a/%2e%2e/b",
            "...",
            "..;/a",
            "..%20/a",
            "..%00/a",
            "a%2fb",
            "a%2Fb",
            "%2fa",
            "%2f",
            "a%5cb",
            "a\\b",
            "..\\a",
            "..%5ca",
            "%00",
            "a%00",
            "a%00.js",
            "%",
            "a%",
            "a%4",
            "a%4g",
            "%u002e%u002e/a",
            "%%41",
            ".env",
            ".git/config",
            "a/.htaccess",
            ".well-known/.x",
            "%2ewell-known2",
            "%2egit/x",
        ] {
            assert_eq!(parsed(rest), None, "{rest}");
        }
        assert!(FilePath::parse(b".env", true).is_some());
        assert!(FilePath::parse(b"a/..", true).is_none() && FilePath::parse(b".", true).is_none());
    }

    #[test]
    fn names_and_paths_have_an_end() {
        let name = |len| "x".repeat(len);
        assert!(parsed(&name(255)).is_some() && parsed(&name(256)).is_none());
        assert!(parsed(&"%78".repeat(255)).is_some() && parsed(&"%78".repeat(256)).is_none());
        let path = |len: usize| (name(63) + "/").repeat(len / 64);
        assert!(parsed(&(path(4032) + &name(64))).is_some());
        assert!(parsed(&(path(4032) + &name(65))).is_none());
    }

    #[test]
    fn a_path_has_a_name_and_a_parent() {
        let parts = |rest: &str| {
            let path = FilePath::parse(rest.as_bytes(), false).expect("it is right");
            (path.parent().to_owned(), path.name().to_owned())
        };
        assert_eq!(parts("a/b/c"), (b"a/b/".to_vec(), b"c".to_vec()));
        assert_eq!(parts("a/b/"), (b"a/".to_vec(), b"b".to_vec()));
        assert_eq!(parts("a"), (b"".to_vec(), b"a".to_vec()));
        assert_eq!(parts(""), (b"".to_vec(), b"".to_vec()));
    }

    #[test]
    fn a_redirect_stays_on_this_host() {
        let text = |folder: &str, name: &str| {
            String::from_utf8(location(folder.as_bytes(), name.as_bytes())).expect("ASCII")
        };
        assert_eq!(text("/docs/", ""), "/docs/");
        assert_eq!(text("/a%20b/", "caf\u{e9} 100%"), "/a%20b/caf%C3%A9%20100%25");
        assert_eq!(text("/", "x?y#z"), "/x%3Fy%23z");
        assert_eq!(text("//evil.example/", "x"), "/evil.example/x");
        assert_eq!(text("/\\evil.example/", "x"), "/evil.example/x");
        assert_eq!(text("/a/\r\nb: c/", ""), "/a/%0D%0Ab:%20c/");
    }

    proptest! {
        #[test]
        fn no_path_leads_up(rest in "[ -~\u{e9}]{0,40}|(\\.|/|%2e|%2f|%5c|\\\\|%25|%00|a){0,12}") {
            if let Some(path) = FilePath::parse(rest.as_bytes(), true) {
                let bytes = path.as_bytes();
                prop_assert!(!bytes.iter().any(|byte| matches!(byte, 0 | b'\\')));
                if !bytes.is_empty() {
                    for name in bytes.split(|&byte| byte == b'/') {
                        prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                    }
                }
                // Whoever encodes the path gets the same file.
                let mut again = location(b"", b"");
                again.clear();
                for (i, name) in bytes.split(|&byte| byte == b'/').enumerate() {
                    if i > 0 {
                        again.push(b'/');
                    }
                    again.extend_from_slice(&location(b"", name)[1..]);
                }
                let again = FilePath::parse(&again, true).expect("it was right");
                prop_assert_eq!(again.as_bytes(), bytes);
            }
        }
    }
}
