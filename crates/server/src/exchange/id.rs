//! The names of a connection and of one exchange on it.

/// A connection of one loop. After a close the slot is used again, but not the generation. So a
/// late reply to a closed connection is recognised: the loop drops and counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// The number that epoll keeps for it.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The connection that [`token`](Self::token) names.
    #[allow(clippy::cast_possible_truncation, reason = "a token is two u32 side by side")]
    pub(crate) fn of_token(token: u64) -> Self {
        Self { slot: token as u32, generation: (token >> 32) as u32 }
    }
}

/// Names one request and its response, from the loop that owns the connection to the
/// handler and back. An answer to an id whose connection or exchange is over is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExchangeId {
    /// The loop that owns the connection.
    /// A byte, so that events and replies are small.
    loop_index: u8,
    pub(crate) conn: ConnId,
    /// Which exchange of the connection. HTTP/1 counts requests; a protocol with streams
    /// gives the place of the stream.
    pub(crate) stream: u32,
}

impl ExchangeId {
    #[inline]
    pub(crate) fn new(io_thread: usize, conn: ConnId, stream: u32) -> Self {
        // A server has 16 loops at most.
        Self { loop_index: u8::try_from(io_thread).unwrap_or(u8::MAX), conn, stream }
    }

    /// The index of the loop that owns the connection.
    #[inline]
    pub(crate) fn io_thread(&self) -> usize {
        usize::from(self.loop_index)
    }

    /// The index of the connection's I/O thread, and the slot of the connection there: a
    /// number below the most connections that were open at once. Slots are used again.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        (self.io_thread(), self.conn.slot as usize)
    }

    /// The number of its connection, among all that the loop has had.
    #[must_use]
    pub fn connection(&self) -> u32 {
        self.conn.generation
    }

    /// The number of the exchange on its connection.
    #[must_use]
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// Names an exchange by what [`place`](Self::place), [`connection`](Self::connection) and
    /// [`stream`](Self::stream) say of it.
    #[must_use]
    pub fn of_parts(io_thread: usize, slot: u32, generation: u32, stream: u32) -> Self {
        Self { stream, ..Self::of_connection(io_thread, slot, generation) }
    }

    /// Names a connection, by what [`place`](Self::place) and
    /// [`connection`](Self::connection) say of it.
    #[must_use]
    pub fn of_connection(io_thread: usize, slot: u32, generation: u32) -> Self {
        Self::new(io_thread, ConnId { slot, generation }, u32::MAX)
    }
}
