//! Folders and links change places while requests run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Client;
use crate::traversal::{Tally, serve};
use crate::world::{CANARY, World};

/// How long requests run for each way to open files.
const RUN: Duration = Duration::from_millis(1500);

/// Names of each file. They are more than a loop keeps open, so that each request opens its file.
const NAMES: u32 = 1500;

/// What another program does all the time, and what is asked for meanwhile.
pub(crate) fn run(tally: &mut Tally) {
    let world = World::new("races");
    let root = world.root();
    for folder in ["race", "move", "move/deep"] {
        files(&root.join(folder), "inside");
    }
    symlink("../outside", root.join("race-link")).expect("ours");
    for folder in ["outside", "outside/deep"] {
        files(&world.path(folder), CANARY);
    }
    fs::write(root.join("file.txt"), "inside").expect("ours");
    symlink("../canary.txt", root.join("file-link")).expect("ours");
    // Its way leads up, out of a folder that is moved meanwhile.
    symlink("move/deep/../../race/x.txt", root.join("winding")).expect("ours");
    symlink("move/deep/../x.txt", root.join("winding-2")).expect("ours");
    fs::write(world.path("x.txt"), CANARY).expect("ours");

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for _ in 0..2 {
                    swap(&root.join("race"), &root.join("race-link"));
                    swap(&root.join("file.txt"), &root.join("file-link"));
                }
                // To where `../x.txt` is a canary, and back.
                let (here, there) = (root.join("move/deep"), world.path("outside/moved"));
                fs::rename(&here, &there).expect("ours");
                fs::rename(&there, &here).expect("ours");
            }
        });
        for without in [false, true] {
            let server = serve(&root, "/s/", without);
            let tallies: Vec<Tally> = thread::scope(|clients| {
                let started: Vec<_> =
                    (0..2).map(|_| clients.spawn(|| ask(Client::new(&server)))).collect();
                started.into_iter().map(|client| client.join().expect("it ends")).collect()
            });
            let mut served = 0;
            for (own, ok) in tallies.into_iter().zip(1..) {
                served += ok;
                tally.add(own);
            }
            assert!(served > 0);
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn ask(mut client: Client) -> Tally {
    let mut tally = Tally::default();
    let until = Instant::now() + RUN;
    let mut served = 0;
    let mut number: u32 = 0;
    while Instant::now() < until || served == 0 {
        number += 1;
        let name = number % NAMES;
        for path in [
            format!("race/{name}.txt"),
            format!("race-link/{name}.txt"),
            format!("move/deep/{name}.txt"),
            spelled("file.txt", number),
            spelled("winding", number),
            spelled("winding-2", number),
        ] {
            let path = format!("/s/{path}");
            let reply = client.get(&path);
            let name = || format!("{path} in a race");
            if tally.note(&reply, &name) && reply.status == 200 {
                served += 1;
                if reply.text() != "inside" {
                    tally.wrong.push(format!("{}: {:?}", name(), reply.text()));
                }
            } else if !matches!(reply.status, 200 | 404 | 500) {
                tally.wrong.push(format!("{}: {}", name(), reply.status));
            }
            if reply.closes() {
                tally.wrong.push(format!("{}: closed", name()));
                return tally;
            }
        }
    }
    tally
}

/// Many names of one file.
fn files(folder: &Path, content: &str) {
    fs::create_dir_all(folder).expect("ours");
    fs::write(folder.join("x.txt"), content).expect("ours");
    for name in 0..NAMES {
        fs::hard_link(folder.join("x.txt"), folder.join(format!("{name}.txt"))).expect("ours");
    }
}

/// Another way to write a path for each number.
fn spelled(path: &str, number: u32) -> String {
    let spell = |(at, byte): (usize, u8)| match number >> (at % 32) & 1 {
        0 => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    path.bytes().enumerate().map(spell).collect()
}

/// Two names change places in one step (renameat2(2), RENAME_EXCHANGE).
#[cfg(target_env = "gnu")]
fn swap(one: &Path, other: &Path) {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let exchange = RenameFlags::RENAME_EXCHANGE;
    renameat2(AT_FDCWD, one, AT_FDCWD, other, exchange).expect("ours");
}

#[cfg(not(target_env = "gnu"))]
fn swap(one: &Path, other: &Path) {
    let between = one.with_extension("between");
    for (from, to) in [(one, &*between), (other, one), (&*between, other)] {
        fs::rename(from, to).expect("ours");
    }
}
