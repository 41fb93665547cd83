//! One connection's state. What happens to it is in `reactor`.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use reactor_proto::{Decoder, RequestError};
use reactor_sys::Stream as Socket;

use crate::conn::out::Out;
use crate::dispatch::app::Inline;
use crate::dispatch::lane::channel::{Exchange, WINDOW};
use crate::event_loop::clock::Millis;
use crate::exchange::task::{Response, Task};
use crate::observe::close_reason::CloseReason;

/// What a connection reads from and writes to. A TLS session or a simulated
/// peer can stand here as well as a socket.
pub(crate) trait Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Reads what is thrown away.
    fn discard(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// The close that follows shall not look like an orderly end.
    fn reset_on_close(&mut self) {}
    /// Bytes written that the peer has not yet taken, as far as is known.
    fn unsent(&self) -> usize {
        0
    }
}

impl Transport for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Socket::read(self, buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Socket::write(self, buf)
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Socket::write_vectored(self, bufs)
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Socket::shutdown_write(self)
    }
    fn reset_on_close(&mut self) {
        // Without it the close is an orderly one, which is no reason to stay.
        let _ = Socket::reset_on_close(self);
    }
    fn unsent(&self) -> usize {
        Socket::unsent(self).unwrap_or(0)
    }
}

/// Requests of one connection that may wait for their answers at once.
pub(crate) const MAX_PIPELINED: u32 = 64;

/// A connection that holds more than this in answers, which wait for their turn or
/// for the peer to take them, is not read from.
pub(crate) const HIGH_WATER: usize = 256 * 1024;

/// Requests of a new connection that may be at handlers at once. How large their
/// answers will be is known only when they are made.
const FIRST_DEPTH: u32 = 2;

/// Requests of one connection that may be at handlers at most. A client that gets small
/// answers first and then asks for large ones gets this many of them made at once.
const MOST_DEPTH: u32 = 16;

/// What each answer of a usual size adds to [`FIRST_DEPTH`].
const DEEPER: u32 = 2;

pub(crate) struct Conn<T> {
    pub(crate) io: T,
    pub(crate) peer: Option<SocketAddr>,
    /// Tells this connection from the slot's earlier ones.
    pub(crate) generation: u32,
    pub(crate) decoder: Decoder,
    /// The unconsumed end of the input, while it is incomplete.
    pub(crate) tail: Vec<u8>,
    pub(crate) out: Out,
    /// The request whose body is coming in.
    pub(crate) incoming: Option<Box<Incoming>>,
    /// Answers that came before their turn; the first belongs to
    /// `next_answer`.
    pub(crate) waiting: VecDeque<Option<(Answer, Meta)>>,
    /// Bytes that they hold.
    pub(crate) waiting_bytes: usize,
    /// How many of them are whole.
    pub(crate) waiting_whole: u32,
    /// How many requests may be at handlers before the next is read: as many as have
    /// answers within [`HIGH_WATER`] together, by what answers took so far.
    pub(crate) depth: u32,
    /// The sequence number of the next request to be read.
    pub(crate) next_request: u32,
    /// The sequence number of the next answer to be sent.
    pub(crate) next_answer: u32,
    pub(crate) phase: Phase,
    /// When the phase began, or last made progress where that counts.
    pub(crate) since: Millis,
    /// What has happened since the timer was last set: see `reactor::timers`. A
    /// request or a piece of a streaming body has come, or an answer was made.
    pub(crate) progress: bool,
    /// Output has left.
    pub(crate) sent: bool,
    /// Bytes have come of a body that is collected or dropped.
    pub(crate) collected: usize,
    /// What the transport held unsent when it last took no more, or when the
    /// timer last looked.
    pub(crate) unsent: usize,
    /// Bytes sent since something was last read: what the peer may not have
    /// got yet.
    pub(crate) sent_since_read: usize,
    /// The socket has something to read, as far as is known.
    pub(crate) readable: bool,
    /// The kernel said that the end of the input is near: a short read does
    /// not mean that the socket is empty.
    pub(crate) hangup: bool,
    /// The end of the input has been read.
    pub(crate) read_closed: bool,
    /// `tail` may hold whole requests: the connection was full.
    pub(crate) stalled: bool,
    /// No further request is read: an error or `Connection: close`.
    pub(crate) last_request_read: bool,
    /// The last answer is in the output: when it is sent, close.
    pub(crate) closing: bool,
    /// Close by half-closing first and discarding what still comes, so that
    /// the peer reads the answer instead of a reset (RFC 9112 §9.6).
    pub(crate) linger: bool,
    /// Why it will be closed, where that is known before it is.
    pub(crate) reason: Option<CloseReason>,
    /// On the list of connections to be flushed.
    pub(crate) dirty: bool,
    /// Output is left that the socket may take: others have their turn first.
    pub(crate) paused: bool,
    /// On the list of connections that go on in the next turn.
    pub(crate) listed: bool,
    /// Has had at least one whole request.
    pub(crate) served: bool,
    /// The last answer cannot be completed. What there is of it is sent, and then
    /// the connection ends in a way that the client notices.
    pub(crate) cut: bool,
    /// Bytes that came behind the last request and were thrown away.
    pub(crate) discarded: usize,
    /// The last response ends where the connection does (RFC 9112 section 6.3,
    /// rule 8): nothing else tells a part of it from the whole.
    pub(crate) delimits: bool,
    /// `100 Continue` is owed once earlier answers are out.
    pub(crate) owes_continue: bool,
    /// A lane knows of the connection and hears of its end.
    pub(crate) announced: bool,
    /// It is to end behind the answers that are under way.
    pub(crate) ending: bool,
    /// The request that is coming in, and since when; kept where that has a limit.
    pub(crate) receiving: Option<(u32, Millis)>,
    /// What its lane, which is full, could not be told of it yet; not read from
    /// meanwhile.
    pub(crate) held_back: u32,
    /// The next request waits until its lane, which takes no more, has answered those
    /// that it has.
    pub(crate) awaits_lane: bool,
    /// The lane that has this connection's requests, while it has any.
    pub(crate) lane: u8,
    /// One bit, at its sequence number modulo 64, for each request that is
    /// with the lane.
    pub(crate) with_lane: u64,
    /// The HEAD requests among them.
    pub(crate) heads_with_lane: u64,
    /// Those among them whose answer has to say that the connection is kept.
    pub(crate) kept_with_lane: u64,
    /// Those among them whose lane has been told that the client has sent its
    /// last byte.
    pub(crate) told_left: u64,
    /// Bytes of the streaming request body that comes in, which the lane has not taken.
    pub(crate) unpulled: usize,
    /// The same of bodies that have come whole, by their requests.
    pub(crate) untaken: Vec<(u32, usize)>,
    /// With so many of these bytes nothing more is read.
    pub(crate) window: usize,
    /// The streaming response that is being sent; the answer in turn.
    pub(crate) stream: Option<Box<Stream>>,
    /// An answer has said for how long the connection is kept.
    pub(crate) told_timeout: bool,
}

/// A streaming response that is being sent.
pub(crate) struct Stream {
    pub(crate) exchange: Exchange,
    pub(crate) chunked: bool,
    /// HEAD: nothing of it is sent.
    pub(crate) head_only: bool,
    pub(crate) close: bool,
    /// What is left of the declared length.
    pub(crate) left: Option<u64>,
    /// Bytes that the lane has not been told have left.
    pub(crate) unacknowledged: usize,
}

/// What a connection is waiting for; each has one timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For the first byte.
    Fresh,
    /// For the next request.
    Idle,
    /// For the rest of a head.
    Head,
    /// For the rest of a body.
    Body,
    /// For our own workers: no timeout.
    Busy,
    /// For our own workers, while the client has sent its last byte: it may have
    /// gone.
    Left,
    /// For the peer to take our output.
    Write,
    /// For the peer to close after we did.
    Linger,
}

/// A request whose body is coming in.
pub(crate) enum Incoming {
    /// The body is collected for a handler.
    Task(Box<Task>),
    /// The body is read and dropped, then this is the answer.
    Discard(Answer, Meta),
    /// The body goes on to a lane as it comes.
    Stream(Exchange, Meta),
}

impl Incoming {
    pub(crate) fn meta(&self) -> Meta {
        match self {
            Self::Task(task) => task.meta,
            Self::Discard(_, meta) | Self::Stream(_, meta) => *meta,
        }
    }
}

/// An answer that is ready to be written.
pub(crate) enum Answer {
    /// A worker's.
    Task(Box<Task>),
    /// A pre-rendered one.
    Inline(Arc<Inline>),
    /// An error of the request's own making.
    Rejected(RequestError),
    /// One of the server's.
    Plain(Plain),
    /// None: the connection is broken off in its place.
    Cut,
}

impl Answer {
    /// Bytes that it holds by itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Task(task) => task.response.bytes(),
            Self::Inline(_) | Self::Rejected(_) | Self::Plain(_) | Self::Cut => 0,
        }
    }

    /// No more of it is to come.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self, Self::Task(task) if task.response.streams() && !task.failed)
    }
}

/// Answers that the server gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// No route.
    NotFound,
    /// No route for this method; these are allowed.
    MethodNotAllowed(Box<str>),
    /// A method that nobody here knows.
    NotImplemented,
    /// OPTIONS that no handler wants: of the server, or of a path that allows these.
    Options(Option<Box<str>>),
    /// A handler panicked.
    HandlerFailed,
    /// A limit has been reached.
    Overloaded(Limit),
    /// A handler took too long.
    HandlerTimeout,
    /// A head or a body took too long.
    Timeout,
    /// The input ended inside a request.
    Incomplete,
}

/// Why the server has no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `queue`: requests that wait for workers.
    Queue,
    /// `bodyMemory`: bodies that are held.
    BodyMemory,
    /// `maxInFlight`: requests at handlers.
    InFlight,
    /// No JavaScript thread is there to take it.
    NoThread,
}

/// How a request wants its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// HEAD: the fields without the body.
    pub(crate) head_only: bool,
    /// Close after the answer.
    pub(crate) close: bool,
    /// An HTTP/1.0 client asked to keep the connection and needs to be told.
    pub(crate) says_keep_alive: bool,
    /// The client is asked to close the connection, which stays open until it does.
    pub(crate) asks_to_close: bool,
}

impl<T> Conn<T> {
    pub(crate) fn new(io: T, peer: Option<SocketAddr>, generation: u32, now: Millis) -> Self {
        Self {
            io,
            peer,
            generation,
            decoder: Decoder::default(),
            tail: Vec::new(),
            out: Out::default(),
            incoming: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_whole: 0,
            depth: FIRST_DEPTH,
            next_request: 0,
            next_answer: 0,
            phase: Phase::Fresh,
            since: now,
            progress: false,
            sent: false,
            collected: 0,
            unsent: 0,
            sent_since_read: 0,
            readable: false,
            hangup: false,
            read_closed: false,
            stalled: false,
            last_request_read: false,
            closing: false,
            linger: false,
            reason: None,
            dirty: false,
            paused: false,
            listed: false,
            served: false,
            cut: false,
            discarded: 0,
            delimits: false,
            owes_continue: false,
            announced: false,
            ending: false,
            receiving: None,
            held_back: 0,
            awaits_lane: false,
            lane: 0,
            with_lane: 0,
            heads_with_lane: 0,
            kept_with_lane: 0,
            told_left: 0,
            unpulled: 0,
            untaken: Vec::new(),
            window: WINDOW,
            stream: None,
            told_timeout: false,
        }
    }

    /// Requests that wait for their answers, the one whose body is coming in
    /// not counted.
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.next_request.wrapping_sub(self.next_answer)
    }

    /// Whether further requests must wait until answers have gone out.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight() >= MAX_PIPELINED
            || self.held() >= HIGH_WATER
            || self.streamed() >= self.window
            || self.held_back > 0
            || (self.awaits_lane && self.with_lane != 0)
            || (self.incoming.is_none() && self.unanswered() >= self.depth)
    }

    /// Bytes of streaming request bodies that the lane has not taken.
    pub(crate) fn streamed(&self) -> usize {
        self.unpulled + self.untaken.iter().map(|(_, bytes)| bytes).sum::<usize>()
    }

    /// Bytes of answers that have been made and not been sent.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.out.len() + self.waiting_bytes
    }

    /// Requests of which the answer is not yet whole.
    #[inline]
    pub(crate) fn unanswered(&self) -> u32 {
        self.in_flight() - self.waiting_whole
    }

    /// Sees what an answer took, so that no more requests are at handlers than have
    /// room for their answers: the window opens bit by bit and shuts at once.
    #[inline]
    pub(crate) fn adapt(&mut self, bytes: usize) {
        let deeper = (self.depth + DEEPER).min(MOST_DEPTH);
        self.depth = if bytes <= HIGH_WATER / MAX_PIPELINED as usize {
            deeper
        } else {
            let most = u32::try_from(HIGH_WATER / bytes).unwrap_or(MAX_PIPELINED);
            deeper.min(most.max(1))
        };
    }

    /// Keeps an answer until those `ahead` of it are written. Returns the beginning
    /// of one of which nothing has been sent, if that was in its place.
    pub(crate) fn keep(&mut self, ahead: usize, answer: Answer, meta: Meta) -> Option<Answer> {
        if self.waiting.len() <= ahead {
            self.waiting.resize_with(ahead + 1, || None);
        }
        self.weigh(&answer);
        let (begun, _) = self.waiting[ahead].replace((answer, meta))?;
        self.unweigh(&begun);
        Some(begun)
    }

    /// Goes on to the next answer; returns it if it has come.
    #[inline]
    pub(crate) fn next_kept(&mut self) -> Option<(Answer, Meta)> {
        self.next_answer = self.next_answer.wrapping_add(1);
        // The first place belonged to the answer that has been written.
        self.waiting.pop_front();
        let (answer, meta) = self.waiting.front_mut()?.take()?;
        self.unweigh(&answer);
        Some((answer, meta))
    }

    /// Changes the streaming response in this place, whose turn has not come. None
    /// if there is none.
    pub(crate) fn change_kept<R>(
        &mut self,
        ahead: usize,
        change: impl FnOnce(&mut Response, &mut Meta) -> R,
    ) -> Option<R> {
        let mut place = self.waiting.get_mut(ahead)?.take()?;
        self.unweigh(&place.0);
        let result = match &mut place {
            (Answer::Task(task), meta) => Some(change(&mut task.response, meta)),
            _ => None,
        };
        if place.0.is_whole() {
            self.adapt(place.0.bytes());
        }
        self.weigh(&place.0);
        self.waiting[ahead] = Some(place);
        result
    }

    fn weigh(&mut self, answer: &Answer) {
        self.waiting_bytes += answer.bytes();
        self.waiting_whole += u32::from(answer.is_whole());
    }

    fn unweigh(&mut self, answer: &Answer) {
        self.waiting_bytes -= answer.bytes();
        self.waiting_whole -= u32::from(answer.is_whole());
    }

    /// The answer in turn cannot be completed, and is the last.
    pub(crate) fn break_off(&mut self) {
        self.cut = true;
        self.closing = true;
        self.last_request_read = true;
        self.reason = Some(CloseReason::Aborted);
    }

    /// Whether the client is known to have sent its last byte, and nothing more of it
    /// is read now.
    pub(crate) fn has_left(&self) -> bool {
        self.read_closed || self.hangup && !self.wants_read()
    }

    /// Whether the body of request `sequence` goes to a lane and has not come
    /// whole.
    pub(crate) fn body_comes_in(&self, sequence: u32) -> bool {
        matches!(
            self.incoming.as_deref(),
            Some(Incoming::Stream(exchange, _)) if exchange.0.sequence == sequence
        )
    }

    /// Nothing is under way in either direction.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight() == 0
            && self.incoming.is_none()
            && self.tail.is_empty()
            && self.out.is_empty()
            && self.decoder.is_between_requests()
    }
}
