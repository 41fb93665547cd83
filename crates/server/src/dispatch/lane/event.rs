//! What a loop and a lane tell each other.

use std::net::SocketAddr;

use crate::dispatch::lane::exchange::Exchange;
use crate::exchange::id::ExchangeId;

/// What a loop tells a lane.
pub enum LaneEvent {
    /// A request. Its body is complete, unless [`Exchange::body_streams`].
    Request(Exchange),
    /// The next bytes of a request's body.
    Body(ExchangeId, Vec<u8>),
    /// The request's body is complete.
    BodyEnd(ExchangeId),
    /// The client has sent its last byte; it may still read the response.
    HalfClosed(ExchangeId),
    /// The client has gone, or its body broke off. The exchange is over.
    Gone(ExchangeId),
    /// The rest of the body is refused, and the request has been answered with this
    /// status. The exchange is over.
    Refused(ExchangeId, u16),
    /// The request has been answered with 503, because its response did not come
    /// in time. The exchange is over.
    TimedOut(ExchangeId),
    /// This many bytes of the streaming response have left.
    Ack(ExchangeId, usize),
    /// Something about a connection, where the server was told to say it.
    Connection(Box<ConnectionEvent>),
}

/// What has become of a connection; see [`Announce`](crate::Announce).
pub struct ConnectionEvent {
    /// What it is.
    pub change: ConnectionChange,
    /// The connection, by any exchange of its own. Of a refused one it says nothing.
    pub connection: ExchangeId,
    /// The client's address; none on a unix socket.
    pub peer: Option<SocketAddr>,
}

/// Kinds of [`ConnectionEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It was accepted.
    Opened,
    /// It is no more. Nothing further is said of it.
    Closed,
    /// Nothing has happened on it for a while.
    Inactive,
    /// It was refused.
    Refused,
}

impl LaneEvent {
    /// Which exchange it is of.
    pub(crate) fn id(&self) -> ExchangeId {
        match self {
            Self::Request(task) => task.id(),
            Self::Body(exchange, _)
            | Self::BodyEnd(exchange)
            | Self::HalfClosed(exchange)
            | Self::Gone(exchange)
            | Self::Refused(exchange, _)
            | Self::TimedOut(exchange)
            | Self::Ack(exchange, _) => *exchange,
            Self::Connection(event) => event.connection,
        }
    }
}

/// What a lane tells a loop.
pub enum LaneReply {
    /// The whole response, or with [`Response::streams`](crate::Response) its
    /// beginning.
    Response(Exchange),
    /// A request that [`Exchange::is_late`], given back for a 503.
    Late(Exchange),
    /// The next bytes of a streaming response.
    Chunk(ExchangeId, Vec<u8>),
    /// The streaming response is complete.
    End(ExchangeId),
    /// The streaming response cannot be completed. What came of it is sent, and then
    /// the connection is broken off, so that the client does not take a part for the
    /// whole.
    Abort(ExchangeId),
    /// A request given back without an answer: the connection is broken off behind the
    /// answers before it.
    Dropped(Exchange),
    /// The handler has taken this many bytes of the request's body.
    Pull(ExchangeId, usize),
    /// The connection shall end, now; without the answers that are under way.
    Cut(ExchangeId),
    /// The connection shall end behind the answers that are under way.
    Finish(ExchangeId),
}

impl LaneReply {
    /// Which exchange it belongs to.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        match self {
            Self::Response(task) | Self::Late(task) | Self::Dropped(task) => task.id(),
            Self::Chunk(exchange, _)
            | Self::End(exchange)
            | Self::Abort(exchange)
            | Self::Pull(exchange, _)
            | Self::Cut(exchange)
            | Self::Finish(exchange) => *exchange,
        }
    }
}
