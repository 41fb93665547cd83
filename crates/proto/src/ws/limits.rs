/// Bounds on what a peer may send. What exceeds one of them ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message, of its inflated form too. A frame's declared length is checked
    /// before its payload is taken. Default 16 MiB.
    pub message: u64,
    /// Frames of a message. Default 65,536.
    pub fragments: u32,
    /// Frames without payload in a message of several frames. Default 128.
    pub empty_fragments: u32,
    /// Control frames between the frames of one message. Default 1,024. Those between
    /// messages are for the caller to limit, by time.
    pub controls: u32,
    /// How many times the compressed size a message may be inflated to, once it has more than
    /// [`RATIO_FROM`](Self::RATIO_FROM) bytes. Default 256; deflate reaches 1,032.
    pub ratio: u32,
}

impl Limits {
    /// Below this many bytes a message may be compressed as well as it can be. Browsers do so with what
    /// repeats itself, so it is as large as the default for a message.
    pub const RATIO_FROM: u64 = 16 << 20;

    /// What the compressed form of a message may have. Data that cannot be compressed grows by
    /// five bytes a block, of 16 KiB with small memory levels.
    pub(crate) fn compressed(&self) -> u64 {
        self.message.saturating_add(self.message / 1024).saturating_add(64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            fragments: 1 << 16,
            empty_fragments: 128,
            controls: 1024,
            ratio: 256,
        }
    }
}
