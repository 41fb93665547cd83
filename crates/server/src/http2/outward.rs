//! What a connection sends, and which of its answers goes on first (RFC 9113 §5.2, RFC 9218 §10).

use std::io;
use std::os::fd::AsFd as _;

use reactor_proto::h2::hpack::HpackEncoder;
use reactor_proto::h2::{ErrorCode, Window, frame, is_of_http1};

use crate::conn::core::Core;
use crate::conn::pieces::Content;
use crate::event_loop::clock::Millis;
use crate::event_loop::services::Services;
use crate::exchange::body::FileRange;
use crate::exchange::fields::FieldList;
use crate::http2::stream::{NO_RECORD, Stream};

/// Bodies go on while there is at most this much unsent output, so that a more urgent answer can
/// overtake. In bytes.
pub(crate) const LOW_WATER: usize = 64 * 1024;

/// The longest frame that is sent. All clients take it (RFC 9113 §4.2).
const MAX_FRAME: usize = 16 * 1024;

/// How much of a file a worker may bring to memory at once where it is not there. In bytes.
const COLD_PART: u64 = if cfg!(test) { 3_000 } else { 256 * 1024 };

/// The urgency of a request that does not say one (RFC 9218 §4.1).
const USUAL_URGENCY: u8 = 3;

/// The sending side of a connection.
pub(crate) struct Outward {
    pub(crate) encoder: HpackEncoder,
    /// What the client takes on all streams together.
    pub(crate) window: Window,
    /// What it takes at first on each.
    pub(crate) initial_window: u32,
    max_frame: usize,
    /// Bytes of all bodies that wait, and what files count for.
    pub(crate) pending: usize,
    /// Answers that can go on.
    ready: Vec<Ready>,
    /// Since when the connection's window keeps them back.
    pub(crate) blocked: Option<Millis>,
    /// Streams whose lanes may get credit.
    pub(crate) touched: Vec<u32>,
    turn: u32,
    /// Bytes of bodies that were written since somebody last asked.
    pub(crate) sent: usize,
}

/// An answer that can go on. The smallest is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    urgency: u8,
    /// Those that share are served by turns.
    turn: u32,
    id: u32,
}

/// What became of an answer's next frame.
#[derive(Debug)]
pub(crate) enum Step {
    /// It has been written, and more follows.
    Written,
    /// The answer is complete.
    Ended,
    /// There is nothing to write now.
    Waits,
    /// The stream's window is closed.
    Blocked,
    /// The connection's window is closed.
    Full,
    /// These bytes of a file are not in memory.
    Cold(FileRange),
    /// The file cannot be read.
    Broken(io::Error),
}

impl Outward {
    pub(crate) fn new() -> Self {
        Self {
            encoder: HpackEncoder::new(),
            window: Window::new(Window::DEFAULT),
            initial_window: Window::DEFAULT,
            max_frame: MAX_FRAME,
            pending: 0,
            ready: Vec::new(),
            blocked: None,
            touched: Vec::new(),
            turn: 1,
            sent: 0,
        }
    }

    /// Whether a body of so many bytes can go now, in one frame.
    #[inline]
    pub(crate) fn fits(&self, stream: &Stream, bytes: usize) -> bool {
        bytes <= self.max_frame
            && bytes <= stream.send_window.available()
            && bytes <= self.window.available()
    }

    /// Bytes that a frame of this stream may have, whatever the connection's window is.
    pub(crate) fn room(&self, stream: &Stream) -> usize {
        self.max_frame.min(stream.send_window.available())
    }

    /// Writes a frame of HEADERS whose block `write` appends.
    #[inline]
    pub(crate) fn headers(
        &mut self,
        core: &mut Core,
        id: u32,
        ends: bool,
        write: impl FnOnce(&mut HpackEncoder, &mut Vec<u8>),
    ) {
        let buf = core.out.buf();
        let at = buf.len();
        frame::headers_head(buf, id, 0, ends, true);
        self.encoder.begin(buf);
        write(&mut self.encoder, buf);
        frame::finish_headers(buf, at, id, ends, self.max_frame);
    }

    /// Writes fields of a trailer section, which ends the stream.
    pub(crate) fn trailers(&mut self, core: &mut Core, id: u32, fields: &FieldList) {
        self.headers(core, id, true, |encoder, buf| write_fields(encoder, buf, fields));
    }

    /// Writes DATA that fits.
    #[inline]
    pub(crate) fn data(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
        bytes: &[u8],
        ends: bool,
    ) {
        let buf = core.out.buf();
        buf.reserve(frame::HEADER + bytes.len());
        frame::data_head(buf, stream.id, bytes.len(), ends);
        buf.extend_from_slice(bytes);
        self.count(services, stream, bytes.len());
    }

    #[inline]
    pub(crate) fn count(&mut self, services: &mut Services, stream: &mut Stream, bytes: usize) {
        self.sent += bytes;
        self.window.take(bytes);
        stream.send_window.take(bytes);
        if stream.record != NO_RECORD
            && let Some(observer) = &mut services.observer
        {
            observer.body_apart(stream.record, bytes);
        }
    }

    /// Writes the next frame of an answer.
    pub(crate) fn step(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        stream: &mut Stream,
    ) -> Step {
        let Some(outgoing) = &mut stream.outgoing else { return Step::Waits };
        if outgoing.is_read_elsewhere {
            return Step::Waits;
        }
        core.out.lend(&mut services.buffers);
        let Some(first) = outgoing.queue.front() else {
            if !outgoing.is_ended {
                return Step::Waits;
            }
            if outgoing.trailers.is_empty() {
                frame::data_head(core.out.buf(), stream.id, 0, true);
            } else {
                let trailers = std::mem::take(&mut outgoing.trailers);
                self.trailers(core, stream.id, &trailers);
            }
            return Step::Ended;
        };
        let left = first.len() - outgoing.at;
        let room = self.max_frame.min(left).min(stream.send_window.available());
        if room == 0 {
            return Step::Blocked;
        }
        let mut n = room.min(self.window.available());
        if n == 0 {
            return Step::Full;
        }
        let bytes = match first {
            Content::Owned(bytes) => &bytes[outgoing.at..outgoing.at + n],
            Content::Shared(bytes) => &bytes[outgoing.at..outgoing.at + n],
            // Bodies are lent only to protocols that write in turn.
            Content::Lent(_) => return Step::Broken(io::ErrorKind::Other.into()),
            Content::File(file) => {
                let from = file.range.start + outgoing.at as u64;
                let cold = services.buffers.is_cold();
                let buffer = services.buffers.file_buffer();
                let read = match cold {
                    true => Err(io::ErrorKind::WouldBlock.into()),
                    false => reactor_sys::read_cached(file.file.as_fd(), &mut buffer[..n], from),
                };
                match read {
                    Ok(0) => return Step::Broken(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => n = read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        outgoing.is_read_elsewhere = true;
                        let to = file.range.end.min(from + COLD_PART);
                        return Step::Cold(FileRange::new(file.file.clone(), from..to));
                    }
                    Err(error) => return Step::Broken(error),
                }
                &services.buffers.file_buffer()[..n]
            }
        };
        let ends = outgoing.is_ended
            && n == left
            && outgoing.queue.len() == 1
            && outgoing.trailers.is_empty();
        let buf = core.out.buf();
        buf.reserve(frame::HEADER + n);
        frame::data_head(buf, stream.id, n, ends);
        buf.extend_from_slice(bytes);
        self.pending -= outgoing.advance(n);
        self.count(services, stream, n);
        stream.blocked = None;
        core.timer.progress = true;
        if ends { Step::Ended } else { Step::Written }
    }

    /// Puts the next bytes of a body behind the others.
    pub(crate) fn push(&mut self, stream: &mut Stream, bytes: Vec<u8>) {
        if let Some(outgoing) = &mut stream.outgoing {
            self.pending += outgoing.push(Content::Owned(bytes));
        }
    }

    /// A worker has read the next bytes of a file.
    pub(crate) fn file_was_read(&mut self, stream: &mut Stream, bytes: Vec<u8>, warm_to: u64) {
        if let Some(outgoing) = &mut stream.outgoing {
            let (more, less) = outgoing.file_was_read(bytes, warm_to);
            self.pending = self.pending + more - less;
        }
    }

    /// Puts an answer among those that can go on, if it can.
    pub(crate) fn note(&mut self, stream: &mut Stream) {
        let Some(outgoing) = &mut stream.outgoing else { return };
        if outgoing.is_ready || !outgoing.has_news() {
            return;
        }
        outgoing.is_ready = true;
        outgoing.turn = self.turn;
        let ready = ready_of(stream);
        self.ready.extend(ready);
    }

    /// The answer that goes on next.
    pub(crate) fn first(&self) -> Option<u32> {
        self.ready.iter().min().map(|ready| ready.id)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Another answer that shares may go on before this one.
    pub(crate) fn served(&mut self, stream: &mut Stream) {
        self.turn = self.turn.wrapping_add(1).max(1);
        if let Some(outgoing) = &mut stream.outgoing {
            outgoing.turn = self.turn;
        }
        self.renew(stream);
    }

    /// The priority of an answer may be another one.
    pub(crate) fn renew(&mut self, stream: &Stream) {
        if let Some(entry) = self.ready.iter_mut().find(|ready| ready.id == stream.id)
            && let Some(ready) = ready_of(stream)
        {
            *entry = ready;
        }
    }

    /// An answer cannot go on for now.
    pub(crate) fn forget(&mut self, stream: &mut Stream) {
        if let Some(outgoing) = &mut stream.outgoing
            && std::mem::take(&mut outgoing.is_ready)
        {
            let id = stream.id;
            self.ready.retain(|ready| ready.id != id);
        }
    }

    /// The bytes of a stream that is given up no longer wait.
    pub(crate) fn drop_body(&mut self, stream: &mut Stream) {
        self.forget(stream);
        if let Some(outgoing) = &stream.outgoing {
            self.pending -= outgoing.held;
        }
    }

    /// The client takes longer or shorter frames.
    pub(crate) fn set_max_frame(&mut self, bytes: u32) {
        self.max_frame = usize::try_from(bytes).map_or(MAX_FRAME, |bytes| bytes.min(MAX_FRAME));
    }

    pub(crate) fn reset(core: &mut Core, services: &mut Services, id: u32, code: ErrorCode) {
        core.out.lend(&mut services.buffers);
        frame::rst_stream(core.out.buf(), id, code);
        services.counters.http2.resets_sent.add(1);
    }

    /// Gives back memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.ready.is_empty() && self.ready.capacity() > 0 {
            self.ready = Vec::new();
        }
        if self.touched.is_empty() && self.touched.capacity() > 0 {
            self.touched = Vec::new();
        }
    }
}

/// Where an answer stands among those that can go on. One whose client said nothing shares, so that
/// no long answer keeps back the others.
fn ready_of(stream: &Stream) -> Option<Ready> {
    let outgoing = stream.outgoing.as_ref()?;
    let (urgency, shares) = match stream.priority {
        Some(priority) => (priority.urgency, priority.incremental),
        None => (USUAL_URGENCY, true),
    };
    Some(Ready { urgency, turn: if shares { outgoing.turn } else { 0 }, id: stream.id })
}

/// Writes fields, with names in lower case (RFC 9113 §8.2). Those of HTTP/1's connections are left
/// out.
pub(crate) fn write_fields(encoder: &mut HpackEncoder, buf: &mut Vec<u8>, fields: &FieldList) {
    for (name, value) in fields.iter() {
        if !is_of_http1(name) {
            encoder.field(buf, name, value, HpackEncoder::auto(name));
        }
    }
}
