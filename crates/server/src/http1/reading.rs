//! What an HTTP/1 connection reads next.

use crate::exchange::answer::Answer;
use crate::exchange::loan::Room;
use crate::exchange::rest::Rest;
use crate::exchange::task::Task;

/// What is read next. Each transition is a method here.
pub(crate) enum Reading {
    /// The head of the next request.
    Head,
    /// The body of the newest request.
    Body {
        incoming: Incoming,
        /// `100 Continue` is owed. It is sent once earlier answers are written.
        owes_continue: bool,
    },
    /// No further request, after an error or `Connection: close`. What comes is thrown away;
    /// `discarded` counts its bytes.
    Done { discarded: usize },
}

/// What happens with the body that is coming in.
pub(crate) enum Incoming {
    /// It is collected for a handler.
    Task(Box<Task>),
    /// It is read and dropped. Then this is the answer.
    Discard(Box<Answer>),
    /// Each piece goes on to a lane as it comes.
    Stream,
    /// The lane wants the rest in one piece: what has come of it.
    Rest(Box<Rest>),
    /// The lane has all of the body, and the trailers are coming in.
    Trailers(Box<Section>),
}

/// The trailers behind a body that a lane has.
pub(crate) struct Section {
    /// The lines that have come, or a part of one.
    pub(crate) lines: Vec<u8>,
}

impl Reading {
    /// A head has been read, and a body follows.
    pub(crate) fn begin_body(&mut self, incoming: Incoming, owes_continue: bool) {
        debug_assert!(matches!(self, Self::Head));
        *self = Self::Body { incoming, owes_continue };
    }

    /// The body is no longer collected: it goes on to its lane. Returns its task.
    pub(crate) fn stream(&mut self) -> Option<Box<Task>> {
        let Self::Body { incoming, .. } = self else { return None };
        match std::mem::replace(incoming, Incoming::Stream) {
            Incoming::Task(task) => Some(task),
            other => {
                *incoming = other;
                None
            }
        }
    }

    /// The lane wants the rest of the body in one piece. No-op if the body does not stream.
    pub(crate) fn collect(&mut self, into: Rest) {
        if let Self::Body { incoming: incoming @ Incoming::Stream, .. } = self {
            *incoming = Incoming::Rest(Box::new(into));
        }
    }

    /// The rest of the body that is collected for its lane.
    pub(crate) fn rest(&mut self) -> Option<&mut Rest> {
        match self {
            Self::Body { incoming: Incoming::Rest(rest), .. } => Some(rest),
            _ => None,
        }
    }

    /// What comes from now on goes on to the lane as it comes. Returns what was collected for it.
    pub(crate) fn stop_collecting(&mut self) -> Option<Rest> {
        let Self::Body { incoming, .. } = self else { return None };
        match std::mem::replace(incoming, Incoming::Stream) {
            Incoming::Rest(rest) => Some(*rest),
            other => {
                *incoming = other;
                None
            }
        }
    }

    /// Where the bytes of the body are collected.
    pub(crate) fn collected(&mut self) -> Option<Room<'_>> {
        let Self::Body { incoming, .. } = self else { return None };
        match incoming {
            Incoming::Task(task) => Some(Room::Own(&mut task.request.body)),
            Incoming::Rest(rest) => match &mut **rest {
                Rest::Own(bytes) => Some(Room::Own(bytes)),
                Rest::Lent(loan) => Some(Room::Lent(loan)),
            },
            Incoming::Discard(_) | Incoming::Stream | Incoming::Trailers(_) => None,
        }
    }

    /// The body is no longer collected: it is read and dropped. Returns its task.
    pub(crate) fn discard(&mut self, answer: Answer) -> Option<Box<Task>> {
        let task = self.stream()?;
        if let Self::Body { incoming, .. } = self {
            *incoming = Incoming::Discard(Box::new(answer));
        }
        Some(task)
    }

    /// The body is complete. Returns what was done with it.
    pub(crate) fn end_body(&mut self) -> Option<Incoming> {
        match std::mem::replace(self, Self::Head) {
            Self::Body { incoming, .. } => Some(incoming),
            other => {
                *self = other;
                None
            }
        }
    }

    /// No further request is read. Returns what was being done with a body that is given up.
    pub(crate) fn stop(&mut self) -> Option<Incoming> {
        if self.is_done() {
            return None;
        }
        match std::mem::replace(self, Self::Done { discarded: 0 }) {
            Self::Body { incoming, .. } => Some(incoming),
            Self::Head | Self::Done { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    #[inline]
    pub(crate) fn in_body(&self) -> bool {
        matches!(self, Self::Body { .. })
    }

    /// Whether each piece of the body goes on to a lane as it comes.
    pub(crate) fn goes_on_in_pieces(&self) -> bool {
        matches!(self, Self::Body { incoming: Incoming::Stream, .. })
    }

    /// Whether a lane has the request, and gets its body as it comes or the rest in one piece.
    pub(crate) fn streams(&self) -> bool {
        matches!(
            self,
            Self::Body {
                incoming: Incoming::Stream | Incoming::Rest(_) | Incoming::Trailers(_),
                ..
            }
        )
    }

    /// The task whose body is collected.
    pub(crate) fn collecting(&mut self) -> Option<&mut Box<Task>> {
        match self {
            Self::Body { incoming: Incoming::Task(task), .. } => Some(task),
            _ => None,
        }
    }

    /// More of the trailer section has come. The body is complete, and what was collected for a lane
    /// has gone to it.
    pub(crate) fn add_trailers(&mut self, bytes: &[u8]) {
        let Self::Body { incoming, .. } = self else { return };
        match incoming {
            Incoming::Task(task) => task.request.trailers.extend_from_slice(bytes),
            Incoming::Trailers(section) => section.lines.extend_from_slice(bytes),
            Incoming::Stream | Incoming::Rest(_) => {
                *incoming = Incoming::Trailers(Box::new(Section { lines: bytes.to_vec() }));
            }
            Incoming::Discard(_) => {}
        }
    }

    /// The client has gone on by itself, so `100 Continue` is no longer owed.
    pub(crate) fn goes_on(&mut self) {
        if let Self::Body { owes_continue, .. } = self {
            *owes_continue = false;
        }
    }

    pub(crate) fn owes_continue(&self) -> bool {
        matches!(self, Self::Body { owes_continue: true, .. })
    }
}
