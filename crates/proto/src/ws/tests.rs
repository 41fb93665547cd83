//! Whole conversations, however their bytes are cut.

mod autobahn;
mod deflate;
mod extensions;
mod frames;
mod handshake;
mod limits;
mod properties;
mod splits;

use super::*;

/// What a receiver was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// Everything that a receiver was told, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    pub(super) told: Vec<Told>,
    pub(super) error: Option<ReceiveError>,
    /// Bytes left unused.
    pub(super) left: usize,
}

/// A receiver: decoder, assembler and decompressor, as a server puts them together.
pub(super) struct Receiver {
    decoder: Decoder,
    assembler: Assembler,
    inflater: Option<Inflater>,
    limits: Limits,
    pending: Vec<u8>,
    pub(super) story: Story,
}

impl Receiver {
    pub(super) fn new(role: Role, inflater: Option<Inflater>, limits: Limits) -> Self {
        Self {
            decoder: Decoder::new(role, inflater.is_some()),
            assembler: Assembler::default(),
            inflater,
            limits,
            pending: Vec::new(),
            story: Story::default(),
        }
    }

    pub(super) fn receive(&mut self, segment: &[u8]) {
        if self.story.error.is_none() {
            self.pending.extend_from_slice(segment);
            let mut pending = std::mem::take(&mut self.pending);
            let (used, result) = self.read(&mut pending);
            if let Err(error) = result {
                self.story.error = Some(error);
                let again = self.decoder.decode(&mut pending[used..], &self.limits);
                assert!(again == Err(error) || self.inflater.is_some());
            } else {
                pending.drain(..used);
                assert!(pending.len() < 140, "more is held back than a control frame has");
            }
            self.story.left = pending.len();
            self.pending = pending;
        }
    }

    fn read(&mut self, pending: &mut [u8]) -> (usize, Result<(), ReceiveError>) {
        let mut at = 0;
        loop {
            let (used, event) = match self.decoder.decode(&mut pending[at..], &self.limits) {
                Ok(found) => found,
                Err(error) => return (at, Err(error)),
            };
            at += used;
            let told = match event {
                Event::Incomplete => return (at, Ok(())),
                Event::Ping(payload) => Told::Ping(payload.to_vec()),
                Event::Pong(payload) => Told::Pong(payload.to_vec()),
                Event::Close(Close { code, reason }) => Told::Close(code, reason.to_owned()),
                Event::Data(data) => {
                    let Some(whole) = self.assembler.push(data) else { continue };
                    let mut bytes = Vec::new();
                    if whole.compressed {
                        let inflater = self.inflater.as_mut().expect("agreed on");
                        let Whole { kind, bytes: compressed, .. } = whole;
                        let done = inflater.message(kind, compressed, &mut bytes, &self.limits);
                        assert!(bytes.len() as u64 <= self.limits.message + 1);
                        if let Err(error) = done {
                            return (at, Err(error));
                        }
                    } else {
                        bytes.extend_from_slice(whole.bytes);
                    }
                    if whole.kind == Kind::Text {
                        assert!(std::str::from_utf8(&bytes).is_ok());
                    }
                    let told = Told::Message(whole.kind, bytes);
                    self.assembler.clear();
                    told
                }
            };
            self.story.told.push(told);
        }
    }
}

/// What a server is told by `bytes`, which arrive in `segments`.
pub(super) fn served<'b>(segments: impl IntoIterator<Item = &'b [u8]>, limits: Limits) -> Story {
    let mut receiver = Receiver::new(Role::Server, None, limits);
    segments.into_iter().for_each(|segment| receiver.receive(segment));
    receiver.story
}

pub(super) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: any first byte, any payload.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Frame::TEXT.write_masked(&mut frame, KEY, payload);
    frame[0] = first;
    frame
}

pub(super) fn text(payload: &str) -> Told {
    Told::Message(Kind::Text, payload.as_bytes().to_vec())
}
