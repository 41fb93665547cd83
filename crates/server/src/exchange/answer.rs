//! The answer to a request: a handler's, a pre-rendered one, or the server's own.

use std::sync::Arc;

use reactor_proto::{Opening, RequestError};

use crate::exchange::inline::Inline;
use crate::exchange::task::{Outcome, Task};

/// An answer, or the beginning of one that streams.
pub(crate) enum Answer {
    /// A handler's.
    Task(Box<Task>),
    /// A pre-rendered one.
    Inline(Arc<Inline>),
    /// One that the server gives by itself.
    Server(ServerAnswer),
    /// There is none: the exchange is broken off in its turn.
    Cut,
}

impl Answer {
    /// Bytes of memory that this answer alone holds.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Task(task) => task.response.held(),
            Self::Inline(_) | Self::Server(_) | Self::Cut => 0,
        }
    }

    /// Whether no more of it is to come.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self, Self::Task(task) if task.streams())
    }

    /// The server's own answer to a request whose handler made no response.
    pub(crate) fn of_failed(outcome: Outcome) -> ServerAnswer {
        match outcome {
            Outcome::Refused => ServerAnswer::Overloaded(Limit::NoThread),
            Outcome::Answered | Outcome::Failed => ServerAnswer::HandlerFailed,
        }
    }
}

/// Answers that the server gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerAnswer {
    /// The request is malformed, over a limit, or not for this server.
    Rejected(RequestError),
    /// The connection begins with another protocol.
    WrongProtocol(WrongProtocol),
    /// No route.
    NotFound,
    /// No route for this method; these are allowed.
    MethodNotAllowed(Box<str>),
    /// A method that this server does not know.
    NotImplemented,
    /// OPTIONS for the server, or for a path that allows these methods. No handler wants it.
    Options(Option<Box<str>>),
    /// A handler panicked.
    HandlerFailed,
    /// The same is served under this URL, over TLS.
    Moved(Box<str>),
    /// As [`Moved`](Self::Moved), but the request does not say for which host.
    NoHost,
    /// The connection was made for another name, with other rules for clients.
    Misdirected,
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
    /// The server wants no new clients now.
    NotReady,
}

/// The protocol that a client spoke and that this listener does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongProtocol {
    /// HTTP/1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113 §3.4).
    Http2,
    /// A TLS handshake.
    Tls,
    /// The PROXY protocol.
    Proxy,
}

impl ServerAnswer {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Rejected(error) => error.status(),
            Self::WrongProtocol(WrongProtocol::Http1 | WrongProtocol::Http2) => 505,
            Self::WrongProtocol(_) | Self::Incomplete | Self::NoHost => 400,
            Self::Moved(_) => 308,
            Self::Misdirected => 421,
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::NotImplemented => 501,
            Self::Options(_) => 204,
            Self::HandlerFailed => 500,
            Self::Overloaded(_) | Self::HandlerTimeout => 503,
            Self::Timeout => 408,
        }
    }

    /// The one field that belongs to this answer, if it has one.
    pub(crate) fn field(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::MethodNotAllowed(allow) | Self::Options(Some(allow)) => Some(("Allow", allow)),
            Self::Moved(url) => Some(("Location", url)),
            Self::Overloaded(_) => Some(("Retry-After", "1")),
            _ => None,
        }
    }

    /// What it tells the person who reads the answer. None if the answer has no body.
    pub(crate) fn detail(&self) -> Option<&dyn std::fmt::Display> {
        Some(match self {
            Self::Rejected(error) => error,
            Self::WrongProtocol(which) => which.words(),
            Self::NotFound => &"nothing is served under this path",
            Self::MethodNotAllowed(_) => &"this path does not take this method",
            Self::NotImplemented => &"this server does not know this method",
            Self::Options(_) => return None,
            Self::HandlerFailed => &"the handler failed",
            Self::Moved(_) => &"this is served over https only",
            Self::Misdirected => &"this connection was made for another host",
            Self::NoHost => &"this port redirects to https, and the request names no host",
            Self::Overloaded(limit) => limit.words(),
            Self::HandlerTimeout => &"the handler did not answer in time",
            Self::Timeout => &"the request did not arrive in time",
            Self::Incomplete => &"the connection was closed inside the request",
        })
    }
}

impl Limit {
    /// Which limit it was, for the person who reads the answer.
    fn words(self) -> &'static dyn std::fmt::Display {
        match self {
            Self::Queue => &"the queue for worker threads is full",
            Self::BodyMemory => &"the memory for request bodies is in use",
            Self::InFlight => &"as many requests are at handlers as may be",
            Self::NoThread => &"no JavaScript thread is there to answer",
            Self::NotReady => &"the server wants no new clients now",
        }
    }
}

impl WrongProtocol {
    /// How the connection began.
    pub(crate) fn opening(self) -> Opening {
        match self {
            Self::Http1 => Opening::Http1,
            Self::Http2 => Opening::Http2,
            Self::Tls => Opening::Tls,
            Self::Proxy => Opening::Proxy,
        }
    }

    fn words(self) -> &'static dyn std::fmt::Display {
        match self {
            Self::Http1 => &"the client speaks HTTP/1, and this port HTTP/2 only",
            Self::Http2 => &"the client speaks HTTP/2, and this port HTTP/1.1 only",
            Self::Tls => &"the client speaks TLS (https), and this port plain HTTP only",
            Self::Proxy => &"a PROXY protocol header came, and this port takes none",
        }
    }
}
