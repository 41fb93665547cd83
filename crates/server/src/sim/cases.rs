//! Faults that the simulation has found, each by itself.

mod lanes;

use std::cell::RefMut;

use super::client::Ending;
use super::plan::Plan;
use super::request::{Expected, INLINE, Kind};
use super::rng::Rng;
use super::wire::Wire;
use super::world::World;
use crate::event_loop::services::SendBudget;
use crate::observe::close_reason::CloseReason;

/// One client in a world where nothing goes wrong by itself.
struct Case(World);

impl Case {
    fn new(requests: &[(&str, Kind)]) -> Self {
        Self::with_plan(Plan::calm(), 1, requests)
    }

    /// So many clients that send the same.
    fn with_plan(plan: Plan, clients: u32, requests: &[(&str, Kind)]) -> Self {
        let mut case = Self(World::with_plan(plan, Rng::new(0), false));
        (0..clients).for_each(|client| case.client(client * 100, requests));
        case.turn().turn();
        case
    }

    /// A client whose requests have numbers from this one on.
    fn client(&mut self, first: u32, requests: &[(&str, Kind)]) {
        let mut input = Vec::new();
        let mut expected = Vec::new();
        for (id, &(text, kind)) in (first..).zip(requests) {
            let start = input.len();
            input.extend_from_slice(text.as_bytes());
            let close = matches!(kind, Kind::Bad(_)) || text.contains("Connection: close");
            expected.push(Expected::plain(id, start..input.len(), kind, close));
        }
        self.0.client(input, expected, Ending::Open, 100_000);
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.0.wire(0)
    }

    fn send(&mut self, n: usize) -> &mut Self {
        self.0.deliver(0, n);
        self
    }

    fn turn(&mut self) -> &mut Self {
        self.0.turn(false).unwrap();
        self
    }

    fn reason(&self) -> Option<CloseReason> {
        self.wire().closed.and_then(|(reason, _)| reason)
    }
}

const CLOSE: &str = "GET /version HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";

#[test]
fn a_client_that_leaves_after_a_long_last_answer_was_served() {
    let request = "GET /inline/3 HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Inline(3))]);
    case.send(request.len()).turn();
    assert!(case.wire().shut_at.is_some(), "the answer is out, the connection lingers");
    let there = case.wire().output.len();
    case.wire().take(there);
    case.wire().send_eof();
    case.turn();
    assert_eq!(case.reason(), Some(CloseReason::Served));
}

#[test]
fn what_comes_while_lingering_is_read_up_to_the_end() {
    let bad = "GET / HTTP/1.1\r\n\r\n";
    let mut case = Case::new(&[(bad, Kind::Bad(400)), (CLOSE, Kind::Version)]);
    case.send(bad.len()).turn();
    assert!(case.wire().shut_at.is_some(), "the answer is out, the connection lingers");
    case.send(CLOSE.len()).wire().send_eof();
    case.turn();
    assert_eq!(case.reason(), Some(CloseReason::Rejected));
    assert_eq!(case.wire().read, bad.len() + CLOSE.len());
}

#[test]
fn a_drained_connection_is_told_so_however_its_last_request_was_cut() {
    let request = "GET /version HTTP/1.1\r\nHost: sim\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Version)]);
    case.send(10).turn();
    case.0.drain().unwrap();
    case.send(request.len() - 10).turn();
    let output = String::from_utf8_lossy(&case.wire().output).into_owned();
    assert!(output.contains("Connection: close\r\n"), "{output}");
}

#[test]
fn a_unix_client_that_closes_after_its_answer_has_not_aborted() {
    let request = "GET /version HTTP/1.1\r\nHost: sim\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Version)]);
    case.send(request.len()).turn();
    case.wire().send_close();
    case.turn();
    assert_eq!(case.reason(), Some(CloseReason::Peer));
}

#[test]
fn what_a_unix_client_sent_before_it_closed_is_read() {
    let request = "GET /version HTTP/1.1\r\nHost: sim\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Version)]);
    case.send(request.len()).wire().send_close();
    case.turn();
    assert_eq!(case.wire().read, request.len());
    assert_eq!(case.reason(), Some(CloseReason::Aborted));
}

/// A client that takes all that it is sent at once, and has asked for much.
#[test]
fn a_client_that_reads_as_fast_as_it_is_answered_has_its_turns_like_others() {
    const REQUESTS: usize = 200;
    let request = "GET /inline/4 HTTP/1.1\r\nHost: sim\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Inline(4)); REQUESTS]);
    case.wire().capacity = 1_000 * INLINE[4];
    case.send(request.len() * REQUESTS).turn();
    let answered = case.wire().output.len() / INLINE[4];
    assert!((1..REQUESTS / 4).contains(&answered), "{answered} answers in one turn");
    for _ in 0..REQUESTS {
        case.turn();
    }
    assert_eq!(case.wire().output.len() / INLINE[4], REQUESTS);
}

/// Signals may interrupt all that one turn tries to read (signal(7)).
#[test]
fn a_request_that_has_come_and_could_not_be_read_keeps_an_idle_connection() {
    let request = "GET /version HTTP/1.1\r\nHost: sim\r\n\r\n";
    let mut case = Case::new(&[(request, Kind::Version); 2]);
    case.send(request.len()).turn();
    let answered = case.wire().output.len();
    case.wire().faults.interrupted = 100;
    case.0.pass(76_000);
    case.send(request.len()).turn();
    assert_eq!(case.reason(), None);
    case.wire().faults.interrupted = 0;
    case.turn();
    assert_eq!(case.wire().output.len(), 2 * answered);
}

/// A client takes nothing while the loop has not got to it: nothing was sent to it.
#[test]
fn a_client_is_not_late_with_taking_what_waits_for_its_turn() {
    let request = "GET /inline/4 HTTP/1.1\r\nHost: sim\r\n\r\n";
    let pieces = SendBudget { large: 1_000, leftover: 1, ..SendBudget::default() };
    let plan = Plan { send_budget: pieces, ..Plan::calm() };
    let mut case = Case::with_plan(plan, 3, &[(request, Kind::Inline(4))]);
    for client in 0..3 {
        case.0.deliver(client, request.len());
    }
    case.turn();
    case.0.pass(31_000);
    case.turn();
    assert!((0..3).all(|client| case.0.wire(client).closed.is_none()));
}
