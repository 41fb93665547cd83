//! Faults with lanes. Request `n` of a case has the number `n`.

use std::cell::RefMut;

use crate::observe::close_reason::CloseReason;
use crate::sim::client::Ending;
use crate::sim::plan::{LanePlan, Plan};
use crate::sim::request::{Expected, Kind, pattern};
use crate::sim::rng::Rng;
use crate::sim::said::{Form, Said};
use crate::sim::wire::Wire;
use crate::sim::world::World;

/// Clients in a world where nothing goes wrong by itself, and a lane whose thread
/// does what it is told.
struct Case {
    world: World,
    clients: usize,
    next_id: u32,
}

/// A request to the lane.
#[derive(Clone, Copy)]
struct Ask {
    line: &'static str,
    fields: &'static str,
    kind: Kind,
    /// Bytes of its body, in one chunk if it is `chunked`.
    body: usize,
    chunked: bool,
    /// Bytes that come in the place of the last chunk.
    spoilt: &'static str,
}

const GET: Ask = Ask {
    line: "GET HTTP/1.1",
    fields: "",
    kind: Kind::Lane { bytes: 100 },
    body: 0,
    chunked: false,
    spoilt: "",
};

/// An HTTP/1.0 request that keeps the connection.
const OLD: Ask = Ask { line: "GET HTTP/1.0", fields: "Connection: keep-alive\r\n", ..GET };

const UPLOAD: Ask = Ask { line: "POST HTTP/1.1", body: 50, chunked: true, ..GET };

impl Case {
    fn new(change: impl FnOnce(&mut LanePlan)) -> Self {
        let mut plan = Plan::calm();
        change(&mut plan.lanes);
        Self::with_plan(plan)
    }

    /// All clients come over links that hold bytes.
    fn over_toy_links() -> Self {
        Self::with_plan(Plan { toy_links: 100, ..Plan::calm() })
    }

    fn with_plan(plan: Plan) -> Self {
        Self { world: World::with_plan(plan, Rng::new(0), false), clients: 0, next_id: 0 }
    }

    /// A client connects; returns where its requests end.
    fn client(&mut self, asks: &[Ask]) -> Vec<usize> {
        let mut input = Vec::new();
        let mut expected = Vec::new();
        for ask in asks {
            let id = self.next_id;
            self.next_id += 1;
            expected.push(ask.write(id, &mut input));
        }
        let ends = expected.iter().map(|request| request.end).collect();
        self.world.client(input, expected, Ending::Open, 1_000_000);
        self.clients += 1;
        self.turn().turn();
        ends
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.world.wire(0)
    }

    /// The client has sent its input up to this offset, and the loop reads it.
    fn sent(&mut self, upto: usize) -> &mut Self {
        let arrived = self.wire().arrived;
        self.world.deliver(self.clients - 1, upto - arrived);
        self.turn()
    }

    fn turn(&mut self) -> &mut Self {
        self.world.turn(false).unwrap();
        self
    }

    /// The thread takes the events that wait for it.
    fn take(&mut self) -> &mut Self {
        self.world.take_events().unwrap();
        self
    }

    /// Decides how the thread will answer a request.
    fn means(&mut self, id: u32, form: Form) -> &mut Self {
        self.mean(id, |said| said.form = form)
    }

    fn mean(&mut self, id: u32, change: impl FnOnce(&mut Said)) -> &mut Self {
        self.world.mean(id, change);
        self
    }

    /// The thread gives the next part of its answer: a whole answer, bytes of a stream, or its end.
    fn says(&mut self, id: u32) -> &mut Self {
        self.world.say(id);
        self.turn()
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.wire().output).into_owned()
    }

    fn answers(&self) -> usize {
        self.output().matches("HTTP/1.1 ").count()
    }
}

impl Ask {
    fn write(self, id: u32, input: &mut Vec<u8>) -> Expected {
        let start = input.len();
        let (method, version) = self.line.split_once(' ').unwrap();
        let head = format!("{method} /lane/{id} {version}\r\nHost: sim\r\nX-Id: {id}\r\n");
        input.extend_from_slice(head.as_bytes());
        input.extend_from_slice(self.fields.as_bytes());
        if self.chunked {
            input.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if self.body > 0 {
            input.extend_from_slice(format!("Content-Length: {}\r\n", self.body).as_bytes());
        }
        input.extend_from_slice(b"\r\n");
        let head_end = input.len();
        if self.chunked {
            input.extend_from_slice(format!("{:x}\r\n", self.body).as_bytes());
        }
        input.extend_from_slice(pattern(id, self.body));
        if self.chunked {
            let end = if self.spoilt.is_empty() { "\r\n0\r\n\r\n" } else { self.spoilt };
            input.extend_from_slice(end.as_bytes());
        }
        let old = version == "HTTP/1.0";
        let keep = self.fields.contains("keep-alive");
        let asks = old && !keep || self.fields.contains("close");
        let close = asks || matches!(self.kind, Kind::Spoilt(_));
        Expected {
            head_end,
            body: self.body,
            chunked: self.chunked,
            head_only: method == "HEAD",
            expects: self.fields.contains("Expect"),
            told: old && keep,
            ..Expected::plain(id, start..input.len(), self.kind, close)
        }
    }
}

#[test]
fn a_streamed_answer_to_head_may_wait_for_its_turn_without_a_body() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, Ask { line: "HEAD HTTP/1.1", ..GET }]);
    case.sent(ends[1]).take().means(1, Form::Declared).says(1).says(1).says(0);
    assert_eq!(case.answers(), 2);
    assert!(case.wire().closed.is_none());
}

#[test]
fn a_close_delimited_answer_that_has_waited_for_its_turn_ends() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, OLD]);
    case.sent(ends[1]).take().means(1, Form::UntilClose).says(1).says(1).says(0);
    assert_eq!(case.answers(), 2);
    case.wire().send_eof();
    case.turn();
    assert_eq!(case.wire().closed, Some((Some(CloseReason::Served), 0)));
}

#[test]
fn nothing_is_read_behind_a_close_delimited_answer() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[OLD, OLD]);
    case.sent(ends[0]).take().means(0, Form::UntilClose).says(0);
    case.sent(ends[1]).take().says(0);
    assert_eq!(case.answers(), 1);
}

#[test]
fn nobody_is_told_to_go_on_behind_the_last_answer() {
    let mut case = Case::new(|_| {});
    let waits = Ask { fields: "Expect: 100-continue\r\n", ..UPLOAD };
    let ends = case.client(&[GET, waits]);
    let body = "32\r\n".len() + 50 + "\r\n0\r\n\r\n".len();
    case.sent(ends[1] - body).take().mean(0, |said| said.closes = true).says(0);
    assert_eq!(case.answers(), 1);
}

#[test]
fn an_answer_that_waits_while_its_request_breaks_off_is_at_no_handler() {
    let mut case = Case::new(|lanes| lanes.in_flight = Some(5));
    let spoilt = Ask { spoilt: "-1\r\n", kind: Kind::Spoilt(400), ..UPLOAD };
    let ends = case.client(&[GET, spoilt]);
    case.sent(ends[1] - 10).take();
    case.mean(1, |said| (said.form, said.early) = (Form::Chunked, true));
    // It takes the part of the body that has come, then begins its answer.
    case.says(1).says(1);
    case.sent(ends[1]).take().says(0);
    assert!(case.output().contains("HTTP/1.1 400 "), "{}", case.output());
}

#[test]
fn a_lane_is_told_of_an_answer_that_nobody_will_see() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, GET]);
    case.sent(ends[1]).take().means(1, Form::Chunked).says(1);
    case.mean(0, |said| said.closes = true).says(0).take();
    assert_eq!(case.answers(), 1);
    assert!(!case.world.has_open(1), "its exchange is over");
}

#[test]
fn what_clients_leave_behind_a_full_lane_is_let_go() {
    let mut case = Case::new(|lanes| lanes.capacity = 1);
    for _ in 0..200 {
        let ends = case.client(&[GET, GET]);
        let client = case.clients - 1;
        case.world.deliver(client, ends[1]);
        case.turn();
        case.world.wire(client).send_reset();
        case.turn();
    }
    case.world.rest().unwrap();
}

#[test]
fn a_loop_hears_of_room_in_a_lane_that_became_full_within_a_batch() {
    let mut case = Case::new(|lanes| (lanes.capacity, lanes.drives) = (2, true));
    let ends = case.client(&[GET, GET]);
    let last = case.client(&[GET]);
    case.world.deliver(0, ends[1]);
    case.world.deliver(1, last[0]);
    case.turn().take().turn().take();
    assert!(case.world.has_open(2), "the last has been given");
}

#[test]
fn a_lane_that_is_left_out_gets_no_more() {
    let mut case = Case::new(|lanes| lanes.count = 2);
    case.world.leave_lane_out();
    case.turn();
}

#[test]
fn a_body_that_a_full_lane_keeps_waiting_is_not_late() {
    let mut case = Case::new(|lanes| lanes.capacity = 1);
    let ends = case.client(&[GET, GET, UPLOAD]);
    case.sent(ends[2] - 10);
    case.world.pass(31_000);
    case.turn();
    assert_eq!(case.answers(), 0);
}

/// One turn ends the wait for an answer and the wait for a body. The answer lets the one
/// behind it break the connection off, which gives the body up.
#[test]
fn a_body_that_has_just_been_given_up_is_not_late_as_well() {
    let mut case = Case::new(|lanes| lanes.request_timeout = Some(30_000));
    let ends = case.client(&[GET, GET, Ask { line: "POST HTTP/1.1", body: 50, ..GET }]);
    case.sent(ends[1]).take().means(1, Form::Chunked).says(1).aborts(1);
    case.sent(ends[2] - 10);
    case.world.pass(31_000);
    case.turn();
    assert_eq!(case.answers(), 2, "the late one, and what there is of the other");
    assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::Aborted)));
}

#[test]
fn a_streamed_answer_of_known_length_is_complete_though_nothing_is_sent_at_its_end() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET]);
    case.sent(ends[0]).take().means(0, Form::Declared).says(0).says(0);
    assert_eq!(case.answers(), 1);
}

#[test]
fn a_head_that_comes_in_while_the_application_is_replaced_goes_to_a_lane_that_knows_it() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, GET]);
    case.sent(ends[0] + 10).take();
    case.world.swap_lanes();
    case.turn().sent(ends[1]).take();
    assert!(!case.world.has_open(1), "it waits for the answer ahead of it");
    case.says(0).turn().take();
    assert!(case.world.has_open(1), "and goes to the other lane");
}

#[test]
fn an_early_answer_that_ends_before_its_turn_closes_the_connection() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, UPLOAD]);
    case.sent(ends[1] - 10).take();
    case.mean(1, |said| (said.form, said.early) = (Form::Chunked, true));
    case.says(1).says(1).says(1).says(0);
    assert_eq!(case.answers(), 2);
    assert!(case.wire().shut_at.is_some(), "half of its body is not read");
}

#[test]
fn an_http_1_0_client_whose_lane_is_replaced_is_told_that_it_may_go_on() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[OLD]);
    case.sent(ends[0]).take();
    case.world.replace_lane(0, false);
    case.turn();
    assert!(case.output().contains("503"), "{}", case.output());
}

#[test]
fn a_connection_waits_for_room_for_its_own_requests_and_for_nobody_elses() {
    let mut case = Case::new(|lanes| lanes.capacity = 1);
    let firsts = [GET; 2];
    for client in 0..4 {
        let ends = case.client(&firsts);
        case.world.deliver(client, ends[0]);
        case.turn();
    }
    // The thread takes the first, so that the second client's request has room, and
    // answers both. Those of two others go on to wait.
    case.take().turn().take();
    case.says(0).says(2);
    assert!(case.world.wire(1).output.starts_with(b"HTTP/1.1 200"));
    let there = case.world.wire(1).input.len();
    let arrived = case.world.wire(1).arrived;
    case.world.deliver(1, there - arrived);
    case.turn();
    assert_eq!(case.world.wire(1).read, there, "its next request is read");
    // Even an hour changes nothing, because a connection that waits is not idle.
    case.world.pass(3_600_000);
    case.turn();
    assert!((1..4).all(|client| case.world.wire(client).closed.is_none()));
}

#[test]
fn news_of_an_upload_that_a_full_lane_has_does_not_wait_behind_new_requests() {
    let mut case = Case::new(|lanes| lanes.capacity = 1);
    let upload = Ask { body: 1_000, ..UPLOAD };
    let ends = case.client(&[upload]);
    case.sent(ends[0] - 500).take();
    for client in 1..4 {
        let ends = case.client(&[GET]);
        case.world.deliver(client, ends[0]);
        case.turn();
    }
    // One of the three is given, two wait. The rest of the upload passes them.
    case.world.deliver(0, 500);
    case.turn().world.take_events().unwrap();
    // It takes the body, then answers.
    case.says(0).says(0);
    assert_eq!(case.answers(), 1);
}

/// The last request of its connection.
const LAST: Ask = Ask { fields: "Connection: close\r\n", ..GET };

impl Case {
    /// The thread breaks off an answer that has begun.
    fn aborts(&mut self, id: u32) -> &mut Self {
        self.world.abort(id);
        self.turn()
    }
}

#[test]
fn an_answer_that_breaks_off_at_once_is_sent_as_far_as_it_came() {
    for (ask, form) in [(GET, Form::Chunked), (LAST, Form::Declared), (OLD, Form::UntilClose)] {
        let mut case = Case::new(|_| {});
        let ends = case.client(&[ask]);
        case.sent(ends[0]).take().means(0, form).says(0);
        let there = case.wire().output.len();
        assert!(there > 100, "its head, and its body");
        case.aborts(0);
        assert_eq!(case.wire().output.len(), there);
        // A reset would throw away what the client has not got.
        assert_eq!(case.wire().closed.is_some(), form != Form::UntilClose, "{form:?}");
        case.wire().take(there);
        case.world.pass(100);
        case.turn();
        assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::Aborted)));
        assert_eq!(case.wire().broken, form == Form::UntilClose);
    }
}

#[test]
fn an_answer_that_breaks_off_before_its_turn_takes_no_other_along() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, GET, GET]);
    case.sent(ends[2]).take().means(1, Form::Chunked).says(1).aborts(1);
    assert!(case.wire().closed.is_none());
    case.says(0);
    assert_eq!(case.answers(), 2);
    assert!(case.wire().closed.is_some(), "nothing is answered behind it");
}

#[test]
fn a_client_that_leaves_is_let_go_whatever_its_last_request_said() {
    let http10 = Ask { line: "GET HTTP/1.0", ..GET };
    for ask in [GET, LAST, http10, UPLOAD] {
        let mut case = Case::new(|lanes| lanes.in_flight = Some(1));
        let ends = case.client(&[ask]);
        case.sent(ends[0]).take();
        case.wire().send_leave();
        // The checks of the world see that the thread is told.
        case.turn().take();
        assert!(case.world.has_open(0));
        case.world.pass(1_100);
        case.turn().take();
        assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::Aborted)));
        assert!(!case.world.has_open(0), "its place is free");
    }
}

#[test]
fn a_client_that_ends_its_side_has_time_for_its_answer() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[LAST]);
    case.sent(ends[0]).take();
    case.wire().send_eof();
    case.turn().take();
    case.world.pass(900);
    case.turn().says(0);
    assert_eq!(case.answers(), 1);
}

#[test]
fn a_stream_to_a_client_that_ended_its_side_goes_on_while_it_gets_on() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[LAST]);
    case.sent(ends[0]).take().means(0, Form::Chunked).says(0);
    case.wire().send_eof();
    case.turn().take();
    case.world.pass(400);
    case.turn().says(0);
    case.world.pass(400);
    case.turn();
    assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::Served)));
}

/// What the link has taken is not sent. Without a reset the client would take the part that
/// it has got for the whole.
#[test]
fn an_answer_whose_end_stays_in_the_link_is_broken_off() {
    let mut case = Case::over_toy_links();
    let ends = case.client(&[OLD]);
    case.wire().capacity = 50;
    case.sent(ends[0]).turn().take().means(0, Form::UntilClose);
    while case.world.has_open(0) {
        case.says(0);
    }
    for _ in 0..5 {
        case.world.pass(31_000);
        case.turn();
    }
    let wire = case.wire();
    assert_eq!(wire.closed.map(|(reason, _)| reason), Some(Some(CloseReason::WriteTimeout)));
    assert!(wire.broken && wire.output.len() <= 50, "{} bytes", wire.output.len());
}

/// The link takes each answer, and the client none: it is late all the same.
#[test]
fn what_the_link_takes_is_no_progress_of_its_client() {
    let mut case = Case::over_toy_links();
    let ends = case.client(&[GET; 5]);
    case.wire().capacity = 50;
    case.sent(ends[4]).turn().take();
    for id in 0..5 {
        if case.world.has_open(id) {
            case.says(id);
        }
        case.world.pass(10_000);
        case.turn().take();
    }
    assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::WriteTimeout)));
}

#[test]
fn a_stream_whose_lane_dies_is_broken_off() {
    let mut case = Case::new(|_| {});
    let ends = case.client(&[GET, GET]);
    case.sent(ends[1]).take().means(0, Form::Chunked).says(0);
    case.world.replace_lane(0, false);
    case.turn();
    assert_eq!(case.answers(), 1, "{}", case.output());
    assert_eq!(case.wire().closed.map(|(reason, _)| reason), Some(Some(CloseReason::Aborted)));
}
