//! The engine with handler threads behind lanes, without Node: what `npm run bench:instructions`
//! and `bench/lines.mjs` watch.
//!
//! `lanes [-p PORT] [-i LOOPS] [-l LANES] [-w WORKERS] [--max-in-flight N] [--work N]
//! [--shared-count]`
//!
//! `/` answers from a lane, `/upload` once its body is there whole, `/chunks` with a stream of ten
//! chunks, `/worker` from a worker. The threads behave as JavaScript threads do: a turn takes all
//! events and hands over all replies. `--work` lets them count to N for each request. `--shared-count` lets them count requests in one place, to
//! see that such a fault is found.
#![allow(clippy::print_stderr, reason = "it is a program")]

use std::collections::VecDeque;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use nix::sys::signal::{SigSet, Signal};
use reactor_server::{
    App, Config, Exchange, Lane, LaneEvent, LaneReplies, LaneReply, Listen, QueueWait, Request,
    Response, Server, Stop, Target,
};

const ROOT: u32 = 0;
const UPLOAD: u32 = 1;
const CHUNKS: u32 = 2;
const CAPACITY: usize = 4096;

static SHARED_COUNT: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lanes: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let signals = SigSet::from_iter([Signal::SIGTERM]);
    signals.thread_block().map_err(|e| e.to_string())?;
    let mut config = Config::default();
    let (mut port, mut lanes, mut shares, mut work) = (0, 1, false, 0);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--shared-count" {
            shares = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "-p" => port = number(&arg, &value)?,
            "-i" => config.io_threads = number(&arg, &value)?,
            "-l" => lanes = number(&arg, &value)?,
            "-w" => config.worker_threads = number(&arg, &value)?,
            "--work" => work = number(&arg, &value)?,
            "--max-in-flight" => config.max_in_flight = Some(number(&arg, &value)?),
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    config.listen = vec![Listen::Tcp { host: "127.0.0.1".to_owned(), port }.into()];
    config.app = app().map_err(|e| e.to_string())?;
    config.limits.body = 1 << 30;
    let seats: Vec<_> = (0..lanes).map(|_| Arc::new(OnceLock::<Thread>::new())).collect();
    let lane_of = |thread: &Arc<OnceLock<Thread>>| {
        let thread = Arc::clone(thread);
        Lane::new(CAPACITY, move || {
            if let Some(thread) = thread.get() {
                thread.unpark();
            }
        })
    };
    config.lanes = seats.iter().map(lane_of).collect();
    let handlers = config.lanes.clone();
    let places: Vec<_> =
        handlers.iter().map(|it| format!("{:x}", Arc::as_ptr(it) as usize)).collect();
    let server = Server::start(config).map_err(|e| e.to_string())?;
    for (seat, lane) in seats.iter().zip(handlers) {
        let replies = lane.replies().ok_or("the lane has no server")?;
        let handler = Handler { lane, replies, open: Vec::new(), shares, work };
        let seat = Arc::clone(seat);
        thread::spawn(move || {
            let _ = seat.set(thread::current());
            handler.run();
        });
    }
    while seats.iter().any(|seat| seat.get().is_none()) {
        thread::yield_now();
    }
    eprintln!("stacks {}", stacks().join(" "));
    eprintln!("lanes {}", places.join(" "));
    eprintln!("listening on {}", server.address());
    signals.wait().map_err(|e| e.to_string())?;
    // The handlers' threads never end, and the lanes with them: nothing is left to drain.
    server.stop(Stop::Force);
    server.wait();
    Ok(())
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} {value}: not a number in range"))
}

fn app() -> Result<App, Box<dyn std::error::Error>> {
    let mut app = App::new();
    app.route(None, "/", Target::Lane(ROOT))?;
    app.route(None, "/upload", Target::Lane(UPLOAD))?;
    app.route(None, "/chunks", Target::Lane(CHUNKS))?;
    let hello = |_: &Request, response: &mut Response| response.body(b"Hello, World!");
    app.route(None, "/worker", Target::worker(hello))?;
    Ok(app)
}

/// The stacks of this process's threads: a readable mapping behind a guard page. The main thread's
/// stack is the kernel's.
fn stacks() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found = Vec::new();
    let mut guard = "";
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, mode) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let begin = range.split('-').next().unwrap_or("");
        if (mode.starts_with("rw") && begin == guard) || line.ends_with("[stack]") {
            found.push(range.to_owned());
        }
        guard = if mode.starts_with("---") { range.split('-').nth(1).unwrap_or("") } else { "" };
    }
    found
}

/// One handler thread.
struct Handler {
    lane: Arc<Lane>,
    replies: LaneReplies,
    /// Requests whose bodies stream.
    open: Vec<(Exchange, usize)>,
    shares: bool,
    work: u64,
}

impl Handler {
    fn run(mut self) {
        self.lane.serve();
        let mut events = VecDeque::new();
        loop {
            let now = self.lane.turn();
            self.lane.take(&mut events);
            if events.is_empty() {
                if self.lane.rest() {
                    thread::park();
                }
                continue;
            }
            let lane = Arc::clone(&self.lane);
            let mut waits = QueueWait::new(&lane, now);
            let (mut begun, mut answered) = (0, 0);
            for event in events.drain(..) {
                if let LaneEvent::Request(task) = &event {
                    waits.add(task);
                    begun += 1;
                }
                answered += self.event(event);
            }
            drop(waits);
            lane.begun(begun);
            lane.answered(answered);
            lane.flush(&mut self.replies);
        }
    }

    /// Returns how many requests have got their answer.
    fn event(&mut self, event: LaneEvent) -> usize {
        match event {
            LaneEvent::Request(task) => return self.request(task),
            LaneEvent::Body(id, bytes) => {
                self.count(id, bytes.len());
                self.replies.push(LaneReply::Pull(id, bytes.len()));
            }
            LaneEvent::Rest(id, bytes) => {
                self.count(id, bytes.len());
                self.replies.push(LaneReply::Spare(id, bytes));
            }
            LaneEvent::BodyEnd(id) => {
                if let Some(place) = self.place(id) {
                    let (task, bytes) = self.open.swap_remove(place);
                    return self.answer(task, bytes.to_string().as_bytes());
                }
            }
            LaneEvent::Gone(id) => {
                if let Some(place) = self.place(id) {
                    let (task, _) = self.open.swap_remove(place);
                    return self.answer(task, b"");
                }
            }
            _ => {}
        }
        0
    }

    fn request(&mut self, mut task: Exchange) -> usize {
        if self.shares {
            SHARED_COUNT.fetch_add(1, Ordering::Relaxed);
        }
        for n in 0..self.work {
            std::hint::black_box(n);
        }
        let id = task.id();
        match task.route() {
            UPLOAD if task.body_streams() => {
                self.replies.push(LaneReply::Collect(id, None));
                let bytes = task.request().body().len();
                self.open.push((task, bytes));
                0
            }
            CHUNKS => {
                task.response().stream(None);
                self.replies.push(LaneReply::Response(task));
                for _ in 0..10 {
                    self.replies.push(LaneReply::Chunk(id, vec![b'x'; 100]));
                }
                self.replies.push(LaneReply::End(id));
                1
            }
            _ => self.answer(task, b"Hello, World!"),
        }
    }

    fn answer(&mut self, mut task: Exchange, body: &[u8]) -> usize {
        task.response().body(body);
        self.replies.push(LaneReply::Response(task));
        1
    }

    fn place(&self, id: reactor_server::ExchangeId) -> Option<usize> {
        self.open.iter().position(|(task, _)| task.id() == id)
    }

    fn count(&mut self, id: reactor_server::ExchangeId, bytes: usize) {
        if let Some(place) = self.place(id) {
            self.open[place].1 += bytes;
        }
    }
}
