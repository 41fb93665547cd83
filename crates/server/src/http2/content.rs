//! The body of an answer on its way into DATA frames.

use std::collections::VecDeque;

use crate::conn::pieces::Content;
use crate::exchange::body::FILE_WEIGHT;
use crate::exchange::compression::coder::Coder;
use crate::exchange::fields::FieldList;

/// An answer whose head has been written.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) queue: VecDeque<Content>,
    /// How much of the first has been written, in bytes.
    pub(crate) at: usize,
    /// Bytes in memory that wait, and what files count for.
    pub(crate) held: usize,
    /// A lane brings more, and counts as a handler until it has ended.
    pub(crate) streams: bool,
    /// It is the output of a WebSocket, which is elsewhere.
    pub(crate) is_tunnel: bool,
    /// Nothing more comes. The stream ends behind what waits.
    pub(crate) is_ended: bool,
    /// What is missing of the declared length.
    pub(crate) left: Option<u64>,
    /// What compresses it.
    pub(crate) coder: Option<Box<Coder>>,
    pub(crate) trailers: FieldList,
    /// Bytes of a lane that have been written, or dropped, and that it has got no credit for.
    pub(crate) unacknowledged: usize,
    /// A worker reads the next bytes of the file that comes first.
    pub(crate) is_read_elsewhere: bool,
    /// It is in the list of answers that can go on.
    pub(crate) is_ready: bool,
    /// When it was last served, among those that share.
    pub(crate) turn: u32,
}

impl Outgoing {
    /// Puts a piece behind the others. Returns by how much more it holds.
    pub(crate) fn push(&mut self, content: Content) -> usize {
        if content.len() == 0 {
            return 0;
        }
        let weight = weight(&content);
        self.held += weight;
        self.queue.push_back(content);
        weight
    }

    /// So many bytes of the first piece have been written. Returns by how much less it holds.
    pub(crate) fn advance(&mut self, bytes: usize) -> usize {
        let Some(first) = self.queue.front() else { return 0 };
        self.at += bytes;
        let is_over = self.at >= first.len();
        let less = match first {
            Content::File(_) if is_over => FILE_WEIGHT,
            Content::File(_) => 0,
            Content::Owned(_) | Content::Shared(_) | Content::Lent(_) => bytes,
        };
        if is_over {
            self.queue.pop_front();
            self.at = 0;
        }
        self.held -= less;
        less
    }

    /// A worker has read the next bytes of the file that comes first. Returns by how much more it
    /// holds than before, and by how much less.
    pub(crate) fn file_was_read(&mut self, bytes: Vec<u8>, warm_to: u64) -> (usize, usize) {
        self.is_read_elsewhere = false;
        let Some(Content::File(file)) = self.queue.front_mut() else { return (0, 0) };
        let begin = file.range.start + self.at as u64;
        file.range.start = begin + bytes.len() as u64;
        file.warm_to = warm_to;
        self.at = 0;
        let mut less = 0;
        if file.len() == 0 {
            self.queue.pop_front();
            less = FILE_WEIGHT;
        }
        let more = bytes.len();
        self.queue.push_front(Content::Owned(bytes));
        self.held = self.held + more - less;
        (more, less)
    }

    /// Whether something can be written now, as far as this answer knows.
    pub(crate) fn has_news(&self) -> bool {
        self.is_tunnel || !self.is_read_elsewhere && (self.is_ended || !self.queue.is_empty())
    }
}

fn weight(content: &Content) -> usize {
    if let Content::File(_) = content { FILE_WEIGHT } else { content.len() }
}
