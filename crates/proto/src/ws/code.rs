//! Close codes (RFC 6455 §7.4): those that a server of messages needs.

/// All is done.
pub const NORMAL: u16 = 1000;
/// The server goes down, or a page was left.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A kind of message that is not taken: binary where only text is.
pub const UNSUPPORTED: u16 = 1003;
/// What a close frame without a code is reported as. Never sent.
pub const NONE: u16 = 1005;
/// What a connection that ends without a close frame is reported as. Never sent.
pub const ABNORMAL: u16 = 1006;
/// Data that is not what its message says: text that is not UTF-8.
pub const INVALID_DATA: u16 = 1007;
/// A rule of this server is broken.
pub const POLICY: u16 = 1008;
/// A message is too large.
pub const TOO_LARGE: u16 = 1009;
/// The server failed.
pub const INTERNAL: u16 = 1011;
/// The server starts again; clients may come back.
pub const RESTART: u16 = 1012;
/// The server has too much to do; clients may come back later.
pub const TRY_LATER: u16 = 1013;

/// Whether a close frame may have this code: those of the registry, of libraries and of
/// programs. Others mean something that is no close frame, or nothing yet.
#[must_use]
pub fn can_send(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
