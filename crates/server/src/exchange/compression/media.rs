//! Which media types are worth compressing.

/// Those that shrink and whose name does not say so by its prefix or suffix. In lower case.
const KNOWN: [&[u8]; 22] = [
    b"application/ecmascript",
    b"application/graphql",
    b"application/javascript",
    b"application/json",
    b"application/json-seq",
    b"application/jsonl",
    b"application/manifest",
    b"application/rtf",
    b"application/sql",
    b"application/toml",
    b"application/vnd.ms-fontobject",
    b"application/wasm",
    b"application/x-javascript",
    b"application/x-ndjson",
    b"application/x-sh",
    b"application/x-www-form-urlencoded",
    b"application/xml",
    b"application/xml-dtd",
    b"application/yaml",
    b"font/otf",
    b"font/ttf",
    b"image/bmp",
];

/// Suffixes of structured syntaxes (RFC 6838 §4.2.8).
const SUFFIXES: [&[u8]; 4] = [b"+json", b"+xml", b"+text", b"+yaml"];

/// Whether bodies of this Content-Type are worth it. `more` are further types.
pub(super) fn shrinks(content_type: &[u8], more: &[String]) -> bool {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    let media = content_type[..end].trim_ascii();
    let is = |other: &[u8]| media.eq_ignore_ascii_case(other);
    let begins =
        |with: &[u8]| media.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let ends = |with: &[u8]| {
        let at = media.len().checked_sub(with.len());
        at.is_some_and(|at| media[at..].eq_ignore_ascii_case(with))
    };
    begins(b"text/")
        || KNOWN.iter().any(|known| is(known))
        || SUFFIXES.iter().any(|suffix| ends(suffix))
        || is(b"image/x-icon")
        || is(b"image/vnd.microsoft.icon")
        || more.iter().any(|other| is(other.as_bytes()))
}
