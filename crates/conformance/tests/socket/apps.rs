//! The servers under test, and what their handlers saw.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use reactor_conformance::{App as Kind, Case};
use reactor_server::{
    AcceptMode, Address, App, Config, Inline, Limits, Listen, Request, Response, Server, Stop,
    Target,
};

use crate::lane::{self, Player};
use crate::lock;

/// A request as a handler saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) = (self.method.escape_ascii(), self.target.escape_ascii());
        write!(f, "{method} {target}")?;
        for (name, value) in &self.fields {
            write!(f, ", {}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        write!(f, ", \"{}\"", self.body.escape_ascii())
    }
}

impl Seen {
    pub(crate) fn of(request: &Request) -> Self {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        Self {
            method: request.method().as_bytes().to_vec(),
            target: request.target().to_vec(),
            host: request.host().map(<[u8]>::to_vec),
            fields: request.fields().map(owned).collect(),
            body: request.body().to_vec(),
        }
    }

    /// The body of the answer that the handlers give; to HEAD the one that GET would get.
    pub(crate) fn echo(method: &[u8], target: &[u8], body: &[u8]) -> Vec<u8> {
        let method = if method == b"HEAD" { b"GET" } else { method };
        [method, b" ", target, b"\n", body].concat()
    }
}

/// What handlers saw on each connection to one server, by the client's address. Each server
/// has its own, because one client port may be connected to several servers.
#[derive(Default)]
pub(crate) struct Records(Mutex<HashMap<SocketAddr, Vec<Seen>>>);

impl Records {
    /// Takes out what the handlers saw on the connection of `client`.
    pub(crate) fn take(&self, client: SocketAddr) -> Vec<Seen> {
        lock(&self.0).remove(&client).unwrap_or_default()
    }

    /// Notes what a handler has seen of a request of `client`; returns the echo of it.
    pub(crate) fn record(&self, client: Option<SocketAddr>, seen: Seen) -> Vec<u8> {
        let echo = Seen::echo(&seen.method, &seen.target, &seen.body);
        let client = client.expect("a TCP connection has a peer");
        lock(&self.0).entry(client).or_default().push(seen);
        echo
    }
}

/// How long the slow handler takes: long enough for others to overtake it.
const SLOW: Duration = Duration::from_millis(10);

/// More than a server copies behind the head, and more than the client's window. So a part
/// is unsent when the server has nothing more to do for the connection.
const LARGE: usize = 400_000;

/// More than the drain timeout of a server.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

type Limited = Vec<(String, u64)>;

/// A server and what its handlers saw.
pub(crate) struct Recorded {
    server: Server,
    /// The thread behind the lane, if there is one. It ends after the server.
    _player: Option<Player>,
    pub(crate) address: SocketAddr,
    pub(crate) records: Arc<Records>,
}

/// The servers that a set of cases needs.
pub(crate) struct Fleet(HashMap<(Kind, Limited), Vec<Recorded>>);

impl Fleet {
    /// `http2` says whether they speak HTTP/2 too.
    pub(crate) fn start(cases: &[Case], http2: bool) -> Self {
        let mut servers = HashMap::new();
        let needed: HashSet<(Kind, Limited)> =
            cases.iter().map(|case| (case.app, case.limits.clone())).collect();
        for (kind, limits) in needed {
            // Most cases need the default limits. Several servers spread their connections
            // over more ports than one could use, and cover both ways to accept.
            let modes: &[AcceptMode] = if limits.is_empty() {
                &[AcceptMode::Acceptor, AcceptMode::PerLoop]
            } else {
                &[AcceptMode::Acceptor]
            };
            let started = modes.iter().map(|mode| server(kind, &limits, *mode, http2)).collect();
            servers.insert((kind, limits), started);
        }
        Self(servers)
    }

    /// The server to send the case to. `turn` picks one where several would do.
    pub(crate) fn server(&self, case: &Case, turn: usize) -> &Recorded {
        let servers = &self.0[&(case.app, case.limits.clone())];
        &servers[turn % servers.len()]
    }

    /// Stops all servers. Returns what handlers saw after their connection had been judged.
    pub(crate) fn stop(self) -> Vec<Seen> {
        let servers: Vec<Recorded> = self.0.into_values().flatten().collect();
        let (stopped, stops) = mpsc::channel();
        for recorded in &servers {
            let stopped = stopped.clone();
            recorded.server.on_stopped(Box::new(move || {
                // Nobody receives this after one server has failed to stop.
                let _ = stopped.send(());
            }));
            recorded.server.stop(Stop::Drain);
        }
        let mut late = Vec::new();
        for _ in &servers {
            if stops.recv_timeout(STOP_TIMEOUT).is_err() {
                // Dropping them would wait for ever.
                std::mem::forget(servers);
                panic!("a server does not stop; each connection to it is closed");
            }
        }
        for recorded in &servers {
            let left = std::mem::take(&mut *lock(&recorded.records.0));
            late.extend(left.into_values().flatten());
        }
        late
    }
}

fn server(kind: Kind, limited: &Limited, accept: AcceptMode, http2: bool) -> Recorded {
    let records = Arc::new(Records::default());
    let mut limits = Limits::default();
    for (name, value) in limited {
        let size = usize::try_from(*value).expect("a limit that fits");
        match name.as_str() {
            "request_line" => limits.request_line = size,
            "head" => limits.head = size,
            "fields" => limits.fields = size,
            "body" => limits.body = *value,
            "chunk_extensions" => limits.chunk_extensions = size,
            "trailers" => limits.trailers = size,
            _ => panic!("no limit is called {name:?}"),
        }
    }
    let app = match kind {
        Kind::Any => any(&records),
        Kind::Routes => routes(&records),
        Kind::Lanes => lane::app(),
    };
    let player = (kind == Kind::Lanes).then(|| Player::start(&records));
    let server = Server::start(Config {
        listen: vec![Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 }.into()],
        io_threads: 2,
        worker_threads: 2,
        accept,
        // The preface of HTTP/2 is one of the cases of HTTP/1.
        http2,
        limits,
        app,
        lanes: player.iter().map(Player::lane).collect(),
        ..Config::default()
    })
    .expect("the server starts");
    let Address::Tcp(address) = *server.address() else {
        panic!("listens on {} instead of TCP", server.address());
    };
    Recorded { server, _player: player, address, records }
}

/// One handler for everything.
fn any(records: &Arc<Records>) -> App {
    let mut app = App::new();
    app.route(None, "/*", worker(records, |_, _| {})).expect("a good route");
    app
}

/// A few routes, each with a method of its own.
fn routes(records: &Arc<Records>) -> App {
    let inline = Inline::new(200, &[("X-Inline", b"yes")], "inline").expect("good fields");
    let status = |status: u16, keep_body: bool| {
        worker(records, move |_, response| {
            response.status(status).expect("a good status");
            response.field("ETag", "\"1\"").expect("a good field");
            if !keep_body {
                response.body([]);
            }
        })
    };
    let upgrade = worker(records, |_, response| {
        response.status(426).expect("a good status");
        response.field("Upgrade", "h2c").expect("a good field");
        response.text();
    });
    let upgrade_inline =
        Inline::new(426, &[("Upgrade", b"h2c"), ("Content-Type", b"text/plain")], "HTTP/2 only\n")
            .expect("good fields");
    let chunked = |keep_body: bool| {
        worker(records, move |_, response| {
            response.chunked();
            if !keep_body {
                response.body([]);
            }
        })
    };
    let large = |chunked: bool| {
        worker(records, move |_, response| {
            response.body([b'x'; LARGE]);
            if chunked {
                response.chunked();
            }
        })
    };
    let large_inline = Inline::new(200, &[], [b'x'; LARGE]).expect("good fields");
    let mut app = App::new();
    for (method, pattern, target) in [
        ("GET", "/only-get", worker(records, |_, _| {})),
        ("POST", "/only-post", worker(records, |_, _| {})),
        ("GET", "/inline", Target::Inline(inline)),
        ("GET", "/empty", status(200, false)),
        ("GET", "/no-content", status(204, false)),
        ("GET", "/no-content-body", status(204, true)),
        ("GET", "/reset-content", status(205, false)),
        ("GET", "/reset-content-body", status(205, true)),
        ("GET", "/not-modified", status(304, false)),
        ("GET", "/not-modified-body", status(304, true)),
        ("GET", "/chunked", chunked(true)),
        ("GET", "/chunked-empty", chunked(false)),
        ("GET", "/slow", worker(records, |_, _| thread::sleep(SLOW))),
        ("GET", "/large", large(false)),
        ("GET", "/large-chunked", large(true)),
        ("GET", "/large-inline", Target::Inline(large_inline)),
        ("GET", "/upgrade", upgrade),
        ("GET", "/upgrade-inline", Target::Inline(upgrade_inline)),
        ("GET", "/admin", worker(records, |_, _| {})),
        ("GET", "/admin/*", worker(records, |_, _| {})),
        ("GET", "/item/:id", worker(records, |_, _| {})),
        ("GET", "/a b", worker(records, |_, _| {})),
        ("GET", "/caf\u{e9}", worker(records, |_, _| {})),
        ("GET", "/x%2Fy", worker(records, |_, _| {})),
        ("GET", "/{braces}", worker(records, |_, _| {})),
        ("GET", "/after", worker(records, |_, _| {})),
        ("GET", "/canary", worker(records, |_, _| {})),
    ] {
        app.route(Some(method), pattern, target).expect("a good route");
    }
    app
}

/// A handler that records the request, echoes it, and then calls `finish`.
fn worker(
    records: &Arc<Records>,
    finish: impl Fn(&Request, &mut Response) + Send + Sync + 'static,
) -> Target {
    let records = Arc::clone(records);
    Target::worker(move |request: &Request, response: &mut Response| {
        response.body(records.record(request.peer(), Seen::of(request)));
        finish(request, response);
    })
}
