//! A client: what it has sent, and whether what comes back is right.

mod judge;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::answer::Answer;
use super::request::Expected;
use super::wire::Wire;
use crate::config::Timeouts;

/// The simulation begins in a month in which it also ends: 1 November 2023.
pub(super) const EPOCH: u64 = 1_698_796_800;

/// How a client's input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It keeps the connection open.
    Open,
    /// It ends its stream behind its last byte and waits for the answers.
    HalfClose,
    /// It ends its stream once it has every answer.
    Polite,
    /// Then it closes its unix socket, in both directions at once.
    Close,
    /// It sends no more from this offset on, and nothing else.
    Silent(usize),
    /// It ends its stream at this offset.
    Cut(usize),
    /// It resets the connection at this offset.
    Reset(usize),
}

/// What became of a request that a worker was to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// On its way.
    Out,
    /// Found the queue full.
    Refused,
    Done,
    Failed,
}

/// What answers are judged by.
pub(super) struct Facts {
    pub(super) now: u64,
    pub(super) timeouts: Timeouts,
    /// Of the application; counted up by a reload.
    pub(super) version: u32,
    pub(super) draining: bool,
    pub(super) forced: bool,
    /// There may be no room for a body.
    pub(super) tight: bool,
    pub(super) fates: HashMap<u32, Fate>,
}

/// Up to which offset the input had arrived when.
struct Arrival {
    upto: usize,
    at: u64,
    version: u32,
}

pub(super) struct Client {
    pub(super) wire: Rc<RefCell<Wire>>,
    /// What the reactor calls it.
    pub(super) token: u64,
    pub(super) requests: Vec<Expected>,
    pub(super) ending: Ending,
    /// Does not send a body before it has been told to go on.
    pub(super) patient: bool,
    /// Goes on sending after its last answer.
    pub(super) sloppy: bool,
    /// Bytes that arrive together, at most.
    pub(super) segment: usize,
    /// Requests that have been answered.
    pub(super) answered: usize,
    /// An answer has closed the connection.
    pub(super) ended: bool,
    /// The end of the connection has been judged.
    pub(super) buried: bool,
    /// How many requests have had their `100 Continue`, and when the last did.
    continued: usize,
    continued_at: u64,
    parsed: usize,
    seen: usize,
    arrivals: Vec<Arrival>,
    opened_at: u64,
    answered_at: u64,
}

impl Client {
    pub(super) fn new(
        wire: Rc<RefCell<Wire>>,
        requests: Vec<Expected>,
        ending: Ending,
        now: u64,
    ) -> Self {
        Self {
            wire,
            token: u64::MAX,
            requests,
            ending,
            patient: true,
            sloppy: false,
            segment: 1,
            answered: 0,
            ended: false,
            buried: false,
            continued: 0,
            continued_at: 0,
            parsed: 0,
            seen: 0,
            arrivals: Vec::new(),
            opened_at: now,
            answered_at: now,
        }
    }

    /// How far its input goes, were it never to be answered.
    fn most(&self) -> usize {
        match self.ending {
            Ending::Silent(at) | Ending::Cut(at) | Ending::Reset(at) => at,
            _ => self.requests.last().map_or(0, |request| request.end),
        }
    }

    /// How far it may send now.
    fn allowed(&self) -> usize {
        if self.ended && !self.sloppy {
            return self.wire.borrow().arrived;
        }
        let held = self.requests[self.answered..]
            .iter()
            .enumerate()
            .find(|(ahead, request)| {
                self.patient && request.expects && self.continued <= self.answered + ahead
            })
            .map(|(_, request)| request.head_end);
        held.map_or(self.most(), |held| held.min(self.most()))
    }

    /// Bytes that it could send now.
    pub(super) fn unsent(&self) -> usize {
        let wire = self.wire.borrow();
        if wire.reset || wire.eof || wire.closed.is_some() {
            return 0;
        }
        drop(wire);
        self.allowed().saturating_sub(self.wire.borrow().arrived)
    }

    pub(super) fn send(&mut self, n: usize, facts: &Facts) {
        let mut wire = self.wire.borrow_mut();
        wire.deliver(n);
        self.arrivals.push(Arrival { upto: wire.arrived, at: facts.now, version: facts.version });
    }

    /// Whether it would end or reset its stream now.
    pub(super) fn may_end(&self) -> bool {
        let wire = self.wire.borrow();
        if wire.eof || wire.reset || wire.closed.is_some() {
            return false;
        }
        match self.ending {
            Ending::Open | Ending::Silent(_) => false,
            Ending::HalfClose | Ending::Cut(_) | Ending::Reset(_) => wire.arrived == self.most(),
            Ending::Polite | Ending::Close => self.ended || self.answered == self.requests.len(),
        }
    }

    /// When the byte at `offset` arrived, and under which version.
    fn arrival(&self, offset: usize) -> Option<&Arrival> {
        self.arrivals.get(self.arrivals.partition_point(|arrival| arrival.upto <= offset))
    }

    /// Reads the answers that have come since.
    pub(super) fn read(&mut self, facts: &Facts) -> Result<(), String> {
        loop {
            let wire = self.wire.borrow();
            if wire.output.len() == self.seen {
                return Ok(());
            }
            if self.ended {
                return Err("bytes after the last answer".into());
            }
            let request = self.requests.get(self.answered);
            // Of a head that never came in whole the method may not be known.
            let method_end = |r: &Expected| r.start + "HEAD ".len();
            let head_only = request.is_some_and(|r| r.head_only && wire.known >= method_end(r));
            let Some((answer, used)) = Answer::parse(&wire.output[self.parsed..], head_only)?
            else {
                self.seen = wire.output.len();
                return Ok(());
            };
            drop(wire);
            self.parsed += used;
            self.seen = self.parsed;
            self.judge(&answer, facts)
                .map_err(|e| format!("{e}; request {:?}", self.requests.get(self.answered)))?;
            if answer.status != 100 {
                self.answered += 1;
                self.answered_at = facts.now;
                self.ended = answer.close;
            }
            let wire = self.wire.borrow();
            if self.parsed == wire.output.len() {
                return Ok(());
            }
            self.seen = self.parsed;
        }
    }
}
