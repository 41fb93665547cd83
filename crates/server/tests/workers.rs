//! How requests spread over the worker threads.

mod common;

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Client, Latch, OpenAtEnd, Reply, alone, builtin, config, one_of_five, request, start, until,
    until_stats, worker,
};
use reactor_server::{App, Config, Inline, Server, Target};

/// How long eight handlers wait for each other. Workers that are woken one after the other come far
/// sooner, even on a busy machine.
const MEETING: Duration = Duration::from_secs(2);

/// Eight handlers wait here until all of them have come.
#[derive(Default)]
struct Meeting {
    inside: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    /// A route whose handler answers with its path, or with 503 if the others did not come.
    fn route(self: &Arc<Self>, app: &mut App, pattern: &str) {
        let meeting = Arc::clone(self);
        worker(app, pattern, move |request, response| {
            if !meeting.is_complete() {
                response.status(503).expect("a sound status");
            }
            response.body(request.path());
        });
    }

    fn is_complete(&self) -> bool {
        let mut inside = self.inside.lock().expect("no handler panics");
        *inside += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(inside, MEETING, |inside| *inside < 8);
        *waited.expect("no handler panics").0 >= 8
    }

    /// Called when all have been answered.
    fn reset(&self) {
        *self.inside.lock().expect("no handler panics") = 0;
    }
}

/// Eight workers; `/slow/…` needs all of them at once.
fn eight_workers(io_threads: usize) -> (Server, Arc<Meeting>) {
    let meeting = Arc::<Meeting>::default();
    let mut app = builtin();
    meeting.route(&mut app, "/slow/:id");
    (start(Config { io_threads, worker_threads: 8, ..config(app) }), meeting)
}

/// Makes the pool expect quick tasks, which is the harder case for it.
fn be_quick(client: &mut Client) {
    for _ in 0..100 {
        assert_eq!(client.get("/healthz").status, 200);
    }
}

/// An error if one of the eight was answered without the others.
fn all_met(replies: impl Iterator<Item = Reply>) -> Result<(), String> {
    let mut statuses = Vec::new();
    for (id, reply) in replies.enumerate() {
        assert_eq!(reply.text(), format!("/slow/{id}"));
        statuses.push(reply.status);
    }
    if statuses == [200; 8] { Ok(()) } else { Err(format!("not side by side: {statuses:?}")) }
}

fn eight_pipelined(meeting: &Meeting, client: &mut Client) -> Result<(), String> {
    meeting.reset();
    client.send((0..8).map(|id| request("GET", &format!("/slow/{id}"))).collect::<String>());
    all_met((0..8).map(|_| client.reply()))
}

#[test]
fn slow_handlers_of_many_connections_run_side_by_side() {
    let _bound = alone(Duration::from_secs(60));
    for io_threads in [1, 4] {
        let (server, meeting) = eight_workers(io_threads);
        let mut clients: Vec<Client> = (0..8).map(|_| Client::new(&server)).collect();
        be_quick(&mut clients[0]);
        one_of_five(|| {
            meeting.reset();
            for (id, client) in clients.iter_mut().enumerate() {
                client.send(request("GET", &format!("/slow/{id}")));
            }
            all_met(clients.iter_mut().map(Client::reply))
        });
    }
}

#[test]
fn slow_requests_pipelined_on_one_connection_run_side_by_side_and_answer_in_order() {
    let _bound = alone(Duration::from_secs(60));
    let (server, meeting) = eight_workers(1);
    let mut client = Client::new(&server);
    be_quick(&mut client);
    one_of_five(|| eight_pipelined(&meeting, &mut client));
}

#[test]
fn slow_requests_run_side_by_side_while_their_loop_is_busy_with_others() {
    let _bound = alone(Duration::from_secs(60));
    let (server, meeting) = eight_workers(1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // So the only loop always has something to do.
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
        // Ends the other threads also when this one fails.
        let _stop = StopAtEnd(&stop);
        let mut client = Client::new(&server);
        one_of_five(|| {
            be_quick(&mut client);
            eight_pipelined(&meeting, &mut client)
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
    let _bound = alone(Duration::from_secs(20));
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

/// Far more than may be at handlers at once. All of it is in the kernel's buffers before the first
/// answer is read.
#[test]
fn hundreds_of_requests_in_one_write_are_all_answered() {
    let _bound = alone(Duration::from_secs(20));
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
    let _bound = alone(Duration::from_secs(20));
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

    one_of_five(|| client.is_quick("/healthz"));
    latch.open();
    assert_eq!(held.reply().text(), "held");
}

/// The worker that takes the batch runs the cheap task first, then is stuck. It has not yet told
/// the loop of the cheap task's answer, which must be sent all the same.
#[test]
fn a_cheap_request_just_before_a_stuck_one_is_answered() {
    let _bound = alone(Duration::from_secs(20));
    let latch = Latch::new();
    let mut app = builtin();
    latch.route(&mut app, "/held");
    let server = start(Config { io_threads: 1, worker_threads: 1, ..config(app) });
    let _open = OpenAtEnd(latch.clone());
    let mut client = Client::new(&server);
    be_quick(&mut client);
    client.send(request("GET", "/healthz").repeat(5) + &request("GET", "/held"));
    // While the latch is closed.
    for _ in 0..5 {
        assert_eq!(client.reply().status, 200);
    }
    latch.until_inside(1);
    latch.open();
    assert_eq!(client.reply().text(), "held");
}

/// The same after the loop had a long time to fall asleep, while the only worker was stuck in an
/// earlier task.
#[test]
fn cheap_requests_between_two_stuck_ones_are_answered() {
    let _bound = alone(Duration::from_secs(60));
    one_of_five(|| {
        let took = cheap_ones_between_two_stuck();
        if took < Duration::from_millis(500) { Ok(()) } else { Err(format!("{took:?}")) }
    });
}

/// Returns how long their answers took, from when the worker could run them.
fn cheap_ones_between_two_stuck() -> Duration {
    let (first, second) = (Latch::new(), Latch::new());
    let mut app = builtin();
    first.route(&mut app, "/first");
    second.route(&mut app, "/second");
    let server = start(Config { io_threads: 1, worker_threads: 1, ..config(app) });
    let _open = (OpenAtEnd(first.clone()), OpenAtEnd(second.clone()));
    let mut client = Client::new(&server);
    client.send(request("GET", "/first"));
    first.until_inside(1);
    // Enough cheap tasks for the worker to forget how long the first one took.
    let mut others: Vec<Client> = (0..150).map(|_| Client::new(&server)).collect();
    for other in &mut others {
        other.send(request("GET", "/healthz"));
    }
    until_stats(&server, "the cheap ones to be queued", |s| s.tasks.queue_depth == 150);
    let mut last = Client::new(&server);
    last.send(request("GET", "/second"));
    until_stats(&server, "the last one to be queued", |s| s.tasks.queue_depth == 151);
    // The loop looks after its tasks 1 ms after the last task, 2 ms after that, and so on. The next
    // look is 2 s after the last.
    thread::sleep(Duration::from_millis(1_100));

    let start = Instant::now();
    first.open();
    second.until_inside(1);
    for other in &mut others {
        assert_eq!(other.reply().status, 200);
    }
    let took = start.elapsed();
    assert_eq!(client.reply().text(), "held");
    second.open();
    assert_eq!(last.reply().text(), "held");
    took
}

#[test]
fn a_panicking_handler_costs_its_request_a_500_and_nothing_else() {
    static QUIET: Once = Once::new();
    let _bound = alone(Duration::from_secs(20));
    // The panics below are intended; those of tests are still reported.
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

/// How many threads of this process have a name with this prefix.
fn threads(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("there is /proc");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with(prefix))
        .count()
}

#[test]
fn workers_start_with_the_first_application_that_has_a_use_for_them() {
    let mut app = App::new();
    let inline = Inline::new(200, &[], "inline").expect("a sound response");
    app.route(None, "/inline", Target::Inline(inline)).expect("a new route");
    let server = start(Config { worker_threads: 3, thread_prefix: "rxq", ..config(app) });
    let mut client = Client::new(&server);
    assert_eq!(client.get("/inline").text(), "inline");
    assert_eq!(threads("rxq-worker"), 0);
    server.reload(App::builtin());
    until("the workers", || threads("rxq-worker") == 3);
    until("the new application", || client.get("/stats").status == 200);
    server.reload(App::builtin());
    assert_eq!(client.get("/stats").status, 200);
    assert_eq!(threads("rxq-worker"), 3);
    drop(server);
    assert_eq!(threads("rxq-worker"), 0);
}
