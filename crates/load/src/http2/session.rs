//! One connection of HTTP/2, without its socket: what goes out, and what each side may send.

use std::collections::VecDeque;
use std::fmt;

use reactor_proto::h2::client::Decoder;
use reactor_proto::h2::hpack::HpackEncoder;
use reactor_proto::h2::{
    ConnectionError, ErrorCode, Overflow, Setting, SettingsFrame, Window, frame,
};

use super::Http2;
use crate::conn::InFlight;
use crate::expect::BodyCheck;
use crate::source::Nanos;

/// What the server may send ahead on a stream and on the connection. All is taken at once, so
/// this only keeps a server from waiting for the client's next turn.
const RECEIVE: u32 = 16 << 20;
/// Credit is given back in pieces of this size.
const CREDIT: u32 = RECEIVE / 2;
/// Bytes that wait for the socket before more of a body is added.
const WAITING: usize = 64 * 1024;
/// The last stream of a connection (RFC 9113 §5.1.1).
const LAST: u32 = i32::MAX as u32;

/// The part of a request that only HTTP/2 has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// 0 until it is opened.
    pub(crate) id: u32,
    /// Of the answer; 0 until it has come.
    pub(crate) status: u16,
    pub(crate) body: BodyCheck,
    /// The length of the answer's body, if it was said, and what has come of it.
    length: Option<u64>,
    came: u64,
    /// Bytes of the request's body that are still to send.
    unsent: usize,
    /// What the server takes of them.
    window: Window,
    /// Bytes that have come since credit was last given.
    taken: u32,
}

impl Default for Stream {
    fn default() -> Self {
        let (body, window) = (BodyCheck::default(), Window::new(0));
        Self { id: 0, status: 0, body, length: None, came: 0, unsent: 0, window, taken: 0 }
    }
}

impl Stream {
    /// The head of the answer has come.
    pub(crate) fn begin(&mut self, status: u16, length: Option<u64>) {
        (self.status, self.length) = (status, length);
    }

    /// A part of its body has come.
    pub(crate) fn add(&mut self, expected: Option<&[u8]>, part: &[u8]) {
        self.came += part.len() as u64;
        if let Some(expected) = expected {
            self.body.add(expected, part);
        }
    }

    /// Why a whole answer is none (RFC 9113 §8.1.1).
    pub(crate) fn fault(&self, is_head: bool) -> Option<&'static str> {
        if self.status == 0 {
            return Some("the stream ended without an answer");
        }
        // These say how long the body of another answer would be.
        let says_nothing = is_head || self.status == 304;
        let is_right = says_nothing || self.length.is_none_or(|length| length == self.came);
        (!is_right).then_some("the body is not as long as its content-length")
    }
}

/// What a connection of HTTP/2 holds besides its requests.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) decoder: Decoder,
    /// Bytes of a frame that has begun.
    pub(crate) kept: Vec<u8>,
    /// The server's SETTINGS have come: streams can be opened.
    pub(crate) is_ready: bool,
    /// No more streams can be opened. The connection closes with the last answer.
    pub(crate) is_going: bool,
    /// Something was answered.
    pub(crate) has_answered: bool,
    /// When bytes last came.
    pub(crate) heard: Nanos,
    encoder: HpackEncoder,
    /// Frames that wait for the socket, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// The next stream.
    next: u32,
    /// What the server takes on the connection.
    window: Window,
    /// What it takes on a new stream.
    initial: u32,
    max_frame: usize,
    max_streams: usize,
    /// Bytes that have come since credit was last given.
    taken: u32,
    /// Requests with a part of their body still to send.
    sending: usize,
}

impl Session {
    /// With the preface and our settings as the first bytes to send.
    pub(crate) fn new() -> Self {
        let mut out = frame::PREFACE.to_vec();
        let settings = [(Setting::ENABLE_PUSH, 0), (Setting::INITIAL_WINDOW_SIZE, RECEIVE)];
        frame::settings(&mut out, &settings);
        frame::window_update(&mut out, 0, RECEIVE - Window::DEFAULT);
        Self {
            decoder: Decoder::new(),
            kept: Vec::new(),
            is_ready: false,
            is_going: false,
            has_answered: false,
            heard: 0,
            encoder: HpackEncoder::new(),
            out,
            sent: 0,
            next: 1,
            window: Window::new(Window::DEFAULT),
            initial: Window::DEFAULT,
            max_frame: frame::DEFAULT_MAX,
            max_streams: usize::MAX,
            taken: 0,
            sending: 0,
        }
    }

    /// The most requests that may be under way at once, of those that the plan wants.
    pub(crate) fn most(&self, wanted: usize) -> usize {
        if self.is_going || !self.is_ready { 0 } else { wanted.min(self.max_streams) }
    }

    /// Bytes to send next.
    #[inline]
    pub(crate) fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Opens a stream for a request.
    pub(crate) fn open(&mut self, plan: &Http2, request: &mut InFlight) {
        let at = self.out.len();
        let (id, is_last) = (self.next, plan.body.is_empty());
        frame::headers_head(&mut self.out, id, 0, is_last, true);
        plan.write(&mut self.encoder, &mut self.out);
        frame::finish_headers(&mut self.out, at, id, is_last, self.max_frame);
        let window = Window::new(self.initial);
        self.decoder.opened(id);
        request.stream = Stream { id, unsent: plan.body.len(), window, ..Stream::default() };
        self.sending += usize::from(!is_last);
        self.next += 2;
        self.is_going |= self.next > LAST;
    }

    /// Adds as much of the bodies as the server takes, those of the oldest requests first.
    pub(crate) fn fill(&mut self, plan: &Http2, requests: &mut VecDeque<InFlight>) {
        if self.sending == 0 || self.output().len() >= WAITING {
            return;
        }
        for stream in requests.iter_mut().map(|request| &mut request.stream) {
            while stream.unsent > 0 && self.output().len() < WAITING {
                let allowed = stream.window.available().min(self.window.available());
                let len = stream.unsent.min(allowed).min(self.max_frame);
                if len == 0 {
                    break;
                }
                let start = plan.body.len() - stream.unsent;
                stream.unsent -= len;
                frame::data_head(&mut self.out, stream.id, len, stream.unsent == 0);
                self.out.extend_from_slice(&plan.body[start..start + len]);
                stream.window.take(len);
                self.window.take(len);
                self.sending -= usize::from(stream.unsent == 0);
            }
        }
    }

    /// Takes the server's settings and acknowledges them.
    pub(crate) fn settle(
        &mut self,
        settings: &SettingsFrame,
        requests: &mut VecDeque<InFlight>,
    ) -> Result<(), Fault> {
        if let Some(initial) = settings.initial_window_size {
            let delta = i64::from(initial) - i64::from(self.initial);
            self.initial = initial;
            for request in requests.iter_mut() {
                request.stream.window.shift(delta)?;
            }
        }
        if let Some(size) = settings.smallest_header_table {
            self.encoder.set_peer_table(size);
        }
        if let Some(size) = settings.header_table_size {
            self.encoder.set_peer_table(size);
        }
        if let Some(size) = settings.max_frame_size {
            // Larger frames than those of other clients would be another load.
            self.max_frame = frame::DEFAULT_MAX.min(size as usize);
        }
        if let Some(most) = settings.max_concurrent_streams {
            self.max_streams = most as usize;
        }
        frame::settings_ack(&mut self.out);
        self.is_ready = true;
        Ok(())
    }

    pub(crate) fn pong(&mut self, payload: [u8; 8]) {
        frame::ping_ack(&mut self.out, payload);
    }

    /// More may be sent on a stream, or on the connection if that is `None`.
    pub(crate) fn grow(&mut self, stream: Option<&mut Stream>, bytes: u32) -> Result<(), Fault> {
        let window = stream.map_or(&mut self.window, |stream| &mut stream.window);
        Ok(window.grow(bytes)?)
    }

    /// Bytes of an answer's body have come, padding included. Gives credit for them, on a stream
    /// that goes on for that too.
    pub(crate) fn took(&mut self, stream: Option<&mut Stream>, bytes: u32) {
        let of_stream = stream.map(|stream| (&mut stream.taken, stream.id));
        for (taken, id) in of_stream.into_iter().chain([(&mut self.taken, 0)]) {
            *taken = taken.saturating_add(bytes);
            if *taken >= CREDIT {
                frame::window_update(&mut self.out, id, std::mem::take(taken));
            }
        }
    }

    /// A request is over. If the server has not taken all of its body, the stream is given up.
    pub(crate) fn finished(&mut self, stream: &Stream) {
        if stream.unsent > 0 {
            self.sending -= 1;
            self.cancel(stream.id, ErrorCode::CANCEL);
        }
    }

    /// Gives a stream up.
    pub(crate) fn cancel(&mut self, stream: u32, code: ErrorCode) {
        frame::rst_stream(&mut self.out, stream, code);
    }

    /// The stream of a request is over for both sides.
    pub(crate) fn forget(&mut self, stream: &Stream) {
        self.sending -= usize::from(stream.unsent > 0);
    }

    /// Whether the client has opened a stream of this number.
    pub(crate) fn has_opened(&self, stream: u32) -> bool {
        stream % 2 == 1 && stream < self.next
    }

    /// Says why the connection ends.
    pub(crate) fn leave(&mut self, code: ErrorCode) {
        frame::goaway(&mut self.out, 0, code, b"");
    }
}

/// The server breaks the rules.
#[derive(Debug)]
pub(crate) enum Fault {
    Broken(ConnectionError),
    Overflow(Overflow),
}

impl Fault {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Broken(error) => error.code,
            Self::Overflow(_) => ErrorCode::FLOW_CONTROL_ERROR,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server breaks the rules of HTTP/2: ")?;
        match self {
            Self::Broken(error) => error.fmt(f),
            Self::Overflow(overflow) => overflow.fmt(f),
        }
    }
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        Self::Broken(error)
    }
}

impl From<Overflow> for Fault {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}
