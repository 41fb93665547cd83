//! Every case runs whole, at every two-way split and byte by byte. All must agree.

use super::*;

mod body;
mod head;
mod meaning;
mod properties;

/// The result of one run over some input, whatever pieces the body came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Story {
    requests: Vec<Request>,
    error: Option<RequestError>,
    /// Bytes not used up.
    left: usize,
    between_requests: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
    trailers: Vec<u8>,
    complete: bool,
}

/// Feeds `segments` one after the other, as a connection would.
fn run<'a>(segments: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Story {
    let (mut decoder, mut head, mut story) =
        (Decoder::default(), Head::default(), Story::default());
    let mut pending: Vec<u8> = Vec::new();
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            match decoder.decode(&pending, &mut head, limits) {
                Err(error) => {
                    assert_eq!(decoder.decode(&pending, &mut head, limits), Err(error));
                    story.error = Some(error);
                    return story;
                }
                Ok((used, event)) => {
                    assert!(used <= pending.len());
                    match event {
                        Event::Incomplete => {}
                        Event::Head => story.requests.push(Request {
                            head: pending[used - head.len()..used].to_vec(),
                            body: Vec::new(),
                            trailers: Vec::new(),
                            complete: head.framing() == Framing::None,
                        }),
                        Event::Data { start, end } => {
                            assert!(start < end && end == used);
                            let request = story.requests.last_mut().expect("a head before data");
                            assert!(!request.complete);
                            request.body.extend_from_slice(&pending[start..end]);
                        }
                        Event::Trailers { start, end } => {
                            assert!(start < end && end == used);
                            let request =
                                story.requests.last_mut().expect("a head before trailers");
                            assert!(!request.complete);
                            request.trailers.extend_from_slice(&pending[start..end]);
                        }
                        Event::End => {
                            let request = story.requests.last_mut().expect("a head before the end");
                            assert!(!std::mem::replace(&mut request.complete, true));
                        }
                    }
                    assert_eq!(
                        decoder.in_body(),
                        story.requests.last().is_some_and(|request| !request.complete)
                    );
                    pending.drain(..used);
                    if event == Event::Incomplete {
                        break;
                    }
                }
            }
        }
    }
    story.left = pending.len();
    story.between_requests = decoder.is_between_requests();
    story
}

/// The story of `input`, checked to be the same for every way to cut it.
fn story_with(input: &[u8], limits: &Limits) -> Story {
    let whole = run([input], limits);
    assert_eq!(run(input.chunks(1), limits), whole, "byte by byte: {}", input.escape_ascii());
    for at in 0..=input.len().min(2000) {
        let (a, b) = input.split_at(at);
        assert_eq!(run([a, b], limits), whole, "split at {at}: {}", input.escape_ascii());
    }
    whole
}

fn story(input: impl AsRef<[u8]>) -> Story {
    story_with(input.as_ref(), &Limits::default())
}

/// Parses one complete head.
fn parsed(input: &[u8]) -> Head {
    let mut head = Head::default();
    let (used, event) = Decoder::default()
        .decode(input, &mut head, &Limits::default())
        .unwrap_or_else(|error| panic!("{}: {error}", input.escape_ascii()));
    assert_eq!((used, event), (input.len(), Event::Head), "{}", input.escape_ascii());
    head
}

const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";

/// `input` is refused with `error`, and nothing behind it is read as a request.
#[track_caller]
fn refused(input: impl AsRef<[u8]>, error: RequestError) {
    let input = input.as_ref();
    let bytes = [input, CANARY.as_bytes()].concat();
    let story = story(&bytes);
    assert_eq!(story.error, Some(error), "{}", input.escape_ascii());
    assert!(
        story.requests.iter().all(|request| !request.head.starts_with(b"GET /canary")),
        "{}",
        input.escape_ascii()
    );
}

/// `input` is one complete request with `body`, and the next starts right after it.
#[track_caller]
fn accepted(input: impl AsRef<[u8]>, body: &str) {
    let input = input.as_ref();
    let story = story([input, CANARY.as_bytes()].concat());
    assert_eq!(story.error, None, "{}", input.escape_ascii());
    assert_eq!(story.requests.len(), 2, "{}", input.escape_ascii());
    assert_eq!(story.requests[0].body, body.as_bytes(), "{}", input.escape_ascii());
    assert_eq!(story.requests[1].head, CANARY.as_bytes(), "{}", input.escape_ascii());
    assert!(story.between_requests && story.left == 0);
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}
