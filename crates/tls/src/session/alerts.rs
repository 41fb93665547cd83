//! Alerts in clear that rustls leaves to its caller, or that RFC 8446 wants otherwise.

use rustls::{Error as Rustls, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use super::drive::Fault;
use crate::error::Alert;
use crate::wire;

/// Puts the alert that explains a failed step behind the output from `before` on, which is in clear.
pub(super) fn explain(fault: &Fault, out: &mut Vec<u8>, before: usize) {
    let rustls = match fault {
        Fault::Rustls(error) => error,
        Fault::TooLong | Fault::Exhausted | Fault::Internal(_) => return,
    };
    // The client has ended the connection itself.
    if matches!(rustls, Rustls::AlertReceived(_)) {
        return;
    }
    let alert = match (required(rustls), wire::without_alert(&out[before..])) {
        (None, Some(_)) => return,
        (None, None) => usual(rustls),
        (Some(alert), said) => {
            out.truncate(before + said.unwrap_or(out.len() - before));
            alert
        }
    };
    out.extend(wire::fatal_alert(alert.0));
}

/// What RFC 8446 says of records (5 and 5.1), and of a hello without shares (9.2).
fn required(error: &Rustls) -> Option<Alert> {
    match error {
        Rustls::InvalidMessage(InvalidMessage::MessageTooLarge) => Some(Alert::RECORD_OVERFLOW),
        Rustls::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::InvalidEmptyPayload,
        ) => Some(Alert::UNEXPECTED_MESSAGE),
        Rustls::PeerIncompatible(PeerIncompatible::KeyShareExtensionRequired) => {
            Some(Alert::MISSING_EXTENSION)
        }
        _ => None,
    }
}

/// For failures of which rustls tells only its caller.
fn usual(error: &Rustls) -> Alert {
    match error {
        Rustls::InvalidMessage(_) => Alert::DECODE_ERROR,
        Rustls::InappropriateMessage { .. }
        | Rustls::InappropriateHandshakeMessage { .. }
        | Rustls::PeerMisbehaved(
            PeerMisbehaved::MessageInterleavedWithHandshakeMessage
            | PeerMisbehaved::TooManyWarningAlertsReceived,
        ) => Alert::UNEXPECTED_MESSAGE,
        Rustls::PeerMisbehaved(_) => Alert::ILLEGAL_PARAMETER,
        Rustls::PeerIncompatible(_) => Alert::HANDSHAKE_FAILURE,
        Rustls::DecryptError => Alert::BAD_RECORD_MAC,
        Rustls::PeerSentOversizedRecord => Alert::RECORD_OVERFLOW,
        _ => Alert::INTERNAL_ERROR,
    }
}
