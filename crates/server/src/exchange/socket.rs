//! What a WebSocket is opened with.

use std::sync::Arc;
use std::time::Duration;

use reactor_proto::ws::{self, Agreed};

/// Settings of WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Bounds on what a client may send.
    pub limits: ws::Limits,
    /// A socket from which nothing has come for this long is closed. None: never.
    pub idle: Option<Duration>,
    /// Whether a ping goes out after half of `idle`.
    pub sends_pings: bool,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How long the client may take to answer a close frame.
    pub close_timeout: Duration,
    /// Unsent bytes of one socket at most. What is published beyond is dropped.
    pub most_unsent: usize,
    /// What happens to a socket that gets more than `most_unsent`.
    pub when_full: WhenFull,
    /// Whether and how messages are compressed (RFC 7692).
    pub compression: Compression,
    /// Deflate's level, 1 to 9.
    pub level: u8,
    /// A shorter message is sent as it is. In bytes.
    pub threshold: usize,
    /// Whether the lane is told of pings and pongs.
    pub tells_pings: bool,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            limits: ws::Limits::default(),
            idle: Some(Duration::from_secs(120)),
            sends_pings: true,
            message_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(30),
            most_unsent: 16 << 20,
            when_full: WhenFull::Drop,
            compression: Compression::Off,
            level: 1,
            threshold: 256,
            tells_pings: false,
        }
    }
}

/// What happens to a published message that a socket has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The message is dropped for this socket, and counted.
    Drop,
    /// The socket is cut off.
    Close,
}

/// Who compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nobody.
    Off,
    /// One compressor of the loop, which forgets each message.
    Shared,
    /// One of each socket, which remembers earlier messages.
    Dedicated,
}

/// What the connection goes on with, once the client has been told.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) stream: u32,
    pub(crate) settings: Arc<SocketSettings>,
    pub(crate) agreed: Option<Agreed>,
}
