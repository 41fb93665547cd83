//! What the codec targets share: the outcome of decoding some bytes, in a form
//! that can be compared between two ways of cutting them.

#![forbid(unsafe_code)]

use reactor_proto::{Decoder, Event, Framing, Head, Limits, RequestError};

/// One request: its head, and its body's bytes so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The head's bytes.
    pub head: Vec<u8>,
    /// Everything that was read out of the head.
    pub meaning: String,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// The lines of its trailers.
    pub trailers: Vec<u8>,
    /// Whether the body has ended.
    pub complete: bool,
}

/// What some bytes were decoded to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The requests in order.
    pub requests: Vec<Request>,
    /// The fault that ended it.
    pub error: Option<RequestError>,
    /// Bytes left unconsumed.
    pub left: usize,
}

/// Decodes `segments` as a connection would receive them, and asserts what has
/// to hold for each call.
pub fn decode<'b>(segments: impl IntoIterator<Item = &'b [u8]>, limits: &Limits) -> Story {
    let (mut decoder, mut head, mut story) =
        (Decoder::default(), Head::default(), Story::default());
    let mut pending: Vec<u8> = Vec::new();
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            let (used, event) = match decoder.decode(&pending, &mut head, limits) {
                Ok(found) => found,
                Err(error) => {
                    assert_eq!(decoder.decode(&pending, &mut head, limits), Err(error));
                    assert!((400..=505).contains(&error.status()));
                    story.error = Some(error);
                    return story;
                }
            };
            assert!(used <= pending.len());
            match event {
                Event::Incomplete => {}
                Event::Head => story.requests.push(request(&pending[..used], &head, limits)),
                Event::Data { start, end } => {
                    assert!(start < end && end == used);
                    let request = story.requests.last_mut().expect("a head before data");
                    assert!(!request.complete);
                    request.body.extend_from_slice(&pending[start..end]);
                    assert!(request.body.len() as u64 <= limits.body);
                }
                Event::Trailers { start, end } => {
                    assert!(start < end && end == used);
                    let request = story.requests.last_mut().expect("a head before trailers");
                    assert!(!request.complete);
                    request.trailers.extend_from_slice(&pending[start..end]);
                    assert!(request.trailers.len() <= limits.trailers);
                }
                Event::End => {
                    let request = story.requests.last_mut().expect("a head before the end");
                    assert!(!std::mem::replace(&mut request.complete, true));
                }
            }
            pending.drain(..used);
            if event == Event::Incomplete {
                break;
            }
        }
        assert!(pending.len() <= limits.head, "more is held back than a head may have");
    }
    story.left = pending.len();
    story
}

fn request(used: &[u8], head: &Head, limits: &Limits) -> Request {
    let bytes = &used[used.len() - head.len()..];
    assert!(bytes.ends_with(b"\r\n\r\n") && bytes.len() <= limits.head);
    assert!(head.fields().len() <= limits.fields);
    // A CR or LF inside any part would be a second line for whoever prints it.
    let clean = |part: &[u8]| assert!(!part.iter().any(|byte| b"\r\n\0".contains(byte)));
    clean(head.target().of(bytes));
    for field in head.fields() {
        assert!(!field.name.is_empty());
        clean(field.name.of(bytes));
        clean(field.value.of(bytes));
    }
    Request {
        head: bytes.to_vec(),
        meaning: format!("{head:?}"),
        body: Vec::new(),
        trailers: Vec::new(),
        complete: head.framing() == Framing::None,
    }
}
