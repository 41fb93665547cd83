use super::*;

fn file(name: &[u8], size: u64) -> ListingEntry {
    ListingEntry { name: name.to_vec(), is_directory: false, size, modified: 784_111_777 }
}

fn folder(name: &[u8]) -> ListingEntry {
    ListingEntry { is_directory: true, ..file(name, 4096) }
}

/// The page of a folder, of which all above are served too.
fn text(path: &str, entries: &[ListingEntry]) -> String {
    of(path, usize::MAX, entries, 0)
}

fn of(path: &str, levels: usize, entries: &[ListingEntry], left_out: usize) -> String {
    String::from_utf8(page(path.as_bytes(), levels, entries.to_vec(), left_out)).expect("UTF-8")
}

/// What is between `before` and the next `after`, each time.
fn all<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().expect("the end")).collect()
}

fn links(page: &str) -> Vec<&str> {
    all(page, "href=\"", "\"")
}

#[test]
fn a_page_is_whole() {
    let page = text("/a/", &[file(b"b.txt", 1234), folder(b"c")]);
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
    assert!(page.ends_with("</html>\n"));
    assert!(page.contains("<title>Index of /a/</title>"));
    assert!(page.contains("<a href=\"b.txt\"><bdi>b.txt</bdi></a>"));
    assert!(page.contains("<a href=\"c/\"><bdi>c</bdi>/</a>"));
    assert!(page.contains("<td title=\"1,234 bytes\">1.2 KiB</td>"));
    assert!(page.contains("<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>"));
    assert!(page.contains("<p>1 folder, 1 file.</p>"));
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(!page.contains("<script") && !page.contains("http") && !page.contains("url("));
    for tag in
        ["html", "head", "body", "main", "table", "thead", "tbody", "h1", "style", "tr", "td", "a"]
    {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = page
            .match_indices(&open)
            .filter(|(at, _)| matches!(page.as_bytes()[at + open.len()], b' ' | b'>'));
        assert_eq!(opened.count(), page.matches(&close).count(), "{tag}");
    }
}

#[test]
fn folders_first_and_names_without_case() {
    let names: [&[u8]; 7] = [b"b", b"B", b"a.txt", b"C", b"_", b"9", b"\xff"];
    let mut entries: Vec<_> = names.iter().map(|name| file(name, 0)).collect();
    entries.extend([folder(b"z"), folder(b"Y")]);
    let page = text("/", &entries);
    assert_eq!(links(&page), ["Y/", "z/", "9", "_", "a.txt", "B", "b", "C", "%FF"]);
}

#[test]
fn names_are_text_and_never_markup() {
    for (name, link, shown) in [
        (
            "<script>alert(1)</script>",
            "%3Cscript%3Ealert%281%29%3C%2Fscript%3E",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ),
        ("\"onclick='x'", "%22onclick%3D%27x%27", "&quot;onclick=&#39;x&#39;"),
        ("a&amp;b", "a%26amp%3Bb", "a&amp;amp;b"),
        ("javascript:x", "javascript%3Ax", "javascript:x"),
        ("a?b#c%20d", "a%3Fb%23c%2520d", "a?b#c%20d"),
        ("//evil", "%2F%2Fevil", "//evil"),
        ("a b+c", "a%20b%2Bc", "a b+c"),
        ("a\nb\u{85}c\u{7f}", "a%0Ab%C2%85c%7F", "a\u{fffd}b\u{fffd}c\u{fffd}"),
        ("gr\u{fc}n \u{5d0}", "gr%C3%BCn%20%D7%90", "gr\u{fc}n \u{5d0}"),
        ("\u{202e}gpj.exe", "%E2%80%AEgpj.exe", "\u{202e}gpj.exe"),
    ] {
        let page = text("/", &[file(name.as_bytes(), 0)]);
        assert_eq!(links(&page), [link], "{name}");
        assert_eq!(all(&page, "<bdi>", "</bdi>"), [shown], "{name}");
    }
    let page = text("/", &[file(b"\xff<\xfe", 0)]);
    assert_eq!(links(&page), ["%FF%3C%FE"]);
    assert_eq!(all(&page, "<bdi>", "</bdi>"), ["\u{fffd}&lt;\u{fffd}"]);
}

#[test]
fn links_lead_where_they_say() {
    let entries = [folder(b"d"), file(b"f", 1)];
    for (path, links_of_page) in [
        ("/", &["d/", "f"][..]),
        ("", &["d/", "f"]),
        ("/a/", &["../", "../", "d/", "f"]),
        ("/a/b/", &["../../", "../", "../", "d/", "f"]),
        // Without the slash, a browser resolves links from the folder above.
        ("/a", &["./", "./", "a/d/", "a/f"]),
        ("/a/b", &["../", "./", "./", "b/d/", "b/f"]),
        ("/a%20b", &["./", "./", "a%20b/d/", "a%20b/f"]),
        ("/a%2fb", &["./", "./", "a%2Fb/d/", "a%2Fb/f"]),
    ] {
        assert_eq!(links(&text(path, &entries)), links_of_page, "{path}");
    }
    let page = text("/%3Cb%3E/gr%C3%BCn/%/%zz/%ff/\"/", &[]);
    assert!(
        page.contains("<title>Index of /&lt;b&gt;/gr\u{fc}n/%/%zz/\u{fffd}/&quot;/</title>"),
        "{page}"
    );
    assert_eq!(
        all(&page, "<bdi>", "</bdi>"),
        ["&lt;b&gt;", "gr\u{fc}n", "%", "%zz", "\u{fffd}", "&quot;"]
    );
}

#[test]
fn sizes() {
    for (size, shown, title) in [
        (0, "0 B", "0 bytes"),
        (1, "1 B", "1 byte"),
        (999, "999 B", "999 bytes"),
        (1023, "1023 B", "1,023 bytes"),
        (1024, "1.0 KiB", "1,024 bytes"),
        (1536, "1.5 KiB", "1,536 bytes"),
        (10_188, "9.9 KiB", "10,188 bytes"),
        (10_200, "10 KiB", "10,200 bytes"),
        (1_048_063, "1023 KiB", "1,048,063 bytes"),
        (1_048_064, "1.0 MiB", "1,048,064 bytes"),
        (123_456_789, "118 MiB", "123,456,789 bytes"),
        (5_368_709_120, "5.0 GiB", "5,368,709,120 bytes"),
        (u64::MAX, "16 EiB", "18,446,744,073,709,551,615 bytes"),
    ] {
        let page = text("/", &[file(b"a", size)]);
        assert!(page.contains(&format!("<td title=\"{title}\">{shown}</td>")), "{size}: {page}");
    }
    // A folder's own size says nothing.
    assert!(!text("/", &[folder(b"a")]).contains("title="));
}

#[test]
fn dates_before_1970_are_not_shown() {
    assert!(!text("/", &[ListingEntry { modified: -1, ..file(b"a", 1) }]).contains("<time"));
    let late = text("/", &[ListingEntry { modified: i64::MAX, ..file(b"a", 1) }]);
    assert!(late.contains("9999-12-31 23:59"), "{late}");
    assert!(
        text("/", &[ListingEntry { modified: 0, ..file(b"a", 1) }]).contains("1970-01-01 00:00")
    );
}

#[test]
fn counts_and_what_is_left_out() {
    assert!(text("/", &[]).contains("<p>This folder is empty.</p>"));
    assert!(text("/", &[folder(b"a"), folder(b"b")]).contains("<p>2 folders.</p>"));
    assert!(text("/", &[file(b"a", 1)]).contains("<p>1 file.</p>"));
    let entries: Vec<_> = (0..1234).map(|i| file(format!("{i}").as_bytes(), 1)).collect();
    let page = text("/", &entries);
    assert!(page.contains("<p>1,234 files.</p>") && !page.contains("not shown"));
    assert!(of("/", 0, &entries, 1).contains("<p>1,234 files.</p>\n<p>1 more is not shown.</p>"));
    assert!(of("/", 0, &entries, 9_876).contains("<p>9,876 more are not shown.</p>"));
}

#[test]
fn no_links_lead_out_of_the_folder_that_is_served() {
    let entries = [folder(b"d")];
    for (path, levels, links_of_page) in [
        ("/", 0, &["d/"][..]),
        ("/files/", 0, &["d/"]),
        ("/files", 0, &["files/d/"]),
        ("/files/a/", 1, &["../", "../", "d/"]),
        ("/files/a/b/", 2, &["../../", "../", "../", "d/"]),
        ("/x/files/a/b", 2, &["../", "./", "./", "b/d/"]),
    ] {
        let page = of(path, levels, &entries, 0);
        assert_eq!(links(&page), links_of_page, "{path}");
        let shown: Vec<_> = all(&page, "<bdi>", "</bdi>");
        let names: Vec<_> = path.split('/').filter(|name| !name.is_empty()).chain(["d"]).collect();
        assert_eq!(shown, names, "{path}");
    }
}
