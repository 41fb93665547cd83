//! The records that cross between native code and JavaScript, in u32 words.
//!
//! Word 0 of each is its kind, and above the low eight bits its length in
//! words; word 1 is the id of the exchange.

/// A request; [`REQUEST_WORDS`], then four words a field, then four a parameter. `[19]`
/// is its connection's slot.
pub(super) const REQUEST: u32 = 1;
/// `[2]` offset and `[3]` length of the next bytes of a request's body.
pub(super) const BODY: u32 = 2;
/// The request's body is complete.
pub(super) const BODY_END: u32 = 3;
/// The exchange is over: the client is gone, or with a status in `[2]` the engine has
/// refused the rest of the request's body and answered with that.
pub(super) const GONE: u32 = 4;
/// `[2]` bytes of the streaming response have left.
pub(super) const ACK: u32 = 5;
/// The client has sent its last byte; it may still read.
pub(super) const HALF_CLOSED: u32 = 6;
/// The request has been answered with 503, because no response came in time; the
/// exchange is over.
pub(super) const TIMED_OUT: u32 = 7;
/// The response could not be sent, and a 500 went in its place; `[2]` offset and `[3]`
/// length of why, as text. The exchange is over.
pub(super) const UNSENDABLE: u32 = 8;

/// Of a connection: `[1]` its I/O thread, `[2]` its slot, `[3]` its number, `[4]` 1 where
/// the address is text, `[5]` and `[6]` the address as of a request, all zero on a unix
/// socket. It was accepted,
pub(super) const OPENED: u32 = 16;
/// is no more,
pub(super) const CLOSED: u32 = 17;
/// was not used for a while, or
pub(super) const INACTIVE: u32 = 18;
/// was refused.
pub(super) const REFUSED: u32 = 19;

/// What a turn returns in the place of a number of events when not even one fits
/// the arrays.
pub(super) const TOO_SMALL: u32 = u32::MAX;

pub(super) const REQUEST_WORDS: usize = 20;

/// Flags of a request. In the bits from [`THREAD_SHIFT`] on is the number of its I/O
/// thread, which with `[17]` and `[18]`, its connection and its place there, is its
/// id in the access log.
pub(super) const HTTP_1_0: u32 = 1;
pub(super) const BODY_STREAMS: u32 = 2;
pub(super) const HAS_BODY: u32 = 4;
pub(super) const PEER_IS_TEXT: u32 = 16;
pub(super) const THREAD_SHIFT: u32 = 16;

/// A whole response: `[2]` status, `[3]` flags, `[4]` and `[5]` offset and
/// length of the fields, `[6]` and `[7]` of the body.
pub(super) const RESPONSE: u32 = 1;
/// The head of a streaming response, and its first bytes; with
/// [`DECLARED`], `[8]` and `[9]` are the low and high word of its length.
pub(super) const HEAD: u32 = 2;
/// `[2]` offset and `[3]` length of the next bytes.
pub(super) const CHUNK: u32 = 3;
/// The streaming response is complete.
pub(super) const END: u32 = 4;
/// The streaming response has failed.
pub(super) const ABORT: u32 = 5;
/// `[2]` bytes of the request's body have been taken.
pub(super) const PULL: u32 = 6;

/// The connection of `[1]`, `[2]` and `[3]` shall end at once,
pub(super) const CUT: u32 = 16;
/// or behind the answers that are under way.
pub(super) const FINISH: u32 = 17;

/// Flags of a response; [`TEXT`] and [`JSON_TEXT`] are content types that its fields
/// leave out.
pub(super) const TEXT: u32 = 1;
pub(super) const CLOSE: u32 = 2;
pub(super) const DECLARED: u32 = 4;
pub(super) const JSON_TEXT: u32 = 8;
/// The client is asked to close the connection, which is kept.
pub(super) const ASKS_TO_CLOSE: u32 = 256;
/// What the body of GET's answer would be long is unknown; for an answer to HEAD.
pub(super) const NO_LENGTH: u32 = 16;
