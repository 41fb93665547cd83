//! What a lane's thread has said of a request, which its client must see.

use super::request::LARGE;
use super::rng::Rng;

/// How an answer tells where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It comes in one piece.
    Whole,
    Chunked,
    Declared,
    /// By the end of the connection.
    UntilClose,
}

/// Whether the thread gives an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answered,
    Failed,
    Refused,
    /// The request was given back: there is none.
    Dropped,
}

#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    pub(super) status: u16,
    pub(super) form: Form,
    /// Bytes of its body, and how many of them have been said.
    pub(super) bytes: usize,
    pub(super) sent: usize,
    pub(super) ended: bool,
    /// No client may take it for whole.
    pub(super) aborted: bool,
    /// It closes the connection.
    pub(super) closes: bool,
    /// It began before its request had come whole.
    pub(super) early: bool,
    /// Trailers have come before its end.
    pub(super) trailers: bool,
}

impl Said {
    pub(super) fn streams(&self) -> bool {
        self.form != Form::Whole
    }

    /// Whether its answer may have left nothing behind by which to tell its size.
    pub(super) fn is_light(&self) -> bool {
        self.streams() || self.bytes < LARGE || matches!(self.status, 204 | 304)
    }

    /// Whether a client that has seen all of the answer may have seen it whole.
    /// One of a known length needs no end.
    pub(super) fn is_whole(&self) -> bool {
        self.ended || self.form == Form::Declared && self.sent == self.bytes
    }
}

/// What threads are like, in percent of their requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    pub(super) streams: u32,
    /// Answers before the request's body has come whole.
    pub(super) early: u32,
    pub(super) aborts: u32,
    pub(super) silent: u32,
    pub(super) closes: u32,
    pub(super) fails: u32,
    /// Asks for the rest of the body in one piece.
    pub(super) collects: u32,
    /// Gives trailers behind answers in chunks, and informational answers before any.
    pub(super) trails: u32,
    pub(super) informs: u32,
}

impl Habits {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            streams: *rng.pick(&[0, 30, 60, 95]),
            early: *rng.pick(&[0, 20, 80]),
            aborts: *rng.pick(&[0, 0, 5, 20]),
            silent: *rng.pick(&[0, 0, 5, 20]),
            closes: *rng.pick(&[0, 0, 5, 20]),
            fails: *rng.pick(&[0, 0, 10]),
            collects: *rng.pick(&[0, 50, 90]),
            trails: 40,
            informs: *rng.pick(&[0, 0, 30]),
        }
    }
}
