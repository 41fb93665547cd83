//! Connections that begin with a header of the PROXY protocol, or with something else, in pieces and
//! with pauses. Each gets what its bytes ask for, at the right time, and none keeps memory before.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use reactor_proto::proxy_protocol;

use crate::conn::entrance::{Entrance, ProxyProtocol};
use crate::conn::protocol::Protocol;
use crate::dispatch::app::{App, Target};
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::reactor::Reactor;
use crate::event_loop::services::{SendBudget, Settings};
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::handler::Handler;
use crate::exchange::request::Request;
use crate::exchange::response::Response;
use crate::observe::close_reason::CloseReason;
use crate::observe::counters::LoopCounters;
use crate::sim::rng::Rng;
use crate::sim::variable;
use crate::sim::wire::{Faults, Reasons, SimTransport, Wire};

/// Seeds that every `cargo test` runs.
const RUNS: u64 = 500;

const HEAD_TIMEOUT: u64 = 1_000;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";

const CLIENT: &str = "203.0.113.7:4711";

/// What a connection must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its request is answered. Whose address it has.
    Served(Whose),
    /// The server closes it without a word.
    Refused,
    /// The header is not whole, and its client has left or waits.
    Unfinished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Balancer,
    Client,
    /// The balancer does not know its client.
    Nobody,
}

struct Plan {
    bytes: Vec<u8>,
    fate: Fate,
}

fn plan(rng: &mut Rng, required: bool) -> Plan {
    let source: SocketAddr = CLIENT.parse().unwrap();
    let version = if rng.percent(50) { 1 } else { 2 };
    let mut header = Vec::new();
    let known = rng.percent(70);
    proxy_protocol::write(version, known.then_some((source, source)), &mut header);
    match rng.below(5) {
        0 => {
            let fate = if required { Fate::Refused } else { Fate::Served(Whose::Balancer) };
            Plan { bytes: REQUEST.to_vec(), fate }
        }
        1 => {
            header.truncate(rng.between(14, header.len() - 1));
            Plan { bytes: header, fate: Fate::Unfinished }
        }
        2 => {
            let wrong: &[&[u8]] = &[b"PROXY TCP4 x\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"];
            Plan { bytes: [rng.pick(wrong), REQUEST].concat(), fate: Fate::Refused }
        }
        _ => {
            let whose = match (known, version) {
                (true, _) => Whose::Client,
                (false, 1) => Whose::Nobody,
                // LOCAL
                (false, _) => Whose::Balancer,
            };
            Plan { bytes: [&header, REQUEST].concat(), fate: Fate::Served(whose) }
        }
    }
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let required = rng.percent(60);
    let Plan { bytes, fate } = plan(&mut rng, required);
    let counters: Arc<CachePadded<LoopCounters>> = Arc::default();
    let entrance = Entrance {
        proxy_protocol: Some(ProxyProtocol { required, trusted: Secured::All }),
        ..Entrance::default()
    };
    let settings = Settings {
        io_thread: 0,
        io_threads: 1,
        http1: true,
        http2: true,
        extended_connect: true,
        limits: reactor_proto::Limits::default(),
        timeouts: Timeouts { head: Duration::from_millis(HEAD_TIMEOUT), ..Timeouts::default() },
        body_memory: 1 << 30,
        request_timeout: None,
        in_flight: None,
        send_budget: SendBudget::default(),
        announce: Announce::default(),
        stream_small_bodies: false,
        secured: Secured::default(),
        entrances: Arc::new([entrance]),
        health: Arc::default(),
        topics: Topics::new(1),
        compress: None,
    };
    let stats: Arc<dyn Handler> = Arc::new(|_: &Request, _: &mut Response| {});
    let mut app = App::new();
    let worker: Arc<dyn Handler> = Arc::new(|_: &Request, _: &mut Response| {});
    app.route(None, "/", Target::Worker(worker)).unwrap();
    let mut clock = Clock::new();
    clock.set(0, 0);
    let mut reactor = Reactor::new(settings, app.compile(&stats, None), counters.clone(), clock);
    let now = Rc::new(Cell::new(0));
    let faults = Faults { short_read: 20, short_write: 0, interrupted: *rng.pick(&[0, 20]) };
    let own = Rng::new(rng.next());
    let wire = Wire::new(bytes.clone(), 100_000, faults, own, &now);
    let wire = Rc::new(std::cell::RefCell::new(wire));
    let io = SimTransport { wire: wire.clone(), reasons: Reasons::new(counters.clone()) };
    let balancer = Some("10.0.0.1:80".parse().unwrap());
    let token = reactor.accepted(io, balancer, Some(0));
    let leaves = rng.percent(50);
    let mut peer = None;
    for _ in 0..2_000 {
        let mut client = wire.borrow_mut();
        let left = client.input.len() - client.arrived;
        if left > 0 && rng.percent(60) {
            client.deliver(rng.between(1, left.min(40)));
        } else if left == 0 && leaves && !client.eof && rng.percent(20) {
            client.send_eof();
        }
        let unread = client.output.len() - client.taken;
        client.take(unread);
        let ready = (client.closed.is_none() && std::mem::take(&mut client.edge)).then(|| {
            let ready = client.ready();
            client.notify(ready);
            ready
        });
        drop(client);
        if let Some(ready) = ready {
            reactor.ready(token, ready);
        }
        reactor.go_on_listed();
        reactor.expire();
        let mut tasks = Vec::new();
        reactor.take_tasks(&mut tasks);
        for task in tasks {
            peer = task.request.peer;
            reactor.reply(task);
        }
        reactor.flush_dirty();
        for (_, conn) in &reactor.conns {
            let greets = matches!(conn.protocol, Protocol::Greeting { .. });
            assert!(!greets || conn.core.input.capacity() == 0, "it holds memory");
            assert_eq!(conn.core.timer.phase, conn.current_phase(), "another phase");
        }
        let step = if left > 0 { 2 } else { 20 };
        now.set(now.get() + rng.size(step) as u64);
        reactor.services.clock.set(now.get(), 0);
        if reactor.connections() == 0 {
            break;
        }
    }
    let wire = wire.borrow();
    let (reason, at) = wire.closed.expect("the connection is left open");
    let story = format!(
        "{fate:?}, required {required}, {} of {} read, closed for {reason:?} after {at} ms: {}",
        wire.read,
        bytes.len(),
        wire.output.escape_ascii()
    );
    let failed: u64 = counters.proxy.failed.iter().map(|counter| counter.get()).sum();
    let refused = reason == Some(CloseReason::Proxy);
    assert_eq!((refused, wire.broken), (failed == 1, failed == 1), "{story}");
    match fate {
        Fate::Served(whose) => {
            assert!(wire.output.starts_with(b"HTTP/1.1 200 "), "{story}");
            let expected = match whose {
                Whose::Balancer => balancer,
                Whose::Client => CLIENT.parse().ok(),
                Whose::Nobody => None,
            };
            assert_eq!(peer, expected, "{story}");
            assert!(!refused, "{story}");
        }
        Fate::Refused => assert!(refused && wire.output.is_empty(), "{story}"),
        // What follows a part of a header may be a part of a request.
        Fate::Unfinished if wire.eof && !required => assert!(!refused, "{story}"),
        Fate::Unfinished => {
            assert!(refused && wire.output.is_empty(), "{story}");
            assert!(wire.eof || at >= HEAD_TIMEOUT, "too early: {at} ms");
        }
    }
}

#[test]
fn connections_through_a_balancer_begin_as_their_bytes_say() {
    let base = variable("REACTOR_SIM_BASE").unwrap_or(0);
    let seeds = match variable("REACTOR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => base..base + variable("REACTOR_SIM_RUNS").map_or(RUNS, |runs| runs / 10 + 1),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| run(seed));
        if let Err(panic) = run {
            eprintln!("failed with REACTOR_SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
