//! The access log, from the client's bytes to the file.

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    Client, Latch, OpenAtEnd, bounded, builtin, config, post, post_chunked, request, start, until,
    until_stats, worker,
};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use reactor_server::{
    AccessLog, App, Config, Limits, LogFormat, LogTarget, Server, StartError, Stop, Timeouts,
};
use serde_json::Value;

/// A path of the test's own; the file is removed at the end.
struct TempPath(PathBuf);

impl TempPath {
    fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("reactor-{}-{count}-{name}", std::process::id())))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn logging(app: App, path: &Path) -> Config {
    let target = LogTarget::File(path.to_owned());
    Config {
        access_log: Some(AccessLog { target, format: LogFormat::Json, trace: None }),
        ..config(app)
    }
}

/// Stops the server, so that the log is complete, and reads its log.
fn stopped(server: &Server, path: &Path) -> Vec<Value> {
    server.stop(Stop::Drain);
    server.wait();
    lines(path)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Method, target, status and bytes.
fn essence(line: &Value) -> (Option<&str>, Option<&str>, u64, u64) {
    (
        line["method"].as_str(),
        line["target"].as_str(),
        line["status"].as_u64().expect("a status"),
        line["bytes"].as_u64().expect("a length"),
    )
}

#[test]
fn every_answer_has_its_line() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("answers.log");
    let server = start(logging(builtin(), &path.0));
    let mut client = Client::new(&server);
    let mut expected = Vec::new();
    for (target, status) in [("/", 200), ("/inline", 200), ("/missing", 404)] {
        let reply = client.get(target);
        expected.push((Some("GET"), Some(target), status, reply.body.len() as u64));
    }
    client.send(request("HEAD", "/inline"));
    client.reply_to_head();
    expected.push((Some("HEAD"), Some("/inline"), 200, 0));
    client.send(request("DELETE", "/inline"));
    let reply = client.reply();
    expected.push((Some("DELETE"), Some("/inline"), 405, reply.body.len() as u64));
    client.send(post("/echo", b"abc"));
    client.reply();
    expected.push((Some("POST"), Some("/echo"), 200, 3));
    // The answer is chunked too: `3`, `abc`, `0`, each with its line ends.
    client.send(post_chunked("/echo", b"abc", 2));
    client.reply();
    expected.push((Some("POST"), Some("/echo"), 200, 13));

    let log = stopped(&server, &path.0);
    assert_eq!(log.iter().map(essence).collect::<Vec<_>>(), expected);
    let peer = client.stream.local_addr().unwrap();
    let mut ids = Vec::new();
    for line in &log {
        assert_eq!(line["remote"], "127.0.0.1");
        assert_eq!(line["port"], peer.port());
        assert_eq!(line["version"], "HTTP/1.1");
        assert_eq!(line["outcome"], "complete");
        assert!(line["duration_us"].as_u64().expect("a duration") < 60_000_000);
        ids.push(line["id"].as_str().expect("an id"));
    }
    ids.dedup();
    assert_eq!(ids.len(), expected.len());
    assert_eq!(server.stats().access_log.expect("a log").written, expected.len() as u64);
    assert_eq!(server.stats().requests.latency.count, expected.len() as u64);
}

#[test]
fn pipelined_requests_have_a_line_each_in_their_order() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("pipelined.log");
    let server = start(logging(builtin(), &path.0));
    let mut client = Client::new(&server);
    let targets = ["/", "/inline", "/healthz", "/inline", "/missing"];
    client.send(targets.map(|target| request("GET", target)).concat());
    for _ in targets {
        client.reply();
    }
    let log = stopped(&server, &path.0);
    let logged: Vec<_> = log.iter().map(|line| line["target"].as_str().expect("one")).collect();
    assert_eq!(logged, targets);
}

/// Bytes that are not in memory count like others, for their own line and for those behind.
#[test]
fn a_body_from_a_file_counts_like_others() {
    const LENGTH: usize = 32_000_000;
    let _bounded = bounded(Duration::from_secs(60));
    let (path, content) = (TempPath::new("files.log"), TempPath::new("content"));
    fs::write(&content.0, vec![b'x'; LENGTH]).expect("room for a file");
    let file = Arc::new(File::open(&content.0).expect("it was just made"));
    let mut app = builtin();
    worker(&mut app, "/file/:to", move |request, response| {
        let to = request.param("to").and_then(|to| to.parse().ok()).expect("a number");
        response.body_file(Arc::clone(&file), 0..to);
    });
    let server = start(logging(app, &path.0));
    let mut client = Client::new(&server);
    let targets = ["/file/32000000", "/inline", "/file/0", "/file/70000", "/file/1", "/inline"];
    client.send(targets.map(|target| request("GET", target)).concat());
    client.send(request("HEAD", "/file/70000"));
    // The first line is not there before the client has taken what it says.
    until_stats(&server, "the server to send", |stats| stats.bytes.sent > 0);
    assert_eq!(server.stats().requests.latency.count, 0, "no answer has been sent whole");
    let bytes = targets.map(|_| client.reply().body.len() as u64);
    client.reply_to_head();
    // This one leaves in the midst of it.
    let mut leaves = Client::new(&server);
    leaves.send(request("GET", "/file/32000000"));
    leaves.read_until("\r\n\r\n");
    drop(leaves);
    until_stats(&server, "it to be gone", |stats| stats.connections.open == 1);

    let log = stopped(&server, &path.0);
    let mut logged: Vec<_> = log
        .iter()
        .map(|line| (line["target"].as_str().expect("one"), line["bytes"].as_u64().expect("one")))
        .collect();
    let whole: Vec<_> = targets.into_iter().zip(bytes).chain([("/file/70000", 0)]).collect();
    let left = log.iter().position(|line| line["outcome"] == "aborted").expect("one that left");
    let (_, sent) = logged.remove(left);
    assert!((1..LENGTH as u64).contains(&sent), "{sent}");
    assert_eq!(logged, whole);
}

#[test]
fn what_is_refused_has_its_line() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("refused.log");
    let limits = Limits { head: 512, body: 10, ..Limits::default() };
    let timeouts = Timeouts { head: Duration::from_secs(1), ..Timeouts::default() };
    let server = start(Config { limits, timeouts, ..logging(builtin(), &path.0) });
    let long = format!("GET /long HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(600));
    for (input, status) in [
        ("GET /\"bad\x01\" HTTP/1.1\r\n\r\n", 400),
        ("\x16\x03\x01", 400),
        (&long, 431),
        ("GET /slow HTTP/1.1\r\nHost:", 408),
    ] {
        let mut client = Client::new(&server);
        client.send(input);
        assert_eq!(client.reply().status, status, "{input:?}");
        client.ends();
    }
    let mut client = Client::new(&server);
    client.send(post("/echo", &[b'x'; 11]));
    assert_eq!(client.reply().status, 413);

    let log = stopped(&server, &path.0);
    let expected = [
        (400, Some("GET /\"bad\x01\" HTTP/1.1"), None),
        (400, Some("\x16\x03\x01"), None),
        (431, None, Some("/long")),
        (408, None, Some("/slow")),
        (413, None, Some("/echo")),
    ];
    let logged = log.iter().map(|line| {
        (line["status"].as_u64().unwrap(), line["input"].as_str(), line["target"].as_str())
    });
    // Each request has a connection of its own, so the loops may finish them in any order.
    let mut logged: Vec<_> = logged.collect();
    logged.sort_by_key(|line| expected.iter().position(|expected| expected == line));
    assert_eq!(logged, expected);
    assert!(log.iter().all(|line| line["outcome"] == "complete"));
}

#[test]
fn a_client_that_leaves_has_a_line_that_says_so() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("gone.log");
    let latch = Latch::new();
    let _open = OpenAtEnd(latch.clone());
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(logging(app, &path.0));
    let mut client = Client::new(&server);
    client.send(request("GET", "/held"));
    latch.until_inside(1);
    nix::sys::socket::setsockopt(
        &client.stream,
        nix::sys::socket::sockopt::Linger,
        &nix::libc::linger { l_onoff: 1, l_linger: 0 },
    )
    .expect("a reset instead of an end");
    drop(client);
    until_stats(&server, "the connection to end", |stats| stats.connections.open == 0);
    latch.open();
    let log = stopped(&server, &path.0);
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(essence(&log[0]), (Some("GET"), Some("/held"), 499, 0));
    assert_eq!(log[0]["outcome"], "aborted");
    assert_eq!(server.stats().requests.latency.count, 0);
}

#[test]
fn a_request_that_a_stop_cuts_off_has_a_line_that_says_so() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("stopped.log");
    let latch = Latch::new();
    let _open = OpenAtEnd(latch.clone());
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(logging(app, &path.0));
    let mut client = Client::new(&server);
    client.send(request("GET", "/held"));
    latch.until_inside(1);
    server.stop(Stop::Force);
    client.ends();
    latch.open();
    server.wait();
    let log = lines(&path.0);
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((&log[0]["status"], &log[0]["outcome"]), (&499.into(), &"stopped".into()));
}

#[test]
fn a_duration_lasts_from_head_to_last_byte() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("slow.log");
    let mut app = builtin();
    worker(&mut app, "/slow", |_, _| std::thread::sleep(Duration::from_millis(30)));
    let server = start(logging(app, &path.0));
    Client::new(&server).get("/slow");
    let log = stopped(&server, &path.0);
    let duration = log[0]["duration_us"].as_u64().expect("a duration");
    assert!(duration >= 30_000, "{duration} µs");
    assert!(server.stats().requests.latency.max_ns >= 30_000_000);
}

#[test]
fn long_parts_are_cut_off() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("long.log");
    let server = start(logging(builtin(), &path.0));
    let target = format!("/{}", "t".repeat(3_000));
    let mut client = Client::new(&server);
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUser-Agent: {}\r\nReferer: r\r\n\r\n",
        "a".repeat(2_000)
    ));
    assert_eq!(client.reply().status, 404);
    let log = stopped(&server, &path.0);
    assert_eq!(log[0]["target"], target[..2_048 - 4]);
    assert_eq!(log[0]["user_agent"], "a".repeat(1_024));
    assert_eq!((&log[0]["referer"], &log[0]["truncated"]), (&"r".into(), &true.into()));
}

#[test]
fn what_proxies_say_of_the_client_is_kept_as_sent() {
    let _bounded = bounded(Duration::from_secs(60));
    let path = TempPath::new("proxies.log");
    let server = start(logging(builtin(), &path.0));
    let mut client = Client::new(&server);
    let mut get = |fields: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        assert_eq!(client.reply().status, 200);
    };
    get("");
    get("X-Forwarded-For: 192.0.2.9, \"10.0.0.1\r\nUser-Agent: u\r\nx-forwarded-for: b\r\n");
    get("X-Forwarded-For:\r\n");
    get(&format!("X-Forwarded-For: {}\r\n", "1.1.1.1, ".repeat(200)));
    get(&format!("X-Forwarded-For: {}\r\n", "a".repeat(1_023)).repeat(2));
    let log = stopped(&server, &path.0);
    assert_eq!(log[0]["forwarded_for"], Value::Null);
    assert_eq!(log[1]["forwarded_for"], "192.0.2.9, \"10.0.0.1, b");
    assert_eq!((&log[1]["user_agent"], &log[1]["truncated"]), (&"u".into(), &Value::Null));
    assert_eq!(log[2]["forwarded_for"], "");
    let long = log[3]["forwarded_for"].as_str().expect("a string");
    assert_eq!((long.len(), &log[3]["truncated"]), (1_024, &true.into()));
    assert_eq!(log[4]["forwarded_for"], format!("{},", "a".repeat(1_023)));
}

#[test]
fn after_a_rename_it_goes_on_in_a_new_file() {
    let _bounded = bounded(Duration::from_secs(60));
    let (path, old) = (TempPath::new("rotated.log"), TempPath::new("rotated.log.1"));
    let server = start(logging(builtin(), &path.0));
    let mut client = Client::new(&server);
    client.get("/before");
    until("the first line", || !lines(&path.0).is_empty());
    fs::rename(&path.0, &old.0).expect("renamed");
    server.reopen_log().expect("reopened");
    // The writer may still be about to write into the old file.
    let mut sent = vec!["/before".to_owned()];
    until("a line in the new file", || {
        sent.push(format!("/after/{}", sent.len()));
        client.get(&sent[sent.len() - 1]);
        path.0.exists() && !lines(&path.0).is_empty()
    });
    let new = stopped(&server, &path.0);
    let old = lines(&old.0);
    assert!(!old.is_empty() && !new.is_empty());
    // Each record is in one of the two files, in the order of requests.
    let logged = old.iter().chain(&new).map(|line| line["target"].as_str().expect("one"));
    assert_eq!(logged.collect::<Vec<_>>(), sent);
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    let folder = std::env::temp_dir();
    for (path, cause) in [
        (folder.join("reactor-no-such-folder/a.log"), "its folder does not exist"),
        (folder.clone(), "it is a folder"),
    ] {
        let error = Server::start(logging(App::new(), &path)).expect_err("no log");
        assert!(matches!(error, StartError::Log { .. }));
        assert_eq!(error.code(), "ERR_REACTOR_LOG");
        let expected = format!("cannot open the access log '{}': {cause}", path.display());
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_full_disk_costs_records_and_nothing_else() {
    let _bounded = bounded(Duration::from_secs(60));
    let server = start(logging(builtin(), Path::new("/dev/full")));
    let mut client = Client::new(&server);
    for n in 1..=3 {
        assert_eq!(client.get("/inline").status, 200);
        until("a lost record", || server.stats().access_log.expect("a log").lost == n);
    }
    server.stop(Stop::Drain);
    server.wait();
    let log = server.stats().access_log.expect("a log");
    assert_eq!((log.written, log.lost), (0, 3));
    assert!(log.errors >= 3);
}

/// A pipe that nobody reads holds the writer up. The server answers requests all the same. It
/// counts the records that are lost, and tells how many once the pipe is read.
#[test]
fn a_blocked_writer_costs_records_and_no_request() {
    let _bounded = bounded(Duration::from_secs(120));
    let path = TempPath::new("pipe");
    mkfifo(&path.0, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
    // Non-blocking, or opening would wait for a writer.
    let pipe = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(&path.0)
        .expect("the reader's end");
    let server = start(Config { io_threads: 1, ..logging(builtin(), &path.0) });
    let mut client = Client::new(&server);
    let target = format!("/inline?{}", "x".repeat(1_900));
    let batch: String = (0..50).map(|_| request("GET", &target)).collect();
    let log = || server.stats().access_log.expect("a log");
    let mut requests = 0_u64;
    while log().lost == 0 {
        client.send(&batch);
        for _ in 0..50 {
            assert_eq!(client.reply().status, 200);
        }
        requests += 50;
        assert!(requests < 50_000, "nothing is lost: the queue has no end");
    }
    // At most 4 MiB of records wait, besides what the pipe and the writer hold.
    assert!(requests > 1_000, "lost after {requests}");

    let mut seen = Seen { pipe, begun: Vec::new(), written: 0, told: 0 };
    until("the line that tells of lost records", || {
        seen.read();
        seen.told > 0
    });
    assert_eq!(client.get("/last").status, 404);
    // The loop hands records over after it has sent the answers. So some may be told to be lost
    // later than others.
    until("every request to be written or told", || {
        seen.read();
        seen.written + seen.told > requests
    });
    assert_eq!(seen.written + seen.told, requests + 1);
    until("the statistics", || (log().written, log().lost) == (seen.written, seen.told));
}

/// What was read from the pipe.
struct Seen {
    pipe: File,
    /// The beginning of an incomplete line.
    begun: Vec<u8>,
    /// Records.
    written: u64,
    /// Records that the log says were lost.
    told: u64,
}

impl Seen {
    fn read(&mut self) {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = self.pipe.read(&mut chunk) {
            for part in chunk[..n].split_inclusive(|byte| *byte == b'\n') {
                self.begun.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    let line = std::mem::take(&mut self.begun);
                    self.line(&serde_json::from_slice(&line).expect("whole lines"));
                }
            }
        }
    }

    fn line(&mut self, line: &Value) {
        if line["event"] == "lost" {
            self.told += line["records"].as_u64().expect("a number");
        } else {
            self.written += 1;
        }
    }
}
