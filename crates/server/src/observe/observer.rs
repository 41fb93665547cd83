//! What becomes of each request of one loop, from its head to the last byte of its answer. The
//! access log and the histogram of latencies are made from it.
//!
//! A request begins with the turn that has read its head. It ends when the kernel has taken the
//! last byte of its answer, or when its connection ends. Positions count the bytes of a
//! connection's output, from the first observed one.
//!
//! HTTP/1 writes answers in the order of the requests, which this relies on. What is in [`apart`]
//! is for protocols that do not.

mod apart;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use reactor_proto::{Head, Opening};
use slab::Slab;

use crate::exchange::facts::Facts;
use crate::observe::access_log::{
    Entry, Lengths, LogSender, LoggedTls, Outcome, RequestId, SocketMessages,
};
use crate::observe::close_reason::CloseReason;
use crate::observe::counters::LoopCounters;

/// The status in the log of a request that got no answer; nginx uses the same number.
const NO_ANSWER: u16 = 499;

/// The index after the last record of a connection.
const NONE: u32 = u32::MAX;

/// Buffers above this capacity are not kept, nor are more than this many.
const KEEP_TEXT: usize = 1024;
const KEEP_TEXTS: usize = 1024;

/// Where the generation of its observer begins in a key.
const GENERATION_AT: u32 = 24;

/// Where a request comes from: its client, and what is known of its connection.
pub(crate) type Origin<'a> = (Option<SocketAddr>, Option<&'a Facts>);

/// What is known of a request when it begins.
pub(crate) enum Seen<'a> {
    /// A head and its bytes.
    Head(&'a Head, &'a [u8]),
    /// Input that is no request, or not yet.
    Input(&'a [u8]),
    /// Input of another protocol.
    Foreign(Opening, &'a [u8]),
}

/// One loop's observer.
pub(crate) struct Observer {
    io_thread: u32,
    counters: Arc<CachePadded<LoopCounters>>,
    log: Option<LogSender>,
    /// By slot.
    conns: Vec<Open>,
    records: Slab<Record>,
    /// Buffers for further records.
    spare: Vec<Vec<u8>>,
    /// The upper bits of its keys, from [`GENERATION_AT`] on. They tell these from those of an earlier
    /// observer, because observers may come and go within a request.
    generation: u32,
}

/// The requests of one connection that have not ended, in their order.
#[derive(Clone, Copy)]
struct Open {
    first: u32,
    last: u32,
    /// The first request whose answer is not written yet. Answers are written in the order of the
    /// requests, so the next answer is its.
    unanswered: u32,
    /// The last request whose answer comes out of order, and is not written yet.
    apart: u32,
    /// Bytes that the kernel has taken.
    sent: u64,
}

const NOTHING_OPEN: Open = Open { first: NONE, last: NONE, unanswered: NONE, apart: NONE, sent: 0 };

struct Record {
    next: u32,
    /// The one before it, and its connection's slot, while it is in [`Open::apart`]. Then `body`
    /// counts the bytes of the answer's body so far.
    apart: Option<(u32, u32)>,
    id: RequestId,
    peer: Option<SocketAddr>,
    tls: Option<LoggedTls>,
    start: Instant,
    /// 0 until the answer begins.
    status: u16,
    /// Where the request counts.
    row: u16,
    /// Where the answer's body begins.
    body: u64,
    /// Where the answer ends, once it is written.
    end: Option<u64>,
    lengths: Lengths,
    /// It opened a WebSocket, which has ended, after so many messages.
    messages: Option<SocketMessages>,
    text: Vec<u8>,
}

impl Observer {
    pub(crate) fn new(
        io_thread: usize,
        counters: Arc<CachePadded<LoopCounters>>,
        log: Option<LogSender>,
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            io_thread: u32::try_from(io_thread).unwrap_or(u32::MAX),
            counters,
            log,
            conns: Vec::new(),
            records: Slab::new(),
            spare: Vec::new(),
            generation: NEXT.fetch_add(1, Ordering::Relaxed) << GENERATION_AT,
        }
    }

    /// A request was read, or input that will be refused.
    pub(crate) fn begin(
        &mut self,
        slot: u32,
        (connection, request): (u32, u32),
        origin: Origin<'_>,
        start: Instant,
        seen: &Seen<'_>,
    ) {
        let key = self.record((connection, request), origin, start, seen);
        let open = self.open_mut(slot);
        let last = std::mem::replace(&mut open.last, key);
        if open.unanswered == NONE {
            open.unanswered = key;
        }
        if last == NONE {
            open.first = key;
        } else if let Some(last) = self.records.get_mut(last as usize) {
            last.next = key;
        }
    }

    /// A record of a request that begins. It is in no list yet.
    fn record(
        &mut self,
        (connection, request): (u32, u32),
        (peer, facts): Origin<'_>,
        start: Instant,
        seen: &Seen<'_>,
    ) -> u32 {
        let mut text = self.spare.pop().unwrap_or_default();
        let mut lengths = match (&self.log, seen) {
            (None, _) => Lengths::default(),
            (Some(log), Seen::Head(head, bytes)) => {
                Lengths::of_head(head, bytes, (log.with_forwarded, log.with_trace), &mut text)
            }
            (Some(_), Seen::Input(input)) => Lengths::of_input(input, &mut text),
            (Some(_), &Seen::Foreign(protocol, input)) => {
                Lengths { foreign: Some(protocol), ..Lengths::of_input(input, &mut text) }
            }
        };
        let id = RequestId { io_thread: self.io_thread, connection, request };
        if let (Some(log), Some(facts)) = (&self.log, facts)
            && log.with_forwarded
        {
            lengths.add_facts(facts, &mut text);
        }
        let record = Record {
            next: NONE,
            apart: None,
            id,
            peer,
            tls: facts.and_then(|facts| facts.tls.as_ref()).map(LoggedTls::from),
            start,
            status: 0,
            row: 0,
            body: 0,
            end: None,
            lengths,
            messages: None,
            text,
        };
        u32::try_from(self.records.insert(record)).unwrap_or(NONE)
    }

    fn open_mut(&mut self, slot: u32) -> &mut Open {
        let index = slot as usize;
        if index >= self.conns.len() {
            self.conns.resize(index + 1, NOTHING_OPEN);
        }
        &mut self.conns[index]
    }

    /// The answer to `request` begins, which counts in this row. `unsent` bytes are before its body.
    pub(crate) fn answer(
        &mut self,
        slot: u32,
        request: u32,
        (row, status): (u16, u16),
        unsent: usize,
    ) {
        let Some((record, sent)) = self.unanswered(slot, request) else { return };
        record.status = status;
        record.row = row;
        record.body = sent + unsent as u64;
    }

    /// The answer to `request` is written. `unsent` bytes are before its end.
    pub(crate) fn written(&mut self, slot: u32, request: u32, unsent: usize) {
        if let Some((record, sent)) = self.unanswered(slot, request)
            && record.status != 0
        {
            record.end = Some(sent + unsent as u64);
            self.conns[slot as usize].unanswered = record.next;
            if unsent == 0 {
                // A stream may end long after its last byte was sent.
                self.sent(slot, 0);
            }
        }
    }

    /// The kernel has taken `n` bytes of the connection's output.
    pub(crate) fn sent(&mut self, slot: u32, n: usize) {
        let Some(open) = self.conns.get_mut(slot as usize) else { return };
        open.sent += n as u64;
        let sent = open.sent;
        let mut now = None;
        while let Some(record) = self.first(slot)
            && record.end.is_some_and(|end| end <= sent)
        {
            let now = *now.get_or_insert_with(Instant::now);
            self.end(slot, Outcome::Complete, now);
        }
    }

    /// The connection was a WebSocket until now. Its request ends with it.
    pub(crate) fn socket_closes(&mut self, slot: u32, messages: SocketMessages) {
        let Some(open) = self.conns.get(slot as usize) else { return };
        if let Some(record) = self.records.get_mut(open.first as usize) {
            record.messages = Some(messages);
        }
    }

    /// The connection has ended. Its requests that have not ended end now.
    pub(crate) fn closed(&mut self, slot: u32, reason: CloseReason) {
        let has_apart = self.conns.get(slot as usize).is_some_and(|open| open.apart != NONE);
        if self.first(slot).is_some() || has_apart {
            let outcome = match reason {
                CloseReason::WriteTimeout => Outcome::WriteTimeout,
                CloseReason::Stopped => Outcome::Stopped,
                CloseReason::Served if self.first(slot).is_some_and(|it| it.messages.is_some()) => {
                    Outcome::Complete
                }
                _ => Outcome::Aborted,
            };
            let now = Instant::now();
            while self.first(slot).is_some() {
                self.end(slot, outcome, now);
            }
            self.end_apart(slot, outcome, now);
        }
        if let Some(open) = self.conns.get_mut(slot as usize) {
            *open = NOTHING_OPEN;
        }
    }

    /// Hands the turn's records to the log's writer.
    pub(crate) fn hand_over(&mut self) {
        if let Some(log) = &mut self.log {
            log.hand_over();
        }
    }

    /// The connection's open requests, and whether their answers are written.
    #[cfg(test)]
    pub(crate) fn open(&self, slot: u32) -> Vec<(u32, bool)> {
        let first =
            self.conns.get(slot as usize).and_then(|open| self.records.get(open.first as usize));
        let next = |record: &&Record| self.records.get(record.next as usize);
        std::iter::successors(first, next)
            .map(|record| (record.id.request, record.end.is_some()))
            .collect()
    }

    fn first(&self, slot: u32) -> Option<&Record> {
        self.records.get(self.conns.get(slot as usize)?.first as usize)
    }

    /// The record of `request` if its answer is the next one, and the bytes that the connection has
    /// sent. `None` for a request from before the observer.
    fn unanswered(&mut self, slot: u32, request: u32) -> Option<(&mut Record, u64)> {
        let open = self.conns.get(slot as usize)?;
        let record = self.records.get_mut(open.unanswered as usize)?;
        (record.id.request == request).then_some((record, open.sent))
    }

    /// The first open request of the connection has ended.
    fn end(&mut self, slot: u32, outcome: Outcome, now: Instant) {
        let open = &mut self.conns[slot as usize];
        let record = self.records.remove(open.first as usize);
        open.first = record.next;
        if record.next == NONE {
            open.last = NONE;
        }
        // Up to what was sent of the answer, if that is not all of it.
        let end = record.end.unwrap_or(u64::MAX).min(open.sent);
        let bytes = end.saturating_sub(record.body);
        self.conclude(record, bytes, outcome, now);
    }

    /// A request has ended, after so many bytes of its answer's body.
    fn conclude(&mut self, mut record: Record, bytes: u64, outcome: Outcome, now: Instant) {
        let duration = now.saturating_duration_since(record.start);
        if outcome == Outcome::Complete && record.messages.is_none() {
            self.counters.latency.record(duration);
            self.counters.routes.latency(record.row, duration);
        }
        if let Some(log) = &mut self.log {
            let entry = Entry {
                id: record.id,
                peer: record.peer,
                start: record.start,
                duration,
                status: if record.status == 0 { NO_ANSWER } else { record.status },
                bytes: if record.status == 0 { 0 } else { bytes },
                outcome,
                tls: record.tls,
                messages: record.messages,
                text: record.lengths,
            };
            log.add(entry, &record.text);
            if record.text.capacity() <= KEEP_TEXT && self.spare.len() < KEEP_TEXTS {
                record.text.clear();
                self.spare.push(record.text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of one connection's requests, whose answers fill one buffer.
    #[test]
    fn each_of_many_pipelined_answers_finds_its_request_at_once() {
        const REQUESTS: u32 = 4_000;
        let mut observer = Observer::new(0, Arc::default(), None);
        let now = Instant::now();
        // A connection that has had a request before the observer came.
        let requests = 1..=REQUESTS;
        for request in requests.clone() {
            observer.begin(7, (0, request), (None, None), now, &Seen::Input(b""));
        }
        observer.answer(7, 0, (0, 200), 40);
        observer.written(7, 0, 100);
        let mut unsent = 100;
        for request in requests.clone() {
            assert!(observer.unanswered(7, request).is_some(), "it is in turn");
            assert!(observer.unanswered(7, request + 1).is_none(), "it is not in turn");
            observer.answer(7, request, (0, 200), unsent + 40);
            unsent += 100;
            observer.written(7, request, unsent);
        }
        assert!(observer.open(7).into_iter().eq(requests.map(|request| (request, true))));

        // Half an answer, and what was before the first.
        observer.sent(7, 150);
        assert_eq!(observer.open(7).len(), REQUESTS as usize);
        observer.sent(7, 50);
        assert_eq!(observer.open(7).len(), REQUESTS as usize - 1);
        observer.sent(7, unsent - 200);
        assert!(observer.open(7).is_empty());
        observer.begin(7, (0, REQUESTS + 1), (None, None), now, &Seen::Input(b""));
        observer.answer(7, REQUESTS + 1, (0, 200), 1);
        observer.written(7, REQUESTS + 1, 1);
        assert_eq!(observer.open(7), [(REQUESTS + 1, true)]);
    }
}
