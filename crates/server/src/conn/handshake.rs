//! What a TLS handshake needs of others: a step that a worker takes, and what serves a name.

use std::sync::Arc;

use reactor_tls::{Config, Error, Session};

use crate::exchange::id::ConnId;

/// A session whose next step is to be taken.
pub(crate) struct HandshakeStep {
    pub(crate) session: Session,
    /// What came of it. None before it was taken.
    pub(crate) result: Option<Result<(), Error>>,
}

impl HandshakeStep {
    /// Takes the step: it signs, verifies and derives keys, for 50 µs to 2 ms.
    pub(crate) fn take(&mut self) {
        self.result = Some(self.session.work());
    }
}

/// What serves the name that a client wants.
#[derive(Clone, Debug)]
pub enum NameChoice {
    /// The listener's own configuration.
    Own,
    /// This one.
    Config(Arc<Config>),
    /// Nothing does: the client gets the alert `unrecognized_name`.
    Refuse,
}

/// A loop wants to know what serves a name.
pub(crate) struct AskedName {
    pub(crate) conn: ConnId,
    pub(crate) endpoint: usize,
    pub(crate) name: Option<Box<str>>,
}
