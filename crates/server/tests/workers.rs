//! How requests spread over the worker threads.

mod common;

use std::net::TcpStream;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Client, Latch, OpenAtEnd, bounded, builtin, config, request, start, until_stats, worker,
};
use reactor_server::{App, Config, Server};

const SLOW: Duration = Duration::from_millis(100);

/// `/slow/…` sleeps for 100 ms and echoes the path.
fn app() -> App {
    let mut app = builtin();
    worker(&mut app, "/slow/:id", |request, response| {
        thread::sleep(SLOW);
        response.body(request.path());
    });
    app
}

fn eight_workers(io_threads: usize) -> Server {
    start(Config { io_threads, worker_threads: 8, ..config(app()) })
}

/// The best of five rounds: a busy machine may well spoil some. Workers that
/// are woken only by others that have finished take at least three times as
/// long, two workers four times.
#[track_caller]
fn assert_parallel(mut round: impl FnMut() -> Duration) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        best = best.min(round());
        if best < SLOW * 3 / 2 {
            break;
        }
    }
    assert!(best >= SLOW, "{best:?}");
    assert!(best < SLOW * 2, "eight requests of {SLOW:?} on eight workers took {best:?}");
}

/// Lets the pool know that tasks are quick, which is the harder case for it.
fn be_quick(client: &mut Client) {
    for _ in 0..100 {
        assert_eq!(client.get("/healthz").status, 200);
    }
}

/// Returns how long they took.
fn eight_pipelined(client: &mut Client) -> Duration {
    let all: String = (0..8).map(|id| request("GET", &format!("/slow/{id}"))).collect();
    let start = Instant::now();
    client.send(all);
    for id in 0..8 {
        assert_eq!(client.reply().text(), format!("/slow/{id}"));
    }
    start.elapsed()
}

#[test]
fn slow_handlers_of_many_connections_run_side_by_side() {
    let _bound = bounded(Duration::from_secs(20));
    for io_threads in [1, 4] {
        let server = eight_workers(io_threads);
        let mut clients: Vec<Client> = (0..8).map(|_| Client::new(&server)).collect();
        be_quick(&mut clients[0]);
        assert_parallel(|| {
            let start = Instant::now();
            for (id, client) in clients.iter_mut().enumerate() {
                client.send(request("GET", &format!("/slow/{id}")));
            }
            for (id, client) in clients.iter_mut().enumerate() {
                assert_eq!(client.reply().text(), format!("/slow/{id}"));
            }
            start.elapsed()
        });
    }
}

#[test]
fn slow_requests_pipelined_on_one_connection_run_side_by_side_and_answer_in_order() {
    let _bound = bounded(Duration::from_secs(20));
    let server = eight_workers(1);
    let mut client = Client::new(&server);
    be_quick(&mut client);
    assert_parallel(|| eight_pipelined(&mut client));
}

#[test]
fn slow_requests_run_side_by_side_while_their_loop_is_busy_with_others() {
    let _bound = bounded(Duration::from_secs(20));
    let server = eight_workers(1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Keeps the only loop from ever finding nothing to do.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut busy = Client::new(&server);
                while !stop.load(Ordering::Relaxed) {
                    busy.send(request("GET", "/inline").repeat(30));
                    for _ in 0..30 {
                        assert_eq!(busy.reply().status, 200);
                    }
                }
            });
        }
        // Ends the others also when this one fails.
        let _stop = StopAtEnd(&stop);
        let mut client = Client::new(&server);
        assert_parallel(|| {
            be_quick(&mut client);
            eight_pipelined(&mut client)
        });
    });
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn pipelined_answers_keep_their_order_whatever_each_takes() {
    let _bound = bounded(Duration::from_secs(20));
    let mut app = builtin();
    worker(&mut app, "/wait/:ms", |request, response| {
        let ms = request.param("ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
        thread::sleep(Duration::from_millis(ms));
        response.body(request.path());
    });
    let server = start(Config { worker_threads: 8, ..config(app) });
    let mut client = Client::new(&server);
    let mut paths = Vec::new();
    for n in 0..200_u64 {
        match n % 4 {
            0 => paths.push("/inline".to_owned()),
            1 => paths.push("/nowhere".to_owned()),
            _ => paths.push(format!("/wait/{}", (n * 7) % 11)),
        }
    }
    client.send(paths.iter().map(|path| request("GET", path)).collect::<String>());
    for path in &paths {
        let reply = client.reply();
        match path.as_str() {
            "/inline" => assert_eq!(reply.text(), "inline"),
            "/nowhere" => assert_eq!(reply.status, 404),
            _ => assert_eq!(reply.text(), *path),
        }
    }
}

/// Far more than may be under way at once, all of it in the kernel's buffers
/// before the first answer is read.
#[test]
fn hundreds_of_requests_in_one_write_are_all_answered() {
    let _bound = bounded(Duration::from_secs(20));
    for worker_threads in [1, 4] {
        let server = start(Config { worker_threads, ..config(builtin()) });
        for path in ["/healthz", "/inline"] {
            let mut client = Client::new(&server);
            client.send(request("GET", path).repeat(1000));
            for n in 0..1000 {
                assert_eq!(client.reply().status, 200, "{path}, answer {n}");
            }
        }
    }
}

#[test]
fn one_stuck_worker_does_not_delay_the_others_cheap_replies() {
    let _bound = bounded(Duration::from_secs(20));
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, worker_threads: 2, ..config(app) });
    let _open = OpenAtEnd(latch.clone());
    let mut client = Client::new(&server);
    be_quick(&mut client);
    let mut held = Client::new(&server);
    held.send(request("GET", "/held"));
    latch.until_inside(1);

    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(client.get("/healthz").status, 200);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[50] < Duration::from_millis(10), "median {:?}", times[50]);
    assert!(times[95] < Duration::from_millis(100), "95th of 100: {:?}", times[95]);
    latch.open();
    assert_eq!(held.reply().text(), "held");
}

/// The worker that takes the batch runs the cheap one first, then sticks: the
/// cheap answer, which it has not announced yet, must go out all the same.
#[test]
fn a_cheap_request_just_before_a_stuck_one_is_answered() {
    let _bound = bounded(Duration::from_secs(20));
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, worker_threads: 1, ..config(app) });
    let _open = OpenAtEnd(latch.clone());
    let mut client = Client::new(&server);
    be_quick(&mut client);
    client.send(request("GET", "/healthz").repeat(5) + &request("GET", "/held"));
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(client.reply().status, 200);
    }
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    latch.until_inside(1);
    latch.open();
    assert_eq!(client.reply().text(), "held");
}

/// The same after the loop has had a long while to fall asleep, with the
/// only worker stuck in an earlier task.
#[test]
fn cheap_requests_between_two_stuck_ones_are_answered() {
    let _bound = bounded(Duration::from_secs(20));
    let (first, second) = (Latch::new(), Latch::new());
    let mut app = builtin();
    first.route(&mut app, "/first");
    second.route(&mut app, "/second");
    let server = start(Config { io_threads: 1, worker_threads: 1, ..config(app) });
    let _open = (OpenAtEnd(first.clone()), OpenAtEnd(second.clone()));
    let mut client = Client::new(&server);
    client.send(request("GET", "/first"));
    first.until_inside(1);
    // Enough cheap ones for the worker to forget how long the first took.
    let mut others: Vec<Client> = (0..150).map(|_| Client::new(&server)).collect();
    for other in &mut others {
        other.send(request("GET", "/healthz"));
    }
    until_stats(&server, "the cheap ones to be queued", |s| s.tasks.queue_depth == 150);
    let mut last = Client::new(&server);
    last.send(request("GET", "/second"));
    until_stats(&server, "the last one to be queued", |s| s.tasks.queue_depth == 151);
    // The loop's looks after its tasks come at ever longer intervals.
    thread::sleep(Duration::from_millis(300));

    first.open();
    second.until_inside(1);
    let start = Instant::now();
    for other in &mut others {
        assert_eq!(other.reply().status, 200);
    }
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(client.reply().text(), "held");
    second.open();
    assert_eq!(last.reply().text(), "held");
}

#[test]
fn a_panicking_handler_costs_its_request_a_500_and_nothing_else() {
    static QUIET: Once = Once::new();
    let _bound = bounded(Duration::from_secs(20));
    // The panics below are wanted; those of tests are still reported.
    QUIET.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !thread::current().name().is_some_and(|name| name.starts_with("rx-worker")) {
                report(info);
            }
        }));
    });
    let mut app = builtin();
    worker(&mut app, "/panic", |_, response| {
        response.field("X-Half", "done").expect("a sound field");
        response.body(b"half");
        panic!("wanted by a test");
    });
    let server = start(Config { worker_threads: 2, ..config(app) });
    let mut client: Client<TcpStream> = Client::new(&server);
    for round in 1..=20 {
        let reply = client.get("/panic");
        assert_eq!(reply.status, 500);
        assert!(!reply.closes(), "the connection is not to blame");
        assert_eq!(reply.field("x-half"), None, "nothing of the lost response");
        assert!(reply.text().starts_with("500 "), "{}", reply.text());
        assert_eq!(client.get("/").text(), "Hello, World!");
        assert_eq!(server.stats().tasks.panics, round);
    }
    // In the middle of a pipeline, and HEAD.
    client.send(request("GET", "/") + &request("HEAD", "/panic") + &request("GET", "/healthz"));
    assert_eq!(client.reply().status, 200);
    assert_eq!(client.reply_to_head().status, 500);
    assert_eq!(client.reply().text(), "ok\n");
    let stats = server.stats();
    assert_eq!(stats.tasks.panics, 21);
    assert_eq!(stats.requests.server_error, 21);
    assert_eq!(stats.worker_threads.iter().map(|w| w.panics).sum::<u64>(), 21);
}
