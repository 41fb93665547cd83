//! Sockets that a server leaves to its successor.

mod common;

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use common::{Client, bounded, config, inline, start, tcp_address, until};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use reactor_server::{AcceptMode, Address, App, Config, Endpoint, Listen, Server, Stop};

const LIMIT: Duration = Duration::from_secs(20);

/// A server whose answers tell it from others.
fn named(name: &str, listen: Endpoint, accept: AcceptMode, io_threads: usize) -> Config {
    let mut app = App::new();
    inline(&mut app, "/", name);
    Config { listen: vec![listen], accept, io_threads, ..config(app) }
}

fn tcp(host: &str, port: u16) -> Endpoint {
    Listen::Tcp { host: host.to_owned(), port }.into()
}

/// The same place, with the sockets of a running server.
fn inherited(server: &Server, listen: Endpoint) -> Endpoint {
    let descriptors = server.descriptors().into_iter();
    let inherited = descriptors.filter(|(of, _)| *of == Some(0)).map(|(_, fd)| fd).collect();
    Endpoint { inherited, adopt: true, ..listen }
}

/// Clients that have connected, and that no server has accepted yet, as far as they know.
fn crowd(address: SocketAddr) -> Vec<Client> {
    (0..64).map(|_| Client::connect(address).expect("it is not refused")).collect()
}

#[test]
fn a_successor_serves_those_who_wait_and_none_is_refused() {
    let _bound = bounded(LIMIT);
    use AcceptMode::{Acceptor, PerLoop};
    let ways = [
        (Acceptor, 2, Acceptor, 2),
        (Acceptor, 2, PerLoop, 4),
        (PerLoop, 4, Acceptor, 2),
        (PerLoop, 1, PerLoop, 4),
        (PerLoop, 2, PerLoop, 4),
        (PerLoop, 4, PerLoop, 2),
        (PerLoop, 4, PerLoop, 1),
    ];
    for (before, loops_before, after, loops_after) in ways {
        let first = start(named("first", tcp("127.0.0.1", 0), before, loops_before));
        let address = tcp_address(&first);
        let mut open = Client::new(&first);
        assert_eq!(open.get("/").text(), "first");
        let endpoint = inherited(&first, tcp("127.0.0.1", address.port()));
        let sockets = endpoint.inherited.len();
        assert_eq!(sockets, if before == PerLoop { loops_before } else { 1 });
        let bound = named("second", endpoint, after, loops_after);
        let listening = Server::bind(&bound).expect("the sockets are there");
        first.stop(Stop::Retire);
        assert!(first.descriptors().is_empty());
        // A connection is kept for its next request, the answer to which is the last there.
        let last = open.get("/");
        assert_eq!((last.text(), last.field("connection")), ("first".to_owned(), Some("close")));
        drop(open);
        first.wait();
        // Nobody accepts at this moment.
        let mut clients = crowd(address);
        let second = Server::start_on(bound, listening).expect("a successor");
        assert_eq!(tcp_address(&second), address);
        clients.extend(crowd(address));
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "second");
        }
        let found = second.descriptors().len();
        let more = after == PerLoop && before == PerLoop && loops_before > 1;
        assert_eq!(found, if more { sockets.max(loops_after) } else { sockets });
        if after == PerLoop && !more {
            // They share the socket, and take turns.
            until("every loop to have a client", || {
                let mut client = Client::new(&second);
                assert_eq!(client.get("/").text(), "second");
                clients.push(client);
                let loops = second.stats().io_threads;
                loops.iter().all(|each| each.connections > 0)
            });
        }
    }
}

#[test]
fn both_generations_accept_until_the_first_retires() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let mut server = start(named("0", tcp("localhost", 0), accept, 2));
        let address = tcp_address(&server);
        for generation in 1..20 {
            let endpoint = inherited(&server, tcp("localhost", address.port()));
            let next = start(named(&generation.to_string(), endpoint, accept, 2));
            let mut clients = crowd(address);
            server.stop(Stop::Retire);
            clients.extend(crowd(address));
            let (old, new) = (generation - 1, generation);
            for client in &mut clients {
                let name = client.get("/").text();
                assert!(name == old.to_string() || name == new.to_string(), "{name}");
            }
            drop(clients);
            server.wait();
            server = next;
        }
    }
}

#[test]
fn the_file_of_a_unix_socket_is_the_successors() {
    let _bound = bounded(LIMIT);
    let path: PathBuf = std::env::temp_dir().join(format!("rx-left-{}.sock", std::process::id()));
    let unix = || Endpoint::from(Listen::Unix(path.clone()));
    let connect = || Client::over(UnixStream::connect(&path).expect("somebody listens"));
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        // With a force too, which cuts the drain short.
        for forced in [false, true] {
            let first = start(named("first", unix(), accept, 2));
            let second = start(named("second", inherited(&first, unix()), accept, 2));
            first.stop(Stop::Retire);
            if forced {
                first.stop(Stop::Force);
            }
            drop(first);
            let mut clients: Vec<_> = (0..8).map(|_| connect()).collect();
            for client in &mut clients {
                assert_eq!(client.get("/").text(), "second");
            }
            // A supervisor's socket stays the supervisor's.
            let third = Endpoint { adopt: false, ..inherited(&second, unix()) };
            let third = start(named("third", third, accept, 2));
            second.stop(Stop::Retire);
            second.stop(Stop::Drain);
            second.stop(Stop::Force);
            drop(second);
            assert_eq!(connect().get("/").text(), "third");
            drop(third);
            assert!(path.exists());
            fs::remove_file(&path).expect("it is there");
        }
    }
    let owner = start(named("owner", unix(), AcceptMode::Acceptor, 2));
    let heir = start(named("heir", inherited(&owner, unix()), AcceptMode::Acceptor, 2));
    owner.stop(Stop::Retire);
    drop(owner);
    drop(heir);
    assert!(!path.exists(), "its end removes what it has adopted");
}

#[test]
fn metrics_are_inherited_too() {
    let _bound = bounded(LIMIT);
    let with_metrics = |metrics: Endpoint| Config {
        metrics: Some(metrics),
        ..named("one", tcp("127.0.0.1", 0), AcceptMode::Acceptor, 2)
    };
    let first = start(with_metrics(tcp("127.0.0.1", 0)));
    let metrics = |server: &Server| server.metrics_address().expect("they are served").to_string();
    let address = metrics(&first);
    let left = first.descriptors();
    let left: Vec<i32> = left.iter().filter(|(of, _)| of.is_none()).map(|(_, fd)| *fd).collect();
    assert_eq!(left.len(), 1);
    let port = address.parse::<SocketAddr>().expect("it is TCP").port();
    let second = start(with_metrics(Endpoint { inherited: left, ..tcp("127.0.0.1", port) }));
    first.stop(Stop::Retire);
    first.wait();
    assert_eq!(metrics(&second), address);
    let mut client = Client::connect(address.parse().expect("it is TCP")).expect("a listener");
    client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_place_that_has_changed_is_bound_anew() {
    let _bound = bounded(LIMIT);
    let first = start(named("first", tcp("127.0.0.1", 0), AcceptMode::Acceptor, 1));
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("bound").port();
    drop(other);
    let second = inherited(&first, tcp("127.0.0.1", port));
    let second = start(named("second", second, AcceptMode::Acceptor, 1));
    assert_eq!(tcp_address(&second).port(), port);
    let any = start(named("any", inherited(&first, tcp("::", 0)), AcceptMode::Acceptor, 1));
    assert_eq!(tcp_address(&any), tcp_address(&first));
}

#[test]
fn several_servers_share_a_port_where_all_say_so() {
    let _bound = bounded(LIMIT);
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let shared = |port| Endpoint { reuse_port: true, ..tcp("127.0.0.1", port) };
        let one = start(named("one", shared(0), accept, 2));
        let address = tcp_address(&one);
        let two = start(named("two", shared(address.port()), accept, 2));
        until("both to have clients", || {
            assert_eq!(Client::connect(address).expect("a listener").get("/").status, 200);
            [&one, &two].iter().all(|server| server.stats().connections.accepted > 0)
        });
        let alone = named("alone", tcp("127.0.0.1", address.port()), accept, 2);
        let error = Server::start(alone).expect_err("it does not share");
        assert_eq!(error.code(), "ERR_REACTOR_ADDRESS_IN_USE");
    }
}

#[test]
fn what_cannot_listen_is_refused_by_its_cause() {
    let _bound = bounded(LIMIT);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let connected = std::net::TcpStream::connect(address).expect("it listens");
    let datagram = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let file = fs::File::open("/dev/null").expect("it is there");
    let (pair, _other) = UnixStream::pair().expect("a pair");
    let unbound = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None);
    let unbound = unbound.expect("a socket");
    for (fd, cause) in [
        (unbound.as_raw_fd(), "it is bound to no address"),
        (connected.as_raw_fd(), "it is a connection"),
        (pair.as_raw_fd(), "it is a connection"),
        (datagram.as_raw_fd(), "it is no stream socket"),
        (file.as_raw_fd(), "it is no socket"),
        (99_999, "no such descriptor"),
    ] {
        let config = named("", Listen::Inherited(fd).into(), AcceptMode::Acceptor, 1);
        let error = Server::start(config).expect_err("it cannot listen");
        assert_eq!(error.code(), "ERR_REACTOR_DESCRIPTOR");
        let message = error.to_string();
        assert!(message.contains(&format!("descriptor {fd}: ")), "{message}");
        assert!(message.contains(cause), "{message}");
    }
}

#[test]
fn a_connection_that_another_process_has_accepted_is_served() {
    let _bound = bounded(LIMIT);
    // As a primary process of node:cluster does it.
    let primary = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = primary.local_addr().expect("bound");
    let mut app = App::new();
    common::worker(&mut app, "/peer", |request, response| {
        response.body(request.peer().map_or("none".to_owned(), |peer| peer.to_string()));
    });
    let server = start(Config {
        listen: vec![Listen::Elsewhere(Address::Tcp(address)).into()],
        io_threads: 2,
        max_connections: Some(4),
        ..config(app)
    });
    assert_eq!(tcp_address(&server), address);
    assert!(server.descriptors().is_empty());
    let mut clients = Vec::new();
    for round in 0..6 {
        let client = Client::connect(address).expect("the primary listens");
        let (stream, _) = primary.accept().expect("a client");
        let served = server.hand_over(stream.as_raw_fd(), 0).expect("a connection");
        assert_eq!(served, round < 4, "the limit counts");
        drop(stream);
        if served {
            clients.push(client);
            let client = clients.last_mut().expect("it was put in");
            let own = client.stream.local_addr().expect("connected").to_string();
            assert_eq!(client.get("/peer").text(), own);
        }
    }
    let loops = server.stats().io_threads;
    assert!(loops.iter().all(|each| each.connections == 2), "{loops:?}");
    assert_eq!(server.stats().connections.refused, 2);
    let other = fs::File::open("/dev/null").expect("it is there");
    drop(clients);
    until("room for another", || server.stats().connections.open == 0);
    assert!(server.hand_over(other.as_raw_fd(), 0).is_err());
    server.stop(Stop::Drain);
    assert!(!server.hand_over(other.as_raw_fd(), 0).expect("it is not looked at"));
    server.wait();
}
