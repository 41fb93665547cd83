//! Every case on the sans-IO codec: whole, split in two at every offset, byte by byte and in
//! uneven pieces. The verdict must be right, and the same each time.

use reactor_conformance::{
    AFTER, After, Answer, Asks, CANARY, Case, Expected, Layer, Segments, Sight, load, split_points,
};
use reactor_proto::{Decoder, Event, Framing, Head, Limits, RequestError};

#[test]
fn whole() {
    run("whole", |_| vec![Segments::Whole]);
}

/// Without anything behind the case: its own bytes must be enough for the verdict.
#[test]
fn alone() {
    let alone = |case: &Case| Tail::alone(case).into_iter().collect();
    run_with("lone", alone, |_| vec![Segments::Whole, Segments::Bytes]);
}

#[test]
fn every_split() {
    run("split", |bytes| split_points(bytes).into_iter().map(Segments::Split).collect());
}

#[test]
fn byte_by_byte() {
    run("byte by byte", |_| vec![Segments::Bytes]);
}

#[test]
fn uneven_pieces() {
    run("uneven", |_| (1..=20).map(Segments::Seeded).collect());
}

/// Runs all cases, with the request behind them, in the segmentations that `cuts` gives.
fn run(kind: &str, cuts: impl Fn(&[u8]) -> Vec<Segments>) {
    run_with(kind, |case| vec![Tail::behind(case)], cuts);
}

fn run_with(kind: &str, tails: impl Fn(&Case) -> Vec<Tail>, cuts: impl Fn(&[u8]) -> Vec<Segments>) {
    let mut failures = Vec::new();
    let mut runs = 0;
    for case in load().expect("the corpus loads") {
        if case.layer == Layer::Socket {
            continue;
        }
        for tail in tails(&case) {
            let limits = limits(&case);
            let stream = [&case.bytes, tail.bytes()].concat();
            let whole = decode(&stream, Segments::Whole, &limits);
            for segments in cuts(&stream) {
                runs += 1;
                let outcome = decode(&stream, segments, &limits);
                let verdict = judge(&case, tail, segments, &outcome).and_then(|()| {
                    if outcome.meaning() == whole.meaning() {
                        Ok(())
                    } else {
                        Err(format!("whole gives {whole:?}, pieces give {outcome:?}"))
                    }
                });
                if let Err(what) = verdict {
                    let what = what.chars().take(600).collect::<String>();
                    failures.push(describe(&case, segments, &what));
                    break;
                }
            }
        }
    }
    assert!(runs > 1000, "only {runs} runs: the corpus is not all there");
    let shown = failures.join("\n");
    assert!(failures.is_empty(), "{} of the {kind} streams fail:\n{shown}", failures.len());
}

fn describe(case: &Case, segments: Segments, what: &str) -> String {
    let bytes = case.bytes[..case.bytes.len().min(200)].escape_ascii();
    let row = case.row.map_or("answers".to_owned(), |row| format!("row {row}"));
    format!("{} {row} {:?} {segments:?}: {what}\n    {bytes}", case.source, case.name)
}

/// What comes after the bytes of the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Nothing,
    Canary,
    After,
}

impl Tail {
    fn behind(case: &Case) -> Self {
        match case.after() {
            _ if case.eof => Self::Nothing,
            After::Close => Self::Canary,
            // The codec fails for good or goes on. A request that may be served shows which.
            After::Keep | After::Either => Self::After,
        }
    }

    /// Nothing, if the case can be judged without bytes behind it.
    fn alone(case: &Case) -> Option<Self> {
        (!case.lazy && case.after() != After::Either).then_some(Self::Nothing)
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::Canary => CANARY,
            Self::After => AFTER,
        }
    }
}

fn limits(case: &Case) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in &case.limits {
        let size = usize::try_from(*value).expect("a limit that fits");
        match name.as_str() {
            "request_line" => limits.request_line = size,
            "head" => limits.head = size,
            "fields" => limits.fields = size,
            "body" => limits.body = *value,
            "chunk_extensions" => limits.chunk_extensions = size,
            "trailers" => limits.trailers = size,
            _ => panic!("{}: no limit is called {name:?}", case.source),
        }
    }
    limits
}

/// A complete request as the codec gives it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Message {
    head: Vec<u8>,
    method: Vec<u8>,
    target: Vec<u8>,
    host: Option<Vec<u8>>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    keep_alive: bool,
    asks_continue: bool,
    asks_upgrade: bool,
}

/// All that the codec reads from a stream.
#[derive(Debug, Default)]
struct Outcome {
    complete: Vec<Message>,
    /// A head whose body did not end.
    open: Option<Message>,
    error: Option<RequestError>,
    /// How many bytes had been presented when the error came.
    error_at: usize,
    /// No error, and the end of the stream is between two requests.
    clean: bool,
    /// Reading stopped after a request that ends the connection.
    closed: bool,
    /// The largest number of bytes that the codec left for next time.
    kept: usize,
}

impl Outcome {
    /// The part that must not depend on the segmentation.
    fn meaning(&self) -> (&[Message], Option<&Message>, Option<RequestError>, bool, bool) {
        (&self.complete, self.open.as_ref(), self.error, self.clean, self.closed)
    }
}

/// Feeds `bytes` to a decoder the way a connection does.
fn decode(bytes: &[u8], segments: Segments, limits: &Limits) -> Outcome {
    let mut decoder = Decoder::default();
    let mut head = Head::default();
    let mut outcome = Outcome::default();
    let mut start = 0;
    for piece in segments.pieces(bytes.len()) {
        let mut fruitless = 0;
        loop {
            let input = &bytes[start..piece.end];
            let (used, event) = match decoder.decode(input, &mut head, limits) {
                Ok(step) => step,
                Err(error) => {
                    if outcome.error.is_none() {
                        outcome.error_at = piece.end;
                    }
                    // It stays failed, whatever comes next.
                    assert!(
                        outcome.error.is_none_or(|first| first == error),
                        "{error:?} came later"
                    );
                    outcome.error = Some(error);
                    break;
                }
            };
            assert!(outcome.error.is_none(), "{event:?} after {:?}", outcome.error);
            assert!(used <= input.len(), "used {used} of {}", input.len());
            start += used;
            match event {
                Event::Incomplete => break,
                Event::Head => {
                    assert!(outcome.open.is_none(), "a head inside a body");
                    let begin = used.checked_sub(head.len()).expect("a head within the used bytes");
                    let message = message(&head, &input[begin..used]);
                    outcome.open = Some(message);
                    if head.framing() == Framing::None {
                        outcome.complete.extend(outcome.open.take());
                    }
                }
                Event::Data { start, end } => {
                    assert!(start < end && end <= used, "data {start}..{end} of {used} used");
                    let open = outcome.open.as_mut().expect("data without a head");
                    open.body.extend_from_slice(&input[start..end]);
                }
                Event::Trailers { start, end } => {
                    assert!(start < end && end <= used, "trailers {start}..{end} of {used} used");
                    assert!(outcome.open.is_some(), "trailers without a head");
                }
                Event::End => {
                    outcome.complete.push(outcome.open.take().expect("an end without a head"));
                }
            }
            fruitless = if used == 0 { fruitless + 1 } else { 0 };
            assert!(fruitless < 3, "{event:?} again and again");
            assert_eq!(decoder.in_body(), outcome.open.is_some(), "in_body after {event:?}");
            if outcome.open.is_none()
                && outcome.complete.last().is_some_and(|last| !last.keep_alive)
            {
                outcome.closed = true;
                return outcome;
            }
        }
        if outcome.error.is_none() {
            outcome.kept = outcome.kept.max(piece.end - start);
        }
    }
    outcome.clean =
        outcome.error.is_none() && decoder.is_between_requests() && start == bytes.len();
    outcome
}

fn message(head: &Head, bytes: &[u8]) -> Message {
    let fields = head
        .fields()
        .iter()
        .map(|field| (field.name.of(bytes).to_vec(), field.value.of(bytes).to_vec()));
    Message {
        head: bytes.to_vec(),
        method: head.method_token().of(bytes).to_vec(),
        target: head.target().of(bytes).to_vec(),
        host: head.host().map(|host| host.of(bytes).to_vec()),
        fields: fields.collect(),
        body: Vec::new(),
        keep_alive: head.keep_alive(),
        asks_continue: head.expect_continue(),
        asks_upgrade: head.upgrade(),
    }
}

/// Compares what the codec read with what the case expects.
fn judge(case: &Case, tail: Tail, segments: Segments, outcome: &Outcome) -> Result<(), String> {
    let limits = limits(case);
    let bound = limits.head.max(limits.trailers).max(limits.chunk_extensions) + 64;
    if outcome.kept > bound {
        return Err(format!("{} bytes are kept, over {bound}", outcome.kept));
    }
    let mut messages = outcome.complete.iter();
    let mut refused = false;
    let mut served = true;
    for answer in case.answers.iter().filter(|answer| !answer.is_interim()) {
        served = match messages.next() {
            Some(message) if answer.may_accept() => {
                compare(answer, message)?;
                if answer.after == After::Close && message.keep_alive {
                    return Err("the request should end the connection".into());
                }
                if answer.after == After::Keep && !message.keep_alive {
                    return Err("the request should keep the connection".into());
                }
                true
            }
            Some(message) => return Err(format!("accepted: {}", message.head.escape_ascii())),
            None => match outcome.error {
                Some(error) if refused => return Err(format!("{error:?} for a second answer")),
                Some(error) if answer.may_reject() && answer.statuses.contains(&error.status()) => {
                    refused = true;
                    false
                }
                Some(error) => {
                    return Err(format!("{} {error:?}, not {:?}", error.status(), answer.statuses));
                }
                None if answer.optional && !outcome.clean => false,
                None => return Err(format!("no verdict where {:?} is due", answer.statuses)),
            },
        };
    }
    if let (Some(error), false) = (outcome.error, refused) {
        return Err(format!("{error:?} after everything was answered"));
    }
    // If the bytes come one by one, the refusal comes with the byte that decides.
    if let (Some(by), Segments::Bytes, true) = (case.by, segments, refused)
        && outcome.error_at > by
    {
        return Err(format!("refused only at byte {}, not by {by}", outcome.error_at));
    }
    if served && !outcome.closed {
        if tail == Tail::After {
            match messages.next() {
                Some(after) if after.target == b"/after" && after.body.is_empty() => {}
                other => return Err(format!("the next request is lost: {other:?}")),
            }
        }
        if !outcome.clean {
            return Err(format!("the end is not clean: {:?}", outcome.open));
        }
    }
    match messages.next() {
        None => Ok(()),
        Some(message) => Err(format!("one too many: {}", message.head.escape_ascii())),
    }
}

/// Compares an accepted request with what a handler must see.
fn compare(answer: &Answer, message: &Message) -> Result<(), String> {
    for asks in &answer.asks {
        let holds = match asks {
            Asks::Upgrade => message.asks_upgrade,
            Asks::NoUpgrade => !message.asks_upgrade,
            Asks::Continue => message.asks_continue,
            Asks::NoContinue => !message.asks_continue,
        };
        if !holds {
            return Err(format!("the request should ask {asks:?}"));
        }
    }
    let Sight::Exactly(Expected { method, target, body, host, fields, lacks }) = &answer.sight
    else {
        return Ok(());
    };
    let same = |what: &str, got: &[u8], due: &[u8]| {
        if got == due {
            return Ok(());
        }
        Err(format!("{what} is \"{}\", not \"{}\"", got.escape_ascii(), due.escape_ascii()))
    };
    same("the method", &message.method, method)?;
    same("the target", &message.target, target)?;
    same("the body", &message.body, body)?;
    if let Some(host) = host {
        same("the host", message.host.as_deref().unwrap_or_default(), host)?;
    }
    let values = |name: &str| -> Vec<&[u8]> {
        let named = |(field, _): &&(Vec<u8>, Vec<u8>)| field.eq_ignore_ascii_case(name.as_bytes());
        message.fields.iter().filter(named).map(|(_, value)| value.as_slice()).collect()
    };
    for (name, value) in fields {
        match values(name)[..] {
            [got] => same(name, got, value)?,
            ref all => return Err(format!("{name} occurs {} times", all.len())),
        }
    }
    for name in lacks {
        if !values(name).is_empty() {
            return Err(format!("{name} should not be there"));
        }
    }
    Ok(())
}

/// The judge notices when the codec does not do what a case says.
#[test]
fn each_wrong_expectation_is_noticed() {
    let get = r"| GET /p HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let post = r"| POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let bad = r"| GET /p HTTP/1.1\r\n\r\n";
    for (bytes, expectation, notice) in [
        (get, "-> 400", "accepted"),
        (get, "-> 200 close", "should end the connection"),
        (get, "-> 200\nsaw GET /q", "the target is"),
        (get, "-> 200\nsaw POST /p", "the method is"),
        (get, "-> 200\nsaw GET /p\nhost b", "the host is"),
        (get, "-> 200\nsaw GET /p\nfield X z", "X is"),
        (get, "-> 200\nsaw GET /p\nfield Z z", "Z occurs 0 times"),
        (get, "-> 200\nsaw GET /p\nlacks X", "X should not be there"),
        (get, "-> 200\nasks upgrade", "should ask Upgrade"),
        (get, "-> 200\n-> 200", "the next request is lost"),
        (post, "-> 200\nsaw POST /p", "the body is"),
        (bad, "-> 200", "HostMissing"),
        (bad, "-> 505", "HostMissing"),
        (bad, "-> 400 above", "HostMissing"),
        (r"| GET /p HTTP/1.0\r\n\r\n", "-> 200", "should keep the connection"),
        (r"| GET /p HTTP/1.1\r\nHost: a\r\n", "eof\n-> 200", "no verdict"),
        (r"| {\r\n*100}", "by 5\n-> 400", "refused only at byte"),
    ] {
        let text = format!("case - proof\n{bytes}\n{expectation}\n");
        let case = reactor_conformance::parse_text("proof", &text).expect("well-formed").remove(0);
        let tail = Tail::behind(&case);
        let stream = [&case.bytes, tail.bytes()].concat();
        let outcome = decode(&stream, Segments::Bytes, &limits(&case));
        let what = judge(&case, tail, Segments::Bytes, &outcome).expect_err(&text);
        assert!(what.contains(notice), "{text}gives {what:?}, not {notice:?}");
    }
}
