use super::frame::{FIN, MASKED, MOST_CONTROL, RSV1};
use super::{Close, Data, Event, Kind, Limits, ReceiveError, Utf8, mask};

/// Which side of the connection receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A server: every frame must be masked.
    Server,
    /// A client: no frame may be.
    Client,
}

/// The read side of one connection: a state, without any buffer.
///
/// A caller that gives a large message memory of its own may read into that memory, at most
/// [`payload_left`](Self::payload_left) bytes, and pass it to [`decode`](Self::decode): the
/// bytes stay where they are, unmasked and checked.
#[derive(Clone, Debug)]
pub struct Decoder {
    role: Role,
    deflate: bool,
    phase: Phase,
    /// The last frame of its message is the one that comes in.
    fin: bool,
    /// The next piece is the first of its message.
    first: bool,
    /// The message that has begun and not ended.
    message: Option<Message>,
    /// For the next byte of the payload.
    key: [u8; 4],
    utf8: Utf8,
    fragments: u32,
    empty_fragments: u32,
    controls: u32,
    /// Bytes of the message in frames whose header has come.
    size: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Header,
    /// Inside a data frame, with this much to come; at least one byte.
    Payload(u64),
    /// The peer has sent its close frame.
    Closed,
    Failed(ReceiveError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    kind: Kind,
    compressed: bool,
}

/// A frame's header, checked against what may come.
struct Received {
    /// Of the header.
    len: usize,
    fin: bool,
    key: [u8; 4],
    payload: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    First(Message),
    Continuation,
    Control(Control),
}

#[derive(Clone, Copy)]
enum Control {
    Close,
    Ping,
    Pong,
}

// One of these is kept for every open connection, idle ones too.
const _: () = assert!(size_of::<Decoder>() <= 64);

impl Decoder {
    /// A decoder for a connection's first frame. `deflate` says whether permessage-deflate
    /// was agreed on.
    #[must_use]
    pub fn new(role: Role, deflate: bool) -> Self {
        Self {
            role,
            deflate,
            phase: Phase::Header,
            fin: false,
            first: false,
            message: None,
            key: [0; 4],
            utf8: Utf8::default(),
            fragments: 0,
            empty_fragments: 0,
            controls: 0,
            size: 0,
        }
    }

    /// Finds the next event in `input`, the bytes received and not used up yet, and unmasks
    /// its payload there.
    ///
    /// Returns how many bytes are used up. The caller drops these, and passes the rest with
    /// newly arrived bytes to the next call. Call it until it returns [`Event::Incomplete`].
    /// What it leaves then is a part of one header or control frame: fewer than 140 bytes.
    ///
    /// The messages depend on the bytes alone, not on how they are split into calls; the
    /// pieces of a message do.
    ///
    /// # Errors
    ///
    /// The first fault in the bytes, as soon as it is certain. Each later call returns it
    /// again.
    #[inline]
    pub fn decode<'b>(
        &mut self,
        input: &'b mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Event<'b>), ReceiveError> {
        let result = match self.phase {
            Phase::Header => self.frame(input, limits),
            Phase::Payload(left) => self.payload(input, 0, left),
            Phase::Closed => Ok((input.len(), Event::Incomplete)),
            Phase::Failed(error) => Err(error),
        };
        if let Err(error) = result {
            self.phase = Phase::Failed(error);
        }
        result
    }

    /// Bytes of the current data frame that are still to come.
    #[must_use]
    pub fn payload_left(&self) -> u64 {
        match self.phase {
            Phase::Payload(left) => left,
            _ => 0,
        }
    }

    /// Whether the message ends with the current frame, so that what is left of the message
    /// is [`payload_left`](Self::payload_left).
    #[must_use]
    pub fn is_last_frame(&self) -> bool {
        self.fin
    }

    /// Bytes of the current message in the frames whose headers have come.
    #[must_use]
    pub fn message_size(&self) -> u64 {
        self.size
    }

    /// Whether no message has begun that has not ended. Input that is left may still be a
    /// part of a frame.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.message.is_none()
    }

    /// Whether the peer's close frame has come.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn frame<'b>(
        &mut self,
        input: &'b mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Event<'b>), ReceiveError> {
        let Some(frame) = self.header(input, limits)? else {
            return Ok((0, Event::Incomplete));
        };
        let start = frame.len;
        let message = match frame.what {
            What::First(message) => {
                (self.size, self.fragments, self.empty_fragments) = (0, 0, 0);
                self.controls = 0;
                self.first = true;
                message
            }
            What::Continuation => self.message.ok_or(ReceiveError::ContinuationUnexpected)?,
            What::Control(control) => {
                // Checked: it is 125 at most.
                let end = start + usize::try_from(frame.payload).unwrap_or_default();
                let Some(payload) = input.get_mut(start..end) else {
                    return Ok((0, Event::Incomplete));
                };
                mask(frame.key, payload);
                return Ok((end, self.control(control, payload)?));
            }
        };
        self.message = Some(message);
        (self.fin, self.key) = (frame.fin, frame.key);
        self.size = self.size.saturating_add(frame.payload);
        self.fragments += 1;
        self.empty_fragments += u32::from(frame.payload == 0);
        if frame.payload > 0 && input.len() == start {
            self.phase = Phase::Payload(frame.payload);
            return Ok((start, Event::Incomplete));
        }
        self.payload(input, start, frame.payload)
    }

    /// A piece of the current frame, of which `left` bytes are to come from `input[start..]`.
    #[inline]
    fn payload<'b>(
        &mut self,
        input: &'b mut [u8],
        start: usize,
        left: u64,
    ) -> Result<(usize, Event<'b>), ReceiveError> {
        let there = input.len() - start;
        let end = usize::try_from(left).map_or(input.len(), |left| start + left.min(there));
        let payload = &mut input[start..end];
        let left = left - payload.len() as u64;
        if payload.is_empty() && left > 0 {
            return Ok((end, Event::Incomplete));
        }
        if self.role == Role::Server {
            self.key = mask(self.key, payload);
        }
        let Some(Message { kind, compressed }) = self.message else {
            return Err(ReceiveError::ContinuationUnexpected);
        };
        let last = self.fin && left == 0;
        if kind == Kind::Text && !compressed {
            self.utf8.piece(payload).map_err(|_| ReceiveError::TextInvalid)?;
            if last {
                self.utf8.end().map_err(|_| ReceiveError::TextInvalid)?;
            }
        }
        self.phase = if left == 0 { Phase::Header } else { Phase::Payload(left) };
        if last {
            self.message = None;
        }
        let first = std::mem::take(&mut self.first);
        Ok((end, Event::Data(Data { kind, compressed, first, last, payload })))
    }

    fn control<'b>(
        &mut self,
        control: Control,
        payload: &'b [u8],
    ) -> Result<Event<'b>, ReceiveError> {
        self.controls = self.controls.saturating_add(u32::from(self.message.is_some()));
        Ok(match control {
            Control::Ping => Event::Ping(payload),
            Control::Pong => Event::Pong(payload),
            Control::Close => {
                let close = Close::read(payload)?;
                self.phase = Phase::Closed;
                Event::Close(close)
            }
        })
    }

    /// Reads the header at the start of `input`, if all of it is there. A fault in a byte is
    /// found before the bytes behind it have come.
    #[inline]
    fn header(&self, input: &[u8], limits: &Limits) -> Result<Option<Received>, ReceiveError> {
        let Some(&byte) = input.first() else {
            return Ok(None);
        };
        let what = self.what(byte, limits)?;
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        match (self.role, second & MASKED != 0) {
            (Role::Server, false) => return Err(ReceiveError::MaskMissing),
            (Role::Client, true) => return Err(ReceiveError::MaskUnexpected),
            _ => {}
        }
        let short = second & !MASKED;
        if matches!(what, What::Control(_)) && usize::from(short) > MOST_CONTROL {
            return Err(ReceiveError::ControlTooLong);
        }
        let Some((payload, mut len)) = length(short, &input[2..])? else {
            return Ok(None);
        };
        self.check_size(what, payload, limits)?;
        let key = match self.role {
            Role::Client => [0; 4],
            Role::Server => match input[len..].first_chunk() {
                Some(key) => {
                    len += key.len();
                    *key
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Received { len, fin: byte & FIN != 0, key, payload, what }))
    }

    /// The meaning of a frame's first byte.
    #[inline]
    fn what(&self, byte: u8, limits: &Limits) -> Result<What, ReceiveError> {
        let (opcode, reserved) = (byte & 0x0f, byte & 0x70);
        // Compression is of messages, so only their first frames have the bit.
        let may_compress = self.deflate && matches!(opcode, 1 | 2);
        if reserved != 0 && !(may_compress && reserved == RSV1) {
            return Err(ReceiveError::ReservedBit);
        }
        let what = match opcode {
            0 => What::Continuation,
            1 => What::First(Message { kind: Kind::Text, compressed: reserved != 0 }),
            2 => What::First(Message { kind: Kind::Binary, compressed: reserved != 0 }),
            8 => What::Control(Control::Close),
            9 => What::Control(Control::Ping),
            10 => What::Control(Control::Pong),
            _ => return Err(ReceiveError::ReservedOpcode),
        };
        match what {
            What::First(_) if self.message.is_some() => Err(ReceiveError::ContinuationMissing),
            What::Continuation if self.message.is_none() => {
                Err(ReceiveError::ContinuationUnexpected)
            }
            What::Continuation if self.fragments >= limits.fragments => {
                Err(ReceiveError::TooManyFragments)
            }
            What::Control(_) if byte & FIN == 0 => Err(ReceiveError::ControlFragmented),
            What::Control(_) if self.message.is_some() && self.controls >= limits.controls => {
                Err(ReceiveError::TooManyControls)
            }
            what => Ok(what),
        }
    }

    /// Whether the message may have a frame of `payload` bytes more.
    #[inline]
    fn check_size(&self, what: What, payload: u64, limits: &Limits) -> Result<(), ReceiveError> {
        let (message, before) = match (what, self.message) {
            (What::First(message), _) => (message, 0),
            (What::Continuation, Some(message)) => (message, self.size),
            _ => return Ok(()),
        };
        let most = if message.compressed { limits.compressed() } else { limits.message };
        if before.saturating_add(payload) > most {
            return Err(ReceiveError::MessageTooLarge);
        }
        // A message that is empty as a whole is no fragment.
        if matches!(what, What::Continuation)
            && payload == 0
            && self.empty_fragments >= limits.empty_fragments
        {
            return Err(ReceiveError::TooManyEmptyFragments);
        }
        Ok(())
    }
}

/// The payload's length and how many bytes come before the mask, from the seven bits and the
/// bytes behind them.
#[inline]
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, ReceiveError> {
    let (payload, least, len) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 126, 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 1 << 16, 10),
            None => return Ok(None),
        },
        _ => return Ok(Some((u64::from(short), 2))),
    };
    if payload > i64::MAX as u64 {
        return Err(ReceiveError::LengthInvalid);
    }
    if payload < least {
        return Err(ReceiveError::LengthNotMinimal);
    }
    Ok(Some((payload, len)))
}
