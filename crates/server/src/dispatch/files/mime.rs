//! The media types of files by their extension, and which types are worth compressing.
//!
//! `scripts/mime.mjs` makes both tables of mime-db, and says what it chooses where mime-db leaves
//! a choice. They are text, 37 KiB, and searched as they are: a table of `&str` would take three
//! times as much, with a relocation for each at every start.

/// A line `extension type` each, by the bytes of the extension. Lines end with LF.
const TYPES: &str = include_str!("mime/types.txt");

/// Types that compress well though their names do not show it, a line each.
const COMPRESSIBLE: &str = include_str!("mime/compressible.txt");

/// No extension is longer.
const LONGEST: usize = 32;

/// The Content-Type of a file with this name, or path, by what follows its last dot, in any case.
/// None if nothing is known of it, or if it has no extension: `.profile` has none.
///
/// Text, JavaScript and JSON have `; charset=utf-8`. XML has not, nor has SVG: they say their
/// encoding themselves.
pub fn content_type(name: &[u8]) -> Option<&'static str> {
    let name = name.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let extension = &name[dot + 1..];
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    if dot == 0 { None } else { find(lower) }
}

/// Halves the text until one line is left.
fn find(extension: &[u8]) -> Option<&'static str> {
    let mut lines = TYPES;
    while !lines.is_empty() {
        // The line around the middle. There are no characters but ASCII, so every place is one
        // between characters.
        let middle = lines.len() / 2;
        let start = lines[..middle].rfind('\n').map_or(0, |end| end + 1);
        let end = middle + lines[middle..].find('\n')?;
        let (found, media_type) = lines[start..end].split_once(' ')?;
        match extension.cmp(found.as_bytes()) {
            std::cmp::Ordering::Less => lines = &lines[..start],
            std::cmp::Ordering::Equal => return Some(media_type),
            std::cmp::Ordering::Greater => lines = &lines[end + 1..],
        }
    }
    None
}

/// Whether a body with this Content-Type gets clearly smaller by compression: text, and what is
/// text by another name, but no images, films and archives. Parameters do not matter.
pub fn is_compressible(content_type: &[u8]) -> bool {
    let end = content_type.iter().position(|&byte| byte == b';');
    let media_type = content_type[..end.unwrap_or(content_type.len())].trim_ascii();
    let ends_with = |suffix: &str| {
        let at = media_type.len().checked_sub(suffix.len());
        at.is_some_and(|at| media_type[at..].eq_ignore_ascii_case(suffix.as_bytes()))
    };
    let is_text = media_type.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
    is_text
        || ["json", "xml", "javascript", "yaml", "text"].into_iter().any(|name| {
            let before = media_type.len().checked_sub(name.len() + 1).map(|at| media_type[at]);
            ends_with(name) && matches!(before, Some(b'/' | b'+'))
        })
        || COMPRESSIBLE.lines().any(|line| media_type.eq_ignore_ascii_case(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<&'static str> {
        content_type(name.as_bytes())
    }

    #[test]
    fn types_that_pages_are_made_of() {
        for (name, media_type) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a.htm", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.cjs", "text/javascript; charset=utf-8"),
            ("app.js.map", "application/json; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.jsonld", "application/ld+json; charset=utf-8"),
            ("a.geojson", "application/geo+json; charset=utf-8"),
            ("a.webmanifest", "application/manifest+json; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.vtt", "text/vtt; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.xml", "application/xml"),
            ("a.svg", "image/svg+xml"),
            ("a.xhtml", "application/xhtml+xml"),
            ("a.rss", "application/rss+xml"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.jpeg", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("favicon.ico", "image/x-icon"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.otf", "font/otf"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.ogv", "video/ogg"),
            ("a.mov", "video/quicktime"),
            ("a.m3u8", "application/vnd.apple.mpegurl"),
            ("a.ts", "video/mp2t"),
            ("a.mpd", "application/dash+xml"),
            ("a.mp3", "audio/mpeg"),
            ("a.m4a", "audio/mp4"),
            ("a.wav", "audio/wav"),
            ("a.ogg", "audio/ogg"),
            ("a.flac", "audio/flac"),
            ("a.pdf", "application/pdf"),
            ("a.zip", "application/zip"),
            ("a.gz", "application/gzip"),
            ("a.tar.gz", "application/gzip"),
            ("a.svgz", "application/gzip"),
            ("a.zst", "application/zstd"),
            ("a.tar", "application/x-tar"),
            ("a.bin", "application/octet-stream"),
            // The first line, the last one, the longest extension.
            ("a.123", "application/vnd.lotus-1-2-3"),
            ("a.zmm", "application/vnd.handheld-entertainment+xml"),
            ("a.disposition-notification", "message/disposition-notification"),
        ] {
            assert_eq!(of(name), Some(media_type), "{name}");
            assert_eq!(of(&name.to_uppercase()), Some(media_type), "{name}");
            assert_eq!(of(&format!("/b.c/{name}")), Some(media_type), "{name}");
        }
    }

    #[test]
    fn names_without_a_known_extension() {
        for name in [
            "",
            ".",
            "..",
            "...",
            "/",
            "LICENSE",
            "html",
            ".html",
            "a/.html",
            "a.html/",
            "a.html/b",
            "a.",
            "a.html.",
            "a.nope",
            "a.html ",
            "a. html",
            "a.html\n",
            "a.html text/html",
            "a. ",
            "a.\n",
            "a.text/html",
            "a.h\u{442}ml",
            "a.\u{212a}ey",
            "\u{442}.\u{442}",
            "a.disposition-notificationdisposition-notification",
        ] {
            assert_eq!(of(name), None, "{name:?}");
        }
        assert_eq!(content_type(b"\xff\xfe.html"), Some("text/html; charset=utf-8"));
        assert_eq!(content_type(b"a.\xff"), None);
    }

    #[test]
    fn every_line_is_found() {
        let mut count = 0;
        for line in TYPES.lines() {
            let (extension, media_type) = line.split_once(' ').expect(line);
            assert_eq!(of(&format!("a.{extension}")), Some(media_type));
            assert!(extension.len() <= LONGEST && media_type.is_ascii(), "{line}");
            count += 1;
        }
        assert!(count > 1000, "{count}");
        assert!(TYPES.ends_with('\n'));
    }

    #[test]
    fn what_compresses() {
        for media_type in [
            "text/html",
            "text/html; charset=utf-8",
            "TEXT/HTML",
            "text/anything",
            "text/event-stream",
            "application/json",
            "application/json;charset=utf-8",
            "application/problem+json",
            "application/xml",
            "image/svg+xml",
            "Image/SVG+XML ; q",
            "application/javascript",
            "application/wasm",
            "font/ttf",
            "image/bmp",
            "image/x-icon",
            "application/x-ndjson",
            "application/vnd.ms-fontobject",
            "application/yaml",
        ] {
            assert!(is_compressible(media_type.as_bytes()), "{media_type}");
        }
        for media_type in [
            "",
            ";",
            "text",
            "json",
            "xml",
            "image/png",
            "image/jpeg",
            "image/webp",
            "video/mp4",
            "font/woff2",
            "application/zip",
            "application/gzip",
            "application/pdf",
            "application/octet-stream",
            "application/notjson",
            "application/x-wasm",
            "wasm",
            "application/wasm2",
            "multipart/form-data; boundary=text/html",
            "\u{fc}/\u{fc}",
        ] {
            assert!(!is_compressible(media_type.as_bytes()), "{media_type}");
        }
    }
}
