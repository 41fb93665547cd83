//! What happens when there is more work than workers.

mod common;

use std::thread;
use std::time::Duration;

use common::{
    Client, Latch, OpenAtEnd, alone, builtin, config, one_of_five, request, start, until_stats,
    worker,
};
use reactor_server::{Config, Server};

const QUEUE: u64 = 4;

/// Two workers, both held by the latch, and a queue of four behind them.
fn blocked(io_threads: usize) -> (Server, std::sync::Arc<Latch>, Vec<Client>) {
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads, worker_threads: 2, queue: 4, ..config(app) });
    let held = (0..2)
        .map(|_| {
            let mut client = Client::new(&server);
            client.send(request("GET", "/held"));
            client
        })
        .collect();
    latch.until_inside(2);
    (server, latch, held)
}

#[test]
fn a_full_queue_turns_away_exactly_the_surplus() {
    let _bound = alone(Duration::from_secs(20));
    for io_threads in [1, 3] {
        let (server, latch, mut held) = blocked(io_threads);
        let _open = OpenAtEnd(latch.clone());
        for waiting in 1..=QUEUE {
            let mut client = Client::new(&server);
            client.send(request("GET", "/held"));
            until_stats(&server, "the request to be queued", |s| {
                assert_eq!(s.tasks.rejected, 0, "{waiting} of {QUEUE} places taken");
                s.tasks.queue_depth == waiting
            });
            held.push(client);
        }

        // The workers are stuck, so the loops give these answers.
        let mut surplus = Client::new(&server);
        for _ in 0..3 {
            let reply = surplus.get("/held");
            assert_eq!(reply.status, 503);
            assert_eq!(reply.field("retry-after"), Some("1"));
            assert!(!reply.closes(), "a full queue is no reason to lose the connection");
            assert_eq!(surplus.get("/inline").status, 200);
            assert_eq!(Client::new(&server).get("/inline").text(), "inline");
        }
        assert_eq!(latch.inside(), 2);

        latch.open();
        for client in &mut held {
            assert_eq!(client.reply().text(), "held");
        }
        assert_eq!(surplus.get("/held").status, 200, "places are free again");
        let stats = server.stats();
        assert_eq!(stats.tasks.rejected, 3);
        assert_eq!(stats.tasks.done, 7);
        assert_eq!(stats.tasks.queue_peak, QUEUE);
        assert_eq!(stats.tasks.queue_depth, 0);
    }
}

#[test]
fn a_burst_beyond_the_queue_is_answered_in_order() {
    let _bound = alone(Duration::from_secs(20));
    let (server, latch, held) = blocked(1);
    let _open = OpenAtEnd(latch.clone());
    // A new connection has two pipelined requests at handlers at a time.
    let mut first = Client::new(&server);
    first.send(request("GET", "/held").repeat(4));
    until_stats(&server, "half of the queue", |s| s.tasks.queue_depth == 2);
    let mut client = Client::new(&server);
    client.send(request("GET", "/held").repeat(2));
    until_stats(&server, "the queue to fill up", |s| s.tasks.queue_depth == 4);
    // More than may be at handlers at once, too: the server reads the rest later.
    let burst = 100;
    let mut surplus = Client::new(&server);
    surplus.send(request("GET", "/held").repeat(burst) + &request("GET", "/inline"));
    let statuses: Vec<u16> = (0..burst).map(|_| surplus.reply().status).collect();
    assert!(statuses.iter().all(|&status| status == 503), "{statuses:?}");
    assert_eq!(surplus.reply().text(), "inline");
    latch.open();
    for (client, answers) in [(&mut first, 4), (&mut client, 2)] {
        for _ in 0..answers {
            assert_eq!(client.reply().status, 200);
        }
    }
    drop(held);
    until_stats(&server, "all tasks to be done", |s| s.tasks.done == 8);
    assert_eq!(server.stats().tasks.rejected, burst as u64);
}

#[test]
fn bodies_beyond_the_memory_for_them_are_turned_away() {
    let _bound = alone(Duration::from_secs(20));
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, body_memory: 100_000, ..config(app) });
    let _open = OpenAtEnd(latch.clone());

    let mut first = Client::new(&server);
    first.send(common::post("/held", &[b'a'; 60_000]));
    latch.until_inside(1);
    let mut second = Client::new(&server);
    second.send(common::post("/held", &[b'b'; 60_000]));
    let reply = second.reply();
    assert_eq!(reply.status, 503);
    assert_eq!(reply.field("retry-after"), Some("1"));
    assert!(reply.closes(), "the rest of its body is not waited for");
    drop(second.stream.shutdown(std::net::Shutdown::Write));
    second.ends();

    // The first request's share of the memory comes back with its answer.
    latch.open();
    assert_eq!(first.reply().text(), "held");
    let mut third = Client::new(&server);
    for _ in 0..5 {
        third.send(common::post("/echo", &[b'c'; 100_000]));
        assert_eq!(third.reply().body, [b'c'; 100_000]);
    }
    third.send(common::post("/echo", &[b'c'; 100_001]));
    assert_eq!(third.reply().status, 503);
    assert_eq!(server.stats().tasks.rejected, 2);
}

#[test]
fn the_loop_answers_at_once_while_all_workers_are_stuck() {
    let _bound = alone(Duration::from_secs(20));
    let (server, latch, held) = blocked(1);
    let _open = OpenAtEnd(latch.clone());
    let mut client = Client::new(&server);
    one_of_five(|| client.is_quick("/inline"));
    assert_eq!(latch.inside(), 2);
    drop(held);
}

#[test]
fn recovers_from_overload_by_many_clients() {
    let _bound = alone(Duration::from_secs(20));
    let mut app = builtin();
    worker(&mut app, "/slow", |_, response| {
        thread::sleep(Duration::from_millis(5));
        response.body(b"slow");
    });
    let server = start(Config { worker_threads: 2, queue: 4, ..config(app) });
    let (served, refused) = thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(&server);
                    let mut counts = (0_u64, 0_u64);
                    for _ in 0..30 {
                        match client.get("/slow").status {
                            200 => counts.0 += 1,
                            503 => counts.1 += 1,
                            other => panic!("status {other}"),
                        }
                    }
                    counts
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|c| c.join().expect("no client fails"))
            .fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    });
    assert_eq!(served + refused, 480);
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    let stats = server.stats();
    assert_eq!((stats.tasks.done, stats.tasks.rejected), (served, refused));
    assert_eq!(stats.requests.success, served);
    assert_eq!(stats.requests.server_error, refused);
    let mut client = Client::new(&server);
    for _ in 0..20 {
        assert_eq!(client.get("/slow").status, 200);
    }
}
