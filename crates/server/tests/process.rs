//! What a server costs its process: descriptors, memory, processor time and threads. Each server
//! here runs in a process of its own: this test program, started once more.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{
    Client, bounded, builtin, config, inline, pattern, post, request, start, until, worker,
};
use reactor_server::{AcceptMode, Config, Listen, Stop};

const LIMIT: Duration = Duration::from_secs(30);
const VARIABLE: &str = "REACTOR_TEST_SERVER";
const READY: &str = "the server listens on ";

/// Not a test but the server of the other tests, told by the environment how to be. It ends when
/// its standard input does.
#[test]
#[ignore = "the other tests run it in processes of their own"]
fn server() {
    let Ok(how) = std::env::var(VARIABLE) else { return };
    let mut app = builtin();
    inline(&mut app, "/large", pattern(1 << 20));
    worker(&mut app, "/made", |_, response| response.body_vec(vec![b'm'; 64 * 1024]));
    let mut config = Config { max_connections: Some(10_000), ..config(app) };
    let mut earlier = 0;
    for option in how.split_whitespace() {
        match option.split_once('=') {
            Some(("io", n)) => config.io_threads = n.parse().expect("a number"),
            Some(("workers", n)) => config.worker_threads = n.parse().expect("a number"),
            Some(("unix", path)) => config.listen = vec![Listen::Unix(path.into()).into()],
            Some(("after", n)) => earlier = n.parse().expect("a number"),
            None if option == "per-loop" => config.accept = AcceptMode::PerLoop,
            None if option == "derived" => config.max_connections = None,
            _ => panic!("unknown option {option}"),
        }
    }
    for n in 0..earlier {
        let server = start(config.clone());
        let mut clients: Vec<Client> = (0..5).map(|_| Client::new(&server)).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        server.stop(if n % 2 == 0 { Stop::Drain } else { Stop::Force });
        server.wait();
    }
    let server = start(config);
    println!("\n{READY}{}", server.address());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn new(how: &str) -> Self {
        Self::start(how, None)
    }

    /// With `files` as its limit of open files, soft and hard.
    fn with_files(how: &str, files: u32) -> Self {
        Self::start(how, Some(files))
    }

    fn start(how: &str, files: Option<u32>) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = match files {
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
                shell.arg(program);
                shell
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(["server", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(READY).map(str::to_owned));
        let Some(address) = address else { panic!("the server has not started") };
        Self { child, address }
    }

    fn tcp(&self) -> SocketAddr {
        self.address.parse().expect("a TCP address")
    }

    fn client(&self) -> Client {
        Client::connect(self.tcp()).expect("the server takes connections")
    }

    fn proc(&self, path: &str) -> PathBuf {
        format!("/proc/{}/{path}", self.child.id()).into()
    }

    /// Open descriptors (proc(5)).
    fn files(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("a live process").count()
    }

    /// Resident memory in KiB (proc(5)).
    fn resident(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("a live process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time used up so far (proc(5); 100 ticks a second).
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).expect("a live process");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        // utime and stime are the fields 14 and 15; these begin with the third.
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Names of the server's threads, in order.
    fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(self.proc("task")).expect("a live process");
        let mut names: Vec<String> = tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .map(|name| name.trim_end().to_owned())
            .filter(|name| name.starts_with("rx-"))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number from `/stats`, over an open connection.
fn stat(client: &mut Client, pointer: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(&client.get("/stats").body).expect("JSON");
    let number = json.pointer(pointer).and_then(serde_json::Value::as_u64);
    number.unwrap_or_else(|| panic!("no {pointer} in {json}"))
}

#[test]
fn threads_bear_names() {
    let _bound = bounded(LIMIT);
    let server = Process::new("io=3 workers=5");
    let mut expected = vec!["rx-accept", "rx-io-0", "rx-io-1", "rx-io-2"];
    let workers = ["rx-worker-0", "rx-worker-1", "rx-worker-2", "rx-worker-3", "rx-worker-4"];
    expected.extend(workers);
    // A thread names itself once it runs.
    until("all names", || server.threads() == expected);
    let server = Process::new("io=3 workers=5 per-loop");
    expected.remove(0);
    until("all names", || server.threads() == expected);
}

#[test]
fn running_out_of_descriptors_pauses_accepting_and_passes() {
    let _bound = bounded(LIMIT);
    for accept in ["", "per-loop"] {
        let server = Process::with_files(&format!("io=2 workers=2 {accept}"), 40);
        let mut first = server.client();
        assert_eq!(first.get("/").status, 200);
        // The kernel completes the handshakes, so all of these connect.
        let mut clients: Vec<Client> = (0..60).map(|_| server.client()).collect();
        until("an accept pause", || stat(&mut first, "/connections/acceptPauses") > 0);

        let before = server.cpu();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(first.get("/").status, 200, "those who are in are served");
        }
        let spent = server.cpu() - before;
        assert!(spent < Duration::from_millis(200), "it spins: {spent:?} of processor time");
        let pauses = stat(&mut first, "/connections/acceptPauses");
        assert!(pauses < 100, "{pauses} pauses");
        assert!(stat(&mut first, "/connections/open") < 40);

        // Each client leaves once it has its answer. Then those that waited get their turn.
        for client in &mut clients {
            client.send(request("GET", "/"));
            client.stream.set_nonblocking(true).expect("a live socket");
        }
        until("everybody to be served", || {
            clients.retain_mut(|client| {
                let answered = client.stream.peek(&mut [0]).is_ok();
                if answered {
                    client.stream.set_nonblocking(false).expect("a live socket");
                    assert_eq!(client.reply().status, 200);
                }
                !answered
            });
            clients.is_empty()
        });
        assert_eq!(server.client().get("/").status, 200);
        assert_eq!(stat(&mut first, "/connections/refused"), 0);
    }
}

/// Where the server chooses the limit on connections, it has descriptors left to tell clients
/// beyond it.
#[test]
fn few_descriptors_mean_few_connections_and_a_503_for_the_rest() {
    let _bound = bounded(LIMIT);
    let server = Process::with_files("io=1 workers=1 derived", 300);
    // A fifth is for the rest of the process.
    let mut clients: Vec<Client> = (0..240).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    for _ in 0..100 {
        let mut surplus = server.client();
        assert_eq!(surplus.reply().status, 503);
        surplus.ends();
    }
    assert_eq!(stat(&mut clients[0], "/connections/acceptPauses"), 0);
}

#[test]
fn descriptors_come_back_after_two_thousand_aborted_connections() {
    let _bound = bounded(LIMIT);
    for accept in ["", "per-loop"] {
        let server = Process::new(&format!("io=2 workers=2 {accept}"));
        assert_eq!(server.client().get("/").status, 200);
        let mut random = common::Random(42);
        let mut watch = server.client();
        until("one open connection", || stat(&mut watch, "/connections/open") == 1);
        let before = server.files();
        let conversation = [
            request("GET", "/"),
            request("GET", "/large"),
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345".to_owned(),
        ]
        .concat();
        let mut kept = std::collections::VecDeque::new();
        for _ in 0..1_000 {
            let mut stream = TcpStream::connect(server.tcp()).expect("the server accepts");
            let bytes = &conversation.as_bytes()[..random.below(conversation.len() + 1)];
            stream.write_all(bytes).expect("a small request fits");
            if random.below(4) == 0 {
                let _ = stream.shutdown(Shutdown::Write);
            }
            kept.push_back(stream);
            if kept.len() > random.below(100) {
                kept.pop_front();
            }
        }
        drop(kept);
        until("all to be accepted", || stat(&mut watch, "/connections/accepted") == 1_002);
        until("all to be gone", || stat(&mut watch, "/connections/open") == 1);
        until("the descriptors to be back", || server.files() == before);
    }
}

#[test]
fn thousands_of_slow_heads_cost_little_memory() {
    let _bound = bounded(LIMIT);
    const CLIENTS: usize = 2_000;
    let server = Process::new("io=2 workers=2");
    let mut watch = server.client();
    // What is allocated only once is allocated before the count begins.
    let warm: Vec<Client> = (0..50).map(|_| server.client()).collect();
    until("the warm-up", || stat(&mut watch, "/connections/open") == 51);
    drop(warm);
    let before = server.resident();
    let mut slow: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| TcpStream::connect(server.tcp()).expect("the server accepts"))
        .collect();
    let mut sent = 0;
    for piece in ["GET / HTTP/1.1\r\nHo", "st: test\r\nX-Slow: ", "0123456789", "0123456789"] {
        for stream in &mut slow {
            stream.write_all(piece.as_bytes()).expect("a small piece fits");
        }
        sent += CLIENTS * piece.len();
        until("the piece to be read", || stat(&mut watch, "/bytes/received") >= sent as u64);
    }
    assert_eq!(stat(&mut watch, "/connections/open"), CLIENTS as u64 + 1);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < CLIENTS, "{grown} KiB for {CLIENTS} slow heads");
    let cpu = server.cpu();
    std::thread::sleep(Duration::from_millis(300));
    let spent = server.cpu() - cpu;
    assert!(spent < Duration::from_millis(100), "{spent:?} of processor time for waiting");
}

#[test]
fn readers_that_do_not_read_cost_bounded_memory() {
    let _bound = bounded(LIMIT);
    const CLIENTS: usize = 10;
    let server = Process::new("io=2 workers=2");
    let mut watch = server.client();
    for (bytes, times, mib) in [
        // A pre-rendered body is not copied, however often clients ask for it.
        (request("GET", "/large").into_bytes(), 500, 1),
        // 64 may be under way at once, of 64 KiB each.
        (request("GET", "/made").into_bytes(), 5_000, 6),
        (post("/echo", &pattern(64 * 1024)), 1_000, 8),
    ] {
        let before = server.resident();
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
        let all = bytes.repeat(times);
        for client in &mut clients {
            client.stream.set_write_timeout(Some(Duration::from_millis(100))).expect("live");
            // Until the server reads no more, or has read everything.
            let _ = client.stream.write_all(&all);
        }
        let mut last = (0, Instant::now());
        until("the server to stop reading", || {
            // Watching causes a little traffic itself.
            let received = stat(&mut watch, "/bytes/received");
            if received.abs_diff(last.0) > 10_000 {
                last = (received, Instant::now());
            }
            last.1.elapsed() > Duration::from_millis(200)
        });
        let grown = server.resident().saturating_sub(before);
        assert!(grown < CLIENTS * mib * 1024, "{grown} KiB for {CLIENTS} clients");
        assert_eq!(stat(&mut watch, "/connections/open"), CLIENTS as u64 + 1);
        drop(clients);
        until("them to be gone", || stat(&mut watch, "/connections/open") == 1);
    }
}

#[test]
fn the_socket_of_a_killed_server_is_replaced() {
    let _bound = bounded(LIMIT);
    let path = std::env::temp_dir().join(format!("rx-killed-{}.sock", std::process::id()));
    let how = format!("unix={}", path.display());
    let mut killed = Process::new(&how);
    let connect = || {
        let stream = UnixStream::connect(&path).expect("a listener");
        stream.set_read_timeout(Some(common::ANSWER_LIMIT)).expect("a live socket");
        Client::over(stream)
    };
    assert_eq!(connect().get("/").status, 200);
    killed.child.kill().expect("it runs");
    killed.child.wait().expect("it ends");
    assert!(path.exists(), "a killed server removes nothing");
    assert!(UnixStream::connect(&path).is_err());

    let server =
        start(Config { listen: vec![Listen::Unix(path.clone()).into()], ..config(builtin()) });
    assert_eq!(connect().get("/").status, 200);
    drop(server);
    assert!(!path.exists());
}

#[test]
fn stopped_servers_leave_neither_threads_nor_descriptors() {
    let _bound = bounded(LIMIT);
    for accept in ["", "per-loop"] {
        let first = Process::new(accept);
        let fifth = Process::new(&format!("{accept} after=4"));
        until("the same threads", || fifth.threads() == first.threads());
        assert_eq!(fifth.files(), first.files());
    }
}
