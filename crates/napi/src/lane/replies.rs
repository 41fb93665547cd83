//! Replies out of JavaScript's arrays.

use std::ops::Range;

use napi::Result;
use reactor_server::{
    Exchange, ExchangeId, FieldError, FieldList, LaneReplies, LaneReply, Response,
};

use super::bodies::Bodies;
use super::exchanges::Exchanges;
use super::invalid;
use super::sockets;
use super::words::{
    ABORT, ASKS_TO_CLOSE, CHUNK, CLOSE, CLOSE_SOCKET, COLLECT, CUT, DECLARED, END, FILE_RESPONSE,
    FILE_WORDS, FINISH, HAND_OVER, HEAD, INFORM, JSON_TEXT, NO_LENGTH, PAUSE, PIPE, PIPE_END,
    PUBLISH, PULL, RESPONSE, SEND, SEND_TRAILERS, SUBSCRIBE, TEXT, TRAILERS_FOLLOW, UNSUBSCRIBE,
};

/// One reply. Fields that its kind does not have are empty.
pub(super) struct Reply<'a> {
    pub(super) kind: u32,
    pub(super) id: u32,
    pub(super) status: u32,
    pub(super) flags: u32,
    pub(super) fields: &'a [u8],
    pub(super) body: &'a [u8],
    /// The name of a topic.
    pub(super) topic: &'a [u8],
    pub(super) length_low: u32,
    pub(super) length_high: u32,
}

/// Takes all records of one batch. A malformed record is an error and ends the batch: it
/// is a defect of our own TypeScript.
pub(super) fn take(
    mut words: &[u32],
    bytes: &[u8],
    exchanges: &mut Exchanges,
    bodies: &mut Bodies,
    sink: &mut LaneReplies,
) -> Result<()> {
    while let Some(&first) = words.first() {
        let record = words
            .get(..(first >> 8) as usize)
            .filter(|record| record.len() > 1)
            .ok_or_else(|| invalid("a reply is cut off"))?;
        words = &words[record.len()..];
        let word = |index: usize| record.get(index).copied().unwrap_or(0);
        let slice = |at: usize| {
            let start = word(at) as usize;
            bytes
                .get(start..start + word(at + 1) as usize)
                .ok_or_else(|| invalid("a reply's bytes lie outside the array"))
        };
        let kind = first & 0xff;
        if let CUT | FINISH = kind {
            end_connection(kind, [word(1), word(2), word(3)], sink)?;
            continue;
        }
        let mut reply = Reply {
            kind,
            id: word(1),
            status: word(2),
            flags: word(3),
            fields: &[],
            body: &[],
            topic: &[],
            length_low: word(8),
            length_high: word(9),
        };
        match kind {
            RESPONSE | HEAD | FILE_RESPONSE => {
                reply.fields = slice(4)?;
                reply.body = slice(6)?;
            }
            CHUNK => reply.body = slice(2)?,
            SEND_TRAILERS => reply.fields = slice(2)?,
            INFORM => reply.fields = slice(3)?,
            SEND | CLOSE_SOCKET => reply.body = slice(3)?,
            SUBSCRIBE | UNSUBSCRIBE => reply.topic = slice(2)?,
            PUBLISH => {
                let (topic, data) = (slice(3)?, slice(5)?);
                sockets::publish(reply.id, reply.status, topic, data, exchanges, sink);
                continue;
            }
            _ => {}
        }
        apply(&reply, exchanges, bodies, sink)?;
    }
    Ok(())
}

/// Takes one reply. No-op if its exchange is over.
pub(super) fn apply(
    reply: &Reply<'_>,
    exchanges: &mut Exchanges,
    bodies: &mut Bodies,
    sink: &mut LaneReplies,
) -> Result<()> {
    let Some(exchange) = exchanges.exchange(reply.id) else { return Ok(()) };
    match reply.kind {
        RESPONSE => {
            let &Reply { id, status, flags, fields, body, .. } = reply;
            let Some(mut task) = begin(id, status, flags, fields, exchanges) else {
                return Ok(());
            };
            bodies.fill(task.response(), body);
            sink.push(LaneReply::Response(task));
        }
        FILE_RESPONSE => {
            let &Reply { id, status, flags, fields, body, .. } = reply;
            let (range, path) = file_of(body)?;
            let Some(mut task) = begin(id, status, flags, fields, exchanges) else {
                return Ok(());
            };
            task.response().body_path(path, range);
            sink.push(LaneReply::Response(task));
        }
        HEAD => {
            let Some(mut task) = exchanges.take_task(reply.id) else { return Ok(()) };
            ask(&mut task, reply.flags);
            if let Err(error) = respond(task.response(), reply.status, reply.flags, reply.fields) {
                // JavaScript goes on sending until its end; the loop drops that.
                task.fail();
                exchanges.note_unsendable(reply.id, error.to_string());
            } else {
                let declared = u64::from(reply.length_high) << 32 | u64::from(reply.length_low);
                let length = (reply.flags & DECLARED != 0).then_some(declared);
                task.response().stream(length);
                task.response().body(reply.body);
            }
            sink.push(LaneReply::Response(task));
        }
        CHUNK => sink.push(LaneReply::Chunk(exchange, reply.body.to_vec())),
        SEND_TRAILERS | INFORM => send_fields(exchange, reply, sink)?,
        // Its exchange ends with the event that tells of it.
        ABORT if exchanges.socket(reply.id).is_some() => sink.push(LaneReply::Abort(exchange)),
        END | ABORT => {
            sink.push(match exchanges.remove(reply.id) {
                // It has no response.
                Some(task) => LaneReply::Dropped(task),
                None if reply.kind == END => LaneReply::End(exchange),
                None => LaneReply::Abort(exchange),
            });
        }
        PULL => sink.push(LaneReply::Pull(exchange, reply.status as usize)),
        PIPE => {
            let Some(mut task) = exchanges.take_task(reply.id) else { return Ok(()) };
            task.response().pipe();
            sink.push(LaneReply::Response(task));
        }
        PIPE_END => sink.push(LaneReply::End(exchange)),
        COLLECT => sink.push(LaneReply::Collect(exchange, exchanges.lent(reply.id))),
        SEND => {
            let id = reply.id;
            sockets::send(exchange, exchanges.socket(id), reply.status, reply.body, sink)?;
        }
        CLOSE_SOCKET => {
            let code = u16::try_from(reply.status).ok().filter(|&code| code != 0);
            let reason = String::from_utf8_lossy(reply.body).into_owned();
            sink.push(LaneReply::CloseSocket(exchange, code, reason));
        }
        SUBSCRIBE => sink.subscribe(exchange, reply.topic),
        UNSUBSCRIBE => sink.push(LaneReply::Unsubscribe(exchange, reply.topic.to_vec())),
        PAUSE => sink.push(LaneReply::Pause(exchange, reply.status != 0)),
        HAND_OVER => sink.push(LaneReply::HandOver(exchange)),
        _ => return Err(invalid("a reply of no known kind")),
    }
    Ok(())
}

/// Sends trailers, or an informational answer. TypeScript has checked the fields.
#[inline(never)]
fn send_fields(exchange: ExchangeId, reply: &Reply<'_>, sink: &mut LaneReplies) -> Result<()> {
    let mut list = FieldList::default();
    let is_trailers = reply.kind == SEND_TRAILERS;
    each_field(reply.fields, |name, value| {
        if is_trailers { list.trailer(name, value) } else { list.field(name, value) }
    })
    .map_err(|error| invalid(&error.to_string()))?;
    let status = u16::try_from(reply.status).unwrap_or_default();
    sink.push(match status {
        _ if is_trailers => LaneReply::Trailers(exchange, list),
        102..200 => LaneReply::Inform(exchange, status, list),
        _ => return Err(invalid("an informational answer with another status")),
    });
    Ok(())
}

/// Which bytes of which file.
fn file_of(bytes: &[u8]) -> Result<(Range<u64>, &[u8])> {
    let mut words = [0_u32; FILE_WORDS];
    let (start, rest) = bytes
        .split_at_checked(4 * FILE_WORDS)
        .ok_or_else(|| invalid("the file of a reply is cut off"))?;
    for (word, bytes) in words.iter_mut().zip(start.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let [from_low, from_high, to_low, to_high, length] = words;
    let path =
        rest.get(..length as usize).ok_or_else(|| invalid("the path of a file is cut off"))?;
    let number = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    Ok((number(from_low, from_high)..number(to_low, to_high), path))
}

/// Takes an exchange for its whole response, and fills in the head. None if it is over.
pub(super) fn begin(
    id: u32,
    status: u32,
    flags: u32,
    fields: &[u8],
    exchanges: &mut Exchanges,
) -> Option<Exchange> {
    exchanges.exchange(id)?;
    let mut task = exchanges.remove(id)?;
    ask(&mut task, flags);
    if let Err(error) = respond(task.response(), status, flags, fields) {
        task.fail();
        exchanges.note_unsendable(id, error.to_string());
    }
    Some(task)
}

/// Tells the task whether its connection closes after the response.
fn ask(task: &mut Exchange, flags: u32) {
    if flags & CLOSE != 0 {
        task.close();
    } else if flags & ASKS_TO_CLOSE != 0 {
        task.ask_to_close();
    }
}

/// Ends a connection, at once or after its answers.
fn end_connection(
    kind: u32,
    [io_thread, slot, number]: [u32; 3],
    sink: &mut LaneReplies,
) -> Result<()> {
    let io_thread = io_thread as usize;
    if io_thread >= sink.io_threads() {
        return Err(invalid("a connection of no I/O thread"));
    }
    let connection = ExchangeId::of_connection(io_thread, slot, number);
    sink.push(if kind == CUT { LaneReply::Cut(connection) } else { LaneReply::Finish(connection) });
    Ok(())
}

fn respond(
    response: &mut Response,
    status: u32,
    flags: u32,
    fields: &[u8],
) -> std::result::Result<(), FieldError> {
    let status = u16::try_from(status).unwrap_or(0);
    response.status(status)?;
    if flags & TEXT != 0 {
        response.text();
    }
    if flags & JSON_TEXT != 0 {
        response.json();
    }
    if flags & NO_LENGTH != 0 {
        response.no_length();
    }
    if flags & TRAILERS_FOLLOW != 0 {
        response.trailers_follow();
    }
    add_fields(response, fields)
}

/// Adds fields as JavaScript encodes them. An empty name is the reason phrase.
pub(super) fn add_fields(
    response: &mut Response,
    fields: &[u8],
) -> std::result::Result<(), FieldError> {
    each_field(fields, |name, value| {
        if name.is_empty() { response.phrase(value) } else { response.field(name, value) }
    })
}

/// Calls `add` with the name and the value of each field, as JavaScript encodes them.
#[inline(always)]
fn each_field(
    mut fields: &[u8],
    mut add: impl FnMut(&str, &[u8]) -> std::result::Result<(), FieldError>,
) -> std::result::Result<(), FieldError> {
    while let [n0, n1, v0, v1, rest @ ..] = fields {
        let name = u16::from_le_bytes([*n0, *n1]) as usize;
        let value = u16::from_le_bytes([*v0, *v1]) as usize;
        let (Some(name), Some(rest)) = (rest.get(..name), rest.get(name..)) else {
            return Err(FieldError::Status(0));
        };
        let (Some(value), Some(rest)) = (rest.get(..value), rest.get(value..)) else {
            return Err(FieldError::Status(0));
        };
        // A token is ASCII, so any other name is refused.
        add(std::str::from_utf8(name).unwrap_or("\u{fffd}"), value)?;
        fields = rest;
    }
    Ok(())
}
