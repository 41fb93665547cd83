use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use reactor_proto::CodingSet;

use crate::dispatch::files::folder::Folder;
use crate::dispatch::files::lookup::Lookup;
use crate::dispatch::files::mode::Mode;
use crate::dispatch::files::options::FolderOptions;

/// A folder with all kinds of entries and a file beside it, gone at the end of the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("reactor-listing-{name}-{}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        let inside = place.inside();
        fs::create_dir_all(inside.join("sub/deeper")).expect("the temporary folder is ours");
        for file in ["a.txt", ".hidden", ".well-known", "sub/b.txt", "../secret", "back\\slash"] {
            fs::write(inside.join(file), file).expect("ours");
        }
        symlink("a.txt", inside.join("link")).expect("ours");
        symlink("sub", inside.join("folder-link")).expect("ours");
        symlink("../secret", inside.join("way-out")).expect("ours");
        symlink("/etc", inside.join("far-out")).expect("ours");
        symlink("nothing", inside.join("dangling")).expect("ours");
        symlink("loop", inside.join("loop")).expect("ours");
        symlink("../a.txt", inside.join("sub/up")).expect("ours");
        drop(UnixListener::bind(inside.join("socket")).expect("the path is short"));
        place
    }

    fn inside(&self) -> PathBuf {
        self.0.join("root")
    }

    /// The links of the page that is at `path` and at `rest` in the folder.
    fn links(
        &self,
        change: impl FnOnce(&mut FolderOptions),
        path: &str,
        rest: &str,
    ) -> Vec<String> {
        let mut options =
            FolderOptions { root: self.inside(), listing: true, ..FolderOptions::default() };
        change(&mut options);
        let folder = Folder::open(&options).expect("it is right");
        let (path, rest) = (path.as_bytes(), rest.as_bytes());
        let Lookup::Listing(page) =
            folder.look_up(path, rest, false, CodingSet::all(), Mode::Blocking)
        else {
            panic!("no page");
        };
        let page = String::from_utf8(page).expect("UTF-8");
        let links = page.split("href=\"").skip(1);
        links.map(|rest| rest.split('"').next().expect("the end").to_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_a_request_would_find_is_shown() {
    let place = Place::new("shown");
    let links = place.links(|_| {}, "/files/", "");
    assert_eq!(links, ["folder-link/", "sub/", ".well-known", "a.txt", "link"]);
    let links = place.links(|_| {}, "/files/sub/", "sub/");
    assert_eq!(links, ["../", "../", "deeper/", "b.txt", "up"]);
    let links = place.links(|_| {}, "/files/sub/deeper/", "sub/deeper/");
    assert_eq!(links, ["../../", "../", "../"]);
}

#[test]
fn names_with_a_dot_only_if_they_are_served() {
    let place = Place::new("dots");
    let links = place.links(|options| options.dotfiles = true, "/", "");
    assert_eq!(links, ["folder-link/", "sub/", ".hidden", ".well-known", "a.txt", "link"]);
}

#[test]
fn without_the_slash_links_lead_inside() {
    let place = Place::new("slash");
    let links = place.links(|options| options.slash_redirect = false, "/files/sub", "sub");
    assert_eq!(links, ["./", "./", "sub/deeper/", "sub/b.txt", "sub/up"]);
    let links = place.links(|options| options.slash_redirect = false, "/files", "");
    assert_eq!(links[..2], ["files/folder-link/", "files/sub/"]);
}

#[test]
fn a_large_folder_is_cut() {
    let place = Place::new("large");
    for i in 0..super::MOST {
        fs::write(place.inside().join(format!("sub/deeper/{i:05}")), "").expect("ours");
    }
    let links = place.links(|_| {}, "/sub/deeper/", "sub/deeper/");
    assert_eq!(links.len(), 3 + super::MOST);
    fs::create_dir(place.inside().join("sub/deeper/a")).expect("ours");
    let links = place.links(|_| {}, "/sub/deeper/", "sub/deeper/");
    assert_eq!(links.len(), 3 + super::MOST);
    assert_eq!(links.last().map(String::as_str), Some("09999"));
}
