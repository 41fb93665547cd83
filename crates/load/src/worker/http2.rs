//! One connection of HTTP/2: requests and answers on streams.

use std::fmt::Display;
use std::sync::Arc;

use reactor_proto::h2::ErrorCode;
use reactor_proto::h2::client::Event;

use super::Worker;
use crate::conn::{InFlight, Link};
use crate::http2::{Fault, Session};
use crate::source::nanos;
use crate::tally::{ErrorClass, place_of};

impl Worker {
    /// The connection is open. Says the preface; requests wait for the server's settings, as it may
    /// allow fewer streams than the plan wants.
    pub(super) fn say_preface(&mut self, slot: usize) {
        let mut session = Session::new();
        session.heard = self.now;
        self.conns[slot].http2 = Some(Box::new(session));
        self.write(slot);
    }

    /// Opens streams for the requests that have none, and sends what waits.
    pub(super) fn send_streams(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        if let (Some(session), Some(plan)) = (&mut conn.http2, &self.shared.plan.http2)
            && session.is_ready
        {
            let first = conn.in_flight.partition_point(|request| request.stream.id != 0);
            for request in conn.in_flight.range_mut(first..) {
                session.open(plan, request);
            }
        }
        self.write(slot);
    }

    /// Takes bytes from the server. Returns whether the slot still has the same connection. What
    /// there is to answer goes out with the next requests.
    pub(super) fn consume_http2(&mut self, slot: usize, bytes: &[u8]) -> bool {
        let Some(session) = &mut self.conns[slot].http2 else { return false };
        session.heard = self.now;
        if session.kept.is_empty() {
            return self.frames_of_http2(slot, bytes);
        }
        let mut all = std::mem::take(&mut session.kept);
        all.extend_from_slice(bytes);
        self.frames_of_http2(slot, &all)
    }

    fn frames_of_http2(&mut self, slot: usize, bytes: &[u8]) -> bool {
        let shared = Arc::clone(&self.shared);
        let expected = shared.plan.expect_body.as_deref();
        let mut at = 0;
        loop {
            let conn = &mut self.conns[slot];
            let Some(session) = &mut conn.http2 else { return false };
            // Of the last field section.
            let mut length = None;
            let mut field = |name: &[u8], value: &[u8]| {
                if name == b"content-length" {
                    length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                }
            };
            let (used, event) = match session.decoder.decode(&bytes[at..], &mut field) {
                Ok(decoded) => decoded,
                Err(error) => return self.broke(slot, &error.into()),
            };
            let input = &bytes[at..];
            at += used;
            let requests = &mut conn.in_flight;
            let stays = match event {
                Event::Incomplete => {
                    session.kept.extend_from_slice(&bytes[at..]);
                    return true;
                }
                Event::Settings(settings) => {
                    let is_first = !session.is_ready;
                    match session.settle(&settings, requests) {
                        Ok(()) if is_first => {
                            self.upgraded(slot);
                            true
                        }
                        Ok(()) => true,
                        Err(fault) => self.broke(slot, &fault),
                    }
                }
                Event::Ping(payload) => {
                    session.pong(payload);
                    true
                }
                Event::Response { stream, status, end_stream } => match place(requests, stream) {
                    Some(at) => {
                        requests[at].stream.begin(status, length);
                        !end_stream || self.answered_on(slot, at)
                    }
                    None => self.ignored(slot, stream),
                },
                Event::Data { stream, start, end, flow, end_stream } => {
                    match place(requests, stream) {
                        Some(at) => {
                            let stream = &mut requests[at].stream;
                            stream.add(expected, &input[start..end]);
                            session.took((!end_stream).then_some(stream), flow);
                            !end_stream || self.answered_on(slot, at)
                        }
                        None => {
                            session.took(None, flow);
                            self.ignored(slot, stream)
                        }
                    }
                }
                Event::Trailers { stream } => match place(requests, stream) {
                    Some(at) => self.answered_on(slot, at),
                    None => self.ignored(slot, stream),
                },
                Event::Reset { stream, code } => {
                    self.tally.resets[place_of(code)] += 1;
                    match place(requests, stream) {
                        Some(at) => {
                            let why = format_args!("RST_STREAM {}", code.name());
                            self.failed_on(slot, at, ErrorClass::Receive, &why)
                        }
                        None => self.ignored(slot, stream),
                    }
                }
                Event::WindowUpdate { stream, increment } => {
                    let grown = match place(requests, stream) {
                        _ if stream == 0 => session.grow(None, increment),
                        Some(at) => session.grow(Some(&mut requests[at].stream), increment),
                        // It has ended meanwhile.
                        None => Ok(()),
                    };
                    grown.is_ok() || grown.is_err_and(|fault| self.broke(slot, &fault))
                }
                Event::GoAway { last, code } => self.going_away(slot, last, code),
                _ => true,
            };
            if !stays {
                return false;
            }
        }
    }

    /// The answer of a request is whole. Returns whether the slot still has the same connection.
    fn answered_on(&mut self, slot: usize, at: usize) -> bool {
        let is_head = self.shared.plan.request.is_head();
        if let Some(why) = self.conns[slot].in_flight[at].stream.fault(is_head) {
            return self.failed_on(slot, at, ErrorClass::Receive, &why);
        }
        let Some(mut request) = self.over(slot, at) else { return true };
        if let Some(session) = &mut self.conns[slot].http2 {
            session.finished(&request.stream);
            session.has_answered = true;
        }
        self.judge(request.from, request.stream.status, &mut request.stream.body);
        self.goes_on(slot)
    }

    /// The stream of a request has ended without a whole answer. Returns whether the slot still has
    /// the same connection.
    fn failed_on(&mut self, slot: usize, at: usize, class: ErrorClass, why: &dyn Display) -> bool {
        let Some(request) = self.over(slot, at) else { return true };
        if let Some(session) = &mut self.conns[slot].http2 {
            session.forget(&request.stream);
        }
        self.failed(request.from, class, why);
        self.goes_on(slot)
    }

    fn over(&mut self, slot: usize, at: usize) -> Option<InFlight> {
        let request = self.conns[slot].in_flight.remove(at)?;
        self.in_flight -= 1;
        Some(request)
    }

    /// Closes a connection that carries no more requests.
    fn goes_on(&mut self, slot: usize) -> bool {
        let conn = &mut self.conns[slot];
        let keeps = self.shared.plan.request.keeps_alive()
            && conn.http2.as_ref().is_some_and(|session| !session.is_going);
        if keeps || !conn.in_flight.is_empty() {
            return true;
        }
        conn.close(Link::Closed);
        self.assign(slot, usize::MAX);
        false
    }

    /// The server takes no more requests on this connection.
    fn going_away(&mut self, slot: usize, last: u32, code: ErrorCode) -> bool {
        self.tally.goaways[place_of(code)] += 1;
        let conn = &mut self.conns[slot];
        let Some(session) = &mut conn.http2 else { return false };
        // A server that answers nothing would be asked forever.
        if code != ErrorCode::NO_ERROR || !session.has_answered {
            self.lost(slot, ErrorClass::Receive, &format_args!("GOAWAY {}", code.name()));
            return false;
        }
        session.is_going = true;
        while conn.in_flight.back().is_some_and(|request| request.stream.id > last)
            && let Some(request) = conn.in_flight.pop_back()
        {
            session.forget(&request.stream);
            self.in_flight -= 1;
            self.source.give_back(request.from);
        }
        self.goes_on(slot)
    }

    /// Something came for a stream that is over. It is an error if there was no such stream.
    fn ignored(&mut self, slot: usize, stream: u32) -> bool {
        let session = self.conns[slot].http2.as_ref();
        if session.is_some_and(|session| session.has_opened(stream)) {
            return true;
        }
        self.tally.unasked += 1;
        self.lost(slot, ErrorClass::Receive, &"frames came that answer no request");
        false
    }

    /// The server breaks the rules. It is told which, if its socket takes that.
    fn broke(&mut self, slot: usize, fault: &Fault) -> bool {
        if let Some(session) = &mut self.conns[slot].http2 {
            session.leave(fault.code());
        }
        self.write(slot);
        if self.conns[slot].http2.is_some() {
            self.lost(slot, ErrorClass::Receive, fault);
        }
        false
    }

    /// Gives up the streams whose answers have not come in time, unless the server has said nothing
    /// at all meanwhile. Returns whether that was all there was to do.
    pub(super) fn gives_up_late(&mut self, slot: usize) -> bool {
        let limit = self.shared.plan.timeout;
        let since = self.now.saturating_sub(nanos(limit));
        let conn = &mut self.conns[slot];
        let oldest = conn.in_flight.front().map_or(0, |request| request.sent);
        if conn.http2.as_ref().is_none_or(|session| session.heard <= oldest) {
            return false;
        }
        while self.conns[slot].in_flight.front().is_some_and(|request| request.sent <= since) {
            let Some(request) = self.over(slot, 0) else { break };
            if let Some(session) = &mut self.conns[slot].http2 {
                session.forget(&request.stream);
                session.cancel(request.stream.id, ErrorCode::CANCEL);
            }
            let why = format_args!("no whole answer within {limit:?}");
            self.failed(request.from, ErrorClass::Timeout, &why);
        }
        if self.goes_on(slot) {
            self.assign(slot, usize::MAX);
        }
        true
    }
}

/// Where the request of a stream is, if it has no whole answer yet.
fn place(requests: &std::collections::VecDeque<InFlight>, stream: u32) -> Option<usize> {
    let at = requests.partition_point(|request| request.stream.id < stream);
    requests.get(at).filter(|request| request.stream.id == stream).map(|_| at)
}
