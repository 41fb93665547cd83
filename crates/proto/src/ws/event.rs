use super::Close;

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// What [`Decoder::decode`](super::Decoder::decode) found next. Payloads are unmasked, and lie
/// in the caller's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// Nothing yet; call again with more bytes. Some bytes may be used up already.
    Incomplete,
    /// A piece of a message.
    Data(Data<'b>),
    /// A ping, to be answered with a pong of the same payload, at most 125 bytes.
    Ping(&'b [u8]),
    /// A pong.
    Pong(&'b [u8]),
    /// The peer closes. All further input is dropped.
    Close(Close<'b>),
}

/// A piece of a message. Messages do not interleave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'b> {
    /// What the message holds.
    pub kind: Kind,
    /// The message is compressed: its payloads are for an [`Inflater`](super::Inflater), and
    /// its text is not checked yet.
    pub compressed: bool,
    /// The message begins with this piece.
    pub first: bool,
    /// The message ends with this piece. With `first` too, this is all of it.
    pub last: bool,
    /// The bytes; there may be none.
    pub payload: &'b [u8],
}
