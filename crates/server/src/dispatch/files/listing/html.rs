//! A folder as HTML: with its style, and nothing else to load or run.

use std::io::Write;

use reactor_proto::date;

use crate::dispatch::files::path::digit;

/// A file or folder that the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListingEntry {
    /// In its folder; any bytes but NUL and `/`.
    pub(crate) name: Vec<u8>,
    pub(crate) is_directory: bool,
    /// In bytes. That of a folder is not shown.
    pub(crate) size: u64,
    /// When its content last changed, in seconds after 1970.
    pub(crate) modified: i64,
}

/// The page of the folder that was asked for by `path`, percent-encoded as it was sent, with or
/// without a `/` at its end. The last `levels` segments of it are inside the folder that is
/// served: only these have links to what is above them. All links are relative, so a proxy may
/// have put the page elsewhere.
///
/// Folders come first, and names are sorted without regard to case. `left_out` entries are not
/// shown.
pub(crate) fn page(
    path: &[u8],
    levels: usize,
    mut entries: Vec<ListingEntry>,
    left_out: usize,
) -> Vec<u8> {
    entries.sort_by_cached_key(|entry| {
        (!entry.is_directory, entry.name.to_ascii_lowercase(), entry.name.clone())
    });
    let place = Place::of(path, levels);

    let mut out = Vec::with_capacity(2048 + entries.len() * 200);
    out.extend_from_slice(HEAD);
    out.extend_from_slice(b"<title>Index of ");
    escape(&mut out, &decoded(path));
    out.extend_from_slice(b"</title>\n<style>");
    out.extend_from_slice(STYLE);
    out.extend_from_slice(b"</style>\n</head>\n<body>\n<main>\n<h1>");
    place.write(&mut out);
    out.extend_from_slice(b"</h1>\n<table>\n<thead><tr><th scope=\"col\">Name</th>");
    out.extend_from_slice(
        b"<th scope=\"col\">Size</th><th scope=\"col\">Modified (UTC)</th></tr></thead>\n<tbody>\n",
    );
    if place.levels > 0 {
        out.extend_from_slice(b"<tr><td><a href=\"");
        out.extend_from_slice(place.up(1).as_bytes());
        out.extend_from_slice(b"\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in &entries {
        row(&mut out, &place, entry);
    }
    out.extend_from_slice(b"</tbody>\n</table>\n");
    let folders = entries.iter().filter(|entry| entry.is_directory).count();
    let counts = [(folders, "folder"), (entries.len() - folders, "file")];
    summary(&mut out, counts, left_out);
    out.extend_from_slice(b"</main>\n</body>\n</html>\n");
    out
}

const HEAD: &[u8] = b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n";

const STYLE: &[u8] = b"
:root { color-scheme: light dark; --text: #1c2024; --dim: #60646c; --line: #e0e1e6; --hover: #f4f5f7; --link: #0b62c4; --page: #fff }
@media (prefers-color-scheme: dark) { :root { --text: #edeef0; --dim: #a3a9b1; --line: #2e3135; --hover: #1d2024; --link: #70b8ff; --page: #121316 } }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; padding: 0 .5rem }
table { width: 100%; border-collapse: collapse }
th { text-align: start; font-weight: 500; font-size: .875rem; color: var(--dim) }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line) }
td:first-child { overflow-wrap: anywhere; width: 100% }
:is(th, td):not(:first-child) { text-align: end; white-space: nowrap; color: var(--dim); font-variant-numeric: tabular-nums }
tbody tr:hover { background: var(--hover) }
a { color: var(--link); text-decoration: none }
a:is(:hover, :focus-visible) { text-decoration: underline }
p { color: var(--dim); font-size: .875rem; padding: 0 .5rem }
@media (max-width: 34rem) { :is(th, td):last-child { display: none } }
";

/// Where the folder is, as the browser sees it.
struct Place<'a> {
    /// The segments of its path, percent-encoded.
    names: Vec<&'a [u8]>,
    /// The last segment, if the path does not end with `/`: then it is part of every link
    /// inside, since links begin at the last `/`.
    inside: Option<&'a [u8]>,
    /// How many folders above it are served too.
    levels: usize,
}

impl<'a> Place<'a> {
    fn of(path: &'a [u8], levels: usize) -> Self {
        let names: Vec<_> =
            path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
        let inside = if path.ends_with(b"/") { None } else { names.last().copied() };
        let levels = levels.min(names.len());
        Self { names, inside, levels }
    }

    /// The link to the folder that many above this one.
    fn up(&self, levels: usize) -> String {
        match levels - usize::from(self.inside.is_some()).min(levels) {
            0 => "./".to_owned(),
            levels => "../".repeat(levels),
        }
    }

    /// The path, with links to the folders above as far as they are served.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Index of ");
        let first: &[u8] = b"";
        for (at, name) in std::iter::once(&first).chain(&self.names).enumerate() {
            let levels = self.names.len() - at;
            let is_link = (1..=self.levels).contains(&levels);
            if is_link {
                let _ = write!(out, "<a href=\"{}\">", self.up(levels));
            }
            if at > 0 {
                shown(out, &decoded(name));
            }
            out.push(b'/');
            if is_link {
                out.extend_from_slice(b"</a>");
            }
        }
    }
}

fn row(out: &mut Vec<u8>, place: &Place<'_>, entry: &ListingEntry) {
    out.extend_from_slice(b"<tr><td><a href=\"");
    if let Some(inside) = place.inside {
        encode(out, &decoded(inside));
        out.push(b'/');
    }
    encode(out, &entry.name);
    let slash: &[u8] = if entry.is_directory { b"/" } else { b"" };
    out.extend_from_slice(slash);
    out.extend_from_slice(b"\">");
    shown(out, &entry.name);
    out.extend_from_slice(slash);
    out.extend_from_slice(b"</a></td>");
    if entry.is_directory {
        out.extend_from_slice(b"<td></td>");
    } else {
        out.extend_from_slice(b"<td title=\"");
        grouped(out, entry.size);
        let _ = write!(out, " {}\">", if entry.size == 1 { "byte" } else { "bytes" });
        human(out, entry.size);
        out.extend_from_slice(b"</td>");
    }
    out.extend_from_slice(b"<td>");
    if let Ok(seconds) = u64::try_from(entry.modified) {
        let iso = date::iso(seconds);
        out.extend_from_slice(b"<time datetime=\"");
        out.extend_from_slice(&iso);
        out.extend_from_slice(b"\">");
        out.extend_from_slice(&iso[..10]);
        out.push(b' ');
        out.extend_from_slice(&iso[11..16]);
        out.extend_from_slice(b"</time>");
    }
    out.extend_from_slice(b"</td></tr>\n");
}

/// How many there are, and how many more are not shown.
fn summary(out: &mut Vec<u8>, counts: [(usize, &str); 2], left_out: usize) {
    out.extend_from_slice(b"<p>");
    let mut before = "";
    for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
        out.extend_from_slice(before.as_bytes());
        grouped(out, count as u64);
        let _ = write!(out, " {what}{}", if count == 1 { "" } else { "s" });
        before = ", ";
    }
    if before.is_empty() {
        out.extend_from_slice(b"This folder is empty");
    }
    out.extend_from_slice(b".</p>\n");
    if left_out > 0 {
        out.extend_from_slice(b"<p>");
        grouped(out, left_out as u64);
        let are = if left_out == 1 { "more is" } else { "more are" };
        let _ = writeln!(out, " {are} not shown.</p>");
    }
}

/// A name between tags. `bdi` keeps letters that are read from right to left from turning
/// what is beside them around.
fn shown(out: &mut Vec<u8>, name: &[u8]) {
    out.extend_from_slice(b"<bdi>");
    escape(out, name);
    out.extend_from_slice(b"</bdi>");
}

/// Text for HTML, between tags and between quotes. What is not UTF-8 and what is no character
/// to look at is shown as U+FFFD; a control character may be one that HTML does not allow.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&#39;"),
            other => {
                let other = if other.is_control() { char::REPLACEMENT_CHARACTER } else { other };
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// A name as one segment of a link. All but the unreserved characters (RFC 3986 §2.3) are
/// percent-encoded: then no name is taken for a scheme, a query or a fragment.
fn encode(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Without its percent-encoding. What is no escape stays as it is.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// `1,234,567`
fn grouped(out: &mut Vec<u8>, number: u64) {
    let text = number.to_string();
    for (at, digit) in text.bytes().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(digit);
    }
}

/// `999 B`, `1.5 KiB`, `15 KiB`: two or three digits are enough to compare.
fn human(out: &mut Vec<u8>, size: u64) {
    if size < 1024 {
        let _ = write!(out, "{size} B");
        return;
    }
    let size = u128::from(size);
    let mut unit = 1024;
    for name in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        let tenths = (size * 10 + unit / 2) / unit;
        let whole = (size + unit / 2) / unit;
        if tenths < 100 {
            let _ = write!(out, "{}.{} {name}", tenths / 10, tenths % 10);
            return;
        }
        if whole < 1024 {
            let _ = write!(out, "{whole} {name}");
            return;
        }
        unit *= 1024;
    }
}

#[cfg(test)]
mod tests;
