use std::error::Error;
use std::fmt;

/// Why a route cannot be added. Each variant names the pattern as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The pattern breaks the rules for patterns.
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The method is not a token (RFC 9110 §9.1).
    Method {
        /// The pattern.
        pattern: String,
        /// The method.
        method: String,
    },
    /// The table has a route with this pattern and method already.
    Duplicate {
        /// The pattern.
        pattern: String,
        /// The method, `None` for any.
        method: Option<String>,
    },
    /// Another pattern matches the same paths under other parameter names.
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// The pattern in the table.
        other: String,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { pattern, reason } => write!(f, "route {pattern:?}: {reason}"),
            Self::Method { pattern, method } => {
                write!(f, "route {pattern:?}: {method:?} is not a method name")
            }
            Self::Duplicate { pattern, method: Some(method) } => {
                write!(f, "route {pattern:?}: there is a route for {method} on it already")
            }
            Self::Duplicate { pattern, method: None } => {
                write!(f, "route {pattern:?}: there is a route for any method on it already")
            }
            Self::Ambiguous { pattern, other } => {
                write!(
                    f,
                    "route {pattern:?}: it matches the same paths as {other:?}; \
                     use the same parameter names"
                )
            }
        }
    }
}

impl Error for RouteError {}
