//! Any bytes as what one side of HTTP/2 receives: the same events however they are cut, for the
//! server and for the client. The first byte chooses the side, the limits and whether the
//! bytes come behind a right opening; the second chooses the length of the segments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_proto::h2::{ConnectionError, Decoder, Event, client, frame};
use reactor_proto::{Head, Limits};

/// What one side is told: events, each with its text or its data.
#[derive(Debug, Default, PartialEq)]
struct Story {
    told: Vec<(String, Vec<u8>)>,
    error: Option<ConnectionError>,
}

impl Story {
    /// A piece of data; the pieces of one frame are joined.
    fn data(&mut self, name: String, flow: u32, piece: &[u8], ends: bool) {
        match self.told.last_mut() {
            Some((_, bytes)) if flow == 0 && !piece.is_empty() => bytes.extend_from_slice(piece),
            _ => self.told.push((format!("{name} {flow}"), piece.to_vec())),
        }
        if ends {
            self.told.push(("end".to_owned(), Vec::new()));
        }
    }
}

/// The larger of the frames that wait to be whole.
const MOST_LEFT: usize = frame::HEADER + frame::DEFAULT_MAX;

/// What a server is told.
fn serve<'b>(segments: impl Iterator<Item = &'b [u8]>, limits: &Limits) -> Story {
    let (mut decoder, mut head, mut text) = (Decoder::new(), Head::default(), Vec::new());
    decoder.takes_extended_connect(limits.fields % 2 == 0);
    let (mut pending, mut story) = (Vec::new(), Story::default());
    let mut highest = 0;
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            let (used, event) = match decoder.decode(&pending, &mut head, &mut text, limits) {
                Ok(found) => found,
                Err(error) => {
                    assert_eq!(decoder.decode(b"", &mut head, &mut text, limits), Err(error));
                    story.error = Some(error);
                    return story;
                }
            };
            assert!(used <= pending.len() && (used > 0 || event == Event::Incomplete));
            match event {
                Event::Incomplete => {
                    pending.drain(..used);
                    break;
                }
                Event::Data { stream, start, end, flow, end_stream } => {
                    assert!(stream <= highest && start <= end && end <= used);
                    story.data(format!("data {stream}"), flow, &pending[start..end], end_stream);
                }
                Event::Request { stream, .. } => {
                    assert!(stream > highest && stream % 2 == 1);
                    assert_eq!(head.len(), text.len());
                    assert!(text.ends_with(b"\r\n\r\n") && text.len() <= 8 * limits.head + 4096);
                    highest = stream;
                    story.told.push((format!("{event:?} {head:?}"), text.clone()));
                }
                Event::Trailers { .. } => story.told.push((format!("{event:?}"), text.clone())),
                _ => story.told.push((format!("{event:?}"), Vec::new())),
            }
            highest = highest.max(decoder.highest_stream());
            pending.drain(..used);
        }
        assert!(pending.len() < MOST_LEFT);
    }
    story
}

/// What a client is told that has begun the streams up to 9.
fn ask<'b>(segments: impl Iterator<Item = &'b [u8]>) -> Story {
    let mut decoder = client::Decoder::new();
    decoder.opened(9);
    let (mut pending, mut story) = (Vec::new(), Story::default());
    for segment in segments {
        pending.extend_from_slice(segment);
        loop {
            let told = &mut story.told;
            let decoded = decoder.decode(&pending, &mut |name, value| {
                told.push((name.escape_ascii().to_string(), value.to_vec()));
            });
            let (used, event) = match decoded {
                Ok(found) => found,
                Err(error) => {
                    story.error = Some(error);
                    return story;
                }
            };
            assert!(used <= pending.len() && (used > 0 || event == client::Event::Incomplete));
            match event {
                client::Event::Incomplete => {
                    pending.drain(..used);
                    break;
                }
                client::Event::Data { stream, start, end, flow, end_stream } => {
                    assert!(stream <= 9 && start <= end && end <= used);
                    story.data(format!("data {stream}"), flow, &pending[start..end], end_stream);
                }
                _ => story.told.push((format!("{event:?}"), Vec::new())),
            }
            pending.drain(..used);
        }
        assert!(pending.len() < MOST_LEFT);
    }
    story
}

fuzz_target!(|data: &[u8]| {
    let [mode, size, bytes @ ..] = data else { return };
    let size = usize::from(*size).max(1);
    let mut limits = Limits::default();
    if mode & 2 != 0 {
        // Small enough for short inputs to meet all of them.
        limits = Limits { request_line: 48, head: 256, fields: 5, trailers: 80, ..limits };
    }
    let mut input = Vec::new();
    if mode & 4 != 0 {
        if mode & 1 == 0 {
            input.extend_from_slice(frame::PREFACE);
        }
        frame::settings(&mut input, &[]);
    }
    input.extend_from_slice(bytes);
    if mode & 1 == 0 {
        let whole = serve([&input[..]].into_iter(), &limits);
        assert_eq!(serve(input.chunks(size), &limits), whole);
        assert_eq!(serve(input.chunks(1), &limits), whole);
    } else {
        let whole = ask([&input[..]].into_iter());
        assert_eq!(ask(input.chunks(size)), whole);
        assert_eq!(ask(input.chunks(1)), whole);
    }
});
