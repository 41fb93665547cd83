//! Clients that speak something else than HTTP/1 to a plain port: what they are told, and
//! what the access log says of them.

mod common;

use std::fs;
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Duration;

use common::{Client, bounded, builtin, config, request, start, until, until_stats};
use reactor_server::{AccessLog, Config, LogFormat, LogTarget, Server, Stop, Timeouts};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// What begins another protocol, as a client would send it; its name in the log, the status,
/// and a word of the answer.
const OTHERS: [(&[u8], &str, u16, &str); 5] = [
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "HTTP/2", 505, "HTTP/1.1 only"),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n\r\n\xff\0", "TLS", 400, "https"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n", "PROXY", 400, "PROXY protocol"),
    (b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n\r\n", "PROXY", 400, "PROXY protocol"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cabcdefghijkl", "PROXY", 400, "PROXY protocol"),
];

struct Logged {
    server: Server,
    path: PathBuf,
}

impl Logged {
    fn new(name: &str, format: LogFormat, change: impl FnOnce(&mut Config)) -> Self {
        let path = std::env::temp_dir().join(format!("reactor-{}-{name}.log", std::process::id()));
        let target = LogTarget::File(path.clone());
        let mut config = config(builtin());
        config.io_threads = 1;
        config.http2 = false;
        config.access_log = Some(AccessLog { target, format, trace: None });
        change(&mut config);
        Self { server: start(config), path }
    }

    /// Stops the server, and returns the lines of its log.
    fn lines(self) -> Vec<String> {
        self.server.stop(Stop::Drain);
        self.server.wait();
        let text = fs::read_to_string(&self.path).expect("a log");
        text.lines().map(str::to_owned).collect()
    }

    fn objects(self) -> Vec<Value> {
        let lines = self.lines();
        lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Sends `bytes` in pieces of this size.
fn send(client: &mut Client, bytes: &[u8], piece: usize) {
    use std::io::Write;
    for piece in bytes.chunks(piece) {
        // The server may have answered, and closed.
        if client.stream.write_all(piece).is_err() {
            return;
        }
        if bytes.len() > piece.len() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn other_protocols_are_told_so_in_words_however_they_are_cut() {
    let _bound = bounded(LIMIT);
    let logged = Logged::new("cut", LogFormat::Json, |_| {});
    let mut expected = Vec::new();
    for (bytes, name, status, word) in OTHERS {
        for piece in [bytes.len(), 1, 3] {
            let mut client = Client::new(&logged.server);
            send(&mut client, bytes, piece);
            let reply = client.reply();
            assert_eq!(reply.status, status, "{}", bytes.escape_ascii());
            assert!(reply.text().contains(word), "{}", reply.text());
            assert!(reply.closes());
            client.ends();
            expected.push((name.to_owned(), u64::from(status)));
        }
    }
    assert_eq!(Client::new(&logged.server).get("/inline").text(), "inline");
    let log = logged.objects();
    let said: Vec<_> = log[..log.len() - 1]
        .iter()
        .map(|line| {
            assert_eq!([&line["method"], &line["target"], &line["version"]], [&Value::Null; 3]);
            assert_eq!(line["outcome"], "complete");
            assert!(line["input"].is_string(), "{line}");
            let name = line["protocol"].as_str().expect("a name").to_owned();
            (name, line["status"].as_u64().expect("a status"))
        })
        .collect();
    assert_eq!(said, expected);
    let last = log.last().expect("the last request");
    assert_eq!((&last["target"], last.get("protocol")), (&Value::from("/inline"), None));
}

/// However its first bytes are cut: the rest of the request is not waited for.
#[test]
fn a_port_for_http_2_tells_clients_of_http_1() {
    let _bound = bounded(LIMIT);
    let logged = Logged::new("http2", LogFormat::Json, |config| {
        (config.http1, config.http2) = (false, true);
    });
    for piece in [usize::MAX, 1] {
        let mut client = Client::new(&logged.server);
        let get = request("GET", "/inline");
        send(&mut client, get.as_bytes(), piece.min(get.len()));
        let reply = client.reply();
        assert_eq!(reply.status, 505);
        assert!(reply.text().contains("HTTP/2 only"), "{}", reply.text());
        assert!(reply.closes());
        client.ends();
    }
    let mut other = Client::new(&logged.server);
    other.send("PROXY TCP4 ");
    assert!(other.reply().text().contains("PROXY protocol"));
    let log = logged.objects();
    assert_eq!((&log[0]["target"], &log[0]["status"]), (&Value::from("/inline"), &505.into()));
    assert_eq!(log.len(), 3);
}

#[test]
fn a_log_of_lines_names_what_came() {
    let _bound = bounded(LIMIT);
    for format in [LogFormat::Common, LogFormat::Combined] {
        let logged = Logged::new(&format!("{format:?}"), format, |_| {});
        for (bytes, ..) in OTHERS {
            let mut client = Client::new(&logged.server);
            send(&mut client, bytes, bytes.len());
            client.reply();
            client.ends();
        }
        let lines = logged.lines();
        let requests: Vec<_> = lines.iter().filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(
            requests,
            [
                "(HTTP/2) PRI * HTTP/2.0",
                r"(TLS) \x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                "(PROXY) PROXY TCP4 192.0.2.1 192.0.2.2 1 2",
                "(PROXY) PROXY UNKNOWN",
                r"(PROXY) \x00",
            ]
        );
    }
}

/// Blank lines and what only looks like a beginning of another protocol are HTTP/1's.
#[test]
fn what_is_http_1_after_all_is_answered_as_before() {
    let _bound = bounded(LIMIT);
    let logged = Logged::new("http1", LogFormat::Json, |_| {});
    let get = request("GET", "/inline");
    let blank = ["", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"];
    for (input, status) in blank.map(|blank| (format!("{blank}{get}"), 200)).into_iter().chain([
        (request("PRI", "/inline"), 501),
        (request("P", "/inline"), 501),
        (request("PROXY", "/inline"), 501),
        ("PRI * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.1\r\nHost: x\r\n\r\n".to_owned(), 505),
        ("\r\n\r\n\x16".to_owned(), 400),
        (format!("\n{get}"), 400),
        ("\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
    ]) {
        for piece in [input.len(), 1] {
            let mut client = Client::new(&logged.server);
            send(&mut client, input.as_bytes(), piece);
            assert_eq!(client.reply().status, status, "{}", input.escape_debug());
        }
    }
    assert!(logged.objects().iter().all(|line| line.get("protocol").is_none()));
}

/// Of a client that leaves before it is clear what it speaks, or says nothing more.
#[test]
fn a_beginning_that_stays_one_is_an_incomplete_request() {
    let _bound = bounded(LIMIT);
    let timeouts = Timeouts { head: Duration::from_millis(300), ..Timeouts::default() };
    let logged = Logged::new("beginning", LogFormat::Json, |config| config.timeouts = timeouts);
    for (bytes, leaves, status) in [
        ("P", true, Some(400)),
        ("PRI * HTTP/2.0\r", true, Some(400)),
        ("PROXY", false, Some(408)),
        ("\r\n\r\n", true, None),
        ("\r\n", false, None),
        ("", true, None),
    ] {
        let mut client = Client::new(&logged.server);
        client.send(bytes);
        if leaves {
            client.stream.shutdown(Shutdown::Write).expect("a live socket");
        }
        if let Some(status) = status {
            assert_eq!(client.reply().status, status, "{bytes:?}");
        }
        client.ends();
    }
    until_stats(&logged.server, "all to be closed", |stats| stats.connections.open == 0);
    let closed = logged.server.stats().connections.closed;
    assert_eq!((closed.peer, closed.idle), (2, 1), "blank lines are no request: {closed:?}");
    let log = logged.objects();
    let said: Vec<_> = log.iter().map(|line| line["input"].as_str().expect("input")).collect();
    assert_eq!(said, ["P", "PRI * HTTP/2.0", "PROXY"]);
}

#[test]
fn a_stop_does_not_wait_for_what_is_unclear() {
    let _bound = bounded(LIMIT);
    let logged = Logged::new("stop", LogFormat::Json, |_| {});
    let mut clients: Vec<_> = ["", "\r\n", "\r\n\r\n"]
        .map(|bytes| {
            let mut client = Client::new(&logged.server);
            client.send(bytes);
            client
        })
        .into();
    until("the blank lines to be read", || logged.server.stats().bytes.received == 6);
    let mut late = Client::new(&logged.server);
    late.send("P");
    until("its byte to be read", || logged.server.stats().bytes.received == 7);
    logged.server.stop(Stop::Drain);
    // One that has begun a request may end it.
    late.send("OST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(late.reply().text(), "hi");
    late.ends();
    clients.iter_mut().for_each(Client::ends);
    logged.server.wait();
    assert_eq!(logged.server.stats().connections.closed.stopped, 4);
}
