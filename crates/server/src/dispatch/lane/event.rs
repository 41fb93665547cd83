//! The events that loops give to a lane, and the replies that come back.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::dispatch::lane::exchange::Exchange;
use crate::dispatch::topics::{Publication, Topic};
use crate::exchange::fields::FieldList;
use crate::exchange::id::ExchangeId;
use crate::exchange::loan::LentMemory;

/// What a message counts for besides its bytes, so that empty ones are bounded too.
const MESSAGE_WEIGHT: usize = 64;

/// An event from a loop to a lane.
pub enum LaneEvent {
    /// A request. Its body is complete, unless [`Exchange::body_streams`].
    Request(Exchange),
    /// The next bytes of a request's body.
    Body(ExchangeId, Vec<u8>),
    /// The rest of a request's body in one piece, as [`LaneReply::Collect`] wants it. More follows
    /// only if the loop had no memory for all of it.
    Rest(ExchangeId, Vec<u8>),
    /// The loop has put this many of the next bytes of the body into the memory that came with
    /// [`LaneReply::Collect`]. More follows only if the loop had no memory left for all of it.
    Filled(ExchangeId, usize),
    /// The trailers of a request whose body streams: lines as of HTTP/1, each with its line end.
    /// [`BodyEnd`](Self::BodyEnd) follows.
    Trailers(ExchangeId, Box<[u8]>),
    /// The request's body is complete.
    BodyEnd(ExchangeId),
    /// The client has sent its last byte; it may still read the response.
    HalfClosed(ExchangeId),
    /// The client has gone, or the request's body broke off. The exchange is over.
    Gone(ExchangeId),
    /// The loop refused the rest of the body, and answered the request with this status. The
    /// exchange is over.
    Refused(ExchangeId, u16),
    /// The loop answered the request with 503, because its response did not come in time. The
    /// exchange is over.
    TimedOut(ExchangeId),
    /// This many bytes of the streaming response have been sent.
    Ack(ExchangeId, usize),
    /// A message of a WebSocket. It counts [`weight`](Self::weight) bytes until the lane has said with
    /// [`LaneReply::Pull`] that it is taken. So do pings and pongs.
    Message(ExchangeId, bool, Vec<u8>),
    /// A ping, which the loop has answered.
    Ping(ExchangeId, Vec<u8>),
    /// A pong.
    Pong(ExchangeId, Vec<u8>),
    /// So many bytes of the lane's messages have been sent, and whether others wait.
    Unsent(ExchangeId, usize, bool),
    /// The client of a WebSocket sends no more. The loop waits for a moment for what the lane answers to
    /// the messages before, until [`LaneReply::Answered`].
    SocketEnds(ExchangeId),
    /// The lane has handed a WebSocket over, and hears no more of it. Its messages wait until another
    /// lane has [`adopted`](LaneReply::Adopt) it.
    SocketMoved(ExchangeId),
    /// A WebSocket is over, and so is its exchange.
    SocketClosed(ExchangeId, Box<SocketEnd>),
    /// Something happened to a connection. Sent only if the server was told to announce it.
    Connection(Box<ConnectionEvent>),
}

/// How a WebSocket has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEnd {
    /// The code (RFC 6455 §7.4): 1005 if the client's close frame had none, 1006 if there was none.
    pub code: u16,
    /// The reason; empty in most.
    pub reason: String,
    /// Both sides have sent a close frame.
    pub is_clean: bool,
}

/// Something that happened to a connection; see [`Announce`](crate::Announce).
pub struct ConnectionEvent {
    /// What happened.
    pub change: ConnectionChange,
    /// Names the connection. Without meaning for one that was refused.
    pub connection: ExchangeId,
    /// The client's address; none on a unix socket.
    pub peer: Option<SocketAddr>,
}

/// Kinds of [`ConnectionEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It was accepted.
    Opened,
    /// It was closed. This is its last event.
    Closed,
    /// Nothing has happened on it for a while.
    Inactive,
    /// It was refused.
    Refused,
}

impl LaneEvent {
    /// What a message of so many bytes counts for.
    #[must_use]
    pub fn weight(bytes: usize) -> usize {
        bytes + MESSAGE_WEIGHT
    }

    /// The exchange that it belongs to.
    pub(crate) fn id(&self) -> ExchangeId {
        match self {
            Self::Request(task) => task.id(),
            Self::Body(exchange, _)
            | Self::Rest(exchange, _)
            | Self::Filled(exchange, _)
            | Self::Trailers(exchange, _)
            | Self::BodyEnd(exchange)
            | Self::HalfClosed(exchange)
            | Self::Gone(exchange)
            | Self::Refused(exchange, _)
            | Self::TimedOut(exchange)
            | Self::Ack(exchange, _)
            | Self::Message(exchange, ..)
            | Self::Ping(exchange, _)
            | Self::Pong(exchange, _)
            | Self::Unsent(exchange, ..)
            | Self::SocketEnds(exchange)
            | Self::SocketMoved(exchange)
            | Self::SocketClosed(exchange, _) => *exchange,
            Self::Connection(event) => event.connection,
        }
    }
}

/// A message that a lane sends over a WebSocket.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What it is.
    pub kind: OutgoingKind,
    /// It goes compressed where that was agreed on.
    pub compress: bool,
    /// Its bytes. Text is UTF-8.
    pub data: Vec<u8>,
}

/// Frames as they go to the client of a WebSocket.
#[derive(Clone, Debug, Default)]
pub struct Framed {
    /// The frames.
    pub bytes: Vec<u8>,
    /// Bytes of messages in them.
    pub payload: u32,
    /// How many messages they have.
    pub messages: u32,
}

/// What a lane sends over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingKind {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// A ping, of 125 bytes at most.
    Ping,
    /// A pong, of 125 bytes at most.
    Pong,
}

/// Tells one lane from the others of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneKey(pub(crate) usize);

/// A reply from a lane to a loop.
pub enum LaneReply {
    /// The whole response. If the response streams, its beginning.
    Response(Exchange),
    /// A request that [`Exchange::is_late`], given back for a 503. So the handler does not work for
    /// an answer that no client gets.
    Late(Exchange),
    /// The next bytes of a streaming response.
    Chunk(ExchangeId, Vec<u8>),
    /// The trailers of a streaming response. [`End`](Self::End) follows.
    Trailers(ExchangeId, FieldList),
    /// The streaming response is complete.
    End(ExchangeId),
    /// An informational answer (RFC 9110 §15.2) with this status, from 102 to 199: the response
    /// itself follows. It is dropped once the response has begun.
    Inform(ExchangeId, u16, FieldList),
    /// The streaming response cannot be completed. What came of it is sent. Then the connection is
    /// broken off, so that the client does not take a part for the whole.
    Abort(ExchangeId),
    /// A request given back without an answer. The connection is broken off after the answers
    /// before it.
    Dropped(Exchange),
    /// The handler has taken this many bytes of the request's body.
    Pull(ExchangeId, usize),
    /// The handler wants what is still to come of the request's body in one piece. Until then the
    /// loop reads on without [`Pull`](Self::Pull). The memory, if there is any, is for the whole body,
    /// whose length was declared. What comes before the loop has this reply comes in pieces.
    Collect(ExchangeId, Option<Box<dyn LentMemory>>),
    /// A message for a WebSocket.
    Message(ExchangeId, Outgoing),
    /// Frames for a WebSocket.
    Frames(ExchangeId, Framed),
    /// A WebSocket is to be closed, with this code, if any, and this reason.
    CloseSocket(ExchangeId, Option<u16>, String),
    /// A WebSocket subscribes to a topic, where [`Topics::enter`](crate::Topics::enter) has counted
    /// it.
    Subscribe(ExchangeId, Arc<Topic>),
    /// A WebSocket unsubscribes from the topic of this name.
    Unsubscribe(ExchangeId, Vec<u8>),
    /// A message for the loop's subscribers of its topic.
    Publish(ExchangeId, Arc<Publication>),
    /// Whether a WebSocket's messages stay away.
    Pause(ExchangeId, bool),
    /// The lane has seen to all that came before [`LaneEvent::SocketEnds`].
    Answered(ExchangeId),
    /// A WebSocket is to go to another lane.
    HandOver(ExchangeId),
    /// This lane takes a WebSocket that another has handed over. If it is gone meanwhile, an event
    /// says so.
    Adopt(ExchangeId, LaneKey),
    /// Memory of a [`LaneEvent::Rest`], which its loop may use again.
    Spare(ExchangeId, Vec<u8>),
    /// The connection must end now, without the answers that are under way.
    Cut(ExchangeId),
    /// The connection must end after the answers that are under way.
    Finish(ExchangeId),
}

impl LaneReply {
    /// The exchange that it belongs to.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        match self {
            Self::Response(task) | Self::Late(task) | Self::Dropped(task) => task.id(),
            Self::Chunk(exchange, _)
            | Self::Trailers(exchange, _)
            | Self::End(exchange)
            | Self::Inform(exchange, ..)
            | Self::Abort(exchange)
            | Self::Pull(exchange, _)
            | Self::Message(exchange, _)
            | Self::Frames(exchange, ..)
            | Self::CloseSocket(exchange, ..)
            | Self::Subscribe(exchange, _)
            | Self::Unsubscribe(exchange, _)
            | Self::Publish(exchange, _)
            | Self::Pause(exchange, _)
            | Self::Answered(exchange)
            | Self::HandOver(exchange)
            | Self::Adopt(exchange, _)
            | Self::Collect(exchange, _)
            | Self::Spare(exchange, _)
            | Self::Cut(exchange)
            | Self::Finish(exchange) => *exchange,
        }
    }
}

// Both travel by value, in batches.
const _: () = assert!(size_of::<LaneEvent>() <= 48 && size_of::<LaneReply>() <= 56);
