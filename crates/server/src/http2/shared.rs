//! What the HTTP/2 connections of one loop share.

use crate::http2::stream::Stream;

/// Streams kept for further requests.
const KEEP: usize = 1024;

/// Scratch of a loop's HTTP/2 connections.
#[derive(Default)]
pub(crate) struct Shared {
    /// The head of the request that is being read, as HTTP/1 would write it.
    pub(crate) text: Vec<u8>,
    #[allow(clippy::vec_box, reason = "connections hold the boxes")]
    free: Vec<Box<Stream>>,
}

impl Shared {
    /// An empty stream.
    pub(crate) fn take(&mut self) -> Box<Stream> {
        self.free.pop().unwrap_or_default()
    }

    /// Keeps a stream that has ended.
    pub(crate) fn put(&mut self, mut stream: Box<Stream>) {
        if self.free.len() < KEEP {
            *stream = Stream::default();
            self.free.push(stream);
        }
    }
}
