//! Requests whose answers come in any order, and mixed with those of others.
//!
//! The protocol keeps the key of each. A request is outside its connection's order until its answer
//! is written. From then on it ends, like others, when the kernel has taken the output up to there.

use std::time::Instant;

use super::{GENERATION_AT, NONE, Observer, Origin, Record, Seen};
use crate::observe::access_log::{Outcome, SocketMessages};

/// The bits of a key that are the record's place. Above them is the observer's generation.
const PLACE: u32 = (1 << GENERATION_AT) - 1;

impl Observer {
    /// As [`begin`](Self::begin), for a request whose answer may come out of order. Returns its key.
    pub(crate) fn begin_apart(
        &mut self,
        slot: u32,
        (connection, request): (u32, u32),
        origin: Origin<'_>,
        start: Instant,
        seen: &Seen<'_>,
    ) -> u32 {
        if self.records.vacant_key() >= PLACE as usize {
            return NONE;
        }
        let place = self.record((connection, request), origin, start, seen);
        let before = std::mem::replace(&mut self.open_mut(slot).apart, place);
        self.records[place as usize].apart = Some((before, slot));
        if let Some(before) = self.records.get_mut(before as usize) {
            before.next = place;
        }
        self.generation | place
    }

    /// The answer begins. The request counts in this row.
    pub(crate) fn answer_apart(&mut self, key: u32, (row, status): (u16, u16)) {
        if let Some(record) = self.apart(key) {
            record.status = status;
            record.row = row;
        }
    }

    /// This many bytes of the answer's body were written.
    pub(crate) fn body_apart(&mut self, key: u32, bytes: usize) {
        if let Some(record) = self.apart(key) {
            record.body += bytes as u64;
        }
    }

    /// The answer is written. `unsent` bytes are before its end.
    pub(crate) fn written_apart(&mut self, slot: u32, key: u32, unsent: usize) {
        if self.apart(key).is_none_or(|record| record.apart.is_none_or(|(_, of)| of != slot)) {
            return;
        }
        self.unlink(key & PLACE);
        let open = self.open_mut(slot);
        let end = open.sent + unsent as u64;
        let last = std::mem::replace(&mut open.last, key & PLACE);
        if last == NONE {
            open.first = key & PLACE;
        } else if let Some(last) = self.records.get_mut(last as usize) {
            last.next = key & PLACE;
        }
        let record = &mut self.records[(key & PLACE) as usize];
        record.end = Some(end);
        // As if no other answer were between its bytes.
        record.body = end.saturating_sub(record.body);
        if unsent == 0 {
            self.sent(slot, 0);
        }
    }

    /// The request was a WebSocket until now.
    pub(crate) fn socket_closes_apart(&mut self, key: u32, messages: SocketMessages) {
        if let Some(record) = self.apart(key) {
            record.messages = Some(messages);
        }
    }

    /// The request ends without a whole answer.
    pub(crate) fn abort_apart(&mut self, key: u32, outcome: Outcome) {
        if self.apart(key).is_some() {
            let record = self.unlink(key & PLACE);
            let bytes = record.body;
            let record = self.records.remove((key & PLACE) as usize);
            self.conclude(record, bytes, outcome, Instant::now());
        }
    }

    /// The connection has ended: so do its requests.
    pub(super) fn end_apart(&mut self, slot: u32, outcome: Outcome, now: Instant) {
        while let Some(open) = self.conns.get(slot as usize).filter(|open| open.apart != NONE) {
            let place = open.apart;
            let bytes = self.unlink(place).body;
            let record = self.records.remove(place as usize);
            self.conclude(record, bytes, outcome, now);
        }
    }

    /// The record of this key, if its answer is not written. None for one from before the observer.
    fn apart(&mut self, key: u32) -> Option<&mut Record> {
        if key & !PLACE != self.generation {
            return None;
        }
        self.records.get_mut((key & PLACE) as usize).filter(|record| record.apart.is_some())
    }

    /// Takes a record out of its connection's list of those apart.
    fn unlink(&mut self, place: u32) -> &mut Record {
        let record = &mut self.records[place as usize];
        let next = std::mem::replace(&mut record.next, NONE);
        let (before, slot) = record.apart.take().unwrap_or((NONE, NONE));
        if let Some(before) = self.records.get_mut(before as usize) {
            before.next = next;
        }
        if let Some(next) = self.records.get_mut(next as usize) {
            next.apart = Some((before, slot));
        } else if let Some(open) = self.conns.get_mut(slot as usize) {
            open.apart = before;
        }
        &mut self.records[place as usize]
    }

    /// The connection's requests whose answers are not written and may come out of order.
    #[cfg(test)]
    pub(crate) fn open_apart(&self, slot: u32) -> Vec<u32> {
        let last =
            self.conns.get(slot as usize).and_then(|open| self.records.get(open.apart as usize));
        let before = |record: &&Record| self.records.get(record.apart?.0 as usize);
        std::iter::successors(last, before).map(|record| record.id.request).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::observe::close_reason::CloseReason;
    use crate::observe::histogram::Distribution;

    fn observer() -> Observer {
        Observer::new(0, Arc::default(), None)
    }

    fn begin(observer: &mut Observer, slot: u32, request: u32) -> u32 {
        let id = (9, request);
        observer.begin_apart(slot, id, (None, None), Instant::now(), &Seen::Input(b"x"))
    }

    fn complete(observer: &Observer) -> u64 {
        Distribution::of([&observer.counters.latency].into_iter()).count
    }

    #[test]
    fn answers_end_in_the_order_in_which_they_were_written() {
        let mut observer = observer();
        let keys: Vec<u32> = (1..=4).map(|request| begin(&mut observer, 3, request)).collect();
        begin(&mut observer, 2, 1);
        assert_eq!(observer.open_apart(3), [4, 3, 2, 1]);

        // The third is whole. The first begins, and the second comes between its pieces.
        observer.answer_apart(keys[2], (0, 200));
        observer.body_apart(keys[2], 10);
        observer.written_apart(3, keys[2], 30);
        observer.answer_apart(keys[0], (0, 200));
        observer.body_apart(keys[0], 5);
        observer.answer_apart(keys[1], (0, 404));
        observer.body_apart(keys[1], 1);
        observer.written_apart(3, keys[1], 60);
        assert_eq!(observer.open_apart(3), [4, 1]);
        assert_eq!(observer.open(3), [(3, true), (2, true)]);

        observer.sent(3, 29);
        assert_eq!(complete(&observer), 0);
        observer.sent(3, 1);
        assert_eq!((complete(&observer), observer.open(3)), (1, vec![(2, true)]));
        observer.body_apart(keys[0], 5);
        observer.written_apart(3, keys[0], 40);
        observer.sent(3, 70);
        assert_eq!((complete(&observer), observer.open(3)), (3, vec![]));

        // Nothing of it is unsent.
        observer.answer_apart(keys[3], (0, 200));
        observer.written_apart(3, keys[3], 0);
        assert_eq!(complete(&observer), 4);
        assert_eq!(observer.open_apart(2), [1], "another connection");
    }

    #[test]
    fn requests_that_are_broken_off_leave_the_others_as_they_are() {
        let mut observer = observer();
        let keys: Vec<u32> = (1..=3).map(|request| begin(&mut observer, 0, request)).collect();
        observer.abort_apart(keys[1], Outcome::Aborted);
        assert_eq!(observer.open_apart(0), [3, 1]);
        observer.abort_apart(keys[1], Outcome::Aborted);
        observer.written_apart(0, keys[1], 10);
        observer.abort_apart(keys[2], Outcome::Aborted);
        assert_eq!(observer.open_apart(0), [1]);
        observer.answer_apart(keys[0], (0, 200));
        observer.written_apart(0, keys[0], 10);
        observer.abort_apart(keys[0], Outcome::Aborted);
        assert_eq!(observer.open(0), [(1, true)], "it is written, and cannot be broken off");
        begin(&mut observer, 0, 4);
        observer.closed(0, CloseReason::Peer);
        assert!(observer.open(0).is_empty() && observer.open_apart(0).is_empty());
        assert!(observer.records.is_empty());
        assert_eq!(complete(&observer), 0);
    }

    #[test]
    fn the_bytes_of_a_body_are_those_of_its_own() {
        let mut observer = observer();
        let (one, other) = (begin(&mut observer, 0, 1), begin(&mut observer, 0, 2));
        observer.sent(0, 1_000);
        for _ in 0..10 {
            observer.body_apart(one, 20);
            observer.body_apart(other, 30);
        }
        observer.written_apart(0, other, 600);
        let record = &observer.records[(other & PLACE) as usize];
        assert_eq!(record.end.map(|end| end - record.body), Some(300));
        assert_eq!(observer.apart(one).map(|record| record.body), Some(200));
    }

    #[test]
    fn a_key_of_an_earlier_observer_says_nothing() {
        let mut before = observer();
        let old = begin(&mut before, 0, 1);
        let mut observer = observer();
        begin(&mut observer, 0, 1);
        observer.answer_apart(old, (0, 200));
        observer.written_apart(0, old, 0);
        observer.abort_apart(old, Outcome::Aborted);
        observer.abort_apart(NONE, Outcome::Aborted);
        assert_eq!(observer.open_apart(0), [1]);
        assert_eq!(complete(&observer), 0);
    }
}
