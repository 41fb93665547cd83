use super::{ErrorCode, Priority, Refused, SettingsFrame};

/// What [`Decoder::decode`](super::Decoder::decode) found next.
///
/// The decoder knows which streams were begun, and nothing else of their states. Whether a
/// stream of an event is still open is for the caller to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet; call again with more bytes. Some bytes may be used up already.
    Incomplete,
    /// The client's connection preface. Its SETTINGS frame has to follow.
    Preface,
    /// The head of a request on a new stream, whose number is above all before.
    Request {
        /// The new stream.
        stream: u32,
        /// The request has no body.
        end_stream: bool,
    },
    /// A request on a new stream that cannot be served.
    Refused {
        /// The new stream. It is open like that of any request.
        stream: u32,
        /// The client sends nothing more on it.
        end_stream: bool,
        /// Why, and with it what to answer. Never [`Refused::TooMuch`].
        why: Refused,
    },
    /// A second field section on a stream: the request ends. The text is its lines.
    Trailers {
        /// A stream that was begun before.
        stream: u32,
    },
    /// A second field section that is malformed, or does not end its stream.
    TrailersMalformed {
        /// A stream that was begun before.
        stream: u32,
    },
    /// A piece of a DATA frame: `input[start..end]`. It is empty only if the frame has no
    /// data.
    Data {
        /// A stream that was begun before.
        stream: u32,
        /// Offset of the first byte.
        start: usize,
        /// Offset just past the last.
        end: usize,
        /// What the whole frame takes from both windows, padding included. It comes with the
        /// first piece; with the others it is 0.
        flow: u32,
        /// The last piece of the last frame.
        end_stream: bool,
    },
    /// RST_STREAM.
    Reset {
        /// A stream that was begun before.
        stream: u32,
        /// Why the client ends it.
        code: ErrorCode,
    },
    /// SETTINGS, which have to be acknowledged.
    Settings(SettingsFrame),
    /// The acknowledgment of SETTINGS.
    SettingsAck,
    /// PING, which has to be answered with the same payload.
    Ping([u8; 8]),
    /// The answer to a PING.
    PingAck([u8; 8]),
    /// GOAWAY.
    GoAway {
        /// The last stream of this side that the peer acts on.
        last: u32,
        /// Why the peer leaves.
        code: ErrorCode,
    },
    /// WINDOW_UPDATE.
    WindowUpdate {
        /// A stream that was begun before, or 0 for the connection.
        stream: u32,
        /// From 1 to 2^31 - 1.
        increment: u32,
    },
    /// PRIORITY_UPDATE (RFC 9218 §7.1).
    PriorityUpdate {
        /// A stream of the client. It may not have begun yet.
        stream: u32,
        /// Its new priority.
        priority: Priority,
    },
    /// A frame that ends a stream which was begun before, or began with it: RST_STREAM with
    /// `code` is due.
    StreamError {
        /// That stream.
        stream: u32,
        /// The code for RST_STREAM.
        code: ErrorCode,
    },
    /// A frame without effect: PRIORITY, or a type that is not known.
    Other,
}
