//! Where a server can listen, and what it says if it cannot.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Client, bounded, builtin, config, inline, start, tcp_address, until};
use reactor_server::{AcceptMode, Address, App, Config, Listen, Server, StartError, Stop};

const LIMIT: Duration = Duration::from_secs(20);

fn tcp(host: &str, port: u16) -> Config {
    Config { listen: vec![Listen::Tcp { host: host.to_owned(), port }.into()], ..config(builtin()) }
}

fn unix(path: &Path) -> Config {
    Config { listen: vec![Listen::Unix(path.to_owned()).into()], ..config(builtin()) }
}

/// The message of a start that must fail. It is one line.
#[track_caller]
fn error(config: Config) -> StartError {
    let error = Server::start(config).expect_err("the start fails");
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn two_servers_live_side_by_side_in_one_process() {
    let _bound = bounded(LIMIT);
    let server = |body: &str| {
        let mut app = App::new();
        inline(&mut app, "/", body);
        start(config(app))
    };
    let (one, two) = (server("one"), server("two"));
    assert_ne!(tcp_address(&one), tcp_address(&two));
    let (mut first, mut second) = (Client::new(&one), Client::new(&two));
    for _ in 0..10 {
        assert_eq!(first.get("/").text(), "one");
        assert_eq!(second.get("/").text(), "two");
    }
    drop(one);
    assert_eq!(second.get("/").text(), "two", "its neighbour's end is nothing to it");
    assert_eq!(two.stats().requests.total, 11);
}

#[test]
fn a_port_is_free_again_as_soon_as_its_server_has_stopped() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let mut port = 0;
        for round in 0..5 {
            let server = start(Config { accept, ..tcp("127.0.0.1", port) });
            port = tcp_address(&server).port();
            // A connection closed by the server leaves the port in TIME_WAIT.
            let mut client = Client::new(&server);
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert_eq!(client.reply().status, 200);
            client.ends();
            server.stop(if round % 2 == 0 { Stop::Drain } else { Stop::Force });
            server.wait();
        }
    }
}

#[test]
fn an_address_in_use_is_named_with_what_to_do() {
    let _bound = bounded(LIMIT);
    use AcceptMode::{Acceptor, PerLoop};
    for (running, coming) in
        [(Acceptor, Acceptor), (Acceptor, PerLoop), (PerLoop, Acceptor), (PerLoop, PerLoop)]
    {
        let server = start(Config { accept: running, ..tcp("127.0.0.1", 0) });
        let address = tcp_address(&server);
        let error = error(Config { accept: coming, ..tcp("127.0.0.1", address.port()) });
        assert_eq!(error.code(), "ERR_REACTOR_ADDRESS_IN_USE");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {address}: the address is already in use; \
                 stop the other server or choose another port"
            ),
        );
        assert_eq!(Client::new(&server).get("/").status, 200, "the first one goes on");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_named_with_the_cause() {
    // Name servers that do not answer take their time to fail.
    let _bound = bounded(Duration::from_secs(120));
    // TEST-NET-1 (RFC 5737) is nobody's.
    let away = error(tcp("192.0.2.1", 0));
    assert_eq!(away.code(), "ERR_REACTOR_ADDRESS_NOT_AVAILABLE");
    assert!(away.to_string().contains("192.0.2.1:0"), "{away}");
    // `.invalid` never resolves (RFC 6761).
    let unknown = error(tcp("no-such-host.invalid", 0));
    assert_eq!(unknown.code(), "ERR_REACTOR_HOST_NOT_FOUND");
    assert!(unknown.to_string().contains("'no-such-host.invalid'"), "{unknown}");
}

#[test]
fn each_loop_accepts_and_serves_in_the_per_loop_mode() {
    let _bound = bounded(LIMIT);
    let io_threads = 4;
    let server = start(Config { accept: AcceptMode::PerLoop, io_threads, ..config(builtin()) });
    let mut clients = Vec::new();
    // The kernel spreads connections by a hash, so that one loop may get a few more.
    until("every loop to have a connection", || {
        let mut client = Client::new(&server);
        assert_eq!(client.get("/").status, 200);
        clients.push(client);
        server.stats().io_threads.iter().all(|l| l.connections > 0)
    });
    assert!(clients.len() < 200, "{} connections", clients.len());
    for client in &mut clients {
        assert_eq!(client.get("/inline").text(), "inline");
    }
    assert!(server.stats().io_threads.iter().all(|l| l.requests >= 2));
    assert_eq!(server.stats().connections.open, clients.len() as u64);
}

#[test]
fn the_acceptor_spreads_connections_evenly() {
    let _bound = bounded(LIMIT);
    let server = start(Config { io_threads: 4, ..config(builtin()) });
    let mut clients: Vec<Client> = (0..40).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let spread = || server.stats().io_threads.iter().map(|l| l.connections).collect::<Vec<_>>();
    assert_eq!(spread(), [10; 4]);
    // The loop that lost some gets the next ones.
    clients.truncate(20);
    until("the others to be closed", || server.stats().connections.open == 20);
    for _ in 0..20 {
        let mut client = Client::new(&server);
        assert_eq!(client.get("/").status, 200);
        clients.push(client);
    }
    assert_eq!(spread(), [10; 4]);
}

#[test]
fn the_ipv6_wildcard_takes_ipv4_too() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let mut app = builtin();
        common::worker(&mut app, "/peer", |request, response| {
            response.body(request.peer().map_or("none".to_owned(), |peer| peer.ip().to_string()));
        });
        let listen = Listen::Tcp { host: "::".to_owned(), port: 0 };
        let server = start(Config { listen: vec![listen.into()], accept, ..config(app) });
        let port = tcp_address(&server).port();
        let peer_of = |address: SocketAddr| {
            let mut client = Client::connect(address).expect("a listener");
            client.get("/peer").text()
        };
        // An IPv4 peer has an IPv4 address here, not `::ffff:127.0.0.1`.
        assert_eq!(peer_of((Ipv4Addr::LOCALHOST, port).into()), "127.0.0.1");
        if has_ipv6() {
            assert_eq!(peer_of((Ipv6Addr::LOCALHOST, port).into()), "::1");
        }
    }
}

#[test]
fn one_address_is_taken_alone() {
    let _bound = bounded(LIMIT);
    let server = start(tcp("127.0.0.1", 0));
    let port = tcp_address(&server).port();
    assert!(Client::connect((Ipv6Addr::LOCALHOST, port).into()).is_err());
    assert!(Client::connect(([127, 0, 0, 2], port).into()).is_err());
    if has_ipv6() {
        for host in ["::1", "[::1]"] {
            let server = start(tcp(host, 0));
            let port = tcp_address(&server).port();
            assert_eq!(server.address().to_string(), format!("[::1]:{port}"));
            assert_eq!(Client::new(&server).get("/").status, 200);
            assert!(Client::connect((Ipv4Addr::LOCALHOST, port).into()).is_err());
        }
    }
}

#[test]
fn localhost_is_every_address_that_it_resolves_to() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let server = start(Config { accept, ..tcp("localhost", 0) });
        let port = tcp_address(&server).port();
        let mut reached = 0;
        for address in ("localhost", port).to_socket_addrs().expect("localhost resolves") {
            // Some systems know the name of ::1 and have no IPv6.
            if address.is_ipv6() && !has_ipv6() {
                continue;
            }
            let mut client = Client::connect(address).expect("a listener");
            assert_eq!(client.get("/").status, 200, "{address}");
            reached += 1;
        }
        assert!(reached > 0);
    }
}

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rx-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a place for the socket");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("http.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn connect(path: &Path) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).expect("a listener");
    stream.set_read_timeout(Some(common::ANSWER_LIMIT)).expect("a live socket");
    Client::over(stream)
}

#[test]
fn a_unix_socket_serves_like_a_port_and_is_removed_on_stop() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("serve");
    let path = folder.socket();
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        for stop in [Stop::Drain, Stop::Force] {
            let server = start(Config { accept, ..unix(&path) });
            assert_eq!(*server.address(), Address::Unix(path.clone()));
            assert_eq!(server.address().to_string(), path.display().to_string());
            let mut clients: Vec<_> = (0..20).map(|_| connect(&path)).collect();
            for client in &mut clients {
                assert_eq!(client.get("/").text(), "Hello, World!");
                let body = common::pattern(300_000);
                client.send(common::post("/echo", &body));
                assert!(client.reply().body == body);
                assert_eq!(client.get("/inline").text(), "inline");
            }
            server.stop(stop);
            server.wait();
            assert!(!path.exists());
        }
    }
}

#[test]
fn the_socket_file_of_a_dead_server_is_replaced() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("stale");
    let path = folder.socket();
    drop(UnixListener::bind(&path).expect("a fresh path"));
    assert!(path.exists(), "std leaves the file, as a killed server does");
    let server = start(unix(&path));
    assert_eq!(connect(&path).get("/").status, 200);
    drop(server);
    assert!(!path.exists());
}

#[test]
fn the_socket_of_a_live_server_is_an_error() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("live");
    let path = folder.socket();
    let server = start(unix(&path));
    for _ in 0..2 {
        let error = error(unix(&path));
        assert_eq!(error.code(), "ERR_REACTOR_ADDRESS_IN_USE");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on '{}': another server is listening there; \
                 stop it or choose another path",
                path.display()
            ),
        );
    }
    assert_eq!(connect(&path).get("/").status, 200, "the first one goes on");
    drop(server);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("file");
    let path = folder.socket();
    fs::write(&path, "precious").expect("a fresh path");
    let no_socket = error(unix(&path));
    assert_eq!(no_socket.code(), "ERR_REACTOR_SOCKET_PATH");
    assert!(no_socket.to_string().contains("no socket"), "{no_socket}");
    assert!(no_socket.to_string().contains(&path.display().to_string()), "{no_socket}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    fs::remove_file(&path).expect("still there");

    // A link to a running server's socket must not be removed either.
    let elsewhere = folder.0.join("elsewhere.sock");
    let other = UnixListener::bind(&elsewhere).expect("a fresh path");
    std::os::unix::fs::symlink(&elsewhere, &path).expect("a fresh path");
    let error = error(unix(&path));
    assert!(error.code().starts_with("ERR_REACTOR_"), "{error}");
    assert!(fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_symlink()));
    assert!(fs::metadata(&elsewhere).is_ok_and(|meta| meta.file_type().is_socket()));
    drop(other);
}

#[test]
fn a_path_that_cannot_be_had_is_named_with_the_cause() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("missing");
    let missing = folder.0.join("no-such-folder/http.sock");
    let error_of_missing = error(unix(&missing));
    assert_eq!(error_of_missing.code(), "ERR_REACTOR_SOCKET_PATH");
    assert_eq!(
        error_of_missing.to_string(),
        format!("cannot listen on '{}': its folder does not exist", missing.display()),
    );
    // sockaddr_un has room for 108 bytes (unix(7)).
    let long = folder.0.join("x".repeat(120));
    let too_long = error(unix(&long));
    assert_eq!(too_long.code(), "ERR_REACTOR_SOCKET_PATH");
    assert!(too_long.to_string().contains(&long.display().to_string()), "{too_long}");
}

/// Two processes may listen at one path in turn. A server that stops removes only its own file.
#[test]
fn a_stopping_server_leaves_its_successors_socket_alone() {
    let _bound = bounded(LIMIT);
    let folder = Folder::new("successor");
    let path = folder.socket();
    let first = start(unix(&path));
    fs::remove_file(&path).expect("somebody cleans up");
    let second = start(unix(&path));
    drop(first);
    assert_eq!(connect(&path).get("/").status, 200);
    drop(second);
    assert!(!path.exists());
}

#[test]
fn no_two_servers_of_a_process_have_one_start_id() {
    let _bound = bounded(LIMIT);
    let ids: Vec<u64> = (0..4).map(|_| start(config(builtin())).start_id()).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{ids:?}");
    }
}

#[test]
fn a_connection_of_the_process_itself_is_served_past_the_listener() {
    let _bound = bounded(LIMIT);
    let server = start(config(builtin()));
    let mut stream = UnixStream::from(server.connect().expect("a pair of sockets"));
    stream.set_nonblocking(false).expect("blocking");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.stats().connections.accepted, 1);
}
