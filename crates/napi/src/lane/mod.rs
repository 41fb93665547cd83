//! The way to JavaScript handlers: one native call moves a whole batch.
//!
//! JavaScript owns four arrays and passes them to [`NativeLane::turn`], which
//! takes the replies out of two and puts the events that wait into the other
//! two. Native code touches them inside that call only, on the JavaScript
//! thread, so nothing is shared between threads but the engine's own queues.
//! What the words mean is in `words.rs`, and for JavaScript in `ts/lane/record.ts`.

mod bodies;
mod exchanges;
mod fill;
mod patience;
mod replies;
mod watch;
mod words;

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::{Arc, PoisonError, RwLock};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use reactor_server::{Lane, LaneEvent, LaneReplies, LaneReply, Ownership};

use self::bodies::Bodies;
use self::exchanges::Exchanges;
use self::fill::{Fill, Filled};
use self::patience::Patience;
use self::watch::Watch;
use self::words::TOO_SMALL;
use crate::registry;
use crate::server::NativeServer;

/// Requests that may wait for a JavaScript thread. Beyond it the I/O loops
/// stop reading the sockets that have more.
const CAPACITY: usize = 4096;

/// Turns without a rest after which libuv need not watch the I/O loop until the
/// next one. Whatever a watched epoll instance has to report it reports twice, to
/// itself and to the instance that watches it, and the sender pays for it.
/// To begin and to end watching costs two calls of the system.
const UNWATCHED_AFTER: u32 = 16;

/// The macro takes a plain `&mut` for a class; by these names it sees arrays.
type Words<'a> = &'a mut [u32];
type Bytes<'a> = &'a mut [u8];

/// One JavaScript thread's lane.
#[napi]
pub struct NativeLane {
    lane: Arc<Lane>,
    /// Its number in the process.
    id: u32,
    /// None until the server it serves has started.
    replies: Option<LaneReplies>,
    exchanges: Exchanges,
    bodies: Bodies,
    /// Events that have been taken from the lane and wait for room in JavaScript's
    /// arrays.
    events: VecDeque<LaneEvent>,
    /// The I/O loop that this thread may drive.
    drives: Option<Driving>,
    wake: Arc<Wake>,
}

type OnWake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Calls JavaScript when events wait, until the lane is closed. Node holds the function,
/// which holds whatever it uses, the lane's object included: as long as this is there,
/// none of them is ever collected.
struct Wake(RwLock<Option<OnWake>>);

impl Wake {
    fn call(&self) {
        if let Some(on_wake) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            // Fails only once the environment is going; then nobody waits.
            on_wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn release(&self) {
        let on_wake = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(on_wake);
    }
}

/// How this thread drives an I/O loop: ownership, and what tells of its events
/// while JavaScript rests.
struct Driving {
    ownership: Arc<Ownership>,
    watch: Watch,
    patience: Patience,
    /// Turns since the thread last rested.
    turns: u32,
}

#[napi]
impl NativeLane {
    /// `on_wake` is called on this thread when events wait; at most one call is
    /// outstanding. It keeps neither the process nor the thread alive.
    #[napi(constructor)]
    pub fn new(on_wake: Function<'_, (), ()>) -> Result<Self> {
        let wake = on_wake
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build()?;
        let wake = Arc::new(Wake(RwLock::new(Some(wake))));
        let lane = Lane::new(CAPACITY, {
            let wake = Arc::clone(&wake);
            move || wake.call()
        });
        let id = registry::add(&lane);
        let exchanges = Exchanges::default();
        let events = VecDeque::new();
        let bodies = Bodies::default();
        Ok(Self { lane, id, replies: None, exchanges, bodies, events, drives: None, wake })
    }

    /// What names this lane in every environment of the process.
    #[napi(getter)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Replies go to the server that has been given this lane from now on; before
    /// that it does nothing. Call `turn` right after: what has come in before was not
    /// announced.
    #[napi]
    pub fn attach(&mut self) {
        self.lane.serve();
        self.replies = self.lane.replies();
    }

    /// This thread drives the server's I/O loop, if there is only one, as long as its
    /// handlers are quick; `on_ready` is called as `on_wake` is. Where it cannot watch the
    /// loop, the loop's own thread goes on driving.
    #[napi]
    pub fn drive(&mut self, env: Env, server: &NativeServer, on_ready: Function<'_, (), ()>) {
        if let Some(ownership) = server.ownership()
            && let Ok(watch) = Watch::new(&env, ownership.fd().as_raw_fd(), &on_ready)
        {
            ownership.offer(&self.lane);
            self.drives =
                Some(Driving { ownership, watch, patience: Patience::default(), turns: 0 });
        }
    }

    /// Takes the replies in `replies` and `reply_bytes`, then fills `events`
    /// and `event_bytes` with what waits. Returns the number of events; 0 means
    /// that nothing waits and `on_wake` will be called, 2^32 - 1 that the next event
    /// needs larger arrays.
    ///
    /// Throws for a reply that is not in the agreed form.
    #[napi]
    pub fn turn(
        &mut self,
        #[napi(ts_arg_type = "Uint32Array")] events: Words<'_>,
        #[napi(ts_arg_type = "Uint8Array")] event_bytes: Bytes<'_>,
        replies: &[u32],
        reply_words: u32,
        reply_bytes: &[u8],
    ) -> Result<u32> {
        let Some(sink) = &mut self.replies else { return Ok(0) };
        let words = replies
            .get(..reply_words as usize)
            .ok_or_else(|| invalid("more reply words than the array has"))?;
        let taken = replies::take(words, reply_bytes, &mut self.exchanges, &mut self.bodies, sink);
        for task in self.exchanges.take_over() {
            // The loop counts the task's body and wants it back.
            sink.push(LaneReply::Response(task));
        }
        self.lane.answered(self.exchanges.take_ended());
        let now = self.lane.turn();
        sink.hand_over();
        let mut owns = self.drives.as_mut().is_some_and(Driving::turn);
        if owns {
            sink.forget();
        }
        let mut fill = Fill::new(events, event_bytes, now, &self.lane);
        for (id, why) in self.exchanges.take_unsendable() {
            fill.unsendable(id, &why);
        }
        loop {
            if self.events.is_empty() {
                self.lane.take(&mut self.events);
            }
            let Some(event) = self.events.pop_front() else {
                if fill.count() > 0 {
                    break;
                }
                let waits = owns && self.drives.as_mut().is_some_and(|it| it.patience.wait());
                if !waits && self.lane.rest() {
                    if self.drives.as_mut().is_none_or(|it| it.may_rest(owns)) {
                        break;
                    }
                    self.lane.awake();
                }
                sink.hand_over();
                owns = self.drives.as_mut().is_some_and(Driving::turn);
                continue;
            };
            match fill.event(event, &mut self.exchanges, sink) {
                Filled::Done => {}
                Filled::NoRoom(event) => {
                    self.events.push_front(*event);
                    break;
                }
            }
        }
        let count = fill.finish();
        // After that: it tells loops that wait for room.
        sink.flush(&self.lane);
        if count > 0
            && let Some(driving) = &mut self.drives
        {
            driving.patience.rewarded();
            if !owns {
                driving.ownership.ask();
            }
        }
        taken?;
        Ok(if count == 0 && !self.events.is_empty() { TOO_SMALL } else { count })
    }

    /// One reply with arrays of its own, for what does not fit the shared ones.
    /// The words are those of a reply record, but for its offsets.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    pub fn send(
        &mut self,
        kind: u32,
        id: u32,
        status: u32,
        flags: u32,
        fields: &[u8],
        body: &[u8],
        length_low: u32,
        length_high: u32,
    ) -> Result<()> {
        let Some(sink) = &mut self.replies else { return Ok(()) };
        let reply =
            replies::Reply { kind, id, status, flags, fields, body, length_low, length_high };
        let taken = replies::apply(&reply, &mut self.exchanges, &mut self.bodies, sink);
        self.lane.answered(self.exchanges.take_ended());
        sink.flush(&self.lane);
        taken
    }

    /// Takes no more requests. Those that wait, or have no answer yet, get 503;
    /// streaming responses are broken off. It keeps nothing of the server or of
    /// JavaScript's from then on.
    #[napi]
    pub fn close(&mut self) {
        self.lane.close();
        self.wake.release();
        if let Some(Driving { ownership, watch, .. }) = self.drives.take() {
            drop(watch);
            ownership.leave();
        }
        let Some(mut sink) = self.replies.take() else { return };
        for (exchange, task) in self.exchanges.take_all() {
            sink.push(match task {
                Some(mut task) => {
                    task.refuse();
                    LaneReply::Response(task)
                }
                None => LaneReply::Abort(exchange),
            });
        }
        let mut refused = 0;
        self.lane.take(&mut self.events);
        for event in self.events.drain(..) {
            if let LaneEvent::Request(mut task) = event {
                refused += 1;
                task.refuse();
                sink.push(LaneReply::Response(task));
            }
        }
        self.lane.begun(refused);
        self.lane.answered(refused + self.exchanges.take_ended());
        sink.flush(&self.lane);
    }
}

impl Driving {
    /// A turn of the loop, if this thread has its ownership.
    fn turn(&mut self) -> bool {
        let drives = self.ownership.drive();
        self.turns = self.turns.saturating_add(1);
        // The loop's own thread watches now, or nobody need: this one is busy.
        if !drives || self.turns == UNWATCHED_AFTER {
            self.watch.stop();
        }
        drives
    }

    /// Whether this thread may rest, having seen that it had ownership or not. If so
    /// it does, and where it has ownership it is called when there is something to do.
    fn may_rest(&mut self, owns: bool) -> bool {
        let may = if owns { self.ownership.may_rest() } else { !self.ownership.is_lanes() };
        if may {
            self.turns = 0;
        }
        if may && owns {
            self.watch.start();
        }
        may
    }
}

impl Drop for NativeLane {
    fn drop(&mut self) {
        self.close();
        registry::remove(self.id);
    }
}

fn invalid(what: &str) -> Error {
    Error::new(Status::InvalidArg, format!("lane: {what}"))
}
