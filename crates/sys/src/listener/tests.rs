use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;

use nix::sys::socket::{UnixAddr, bind};

use super::*;
use crate::address::ABSTRACT_BYTES;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rx-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("a socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Leaves a socket file as a server does that was killed.
fn leave_dead(path: &Path) {
    let fd = stream_socket(AddressFamily::Unix).expect("a socket");
    bind(fd.as_raw_fd(), &UnixAddr::new(path).expect("a short path")).expect("no file");
}

#[test]
fn of_many_that_start_on_a_dead_servers_path_one_listens() {
    const SERVERS: usize = 8;
    let folder = Folder::new("race");
    let path = folder.socket();
    for _ in 0..100 {
        leave_dead(&path);
        let start = Barrier::new(SERVERS);
        let listeners: Vec<Listener> = std::thread::scope(|scope| {
            let servers = (0..SERVERS).map(|_| {
                scope.spawn(|| {
                    start.wait();
                    Listener::unix(&path, 8, None)
                })
            });
            let servers: Vec<_> = servers.collect();
            let joined = servers.into_iter().map(|server| server.join().expect("no panic"));
            joined.flatten().flatten().collect()
        });
        assert_eq!(listeners.len(), 1);
        UnixStream::connect(&path).expect("it is the one that can be reached");
        assert!(Listener::is_alive(&path).expect("a socket"));
        fs::remove_file(&path).expect("it is there");
    }
}

#[test]
fn a_socket_between_bind_and_listen_is_not_dead() {
    let folder = Folder::new("bound");
    let path = folder.socket();
    let fd = stream_socket(AddressFamily::Unix).expect("a socket");
    bind(fd.as_raw_fd(), &UnixAddr::new(&path).expect("a short path")).expect("no file");
    let in_use = |result: Result<Vec<Listener>, BindError>| match result {
        Err(BindError::Unix { source, .. }) => source.kind() == io::ErrorKind::AddrInUse,
        _ => false,
    };
    assert!(in_use(Listener::unix(&path, 8, None)));
    assert!(Listener::is_alive(&path).expect("a socket"));
    drop(fd);
    assert!(!Listener::is_alive(&path).expect("a socket"));
    assert!(!path.exists(), "it has been removed");
    assert!(!Listener::is_alive(&path).expect("nothing"));
}

#[test]
fn a_connection_that_outlives_its_listener_does_not_keep_the_path() {
    let folder = Folder::new("connection");
    let path = folder.socket();
    let before = Listener::unix(&path, 8, None).expect("a free path").remove(0);
    let _client = UnixStream::connect(&path).expect("it listens");
    let _served = before.accept().expect("a client");
    drop(before);
    Listener::unix(&path, 8, None).expect("the file is dead");
}

#[test]
fn a_socket_has_the_permissions_that_were_asked_for() {
    let folder = Folder::new("mode");
    let path = folder.socket();
    let mode = |mode| {
        let listener = Listener::unix(&path, 8, mode).expect("a free path").remove(0);
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
        listener.unlink();
        mode
    };
    let usual = mode(None);
    for exactly in [0o600, 0o660, 0o666, 0o777, 0o000, 0o422] {
        assert_eq!(mode(Some(SocketMode::Exactly(exactly))), exactly);
    }
    assert_eq!(mode(Some(SocketMode::AtLeast(0o222))), usual | 0o222);
    assert_eq!(mode(Some(SocketMode::AtLeast(0))), usual);
}

#[test]
fn an_abstract_name_has_no_file_and_ends_with_its_socket() {
    let name = PathBuf::from(format!("\0reactor sys {}", std::process::id()));
    let listeners = Listener::unix(&name, 8, None).expect("a free name");
    assert!(listeners[0].address().to_string().starts_with("@reactor sys "));
    let (_client, connected) = Stream::connect(listeners[0].address()).expect("it listens");
    assert!(connected);
    listeners[0].accept().expect("a client");
    assert!(Listener::unix(&name, 8, None).is_err(), "it is taken");
    // Node 20 connects like this.
    let mut filled = name.as_os_str().as_bytes().to_vec();
    filled.resize(ABSTRACT_BYTES + 1, 0);
    let filled = Address::Unix(OsStr::from_bytes(&filled).into());
    let (_client, connected) = Stream::connect(&filled).expect("it listens");
    assert!(connected);
    listeners[1].accept().expect("a client");
    drop(listeners);
    Listener::unix(&name, 8, None).expect("it is free");
    let longest = format!("\0{:x<1$}", std::process::id(), ABSTRACT_BYTES);
    let listeners = Listener::unix(Path::new(&longest), 8, None).expect("a free name");
    assert_eq!(listeners.len(), 1);
    assert!(Listener::unix(Path::new(&(longest + "x")), 8, None).is_err(), "too long");
}

#[test]
fn with_ipv6_alone_the_port_is_free_on_ipv4() {
    let listens = |host, port, ipv6_only| Listener::tcp(host, port, 8, false, ipv6_only);
    let Ok(six) = listens("::", 0, true) else { return };
    let Address::Tcp(address) = six[0].address() else { unreachable!("it is TCP") };
    if address.is_ipv4() {
        // No IPv6 on this machine.
        return;
    }
    let port = address.port();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    listens("0.0.0.0", port, false).expect("it is free");
    let both = listens("::", 0, false).expect("a free port");
    let Address::Tcp(address) = both[0].address() else { unreachable!("it is TCP") };
    std::net::TcpStream::connect(("127.0.0.1", address.port())).expect("IPv4 too");
}
