//! What can be changed of a running server, and what lanes are told of connections.

mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use common::{Client, Hand, bounded, builtin, request, start, tcp_address, until};
use reactor_server::{
    AcceptMode, Address, Announce, Config, ConnectionChange, ConnectionEvent, ExchangeId,
    LaneEvent, LaneReply, Limits, Listen, MaxConnections, Server, Timeouts, Tuning,
};

const LIMIT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);
const MODES: [AcceptMode; 2] = [AcceptMode::Acceptor, AcceptMode::PerLoop];

const ALL: Announce = Announce { connections: true, inactive: true, refused: true };

fn tuning() -> Tuning {
    Tuning {
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        announce: Announce::default(),
        max_connections: None,
    }
}

/// A server that announces everything.
fn hand(change: impl FnOnce(&mut Config)) -> Hand {
    Hand::new(|config| {
        config.announce = ALL;
        change(config);
    })
}

impl Hand {
    #[track_caller]
    fn connection(&self, change: ConnectionChange) -> Box<ConnectionEvent> {
        let LaneEvent::Connection(event) = self.event() else { panic!("not of a connection") };
        assert_eq!(event.change, change);
        event
    }
}

fn same(a: ExchangeId, b: ExchangeId) -> bool {
    a.place() == b.place() && a.connection() == b.connection()
}

#[test]
fn other_limits_and_timeouts_count_for_open_connections_too() {
    let _bound = bounded(LIMIT);
    let server = start(common::config(builtin()));
    let mut idle = Client::new(&server);
    assert_eq!(idle.get("/").status, 200);
    let mut half = Client::new(&server);
    half.send("GET / HT");
    let mut large = Client::new(&server);
    let cookie = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "a".repeat(40_000));
    large.send(&cookie);
    assert_eq!(large.reply().status, 431);
    let mut tuning = tuning();
    tuning.limits.head = 64 * 1024;
    tuning.timeouts.idle = SHORT;
    tuning.timeouts.head = Duration::from_secs(1);
    server.retune(tuning);
    idle.ends();
    assert_eq!(half.reply().status, 408);
    let mut large = Client::new(&server);
    until("the new limit", || {
        large = Client::new(&server);
        large.send(&cookie);
        large.reply().status == 200
    });
}

#[test]
fn a_request_must_come_whole_in_time_however_lively() {
    let _bound = bounded(LIMIT);
    let receive = Some(Duration::from_millis(500));
    let hand = hand(|config| config.timeouts.receive = receive);
    let mut client = Client::new(&hand.server);
    hand.connection(ConnectionChange::Opened);
    client.send("POST /lane/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let task = hand.task();
    let mut sent = true;
    let mut gone = false;
    while !gone {
        sent &= client.stream.write_all(b"1\r\na\r\n").is_ok();
        thread::sleep(Duration::from_millis(5));
        while let Some(event) = hand.lane.pop() {
            match event {
                LaneEvent::Gone(_) | LaneEvent::Refused(..) => gone = true,
                LaneEvent::Body(which, _) => assert_eq!(which, task.id()),
                _ => {}
            }
        }
    }
    assert!(sent, "it was read to the end");
    assert_eq!(client.reply().status, 408);
}

#[test]
fn a_lane_hears_of_connections_in_their_order() {
    let _bound = bounded(LIMIT);
    for accept in MODES {
        let mut hand = hand(|config| config.accept = accept);
        let mut client = Client::new(&hand.server);
        let opened = hand.connection(ConnectionChange::Opened);
        assert!(opened.peer.is_some_and(|peer| peer.ip().is_loopback()));
        client.send(request("GET", "/lane/a"));
        let task = hand.task();
        assert!(same(task.id(), opened.connection));
        hand.answer(task, "a");
        assert_eq!(client.reply().text(), "a");
        drop(client);
        let closed = hand.connection(ConnectionChange::Closed);
        assert!(same(closed.connection, opened.connection));
    }
}

#[test]
fn a_connection_that_was_open_before_is_announced_with_its_next_request() {
    let _bound = bounded(LIMIT);
    let hand = hand(|config| config.announce = Announce::default());
    let mut client = Client::new(&hand.server);
    assert_eq!(client.get("/").status, 200);
    hand.server.retune(Tuning { announce: ALL, ..tuning() });
    until("the announcement", || {
        client.send(request("GET", "/lane/a"));
        matches!(hand.event(), LaneEvent::Connection(_))
    });
    hand.task();
}

#[test]
fn a_lane_ends_connections_at_once_or_behind_their_answers() {
    let _bound = bounded(LIMIT);
    let mut hand = hand(|_| {});
    let mut idle = Client::new(&hand.server);
    let opened = hand.connection(ConnectionChange::Opened);
    hand.say(LaneReply::Cut(opened.connection));
    idle.ends();
    hand.connection(ConnectionChange::Closed);
    // Replies to a connection that is gone are dropped.
    hand.say(LaneReply::Cut(opened.connection));

    let mut busy = Client::new(&hand.server);
    let opened = hand.connection(ConnectionChange::Opened);
    busy.send(request("GET", "/lane/a"));
    let task = hand.task();
    hand.say(LaneReply::Finish(opened.connection));
    hand.answer(task, "the last");
    let reply = busy.reply();
    assert_eq!(reply.text(), "the last");
    assert!(reply.closes());
    busy.ends();
    drop(busy);
    hand.connection(ConnectionChange::Closed);

    let mut quiet = Client::new(&hand.server);
    let opened = hand.connection(ConnectionChange::Opened);
    hand.say(LaneReply::Finish(opened.connection));
    quiet.ends();

    // An answer that was given before the cut is still sent.
    let mut answered = Client::new(&hand.server);
    let opened = hand.connection_opened();
    answered.send(request("GET", "/lane/a"));
    let mut task = hand.next_task();
    task.response().body(b"before");
    hand.replies.push(LaneReply::Response(task));
    hand.say(LaneReply::Cut(opened));
    assert_eq!(answered.reply().text(), "before");
    answered.ends();
}

impl Hand {
    /// The next connection that is opened, whatever else is told before it.
    fn connection_opened(&self) -> ExchangeId {
        loop {
            if let LaneEvent::Connection(event) = self.event()
                && event.change == ConnectionChange::Opened
            {
                return event.connection;
            }
        }
    }
}

#[test]
fn what_nothing_happens_on_is_closed_or_told() {
    let _bound = bounded(LIMIT);
    let hand = hand(|config| config.timeouts.inactive = Some(SHORT));
    let mut told = Client::new(&hand.server);
    let opened = hand.connection(ConnectionChange::Opened);
    told.send("GET /lane/a HT");
    let inactive = hand.connection(ConnectionChange::Inactive);
    assert!(same(inactive.connection, opened.connection));
    told.send("TP/1.1\r\nHost: a\r\n\r\n");
    hand.task();

    let announce = Announce { inactive: false, ..ALL };
    let timeouts = Timeouts { inactive: Some(SHORT), ..Timeouts::default() };
    hand.server.retune(Tuning { announce, timeouts, ..tuning() });
    for begun in ["", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"] {
        let mut client = Client::new(&hand.server);
        client.send(begun);
        assert_eq!(client.rest(), "", "{begun:?}");
    }
}

#[test]
fn the_limit_on_connections_changes_and_tells_whom_it_refuses() {
    let _bound = bounded(LIMIT);
    for accept in MODES {
        let hand = hand(|config| config.accept = accept);
        let most = MaxConnections { most: 1, silent: true };
        hand.server.retune(Tuning { announce: ALL, max_connections: Some(most), ..tuning() });
        let mut first = Client::new(&hand.server);
        assert_eq!(first.get("/").status, 200);
        hand.connection(ConnectionChange::Opened);
        let mut second = Client::new(&hand.server);
        assert_eq!(second.rest(), "");
        let refused = hand.connection(ConnectionChange::Refused);
        assert!(refused.peer.is_some_and(|peer| peer.ip().is_loopback()));
        hand.server.retune(Tuning { announce: ALL, ..tuning() });
        let mut third = Client::new(&hand.server);
        assert_eq!(third.get("/").status, 200);
    }
}

#[test]
fn idle_connections_and_all_can_be_closed_while_it_goes_on() {
    let _bound = bounded(LIMIT);
    let mut hand = hand(|config| config.announce = Announce::default());
    let mut idle = Client::new(&hand.server);
    assert_eq!(idle.get("/").status, 200);
    let mut busy = Client::new(&hand.server);
    busy.send(request("GET", "/lane/a"));
    let task = hand.task();
    hand.server.close_idle_connections();
    idle.ends();
    hand.answer(task, "still");
    assert_eq!(busy.reply().text(), "still");
    hand.server.close_all_connections();
    busy.ends();
    assert_eq!(Client::new(&hand.server).get("/").status, 200);
}

#[test]
fn what_is_bound_first_is_served_later() {
    let _bound = bounded(LIMIT);
    for accept in MODES {
        let config = Config { accept, io_threads: 2, ..common::config(builtin()) };
        let bound = Server::bind(&config).expect("a free port");
        let Address::Tcp(address) = *bound.address() else { panic!("a TCP address") };
        let mut early = Client::connect(address).expect("somebody listens");
        early.send(request("GET", "/"));
        let server = Server::start_on(config, bound).expect("it starts");
        assert_eq!(tcp_address(&server), address);
        assert_eq!(early.reply().status, 200);
    }
    let config = common::config(builtin());
    let bound = Server::bind(&config).expect("a free port");
    let Address::Tcp(address) = *bound.address() else { panic!("a TCP address") };
    bound.close();
    assert!(Client::connect(address).is_err(), "nobody listens");
}

#[test]
fn an_inherited_descriptor_is_listened_on_and_stays_open() {
    let _bound = bounded(LIMIT);
    let inherited = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let listen = Listen::Inherited(inherited.as_raw_fd());
    for accept in MODES {
        let config =
            Config { listen: vec![listen.clone().into()], accept, ..common::config(builtin()) };
        let server = start(config);
        assert_eq!(tcp_address(&server), inherited.local_addr().expect("it is bound"));
        assert_eq!(Client::new(&server).get("/").status, 200);
    }
    assert!(inherited.local_addr().is_ok(), "it is open");
    for (fd, what) in [(-1, "no such descriptor"), (0, "descriptor 0")] {
        let config =
            Config { listen: vec![Listen::Inherited(fd).into()], ..common::config(builtin()) };
        let error = Server::start(config).expect_err("it is no socket");
        assert_eq!(error.code(), "ERR_REACTOR_DESCRIPTOR");
        assert!(error.to_string().contains(what), "{error}");
    }
}
