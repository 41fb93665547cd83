use std::borrow::Cow;

use super::frame::{DEFAULT_MAX, HEADER, PREFACE, flag, kind};
use super::{ConnectionError, ErrorCode, Event, Priority, SettingsFrame};
use crate::semantics::Limits;

/// A field block may have so many times its limit, as compressed, before the connection ends.
const EXCESS: usize = 4;

/// CONTINUATION frames that one field block may have (CVE-2024-27316), where its limit needs no more.
const MOST_CONTINUATIONS: usize = 8;

/// Which side receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

/// Frames of one connection: their sizes, their streams and their order. Field blocks are
/// only put together.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    role: Role,
    phase: Phase,
    /// The largest payload of a frame that this side takes.
    max_frame: usize,
    /// The last stream that the client began.
    highest: u32,
    /// The client left out the streams between these two, at last. It must not use them any
    /// more (RFC 9113 §5.1.1).
    skipped: (u32, u32),
    block: Option<Box<OpenBlock>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Preface,
    /// The first frame has to be SETTINGS (RFC 9113 §3.4).
    FirstSettings,
    Frame,
    /// Inside the data of a DATA frame, with this much to come; at least one byte.
    Data(Piece),
    /// Inside the padding of a DATA frame.
    Padding(usize),
    /// Inside a frame of an unknown type.
    Unknown(usize),
    Failed(ConnectionError),
}

/// A field block whose END_HEADERS is still to come.
#[derive(Clone, Debug)]
struct OpenBlock {
    bytes: Vec<u8>,
    start: BlockStart,
    continuations: usize,
}

/// What a HEADERS frame says beside its part of the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockStart {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    /// The frame began the stream.
    pub(super) is_first: bool,
    /// By the priorities of RFC 7540 the stream would depend on itself, a stream error
    /// (RFC 7540 §5.3.1).
    pub(super) is_own_parent: bool,
}

pub(super) enum Step<'b> {
    Event(Event),
    /// A whole field block.
    Block(BlockStart, Cow<'b, [u8]>),
}

#[derive(Clone, Copy)]
struct Header {
    len: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Header {
    fn read(input: &[u8]) -> Option<Self> {
        let &[l0, l1, l2, kind, flags, s0, s1, s2, s3] = input.first_chunk::<HEADER>()?;
        Some(Self {
            len: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            // The reserved bit is ignored (RFC 9113 §4.1).
            stream: u31([s0, s1, s2, s3]),
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn u31(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

type Block<'b> = (BlockStart, Cow<'b, [u8]>);
type Outcome<'b> = Result<(usize, Step<'b>), ConnectionError>;

const INCOMPLETE: Step<'static> = Step::Event(Event::Incomplete);

impl Frames {
    pub(super) fn new(role: Role) -> Self {
        let phase = match role {
            Role::Server => Phase::Preface,
            Role::Client => Phase::FirstSettings,
        };
        Self { role, phase, max_frame: DEFAULT_MAX, highest: 0, skipped: (0, 0), block: None }
    }

    pub(super) fn in_block(&self) -> bool {
        self.block.is_some()
    }

    pub(super) fn highest(&self) -> u32 {
        self.highest
    }

    /// The client's side has begun `stream`.
    pub(super) fn opened(&mut self, stream: u32) {
        self.highest = self.highest.max(stream);
    }

    /// SETTINGS_MAX_FRAME_SIZE of this side has changed.
    pub(super) fn takes_frames(&mut self, max: usize) {
        self.max_frame = max;
    }

    /// Each later call returns `error`.
    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.phase = Phase::Failed(error);
        self.block = None;
    }

    #[inline]
    pub(super) fn next<'b>(&mut self, input: &'b [u8], limits: &Limits) -> Outcome<'b> {
        let outcome = match self.phase {
            Phase::Frame | Phase::FirstSettings => self.frame(input, 0, limits),
            Phase::Preface => self.preface(input),
            Phase::Data(rest) => {
                if input.is_empty() {
                    return Ok((0, INCOMPLETE));
                }
                Ok(self.data_piece(input, 0, rest))
            }
            Phase::Padding(left) => {
                let used = self.skip(input.len(), left, Phase::Padding);
                if matches!(self.phase, Phase::Padding(_)) {
                    return Ok((used, INCOMPLETE));
                }
                self.frame(input, used, limits)
            }
            Phase::Unknown(left) => {
                let used = self.skip(input.len(), left, Phase::Unknown);
                let is_over = matches!(self.phase, Phase::Frame);
                Ok((used, if is_over { Step::Event(Event::Other) } else { INCOMPLETE }))
            }
            Phase::Failed(error) => return Err(error),
        };
        if let Err(error) = outcome {
            self.fail(error);
        }
        outcome
    }

    /// Uses up to `left` of `ready` bytes; what is still left is the next phase.
    fn skip(&mut self, ready: usize, left: usize, phase: fn(usize) -> Phase) -> usize {
        let used = left.min(ready);
        self.phase = if used == left { Phase::Frame } else { phase(left - used) };
        used
    }

    fn preface<'b>(&mut self, input: &'b [u8]) -> Outcome<'b> {
        let ready = input.len().min(PREFACE.len());
        if input[..ready] != PREFACE[..ready] {
            return Err(ConnectionError::protocol("the connection preface is wrong"));
        }
        if ready < PREFACE.len() {
            return Ok((0, INCOMPLETE));
        }
        self.phase = Phase::FirstSettings;
        Ok((ready, Step::Event(Event::Preface)))
    }

    /// Reads the frame that begins at `at`. Nothing of it is used before it is whole, except
    /// of DATA and unknown types.
    #[inline]
    fn frame<'b>(&mut self, input: &'b [u8], at: usize, limits: &Limits) -> Outcome<'b> {
        let bytes = input.get(at..).unwrap_or_default();
        let Some(header) = Header::read(bytes) else {
            return Ok((at, INCOMPLETE));
        };
        self.check_order(header)?;
        if header.len > self.max_frame {
            return Err(ConnectionError::frame_size("a frame is larger than the settings allow"));
        }
        if header.kind == kind::DATA {
            return self.data(input, at, header);
        }
        self.check(header)?;
        let Some(payload) = bytes.get(HEADER..HEADER + header.len) else {
            if is_known(header.kind) {
                return Ok((at, INCOMPLETE));
            }
            self.phase = Phase::Unknown(header.len - (bytes.len() - HEADER));
            return Ok((input.len(), INCOMPLETE));
        };
        self.phase = Phase::Frame;
        let end = at + HEADER + header.len;
        let block = match header.kind {
            kind::HEADERS => self.headers(header, payload, limits)?,
            kind::CONTINUATION => self.continuation(header, payload, limits)?,
            _ => return Ok((end, Step::Event(self.other(header, payload)?))),
        };
        match block {
            Some((start, block)) => Ok((end, Step::Block(start, block))),
            // The next CONTINUATION; there are not many.
            None => self.frame(input, end, limits),
        }
    }

    /// Whether a frame may come where it does.
    #[inline]
    fn check_order(&self, header: Header) -> Result<(), ConnectionError> {
        if let Some(block) = &self.block {
            if header.kind != kind::CONTINUATION || header.stream != block.start.stream {
                return Err(ConnectionError::protocol("another frame inside a field block"));
            }
        } else if header.kind == kind::CONTINUATION {
            return Err(ConnectionError::protocol("CONTINUATION without a field block"));
        }
        if matches!(self.phase, Phase::FirstSettings)
            && (header.kind != kind::SETTINGS || header.has(flag::ACK))
        {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
        }
        Ok(())
    }

    /// What the header of a frame alone makes wrong: its stream and its length.
    fn check(&self, header: Header) -> Result<(), ConnectionError> {
        let Header { len, kind, stream, .. } = header;
        match kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY | kind::PRIORITY_UPDATE if stream != 0 => {
                return Err(ConnectionError::protocol("a frame of the connection names a stream"));
            }
            kind::HEADERS | kind::PRIORITY | kind::RST_STREAM if stream == 0 => {
                return Err(ConnectionError::protocol("a frame of a stream names none"));
            }
            kind::RST_STREAM | kind::WINDOW_UPDATE if stream != 0 && self.is_idle(stream) => {
                return Err(ConnectionError::protocol("a frame for a stream that has not begun"));
            }
            kind::HEADERS if !is_of_client(stream) => {
                return Err(ConnectionError::protocol("HEADERS on a stream that no client begins"));
            }
            kind::HEADERS if self.role == Role::Client && self.is_idle(stream) => {
                return Err(ConnectionError::protocol("HEADERS on a stream that has not begun"));
            }
            kind::HEADERS if self.skipped.0 < stream && stream < self.skipped.1 => {
                return Err(ConnectionError::protocol("HEADERS on a stream that was skipped"));
            }
            kind::PUSH_PROMISE => {
                return Err(ConnectionError::protocol("PUSH_PROMISE is not allowed here"));
            }
            kind::PRIORITY_UPDATE if self.role == Role::Client => {
                return Err(ConnectionError::protocol("PRIORITY_UPDATE from a server"));
            }
            _ => {}
        }
        let is_right = match kind {
            kind::RST_STREAM | kind::WINDOW_UPDATE => len == 4,
            kind::PING => len == 8,
            kind::GOAWAY => len >= 8,
            kind::PRIORITY_UPDATE => len >= 4,
            kind::SETTINGS if header.has(flag::ACK) => len == 0,
            kind::SETTINGS => len % 6 == 0,
            // An error of the stream, if there is one.
            kind::PRIORITY if self.is_idle(stream) => len == 5,
            _ => true,
        };
        if is_right {
            Ok(())
        } else {
            Err(ConnectionError::frame_size("a frame has a length that its type does not allow"))
        }
    }

    /// Whether `stream` has not begun. Those with even numbers never do.
    fn is_idle(&self, stream: u32) -> bool {
        stream > self.highest || !is_of_client(stream)
    }

    fn data<'b>(&mut self, input: &'b [u8], at: usize, header: Header) -> Outcome<'b> {
        let stream = header.stream;
        if stream == 0 || self.is_idle(stream) {
            return Err(ConnectionError::protocol("DATA on a stream that has not begun"));
        }
        let mut start = at + HEADER;
        let (mut left, mut padding) = (header.len, 0);
        if header.has(flag::PADDED) {
            if left == 0 {
                return Err(ConnectionError::frame_size("DATA is too short for its padding"));
            }
            let Some(&length) = input.get(start) else {
                return Ok((at, INCOMPLETE));
            };
            (start, padding) = (start + 1, usize::from(length));
            left = (left - 1).checked_sub(padding).ok_or(PADDING_TOO_LONG)?;
        }
        if left > 0 && input.len() <= start {
            return Ok((at, INCOMPLETE));
        }
        let flow = u32::try_from(header.len).unwrap_or(u32::MAX);
        let end_stream = header.has(flag::END_STREAM);
        Ok(self.data_piece(input, start, Piece { stream, left, padding, end_stream, flow }))
    }

    /// As much of the data as there is from `start` on, and the padding after its end.
    #[inline]
    fn data_piece(&mut self, input: &[u8], start: usize, frame: Piece) -> (usize, Step<'static>) {
        let Piece { stream, left, padding, end_stream, flow } = frame;
        let len = left.min(input.len() - start);
        let (end, left) = (start + len, left - len);
        let mut used = end;
        if left == 0 {
            used += self.skip(input.len() - end, padding, Phase::Padding);
        } else {
            self.phase = Phase::Data(Piece { left, flow: 0, ..frame });
        }
        let end_stream = end_stream && left == 0;
        (used, Step::Event(Event::Data { stream, start, end, flow, end_stream }))
    }

    /// Begins a field block; returns it if it is whole.
    fn headers<'b>(
        &mut self,
        header: Header,
        payload: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<Block<'b>>, ConnectionError> {
        let (is_own_parent, fragment) = fragment_of(header, payload)?;
        let stream = header.stream;
        let is_first = stream > self.highest;
        if is_first {
            if stream > self.highest + 2 {
                self.skipped = (self.highest, stream);
            }
            self.highest = stream;
        }
        let end_stream = header.has(flag::END_STREAM);
        let start = BlockStart { stream, end_stream, is_first, is_own_parent };
        if header.has(flag::END_HEADERS) {
            return Ok(Some((start, Cow::Borrowed(fragment))));
        }
        let mut block = Box::new(OpenBlock { bytes: Vec::new(), start, continuations: 0 });
        block.add(fragment, limits)?;
        self.block = Some(block);
        Ok(None)
    }

    fn continuation<'b>(
        &mut self,
        header: Header,
        payload: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<Block<'b>>, ConnectionError> {
        let Some(mut block) = self.block.take() else {
            return Ok(None);
        };
        block.continuations += 1;
        // One of these frames has 16 KiB, and a block may be larger.
        let needed = block.most(limits) / DEFAULT_MAX;
        if block.continuations > needed.max(MOST_CONTINUATIONS) {
            return Err(ConnectionError::calm("a field block has too many CONTINUATION frames"));
        }
        block.add(payload, limits)?;
        if header.has(flag::END_HEADERS) {
            return Ok(Some((block.start, Cow::Owned(block.bytes))));
        }
        self.block = Some(block);
        Ok(None)
    }

    /// Everything but DATA and field blocks. The header has been checked.
    fn other(&self, header: Header, payload: &[u8]) -> Result<Event, ConnectionError> {
        let word = |at: usize| payload.get(at..).and_then(<[u8]>::first_chunk).copied();
        let first = word(0).unwrap_or_default();
        let stream = header.stream;
        Ok(match header.kind {
            kind::RST_STREAM => Event::Reset { stream, code: ErrorCode(u32::from_be_bytes(first)) },
            kind::SETTINGS if header.has(flag::ACK) => Event::SettingsAck,
            kind::SETTINGS => Event::Settings(SettingsFrame::parse(payload)?),
            kind::PING => {
                let payload = payload.first_chunk().copied().unwrap_or_default();
                if header.has(flag::ACK) { Event::PingAck(payload) } else { Event::Ping(payload) }
            }
            kind::GOAWAY => {
                let code = ErrorCode(u32::from_be_bytes(word(4).unwrap_or_default()));
                Event::GoAway { last: u31(first), code }
            }
            kind::WINDOW_UPDATE => match u31(first) {
                0 if stream == 0 => {
                    return Err(ConnectionError::protocol("WINDOW_UPDATE of 0 bytes"));
                }
                0 => Event::StreamError { stream, code: ErrorCode::PROTOCOL_ERROR },
                increment => Event::WindowUpdate { stream, increment },
            },
            kind::PRIORITY if payload.len() != 5 => {
                Event::StreamError { stream, code: ErrorCode::FRAME_SIZE_ERROR }
            }
            kind::PRIORITY if u31(first) == stream => {
                if self.is_idle(stream) {
                    return Err(ConnectionError::protocol("a stream depends on itself"));
                }
                Event::StreamError { stream, code: ErrorCode::PROTOCOL_ERROR }
            }
            kind::PRIORITY_UPDATE => {
                let stream = u31(first);
                if !is_of_client(stream) {
                    return Err(ConnectionError::protocol(
                        "PRIORITY_UPDATE for a stream that no client begins",
                    ));
                }
                let value = payload.get(4..).unwrap_or_default();
                Event::PriorityUpdate { stream, priority: Priority::parse(value) }
            }
            _ => Event::Other,
        })
    }
}

/// The rest of a DATA frame. `flow` is told with its first piece.
#[derive(Clone, Copy, Debug)]
struct Piece {
    stream: u32,
    left: usize,
    padding: usize,
    end_stream: bool,
    flow: u32,
}

const PADDING_TOO_LONG: ConnectionError =
    ConnectionError::protocol("the padding is longer than its frame");

impl OpenBlock {
    /// The most bytes that it may have. One that is over its limit is decoded too, so that its
    /// request can be answered with 431.
    fn most(&self, limits: &Limits) -> usize {
        let most = if self.start.is_first { limits.head } else { limits.trailers };
        most.saturating_mul(EXCESS)
    }

    fn add(&mut self, fragment: &[u8], limits: &Limits) -> Result<(), ConnectionError> {
        if fragment.len() > self.most(limits).saturating_sub(self.bytes.len()) {
            return Err(ConnectionError::calm("a field block is too large"));
        }
        self.bytes.extend_from_slice(fragment);
        Ok(())
    }
}

/// The part of a field block that a HEADERS frame has, and whether its stream depends on
/// itself.
fn fragment_of(header: Header, payload: &[u8]) -> Result<(bool, &[u8]), ConnectionError> {
    const TOO_SHORT: ConnectionError =
        ConnectionError::frame_size("HEADERS is too short for its flags");
    let mut rest = payload;
    let mut padding = 0;
    if header.has(flag::PADDED) {
        let (&length, after) = rest.split_first().ok_or(TOO_SHORT)?;
        (padding, rest) = (usize::from(length), after);
    }
    let mut is_own_parent = false;
    if header.has(flag::PRIORITY) {
        let (&[d0, d1, d2, d3, _weight], after) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
        is_own_parent = u31([d0, d1, d2, d3]) == header.stream;
        rest = after;
    }
    let len = rest.len().checked_sub(padding).ok_or(PADDING_TOO_LONG)?;
    Ok((is_own_parent, &rest[..len]))
}

/// Clients begin streams with odd numbers. Those of a server would be pushed.
fn is_of_client(stream: u32) -> bool {
    stream & 1 == 1
}

fn is_known(kind: u8) -> bool {
    matches!(kind, kind::DATA..=kind::CONTINUATION | kind::PRIORITY_UPDATE)
}
