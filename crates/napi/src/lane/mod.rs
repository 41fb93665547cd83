//! A lane's end at JavaScript: one native call moves a whole batch.
//!
//! A lane is the channel that carries events to one handler thread and replies back.
//! JavaScript owns four arrays and passes them to [`NativeLane::turn`]. The call takes
//! replies out of two arrays and writes events into the other two. A large body is copied
//! by a call of its own, from where it is to where JavaScript wants it. Native code touches
//! arrays inside such a call only, on the JavaScript thread. The only exception is memory that
//! JavaScript lends for a body (`lent.rs`), and that no program sees meanwhile. So threads share
//! nothing else but the engine's own queues. `words.rs` defines the words of the records, and
//! `ts/lane/record.ts` defines the same for JavaScript.

mod bodies;
mod exchanges;
mod fill;
mod lent;
mod replies;
pub(crate) mod sockets;
mod spin;
mod turner;
mod watch;
mod words;

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::{Arc, PoisonError, RwLock};

use napi::bindgen_prelude::{Function, Uint8Array, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use reactor_server::{Lane, LaneEvent, LaneReplies, LaneReply, Ownership};

use self::bodies::Bodies;
use self::exchanges::{Ended, Exchanges};
use self::fill::{Fill, Filled};
use self::lent::Lent;
use self::sockets::Settings;
use self::spin::SpinPolicy;
use self::turner::Place;
use self::watch::Watch;
use self::words::TOO_SMALL;
use crate::proxied;
use crate::registry;
use crate::server::NativeServer;
use crate::tls::NativeTlsInfo;

/// Requests that may wait for a JavaScript thread. Past that, I/O loops stop reading the
/// sockets that bring more.
const CAPACITY: usize = 4096;

/// Turns without a rest after which libuv stops watching the I/O loop until the next rest.
/// A watched epoll instance reports each event twice: to itself and to its watcher. The
/// sender pays for the second report. Starting and stopping the watch is two system calls.
const UNWATCHED_AFTER: u32 = 16;

/// The `napi` macro takes a plain `&mut` for a class. Behind these names it sees arrays.
type Words<'a> = &'a mut [u32];
type Bytes<'a> = &'a mut [u8];

/// One JavaScript thread's lane.
#[napi]
pub struct NativeLane {
    lane: Arc<Lane>,
    /// Its number in the process.
    id: u32,
    /// None until the server that it serves has started.
    replies: Option<LaneReplies>,
    exchanges: Exchanges,
    bodies: Bodies,
    sockets: Settings,
    /// Events taken from the lane that wait for room in JavaScript's arrays.
    events: VecDeque<LaneEvent>,
    /// The I/O loop that this thread may drive, if there is one.
    drives: Option<Driving>,
    wake: Arc<Wake>,
    /// Where this is, for the function that takes turns.
    place: Place,
}

type OnWake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Calls JavaScript when events wait, until the lane is closed.
///
/// Node holds the function, and the function holds all that it uses, the lane's object
/// included. None of that is collected before [`release`](Self::release).
struct Wake(RwLock<Option<OnWake>>);

impl Wake {
    fn call(&self) {
        if let Some(on_wake) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            // Fails only while the environment ends; then no JavaScript waits for events.
            on_wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn release(&self) {
        let on_wake = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(on_wake);
    }
}

/// What this thread needs to drive an I/O loop.
struct Driving {
    ownership: Arc<Ownership>,
    /// Tells of the loop's events while JavaScript rests.
    watch: Watch,
    spin: SpinPolicy,
    /// Turns since the thread last rested.
    turns: u32,
}

#[napi]
impl NativeLane {
    /// Makes a lane that calls `on_wake` on this thread when events wait. At most one call
    /// is outstanding. The lane keeps neither the process nor the thread alive.
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
        Ok(Self {
            lane,
            id,
            replies: None,
            exchanges,
            bodies,
            sockets: Settings::default(),
            events,
            drives: None,
            wake,
            place: Place::default(),
        })
    }

    /// The lane's number, the same in every environment of the process.
    #[napi(getter)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends replies to the server that has been given this lane. No-op before a server
    /// has it. Call `turn` right after: events that came before were not announced.
    #[napi]
    pub fn attach(&mut self) {
        self.lane.serve();
        self.replies = self.lane.replies();
    }

    /// Takes what this thread tells of its heap, its garbage collections and its event loop, as
    /// `ts/lane/node-report.ts` writes it. Returns after how many milliseconds it is to tell it again.
    /// 0 is never: nobody can ask, or the lane is closed.
    #[napi]
    pub fn tell(&self, #[napi(ts_arg_type = "Uint8Array")] numbers: &[u8]) -> u32 {
        self.lane.tell(numbers).map_or(0, |is_watched| if is_watched { 1000 } else { 5000 })
    }

    /// Lets this thread drive the server's I/O loop, where there is only one, while its
    /// handlers are quick. `on_ready` is called as `on_wake` is. If libuv cannot watch the
    /// loop, the loop's own thread goes on driving.
    #[napi]
    pub fn drive(&mut self, env: Env, server: &NativeServer, on_ready: Function<'_, (), ()>) {
        if let Some(ownership) = server.ownership()
            && let Ok(watch) = Watch::new(&env, ownership.fd().as_raw_fd(), &on_ready)
        {
            ownership.offer(&self.lane);
            self.drives = Some(Driving { ownership, watch, spin: SpinPolicy::default(), turns: 0 });
        }
    }

    /// A function that does what `turn` does, at less cost.
    #[napi(
        ts_return_type = "(events: Uint32Array, eventBytes: Uint8Array, replies: Uint32Array, replyWords: number, replyBytes: Uint8Array) => number"
    )]
    pub fn turner<'env>(&mut self, env: &'env Env) -> Result<Unknown<'env>> {
        turner::function(env, self)
    }

    /// Takes the replies in `replies` and `reply_bytes`, then fills `events` and
    /// `event_bytes` with the events that wait. Returns the number of events. 0 means that
    /// none waits and that `on_wake` will be called. 2^32 - 1 means that the next event
    /// needs larger arrays.
    ///
    /// Throws for a malformed reply.
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
        for exchange in self.exchanges.take_ending() {
            // What JavaScript answers to the last messages is among the replies above.
            sink.push(LaneReply::Answered(exchange));
        }
        self.lane.answered(self.exchanges.take_ended());
        let now = self.lane.turn();
        sink.hand_over();
        let mut looks = self.drives.as_mut().is_none_or(|driving| driving.spin.looks());
        let follows = self.drives.as_ref().is_some_and(|driving| driving.turns > 0);
        let mut owns = self.drives.as_mut().is_some_and(|driving| driving.turn(looks));
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
                let again = owns && self.drives.as_mut().is_some_and(|it| it.spin.spin());
                if !again && self.lane.rest() {
                    if self.drives.as_mut().is_none_or(|it| it.may_rest(owns)) {
                        break;
                    }
                    self.lane.awake();
                }
                sink.hand_over();
                looks = true;
                owns = self.drives.as_mut().is_some_and(|driving| driving.turn(true));
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
        // After `finish`: the flush tells loops that wait for room.
        self.lane.flush(sink);
        if count > 0
            && let Some(driving) = &mut self.drives
        {
            driving.spin.found_work(count, follows && looks);
            if !owns {
                driving.ownership.ask();
            }
        }
        taken?;
        Ok(if count == 0 && !self.events.is_empty() { TOO_SMALL } else { count })
    }

    /// Sends one reply that does not fit the shared arrays. The arguments are the words of
    /// a reply record, with arrays in place of the offsets.
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
        let topic = &[];
        let reply = replies::Reply {
            kind,
            id,
            status,
            flags,
            fields,
            body,
            topic,
            length_low,
            length_high,
        };
        let taken = replies::apply(&reply, &mut self.exchanges, &mut self.bodies, sink);
        self.lane.answered(self.exchanges.take_ended());
        self.lane.flush(sink);
        taken
    }

    /// Answers a request with a whole response that is large: the first `fields_length` and
    /// `body_length` bytes of the arrays are its fields and its body. If this thread drives the
    /// request's I/O loop, the response is sent here, and the body is not copied as far as the
    /// socket takes it. Call `turn` soon after. The arrays may be used again at once.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    pub fn respond(
        &mut self,
        id: u32,
        status: u32,
        flags: u32,
        fields: &[u8],
        fields_length: u32,
        body: &[u8],
        body_length: u32,
    ) -> Result<()> {
        let Some(sink) = &mut self.replies else { return Ok(()) };
        let cut = || invalid("a response is longer than its array");
        let fields = fields.get(..fields_length as usize).ok_or_else(cut)?;
        let body = body.get(..body_length as usize).ok_or_else(cut)?;
        let Some(task) = replies::begin(id, status, flags, fields, &mut self.exchanges) else {
            return Ok(());
        };
        self.lane.answered(self.exchanges.take_ended());
        let ownership = self.drives.as_ref().map(|driving| &driving.ownership);
        if let Some(task) = self.bodies.respond(task, body, ownership.map(AsRef::as_ref)) {
            sink.push(LaneReply::Response(task));
            self.lane.flush(sink);
        }
        Ok(())
    }

    /// Copies a request's body that is not among the bytes of its event into an array of its
    /// length: the rest of one that streams, which is freed, or one that came with its head. To be
    /// called before the next turn. Returns false if there is none of that length: the exchange is
    /// over.
    #[napi]
    pub fn take_body(
        &mut self,
        id: u32,
        #[napi(ts_arg_type = "Uint8Array")] into: Bytes<'_>,
    ) -> bool {
        let (is_there, spare) = self.exchanges.take_body(id, into);
        if let Some((exchange, memory)) = spare
            && let Some(sink) = &mut self.replies
        {
            // It leaves with the replies of the next turn.
            sink.push(LaneReply::Spare(exchange, memory));
        }
        is_there
    }

    /// Lends an array for a request's body, which is as long as its declared length. A `COLLECT`
    /// for that request must follow. No program may see the array before the body has come whole.
    /// The engine gives it up with the body's end, and with the exchange's.
    #[napi]
    pub fn lend(&mut self, id: u32, into: Uint8Array) {
        self.exchanges.lend(id, Lent::new(into));
    }

    /// What TLS says of a request's connection. None if it is in clear, or the exchange is over.
    #[napi]
    pub fn tls_of(&self, id: u32) -> Option<NativeTlsInfo> {
        self.exchanges.facts(id)?.tls.as_ref().map(NativeTlsInfo::from)
    }

    /// What a balancer has said of a request's connection: the header of the PROXY protocol, and behind
    /// it the balancer's address as text. None if none has, or the exchange is over.
    #[napi]
    pub fn proxied_of(&self, id: u32) -> Option<Uint8Array> {
        self.exchanges.facts(id)?.proxied.as_ref().map(proxied::told)
    }

    /// Takes no more requests. Requests that wait or have no answer yet get 503. Streaming
    /// responses are cut off. From then on the lane holds nothing of the server's or of
    /// JavaScript's.
    #[napi]
    pub fn close(&mut self) {
        self.lane.close();
        self.wake.release();
        if let Some(Driving { ownership, watch, .. }) = self.drives.take() {
            // First: the watched descriptor is open as long as the ownership.
            drop(watch);
            ownership.leave();
        }
        let Some(mut sink) = self.replies.take() else { return };
        for Ended { exchange, task, is_socket } in self.exchanges.take_all() {
            sink.push(sockets::leave(exchange, task, is_socket));
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
        self.lane.flush(&mut sink);
    }
}

impl Driving {
    /// Runs a turn of the loop if this thread owns it. Returns whether it does. If not `looks`, the
    /// turn takes no events.
    fn turn(&mut self, looks: bool) -> bool {
        let drives = self.ownership.drive(looks);
        self.turns = self.turns.saturating_add(1);
        // Either the loop's own thread drives again, or this thread is too busy to rest.
        if !drives || self.turns == UNWATCHED_AFTER {
            self.watch.stop();
        }
        drives
    }

    /// Whether this thread may rest; `owns` says whether it drives the loop. If it may and
    /// drives, libuv watches the loop from now on and calls JavaScript when it is ready.
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
