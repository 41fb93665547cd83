//! The checks of one field (RFC 9113 §8.2).

use super::{MessageError, Refused};
use crate::semantics::{RequestError, class};

/// Whether the scheme is https. Other schemes than http are refused as in a URL of HTTP/1.
pub(super) fn is_https(scheme: &[u8]) -> Result<bool, Refused> {
    if scheme == b"https" || scheme.eq_ignore_ascii_case(b"https") {
        return Ok(true);
    }
    if scheme.eq_ignore_ascii_case(b"http") {
        return Ok(false);
    }
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    match is_scheme {
        true => Err(RequestError::TargetFormInvalid.into()),
        false => Err(MessageError::SchemeInvalid.into()),
    }
}

/// Checks the bytes of a field. Which pseudo-fields there are is checked elsewhere.
#[inline]
pub(super) fn field(name: &[u8], value: &[u8], is_pseudo: bool) -> Result<(), MessageError> {
    if !is_pseudo {
        self::name(name)?;
    }
    self::value(value)
}

fn name(name: &[u8]) -> Result<(), MessageError> {
    if !name.is_empty() && class::is_lower_token(name) {
        return Ok(());
    }
    Err(match name.iter().any(u8::is_ascii_uppercase) {
        true => MessageError::NameUpperCase,
        false => MessageError::NameInvalid,
    })
}

fn value(value: &[u8]) -> Result<(), MessageError> {
    let (Some(&first), Some(&last)) = (value.first(), value.last()) else { return Ok(()) };
    if class::is_ows(first) || class::is_ows(last) || !class::are_value(value) {
        return Err(MessageError::ValueInvalid);
    }
    Ok(())
}

/// Refuses the fields that are about an HTTP/1 connection (RFC 9113 §8.2.2).
pub(super) fn hop(name: &[u8], value: &[u8]) -> Result<(), MessageError> {
    match name {
        b"te" if !value.eq_ignore_ascii_case(b"trailers") => Err(MessageError::TeInvalid),
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
            Err(MessageError::ConnectionField)
        }
        _ => Ok(()),
    }
}
