/// The most that one request may bring; past that the decoder refuses it.
///
/// The limits also bound memory: a decoder never needs more unused bytes than `head`,
/// whatever the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request line in bytes, without its CRLF. Default 8192. Over it: 414.
    pub request_line: usize,
    /// Longest head in bytes, from the method to the blank line inclusive.
    /// Default 16384. Over it: 431. Values over `u32::MAX` count as `u32::MAX`.
    pub head: usize,
    /// Most field lines in a head, and again in a trailer section. Default 100. Over it: 431.
    pub fields: usize,
    /// Longest body in bytes, chunk framing not counted. Default 16 MiB. Over it: 413.
    pub body: u64,
    /// Most chunk extension bytes in one message. Default 16384. Over it: 400.
    pub chunk_extensions: usize,
    /// Longest trailer section in bytes, blank line included. Default 16384. Over it: 431.
    pub trailers: usize,
    /// Most requests that one HTTP/2 connection may have open at once
    /// (`SETTINGS_MAX_CONCURRENT_STREAMS`, RFC 9113 §6.5.2). Default 100.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 * 1024,
            head: 16 * 1024,
            fields: 100,
            body: 16 * 1024 * 1024,
            chunk_extensions: 16 * 1024,
            trailers: 16 * 1024,
            streams: 100,
        }
    }
}
