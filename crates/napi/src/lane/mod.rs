//! The way to JavaScript handlers: one native call moves a whole batch.
//!
//! JavaScript owns four arrays and passes them to [`NativeLane::turn`], which
//! takes the replies out of two and puts the events that wait into the other
//! two. Native code touches them inside that call only, on the JavaScript
//! thread, so nothing is shared between threads but the engine's own queues.
//! What the words mean is in `words.rs`, and for JavaScript in `ts/lane.ts`.

mod exchanges;
mod fill;
mod patience;
mod replies;
mod watch;
mod words;

use std::os::fd::AsRawFd;
use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use reactor_server::{Lane, LaneEvent, LaneReplies, LaneReply, Seat};

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
    /// An event that the last turn had no room for.
    held: Option<LaneEvent>,
    /// The I/O loop that this thread may drive.
    drives: Option<Driving>,
}

/// How this thread drives an I/O loop: the seat, and what tells of its events
/// while JavaScript rests.
struct Driving {
    seat: Arc<Seat>,
    watch: Watch,
    patience: Patience,
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
        let lane = Lane::new(CAPACITY, move || {
            // Fails only once the environment is going; then nobody waits.
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
        let id = registry::add(&lane);
        let exchanges = Exchanges::default();
        Ok(Self { lane, id, replies: None, exchanges, held: None, drives: None })
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
    /// handlers are quick; `on_ready` is called as `on_wake` is.
    #[napi]
    pub fn drive(
        &mut self,
        env: Env,
        server: &NativeServer,
        on_ready: Function<'_, (), ()>,
    ) -> Result<()> {
        if let Some(seat) = server.seat() {
            seat.offer(&self.lane);
            let watch = Watch::new(&env, seat.fd().as_raw_fd(), &on_ready)?;
            self.drives = Some(Driving { seat, watch, patience: Patience::default() });
        }
        Ok(())
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
        let taken = replies::take(words, reply_bytes, &mut self.exchanges, sink, &self.lane);
        for task in self.exchanges.take_over() {
            self.lane.answered();
            // The loop counts the task's body and wants it back.
            if let Some(task) = task {
                sink.push(LaneReply::Response(task));
            }
        }
        let now = self.lane.turn();
        let mut has_seat = self.drives.as_mut().is_some_and(Driving::turn);
        if has_seat {
            sink.forget();
        }
        let mut fill = Fill::new(events, event_bytes, now);
        loop {
            let Some(event) = self.held.take().or_else(|| self.lane.pop()) else {
                if fill.count() > 0 {
                    break;
                }
                let waits = has_seat && self.drives.as_mut().is_some_and(|it| it.patience.wait());
                if !waits && self.lane.rest() {
                    if self.drives.as_ref().is_none_or(|it| it.may_rest(has_seat)) {
                        break;
                    }
                    self.lane.awake();
                }
                has_seat = self.drives.as_mut().is_some_and(Driving::turn);
                continue;
            };
            match fill.event(event, &mut self.exchanges, sink, &self.lane) {
                Filled::Done => {}
                Filled::NoRoom(event) => {
                    self.held = Some(*event);
                    break;
                }
            }
        }
        sink.flush(&self.lane);
        if fill.count() > 0
            && let Some(driving) = &mut self.drives
        {
            driving.patience.rewarded();
            if !has_seat {
                driving.seat.ask();
            }
        }
        taken?;
        Ok(if fill.count() == 0 && self.held.is_some() { TOO_SMALL } else { fill.count() })
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
        let taken = replies::apply(&reply, &mut self.exchanges, sink, &self.lane);
        sink.flush(&self.lane);
        taken
    }

    /// Takes no more requests. Those that wait, or have no answer yet, get 503;
    /// streaming responses are broken off.
    #[napi]
    pub fn close(&mut self) {
        self.lane.close();
        if let Some(Driving { seat, watch, .. }) = self.drives.take() {
            drop(watch);
            seat.leave();
        }
        let Some(sink) = &mut self.replies else { return };
        for (exchange, task) in self.exchanges.take_all() {
            self.lane.answered();
            sink.push(match task {
                Some(mut task) => {
                    task.refuse();
                    LaneReply::Response(task)
                }
                None => LaneReply::Abort(exchange),
            });
        }
        while let Some(event) = self.held.take().or_else(|| self.lane.pop()) {
            if let LaneEvent::Request(mut task) = event {
                self.lane.answered();
                task.refuse();
                sink.push(LaneReply::Response(task));
            }
        }
        sink.flush(&self.lane);
    }
}

impl Driving {
    /// A turn of the loop, if this thread has its seat.
    fn turn(&mut self) -> bool {
        if self.seat.drive() {
            self.watch.start();
            return true;
        }
        // The loop's own thread watches now.
        self.watch.stop();
        false
    }

    /// Whether this thread may rest, having seen that it had the seat or not.
    fn may_rest(&self, has_seat: bool) -> bool {
        if has_seat { self.seat.may_rest() } else { !self.seat.is_lanes() }
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
