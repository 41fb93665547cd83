use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use reactor_proto::{Coding, CodingSet};

use super::*;
use crate::dispatch::files::resource::Variant;
use crate::dispatch::files::root::FRESH;

/// A folder for one test, which ends with it.
struct Place(PathBuf);

impl Place {
    /// With these files; each has its path as its content.
    fn new(files: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("reactor-folder-{}-{number}", std::process::id()));
        let place = Self(path);
        fs::create_dir_all(&place.0).expect("the temporary folder is ours");
        for file in files {
            place.write(file, file.as_bytes());
        }
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Writes a file, a day old.
    fn write(&self, file: &str, content: &[u8]) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("ours");
        fs::write(&path, content).expect("ours");
        self.set_time(file, 1_700_000_000);
    }

    fn set_time(&self, file: &str, seconds: u64) {
        let file = File::options().append(true).open(self.path(file)).expect("it is there");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("it is ours");
    }

    fn options(&self) -> FolderOptions {
        FolderOptions { root: self.0.clone(), ..FolderOptions::default() }
    }

    fn open(&self, change: impl FnOnce(&mut FolderOptions)) -> Folder {
        let mut options = self.options();
        change(&mut options);
        Folder::open(&options).expect("it is right")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(resource: &Resource, coding: Coding) -> String {
    let variant = resource.variant(coding).expect("there is a file of it");
    let mut bytes = vec![0; usize::try_from(variant.size()).unwrap()];
    variant.file().read_exact_at(&mut bytes, 0).expect("it is open");
    String::from_utf8(bytes).expect("text")
}

/// Siblings are looked for only in codings that the client takes.
#[test]
fn siblings_that_nobody_takes_are_not_sought() {
    let place = Place::new(&["a.js", "a.js.br", "a.js.gz"]);
    let folder = place.open(|_| {});
    let gzip = CodingSet::default().with(Coding::Gzip);
    for wanted in [CodingSet::default(), gzip, CodingSet::all()] {
        let Lookup::Found(found) = folder.look_up(b"/a.js", b"a.js", false, wanted, Mode::Blocking)
        else {
            panic!("it is there")
        };
        assert!(found.sought() == wanted && found.varies());
        for coding in [Coding::Gzip, Coding::Brotli] {
            assert_eq!(found.variant(coding).is_some(), wanted.has(coding));
        }
    }
}

/// What a path in the folder of route `/s/*` leads to, in one word.
fn asked(folder: &Folder, rest: &str, navigation: bool) -> String {
    let path = format!("/s/{rest}");
    let blocking = folder.look_up(
        path.as_bytes(),
        rest.as_bytes(),
        navigation,
        CodingSet::all(),
        Mode::Blocking,
    );
    let cached = folder.look_up(
        path.as_bytes(),
        rest.as_bytes(),
        navigation,
        CodingSet::all(),
        Mode::Cached,
    );
    let text = |found: Lookup| match found {
        Lookup::Found(resource) => content(&resource, Coding::Identity),
        Lookup::NotFound(None) => "404".into(),
        Lookup::NotFound(Some(page)) => format!("404 {}", content(&page, Coding::Identity)),
        Lookup::Redirect(path) => format!("> {}", String::from_utf8(path).expect("ASCII")),
        Lookup::Listing(_) => "listing".into(),
        Lookup::WouldBlock => "would block".into(),
        Lookup::Failed(error) => format!("500 {error}"),
    };
    let (blocking, cached) = (text(blocking), text(cached));
    // What was opened a moment ago is in memory, if the kernel can tell.
    assert!(cached == blocking || cached == "would block", "{rest}: {cached}");
    blocking
}

#[track_caller]
fn check(folder: &Folder, cases: &[(&str, &str)]) {
    for (rest, expected) in cases {
        assert_eq!(asked(folder, rest, false), *expected, "{rest}");
    }
}

#[test]
fn files_indexes_and_redirects() {
    let place = Place::new(&[
        "index.html",
        "a.txt",
        "docs/index.html",
        "docs/a b.txt",
        "empty/x",
        "second/index.htm",
    ]);
    let folder =
        place.open(|options| options.index = vec!["index.html".into(), "index.htm".into()]);
    check(
        &folder,
        &[
            ("", "index.html"),
            ("a.txt", "a.txt"),
            ("index.html", "index.html"),
            ("docs", "> /s/docs/"),
            ("docs/", "docs/index.html"),
            ("docs/a%20b.txt", "docs/a b.txt"),
            ("second", "> /s/second/"),
            ("second/", "second/index.htm"),
            ("a.txt/", "404"),
            ("a.txt/index.html", "404"),
            ("empty", "404"),
            ("empty/", "404"),
            ("nothing", "404"),
            ("nothing/", "404"),
            ("docs//index.html", "404"),
            ("docs/../a.txt", "404"),
            ("docs%2fa%20b.txt", "404"),
        ],
    );
    // A folder at `/s/*` that is asked for by `/s`.
    let found = folder.look_up(b"/s", b"", false, CodingSet::all(), Mode::Blocking);
    assert!(matches!(found, Lookup::Redirect(path) if path == b"/s/"));

    let folder = place.open(|options| options.slash_redirect = false);
    check(&folder, &[("docs", "docs/index.html"), ("docs/", "docs/index.html"), ("empty", "404")]);
    let folder = place.open(|options| options.index.clear());
    check(&folder, &[("", "404"), ("docs", "404"), ("docs/", "404")]);
}

#[test]
fn clean_urls() {
    let place = Place::new(&[
        "index.html",
        "about.html",
        "both.html",
        "both/index.html",
        "docs/index.html",
        "docs/a.html",
        "file",
        "file.html",
        "caf\u{e9} 1.html",
        "only/x.txt",
        "only.html",
    ]);
    let folder = place.open(|options| options.clean_urls = true);
    check(
        &folder,
        &[
            ("", "index.html"),
            ("index.html", "> /s/"),
            ("about", "about.html"),
            ("about.html", "> /s/about"),
            ("about/", "> /s/about"),
            ("about%2Ehtml", "> /s/about"),
            ("index", "index.html"),
            ("docs/index.html", "> /s/docs/"),
            ("docs/a", "docs/a.html"),
            ("docs/a.html", "> /s/docs/a"),
            ("docs", "> /s/docs/"),
            // A page goes before a folder of its name.
            ("both", "both.html"),
            ("both/", "both/index.html"),
            ("both.html", "> /s/both"),
            ("only", "only.html"),
            ("only/", "> /s/only"),
            // `/file` is another file, so that `file.html` keeps its name.
            ("file", "file"),
            ("file.html", "file.html"),
            ("caf%C3%A9%201.html", "> /s/caf%C3%A9%201"),
            ("caf%C3%A9%201", "caf\u{e9} 1.html"),
            ("nothing", "404"),
            ("nothing.html", "404"),
        ],
    );
    check(
        &place.open(|_| {}),
        &[("about", "404"), ("about.html", "about.html"), ("about/", "404")],
    );
}

#[test]
fn dotfiles_are_hidden() {
    let place = Place::new(&[".env", ".git/config", ".well-known/x", ".well-known/.y", "a/.b/c"]);
    let hidden = [
        (".env", "404"),
        (".git/config", "404"),
        (".well-known/x", ".well-known/x"),
        (".well-known/.y", "404"),
        ("a/.b/c", "404"),
        ("%2eenv", "404"),
    ];
    check(&place.open(|_| {}), &hidden);
    let folder = place.open(|options| options.dotfiles = true);
    check(&folder, &[(".env", ".env"), (".git/config", ".git/config"), ("a/.b/c", "a/.b/c")]);
}

#[test]
fn the_page_of_a_404_and_of_an_application() {
    let place = Place::new(&["404.html", "app.html", "a.js", "folder/x"]);
    check(&place.open(|_| {}), &[("x", "404 404.html"), ("404.html", "404.html")]);
    let folder = place.open(|options| options.not_found = Some("folder/x".into()));
    check(&folder, &[("x", "404 folder/x"), ("", "404 folder/x")]);
    let folder = place.open(|options| options.not_found = Some("nothing.html".into()));
    check(&folder, &[("x", "404")]);

    let folder = place.open(|options| options.spa = Some("./app.html".into()));
    for rest in ["x", "x/y/z", "users/1.2", "folder/", "", "a%2fb", ".env", "%00"] {
        assert_eq!(asked(&folder, rest, true), "app.html", "{rest}");
        assert_eq!(asked(&folder, rest, false), "404 404.html", "{rest}");
    }
    assert_eq!(asked(&folder, "a.js", true), "a.js");
}

#[test]
fn pages_are_looked_up_once_a_second() {
    let place = Place::new(&["404.html"]);
    let folder = place.open(|_| {});
    let start = Instant::now();
    let page =
        |at| match folder.look_up_at(b"/x", b"x", false, CodingSet::all(), Mode::Blocking, at) {
            Lookup::NotFound(page) => page,
            other => panic!("{other:?}"),
        };
    let first = page(start).expect("it is there");
    assert!(Arc::ptr_eq(&first, &page(start).expect("it is there")));
    // Another file in its place is seen after a second.
    fs::rename(place.path("404.html"), place.path("old")).expect("ours");
    place.write("404.html", b"new");
    let second = page(start + FRESH).expect("it is there");
    assert_eq!(content(&second, Coding::Identity), "new");
    // What has not changed stays the same one.
    let third = page(start + 2 * FRESH).expect("it is there");
    assert!(Arc::ptr_eq(&second, &third));
    // A change of the file itself is seen at once.
    place.write("404.html", b"newer");
    let fourth = page(start + 2 * FRESH).expect("it is there");
    assert_eq!(content(&fourth, Coding::Identity), "newer");
    fs::remove_file(place.path("404.html")).expect("ours");
    assert!(page(start + 2 * FRESH).is_none());
    // That there is none is believed for a second, too.
    place.write("404.html", b"new");
    assert!(page(start + 2 * FRESH).is_none() && page(start + 3 * FRESH).is_some());
}

#[test]
fn a_folder_that_was_replaced_is_found_again() {
    let place = Place::new(&["one/a", "two/a"]);
    symlink("one", place.path("current")).expect("ours");
    let folder = place.open(|options| options.root = place.path("current"));
    let start = Instant::now();
    let at = |time| match folder.look_up_at(
        b"/a",
        b"a",
        false,
        CodingSet::all(),
        Mode::Blocking,
        time,
    ) {
        Lookup::Found(resource) => content(&resource, Coding::Identity),
        other => panic!("{other:?}"),
    };
    assert_eq!(at(start), "one/a");
    symlink("two", place.path("next")).expect("ours");
    fs::rename(place.path("next"), place.path("current")).expect("ours");
    assert_eq!(at(start + 2 * FRESH), "two/a");
    // While nothing is there, the one before is the best that there is.
    fs::remove_file(place.path("current")).expect("ours");
    assert_eq!(at(start + 4 * FRESH), "two/a");
    fs::rename(place.path("one"), place.path("current")).expect("ours");
    assert_eq!(at(start + 6 * FRESH), "one/a");
}

fn found(folder: &Folder, rest: &str) -> Arc<Resource> {
    match folder.look_up(b"/", rest.as_bytes(), false, CodingSet::all(), Mode::Blocking) {
        Lookup::Found(resource) => resource,
        other => panic!("{rest}: {other:?}"),
    }
}

fn lines(resource: &Resource, coding: Coding) -> String {
    let variant = resource.variant(coding).expect("there is a file of it");
    let text = [variant.lines(), resource.lines()].concat();
    String::from_utf8(text).expect("ASCII")
}

#[test]
fn siblings_are_other_codings_of_a_file() {
    let place = Place::new(&[
        "a.js",
        "a.js.br",
        "a.js.gz",
        "a.js.zst",
        "a.js.gz.br",
        "old.js",
        "old.js.gz",
        "b.js",
        "alone.js.gz",
        "c.png",
        "c.png.gz",
        "d.js",
    ]);
    place.set_time("old.js", 1_700_000_001);
    fs::create_dir(place.path("d.js.gz")).expect("ours");
    symlink("a.js.gz", place.path("b.js.gz")).expect("ours");
    symlink("/etc/passwd", place.path("d.js.br")).expect("ours");
    let folder = place.open(|_| {});
    let codings = |rest: &str| {
        let resource = found(&folder, rest);
        let there = resource.codings();
        let names = Coding::ALL.into_iter().filter(|&coding| there.has(coding));
        names.map(Coding::name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(codings("a.js"), "identity gzip br zstd");
    assert_eq!(codings("old.js"), "identity", "older than the original");
    assert_eq!(codings("b.js"), "identity gzip", "a link in the folder");
    assert_eq!(codings("d.js"), "identity", "a folder, and a link out");
    assert_eq!(codings("c.png"), "identity", "compressed by itself");
    assert_eq!(codings("a.js.gz"), "identity", "asked for as what it is");
    assert_eq!(asked(&folder, "alone.js", false), "404");
    assert_eq!(asked(&folder, "alone.js.gz", false), "alone.js.gz");

    let resource = found(&folder, "a.js");
    let mut tags = Vec::new();
    for (coding, ending) in ENDINGS_AND_NONE {
        assert_eq!(content(&resource, coding), format!("a.js{ending}"));
        let lines = lines(&resource, coding);
        assert!(lines.contains("Vary: Accept-Encoding\r\n"), "{lines}");
        assert!(lines.contains("Content-Type: text/javascript; charset=utf-8\r\n"), "{lines}");
        let named = format!("Content-Encoding: {}\r\n", coding.name());
        assert_eq!(lines.contains(&named), coding != Coding::Identity, "{lines}");
        tags.push(resource.variant(coding).and_then(Variant::etag).expect("it has one").to_vec());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);
    let packed = found(&folder, "a.js.gz");
    assert_eq!(packed.content_type(), b"application/gzip");
    assert!(!lines(&packed, Coding::Identity).contains("Vary"));
    assert!(!lines(&packed, Coding::Identity).contains("Content-Encoding"));

    let folder = place.open(|options| options.siblings = false);
    assert!(found(&folder, "a.js").variant(Coding::Gzip).is_none());
}

const ENDINGS_AND_NONE: [(Coding, &str); 4] = [
    (Coding::Identity, ""),
    (Coding::Gzip, ".gz"),
    (Coding::Brotli, ".br"),
    (Coding::Zstd, ".zst"),
];

#[test]
fn what_may_be_compressed_varies() {
    let place = Place::new(&["short.js"]);
    let long = [b'x'; 1024];
    for file in ["a.js", "a.png", "a.js.gz", "plain"] {
        place.write(file, &long);
    }
    let of = |folder: &Folder, rest: &str| {
        let resource = found(folder, rest);
        assert_eq!(resource.varies(), lines(&resource, Coding::Identity).contains("Vary"));
        (resource.is_compressible(), resource.varies())
    };
    let folder = place.open(|_| {});
    assert_eq!(of(&folder, "a.js"), (true, true));
    // Whether it has siblings is not looked for in full, so it varies without them, too.
    assert_eq!(of(&folder, "short.js"), (false, true));
    for rest in ["a.png", "a.js.gz", "plain"] {
        assert_eq!(of(&folder, rest), (false, false), "{rest}");
    }
    let folder = place.open(|options| options.compress = false);
    assert_eq!(of(&folder, "a.js"), (false, true), "it has a sibling");
    fs::remove_file(place.path("a.js.gz")).expect("ours");
    assert_eq!(of(&folder, "a.js"), (false, true), "it may get one");
    let folder = place.open(|options| options.cache_control = Some("no-transform".into()));
    assert_eq!(of(&folder, "a.js"), (false, true));
    let folder = place.open(|options| (options.compress, options.siblings) = (false, false));
    assert_eq!(of(&folder, "a.js"), (false, false));
}

#[test]
fn dates_and_tags() {
    let place = Place::new(&["a.txt", "epoch.txt", "future.txt"]);
    place.set_time("epoch.txt", 0);
    place.set_time("future.txt", 4_000_000_000);
    fs::write(place.path("new.txt"), "new").expect("ours");
    let folder = place.open(|_| {});
    let resource = found(&folder, "a.txt");
    let variant = resource.variant(Coding::Identity).expect("always");
    let text = lines(&resource, Coding::Identity);
    assert!(text.starts_with("ETag: \""), "{text}");
    assert!(text.contains("\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"), "{text}");
    assert_eq!(variant.modified(), Some(1_700_000_000));
    let tag = String::from_utf8(variant.etag().expect("it has one").to_vec()).expect("ASCII");
    assert_eq!(tag.len(), 18);
    let packed = variant.etag_for(Coding::Brotli).expect("it has one");
    assert_eq!(*packed, *format!("{}-br\"", &tag[..17]).as_bytes());

    let text = lines(&found(&folder, "epoch.txt"), Coding::Identity);
    assert!(!text.contains("ETag") && !text.contains("Last-Modified"), "{text}");
    let text = lines(&found(&folder, "future.txt"), Coding::Identity);
    assert!(text.starts_with("ETag: W/\"") && !text.contains("Last-Modified"), "{text}");
    let text = lines(&found(&folder, "new.txt"), Coding::Identity);
    assert!(text.starts_with("ETag: W/\"") && text.contains("Last-Modified"), "{text}");
}

#[test]
fn a_file_that_changes_is_noticed() {
    let place = Place::new(&["a", "b", "c"]);
    let folder = place.open(|_| {});
    for (file, change) in [
        ("a", (|path| fs::write(path, "longer than before").expect("ours")) as fn(&Path)),
        ("b", |path| fs::remove_file(path).expect("ours")),
        ("c", |path| {
            fs::write(path.with_extension("new"), "c").expect("ours");
            fs::rename(path.with_extension("new"), path).expect("ours");
        }),
    ] {
        let resource = found(&folder, file);
        let variant = resource.variant(Coding::Identity).expect("always");
        assert!(resource.is_same(&found(&folder, file)));
        assert!(variant.is_current().expect("it is open"));
        change(&place.path(file));
        assert!(!variant.is_current().expect("it is open"), "{file}");
        if file != "b" {
            assert!(!resource.is_same(&found(&folder, file)));
        }
        // What was opened stays whole until it is closed.
        if file == "c" {
            assert_eq!(content(&resource, Coding::Identity), "c");
        }
    }
}

#[test]
fn only_regular_files_are_served() {
    let place = Place::new(&["a"]);
    let path = std::ffi::CString::new(place.path("fifo").as_os_str().as_bytes()).expect("no NUL");
    nix::unistd::mkfifo(&*path, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket")).expect("ours");
    symlink("/dev/null", place.path("null")).expect("ours");
    symlink("a", place.path("link")).expect("ours");
    for without_openat2 in [false, true] {
        let folder = place.open(|options| options.without_openat2 = without_openat2);
        check(&folder, &[("fifo", "404"), ("socket", "404"), ("null", "404"), ("a", "a")]);
        check(&folder, &[("link", if without_openat2 { "404" } else { "a" })]);
    }
}

#[test]
fn a_single_file() {
    let place = Place::new(&["x/a.js", "x/a.js.gz"]);
    symlink("x/a.js", place.path("link.js")).expect("ours");
    symlink("x/a.js.gz", place.path("link.js.gz")).expect("ours");
    let folder = Folder::of_file(&place.path("link.js"), &place.options()).expect("it is there");
    for rest in ["", "whatever"] {
        assert_eq!(asked(&folder, rest, true), "x/a.js");
    }
    let resource = found(&folder, "");
    assert_eq!(content(&resource, Coding::Gzip), "x/a.js.gz");
    assert_eq!(resource.content_type(), b"text/javascript; charset=utf-8");
    fs::remove_file(place.path("link.js")).expect("ours");
    assert_eq!(asked(&folder, "", true), "404");

    let path = place.path("x/a.js");
    let alone = |path: &Path| Folder::open_alone(path.as_os_str().as_bytes(), Mode::Blocking);
    let error = |path: &str| alone(&place.path(path)).expect_err("it cannot be sent");
    assert_eq!(error("nothing").kind(), io::ErrorKind::NotFound);
    assert_eq!(error("x").to_string(), "it is not a regular file");
    assert!(alone(Path::new("relative")).is_err());
    let alone = alone(&path).expect("it is there");
    assert_eq!(alone.lines(), b"Content-Type: text/javascript; charset=utf-8\r\n");
    assert!(alone.lines_without_type().is_empty() && alone.variant(Coding::Gzip).is_none());
}

#[test]
fn what_cannot_be_served_is_said_with_its_path() {
    let place = Place::new(&["a", "folder/b"]);
    let of = |change: &dyn Fn(&mut FolderOptions)| {
        let mut options = place.options();
        change(&mut options);
        let error = Folder::open(&options).expect_err("it is wrong").to_string();
        error.replace(&*place.0.to_string_lossy(), "ROOT")
    };
    for (message, change) in [
        (
            "ROOT/nothing does not exist",
            &(|o: &mut FolderOptions| o.root.push("nothing")) as &dyn Fn(&mut _),
        ),
        ("ROOT/a is not a folder", &|o: &mut FolderOptions| o.root.push("a")),
        ("public is not an absolute path", &|o: &mut FolderOptions| o.root = "public".into()),
        ("ROOT/app.html does not exist", &|o: &mut FolderOptions| o.spa = Some("app.html".into())),
        ("ROOT/folder is not a regular file", &|o: &mut FolderOptions| {
            o.spa = Some("folder".into());
        }),
        ("spa \"../a\" is no path of a file in the folder ROOT", &|o: &mut FolderOptions| {
            o.spa = Some("../a".into());
        }),
        (
            "notFound \"/etc/passwd\" is no path of a file in the folder ROOT",
            &|o: &mut FolderOptions| o.not_found = Some("/etc/passwd".into()),
        ),
        ("index \"\" is no path of a file in the folder ROOT", &|o: &mut FolderOptions| {
            o.index = vec![String::new()];
        }),
        (
            "field \"ETag\" for ROOT: the field 'ETag' is written by the server itself",
            &|o: &mut FolderOptions| o.fields = vec![("**".into(), vec![("ETag".into(), vec![])])],
        ),
    ] {
        assert_eq!(of(change), message);
    }
    for (path, message) in [("folder", "is not a regular file"), ("x", "does not exist")] {
        let error = Folder::of_file(&place.path(path), &place.options()).expect_err("it is wrong");
        assert_eq!(error.to_string(), format!("{} {message}", place.path(path).display()));
    }
}

#[test]
fn a_file_may_be_read_to_its_end() {
    let place = Place::new(&["a"]);
    let resource = found(&place.open(|_| {}), "a");
    let mut text = String::new();
    let mut file: &File = resource.variant(Coding::Identity).expect("always").file();
    file.read_to_string(&mut text).expect("it is open");
    assert_eq!(text, "a");
}
