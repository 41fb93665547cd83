//! Field lines, the check of names and values, and how shared kinds of values are read.

use std::error::Error;
use std::fmt;

use super::{Span, class};

/// One field line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The field name as received.
    pub name: Span,
    /// The field value, without the spaces and tabs around it.
    pub value: Span,
}

/// Why a field cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldError {
    /// The name is empty or not a token.
    Name,
    /// The value holds a control byte: CR, LF, NUL or another.
    Value,
    /// The reason phrase of HTTP/1 holds a control byte.
    Reason,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the field name is not a token (RFC 9110 section 5.1)",
            Self::Value => "the field value holds a control byte (RFC 9110 section 5.5)",
            Self::Reason => "the reason phrase holds a control byte (RFC 9112 section 4)",
        })
    }
}

impl Error for FieldError {}

/// Checks a field before it is sent.
///
/// # Errors
///
/// When the name is not a token or the value holds a control byte other than tab.
#[inline]
pub(crate) fn check(name: &str, value: &[u8]) -> Result<(), FieldError> {
    if name.is_empty() || class::token_end(name.as_bytes(), 0) != name.len() {
        return Err(FieldError::Name);
    }
    if class::value_end(value, 0) != value.len() {
        return Err(FieldError::Value);
    }
    Ok(())
}

/// The value of Content-Length. It is digits only: no sign, no list, no spaces inside
/// (RFC 9110 §8.6). A number beyond 64 bits is refused, because a reader that wraps would
/// see another length.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value.iter().try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The elements of a comma-separated list, empty ones left out (RFC 9110 §5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(class::trim_ows).filter(|element| !element.is_empty())
}
