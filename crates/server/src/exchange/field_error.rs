//! What can be wrong with a field or the status of a response.

use std::fmt;

/// Why a response field was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// The name is no token or the value holds a control character.
    Invalid(reactor_proto::response::FieldError),
    /// The server itself writes this field: `Content-Length`,
    /// `Transfer-Encoding`, `Connection` and `Date`.
    Reserved(String),
    /// Not a status of a final response.
    Status(u16),
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::Reserved(name) => write!(f, "the field '{name}' is written by the server itself"),
            Self::Status(status) => write!(f, "status {status}; it must be from 200 to 999"),
        }
    }
}

impl std::error::Error for FieldError {}

impl From<reactor_proto::response::FieldError> for FieldError {
    fn from(error: reactor_proto::response::FieldError) -> Self {
        Self::Invalid(error)
    }
}
