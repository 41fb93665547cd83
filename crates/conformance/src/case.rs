//! One case of the corpus: the bytes to send and the answers that must come.

use std::fmt;

/// Bytes a client sends on one connection and the answers it must get.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique over the whole corpus.
    pub name: String,
    /// The row of CONFORMANCE.md it belongs to; `None` for the answers below the table.
    pub row: Option<u8>,
    /// Where it is written, as `file:line`, for failure messages.
    pub source: String,
    /// What the client sends.
    pub bytes: Vec<u8>,
    /// Offsets into `bytes`. The bytes behind each are sent only after the next answer.
    pub waits: Vec<usize>,
    /// The client shuts down its sending side after `bytes`.
    pub eof: bool,
    /// Which runners can judge it.
    pub layer: Layer,
    /// The application it is sent to.
    pub app: App,
    /// Limits that differ from the defaults, by the name of the field in `Limits`.
    pub limits: Vec<(String, u64)>,
    /// The decoder must have rejected the case when this many bytes have arrived.
    pub by: Option<usize>,
    /// A rejection may need the bytes behind the case; without them it is unfinished.
    pub lazy: bool,
    /// The answers, in order.
    pub answers: Vec<Answer>,
}

impl Case {
    /// What the connection must do after the last answer.
    #[must_use]
    pub fn after(&self) -> After {
        self.answers.last().map_or(After::Close, |answer| answer.after)
    }
}

/// Which runners can judge a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Codec and socket.
    Both,
    /// The codec alone: on a server the outcome depends on more than the bytes, such as time.
    Codec,
    /// The socket alone: the codec does not decide it.
    Socket,
}

/// The application that a case talks to. The runners define them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum App {
    /// One handler that takes any method on any path.
    Any,
    /// A few routes with methods of their own, and nothing else.
    Routes,
    /// Handlers behind a lane, which answer whole or in pieces.
    Lanes,
}

/// Which part decides that a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The codec, which fails.
    Codec,
    /// A part above the codec; the codec accepts the request.
    Above,
    /// Either part.
    Anywhere,
}

/// What the connection must do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Serve the next request.
    Keep,
    /// Say `Connection: close`, then close.
    Close,
    /// Either, as long as the server does what its Connection field says.
    Either,
}

/// One answer that the client must get.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status is one of these.
    pub statuses: Vec<u16>,
    /// It may be missing.
    pub optional: bool,
    /// Which part decides on a status from 400 on.
    pub decided: Decided,
    /// What the connection does next.
    pub after: After,
    /// It answers a HEAD request, so it has no body whatever its fields say.
    pub to_head: bool,
    /// What a handler sees of the request.
    pub sight: Sight,
    /// What the codec says the request asks for.
    pub asks: Vec<Asks>,
    /// Fields it must carry, and their value where it matters.
    pub with: Vec<(String, Option<Vec<u8>>)>,
    /// Fields it must not carry.
    pub without: Vec<String>,
    /// Its body.
    pub content: Option<Vec<u8>>,
    /// The index of an earlier answer whose fields it must repeat (but `Date`).
    pub fields_as: Option<usize>,
}

impl Answer {
    /// Whether it is a 1xx answer, which another answer to the same request follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.statuses.iter().all(|status| *status < 200)
    }

    /// Whether the codec may accept the request.
    #[must_use]
    pub fn may_accept(&self) -> bool {
        self.decided != Decided::Codec || self.statuses.iter().any(|status| *status < 400)
    }

    /// Whether the codec may reject the request.
    #[must_use]
    pub fn may_reject(&self) -> bool {
        self.decided != Decided::Above && self.statuses.iter().any(|status| *status >= 400)
    }
}

/// What a handler sees of a request.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Nothing: no handler runs.
    Never,
    /// A handler runs once, whatever it sees.
    Once,
    /// No demand.
    Free,
    /// A handler runs once and sees this.
    Exactly(Expected),
}

/// A request as a handler must see it.
#[derive(Clone, Default)]
pub struct Expected {
    /// The method token.
    pub method: Vec<u8>,
    /// The request target as sent.
    pub target: Vec<u8>,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// The effective host (RFC 9112 §3.3), where it matters.
    pub host: Option<Vec<u8>>,
    /// Fields that must be there with exactly this value.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Fields that must not be there.
    pub lacks: Vec<String>,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) = (self.method.escape_ascii(), self.target.escape_ascii());
        write!(f, "{method} {target}")?;
        if let Some(host) = &self.host {
            write!(f, ", host {}", host.escape_ascii())?;
        }
        for (name, value) in &self.fields {
            write!(f, ", {name}: {}", value.escape_ascii())?;
        }
        for name in &self.lacks {
            write!(f, ", no {name}")?;
        }
        write!(f, ", \"{}\"", self.body.escape_ascii())
    }
}

/// What a request asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Another protocol.
    Upgrade,
    /// No other protocol, whatever the fields say.
    NoUpgrade,
    /// A 100 (Continue) before the body is sent.
    Continue,
    /// No 100 (Continue).
    NoContinue,
}
