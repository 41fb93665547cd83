use super::super::frame::{self, DEFAULT_MAX, HEADER, PREFACE, flag, kind};
use super::super::{MessageError, Priority, Setting, SettingsFrame};
use super::*;

mod order;
mod properties;
mod rules;

/// `GET / HTTP/2.0` for the host `a`, from the static table.
const GET: &[u8] = b"\x82\x86\x84\x41\x01a";
/// `POST` for the same, with a body of any length.
const POST: &[u8] = b"\x83\x86\x84\x41\x01a";
/// `x: y`, not indexed.
const FIELD: &[u8] = b"\0\x01x\x01y";

/// One or more frames.
fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// A frame of any type.
fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    bytes(|out| {
        frame::header(out, payload.len(), kind, flags, stream);
        out.extend_from_slice(payload);
    })
}

fn headers(stream: u32, block: &[u8], end_stream: bool) -> Vec<u8> {
    bytes(|out| frame::headers(out, stream, block, end_stream, DEFAULT_MAX))
}

fn data(stream: u32, payload: &[u8], end_stream: bool) -> Vec<u8> {
    raw(kind::DATA, u8::from(end_stream), stream, payload)
}

/// What a client sends first.
fn opening() -> Vec<u8> {
    bytes(|out| {
        out.extend_from_slice(PREFACE);
        frame::settings(out, &[]);
    })
}

/// An event, with what the caller's buffers had.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Event(Event),
    /// The text of a request or of trailers.
    Text(String),
    /// The pieces of one frame, joined.
    Data {
        stream: u32,
        bytes: Vec<u8>,
        flow: u32,
        end_stream: bool,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Story {
    told: Vec<Told>,
    error: Option<ConnectionError>,
}

/// A connection whose received bytes come in any segments.
struct Receiver {
    decoder: Decoder,
    limits: Limits,
    head: Head,
    text: Vec<u8>,
    buf: Vec<u8>,
    story: Story,
}

impl Receiver {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            limits: Limits::default(),
            head: Head::default(),
            text: Vec::new(),
            buf: Vec::new(),
            story: Story::default(),
        }
    }

    fn receive(&mut self, segment: &[u8]) {
        self.buf.extend_from_slice(segment);
        while self.story.error.is_none() {
            let Self { decoder, limits, head, text, buf, .. } = self;
            match decoder.decode(buf, head, text, limits) {
                Ok((used, event)) => {
                    assert!(used > 0 || event == Event::Incomplete, "{event:?} used nothing");
                    self.tell(event);
                    self.buf.drain(..used);
                    if event == Event::Incomplete {
                        break;
                    }
                }
                Err(error) => {
                    let again = decoder.decode(b"", head, text, limits);
                    assert_eq!(again, Err(error));
                    self.story.error = Some(error);
                }
            }
        }
        assert!(self.story.error.is_some() || self.buf.len() < HEADER + DEFAULT_MAX);
    }

    fn tell(&mut self, event: Event) {
        let told = &mut self.story.told;
        match event {
            Event::Incomplete => {}
            Event::Data { stream, start, end, flow, end_stream } => {
                let piece = &self.buf[start..end];
                if let (false, 0, Some(Told::Data { bytes, end_stream: is_over, .. })) =
                    (piece.is_empty(), flow, told.last_mut())
                {
                    bytes.extend_from_slice(piece);
                    *is_over = end_stream;
                } else {
                    let bytes = piece.to_vec();
                    told.push(Told::Data { stream, bytes, flow, end_stream });
                }
            }
            _ => told.push(Told::Event(event)),
        }
        if matches!(event, Event::Request { .. } | Event::Trailers { .. }) {
            told.push(Told::Text(String::from_utf8(self.text.clone()).unwrap()));
        }
    }
}

/// What a client's first bytes and `frames` come to, after [`Event::Preface`] and the first
/// settings.
fn story(frames: &[Vec<u8>]) -> Story {
    story_with(&Limits::default(), frames)
}

fn story_with(limits: &Limits, frames: &[Vec<u8>]) -> Story {
    let mut receiver = Receiver::new();
    receiver.limits = limits.clone();
    receiver.receive(&opening());
    assert_eq!(receiver.story.told.len(), 2);
    receiver.story.told.clear();
    receiver.receive(&frames.concat());
    receiver.story
}

/// The events of `frames`, which have no fault.
fn events(frames: &[Vec<u8>]) -> Vec<Told> {
    let story = story(frames);
    assert_eq!(story.error, None);
    story.told
}

/// The code that `frames` end the connection with.
fn code(frames: &[Vec<u8>]) -> &'static str {
    story(frames).error.map_or("none", |error| error.code.name())
}
