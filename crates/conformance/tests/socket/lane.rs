//! Handlers behind a lane, on a thread of the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use reactor_server::{App, Exchange, ExchangeId, Lane, LaneEvent, LaneReplies, LaneReply, Target};

use crate::apps::{Records, Seen};

/// How a handler answers. The variant's place is the number of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Play {
    /// Whole.
    Whole,
    /// Whole, after a while, so that later answers come first.
    Slow,
    /// In pieces, without a declared length.
    Streamed,
    /// In pieces with a declared length; an answer to HEAD has no pieces.
    Declared,
    /// Whole, and closes the connection.
    Close,
    /// Whole, before its request's body has come.
    Early,
    /// Echoes the request's body as it comes in.
    Duplex,
}

const ROUTES: [(&str, Play); 9] = [
    ("/after", Play::Whole),
    ("/canary", Play::Whole),
    ("/whole", Play::Whole),
    ("/slow", Play::Slow),
    ("/streamed", Play::Streamed),
    ("/declared", Play::Declared),
    ("/close", Play::Close),
    ("/early", Play::Early),
    ("/duplex", Play::Duplex),
];

/// How long the slow handler takes.
const SLOW: Duration = Duration::from_millis(10);

/// Bytes of one piece of a streaming answer. Answers stay far below a lane's window.
const PIECE: usize = 7;

pub(crate) fn app() -> App {
    let mut app = App::new();
    for (index, (path, _)) in (0..).zip(ROUTES) {
        app.route(None, path, Target::Lane(index)).expect("a good route");
    }
    app
}

/// The thread behind a lane. It ends when this is dropped.
pub(crate) struct Player {
    lane: Arc<Lane>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    pub(crate) fn start(records: &Arc<Records>) -> Self {
        let sleeper: Arc<OnceLock<Thread>> = Arc::default();
        let wakes = Arc::clone(&sleeper);
        let lane = Lane::new(64, move || {
            if let Some(thread) = wakes.get() {
                thread.unpark();
            }
        });
        let ends = Arc::new(AtomicBool::new(false));
        let (served, over, records) = (Arc::clone(&lane), Arc::clone(&ends), Arc::clone(records));
        let thread = thread::spawn(move || {
            let _ = sleeper.set(thread::current());
            let mut stage = Stage { lane: served, replies: None, records, open: HashMap::new() };
            while !over.load(Ordering::Acquire) {
                stage.turn();
            }
        });
        Self { lane, ends, thread: Some(thread) }
    }

    pub(crate) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has made a case fail already.
            let _ = thread.join();
        }
    }
}

/// The state of the thread.
struct Stage {
    lane: Arc<Lane>,
    /// None until a server has the lane.
    replies: Option<LaneReplies>,
    records: Arc<Records>,
    open: HashMap<ExchangeId, Open>,
}

struct Open {
    play: Play,
    client: Option<SocketAddr>,
    seen: Seen,
    /// None once the answer has begun.
    task: Option<Exchange>,
    /// The handler has the body, or does not need it.
    is_ready: bool,
    /// The earliest time to answer.
    due: Instant,
}

impl Stage {
    fn turn(&mut self) {
        self.lane.turn();
        if self.replies.is_none() {
            self.replies = self.lane.replies();
        }
        while let Some(event) = self.lane.pop() {
            self.event(event);
        }
        let now = Instant::now();
        let is_due = |open: &Open| open.is_ready && open.due <= now;
        let due = self.open.extract_if(|_, open| is_due(open)).collect::<Vec<_>>();
        for (exchange, open) in due {
            self.answer(exchange, open);
        }
        if let Some(replies) = &mut self.replies {
            self.lane.flush(replies);
        }
        if self.lane.rest() {
            match self.open.values().filter(|open| open.is_ready).map(|open| open.due).min() {
                Some(due) => thread::park_timeout(due.saturating_duration_since(now)),
                None => thread::park(),
            }
        }
    }

    fn event(&mut self, event: LaneEvent) {
        match event {
            LaneEvent::Request(task) => self.request(task),
            LaneEvent::Body(exchange, data) | LaneEvent::Rest(exchange, data) => {
                self.say(LaneReply::Pull(exchange, data.len()));
                let Some(open) = self.open.get_mut(&exchange) else { return };
                open.seen.body.extend_from_slice(&data);
                if open.play == Play::Duplex {
                    self.say(LaneReply::Chunk(exchange, data));
                }
            }
            LaneEvent::BodyEnd(exchange) => {
                if let Some(open) = self.open.get_mut(&exchange) {
                    open.is_ready = true;
                }
            }
            LaneEvent::Message(..)
            | LaneEvent::Ping(..)
            | LaneEvent::Pong(..)
            | LaneEvent::Unsent(..)
            | LaneEvent::SocketEnds(_)
            | LaneEvent::SocketMoved(_)
            | LaneEvent::SocketClosed(..) => panic!("nobody opens a WebSocket"),
            LaneEvent::Connection(_) => {}
            LaneEvent::Gone(exchange)
            | LaneEvent::Refused(exchange, _)
            | LaneEvent::TimedOut(exchange) => {
                if let Some(open) = self.open.remove(&exchange) {
                    self.lane.answered(1);
                    if let Some(task) = open.task {
                        self.say(LaneReply::Response(task));
                    }
                }
            }
            LaneEvent::HalfClosed(_)
            | LaneEvent::Ack(..)
            | LaneEvent::Trailers(..)
            | LaneEvent::Filled(..) => {}
        }
    }

    fn request(&mut self, task: Exchange) {
        let exchange = task.id();
        let (_, play) = ROUTES[task.route() as usize];
        let wait = if play == Play::Slow { SLOW } else { Duration::ZERO };
        let mut open = Open {
            play,
            client: task.request().peer(),
            seen: Seen::of(task.request()),
            is_ready: !task.body_streams() || play == Play::Early,
            due: Instant::now() + wait,
            task: None,
        };
        match play {
            Play::Early => open.seen.body.clear(),
            Play::Duplex => {
                let Seen { method, target, body, .. } = &open.seen;
                self.begin(task, Seen::echo(method, target, body), None);
                self.open.insert(exchange, open);
                return;
            }
            _ => {}
        }
        open.task = Some(task);
        self.open.insert(exchange, open);
    }

    fn answer(&mut self, exchange: ExchangeId, open: Open) {
        let Open { play, client, seen, task, .. } = open;
        let to_head = seen.method == b"HEAD";
        let echo = self.records.record(client, seen);
        self.lane.answered(1);
        let Some(mut task) = task else {
            self.say(LaneReply::End(exchange));
            return;
        };
        match play {
            Play::Streamed | Play::Declared => {
                let declared = (play == Play::Declared).then_some(echo.len() as u64);
                self.begin(task, Vec::new(), declared);
                if !(to_head && play == Play::Declared) {
                    for piece in echo.chunks(PIECE) {
                        self.say(LaneReply::Chunk(exchange, piece.to_vec()));
                    }
                }
                self.say(LaneReply::End(exchange));
            }
            Play::Whole | Play::Slow | Play::Close | Play::Early | Play::Duplex => {
                task.response().body_vec(echo);
                if play == Play::Close {
                    task.close();
                }
                self.say(LaneReply::Response(task));
            }
        }
    }

    /// Begins a streaming answer.
    fn begin(&mut self, mut task: Exchange, first: Vec<u8>, declared: Option<u64>) {
        task.response().stream(declared);
        task.response().body_vec(first);
        self.say(LaneReply::Response(task));
    }

    fn say(&mut self, reply: LaneReply) {
        let replies = self.replies.as_mut().expect("a server has the lane");
        replies.push(reply);
    }
}
