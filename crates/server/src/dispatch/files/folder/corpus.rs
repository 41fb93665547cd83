//! The corpus of traversal attempts, without a server in front.

use std::io::Read;

use reactor_proto::{Coding, CodingSet};
use reactor_route::normal_path;

use crate::dispatch::files::folder::Folder;
use crate::dispatch::files::lookup::Lookup;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::options::FolderOptions;
use crate::dispatch::files::resource::Resource;

#[path = "../../../../tests/files/world.rs"]
#[allow(dead_code, reason = "the tests over sockets use more of it")]
mod world;

use world::{CANARY, INSIDE, Outcome, World, attempts};

/// What is in the file, in all its codings.
fn contents(resource: &Resource) -> Vec<String> {
    let variants = Coding::ALL.into_iter().filter_map(|coding| resource.variant(coding));
    let texts = variants.map(|variant| {
        let mut bytes = Vec::new();
        let mut file: &std::fs::File = variant.file();
        file.read_to_end(&mut bytes).expect("it is open");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    texts.collect()
}

fn outcome(found: Lookup) -> Outcome {
    match found {
        Lookup::Found(resource) => {
            let contents = contents(&resource);
            assert!(contents.iter().all(|text| !text.contains(CANARY)), "{contents:?}");
            assert_eq!(contents.len(), 1, "no sibling is right: {contents:?}");
            Outcome::Content(contents[0].clone())
        }
        Lookup::NotFound(None) => Outcome::Status(404),
        Lookup::Redirect(path) => Outcome::Redirect(String::from_utf8(path).expect("ASCII")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let world = World::new("unit");
    world.lock();
    let mut made = 0;
    for without_openat2 in [false, true] {
        let options =
            FolderOptions { root: world.root(), without_openat2, ..FolderOptions::default() };
        let folder = Folder::open(&options).expect("it is there");
        for attempt in attempts("/s/") {
            let path = attempt.target.split(|&byte| byte == b'?').next().unwrap_or_default();
            let normal = normal_path(path);
            let path = normal.as_deref().unwrap_or(path);
            // The others are not for this route.
            let Some(rest) = path.strip_prefix(b"/s/") else { continue };
            let expected = if without_openat2 { attempt.without } else { attempt.with_openat2 };
            made += 1;
            let look_up = |mode| folder.look_up(path, rest, false, CodingSet::all(), mode);
            let got = outcome(look_up(Mode::Blocking));
            // What the parser refuses leads nowhere here, or to a file inside.
            if matches!(expected, Outcome::Status(400 | 414)) {
                continue;
            }
            assert_eq!(got, expected, "line {}, without openat2: {without_openat2}", attempt.line);
            match look_up(Mode::Cached) {
                Lookup::WouldBlock => {}
                cached => assert_eq!(outcome(cached), expected, "line {}", attempt.line),
            }
        }
        for file in INSIDE {
            let rest = file.replace('%', "%25");
            let found =
                folder.look_up(b"/s/", rest.as_bytes(), false, CodingSet::all(), Mode::Blocking);
            assert_eq!(outcome(found), Outcome::Content(file.to_owned()));
        }
    }
    assert!(made > 400, "{made}");
}

/// A listing shows what a request may get, and lists no folder outside.
#[test]
fn no_listing_shows_what_is_outside() {
    let world = World::new("listing");
    for without_openat2 in [false, true] {
        let folder = Folder::open(&FolderOptions {
            root: world.root(),
            index: Vec::new(),
            listing: true,
            without_openat2,
            ..FolderOptions::default()
        });
        let folder = folder.expect("it is there");
        let list = |rest: &str| {
            let path = format!("/s/{rest}");
            let all = CodingSet::all();
            match folder.look_up(path.as_bytes(), rest.as_bytes(), false, all, Mode::Blocking) {
                Lookup::Listing(page) => Some(String::from_utf8(page).expect("UTF-8")),
                Lookup::NotFound(None) => None,
                other => panic!("{rest}: {other:?}"),
            }
        };
        for (rest, shown) in
            [("", "a.txt"), ("sub/", "b.txt"), ("sub/deep/", "c.txt"), (".well-known/", "ok.txt")]
        {
            let page = list(rest).expect("it is a folder");
            assert!(page.contains(shown), "{page}");
            for hidden in [
                "canary",
                "passwd",
                "out-",
                "up-out",
                "proc-",
                "dev-",
                "loop",
                "dangling",
                "page.html",
                "404.html",
                "evil.js.",
                ".env",
                ".git",
                ".hidden",
                "slash.txt",
                "fifo",
                "socket",
                "long-50",
            ] {
                assert!(!page.contains(hidden), "{rest} shows {hidden}: {page}");
            }
        }
        for rest in [
            "out-folder/",
            "out-parent/",
            "out-absolute-folder/",
            "out-etc/",
            "out-slash/",
            "sub/up-folder/",
            "proc-fd/",
            "proc-root/",
            "proc-cwd/",
            ".git/",
            "../",
            "..",
            "%2e%2e/",
            "%2f/",
            "/",
            "//",
            "sub/../",
            "sub%2f..%2f..%2f/",
        ] {
            assert_eq!(list(rest), None, "{rest}");
        }
        assert_eq!(list("in-folder/").is_some(), !without_openat2 && world::has_openat2());
    }
}

#[test]
fn pages_that_lead_out_are_none() {
    let world = World::new("pages");
    for without_openat2 in [false, true] {
        let mut options = FolderOptions {
            root: world.root(),
            clean_urls: true,
            without_openat2,
            ..FolderOptions::default()
        };
        let folder = Folder::open(&options).expect("it is there");
        for rest in ["page", "page.html", "page/", "404", "linked-index/", "nothing"] {
            let found =
                folder.look_up(b"/s/x", rest.as_bytes(), true, CodingSet::all(), Mode::Blocking);
            assert_eq!(outcome(found), Outcome::Status(404), "{rest}");
        }
        for file in ["out-file", "out-folder/canary.txt", "page.html"] {
            options.spa = Some(file.into());
            Folder::open(&options).expect_err("it leads out");
            options.spa = None;
            options.index = vec![file.into()];
            options.not_found = Some(file.into());
            let folder = Folder::open(&options).expect("it is there");
            for rest in ["", "sub/", "nothing"] {
                let found =
                    folder.look_up(b"/s/", rest.as_bytes(), true, CodingSet::all(), Mode::Blocking);
                assert_eq!(outcome(found), Outcome::Status(404), "{rest}");
            }
        }
    }
}
