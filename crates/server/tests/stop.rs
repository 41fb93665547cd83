//! Stopping by drain and by force, and what becomes of requests meanwhile.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Client, Latch, OpenAtEnd, alone, builtin, config, request, start, tcp_address, until,
    until_stats, worker,
};
use reactor_server::{AcceptMode, Address, Config, Listen, Server, Stop, Timeouts};

/// Far less than the drain timeouts that no test waits for.
const SOON: Duration = Duration::from_secs(15);

/// A server that drains closes a connection half a second after its last answer.
const NEARLY_IDLE: Duration = Duration::from_millis(400);

fn with_drain(drain: Duration, app: reactor_server::App) -> Config {
    Config { timeouts: Timeouts { drain, ..Timeouts::default() }, ..config(app) }
}

/// A server with one loop, whose only handler is held by the latch, and the client that waits for
/// its answer.
fn holding(drain: Duration) -> (Server, Arc<Latch>, Client) {
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, ..with_drain(drain, app) });
    let mut client = Client::new(&server);
    client.send(request("GET", "/held"));
    latch.until_inside(1);
    (server, latch, client)
}

/// Begins to drain, and returns once the server's only loop knows.
fn drain(server: &Server) {
    let mut probe = Client::new(server);
    assert_eq!(probe.get("/inline").status, 200);
    server.stop(Stop::Drain);
    until("the loop to drain", || {
        let sent = probe.stream.write_all(request("GET", "/inline").as_bytes());
        // If this client had been slow to ask again, its connection would be closed as idle.
        sent.and_then(|()| probe.try_reply(false)).map_or(true, |reply| reply.closes())
    });
}

fn until_it_accepts_no_more(server: &Server) {
    until("the listener to be closed", || !accepts(server));
}

fn accepts(server: &Server) -> bool {
    match server.address() {
        Address::Tcp(address) => Client::connect(*address).is_ok(),
        Address::Unix(path) => UnixStream::connect(path).is_ok(),
    }
}

#[test]
fn draining_under_load_loses_no_request() {
    let _bound = alone(Duration::from_secs(120));
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let tried = (0..10).any(|_| drain_under_load(accept));
        assert!(tried, "this machine is too busy to tell");
    }
}

/// False if a client was so slow to ask again that its connection was idle.
fn drain_under_load(accept: AcceptMode) -> bool {
    const CLIENTS: usize = 24;
    let mut app = builtin();
    worker(&mut app, "/slow", |_, response| {
        thread::sleep(Duration::from_millis(3));
        response.body(b"slow");
    });
    let server = start(Config { accept, ..with_drain(Duration::from_secs(60), app) });
    let (closed, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (server, closed, answered) = (&server, &closed, &answered);
            scope.spawn(move || {
                let mut client = Client::new(server);
                let path = ["/", "/inline", "/slow"][n % 3];
                let bytes = match n % 2 {
                    0 => request("GET", path).into_bytes(),
                    _ => common::post("/echo", &[b'x'; 3000]),
                };
                let mut asked = Instant::now();
                loop {
                    // Each request is answered, until an answer says close.
                    let sent = client.stream.write_all(&bytes);
                    let since_last = asked.elapsed();
                    asked = Instant::now();
                    let reply = match sent.and_then(|()| client.try_reply(false)) {
                        Ok(reply) => reply,
                        Err(_) if since_last > NEARLY_IDLE => return,
                        Err(error) => panic!("{error}, {since_last:?} after the last request"),
                    };
                    assert_eq!(reply.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if reply.closes() {
                        break;
                    }
                }
                client.ends();
                closed.fetch_add(1, Ordering::Relaxed);
            });
        }
        until_stats(&server, "the load to be on", |s| {
            s.connections.open == CLIENTS as u64 && s.requests.total > 500
        });
        let start = Instant::now();
        server.stop(Stop::Drain);
        server.wait();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    });
    let stats = server.stats();
    assert_eq!(stats.connections.open, 0);
    if closed.into_inner() < CLIENTS {
        return false;
    }
    assert_eq!(stats.requests.success, answered.into_inner() as u64);
    assert_eq!(stats.requests.success, stats.requests.total);
    true
}

/// Clients connect all the time. Every client whose connection reaches the server gets an answer on
/// it.
#[test]
fn draining_answers_those_who_have_just_connected() {
    let _bound = alone(Duration::from_secs(60));
    let server = start(with_drain(Duration::from_secs(60), builtin()));
    let address = tcp_address(&server);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A connection that the kernel had not yet given to the server when it stopped
                // listening is reset. It gets no answer, and the server can do nothing about it.
                let mut lost = 0;
                while let Ok(mut client) = Client::connect(address) {
                    let sent = client.stream.write_all(request("GET", "/").as_bytes());
                    match sent.and_then(|()| client.try_reply(false)) {
                        Ok(reply) => {
                            assert_eq!(reply.status, 200);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) => lost += 1,
                    }
                }
                assert!(lost <= 1, "{lost} connections lost");
            });
        }
        until("connections to come", || answered.load(Ordering::Relaxed) > 100);
        server.stop(Stop::Drain);
        server.wait();
    });
    let stats = server.stats();
    assert_eq!(stats.connections.open, 0);
    assert_eq!(stats.requests.success, stats.requests.total);
}

#[test]
fn draining_waits_for_a_long_handler_and_closes_with_its_answer() {
    let _bound = alone(Duration::from_secs(60));
    let (server, latch, mut client) = holding(Duration::from_secs(60));
    let _open = OpenAtEnd(latch.clone());
    drain(&server);
    until_stats(&server, "only the one to be left", |s| s.connections.open == 1);
    latch.open();
    let reply = client.reply();
    assert_eq!(reply.text(), "held");
    assert!(reply.closes());
    client.ends();
    drop(client);
    let start = Instant::now();
    server.wait();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(server.stats().connections.closed.stopped, 2, "this one and the probe");
}

#[test]
fn draining_answers_all_that_one_connection_had_pipelined() {
    let _bound = alone(Duration::from_secs(60));
    let (server, latch, mut client) = holding(Duration::from_secs(60));
    let _open = OpenAtEnd(latch.clone());
    client.send(request("GET", "/") + &request("GET", "/inline") + &request("GET", "/healthz"));
    until_stats(&server, "all to be read", |s| s.requests.total == 4);
    drain(&server);
    latch.open();
    let replies: Vec<_> = (0..4).map(|_| client.reply()).collect();
    let bodies: Vec<String> = replies.iter().map(common::Reply::text).collect();
    assert_eq!(bodies, ["held", "Hello, World!", "inline", "ok\n"]);
    let closing: Vec<bool> = replies.iter().map(common::Reply::closes).collect();
    assert_eq!(closing, [false, false, false, true]);
    client.ends();
}

/// A kept connection may send its next requests at the moment of the stop.
#[test]
fn draining_answers_what_a_kept_connection_sends_right_then() {
    let _bound = alone(Duration::from_secs(60));
    for path in ["/inline", "/healthz"] {
        let tried = (0..10).any(|_| in_the_moment_of_the_stop(path) < NEARLY_IDLE);
        assert!(tried, "this machine is too busy to tell");
    }
}

/// Returns how long after the last answer the requests were on their way.
fn in_the_moment_of_the_stop(path: &str) -> Duration {
    let (server, latch, _held) = holding(Duration::from_secs(60));
    let _open = OpenAtEnd(latch);
    let mut kept = Client::new(&server);
    let start = Instant::now();
    assert_eq!(kept.get(path).status, 200);
    drain(&server);
    let sent = kept.stream.write_all(request("GET", path).repeat(5).as_bytes());
    let took = start.elapsed();
    if took < NEARLY_IDLE {
        sent.expect("the connection is still there");
        for last in [false, false, false, false, true] {
            let reply = kept.reply();
            assert_eq!(reply.status, 200);
            assert_eq!(reply.closes(), last, "{path}");
        }
        kept.ends();
    }
    took
}

#[test]
fn draining_lets_a_body_come_in_that_was_on_its_way() {
    let _bound = alone(Duration::from_secs(60));
    let server = start(Config { io_threads: 1, ..with_drain(Duration::from_secs(60), builtin()) });
    let mut client = Client::new(&server);
    let bytes = common::post("/echo", &common::pattern(5000));
    client.send(&bytes[..3000]);
    until_stats(&server, "the head to be read", |s| s.requests.total == 1);
    let mut started = Client::new(&server);
    started.send("GET / HT");
    until_stats(&server, "half a head to be read", |s| s.bytes.received == 3008);
    drain(&server);
    client.send(&bytes[3000..]);
    let reply = client.reply();
    assert_eq!(reply.body, common::pattern(5000));
    assert!(reply.closes());
    started.send("TP/1.1\r\nHost: test\r\n\r\n");
    let reply = started.reply();
    assert_eq!(reply.text(), "Hello, World!");
    assert!(reply.closes());
    drop((client, started));
    server.wait();
}

#[test]
fn draining_closes_idle_connections_soon() {
    let _bound = alone(Duration::from_secs(60));
    let server = start(with_drain(Duration::from_secs(60), builtin()));
    let mut idle: Vec<Client> = (0..50).map(|_| Client::new(&server)).collect();
    for client in &mut idle[..25] {
        assert_eq!(client.get("/").status, 200);
    }
    until_stats(&server, "all to be open", |s| s.connections.open == 50);
    let start = Instant::now();
    server.stop(Stop::Drain);
    server.wait();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for client in &mut idle {
        client.ends();
    }
    assert_eq!(server.stats().connections.closed.stopped, 50);
}

#[test]
fn past_the_drain_timeout_connections_are_cut_and_wait_returns() {
    let _bound = alone(Duration::from_secs(60));
    let drain = Duration::from_millis(300);
    let (server, latch, mut client) = holding(drain);
    let _open = OpenAtEnd(latch.clone());
    let start = Instant::now();
    server.stop(Stop::Drain);
    let mut half = Vec::new();
    let _ = client.stream.read_to_end(&mut half);
    let cut = start.elapsed();
    assert!(half.is_empty());
    assert!(cut + Duration::from_millis(10) >= drain && cut < drain + SOON, "{cut:?}");
    server.wait();
    assert!(start.elapsed() < drain + SOON, "{:?}", start.elapsed());
    assert_eq!(latch.inside(), 1, "the handler is still there");
}

/// A client must not connect to a listener from which no thread accepts any more. It would wait
/// until the stop has ended, only to be reset. Meanwhile it would keep the loop awake that still
/// watches the listener.
#[test]
fn while_a_drain_goes_on_connecting_is_refused_and_wakes_nobody() {
    let _alone = alone(Duration::from_secs(60));
    let path = std::env::temp_dir().join(format!("rx-drain-{}.sock", std::process::id()));
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let tcp = Listen::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        for listen in [tcp, Listen::Unix(path.clone())] {
            let latch = Latch::new();
            let mut app = builtin();
            latch.route(&mut app, "/held");
            let drain = with_drain(Duration::from_secs(30), app);
            let server = start(Config { listen: vec![listen.into()], accept, ..drain });
            let opens = OpenAtEnd(Arc::clone(&latch));
            let mut client: Box<dyn Write> = match server.address() {
                Address::Tcp(_) => Box::new(Client::new(&server).stream),
                Address::Unix(path) => Box::new(UnixStream::connect(path).expect("a listener")),
            };
            client.write_all(request("GET", "/held").as_bytes()).expect("a live socket");
            latch.until_inside(1);
            server.stop(Stop::Drain);
            until_it_accepts_no_more(&server);
            let turns = |server: &Server| -> u64 {
                server.stats().io_threads.iter().map(|io| io.turns).sum()
            };
            let before = turns(&server);
            for _ in 0..20 {
                assert!(!accepts(&server), "{}", server.address());
                thread::sleep(Duration::from_millis(5));
            }
            // The loops look after their tasks and closed connections a few times.
            let more = turns(&server) - before;
            assert!(more < 200, "{more} turns with nothing to do at {}", server.address());
            drop(opens);
            server.wait();
            assert!(!path.exists());
        }
    }
}

#[test]
fn a_forced_stop_returns_promptly_with_a_stuck_handler() {
    let _bound = alone(Duration::from_secs(60));
    let (server, latch, mut client) = holding(Duration::from_secs(60));
    let _open = OpenAtEnd(latch);
    let start = Instant::now();
    server.stop(Stop::Force);
    assert!(start.elapsed() < SOON, "stop() does not wait");
    let mut half = Vec::new();
    let _ = client.stream.read_to_end(&mut half);
    assert!(half.is_empty());
    server.wait();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(server.stats().connections.open, 0);
}

#[test]
fn a_forced_stop_cuts_a_drain_short() {
    let _bound = alone(Duration::from_secs(60));
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let latch = Latch::new();
        let _open = OpenAtEnd(latch.clone());
        let mut app = builtin();
        latch.route(&mut app, "/held");
        let server = start(Config { accept, ..with_drain(Duration::from_secs(60), app) });
        let mut client = Client::new(&server);
        client.send(request("GET", "/held"));
        latch.until_inside(1);
        server.stop(Stop::Drain);
        server.stop(Stop::Drain);
        until_it_accepts_no_more(&server);
        let start = Instant::now();
        server.stop(Stop::Force);
        server.stop(Stop::Force);
        server.stop(Stop::Drain);
        server.wait();
        server.wait();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}

/// Also connections that the acceptor is handing to a loop.
#[test]
fn a_forced_stop_leaves_no_connection_open() {
    let _bound = alone(Duration::from_secs(60));
    for _ in 0..20 {
        let server = start(config(builtin()));
        let address = tcp_address(&server);
        let connected = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut clients = Vec::new();
                    while let Ok(client) = Client::connect(address) {
                        clients.push(client);
                        connected.fetch_add(1, Ordering::Relaxed);
                    }
                    // Until then the server may still answer one.
                    until("the stop", || stopped.load(Ordering::Acquire));
                    // The server object still exists. A client that the kernel had not handed out
                    // may learn of the end only when it sends something.
                    for mut client in clients {
                        let _ = client.stream.write_all(request("GET", "/").as_bytes());
                        let error = client.try_reply(false).expect_err("closed");
                        assert_ne!(error.kind(), ErrorKind::WouldBlock, "left open");
                    }
                });
            }
            until("connections to come", || connected.load(Ordering::Relaxed) > 20);
            server.stop(Stop::Force);
            server.wait();
            stopped.store(true, Ordering::Release);
        });
    }
}

#[test]
fn whoever_waits_or_asked_to_be_told_learns_of_the_stop() {
    let _bound = alone(Duration::from_secs(60));
    let server = start(with_drain(Duration::from_secs(5), builtin()));
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        Box::new(move || {
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    server.on_stopped(tell());
    server.on_stopped(tell());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| server.wait());
        }
        assert_eq!(told.load(Ordering::SeqCst), 0);
        server.stop(Stop::Drain);
    });
    until("the callbacks", || told.load(Ordering::SeqCst) == 2);
    server.on_stopped(tell());
    assert_eq!(told.load(Ordering::SeqCst), 3, "after the stop it is called at once");
}

#[test]
fn dropping_a_server_stops_it() {
    let _bound = alone(Duration::from_secs(60));
    let stopped = Arc::new(AtomicBool::new(false));
    let server = start(config(builtin()));
    let address = tcp_address(&server);
    let flag = Arc::clone(&stopped);
    server.on_stopped(Box::new(move || flag.store(true, Ordering::SeqCst)));
    let mut kept = Client::new(&server);
    assert_eq!(kept.get("/").status, 200);
    drop(server);
    until("the callback", || stopped.load(Ordering::SeqCst));
    assert!(Client::connect(address).is_err());
    let _ = kept.stream.shutdown(Shutdown::Write);
    assert!(kept.try_reply(false).is_err());
    // And one on which no byte was sent.
    drop(start(config(builtin())));
}

/// The callback owns the last handle of the server.
#[test]
fn a_server_may_be_dropped_by_its_own_callback() {
    let _bound = alone(Duration::from_secs(60));
    let server = Arc::new(start(config(builtin())));
    let done = Arc::new(AtomicBool::new(false));
    let (own, flag) = (Arc::clone(&server), Arc::clone(&done));
    server.on_stopped(Box::new(move || {
        drop(own);
        flag.store(true, Ordering::SeqCst);
    }));
    server.stop(Stop::Drain);
    drop(server);
    until("the callback to end", || done.load(Ordering::SeqCst));
}

/// Clients come and go faster than the server accepts them, and fill the kernel's queue again and
/// again.
#[test]
fn a_stop_ends_while_connections_keep_coming() {
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let _alone = alone(Duration::from_secs(120));
        let server = start(Config {
            io_threads: 2,
            accept,
            backlog: 4096,
            max_connections: Some(1),
            ..with_drain(Duration::from_secs(2), builtin())
        });
        let address = tcp_address(&server);
        let over = Arc::new(AtomicBool::new(false));
        let flooders: Vec<_> = (0..6)
            .map(|_| {
                let over = Arc::clone(&over);
                thread::spawn(move || {
                    let mut came = 0_u64;
                    while !over.load(Ordering::Relaxed) {
                        came += u64::from(std::net::TcpStream::connect(address).is_ok());
                    }
                    came
                })
            })
            .collect();
        until_stats(&server, "the flood", |stats| stats.connections.refused > 1000);
        server.stop(Stop::Drain);
        // This would not return before the flood ends.
        server.wait();
        over.store(true, Ordering::Relaxed);
        let came: u64 = flooders.into_iter().map(|it| it.join().expect("a client")).sum();
        assert!(came > 1000);
    }
}

#[test]
fn a_forced_stop_cuts_short_what_a_drain_accepts() {
    let _alone = alone(Duration::from_secs(60));
    let server = start(with_drain(Duration::from_secs(60), builtin()));
    let mut clients: Vec<Client> = (0..50).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        client.send("GET /inline HT");
    }
    server.stop(Stop::Drain);
    server.stop(Stop::Force);
    server.wait();
}

/// shutdown(2) on a listener makes every further accept4 fail with EINVAL; `ss -K` does that too.
#[test]
fn a_listener_that_fails_for_good_neither_spins_nor_holds_up_a_stop() {
    use nix::sys::socket::{Shutdown, SockaddrIn, getpeername, getsockname, shutdown};
    use std::os::fd::RawFd;
    for accept in [AcceptMode::Acceptor, AcceptMode::PerLoop] {
        let _alone = alone(Duration::from_secs(60));
        let server = start(Config { accept, ..with_drain(Duration::from_secs(30), builtin()) });
        let mut client = Client::new(&server);
        assert_eq!(client.get("/inline").status, 200);
        let port = tcp_address(&server).port();
        let files = std::fs::read_dir("/proc/self/fd").expect("there is /proc");
        let files = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
        for fd in files.collect::<Vec<_>>() {
            let is_ours = getsockname::<SockaddrIn>(fd).is_ok_and(|it| it.port() == port);
            if is_ours && getpeername::<SockaddrIn>(fd).is_err() {
                shutdown(fd, Shutdown::Both).expect("a listener");
            }
        }
        let pauses = || server.stats().connections.accept_pauses;
        until("a pause", || pauses() > 0);
        thread::sleep(Duration::from_millis(500));
        assert!(pauses() < 40, "{} pauses", pauses());
        let turns: u64 = server.stats().io_threads.iter().map(|io| io.turns).sum();
        assert!(turns < 1000, "{turns} turns");
        assert_eq!(client.get("/inline").status, 200, "those who are in are served");
        drop(client);
        server.stop(Stop::Drain);
        server.wait();
    }
}
