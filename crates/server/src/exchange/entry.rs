//! One open exchange of a connection, from its head to the end of its answer.

use crate::exchange::answer::Answer;
use crate::exchange::terms::Terms;

/// An exchange that has not ended. Each protocol keeps its entries in the order in which it
/// answers: HTTP/1 in a ring, a protocol with streams in a slab.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) terms: Terms,
    /// A mark whose meaning is the protocol's own.
    pub(crate) mark: bool,
    /// Its client knows no informational answers.
    pub(crate) takes_no_interim: bool,
    pub(crate) lane: AtLane,
    /// Bytes of the request's body that the lane has been told of and has not taken.
    pub(crate) untaken: usize,
    /// Bytes that were collected for the lane, because it wants them in one piece, and that it has
    /// not taken.
    pub(crate) rest: usize,
    /// The answer, while it waits for its turn.
    pub(crate) answer: Option<Answer>,
}

/// What the lane that an exchange belongs to knows of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AtLane {
    /// It belongs to none, or the lane is done with it.
    #[default]
    No,
    /// Nothing yet: its body is being collected.
    Chosen,
    /// The request.
    Given,
    /// The request, and that its client has sent its last byte.
    ToldLeft,
}

impl AtLane {
    /// Whether the lane has the request.
    pub(crate) fn has_it(self) -> bool {
        matches!(self, Self::Given | Self::ToldLeft)
    }
}
