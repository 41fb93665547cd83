//! What the HTTP/2 connections of one loop share.

use crate::http2::stream::Stream;
use crate::http2::streams::Streams;

/// Streams, and lists of them, that are kept for further requests.
const KEEP: usize = 1024;

/// Places of a list that is kept.
const MOST_PLACES: usize = 128;

/// Scratch of a loop's HTTP/2 connections.
#[derive(Default)]
pub(crate) struct Shared {
    /// The head of the request that is being read, as HTTP/1 would write it.
    pub(crate) text: Vec<u8>,
    #[allow(clippy::vec_box, reason = "connections hold the boxes")]
    free: Vec<Box<Stream>>,
    /// Lists of connections that have no stream.
    lists: Vec<Streams>,
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

    /// Gives a connection that has no stream a list for some.
    pub(crate) fn lend_list(&mut self, to: &mut Streams) {
        if to.capacity() == 0
            && let Some(list) = self.lists.pop()
        {
            *to = list;
        }
    }

    /// The list of a connection that has no stream any more, which keeps none meanwhile.
    pub(crate) fn return_list(&mut self, from: &mut Streams) {
        let list = std::mem::take(from);
        if list.capacity() <= MOST_PLACES && self.lists.len() < KEEP {
            self.lists.push(list);
        }
    }
}
