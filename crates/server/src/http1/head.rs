//! Writes the lines of a head that depend on the connection, and the server's own answers.

use std::io::Write as _;

use reactor_proto::response;

use crate::exchange::answer::{Answer, ServerAnswer};
use crate::exchange::task::Outcome;

/// Writes the end of a head whose program says something of the connection: an `Upgrade`, or how
/// long the connection persists. That takes the place of the engine's own words.
#[cold]
pub(crate) fn connection_lines(answer: &Answer, closes: bool, keeps: bool, out: &mut Vec<u8>) {
    let (upgrade, own): (bool, &[u8]) = match answer {
        Answer::Inline(inline) => (inline.upgrade, b""),
        Answer::Task(task) => {
            let words = task.response.connection();
            (words.upgrade, &words.keep_alive)
        }
        Answer::Server(_) | Answer::Cut => (false, b""),
    };
    let options: &[u8] = match (upgrade, closes, keeps) {
        (true, true, _) => b"upgrade, close",
        (true, false, true) => b"upgrade, keep-alive",
        (true, false, false) => b"upgrade",
        (false, true, _) => b"close",
        (false, false, _) => b"keep-alive",
    };
    out.extend_from_slice(b"Connection: ");
    out.extend_from_slice(options);
    out.extend_from_slice(b"\r\n");
    if !(upgrade || closes) {
        out.extend_from_slice(own);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether the program says something of the connection in this answer.
#[inline]
pub(crate) fn speaks_of_connection(answer: &Answer) -> bool {
    match answer {
        Answer::Inline(inline) => inline.upgrade,
        Answer::Task(task) => {
            task.outcome == Outcome::Answered && task.response.speaks_of_connection()
        }
        Answer::Server(_) | Answer::Cut => false,
    }
}

/// Writes an answer of the server's own, whose body is one line of text. Returns how many
/// bytes of body that was.
pub(crate) fn server_answer(
    answer: &ServerAnswer,
    out: &mut Vec<u8>,
    date: &[u8],
    connection: &[u8],
    head_only: bool,
) -> usize {
    let status = answer.status();
    response::status_line(out, status);
    let mut body = Vec::new();
    if let Some(detail) = answer.detail() {
        out.extend_from_slice(b"Content-Type: text/plain\r\n");
        // Writing to a vector cannot fail.
        let _ = writeln!(body, "{status} {}: {detail}", response::reason(status));
    }
    if let Some((name, value)) = answer.field() {
        let written = response::field(out, name, value.as_bytes());
        debug_assert!(written.is_ok());
    }
    if !body.is_empty() {
        response::content_length(out, body.len() as u64);
    }
    out.extend_from_slice(date);
    out.extend_from_slice(connection);
    if head_only {
        return 0;
    }
    out.extend_from_slice(&body);
    body.len()
}
