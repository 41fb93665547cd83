//! The handle of a running server.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use reactor_sys::{Address, Stream, block_signals};

use crate::dispatch::app::App;
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::replies::LaneReplies;
use crate::dispatch::topics::Publishing;
use crate::event_loop::inbox::{Accepted, Control, reply_boxes};
use crate::event_loop::ownership::Ownership;
use crate::event_loop::tuning::Tuning;
use crate::observe::health::Standstill;
use crate::observe::health::pulse::Pulse;
use crate::observe::stats::Stats;
use crate::server::error::StartError;
use crate::server::shared::{Shared, Watcher, lock};

/// A running server. Dropping it stops it by force and waits.
#[derive(Debug)]
pub struct Server {
    pub(super) shared: Arc<Shared>,
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Accept no more connections, and finish the requests in flight within the drain timeout.
    Drain,
    /// As [`Drain`](Self::Drain), for a server whose sockets a successor has inherited. It accepts no
    /// more, and leaves those who wait in the queues, and the files of unix sockets, to the
    /// successor. Its metrics end at once.
    Retire,
    /// Close every connection at once.
    Force,
}

impl Server {
    /// Where the server listens; the first address if there are several.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.addresses[0]
    }

    /// The first address of each endpoint, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.shared.addresses
    }

    /// Where metrics are served, if they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<&Address> {
        self.shared.metrics_address.get()
    }

    /// The sockets that the server listens on, those of single loops too, for a successor to inherit:
    /// the number of the endpoint, `None` for metrics, and the descriptor. None once it stops.
    ///
    /// The server owns the descriptors. A stop closes them.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(Option<usize>, i32)> {
        let sockets = lock(&self.shared.sockets);
        if sockets.is_empty() {
            return Vec::new();
        }
        let own = sockets.iter();
        let own = own.map(|(endpoint, socket)| (Some(*endpoint), socket.as_fd().as_raw_fd()));
        let watchers = lock(&self.shared.watchers);
        let others = watchers.iter().flat_map(|watcher| watcher.descriptors());
        own.chain(others.map(|fd| (None, fd))).collect()
    }

    /// Opens the access log's file anew, after it was renamed or removed. Records of the last
    /// milliseconds may still go into the old one. No-op without a log, and for standard output.
    ///
    /// # Errors
    /// [`StartError::Log`]; the old file stays in use.
    pub fn reopen_log(&self) -> Result<(), StartError> {
        self.shared.log.as_ref().map_or(Ok(()), |log| Ok(log.reopen()?))
    }

    /// The statistics of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Answers from another application from now on. The earlier application still answers requests
    /// whose head has been read.
    pub fn reload(&self, app: App) {
        self.shared.start_workers_for(&app);
        let app = Arc::new(app);
        self.shared.tell_loops(|| Control::Reload(Arc::clone(&app)));
    }

    /// Changes limits, timeouts and announcements, for connections that are open too.
    pub fn retune(&self, tuning: Tuning) {
        self.shared.open_limit.set(tuning.max_connections, tuning.announce.refused);
        let tuning = Arc::new(tuning);
        self.shared.tell_loops(|| Control::Retune(Arc::clone(&tuning)));
    }

    /// Connects this process to the server, past the listener. The connection counts as one from a
    /// unix socket.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let (stream, other) = Stream::pair()?;
        if let Some(inbox) = lock(&self.shared.inboxes).first() {
            inbox.push_control(Control::Accepted(Accepted { stream, peer: None, endpoint: None }));
            inbox.notify();
        }
        Ok(other)
    }

    /// Serves a connection that another process has accepted for this one, at the endpoint with this
    /// number. The loops get such connections in turn. The descriptor stays open; the server has a
    /// copy. False if the server stops, or has all the connections it can: the connection is not
    /// served.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK or EMFILE, and ENOTCONN where the client has left.
    pub fn hand_over(&self, fd: i32, endpoint: usize) -> io::Result<bool> {
        let shared = &self.shared;
        if shared.stopping.load(Ordering::Acquire) || endpoint >= shared.addresses.len() {
            return Ok(false);
        }
        if !shared.open_limit.admits(shared.counters.open()) {
            shared.counters.accept.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(false);
        }
        let (stream, peer) = Stream::accepted(fd)?;
        let inboxes = lock(&shared.inboxes);
        let turn = shared.handed.fetch_add(1, Ordering::Relaxed) % inboxes.len().max(1);
        let Some(inbox) = inboxes.get(turn) else { return Ok(false) };
        inbox.push_control(Control::Accepted(Accepted { stream, peer, endpoint: Some(endpoint) }));
        inbox.notify();
        Ok(true)
    }

    /// Closes connections that wait for their next request.
    pub fn close_idle_connections(&self) {
        self.shared.tell_loops(|| Control::CloseIdle);
    }

    /// Closes every connection, whatever is under way there. The server goes on.
    pub fn close_all_connections(&self) {
        self.shared.tell_loops(|| Control::CloseAll);
    }

    /// Sets the lanes from now on, each in its place; at most 255. A lane that is left out, or
    /// replaced by `None`, gets no more requests. Those that it had are answered with 503.
    pub fn set_lanes(&self, lanes: &[Option<Arc<Lane>>]) {
        self.shared.give_lanes(lanes, || Control::Lanes(lanes.to_vec()));
    }

    /// A number of this start of a server. No other server of this process has it, and hardly any
    /// other server. The ids of requests in the access log begin with it, in sixteen hexadecimal
    /// digits.
    #[must_use]
    pub fn start_id(&self) -> u64 {
        self.shared.start_id
    }

    /// Answers from another application through further lanes, from now on. Each request has either
    /// the earlier application and its lanes, or the new ones.
    ///
    /// `lanes` has the earlier lanes too, in their places. They finish what they have, and get no
    /// more requests. Take them away with [`set_lanes`](Self::set_lanes) when they have nothing in
    /// flight.
    pub fn swap(&self, app: App, lanes: &[Option<Arc<Lane>>]) {
        self.shared.start_workers_for(&app);
        let app = Arc::new(app);
        self.shared.give_lanes(lanes, || Control::Swap(Arc::clone(&app), lanes.to_vec()));
    }

    /// Where lanes put their replies.
    #[must_use]
    pub fn lane_replies(&self) -> LaneReplies {
        LaneReplies::new(&reply_boxes(&lock(&self.shared.inboxes)))
    }

    /// Publishes a message to the WebSockets that have subscribed to a topic. Returns how many there
    /// are.
    pub fn publish(&self, topic: &[u8], data: &[u8], how: Publishing) -> usize {
        let mut replies = self.lane_replies();
        let subscribers = replies.publish(topic, data, how);
        replies.hand_over();
        replies.wake(0);
        subscribers
    }

    /// How many WebSockets have subscribed to a topic.
    #[must_use]
    pub fn subscribers(&self, topic: &[u8]) -> usize {
        self.lane_replies().subscribers(topic)
    }

    /// Ownership of the one I/O loop, which a lane's thread may take. `None` if there are several
    /// loops.
    #[must_use]
    pub fn ownership(&self) -> Option<Arc<Ownership>> {
        match &lock(&self.shared.ownerships)[..] {
            [ownership] => Some(Arc::clone(ownership)),
            _ => None,
        }
    }

    /// Whether it wants new clients, as health checks tell.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.health.is_ready()
    }

    /// Whether the program is ready for clients, as it says itself. Health checks tell of it.
    pub fn set_ready(&self, ready: bool) {
        self.shared.health.set_ready(ready);
    }

    /// Says that the server stops soon. Health checks tell of it, answers of HTTP/1 close their
    /// connections, and clients of HTTP/2 get GOAWAY. All else goes on, new connections too, until
    /// [`stop`](Self::stop).
    pub fn lame_duck(&self) {
        self.shared.lame_duck();
    }

    /// How long parts of the server have stood still, as far as `pulse` has seen. It sees more with
    /// each look. Looks should be 5 s apart at most.
    pub fn look(&self, pulse: &mut Pulse) -> Standstill {
        self.shared.health.look(pulse, Instant::now())
    }

    /// Says how the page of metrics asks the program for its own: `ask` must return at once, and
    /// lead to [`program_said`](Self::program_said). No-op without
    /// [`program_metrics`](crate::Config::program_metrics).
    pub fn ask_program(&self, ask: Box<dyn Fn() + Send>) {
        if let Some(program) = &self.shared.program {
            program.ask_with(ask);
        }
    }

    /// Answers an ask: with whole lines in the text format of Prometheus, or, if it is not
    /// `is_up`, with a comment that says why not.
    pub fn program_said(&self, is_up: bool, text: String) {
        if let Some(program) = &self.shared.program {
            program.said(is_up, text);
        }
    }

    /// A drain takes no longer than this, from now on or from when it begins, even if the drain
    /// timeout is longer.
    pub fn drain_within(&self, time: Duration) {
        self.shared.tell_loops(|| Control::DrainWithin(time));
    }

    /// Begins to stop, and returns at once. A second call with [`Stop::Force`] ends a drain.
    pub fn stop(&self, how: Stop) {
        match how {
            Stop::Drain => self.shared.drain(),
            Stop::Retire => self.shared.retire(),
            Stop::Force => self.shared.force(),
        }
        if !self.shared.stopping.swap(true, Ordering::AcqRel) {
            let shared = Arc::clone(&self.shared);
            let finish = move || {
                block_signals();
                shared.join();
            };
            // Nobody joins this thread: one that is to be joined keeps its stack.
            if Builder::new().name("rx-stop".to_owned()).spawn(finish).is_err() {
                // Without a thread to spare, the calling thread does it.
                self.shared.join();
            }
        }
    }

    /// Waits until the server has stopped.
    pub fn wait(&self) {
        let mut finished = lock(&self.shared.finished);
        while !finished.done {
            finished = self.shared.finish.wait(finished).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls `callback` once the server has stopped, on a thread of the server. Calls it at once if
    /// the server has stopped already.
    pub fn on_stopped(&self, callback: Box<dyn FnOnce() + Send>) {
        let mut finished = lock(&self.shared.finished);
        if finished.done {
            drop(finished);
            callback();
        } else {
            finished.callbacks.push(callback);
        }
    }
}

/// The server of metrics. A successor goes on with its sockets.
pub(super) struct Inheritable(pub(super) Server);

impl Watcher for Inheritable {
    fn descriptors(&self) -> Vec<i32> {
        self.0.descriptors().into_iter().map(|(_, fd)| fd).collect()
    }

    fn retire(&self) {
        self.0.stop(Stop::Retire);
    }
}

/// The server of the control socket. Its path names this process.
impl Watcher for Server {
    fn descriptors(&self) -> Vec<i32> {
        Vec::new()
    }

    fn retire(&self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Stop::Force);
        self.wait();
    }
}
