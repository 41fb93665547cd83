//! Names that bundlers make from the content of a file.

/// Whether `name` has a hash of the content in it, as bundlers write it: `app-BxK3s9aQ.js`
/// (Vite, Rollup, esbuild), `main.3f2a9c1d.css` (webpack, Parcel), `4f1c0a5b77d2e9c8.png`.
///
/// A wrong yes would keep an old file in browsers for a year, a wrong no costs a request. So
/// words, dates and version numbers must not pass, and a few hashes that look like words do not.
pub(crate) fn has_hash(name: &[u8]) -> bool {
    // The part behind the last dot is the ending of the name.
    let mut parts: Vec<&[u8]> = name.split(|&byte| byte == b'.').collect();
    if parts.len() < 2 {
        return false;
    }
    parts.pop();
    let alone = parts.len() == 1;
    parts.into_iter().enumerate().any(|(index, part)| {
        // The first part is the file's own name, unless it has a `-` or `_`.
        let whole = if index > 0 { is_hash(part) } else { alone && is_long_hex(part) };
        let behind = part.iter().rposition(|byte| matches!(byte, b'-' | b'_'));
        whole
            || behind.is_some_and(|at| is_hash(&part[at + 1..]))
            // Rollup's eight characters may have `-` and `_` among them.
            || (part.len() > 9 && part[part.len() - 9] == b'-' && is_hash(&part[part.len() - 8..]))
    })
}

/// Sixteen hexadecimal digits or more, of both kinds.
fn is_long_hex(part: &[u8]) -> bool {
    part.len() >= 16 && is_hex(part)
}

/// Hexadecimal digits of one case, letters and figures among them.
fn is_hex(part: &[u8]) -> bool {
    let all = |letters: std::ops::RangeInclusive<u8>| {
        part.iter().all(|byte| byte.is_ascii_digit() || letters.contains(byte))
    };
    (all(b'a'..=b'f') || all(b'A'..=b'F'))
        && part.iter().any(u8::is_ascii_digit)
        && part.iter().any(u8::is_ascii_alphabetic)
}

fn is_hash(part: &[u8]) -> bool {
    if !(8..=64).contains(&part.len()) {
        return false;
    }
    if is_hex(part) {
        return true;
    }
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'-' | b'_' => 3,
        _ => 4,
    };
    if part.iter().any(|byte| kind(byte) == 4) {
        return false;
    }
    // In words and dates characters of a kind stand together: `january2024`, `DropDown`.
    let runs: Vec<&[u8]> = part.chunk_by(|one, other| kind(one) == kind(other)).collect();
    if part.iter().any(u8::is_ascii_digit) {
        return runs.len() >= 4 && part.iter().any(u8::is_ascii_alphabetic);
    }
    // Without a digit, only what is eight characters long and cannot be words that begin with
    // capitals.
    let is_word_end = |run: &[u8]| run.len() >= 2 && run[0].is_ascii_lowercase();
    let are_words = runs.iter().enumerate().all(|(at, run)| match kind(&run[0]) {
        1 => is_word_end(run),
        2 => run.len() == 1 && runs.get(at + 1).is_some_and(|next| is_word_end(next)),
        _ => true,
    });
    part.len() == 8 && runs.len() >= 4 && !are_words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bundlers() {
        for name in [
            "app-BxK3s9aQ.js",
            "main.3f2a9c1d.css",
            "main.3f2a9c1d.chunk.js",
            "main.3f2a9c1d.css.map",
            "app-BxK3s9aQ.js.map",
            "index-C-9zXy_a.js",
            "chunk-5XQ3KZPA.js",
            "vendors_a1b2c3d4e5f6.js",
            "123-abcdef0123456789.js",
            "4f1c0a5b77d2e9c8.png",
            "logo.4f1c0a5b.svg",
            "index-qRtGhJkL.js",
            "polyfills-42372ed130431b0a.js",
        ] {
            assert!(has_hash(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_of_people() {
        for name in [
            "",
            "app.js",
            "jquery.3.7.1.min.js",
            "bootstrap.bundle.min.js",
            "report-20240131.html",
            "report-2024-01-31.html",
            "january2024.pdf",
            "report-january2024.pdf",
            "jquery-ui-datepicker2.js",
            "base-CheckBox.js",
            "icon-DropDown.svg",
            "use-dropDown.js",
            "my-Document.pdf",
            "read-me-first.html",
            "react-dom.development.js",
            "angular-animate.js",
            "photo_20240131_120000.jpg",
            "deadbeef.js",
            "facade.decade.js",
            "IMG-1234567890.jpg",
            "app-BxK3s9aQ",
            "BxK3s9aQ.js",
            "font-awesome-5.15.4.css",
            "a.",
            ".3f2a9c1d",
        ] {
            assert!(!has_hash(name.as_bytes()), "{name}");
        }
    }
}
