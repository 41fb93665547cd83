//! Nothing outside the folder is ever read. Every attempt goes over a raw socket to a server, with
//! openat2(2) and without.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};
use reactor_server::{App, Config, Folder, FolderOptions, FolderProblem, Server, Target};

use crate::common::{Client, Reply, bounded, config, start};
use crate::races;
use crate::world::{Attempt, CANARY, INSIDE, Outcome, World, attempts, has_openat2};

/// What must never be in an answer: that of the canaries, and lines of /etc/passwd.
const SECRETS: [&str; 2] = [CANARY, "root:x:0"];

/// A server of the folder `served` at `{prefix}*`.
pub(crate) fn serve(root: &Path, prefix: &str, without_openat2: bool) -> Server {
    let root = root.to_owned();
    let options = FolderOptions { root, without_openat2, ..FolderOptions::default() };
    let folder = Folder::open(&options).expect("it is there");
    let mut app = App::new();
    app.route(None, &format!("{prefix}*"), Target::Files(Arc::new(folder))).expect("a new route");
    start(Config { io_threads: 1, worker_threads: 2, ..config(app) })
}

/// How many attempts were made, and those that got what they must not get.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) made: usize,
    pub(crate) escapes: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    /// Notes an answer. True if it has nothing that is not in the folder.
    pub(crate) fn note(&mut self, reply: &Reply, what: &dyn Fn() -> String) -> bool {
        self.made += 1;
        let text = reply.text();
        let found =
            SECRETS.iter().find(|secret| text.contains(**secret) || reply.head.contains(**secret));
        if let Some(secret) = found {
            self.escapes.push(format!("{}: {secret:?}", what()));
        }
        found.is_none()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.escapes.extend(other.escapes);
        self.wrong.extend(other.wrong);
    }
}

fn outcome(reply: &Reply) -> Outcome {
    match reply.status {
        200 => Outcome::Content(reply.text()),
        301 | 302 | 307 | 308 => {
            Outcome::Redirect(reply.field("location").unwrap_or_default().to_owned())
        }
        status => Outcome::Status(status),
    }
}

/// All attempts against one server. A connection serves until an answer closes it.
fn try_all(server: &Server, attempts: &[Attempt], without: bool, tally: &mut Tally) {
    let mut client = Client::new(server);
    for attempt in attempts {
        let fields = &attempt.fields;
        let request = |method: &str| {
            let start = [method.as_bytes(), b" ", &attempt.target].concat();
            let end = format!(" HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
            [start, end.into_bytes()].concat()
        };
        let name = || format!("line {} of traversal.txt, without openat2: {without}", attempt.line);
        client.send(request("GET"));
        let reply = client.reply();
        tally.note(&reply, &name);
        let expected = if without { &attempt.without } else { &attempt.with_openat2 };
        let got = outcome(&reply);
        if got != *expected {
            tally.wrong.push(format!("{}: {got:?} in place of {expected:?}", name()));
        }
        if reply.closes() {
            client = Client::new(server);
        }
        // Other methods lead nowhere else.
        for method in ["HEAD", "OPTIONS", "POST"] {
            client.send(request(method));
            let other = if method == "HEAD" { client.reply_to_head() } else { client.reply() };
            tally.note(&other, &name);
            if method == "HEAD" && other.status != reply.status {
                tally.wrong.push(format!("{}: HEAD {} GET {}", name(), other.status, reply.status));
            }
            if other.closes() {
                client = Client::new(server);
            }
        }
    }
}

/// Every file in the folder is served as it is.
fn get_all(server: &Server, prefix: &str, tally: &mut Tally) {
    let mut client = Client::new(server);
    for file in INSIDE {
        let mut path = prefix.to_owned();
        for byte in file.bytes() {
            if byte.is_ascii_alphanumeric() || b"/.~;:+".contains(&byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
        let reply = client.get(&path);
        tally.note(&reply, &|| path.clone());
        if (reply.status, &*reply.text()) != (200, file) {
            tally.wrong.push(format!("{path}: {} {:?}", reply.status, reply.text()));
        }
    }
}

/// The corpus, against folders at `/s/*` and at `/*`.
fn corpus(tally: &mut Tally) {
    let world = World::new("corpus");
    for without in [false, true] {
        for prefix in ["/s/", "/"] {
            let server = serve(&world.root(), prefix, without);
            try_all(&server, &attempts(prefix), without, tally);
            get_all(&server, prefix, tally);
        }
    }
}

#[test]
fn nothing_outside_the_folder_is_ever_read() {
    let _bound = bounded(Duration::from_secs(240));
    let mut tally = Tally::default();
    let mut parts = Vec::new();
    let mut part = |name: &str, run: &dyn Fn(&mut Tally) -> Option<String>| {
        let mut own = Tally::default();
        let skipped = run(&mut own);
        parts.push(match skipped {
            Some(reason) => format!("{name}: skipped, {reason}"),
            None => format!("{name}: {}", own.made),
        });
        tally.add(own);
    };
    part("corpus", &|tally| {
        corpus(tally);
        None
    });
    part("while folders and links are swapped", &|tally| {
        races::run(tally);
        None
    });
    part("without rights", &|tally| in_child("without_rights", tally));
    part("mount points", &|tally| in_child("mount_points", tally));
    if !has_openat2() {
        parts.push("openat2: not there".to_owned());
    }
    // Not by println: whoever runs the tests wants to see the figure.
    let _ = writeln!(
        io::stdout(),
        "traversal: {} attempts, {} escapes ({})",
        tally.made,
        tally.escapes.len(),
        parts.join("; ")
    );
    assert!(tally.escapes.is_empty(), "{:#?}", tally.escapes);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

/// Where a test in a child process finds the world that its parent has made, and removes again.
const WORLD: &str = "REACTOR_TEST_WORLD";

/// Runs one of the tests below in a process of its own, which may give up rights. Returns why it
/// was skipped.
fn in_child(test: &str, tally: &mut Tally) -> Option<String> {
    let world = World::new(test);
    world.lock();
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new(program)
        .args([&*format!("traversal::{test}"), "--exact", "--ignored", "--nocapture"])
        .env(WORLD, world.path(""))
        .output()
        .expect("it starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        tally.wrong.push(format!("{test}: {text}{errors}"));
    }
    if text.contains(CANARY) {
        tally.escapes.push(test.to_owned());
    }
    let words =
        |key: &str| text.lines().find_map(|line| Some(line.split_once(key)?.1.trim().to_owned()));
    tally.made += words("attempts made:").and_then(|n| n.parse().ok()).unwrap_or(0);
    words("skipped:")
}

/// The world of the parent. None where there is no parent, as in a run of all ignored tests.
fn given_world() -> Option<PathBuf> {
    std::env::var_os(WORLD).map(PathBuf::from)
}

fn tell(tally: &Tally) {
    let _ = writeln!(io::stdout(), "attempts made: {}", tally.made);
    assert!(tally.escapes.is_empty(), "{:#?}", tally.escapes);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

/// Answers by their paths.
fn ask(server: &Server, rows: &[(&str, u16, &str)], tally: &mut Tally) {
    let mut client = Client::new(server);
    for (path, status, content) in rows {
        let reply = client.get(path);
        tally.note(&reply, &|| (*path).to_owned());
        if reply.status != *status || (*status == 200 && reply.text() != *content) {
            tally.wrong.push(format!("{path}: {} {:?}", reply.status, reply.text()));
        }
    }
}

#[test]
#[ignore = "gives up root's rights; started by nothing_outside_the_folder_is_ever_read"]
fn without_rights() {
    let Some(world) = given_world() else { return };
    let root = world.join("served");
    if geteuid().is_root() {
        let nobody = 65_534;
        let gone = setgroups(&[])
            .and_then(|()| setgid(Gid::from_raw(nobody)))
            .and_then(|()| setuid(Uid::from_raw(nobody)));
        if let Err(error) = gone {
            println!("skipped: root's rights cannot be given up ({error})");
            return;
        }
    }
    let mut tally = Tally::default();
    for without in [false, true] {
        let server = serve(&root, "/s/", without);
        let rows = [
            ("/s/locked.txt", 404, ""),
            ("/s/locked/x.txt", 404, ""),
            ("/s/locked/", 404, ""),
            ("/s/locked", 404, ""),
            ("/s/locked/../a.txt", 200, "a.txt"),
            ("/s/a.txt", 200, "a.txt"),
            ("/s/sub/b.txt", 200, "sub/b.txt"),
        ];
        ask(&server, &rows, &mut tally);
    }
    let locked = FolderOptions { root: root.join("locked"), ..FolderOptions::default() };
    let error = Folder::open(&locked).expect_err("it is locked");
    assert!(matches!(error.problem, FolderProblem::NoPermission), "{error}");
    assert!(error.to_string().contains("locked"), "{error}");
    let file = root.join("locked.txt");
    let error = Folder::of_file(&file, &locked).expect_err("it is locked");
    assert!(matches!(error.problem, FolderProblem::NoPermission), "{error}");
    tell(&tally);
}

#[test]
#[ignore = "mounts in a namespace of its own; started by nothing_outside_the_folder_is_ever_read"]
fn mount_points() {
    let Some(world) = given_world() else { return };
    let root = world.join("served");
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let apart =
        unshare(CloneFlags::CLONE_NEWNS).and_then(|()| mount(none, "/", none, private, none));
    if let Err(error) = apart {
        println!("skipped: no namespace for mounts ({error})");
        return;
    }
    let (mounted, bound) = (root.join("mounted"), root.join("bound"));
    let elsewhere = world.join("elsewhere");
    for folder in [&mounted, &bound, &elsewhere] {
        std::fs::create_dir(folder).expect("ours");
    }
    std::fs::write(elsewhere.join("x.txt"), "bound").expect("ours");
    std::os::unix::fs::symlink("../canary.txt", elsewhere.join("out")).expect("ours");
    std::os::unix::fs::symlink("x.txt", elsewhere.join("in")).expect("ours");
    mount(Some("tmpfs"), &mounted, Some("tmpfs"), MsFlags::empty(), none).expect("as root");
    std::fs::write(mounted.join("x.txt"), "mounted").expect("ours");
    std::os::unix::fs::symlink("../../canary.txt", mounted.join("out")).expect("ours");
    std::os::unix::fs::symlink("../..", mounted.join("out-folder")).expect("ours");
    std::os::unix::fs::symlink("../a.txt", mounted.join("in")).expect("ours");
    mount(Some(&elsewhere), &bound, none, MsFlags::MS_BIND, none).expect("as root");

    let mut tally = Tally::default();
    for without in [false, true] {
        let server = serve(&root, "/s/", without);
        let link = if without || !has_openat2() { 404 } else { 200 };
        let rows = [
            // Whoever mounts something in the folder wants it to be there.
            ("/s/mounted/x.txt", 200, "mounted"),
            ("/s/bound/x.txt", 200, "bound"),
            ("/s/mounted/in", link, "a.txt"),
            ("/s/bound/in", link, "bound"),
            ("/s/mounted/out", 404, ""),
            ("/s/mounted/out-folder/canary.txt", 404, ""),
            ("/s/mounted/out-folder/served/a.txt", 404, ""),
            ("/s/bound/out", 404, ""),
            ("/s/bound/../../canary.txt", 404, ""),
            ("/s/bound/..%2fcanary.txt", 404, ""),
            ("/s/mounted/../a.txt", 200, "a.txt"),
        ];
        ask(&server, &rows, &mut tally);
    }
    tell(&tally);
    for folder in [&mounted, &bound] {
        nix::mount::umount(folder).expect("nothing uses it");
    }
}

/// A path has no meaning beyond the bytes that the folder knows: the same corpus gives the same
/// answers one after another and all at once on one connection.
#[test]
fn attempts_in_one_packet_are_answered_in_their_order() {
    let _bound = bounded(Duration::from_secs(60));
    let world = World::new("pipelined");
    let server = serve(&world.root(), "/s/", false);
    let rows: Vec<Attempt> = attempts("/s/")
        .into_iter()
        .filter(|row| {
            !matches!(row.with_openat2, Outcome::Status(400 | 414)) && row.target.len() < 500
        })
        .collect();
    let mut client = Client::new(&server);
    let mut answers: HashMap<usize, Outcome> = HashMap::new();
    for batch in rows.chunks(16) {
        let mut packet = Vec::new();
        for row in batch {
            packet.extend_from_slice(b"GET ");
            packet.extend_from_slice(&row.target);
            packet.extend_from_slice(
                format!(" HTTP/1.1\r\nHost: x\r\n{}\r\n", row.fields).as_bytes(),
            );
        }
        client.send(packet);
        for row in batch {
            answers.insert(row.line, outcome(&client.reply()));
        }
    }
    for row in &rows {
        assert_eq!(answers[&row.line], row.with_openat2, "line {}", row.line);
    }
}
