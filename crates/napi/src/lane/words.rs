//! The records that cross between native code and JavaScript, in u32 words.
//!
//! The low eight bits of word 0 are the kind of the record; the bits above are its length
//! in words. Word 1 is the id of the exchange.

/// A request: [`REQUEST_WORDS`] words, then four for each field, then four for each
/// parameter. `[19]` is its connection's slot.
pub(super) const REQUEST: u32 = 1;
/// The next bytes of a request's body: `[2]` offset, `[3]` length.
pub(super) const BODY: u32 = 2;
/// The request's body is complete.
pub(super) const BODY_END: u32 = 3;
/// The exchange is over. With 0 in `[2]` the client is gone. With a status there the
/// engine has refused the rest of the request's body and answered with that status.
pub(super) const GONE: u32 = 4;
/// The engine has sent `[2]` more bytes of the streaming response.
pub(super) const ACK: u32 = 5;
/// The client has sent its last byte; it may still read.
pub(super) const HALF_CLOSED: u32 = 6;
/// The engine has answered the request with 503, because no response came in time. The
/// exchange is over.
pub(super) const TIMED_OUT: u32 = 7;
/// The response could not be sent, and the engine sent a 500 in its place. `[2]` and
/// `[3]` are offset and length of the reason, as text. The exchange is over.
pub(super) const UNSENDABLE: u32 = 8;
/// A large piece of a request's body, or the rest in one piece, as [`COLLECT`] wants it: `[2]` and
/// `[3]` are the low and the high word of its length. JavaScript takes it by `takeBody`.
pub(super) const REST: u32 = 9;

/// The engine has put more of a request's body into the memory that JavaScript has lent for it: `[2]`
/// and `[3]` are the low and the high word of how many bytes.
pub(super) const FILLED: u32 = 10;

/// A message of a WebSocket: `[2]` flags, `[3]` and `[4]` offset and length, or with
/// [`MESSAGE_APART`] the low and the high word of its length. JavaScript takes that by `takeBody`.
pub(super) const MESSAGE: u32 = 11;
/// A ping, which the engine has answered: `[2]` offset, `[3]` length.
pub(super) const PING: u32 = 12;
/// A pong: `[2]` offset, `[3]` length.
pub(super) const PONG: u32 = 13;
/// A WebSocket is over, and so is its exchange: `[2]` code, `[3]` and `[4]` offset and length of
/// the reason, `[5]` 1 if both sides have sent a close frame.
///
/// With code 0 it has been handed over, and goes on with another lane: `[3]` to `[6]` are its I/O
/// thread, its slot, its number and its exchange, for `adopt`. `[7]` is the length from which its
/// messages are compressed, [`NOBODY`] for never.
pub(super) const SOCKET_CLOSED: u32 = 14;
/// `[2]` bytes of a WebSocket's messages have been sent since the last such event. `[3]` is 1 if
/// others wait.
pub(super) const UNSENT: u32 = 15;

/// Flags of a message. Text in ASCII is among the heads' text, other text is UTF-8.
pub(super) const MESSAGE_TEXT: u32 = 1;
pub(super) const MESSAGE_AMONG_HEADS: u32 = 2;
pub(super) const MESSAGE_APART: u32 = 4;

/// A connection was accepted. `[1]` is its I/O thread, `[2]` its slot, `[3]` its number.
/// `[4]` is 1 where the address is text. `[5]` and `[6]` are the address as in a request,
/// zero on a unix socket. The next three records have the same words.
pub(super) const OPENED: u32 = 16;
/// A connection is closed.
pub(super) const CLOSED: u32 = 17;
/// A connection was not used for a while.
pub(super) const INACTIVE: u32 = 18;
/// A connection was refused.
pub(super) const REFUSED: u32 = 19;

/// The trailers of a request whose body streams: `[2]` and `[3]` offset and length of their lines.
/// [`BODY_END`] follows.
pub(super) const TRAILERS: u32 = 20;

/// What a turn returns instead of a number of events when the first event does not fit
/// the arrays.
pub(super) const TOO_SMALL: u32 = u32::MAX;

/// Words of a request before its fields.
pub(super) const REQUEST_WORDS: usize = 20;

/// Flags of a request. The bits from [`THREAD_SHIFT`] on are the number of its I/O thread.
/// That number, its connection `[17]` and its place there `[18]` are its id in the access
/// log.
pub(super) const HTTP_1_0: u32 = 1;
/// `[8]` and `[9]` are the low and the high word of the body's declared length; 0 if there is none.
pub(super) const BODY_STREAMS: u32 = 2;
pub(super) const HAS_BODY: u32 = 4;
/// The body is not among the bytes; `[8]` means nothing. JavaScript takes it by `takeBody`.
pub(super) const BODY_APART: u32 = 8;
pub(super) const PEER_IS_TEXT: u32 = 16;
/// Its client speaks TLS, to this server or to the balancer in front.
pub(super) const SECURE: u32 = 32;
pub(super) const HTTP_2: u32 = 64;
/// The record has two more words at its end: offset and length of the lines of its trailers.
pub(super) const HAS_TRAILERS: u32 = 256;
/// The peer is the one that a balancer has named (PROXY protocol).
pub(super) const PROXIED: u32 = 512;
pub(super) const THREAD_SHIFT: u32 = 16;

/// A whole response: `[2]` status, `[3]` flags, `[4]` and `[5]` offset and length of the
/// fields, `[6]` and `[7]` those of the body.
pub(super) const RESPONSE: u32 = 1;
/// The head of a streaming response and its first bytes. With [`DECLARED`], `[8]` and
/// `[9]` are the low and high word of its length.
pub(super) const HEAD: u32 = 2;
/// The next bytes of a streaming response: `[2]` offset, `[3]` length.
pub(super) const CHUNK: u32 = 3;
/// The streaming response is complete.
pub(super) const END: u32 = 4;
/// The streaming response has failed.
pub(super) const ABORT: u32 = 5;
/// The handler has taken `[2]` more bytes of the request's body.
pub(super) const PULL: u32 = 6;
/// The handler wants what is still to come of the request's body in one piece.
pub(super) const COLLECT: u32 = 7;

/// JavaScript takes the exchange's connection over: from here on its bytes are those of the request's
/// body, and the chunks are sent as they are. The request has offered another protocol.
pub(super) const PIPE: u32 = 8;
/// JavaScript sends no more over a connection that it has taken over. The client may.
pub(super) const PIPE_END: u32 = 9;

/// A message for a WebSocket: `[2]` flags, `[3]` offset, `[4]` length.
pub(super) const SEND: u32 = 10;
/// Closes a WebSocket: `[2]` code, 0 for none, `[3]` and `[4]` offset and length of the reason.
pub(super) const CLOSE_SOCKET: u32 = 11;
/// A WebSocket subscribes to a topic: `[2]` offset, `[3]` length of its name.
pub(super) const SUBSCRIBE: u32 = 12;
/// A WebSocket leaves that topic.
pub(super) const UNSUBSCRIBE: u32 = 13;
/// A message for all subscribers of a topic but the WebSocket in `[1]`; [`NOBODY`] stands for none.
/// `[2]` flags, `[3]` and `[4]` offset and length of the name, `[5]` and `[6]` those of the data.
pub(super) const PUBLISH: u32 = 14;
/// Whether a WebSocket's messages stay away: `[2]` is 1 or 0.
pub(super) const PAUSE: u32 = 15;

/// The trailers of a streaming response, before its [`END`]: `[2]` and `[3]` offset and length of the
/// fields.
pub(super) const SEND_TRAILERS: u32 = 19;
/// An informational answer: `[2]` status, `[3]` and `[4]` offset and length of the fields.
pub(super) const INFORM: u32 = 20;

pub(super) const NOBODY: u32 = u32::MAX;

/// Flags of a message that is sent: the low byte is its kind.
pub(super) const SEND_TEXT: u32 = 1;
pub(super) const SEND_BINARY: u32 = 2;
pub(super) const SEND_PING: u32 = 9;
pub(super) const SEND_PONG: u32 = 10;
/// It goes compressed where that was agreed on.
pub(super) const SEND_COMPRESSED: u32 = 0x100;
/// Of the messages of its topic that wait, only the latest is sent.
pub(super) const SEND_LATEST: u32 = 0x200;

/// Ends the connection of `[1]`, `[2]` and `[3]` (see [`OPENED`]) at once.
pub(super) const CUT: u32 = 16;
/// A WebSocket is to go to another lane. What it is told afterwards still counts until the event
/// comes.
pub(super) const HAND_OVER: u32 = 18;
/// Ends that connection after the answers that are under way.
pub(super) const FINISH: u32 = 17;

/// Flags of a response. [`TEXT`] and [`JSON_TEXT`] stand for a Content-Type field.
pub(super) const TEXT: u32 = 1;
pub(super) const CLOSE: u32 = 2;
pub(super) const DECLARED: u32 = 4;
pub(super) const JSON_TEXT: u32 = 8;
/// The response asks the client to close the connection; the engine keeps it.
pub(super) const ASKS_TO_CLOSE: u32 = 256;
/// A [`HEAD`] behind whose body trailers come.
pub(super) const TRAILERS_FOLLOW: u32 = 512;
/// For an answer to HEAD: the length of the body that GET would get is unknown.
pub(super) const NO_LENGTH: u32 = 16;

/// A whole response whose body is a file: words as [`RESPONSE`]. The bytes in the place of the body
/// are [`FILE_WORDS`] u32 and the file's absolute path: low and high word of the first byte and of
/// the one behind the last, then the length of the path. All ones in the second stand for the end
/// of the file.
pub(super) const FILE_RESPONSE: u32 = 24;
/// u32 words, low byte first, before the path.
pub(super) const FILE_WORDS: usize = 5;
