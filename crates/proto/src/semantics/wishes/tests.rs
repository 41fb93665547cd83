use super::*;
use crate::{Coding, CodingSet, Ranges, Validators, Verdict};

/// The wishes of a request with these field lines.
fn of<'a>(lines: &'a [&'a str]) -> Wishes<'a> {
    Wishes::of(lines.iter().map(|line| {
        let (name, value) = line.split_once(": ").expect(line);
        (name.as_bytes(), value.as_bytes())
    }))
}

#[test]
fn fields_are_found_in_any_case() {
    let names = [
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "Accept-Encoding",
        "Accept",
        "Sec-Fetch-Mode",
    ];
    for is in [str::to_owned as fn(&str) -> String, str::to_lowercase, str::to_uppercase] {
        for name in names {
            let line = format!("{}: navigate", is(name));
            let lines = [line.as_str()];
            let wishes = of(&lines);
            let lists = [List::IfMatch, List::IfNoneMatch, List::Accept, List::AcceptEncoding];
            let kept = [
                wishes.range,
                wishes.if_range,
                wishes.if_modified_since,
                wishes.if_unmodified_since,
                wishes.sec_fetch_mode,
            ];
            let values = kept.into_iter().flatten();
            let lines = lists.into_iter().flat_map(|list| wishes.lines(list));
            assert_eq!(values.chain(lines).collect::<Vec<_>>(), [b"navigate"], "{line}");
        }
    }
}

#[test]
fn other_fields_are_left_alone() {
    let wishes = of(&[
        "Host: a",
        "Cookie: b",
        "Origin: c",
        "Referer: d",
        "Priority: u=1",
        "Connection: close",
        "User-Agent: e",
        "Content-Type: f",
        "Sec-Fetch-Site: g",
        "Sec-Fetch-Dest: h",
        "Accept-Language: i",
        "X-Forwarded-For: j",
        "Accept-Charset: k",
        "Transfer-Encoding: l",
        "If-Nope: m",
        "Rang : n",
        "X-If-Modified-Since: o",
        "Proxy-Authorization: p",
    ]);
    assert!(!wishes.is_conditional() && !wishes.wants_navigation());
    assert_eq!(wishes.codings(), Codings::default());
    assert_eq!(format!("{wishes:?}"), format!("{:?}", Wishes::default()));
}

#[test]
fn a_condition_or_a_range_is_conditional() {
    for line in [
        "If-Match: *",
        "If-None-Match: ",
        "If-Modified-Since: never",
        "If-Unmodified-Since: x",
        "Range: bytes=0-",
    ] {
        assert!(of(&[line]).is_conditional(), "{line}");
    }
    for lines in [&["If-Range: \"x\""][..], &["Accept-Encoding: br", "Accept: */*"], &[]] {
        let wishes = of(lines);
        assert!(!wishes.is_conditional(), "{lines:?}");
        assert_eq!(wishes.evaluate(true, &Validators::default()), Verdict::Serve);
        assert_eq!(wishes.ranges(9, &Validators::default()), Ranges::Whole);
    }
}

#[test]
fn lists_in_several_lines_are_one() {
    let wishes = of(&[
        "Accept-Encoding: gzip;q=0.1",
        "If-None-Match: \"a\"",
        "accept-encoding: zstd",
        "If-None-Match: W/\"b\", \"c\"",
        "If-None-Match: \"d\"",
    ]);
    let available = CodingSet::default().with(Coding::Gzip).with(Coding::Zstd);
    assert_eq!(wishes.codings().best(available), Some(Coding::Zstd));
    for tag in ["\"a\"", "\"b\"", "\"c\"", "\"d\""] {
        let validators = Validators { etag: Some(tag.as_bytes()), ..Validators::default() };
        assert_eq!(wishes.evaluate(true, &validators), Verdict::NotModified, "{tag}");
    }
    let validators = Validators { etag: Some(b"\"e\""), ..Validators::default() };
    assert_eq!(wishes.evaluate(true, &validators), Verdict::Serve);
}

#[test]
fn lines_without_end_are_left_out() {
    let tags: Vec<_> = (0..100).map(|i| format!("If-None-Match: \"{i}\"")).collect();
    let lines: Vec<_> = tags.iter().map(String::as_str).collect();
    assert_eq!(of(&lines).lines(List::IfNoneMatch).count(), 5);
}

#[test]
fn what_wants_a_page() {
    let rows: &[(&[&str], bool)] = &[
        (&["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], true),
        (&["Sec-Fetch-Mode: navigate", "Accept: application/json"], true),
        // A script's fetch, even of HTML.
        (&["Sec-Fetch-Mode: cors", "Accept: text/html"], false),
        (&["Sec-Fetch-Mode: no-cors", "Accept: image/avif,image/webp,*/*;q=0.8"], false),
        (&["Sec-Fetch-Mode: same-origin", "Accept: */*"], false),
        (&["Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: navigate"], false),
        // Older browsers and other clients.
        (&["Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
        (&["Accept: application/xml;q=0.9, TEXT/HTML ;level=1;q=0.4"], true),
        (&["Accept: application/json", "Accept: text/html"], true),
        (&["Accept: text/html;q=0"], false),
        (&["Accept: text/html;level=1; q=0.000, */*"], false),
        (&["Accept: text/html;q=0.001"], true),
        (&["Accept: */*"], false),
        (&["Accept: text/*"], false),
        (&["Accept: text/html-x, xtext/html"], false),
        (&["Accept: "], false),
        (&[], false),
    ];
    for (lines, wants) in rows {
        assert_eq!(of(lines).wants_navigation(), *wants, "{lines:?}");
    }
}
