//! Whether the way to a log file can be trusted.
//!
//! A user who may write to a folder can put a symbolic link there, under the log's name. The server
//! would then append to the link's target, with its own rights. Linux refuses most such links
//! itself (`fs.protected_symlinks`, proc(5)), but not in every folder or container.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use reactor_sys::{Links, open_log};

/// The most links that the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Opens the log by a path that has no symbolic link in it.
///
/// # Errors
///
/// Those of [`open_log`]. `PermissionDenied` if a symbolic link on the way is in a folder that
/// another user can write to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let (path, links) = resolve(path)?;
    open_log(&path, links)
}

/// The path without symbolic links, as far as it exists. Before the file is opened, another user
/// may still put a link in its place. So links must not be followed then.
fn resolve(path: &Path) -> io::Result<(PathBuf, Links)> {
    let mut left = parts(&std::path::absolute(path)?);
    let mut folder = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let here = match name.to_str() {
            Some("..") => folder.parent().unwrap_or(Path::new("/")).to_owned(),
            _ => folder.join(&name),
        };
        let Ok(meta) = here.symlink_metadata() else {
            return Ok((joined(here, left), Links::Refuse));
        };
        if !meta.is_symlink() {
            folder = here;
            continue;
        }
        if others_can_write(&folder)? {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "'{}' is a symbolic link in a folder that other users can write to",
                    here.display()
                ),
            ));
        }
        // Links in `/proc` name no path: `/dev/stdout` leads to `/proc/self/fd/1`, perhaps a pipe.
        // The kernel knows where such a link leads. It also knows that too many links are ELOOP.
        links += 1;
        if folder.starts_with("/proc") || links > MAX_LINKS {
            return Ok((joined(here, left), Links::Follow));
        }
        let target = fs::read_link(&here)?;
        if target.is_absolute() {
            folder = PathBuf::from("/");
        }
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok((folder, Links::Refuse))
}

/// Without a slash at the end if nothing is left.
fn joined(mut path: PathBuf, left: VecDeque<OsString>) -> PathBuf {
    path.extend(left);
    path
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// A folder's owner can always write to it. So a folder is safe only if its owner is this user or
/// root.
fn others_can_write(folder: &Path) -> io::Result<bool> {
    let meta = folder.metadata()?;
    let own = meta.uid() == 0 || meta.uid() == reactor_sys::user_id();
    Ok(!own || meta.mode() & 0o022 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rx-log-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("a folder of its own");
            let folder = Self(path);
            folder.mode("", 0o755);
            folder
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.at(name), permissions).expect("a mode");
        }

        fn folder(&self, name: &str, mode: u32) {
            fs::create_dir(self.at(name)).expect("a folder");
            self.mode(name, mode);
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn check(path: &Path) -> io::Result<()> {
        resolve(path).map(|_| ())
    }

    #[test]
    fn a_link_in_a_folder_of_others_is_refused() {
        let own = Folder::new("refused");
        for (name, mode) in [("everybody", 0o777), ("sticky", 0o1777), ("group", 0o775)] {
            own.folder(name, mode);
            let link = own.at(name).join("access.log");
            symlink(own.at("target"), &link).expect("a link");
            let error = check(&link).expect_err(name);
            assert!(error.to_string().contains("is a symbolic link"), "{error}");
            // By way of a link that is trusted itself.
            let chain = own.at(&format!("by-{name}"));
            symlink(&link, &chain).expect("a link");
            assert!(check(&chain).is_err(), "{name}");
            // A folder on the way.
            let way = own.at(name).join("way");
            symlink(&own.0, &way).expect("a link");
            assert!(check(&way.join("access.log")).is_err(), "{name}");
        }
    }

    #[test]
    fn other_ways_are_taken() {
        let own = Folder::new("taken");
        own.folder("logs", 0o755);
        own.folder("everybody", 0o777);
        // No link.
        assert!(check(&own.at("everybody").join("access.log")).is_ok());
        fs::write(own.at("everybody").join("there.log"), "").expect("a file");
        assert!(check(&own.at("everybody").join("there.log")).is_ok());
        // A link in a folder of its own, to a folder and to a file, relative and absolute.
        symlink("logs", own.at("current")).expect("a link");
        assert!(check(&own.at("current").join("access.log")).is_ok());
        symlink(own.at("logs").join("access.log"), own.at("access.log")).expect("a link");
        assert!(check(&own.at("access.log")).is_ok());
        open(&own.at("access.log")).expect("a log");
        assert!(own.at("logs").join("access.log").is_file());
        let inside = own.at("current").join("none").join("access.log");
        assert_eq!(open(&inside).expect_err("no folder").kind(), io::ErrorKind::NotFound);
        symlink("loop", own.at("loop")).expect("a link");
        assert!(check(&own.at("loop")).is_ok(), "the kernel says so");
        assert!(open(&own.at("loop")).is_err());
        // As images of containers have it.
        assert!(check(Path::new("/dev/stdout")).is_ok());
        symlink("/dev/stdout", own.at("stdout.log")).expect("a link");
        assert!(check(&own.at("stdout.log")).is_ok());
    }
}
