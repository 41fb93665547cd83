//! A client: what it has sent, and whether what comes back is right.

mod judge;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::answer::{Answer, End, Parsed};
use super::request::{Expected, trailer};
use super::said::{Form, Said, Verdict};
use super::tally::LaneTally;
use super::wire::Wire;
use crate::event_loop::tuning::Timeouts;
use crate::exchange::task::Task;

/// The simulation begins in a month in which it also ends: 1 November 2023.
pub(super) const EPOCH: u64 = 1_698_796_800;

/// How a client's input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It keeps the connection open.
    Open,
    /// It ends its stream after its last byte, and waits for the answers.
    HalfClose,
    /// It ends its stream once it has every answer.
    Polite,
    /// Then it closes its unix socket, in both directions at once.
    Close,
    /// It sends nothing from this offset on, and keeps the connection open.
    Silent(usize),
    /// It ends its stream at this offset.
    Cut(usize),
    /// It resets the connection at this offset.
    Reset(usize),
    /// It closes its TCP socket at this offset, and reads nothing more.
    Leave(usize),
}

/// The state of a request for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// On its way.
    Out,
    /// It found the queue full.
    Refused,
    Done,
    Failed,
}

/// The facts that answers are judged by.
pub(super) struct Facts {
    /// Everything that happens is printed.
    pub(super) traced: bool,
    pub(super) now: u64,
    pub(super) timeouts: Timeouts,
    /// The version of the application. A reload counts it up.
    pub(super) version: u32,
    pub(super) draining: bool,
    pub(super) forced: bool,
    /// There may be no room for a body.
    pub(super) tight: bool,
    pub(super) fates: HashMap<u32, Fate>,
    /// How many informational answers lanes' threads have given, and clients have got.
    pub(super) informed: HashMap<u32, usize>,
    /// What lanes' threads have said.
    pub(super) said: HashMap<u32, Said>,
    /// How long a lane may take.
    pub(super) request_timeout: Option<u64>,
    /// The number of requests that may be with lanes is limited.
    pub(super) limited: bool,
    /// A lane has been closed or taken away.
    pub(super) lost_lanes: bool,
    pub(super) lanes: LaneTally,
}

impl Facts {
    pub(super) fn trace(&self, what: impl std::fmt::Display) {
        if self.traced {
            eprintln!("{:>7} {what}", self.now);
        }
    }

    /// A lane's thread gives this answer to a request.
    pub(super) fn say(&mut self, id: u32, verdict: Verdict) {
        let aborted = verdict == Verdict::Dropped;
        let said = Said {
            verdict,
            status: 0,
            form: Form::Whole,
            bytes: 0,
            sent: 0,
            ended: true,
            aborted,
            closes: false,
            early: true,
            trailers: false,
        };
        self.said.insert(id, said);
    }
}

/// How much of the input had arrived at some time.
struct Arrival {
    upto: usize,
    at: u64,
    version: u32,
}

pub(super) struct Client {
    pub(super) wire: Rc<RefCell<Wire>>,
    /// The connection's token.
    pub(super) token: u64,
    pub(super) requests: Vec<Expected>,
    pub(super) ending: Ending,
    /// It sends a body only after `100 Continue`.
    pub(super) patient: bool,
    /// It goes on sending after its last answer.
    pub(super) sloppy: bool,
    /// Bytes that arrive together, at most.
    pub(super) segment: usize,
    /// Requests that have been answered.
    pub(super) answered: usize,
    /// An answer has closed the connection.
    pub(super) ended: bool,
    /// The newest answer may be the last, though it did not say so.
    open_ended: bool,
    /// How much had been read when an answer said that it is the last.
    close_said: Option<usize>,
    /// The end of the connection has been judged.
    pub(super) buried: bool,
    /// How many requests have had their `100 Continue`, and when the last did.
    continued: usize,
    /// How many informational answers came to which request.
    informed: (usize, usize),
    continued_at: u64,
    parsed: usize,
    /// How much of the output has been looked at, and whether more was to come.
    seen: (usize, End),
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
            open_ended: false,
            close_said: None,
            buried: false,
            continued: 0,
            informed: (0, 0),
            continued_at: 0,
            parsed: 0,
            seen: (0, End::Open),
            arrivals: Vec::new(),
            opened_at: now,
            answered_at: now,
        }
    }

    /// Whether there will be no further answer.
    fn is_ended(&self) -> bool {
        self.ended || self.open_ended && self.wire.borrow().end() != End::Open
    }

    /// How much of its input it sends if no answer comes.
    fn most(&self) -> usize {
        match self.ending {
            Ending::Silent(at) | Ending::Cut(at) | Ending::Reset(at) | Ending::Leave(at) => at,
            _ => self.requests.last().map_or(0, |request| request.end),
        }
    }

    /// How far it may send now.
    fn allowed(&self) -> usize {
        if self.is_ended() && !self.sloppy {
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
            Ending::HalfClose | Ending::Cut(_) | Ending::Reset(_) | Ending::Leave(_) => {
                wire.arrived == self.most()
            }
            Ending::Polite | Ending::Close => {
                drop(wire);
                self.is_ended() || self.answered == self.requests.len()
            }
        }
    }

    /// When the byte at `offset` arrived, and under which version.
    fn arrival(&self, offset: usize) -> Option<&Arrival> {
        self.arrivals.get(self.arrivals.partition_point(|arrival| arrival.upto <= offset))
    }

    /// A request may be handed to a worker or a lane only when it has been read. It must not come
    /// after the last one that may be answered.
    pub(super) fn check_handed(&self, place: usize, task: &Task) -> Result<(), String> {
        let request = &self.requests[place];
        let wire = self.wire.borrow();
        let id = request.id;
        if wire.given() < request.head_end {
            return Err(format!("request {id} is handled before it is understood"));
        }
        if self.requests[..place].iter().any(|earlier| earlier.close) {
            return Err(format!("request {id} is behind the last"));
        }
        // A lane is given a large request with its head, and its thread may take it
        // long after the loop has answered in its place.
        let given_at = if task.body_streams { request.head_end } else { request.end };
        if place >= self.answered && self.close_said.is_some_and(|read| given_at > read) {
            return Err(format!("request {id} is handled, and the connection was to be closed"));
        }
        if task.request.head_bytes != wire.input[request.start..request.head_end] {
            return Err(format!("request {id} has another head"));
        }
        let has_trailers = request.trailers && !task.body_streams;
        let trailers = if has_trailers { trailer(id) } else { String::new() };
        if task.request.trailers != trailers.as_bytes() {
            return Err(format!("request {id} has other trailers"));
        }
        Ok(())
    }

    /// Reads the answers that have come since.
    pub(super) fn read(&mut self, facts: &Facts) -> Result<(), String> {
        loop {
            let wire = self.wire.borrow();
            let (len, end) = (wire.output.len(), wire.end());
            if (len, end) == self.seen {
                return Ok(());
            }
            self.seen = (len, end);
            if self.parsed == len {
                return Ok(());
            }
            if self.ended {
                return Err("bytes after the last answer".into());
            }
            let request = self.requests.get(self.answered);
            // The method of a head that never came in whole may be unknown.
            let method_end = |r: &Expected| r.start + "HEAD ".len();
            let head_only = request.is_some_and(|r| r.head_only && wire.known >= method_end(r));
            let parsed = Answer::parse(&wire.output[self.parsed..], head_only, end)?;
            let read = wire.used();
            drop(wire);
            let (answer, used) = match parsed {
                Parsed::Nothing => return Ok(()),
                Parsed::Begun(answer) => {
                    if answer.close {
                        self.close_said.get_or_insert(read);
                    }
                    return self
                        .judge_part(&answer, end, facts)
                        .map_err(|e| format!("{e}; request {request:?}"));
                }
                Parsed::Whole(answer, used) => (answer, used),
            };
            if answer.close {
                self.close_said.get_or_insert(read);
            }
            self.parsed += used;
            self.judge(&answer, facts)
                .map_err(|e| format!("{e}; request {:?}", self.requests.get(self.answered)))?;
            let id = self.requests[self.answered].id;
            facts
                .trace(format_args!("  {} to request {id}, close {}", answer.status, answer.close));
            if answer.status >= 200 {
                self.answered += 1;
                self.answered_at = facts.now;
                self.ended = answer.close;
            }
            self.seen = (self.parsed, End::Open);
        }
    }
}
