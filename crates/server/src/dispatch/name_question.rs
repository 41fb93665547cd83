//! What a loop asks while a handshake waits: what serves the name that the client wants.

use std::sync::Arc;

use crate::conn::handshake::NameChoice;
use crate::dispatch::reply_box::ReplyBox;
use crate::exchange::id::ConnId;

/// What serves the name that a client wants? One that is dropped without an answer is answered
/// with [`NameChoice::Refuse`].
pub struct NameQuestion {
    conn: ConnId,
    name: Option<Box<str>>,
    /// None once it is answered.
    replies: Option<Arc<ReplyBox>>,
}

impl NameQuestion {
    pub(crate) fn new(conn: ConnId, name: Option<Box<str>>, replies: Arc<ReplyBox>) -> Self {
        Self { conn, name, replies: Some(replies) }
    }

    /// The name, in lower case. None if the client did not say any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Answers. The client may have gone.
    pub fn answer(mut self, choice: NameChoice) {
        self.give(choice);
    }

    fn give(&mut self, choice: NameChoice) {
        if let Some(replies) = self.replies.take() {
            replies.push_name(self.conn, choice);
            replies.notify();
        }
    }
}

impl Drop for NameQuestion {
    fn drop(&mut self) {
        self.give(NameChoice::Refuse);
    }
}
