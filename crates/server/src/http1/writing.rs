//! What an HTTP/1 connection writes next.
//!
//! An answer that cannot be completed is sent as far as it came, and then the connection ends. In
//! its turn its stream is taken off and the state is `Last { cut }`. Before its turn it waits in
//! the ring, as a response whose stream is broken, or as `Answer::Cut` if there is none.
//!
//! If nothing but the connection's end delimits the body, the end must be a reset. The loop then
//! waits until the client's kernel has everything, since a reset takes unsent bytes along.

use crate::exchange::compression::coder::Coder;
use crate::exchange::id::ExchangeId;
use crate::exchange::switch::NextProtocol;

/// What is written next. Each transition is a method here.
pub(crate) enum Writing {
    /// The answer in turn, when it comes.
    Answers,
    /// The rest of an answer that streams.
    Stream(Box<Stream>),
    /// Nothing. The last answer is in the output, and the connection ends when that is sent.
    Last {
        /// The last answer cannot be completed. What has come of it is sent. Then the connection
        /// ends in a way that the client notices.
        cut: bool,
        /// The last answer ends where the connection does (RFC 9112 §6.3, rule 8). Nothing else
        /// tells a part of it from the whole.
        delimits: bool,
    },
    /// Nothing. The answer that switches protocols is in the output, and what has been read behind
    /// its request is the next protocol's.
    Switched(NextProtocol),
}

/// An answer that streams.
pub(crate) struct Stream {
    pub(crate) id: ExchangeId,
    pub(crate) chunked: bool,
    /// It answers HEAD: nothing of its body is sent.
    pub(crate) head_only: bool,
    /// The connection ends after it.
    pub(crate) close: bool,
    /// It ends where the connection does.
    pub(crate) delimits: bool,
    /// Its client takes trailers, and it may have some.
    pub(crate) takes_trailers: bool,
    /// The lines of its trailers. Empty if the client takes none.
    pub(crate) trailers: Vec<u8>,
    /// What is missing of the declared length.
    pub(crate) left: Option<u64>,
    /// What compresses it.
    pub(crate) coder: Option<Box<Coder>>,
    /// Bytes that have come and that the lane has got no credit for.
    pub(crate) unacknowledged: usize,
}

impl Writing {
    /// The head of an answer that streams has been written.
    pub(crate) fn begin_stream(&mut self, stream: Stream) {
        debug_assert!(matches!(self, Self::Answers));
        *self = Self::Stream(Box::new(stream));
    }

    /// The stream is over. Returns it.
    pub(crate) fn end_stream(&mut self) -> Option<Box<Stream>> {
        match std::mem::replace(self, Self::Answers) {
            Self::Stream(stream) => Some(stream),
            other => {
                *self = other;
                None
            }
        }
    }

    /// The answer that switches protocols has been written.
    pub(crate) fn switch(&mut self, next: NextProtocol) {
        debug_assert!(matches!(self, Self::Answers));
        *self = Self::Switched(next);
    }

    /// Whether the connection goes on with another protocol.
    #[inline]
    pub(crate) fn is_switched(&self) -> bool {
        matches!(self, Self::Switched(_))
    }

    /// Whether that is WebSocket.
    pub(crate) fn opens_socket(&self) -> bool {
        matches!(self, Self::Switched(NextProtocol::WebSocket(_)))
    }

    /// The same, taken out: the caller puts it in the place of this one.
    #[inline]
    pub(crate) fn take_next_protocol(&mut self) -> Option<NextProtocol> {
        if !self.is_switched() {
            return None;
        }
        match std::mem::replace(self, Self::Answers) {
            Self::Switched(next) => Some(next),
            _ => None,
        }
    }

    /// The last answer has been written as far as it goes.
    pub(crate) fn finish(&mut self, cut: bool, delimits: bool) {
        *self = Self::Last { cut, delimits };
    }

    #[inline]
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::Last { .. })
    }

    pub(crate) fn is_cut(&self) -> bool {
        matches!(self, Self::Last { cut: true, .. })
    }

    /// The stream that is being written.
    #[inline]
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Answers | Self::Last { .. } | Self::Switched(_) => None,
        }
    }

    #[inline]
    pub(crate) fn streams(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}
